//! The directory of a running server that is moved, replaced, restored into or unlocked: data reported as durable is there
//! afterwards, and no other directory is touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::durability::{POLICIES, send, start};
use crate::support::{PATIENCE, Server, failure, pause, program, run_with};

/// Writes this many keys, and returns those reported as durable, and the number of refused ones.
fn put_many(server: &Server, prefix: &str, count: usize) -> (Vec<String>, usize) {
    let (mut durable, mut refused) = (Vec::new(), 0);
    for number in 0..count {
        let key = format!("{prefix}-{number}");
        let answer = send(server, "PUT", &format!("/api/v1/kv/{key}"), "value");
        if answer.starts_with("HTTP/1.1 503") {
            assert!(answer.contains("storage-failed"), "{answer}");
            refused += 1;
        } else {
            assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
            if answer.contains("mantisdb-durable: true") {
                durable.push(key);
            }
        }
    }
    (durable, refused)
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
    files.map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap())).collect()
}

/// Every key of `durable` is in the database that `data` holds.
#[track_caller]
fn check_there(data: &Path, durable: &[String]) {
    let server = start(data, "always");
    for key in durable {
        let answer = send(&server, "GET", &format!("/api/v1/kv/{key}"), "");
        assert!(answer.ends_with("value"), "{key}: {answer}");
    }
}

/// Ends the server, and returns its log.
fn end(mut server: Server) -> String {
    server.signal("-TERM");
    server.wait();
    server.log()
}

#[test]
fn a_moved_directory_gets_no_more_writes() {
    for durability in POLICIES {
        let directory = tempfile::tempdir().unwrap();
        let (data, away) = (directory.path().join("data"), directory.path().join("away"));
        let server = start(&data, durability);
        let (mut durable, refused) = put_many(&server, "before", 10);
        assert_eq!(refused, 0);
        fs::rename(&data, &away).unwrap();
        fs::create_dir(&data).unwrap();
        let (later, refused) = put_many(&server, "after", 40);
        if durability == "always" {
            assert_eq!((later.len(), refused), (0, 40), "no write is answered that the next start would not find");
        }
        durable.extend(later);
        // If nobody waits for a sync, it is noticed within about a second.
        for _ in 0..PATIENCE.as_millis() / 20 {
            if put_many(&server, "later", 1).1 == 1 {
                break;
            }
            pause(20);
        }
        assert_eq!(put_many(&server, "end", 3), (Vec::new(), 3), "{durability}");
        assert!(send(&server, "GET", "/health", "").starts_with("HTTP/1.1 503"), "{durability}");
        assert!(send(&server, "GET", "/api/v1/kv/before-0", "").ends_with("value"), "reads go on");
        let log = end(server);
        for said in [data.to_str().unwrap(), away.to_str().unwrap(), "moved", "put it back"] {
            assert!(log.contains(said), "{durability}: {said}: {log}");
        }
        assert_eq!(files(&data), BTreeMap::new(), "{durability}");
        check_there(&away, &durable);
        fs::remove_dir(&data).unwrap();
        fs::rename(&away, &data).unwrap();
        check_there(&data, &durable);
    }
}

#[test]
fn a_restore_under_a_running_servers_path_is_left_alone() {
    for durability in POLICIES {
        let directory = tempfile::tempdir().unwrap();
        let (data, away) = (directory.path().join("data"), directory.path().join("away"));
        let backup = directory.path().join("backup");
        let (path, checkpoint_bytes) = (data.to_str().unwrap(), "1000000");
        let server =
            Server::start(&["--data", path, "--durability", durability, "--checkpoint-bytes", checkpoint_bytes]);
        put_many(&server, "before", 3);
        server.ok(&["backup", backup.to_str().unwrap()]);
        fs::rename(&data, &away).unwrap();
        let mut restore = program();
        restore.args(["restore", backup.to_str().unwrap(), "--data", path]);
        let restored = run_with(restore, b"");
        assert!(restored.status.success(), "{restored:?}");
        let before = files(&data);
        assert!(before.keys().any(|name| name.to_str().unwrap().starts_with("checkpoint-")));
        // Enough for a checkpoint, if they are accepted.
        for number in 0..40 {
            send(&server, "PUT", &format!("/api/v1/kv/after-{number}"), &"v".repeat(50_000));
        }
        end(server);
        assert_eq!(files(&data), before, "{durability}");
        check_there(&data, &["before-0".to_owned(), "before-2".to_owned()]);
    }
}

/// The exit code of a command that must end by itself, and its standard error.
#[track_caller]
fn refused(mut command: Command) -> (i32, String) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    for _ in 0..PATIENCE.as_millis() / 10 {
        if child.try_wait().unwrap().is_some() {
            return failure(&child.wait_with_output().unwrap());
        }
        pause(10);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("{command:?} goes on");
}

#[test]
fn a_server_keeps_its_directory_without_the_lock_file() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = start(&data, "always");
    fs::remove_file(data.join("lock")).unwrap();
    // The first attempt creates the file again.
    for command in ["serve", "check", "check", "serve"] {
        let mut other = program();
        other.args([command, "--data", data.to_str().unwrap()]);
        if command == "serve" {
            other.args(["--listen", "127.0.0.1:0"]);
        }
        let (code, message) = refused(other);
        assert_eq!(code, 4, "{command}: {message}");
        assert!(message.contains("another process") && message.contains("hint:"), "{command}: {message}");
    }
    let (durable, refused) = put_many(&server, "a", 5);
    assert_eq!((durable.len(), refused), (5, 0));
    end(server);
    check_there(&data, &durable);
}

#[test]
fn a_removed_directory_gets_no_more_writes() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = start(&data, "always");
    put_many(&server, "before", 3);
    fs::remove_dir_all(&data).unwrap();
    assert_eq!(put_many(&server, "after", 5), (Vec::new(), 5));
    assert!(!data.exists(), "it is not created again beneath the server");
    let log = end(server);
    assert!(log.contains("removed") && log.contains(data.to_str().unwrap()), "{log}");
}

#[test]
fn what_is_no_directory_is_named_as_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("file"), "x").unwrap();
    std::os::unix::fs::symlink(path("nowhere"), path("dangling")).unwrap();
    std::os::unix::fs::symlink(path("file"), path("to-file")).unwrap();
    for (data, expected) in [
        (path("file"), "file is a file, not a directory"),
        (path("file").join("below"), "file is a file, not a directory"),
        (path("dangling"), "dangling is a link to something that does not exist"),
        (path("dangling").join("below"), "dangling is a link to something that does not exist"),
        (path("to-file"), "to-file is a link to a file, not to a directory"),
    ] {
        for command in ["serve", "check"] {
            let mut program = program();
            program.args([command, "--data"]).arg(&data);
            if command == "serve" {
                program.args(["--listen", "127.0.0.1:0"]);
            }
            let (code, message) = failure(&run_with(program, b""));
            assert!(code == 4 && message.contains(expected), "{command} {}: {code} {message}", data.display());
        }
    }
    assert_eq!(fs::read(path("file")).unwrap(), b"x");
    assert!(!path("nowhere").exists());
}
