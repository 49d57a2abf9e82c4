//! Output that is shown only on a terminal: a pseudo-terminal of Python's, which Debian has.

use std::process::Command;

use crate::support::{Server, failure, program};

/// Runs a shell's command on a terminal of its own, and returns everything shown there. `$0` is the program.
#[track_caller]
fn on_a_terminal(server: &Server, command: &str) -> String {
    const SPAWN: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let output = Command::new("python3")
        .args(["-c", SPAWN, "sh", "-c", command])
        .arg(program().get_program())
        .env("MANTISDB_URL", &server.url)
        .env("TERM", "xterm")
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn progress_is_shown_on_a_terminal_only() {
    let server = Server::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("words"), "zebra\napple\n").unwrap();
    for (command, sign) in [
        (format!("\"$0\" import --bucket w {}", path("words")), " of 12 B"),
        (format!("\"$0\" scan --bucket w > {}", path("scanned")), "B/s"),
        (format!("\"$0\" export --bucket w --format imported > {}", path("exported")), "B/s"),
        (format!("\"$0\" export --bucket w --output {}", path("written")), "B/s"),
        ("\"$0\" delete --bucket w --prefix a".to_owned(), "deleting"),
    ] {
        let shown = on_a_terminal(&server, &command);
        assert!(shown.contains(sign), "{command}: {shown:?}");
    }
    assert_eq!(std::fs::read_to_string(path("scanned")).unwrap(), "apple\nzebra\n");
    assert_eq!(std::fs::read_to_string(path("exported")).unwrap(), "zebra\napple\n");
    assert!(!on_a_terminal(&server, "\"$0\" scan --bucket w").contains("B/s"), "the keys show themselves");

    for arguments in [
        &["import", "--bucket", "w", &path("words"), "--json"][..],
        &["scan", "--bucket", "w"],
        &["export", "--bucket", "w"],
        &["delete", "--bucket", "w", "--prefix", "a"],
    ] {
        let (code, message) = failure(&server.run(arguments));
        assert_eq!((code, &*message), (0, ""), "{arguments:?}");
    }
}

#[test]
fn rows_are_cut_to_the_terminal_which_obeys_none_of_them() {
    let server = Server::start(&[]);
    server.ok(&["table", "create", "t", "--column", "id:bigint", "--column", "note:text"]);
    let rows = format!("{{\"id\":1,\"note\":\"\\u001b[31m\\u009b {}\"}}\n", "x".repeat(300));
    assert!(server.run_with(&["table", "import", "t", "--format", "ndjson"], rows.as_bytes()).status.success());
    let shown = on_a_terminal(&server, "stty rows 24 cols 40; \"$0\" table select t");
    assert!(shown.contains("id  note") && shown.contains(" 1  \\u{1b}[31m\\u{9b} x"), "{shown:?}");
    assert!(shown.contains('…') && shown.lines().all(|line| line.chars().count() <= 41), "{shown:?}");
    for command in ["select t --csv", "select t --json", "export t", "export t --format csv"] {
        let shown = on_a_terminal(&server, &format!("\"$0\" table {command}"));
        assert!(shown.contains("xxx") && !shown.contains(['\u{1b}', '\u{9b}']), "{command}: {shown:?}");
    }
    assert!(on_a_terminal(&server, "echo id,note | \"$0\" table import t").contains("0 rows imported"));
}

#[test]
fn a_terminal_obeys_no_key_value_or_error() {
    let server = Server::start(&[]);
    let evil = "\u{1b}]0;title\u{7}\u{9b}31m\u{202e}";
    server.ok(&["put", evil, evil]);
    server.ok(&["put", "bytes", "--escapes", "\u{1b}[31m"]);
    let key = "$(printf '\\033]0;title\\007\\302\\23331m\\342\\200\\256')";
    for command in [
        format!("get \"{key}\""),
        format!("get --json \"{key}\""),
        "scan --values".to_owned(),
        "scan --values --json".to_owned(),
        "watch --since earliest --limit 1".to_owned(),
        "watch --since earliest --limit 1 --json".to_owned(),
        format!("get missing\"{key}\" || true"),
        format!("get missing\"{key}\" --json || true"),
        format!("bucket drop \"{key}\" || true"),
        format!("table describe \"{key}\" || true"),
        format!("table create \"{key}\" --column a:text || true"),
    ] {
        let shown = on_a_terminal(&server, &format!("\"$0\" {command}"));
        // Colours of the command line's own are no data.
        let obeyed = ["\u{1b}]", "\u{7}", "\u{9b}", "\u{202e}"];
        assert!(!shown.is_empty() && !obeyed.iter().any(|sign| shown.contains(sign)), "{command}: {shown:?}");
    }
    // A file or a pipe gets every byte.
    assert_eq!(server.ok(&["get", evil]), evil);
}
