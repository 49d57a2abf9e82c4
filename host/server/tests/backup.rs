//! Backup, restore, check and repair, with the real program.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use crate::support::{Server, failure, pause, program, read_all, run_with};

fn start(data: &Path) -> Server {
    Server::start(&["--data", data.to_str().unwrap(), "--checkpoint-bytes", "1000000"])
}

/// Runs a command that needs no server.
fn run(arguments: &[&str]) -> Output {
    let mut command = program();
    command.args(arguments);
    run_with(command, b"")
}

/// Runs a command that must succeed, and returns its output on both streams.
#[track_caller]
fn ok(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap())).collect()
}

/// A file of this many lines.
fn lines(count: usize) -> Vec<u8> {
    let mut lines = Vec::new();
    (0..count).for_each(|number| writeln!(lines, "line {number} of a file that fills more than a block").unwrap());
    lines
}

#[track_caller]
fn import(server: &Server, bucket: &str, file: &[u8]) {
    let output = server.run_with(&["import", "--bucket", bucket], file);
    assert!(output.status.success(), "{output:?}");
}

/// Lines of `key\tvalue`.
fn listed(server: &Server, bucket: &str) -> String {
    server.ok(&["scan", "--bucket", bucket, "--values"])
}

#[test]
fn backups_into_one_file_at_once_do_not_mix() {
    let directory = tempfile::tempdir().unwrap();
    let (data, new) = (directory.path().join("data"), directory.path().join("new"));
    let file = directory.path().join("db.backup");
    let server = start(&data);
    import(&server, "lines", &lines(20_000));
    let begin = |force: bool| {
        let mut command = program();
        command.args(["backup", text(&file)]).args(force.then_some("--force")).env("MANTISDB_URL", &server.url);
        (force, command.stderr(Stdio::piped()).spawn().unwrap())
    };
    let running = [false, false, true, true].map(begin);
    let outcomes = running.map(|(force, process)| (force, failure(&process.wait_with_output().unwrap())));
    for (force, (code, said)) in outcomes {
        assert!(code == 0 || !force && said.contains("exists"), "{said}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing partial is left");
    ok(&["restore", text(&file), "--data", text(&new)]);
}

#[test]
fn a_backup_of_a_busy_server_restores_its_state() {
    let directory = tempfile::tempdir().unwrap();
    let (data, new) = (directory.path().join("data"), directory.path().join("new"));
    let (file, again) = (directory.path().join("db.backup"), directory.path().join("again.backup"));
    let (server, imported) = (start(&data), lines(20_000));
    import(&server, "lines", &imported);
    server.ok(&["put", "soon", "x", "--ttl", "1000"]);
    let before = listed(&server, "lines");
    // Two keys that other clients keep writing together.
    let address = server.address;
    let (is_over, wrote) = (AtomicBool::new(false), AtomicBool::new(false));
    let said = thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                let set = |key: &str| format!(r#"{{"op":"set","key":"{key}","value":"{number}"}}"#);
                let batch = format!(r#"{{"operations":[{},{}],"atomic":true}}"#, set("a"), set("z"));
                let head = "POST /api/v1/buckets/pairs/kv HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                            Content-Type: application/json\r\n";
                let request = format!("{head}Content-Length: {}\r\n\r\n{batch}", batch.len());
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(request.as_bytes()).unwrap();
                assert!(read_all(&mut stream).starts_with("HTTP/1.1 200"));
                wrote.store(true, Ordering::Release);
                if is_over.load(Ordering::Acquire) {
                    return;
                }
            }
        });
        while !wrote.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let said = server.run(&["backup", text(&file)]);
        is_over.store(true, Ordering::Release);
        said
    });
    let (code, said) = failure(&said);
    assert!(code == 0 && said.starts_with("version ") && said.contains(" keys, "), "{said}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing partial is left");
    let follow = |server: &Server, since: &str| {
        let request = format!(
            "GET /api/v1/changes?wait=0&since={since} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        server.exchange(request.as_bytes())
    };
    let now = follow(&server, "now");
    let cursor = now.split("\"cursor\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(follow(&server, cursor).starts_with("HTTP/1.1 200"));
    drop(server);

    let restored = ok(&["restore", text(&file), "--data", text(&new)]);
    assert_eq!(restored, said);
    assert!(ok(&["check", "--data", text(&new)]).contains("all right"));
    let server = start(&new);
    let version = said.split([' ', ':']).nth(1).unwrap();
    assert!(server.greeting.contains(&format!("at version {version}")), "{} {said}", server.greeting);
    assert_eq!(listed(&server, "lines"), before);
    let exported = server.run(&["export", "--bucket", "lines", "--format", "imported"]).stdout;
    assert!(exported == imported, "the file comes back in its order");
    let pairs = listed(&server, "pairs");
    let values: Vec<_> = pairs.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert!(values.len() == 2 && values[0] == values[1], "{pairs}");
    let soon: Value = serde_json::from_str(&server.ok(&["get", "soon", "--json"])).unwrap();
    assert!(soon["expires_at"].is_string(), "{soon}");

    // The copy is used independently.
    let gone = follow(&server, cursor);
    assert!(gone.starts_with("HTTP/1.1 410") && gone.contains("\"compacted\""), "{gone}");
    assert!(follow(&server, "now").starts_with("HTTP/1.1 200"));
    server.ok(&["put", "more", "x"]);
    let said = server.ok(&["backup", text(&again), "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    let next = (version.parse::<u64>().unwrap() + (1 << 32) + 1).to_string();
    assert_eq!((&said["version"], &said["bytes"]), (&next.into(), &fs::metadata(&again).unwrap().len().into()));
}

#[test]
fn a_backup_goes_to_standard_output_and_no_file_is_replaced_unasked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("db.backup");
    let server = Server::start(&[]);
    server.ok(&["put", "a", "1"]);
    let output = server.run(&["backup", "-"]);
    assert!(output.status.success() && output.stderr.starts_with(b"version 1: 1 key, "), "{output:?}");
    fs::write(&file, &output.stdout).unwrap();
    let (code, message) = failure(&server.run(&["backup", text(&file)]));
    assert!(code == 4 && message.contains("exists") && message.contains("--force"), "{message}");
    assert_eq!(fs::read(&file).unwrap(), output.stdout);
    server.ok(&["put", "a", "2"]);
    server.ok(&["backup", text(&file), "--force"]);
    assert_ne!(fs::read(&file).unwrap(), output.stdout);
    let (code, message) = failure(&server.run(&["backup", "/nowhere/db.backup"]));
    assert!(code == 4 && message.contains("/nowhere"), "{message}");
    let (code, message) = failure(&run(&["backup", text(&file), "--force", "--url", "http://127.0.0.1:1"]));
    assert!(code == 3 && message.contains("cannot reach"), "{message}");
}

/// Answers one request with a backup that ends early: with its connection, or as if it were complete.
fn server_that_breaks_off(backup: Vec<u8>, is_ended: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4_096]).unwrap();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        write!(stream, "{head}{:x}\r\n", backup.len()).unwrap();
        stream.write_all(&backup).unwrap();
        stream.write_all(if is_ended { b"\r\n0\r\n\r\n" } else { b"\r\n" }).unwrap();
    });
    url
}

