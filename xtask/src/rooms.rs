//! `cargo xtask rooms`: checks that imports go one way, between crates, folders and files.
//!
//! Rules, for each crate below `host/` and for `web/`:
//! 1. A crate depends on the crates below it and on no others ([`BELOW`]).
//! 2. The files of a crate import each other without a circle, and so do the files and folders within each folder.
//!
//! An import is a path that begins with `crate`, `super`, `self` or a module's name, in a `use` declaration, in code or in a macro's
//! arguments; it is followed through re-exports to the file that defines the item. A declaration (`mod x;`) and a re-export (`pub use`) are
//! no imports. Code under `#[cfg(test)]` is skipped.

mod graph;
mod parse;
mod resolve;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};

use graph::Graph;
use resolve::Crate;

/// The checked crates, and which of the others each may depend on. The lowest first.
const BELOW: &[(&str, &[&str])] = &[
    ("host/store", &[]),
    ("host/pool", &[]),
    ("host/dialect", &[]),
    ("host/db", &["host/dialect", "host/store", "host/pool"]),
    ("host/forms", &["host/db", "host/dialect"]),
    ("host/plugin", &["host/db", "host/pool"]),
    ("host/http", &["host/plugin", "host/forms", "host/db", "host/dialect", "host/pool"]),
    ("host/server", &["host/http", "host/plugin", "host/db", "host/pool", "host/store"]),
    ("web", &["host/db", "host/dialect"]),
];

/// Checks every crate, and prints each import that breaks the rules.
pub(crate) fn run() -> Result<()> {
    let mut faults = Vec::new();
    for (folder, below) in BELOW {
        check_dependencies(folder, below, &mut faults)?;
        check_circles(&format!("{folder}/src"), &Crate::read(&Path::new(folder).join("src"))?, &mut faults);
    }
    if faults.is_empty() {
        println!("rooms: imports go one way in {} crates", BELOW.len());
        return Ok(());
    }
    for fault in &faults {
        eprintln!("{fault}");
    }
    bail!("{} faults: what several rooms need goes into a room of its own below them (docs/style.md)", faults.len())
}

fn check_dependencies(folder: &str, below: &[&str], faults: &mut Vec<String>) -> Result<()> {
    let manifest = Path::new(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
    // Tests may import anything.
    let text = text.split("[dev-dependencies]").next().unwrap_or_default();
    for (other, _) in BELOW {
        let name = if *other == "host/server" { "mantisdb".to_owned() } else { other.replace("host/", "mantis-") };
        let depends = text.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(&name));
        if depends && !below.contains(other) {
            faults.push(format!("{folder}/Cargo.toml depends on {name}, which is not below it"));
        }
    }
    Ok(())
}

fn check_circles(folder: &str, found: &Crate, faults: &mut Vec<String>) {
    let mut reported = BTreeSet::new();
    // Files first: a circle of files within a room is no circle of rooms.
    let files = Graph::of(found.imports.iter().map(|import| (import.from.clone(), import.to.clone())));
    report_circles(folder, "files", &files, found, str::to_owned, &mut reported, faults);
    for room in found.folders() {
        let inside = |file: &str| {
            let rest = if room.is_empty() { Some(file) } else { file.strip_prefix(&format!("{room}/")) };
            rest.map(|rest| rest.split('/').next().unwrap_or(rest).to_owned())
        };
        let edges = found.imports.iter().filter_map(|import| Some((inside(&import.from)?, inside(&import.to)?)));
        let place = if room.is_empty() { "rooms".to_owned() } else { format!("rooms of {room}/") };
        let name = |file: &str| inside(file).unwrap_or_default();
        report_circles(folder, &place, &Graph::of(edges), found, name, &mut reported, faults);
    }
}

/// Names each import of a circle once.
fn report_circles(
    folder: &str,
    what: &str,
    graph: &Graph,
    found: &Crate,
    node: impl Fn(&str) -> String,
    reported: &mut BTreeSet<(String, String)>,
    faults: &mut Vec<String>,
) {
    for circle in graph.circles() {
        let mut names: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for import in &found.imports {
            let (from, to) = (node(&import.from), node(&import.to));
            if from != to && circle.contains(&from) && circle.contains(&to) {
                names.entry((&import.from, &import.to)).or_default().insert(&import.name);
            }
        }
        let fresh: Vec<_> = names
            .into_iter()
            .filter(|((from, to), _)| reported.insert(((*from).to_owned(), (*to).to_owned())))
            .map(|((from, to), names)| format!("  {from} uses {to}: {}", Vec::from_iter(names).join(", ")))
            .collect();
        if !fresh.is_empty() {
            let members = circle.iter().cloned().collect::<Vec<_>>().join(", ");
            faults.push(format!("{folder}: a circle of {what}: {members}\n{}", fresh.join("\n")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The findings for a crate with these files.
    #[track_caller]
    fn faults_of(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut faults = Vec::new();
        check_circles("src", &Crate::read(folder.path()).unwrap(), &mut faults);
        faults
    }

    #[test]
    fn imports_without_a_circle_pass() {
        let lib = "mod a; mod b; pub use a::A; pub(crate) mod c { pub use crate::b::*; }";
        let a = "use crate::c::B; pub struct A(B); #[cfg(test)] mod tests { use crate::A; }";
        assert_eq!(faults_of(&[("lib.rs", lib), ("a.rs", a), ("b.rs", "pub struct B;")]), [""; 0]);
    }

    #[test]
    fn a_circle_of_files_is_named_with_its_imports() {
        let cases = [
            // A use declaration, through the crate's root.
            "use crate::A; pub struct B(A);",
            // A path in code, from a sibling.
            "pub struct B(super::a::A);",
            // Under another name.
            "use crate::a::A as Other; pub struct B(Other);",
            // In a macro's arguments.
            "pub struct B; pub fn f() { assert!(size_of::<crate::a::A>() > 0); }",
        ];
        for b in cases {
            let a = "use crate::b::B; pub struct A(Box<B>);";
            let faults = faults_of(&[("lib.rs", "mod a; mod b; pub use a::A;"), ("a.rs", a), ("b.rs", b)]);
            let expected = "src: a circle of files: a.rs, b.rs\n  a.rs uses b.rs: B\n  b.rs uses a.rs: A";
            assert_eq!(faults, [expected], "{b}");
        }
    }

    #[test]
    fn a_circle_of_folders_is_found_where_files_have_none() {
        let files = [
            ("lib.rs", "mod low; mod high;"),
            ("low/mod.rs", "mod one; mod two; pub use one::One; pub use two::Two;"),
            ("low/one.rs", "use crate::high::Top; pub struct One(Top);"),
            ("low/two.rs", "pub struct Two;"),
            ("high.rs", "use crate::low::Two; pub struct Top(Two);"),
        ];
        let expected =
            "src: a circle of rooms: high.rs, low\n  high.rs uses low/two.rs: Two\n  low/one.rs uses high.rs: Top";
        assert_eq!(faults_of(&files), [expected]);
    }

    #[test]
    fn a_room_that_imports_its_door_is_a_circle() {
        let files = [
            ("lib.rs", "mod room;"),
            ("room/mod.rs", "mod part; use part::Part; pub const LIMIT: usize = 1; pub fn f(_: Part) {}"),
            ("room/part.rs", "pub struct Part([u8; super::LIMIT]);"),
        ];
        assert_eq!(faults_of(&files).len(), 1);
    }
}
