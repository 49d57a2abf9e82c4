//! Files that commands write and read: links, pipes, what signals and crashes leave, permissions, compressed backups.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::support::{Server, failure, pause, program, run_with};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The commands that write a file: before its name, and after it.
const WRITERS: [&[&str]; 4] = [
    &["backup"],
    &["export", "--bucket", "b", "--output"],
    &["table", "export", "t", "--output"],
    &["table", "export", "t", "--query", "select=id", "--format", "csv", "--output"],
];

fn server() -> Server {
    let server = Server::start(&[]);
    server.ok(&["put", "--bucket", "b", "a", "1"]);
    server.ok(&["table", "create", "t", "--column", "id:bigint", "--primary-key", "id"]);
    server
}

#[test]
fn force_replaces_no_link_no_pipe_and_no_device() {
    let server = server();
    for command in WRITERS {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let run = |name: &Path, more: &[&str]| failure(&server.run(&[command, &[text(name)], more].concat()));
        fs::write(at("file"), "before").unwrap();
        symlink("file", at("link")).unwrap();
        let (code, message) = run(&at("link"), &[]);
        assert!(code == 4 && message.contains("exists"), "{command:?}: {message}");
        assert_eq!(run(&at("link"), &["--force"]).0, 0, "{command:?}");
        assert!(at("link").is_symlink(), "{command:?}");
        assert_ne!(fs::read(at("file")).unwrap(), b"before", "{command:?}");

        fifo(&at("pipe"));
        let (code, message) = run(&at("pipe"), &[]);
        assert!(code == 4 && message.contains("--force"), "{command:?}: {message}");
        let pipe = at("pipe");
        let reading = thread::spawn(move || {
            let mut bytes = Vec::new();
            fs::File::open(pipe).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        });
        assert_eq!(run(&at("pipe"), &["--force"]).0, 0, "{command:?}");
        let (piped, written) = (reading.join().unwrap(), fs::read(at("file")).unwrap());
        // No two backups have the same salt.
        assert!(piped == written || command[0] == "backup" && piped.len() == written.len(), "{command:?}");
        assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo(), "{command:?}");

        symlink("/dev/null", at("device")).unwrap();
        for name in [&at("device"), Path::new("/dev/null")] {
            assert_eq!(run(name, &["--force"]).0, 0, "{command:?}");
        }
        assert!(at("device").is_symlink());
        assert!(fs::symlink_metadata("/dev/null").unwrap().file_type().is_char_device());

        symlink("nothing", at("dangling")).unwrap();
        let (code, message) = run(&at("dangling"), &["--force"]);
        assert!(code == 4 && message.contains("leads to nothing"), "{command:?}: {message}");
        let (code, message) = run(directory.path(), &["--force"]);
        assert!(code == 4 && message.contains("a directory"), "{command:?}: {message}");
        assert_eq!(names(directory.path()), ["dangling", "device", "file", "link", "pipe"], "{command:?}");
    }
}

/// Answers every request with the beginning of a stream, and never goes on.
fn server_that_stalls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4_096]).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            kept.push(stream);
        }
    });
    url
}

#[test]
fn a_signal_leaves_no_partial_file_and_what_a_killed_process_leaves_is_cleared() {
    let url = server_that_stalls();
    for command in [WRITERS[0], WRITERS[1]] {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        let begin = || {
            let before = names(directory.path());
            let mut process = program();
            process.args(command).arg(&target).args(["--url", &url]);
            let child = process.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            while names(directory.path()) == before {
                pause(5);
            }
            // Its lock follows its name.
            pause(100);
            child
        };
        let kill = |name: &str, mut child: std::process::Child| {
            assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
            child.wait().unwrap().code()
        };
        for (name, code) in [("-INT", 130), ("-TERM", 143)] {
            assert_eq!(kill(name, begin()), Some(code), "{command:?}");
            assert_eq!(names(directory.path()), [""; 0], "{command:?}");
        }
        kill("-KILL", begin());
        let left = names(directory.path());
        assert!(left.len() == 1 && left[0].ends_with(".partial"), "{left:?}");
        let (first, second) = (begin(), begin());
        let running = names(directory.path());
        assert!(running.len() == 2 && !running.contains(&left[0]), "{left:?} {running:?}");
        for child in [first, second] {
            kill("-TERM", child);
        }
        assert_eq!(names(directory.path()), [""; 0], "{command:?}");
    }
}

#[test]
fn a_data_directory_is_its_owners_unless_the_configuration_says_otherwise() {
    for (options, directory_mode, file_mode) in
        [(&[][..], 0o700, 0o600), (&["--data-mode", "0750"], 0o750, 0o640), (&["--data-mode", "777"], 0o777, 0o666)]
    {
        let directory = tempfile::tempdir().unwrap();
        let (data, copy) = (directory.path().join("a/data"), directory.path().join("copy"));
        let backup = directory.path().join("backup");
        let server = Server::start(&[&["--data", text(&data)], options].concat());
        server.ok(&["put", "a", "1"]);
        server.ok(&["backup", text(&backup)]);
        assert_eq!(mode(&backup), 0o600);
        let mut restoring = program();
        restoring.args(["restore", text(&backup), "--data", text(&copy)]).args(options);
        assert!(run_with(restoring, b"").status.success());
        for directory in [&data, &copy] {
            assert_eq!(mode(directory), directory_mode, "{options:?}");
            for name in names(directory).iter().filter(|name| *name != "lock") {
                assert_eq!(mode(&directory.join(name)), file_mode, "{options:?} {name}");
            }
        }
    }
}