#[test]
fn an_interrupted_backup_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("db.backup");
    let server = Server::start(&[]);
    import(&server, "lines", &lines(100));
    let whole = server.run(&["backup", "-"]).stdout;
    for (length, is_ended, reason) in [
        (whole.len() - 1, true, "incomplete or damaged"),
        (whole.len() / 2, true, "incomplete or damaged"),
        (0, true, "incomplete or damaged"),
        (whole.len() / 2, false, "connection"),
        (whole.len(), false, "connection"),
    ] {
        let url = server_that_breaks_off(whole[..length].to_vec(), is_ended);
        let (code, message) = failure(&run(&["backup", text(&file), "--url", &url]));
        assert!(code == 3 && message.contains(reason), "{length}: {message}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "{length}");
    }
}

#[test]
fn a_restore_that_is_killed_while_it_copies_is_no_empty_database() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&[]);
    import(&server, "lines", &lines(10_000));
    let whole = server.run(&["backup", "-"]).stdout;
    let mut command = program();
    command.args(["restore", "-", "--data", text(&data)]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&whole[..whole.len() / 2]).unwrap();
    while !fs::read_dir(&data).is_ok_and(|mut names| names.any(|name| name.unwrap().file_name() != "lock")) {
        pause(5);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, message) = failure(&run(&["serve", "--data", text(&data), "--listen", "127.0.0.1:0"]));
    assert!(code != 0 && message.contains("interrupted"), "{message}");
    let mut again = program();
    again.args(["restore", "-", "--data", text(&data)]);
    let output = run_with(again, &whole);
    assert!(output.status.success(), "{output:?}");
    let restored = start(&data);
    assert_eq!(restored.ok(&["scan", "--bucket", "lines"]).lines().count(), 10_000);
}

