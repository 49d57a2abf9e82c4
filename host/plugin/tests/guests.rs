//! Every guest has a test: each folder of examples and fixtures is named by one, here or among the scenarios. Faults have a table of
//! their own (`faults`).

use std::path::Path;

use crate::support::guest_folder;

/// The Rust files of a folder and of those in it, in one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &std::fs::read_to_string(&path).unwrap();
        }
    }
    text
}

/// The interfaces lie outside the folder of the SDK, behind a link that a package must follow.
#[test]
fn the_packaged_sdk_has_its_interfaces() {
    let mut list = std::process::Command::new(env!("CARGO"));
    list.args(["package", "--list", "--package", "mantis-guest", "--allow-dirty", "--offline"]);
    let output = list.current_dir(guest_folder()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let listed = String::from_utf8(output.stdout).unwrap();
    let interfaces = std::fs::read_dir(guest_folder().join("../wit")).unwrap();
    let interfaces: Vec<_> = interfaces.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(interfaces.iter().any(|name| name == "worlds.wit"));
    for name in interfaces {
        assert!(listed.lines().any(|file| file == format!("wit/{name}")), "{name} is not in {listed}");
    }
}

#[test]
fn every_example_and_fixture_has_a_test() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let tests = sources(&own) + &sources(&own.join("../../../tests/integration"));
    let mut guests = 0;
    for kind in ["examples", "fixtures"] {
        for entry in std::fs::read_dir(guest_folder().join(kind)).unwrap() {
            let guest = entry.unwrap().file_name().into_string().unwrap();
            // As an argument of what installs it, or before the function in a call.
            let is_named = [format!("\"{guest}\""), format!("\"{guest}/")].iter().any(|name| tests.contains(name));
            assert!(is_named, "guest/{kind}/{guest} is named by no test in host/plugin/tests or tests/integration");
            guests += 1;
        }
    }
    assert!(guests > 0, "the folders are found");
}