#[test]
fn what_is_no_directory_is_named_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    symlink("nothing", directory.path().join("link")).unwrap();
    for (name, part) in [
        ("file", "not a directory"),
        ("link", "a link to something that does not exist"),
        ("file/x", "not a directory"),
    ] {
        let mut serve = program();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data", text(&directory.path().join(name))]);
        let (code, message) = failure(&run_with(serve, b""));
        assert!(code == 4 && message.contains(part), "{name}: {message}");
    }
}

/// A backup of `count` keys.
fn backup(count: usize) -> Vec<u8> {
    let server = Server::start(&[]);
    let lines: Vec<_> = (0..count).map(|number| format!("key {number} of some length")).collect();
    assert!(server.run_with(&["import", "--no-order"], lines.join("\n").as_bytes()).status.success());
    server.run(&["backup", "-"]).stdout
}

/// Filters bytes through a program.
fn through(command: &str, bytes: &[u8]) -> Vec<u8> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    let output = run_with(shell, bytes);
    assert!(output.status.success(), "{command}: {output:?}");
    output.stdout
}

#[test]
fn a_backup_is_restored_from_a_pipe_and_from_what_it_was_compressed_to() {
    let whole = backup(20_000);
    let gzip = through("gzip", &whole);
    let zstandard = zstd::encode_all(&whole[..], 3).unwrap();
    let half = through("gzip", &whole[..whole.len() / 2]);
    for (number, (contents, problem)) in [
        (&whole[..], None),
        (&gzip, None),
        (&zstandard, None),
        (&gzip[..gzip.len() / 2], Some("cannot be")),
        (&zstandard[..zstandard.len() / 2], Some("cannot be")),
        (&half, Some("truncated")),
        (b"no backup", Some("cannot be restored")),
        (b"", Some("cannot be restored")),
    ]
    .into_iter()
    .enumerate()
    {
        let directory = tempfile::tempdir().unwrap();
        let (file, pipe) = (directory.path().join("file"), directory.path().join("pipe"));
        fs::write(&file, contents).unwrap();
        fifo(&pipe);
        let writing = {
            let (pipe, contents) = (pipe.clone(), contents.to_vec());
            // A reader that refuses the beginning does not take the rest.
            thread::spawn(move || drop(fs::write(pipe, contents)))
        };
        for (name, input) in [("file", text(&file)), ("pipe", text(&pipe)), ("standard", "-")] {
            let new = directory.path().join(name).with_extension("new");
            let mut restoring = program();
            restoring.args(["restore", input, "--data", text(&new)]);
            let (code, message) = failure(&run_with(restoring, contents));
            match problem {
                None => {
                    assert_eq!(code, 0, "{number} {name}: {message}");
                    let server = Server::start(&["--data", text(&new)]);
                    assert_eq!(server.ok(&["scan"]).lines().count(), 20_000, "{number} {name}");
                }
                Some(part) => {
                    assert!(code == 4 && message.contains(part), "{number} {name}: {message}");
                    assert!(!new.exists(), "{number} {name}");
                }
            }
        }
        writing.join().unwrap();
    }
}

#[test]
fn an_interrupted_restore_says_so_and_is_run_again() {
    let directory = tempfile::tempdir().unwrap();
    let (file, new) = (directory.path().join("backup"), directory.path().join("new"));
    let whole = backup(20_000);
    fs::write(&file, &whole).unwrap();
    // By a signal, while the backup still arrives.
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut restoring = program();
        restoring.args(["restore", "-", "--data", text(&new)]);
        let mut child = restoring.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&whole[..whole.len() / 2]).unwrap();
        while !new.exists() {
            pause(5);
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        pause(100);
        let _ = stdin.write_all(&whole[whole.len() / 2..]);
        drop(stdin);
        let (found, message) = failure(&child.wait_with_output().unwrap());
        assert_eq!((found, new.exists()), (code, false), "{message}");
        assert!(message.contains("nothing was restored"), "{message}");
    }
    // Also while the pipe says nothing more.
    let mut restoring = program();
    restoring.args(["restore", "-", "--data", text(&new)]);
    let mut child = restoring.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&whole[..whole.len() / 2]).unwrap();
    while !new.exists() {
        pause(5);
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!((child.wait().unwrap().code(), new.exists()), (Some(130), false));
    drop(stdin);
    // By a crash: a segment without records and an unfinished checkpoint, and no identity yet.
    let restore = || {
        let mut restoring = program();
        restoring.args(["restore", text(&file), "--data", text(&new)]);
        failure(&run_with(restoring, b""))
    };
    assert_eq!(restore().0, 0);
    let checkpoint = names(&new).into_iter().find(|name| name.starts_with("checkpoint-")).unwrap();
    fs::remove_file(new.join("store.mantis")).unwrap();
    fs::rename(new.join(&checkpoint), new.join(format!("{checkpoint}.unfinished"))).unwrap();
    let mut serve = program();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data", text(&new)]);
    let (code, message) = failure(&run_with(serve, b""));
    assert!(code == 4 && message.contains("was interrupted; run it again"), "{message}");
    assert!(message.contains("hint: nothing was changed; run it again: mantisdb restore FILE"), "{message}");
    assert_eq!(restore().0, 0);
    assert_eq!(Server::start(&["--data", text(&new)]).ok(&["scan"]).lines().count(), 20_000);
    assert_eq!(restore().0, 4, "a database is never replaced");
}