#[test]
fn what_is_no_backup_is_called_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut tar = vec![0; 1_024];
    tar[257..262].copy_from_slice(b"ustar");
    for (input, expected) in [
        (&b""[..], "standard input is empty"),
        (&tar, "standard input is a tar archive"),
        (b"\x78\x9c\xcb\x48", "zlib"),
    ] {
        let mut command = program();
        command.args(["restore", "-", "--data", text(&data)]);
        let (code, message) = failure(&run_with(command, input));
        assert!(code == 4 && message.contains(expected), "{message}");
        assert!(!data.exists());
    }
    let server = Server::start(&[]);
    server.ok(&["put", "a", "1"]);
    let file = directory.path().join("db.zst");
    server.ok(&["backup", text(&file)]);
    assert!(fs::read(&file).unwrap().starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    assert_eq!(failure(&run(&["restore", text(&file), "--data", text(&data)])).0, 0);
}

#[test]
fn a_refused_restore_leaves_no_files() {
    let directory = tempfile::tempdir().unwrap();
    let (file, new) = (directory.path().join("db.backup"), directory.path().join("new"));
    let data = directory.path().join("data");
    let server = start(&data);
    import(&server, "lines", &lines(1_000));
    server.ok(&["backup", text(&file)]);
    let whole = fs::read(&file).unwrap();
    let into = |data: &Path| failure(&run(&["restore", text(&file), "--data", text(data)]));
    let (code, message) = into(&data);
    assert!(code == 4 && message.contains("another process") && message.contains("hint:"), "{message}");
    drop(server);
    let before = files(&data);
    let (code, message) = into(&data);
    assert!(code == 4 && message.contains("already holds a store") && message.contains("--data"), "{message}");
    assert!(files(&data) == before);
    for damaged in [&whole[..whole.len() - 20], &[&whole[..], b"more"].concat()] {
        fs::write(&file, damaged).unwrap();
        let (code, message) = into(&new);
        assert!(code == 4 && message.contains("offset ") && !new.exists(), "{message}");
    }
    let (code, message) = failure(&run(&["restore", text(directory.path()), "--data", text(&new)]));
    assert!(code == 4 && message.contains("is a directory"), "{message}");
    let (code, message) = failure(&run(&["restore", "/nowhere", "--data", text(&new)]));
    assert!(code == 4 && message.contains("/nowhere") && !new.exists(), "{message}");
    // An existing directory without files of a database is accepted.
    fs::create_dir(&new).unwrap();
    fs::write(new.join("notes.txt"), "mine").unwrap();
    fs::write(&file, &whole).unwrap();
    let said: Value =
        serde_json::from_slice(&run(&["restore", text(&file), "--data", text(&new), "--json"]).stdout).unwrap();
    assert_eq!(said["bytes"], whole.len());
}

/// A directory with keys `a0` to `a19`, one of whose commits was damaged, and the file's name.
fn damaged(directory: &Path) -> (PathBuf, String) {
    let data = directory.join("data");
    let server = start(&data);
    (0..20).for_each(|number| drop(server.ok(&["put", &format!("a{number}"), &"v".repeat(100)])));
    drop(server);
    let log = "log-00000000000000000000.mantis".to_owned();
    let mut bytes = fs::read(data.join(&log)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(data.join(&log), bytes).unwrap();
    (data, log)
}

#[test]
fn a_check_names_what_is_damaged_and_a_repair_keeps_what_came_before() {
    let directory = tempfile::tempdir().unwrap();
    let (data, log) = damaged(directory.path());
    let new = directory.path().join("new");
    let before = files(&data);
    let mut serve = program();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data", text(&data)]);
    let (code, message) = failure(&run_with(serve, b""));
    assert!(code == 4 && message.contains("--repair --into NEW"), "{message}");

    let checked = run(&["check", "--data", text(&data)]);
    let (code, message) = failure(&checked);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(code == 4 && message.contains("is damaged") && message.contains("hint:"), "{message}");
    assert!(said.contains(&log) && said.contains("damaged, offset ") && said.contains("does not open"), "{said}");
    let checked = run(&["check", "--data", text(&data), "--json"]);
    let report: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((checked.status.code(), &report["right"]), (Some(4), &false.into()));
    let file = report["files"].as_array().unwrap().iter().find(|file| file["name"] == *log).unwrap();
    let offset = file["findings"][0]["offset"].as_u64().unwrap();
    assert!(report["opening"]["error"].as_str().unwrap().contains(&format!("{log}, offset {offset}")), "{report}");

    let repaired = ok(&["check", "--data", text(&data), "--repair", "--into", text(&new)]);
    assert!(
        repaired.contains("kept: ") && repaired.contains("lost: versions ") && repaired.contains("to 20"),
        "{repaired}"
    );
    assert!(files(&data) == before, "neither a check nor a repair changes the directory");
    assert!(ok(&["check", "--data", text(&new)]).contains("all right"));
    let server = start(&new);
    let keys = server.ok(&["scan"]);
    // Twenty commits of one size: the damaged one is the tenth or the eleventh.
    assert!((9..11).contains(&keys.lines().count()), "{keys}");
    assert!(keys.starts_with("a0\na1\n"), "{keys}");
    drop(server);
    let again = failure(&run(&["check", "--data", text(&data), "--repair", "--into", text(&new)]));
    assert!(again.0 == 4 && again.1.contains("already holds a store") && again.1.contains("--into"), "{}", again.1);
}

#[test]
fn a_check_hints_at_no_repair_where_it_would_keep_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (data, log) = damaged(directory.path());
    let bytes = fs::read(data.join(&log)).unwrap();
    let flipped = |offset: usize| {
        let mut bytes = bytes.clone();
        bytes[offset] ^= 1;
        Some(bytes)
    };
    let newer = fs::read(data.join("store.mantis")).unwrap();
    for (file, contents, hint) in [
        // A commit in the middle.
        (&*log, Some(bytes.clone()), "--repair --into NEW"),
        // The first commit.
        (&log, flipped(100), "restore a backup; no commit is intact"),
        // The header, without which nothing in it can be trusted.
        (&log, flipped(8), "restore a backup; nothing can be repaired"),
        (&log, None, "restore a backup; nothing can be repaired"),
        ("store.mantis", Some([&newer[..12], &[0xff], &newer[13..]].concat()), "run the version of mantisdb"),
    ] {
        fs::write(data.join(&log), &bytes).unwrap();
        contents.map_or_else(|| fs::remove_file(data.join(file)), |bytes| fs::write(data.join(file), bytes)).unwrap();
        let (code, message) = failure(&run(&["check", "--data", text(&data)]));
        let repairs = hint.contains("--repair");
        assert!(code == 4 && message.contains(hint) && message.contains("--repair") == repairs, "{hint}: {message}");
    }
}

#[test]
fn all_commands_count_the_keys_and_rows_that_users_put() {
    let directory = tempfile::tempdir().unwrap();
    let (data, copy, file) = (directory.path().join("data"), directory.path().join("copy"), directory.path().join("b"));
    let server = start(&data);
    let fresh: Value = serde_json::from_str(&server.ok(&["stats", "--json"])).unwrap();
    assert_eq!((&fresh["store"]["keys"], &fresh["store"]["rows"]), (&0.into(), &0.into()), "{fresh}");
    let said = server.run(&["backup", text(&directory.path().join("empty"))]).stderr;
    assert!(String::from_utf8(said).unwrap().starts_with("version 0: 0 keys, "));
    for bucket in ["default", "b"] {
        server.ok(&["put", "--bucket", bucket, "a", "1"]);
    }
    let create =
        ["table", "create", "t", "--column", "id:bigint:identity", "--column", "a:text", "--primary-key", "id"];
    server.ok(&create);
    for row in ["x", "y", "z"] {
        let imported = server
            .run_with(&["table", "import", "t", "--format", "ndjson"], format!("{{\"a\": \"{row}\"}}\n").as_bytes());
        assert!(imported.status.success(), "{imported:?}");
    }
    let stats: Value = serde_json::from_str(&server.ok(&["stats", "--json"])).unwrap();
    assert_eq!((&stats["store"]["keys"], &stats["store"]["rows"]), (&2.into(), &3.into()), "{stats}");
    let said: Value = serde_json::from_str(&server.ok(&["backup", text(&file), "--json"])).unwrap();
    assert_eq!((&said["keys"], &said["rows"]), (&2.into(), &3.into()), "{said}");
    drop(server);
    let restored = ok(&["restore", text(&file), "--data", text(&copy)]);
    assert!(restored.contains(": 2 keys and 3 rows, "), "{restored}");
    for directory in [&data, &copy] {
        let checked = ok(&["check", "--data", text(directory)]);
        assert!(checked.contains("opens with 2 keys and 3 rows at version"), "{checked}");
        let server = start(directory);
        assert!(server.greeting.contains("; 2 keys and 3 rows at version"), "{}", server.greeting);
    }
}

#[test]
fn a_repair_in_place_keeps_the_damaged_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (data, _) = damaged(directory.path());
    let before = files(&data);
    let report: Value =
        serde_json::from_str(&ok(&["check", "--data", text(&data), "--repair", "--in-place", "--json"])).unwrap();
    let moved = PathBuf::from(report["repaired"]["damaged_path"].as_str().unwrap());
    assert!(files(&moved) == before && moved.parent() == data.canonicalize().unwrap().parent(), "{report}");
    let kept = report["repaired"]["kept"]["keys"].as_u64().unwrap();
    assert!(ok(&["check", "--data", text(&data)]).contains(&format!("{kept} keys at version {kept}")));
    assert!(start(&data).ok(&["scan"]).starts_with("a0\n"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    // If nothing is damaged, nothing is done.
    assert!(ok(&["check", "--data", text(&data), "--repair", "--in-place"]).contains("nothing to repair"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn an_unfinished_write_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = start(&data);
    server.ok(&["put", "a", "1"]);
    let (code, message) = failure(&run(&["check", "--data", text(&data)]));
    assert!(code == 4 && message.contains("another process") && message.contains("stop the server"), "{message}");
    drop(server);
    let log = data.join("log-00000000000000000000.mantis");
    let mut bytes = fs::read(&log).unwrap();
    bytes.extend([1; 30]);
    fs::write(&log, &bytes).unwrap();
    let said = ok(&["check", "--data", text(&data)]);
    assert!(said.contains("note, offset ") && said.contains("30 bytes") && said.contains("all right"), "{said}");
    assert_eq!(fs::read(&log).unwrap(), bytes);
}

#[test]
fn a_check_creates_no_directory_and_needs_matching_options() {
    let directory = tempfile::tempdir().unwrap();
    let none = directory.path().join("none");
    let (code, message) = failure(&run(&["check", "--data", text(&none)]));
    assert!(code == 4 && message.contains("--data") && !none.exists(), "{message}");
    let (code, message) = failure(&run(&["check", "--data", text(directory.path())]));
    assert!(code == 4 && message.contains("no database"), "{message}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    for arguments in [
        &["check", "--repair"][..],
        &["check", "--into", "x"],
        &["check", "--in-place"],
        &["check", "--repair", "--into", "x", "--in-place"],
        &["backup"],
        &["restore"],
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}
