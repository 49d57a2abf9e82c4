//! The client commands, against a running server.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;

use crate::support::{Server, failure, pause, program, run_with};

#[test]
fn put_get_delete() {
    let server = Server::start(&[]);
    server.ok(&["put", "greeting", "hello"]);
    assert_eq!(server.ok(&["get", "greeting"]), "hello");
    server.ok(&["put", "doc", r#"{"a": 1}"#, "--media-type", "application/json", "--ttl", "100"]);
    assert_eq!(server.ok(&["get", "doc"]), r#"{"a": 1}"#);
    let shown: serde_json::Value = serde_json::from_str(&server.ok(&["get", "doc", "--json"])).unwrap();
    assert_eq!(shown["media_type"], "application/json");
    assert_eq!(shown["value"], r#"{"a": 1}"#);
    server.ok(&["delete", "greeting"]);
    let (code, message) = failure(&server.run(&["get", "greeting"]));
    assert_eq!(code, 1, "{message}");
    assert!(message.starts_with("error: ") && message.contains("key-not-found"), "{message}");
    assert_eq!(failure(&server.run(&["delete", "greeting"])).0, 1);
}

#[test]
fn conditions() {
    let server = Server::start(&[]);
    let written: serde_json::Value =
        serde_json::from_str(&server.ok(&["put", "a", "1", "--if-absent", "--json"])).unwrap();
    assert_eq!(written["created"], true);
    let version = written["version"].as_str().unwrap().to_owned();
    assert_eq!(failure(&server.run(&["put", "a", "2", "--if-absent"])).0, 1);
    server.ok(&["put", "a", "2", "--if-version", &version]);
    assert_eq!(failure(&server.run(&["put", "a", "3", "--if-version", &version])).0, 1);
    assert_eq!(failure(&server.run(&["delete", "a", "--if-version", &version])).0, 1);
    assert_eq!(server.ok(&["get", "a"]), "2");
}

#[test]
fn values_come_from_arguments_files_and_standard_input() {
    let server = Server::start(&[]);
    let bytes: Vec<u8> = (0..=255).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("value");
    std::fs::write(&path, &bytes).unwrap();
    server.ok(&["put", "file", &format!("@{}", path.display())]);
    assert!(server.run_with(&["put", "stdin", "-"], &bytes).status.success());
    assert!(server.run_with(&["put", "nothing"], b"").status.success());
    server.ok(&["put", "at", "@home", "--literal"]);
    assert_eq!(server.run(&["get", "file"]).stdout, bytes);
    assert_eq!(server.run(&["get", "stdin"]).stdout, bytes);
    assert_eq!(server.ok(&["get", "nothing"]), "");
    assert_eq!(server.ok(&["get", "at"]), "@home");
    assert_eq!(failure(&server.run(&["put", "missing", "@/no/such/file"])).0, 4);
}

#[test]
fn keys_are_bytes() {
    let server = Server::start(&[]);
    for (place, key) in ["a/b", "..", ".", "%2F", "ä ö", "a?b#c", "\\x00"].into_iter().enumerate() {
        server.ok(&["put", key, &place.to_string()]);
        assert_eq!(server.ok(&["get", key]), place.to_string(), "{key}");
    }
    server.ok(&["put", "-e", r"bin\x00\xff\n", "binary"]);
    assert_eq!(server.ok(&["get", "--escapes", r"bin\x00\xff\n"]), "binary");
    let listed = server.ok(&["scan"]);
    let expected = ["%2F", ".", "..", r"\\x00", "a/b", "a?b#c", r"bin\x00\xff\n", "ä ö"];
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected);
    assert_eq!(failure(&server.run(&["get", ""])).0, 2);
    assert_eq!(failure(&server.run(&["get", "-e", r"\q"])).0, 2);
}

#[test]
fn scan_shows_a_range_in_either_direction() {
    let server = Server::start(&[]);
    for key in ["a", "b1", "b2", "b3", "c"] {
        server.ok(&["put", "--bucket", "scanned", key, &format!("{key}\tvalue")]);
    }
    let scan = |arguments: &[&str]| server.ok(&[&["scan", "--bucket", "scanned"], arguments].concat());
    assert_eq!(scan(&[]), "a\nb1\nb2\nb3\nc\n");
    assert_eq!(scan(&["--prefix", "b", "--reverse"]), "b3\nb2\nb1\n");
    assert_eq!(scan(&["--start", "b2", "--end", "c"]), "b2\nb3\n");
    assert_eq!(scan(&["--limit", "2", "--values"]), "a\ta\\tvalue\nb1\tb1\\tvalue\n");
    let line: serde_json::Value = serde_json::from_str(&scan(&["--prefix", "a", "--values", "--json"])).unwrap();
    assert_eq!((&line["key"], &line["value"]), (&"a".into(), &"a\tvalue".into()));
    assert_eq!(server.ok(&["delete", "--bucket", "scanned", "--prefix", "b"]), "3 deleted\n");
    assert_eq!(scan(&[]), "a\nc\n");
    assert!(server.ok(&["bucket", "list"]).lines().any(|line| line.starts_with("scanned\t2 keys")));
    server.ok(&["bucket", "drop", "scanned"]);
    assert_eq!(failure(&server.run(&["scan", "--bucket", "scanned"])).0, 1);
}

#[test]
fn stats_are_shown_to_people_in_groups_and_to_programs_as_json() {
    let server = Server::start(&[]);
    server.ok(&["put", "a", &"v".repeat(2_048)]);
    let plain = server.ok(&["stats"]);
    let groups: Vec<_> = plain.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).collect();
    assert_eq!((groups.first(), groups.last()), (Some(&"store"), Some(&"http")), "{plain}");
    let shows = |name: &str, value: &str| {
        plain
            .lines()
            .any(|line| line.strip_prefix("  ").is_some_and(|line| line.starts_with(name) && line.ends_with(value)))
    };
    assert!(shows("keys", " 1") && shows("value", "2.00 KiB") && shows("answers, 2xx", " 1"), "{plain}");
    let json: serde_json::Value = serde_json::from_str(&server.ok(&["stats", "--json"])).unwrap();
    assert!(json["pool"]["total_connections"].is_u64(), "{json}");
}

#[test]
fn watch_follows_changes() {
    let server = Server::start(&[]);
    server.ok(&["put", "--bucket", "watched", "before", "1"]);
    let mut command = program();
    command.args(["watch", "--bucket", "watched", "--since", "earliest", "--limit", "3"]);
    let mut watching = command.env("MANTISDB_URL", &server.url).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "put\twatched\tbefore\t1");
    server.ok(&["put", "other", "2"]);
    server.ok(&["put", "--bucket", "watched", "now", "3"]);
    assert_eq!(lines.next().unwrap(), "put\twatched\tnow\t3");
    server.ok(&["delete", "--bucket", "watched", "now"]);
    assert_eq!(lines.next().unwrap(), "delete\twatched\tnow");
    assert!(watching.wait().unwrap().success());
}

/// Waits until a stream is open.
fn wait_for_a_stream(server: &Server) {
    let streams = || {
        let stats: serde_json::Value = serde_json::from_str(&server.ok(&["stats", "--json"])).unwrap();
        stats["http"]["streams_open"].clone()
    };
    while streams() != 1 {
        pause(50);
    }
}

#[test]
fn a_watch_that_gives_up_names_the_cursor_to_resume_from() {
    let mut server = Server::start(&[]);
    server.ok(&["put", "elsewhere", "1"]);
    let mut command = program();
    command.args(["watch", "--bucket", "quiet", "--reconnect", "0"]).env("MANTISDB_URL", &server.url);
    let watching = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_a_stream(&server);
    pause(500);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let (code, message) = failure(&watching.wait_with_output().unwrap());
    assert_eq!(code, 3);
    // Nothing was shown, but the cursor is known: after the first commit.
    let cursor = message.split_once("`--since ").and_then(|(_, rest)| rest.split_once('`')).unwrap_or_default().0;
    assert!(cursor.ends_with("-1"), "{message}");
}

#[test]
fn a_watch_goes_on_where_the_server_was_when_it_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let mut server = Server::start(&["--data", data]);
    let address = server.address.to_string();
    let mut command = program();
    command.args(["watch", "--limit", "4"]).env("MANTISDB_URL", &server.url);
    let mut watching = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    wait_for_a_stream(&server);
    server.ok(&["put", "a", "1"]);
    assert_eq!(lines.next().unwrap(), "put\tdefault\ta\t1");
    for (signal, key) in [("-TERM", "b"), ("-KILL", "c")] {
        server.signal(signal);
        server.wait();
        let mut again = program();
        again.args(["serve", "--listen", &address, "--data", data]);
        server = Server::spawn(again);
        server.ok(&["put", key, "1"]);
        assert_eq!(lines.next().unwrap(), format!("put\tdefault\t{key}\t1"), "no change is left out or shown twice");
    }
    server.ok(&["delete", "a"]);
    assert_eq!(lines.next().unwrap(), "delete\tdefault\ta");
    assert!(watching.wait().unwrap().success());
}

/// The rows of a table too: no change is left out or shown twice.
#[test]
fn a_watch_of_a_table_goes_on_when_the_server_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let mut server = Server::start(&["--data", data]);
    let address = server.address.to_string();
    server.ok(&["table", "create", "t", "--column", "id:bigint", "--primary-key", "id"]);
    let mut command = program();
    command.args(["watch", "--table", "t", "--limit", "4"]).env("MANTISDB_URL", &server.url);
    let mut watching = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    wait_for_a_stream(&server);
    let mut insert = |server: &Server, id: u32| {
        let output = server.run_with(&["table", "import", "t"], format!("id\n{id}\n").as_bytes());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(lines.next().unwrap(), format!("insert\tt\t{{\"id\":{id}}}\t{{\"id\":{id}}}"));
    };
    insert(&server, 1);
    for (signal, id) in [("-TERM", 2), ("-KILL", 3)] {
        server.signal(signal);
        server.wait();
        let mut again = program();
        again.args(["serve", "--listen", &address, "--data", data]);
        server = Server::spawn(again);
        // Of a key and of another table it says nothing.
        server.ok(&["put", "a", "1"]);
        insert(&server, id);
    }
    insert(&server, 4);
    assert!(watching.wait().unwrap().success());
}

#[test]
fn every_key_of_a_bucket_is_deleted_on_request() {
    let server = Server::start(&[]);
    for bucket in ["default", "other"] {
        for key in ["a", "b"] {
            server.ok(&["put", "--bucket", bucket, key, "1"]);
        }
    }
    let (code, message) = failure(&server.run(&["delete", "--prefix", ""]));
    assert!(code == 2 && message.contains("--all") && !message.contains("bucket drop"), "{message}");
    let (_, message) = failure(&server.run(&["bucket", "drop", "default"]));
    assert!(message.contains("hint: `mantisdb delete --all`"), "{message}");
    assert_eq!(failure(&server.run(&["delete", "--all", "a"])).0, 2);
    assert_eq!(failure(&server.run(&["delete", "--all", "--prefix", "a"])).0, 2);
    assert_eq!(server.ok(&["delete", "--all"]), "2 deleted\n");
    assert_eq!((&*server.ok(&["scan"]), &*server.ok(&["scan", "--bucket", "other"])), ("", "a\nb\n"));
    assert_eq!(server.ok(&["delete", "--all", "--bucket", "other", "--json"]), "{\"deleted\":2}\n");
}

#[test]
fn only_an_answer_of_mantisdb_counts_as_done() {
    let server = Server::start(&[]);
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nX-Request-Id: 1\r\nContent-Length: 0\r\n\r\n",
    ] {
        let url = stranger(answer);
        for command in [
            &["put", "a", "1"][..],
            &["delete", "a"],
            &["bucket", "drop", "b"],
            &["plugin", "remove", "p"],
            &["table", "drop", "t"],
        ] {
            let (code, message) = failure(&server.run(&[command, &["--url", &url]].concat()));
            assert!(code == 3 && message.contains("hint: check that the server"), "{command:?} {answer:?}: {message}");
        }
    }
}

#[test]
fn what_only_tables_have_is_hinted_at() {
    for (arguments, part) in [
        (&["import", "--table", "t", "file"][..], "mantisdb table import TABLE"),
        (&["export", "--table", "t"], "mantisdb table export TABLE"),
        (&["select", "t"], "mantisdb table select"),
        (&["describe", "t"], "mantisdb table describe"),
    ] {
        let (code, message) = failure(&program().args(arguments).output().unwrap());
        assert!(code == 2 && message.contains(part), "{arguments:?}: {message}");
    }
}

#[test]
fn a_server_is_named_without_a_scheme() {
    let server = Server::start(&[]);
    server.ok(&["put", "a", "1"]);
    let port = server.address.port();
    for url in
        [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!(":{port}"), format!("127.0.0.1:{port}/")]
    {
        assert_eq!(server.ok(&["get", "a", "--url", &url]), "1", "{url}");
    }
}

#[test]
fn times_have_units_where_they_are_taken() {
    let server = Server::start(&[]);
    for (time, seconds) in [("100", 100), ("2m", 120), ("1h30m", 5_400), ("2.5s", 2)] {
        server.ok(&["put", "a", "1", "--ttl", time, "--timeout", "1m"]);
        let shown: serde_json::Value = serde_json::from_str(&server.ok(&["get", "a", "--json"])).unwrap();
        let expires: jiff::Timestamp = shown["expires_at"].as_str().unwrap().parse().unwrap();
        let left = expires.duration_since(jiff::Timestamp::now()).as_secs();
        assert!((0..=seconds).contains(&left) && left + 60 >= seconds, "{time}: {left}");
    }
    let output = server.run_with(&["import", "--ttl", "1h", "--no-order"], b"line\n");
    assert!(output.status.success(), "{output:?}");
    let shown: serde_json::Value = serde_json::from_str(&server.ok(&["get", "line", "--json"])).unwrap();
    assert!(shown["expires_at"].is_string(), "{shown}");
    assert_eq!(failure(&server.run(&["get", "a", "--timeout", "1MiB"])).0, 2);
}

#[test]
fn a_misspelt_variable_is_told() {
    let server = Server::start(&[]);
    let mut command = program();
    command.args(["put", "a", "1", "--url", &server.url]).env("MANTISDB_TIMEOUT_MS", "1").env("MANTISDB_ULR", "x");
    let (code, message) = failure(&run_with(command, b""));
    assert!(code == 0 && message.contains("warning: the environment variable MANTISDB_ULR"), "{message}");
    assert!(message.contains("did you mean MANTISDB_URL?"), "{message}");
    let mut command = program();
    command.args(["serve", "--memory", "--listen", ":0"]).env("MANTISDB_DURABILTY", "never");
    let mut server = Server::spawn(command);
    server.signal("-TERM");
    server.wait();
    let log = server.log();
    assert!(log.contains("WARN") && log.contains("did you mean MANTISDB_DURABILITY?"), "{log}");
}

#[test]
fn completions_and_manual_pages_are_written() {
    let said = |arguments: &[&str]| {
        let output = program().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&["completions", shell]);
        assert!(script.contains("mantisdb") && script.contains("reconnect"), "{shell}");
    }
    assert_eq!(failure(&program().args(["completions", "tcsh"]).output().unwrap()).0, 2);
    let page = said(&["man"]);
    assert!(page.contains(".TH mantisdb 1") && page.contains("Exit codes"), "{page}");
    assert!(said(&["man", "table", "import"]).contains("mantisdb\\-table\\-import"));
    assert_eq!(failure(&program().args(["man", "nothing"]).output().unwrap()).0, 2);
    let directory = tempfile::tempdir().unwrap();
    said(&["man", "--all", directory.path().to_str().unwrap()]);
    for name in ["mantisdb.1", "mantisdb-put.1", "mantisdb-table-import.1"] {
        assert!(directory.path().join(name).exists(), "{name}");
    }
}

#[test]
fn failures_have_a_code_and_a_hint() {
    let mut command = program();
    command.args(["get", "a", "--url", "http://127.0.0.1:9"]);
    let (code, message) = failure(&run_with(command, b""));
    assert_eq!(code, 3);
    assert!(message.contains("cannot reach http://127.0.0.1:9") && message.contains("hint: start it"), "{message}");

    let mut command = program();
    command.args(["get", "a", "--url", "https://localhost"]);
    let (code, message) = failure(&run_with(command, b""));
    assert_eq!(code, 2);
    assert!(message.contains("TLS"), "{message}");

    let server = Server::start(&["--value-bytes-max", "10"]);
    let (code, message) = failure(&server.run(&["put", "a", "more than ten bytes"]));
    assert_eq!(code, 3);
    assert!(message.contains("value-too-large") && message.contains("hint:"), "{message}");
    assert_eq!(failure(&server.run(&["put", "--bucket", "NO", "a", "b"])).0, 3);
}

#[test]
fn a_command_of_another_program_has_one_tip() {
    #[track_caller]
    fn check(arguments: &[&str], expected: &str) {
        let mut command = program();
        command.args(arguments);
        let (code, message) = failure(&run_with(command, b""));
        let tips: Vec<_> = message.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).collect();
        assert_eq!((code, &tips[..]), (2, &[expected][..]), "{message}");
    }
    check(&["set", "a", "1"], "here it is 'mantisdb put KEY VALUE'");
    check(&["set"], "here it is 'mantisdb put KEY VALUE'");
    check(&["del", "a"], "here it is 'mantisdb delete KEY'");
    check(&["ls"], "here it is 'mantisdb scan'");
    check(&["start"], "here it is 'mantisdb serve'");
    check(&["insert", "a"], "here it is 'mantisdb put KEY VALUE'");
    check(&["gett", "a"], "a similar subcommand exists: 'get'");
}

#[test]
fn a_value_has_the_same_fields_in_all_commands() {
    let server = Server::start(&[]);
    server.ok(&["put", "a", "1", "--media-type", "text/html", "--ttl", "100"]);
    let json = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let got = json(server.ok(&["get", "a", "--json"]));
    let scanned = json(server.ok(&["scan", "--values", "--json"]));
    let watched = json(server.ok(&["watch", "--since", "earliest", "--limit", "1", "--json"]));
    for name in ["key", "value", "version", "expires_at", "media_type"] {
        assert!(got[name].is_string(), "{name} in {got}");
        assert_eq!(scanned[name], got[name], "{name} in {scanned}");
        assert_eq!(watched[name], got[name], "{name} in {watched}");
    }
    // A header has whole seconds.
    let second = &got["modified_at"].as_str().unwrap()[..19];
    assert!(scanned["modified_at"].as_str().unwrap().starts_with(second), "{scanned} {got}");
}

#[test]
fn a_failed_condition_is_reported_by_its_option() {
    let server = Server::start(&[]);
    server.ok(&["put", "a", "1"]);
    for (arguments, part) in [
        (&["put", "a", "2", "--if-absent"][..], "error: the key already exists, at version 1\n"),
        (&["put", "a", "2", "--if-version", "9"], "error: the key is at version 1, not 9\n"),
        (&["put", "b", "2", "--if-version", "9"], "error: the key does not exist, and so is not at version 9\n"),
        (&["delete", "a", "--if-version", "9"], "error: the key is at version 1, not 9\n"),
    ] {
        let (code, message) = failure(&server.run(arguments));
        assert_eq!(code, 1, "{message}");
        assert!(message.starts_with(part) && message.contains("hint: `mantisdb get"), "{arguments:?}: {message}");
    }
}

#[test]
fn a_failure_is_json_with_the_json_option() {
    let server = Server::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let nothing = directory.path().to_str().unwrap();
    for (arguments, code, name, value) in [
        (&["get", "a", "--json"][..], 1, "code", "key-not-found"),
        (&["put", "--bucket", "NO", "a", "b", "--json"], 3, "code", "bucket-name-invalid"),
        (
            &["get", "a", "--json", "--url", "ftp://x"],
            2,
            "detail",
            "\"ftp://x\" is not a server's address: it should begin with http://",
        ),
        (&["get", "--json"], 2, "hint", "try --help"),
        (&["check", "--json", "--data", nothing], 4, "hint", "set the data directory with --data"),
    ] {
        let (found, message) = failure(&server.run(arguments));
        let document: serde_json::Value = serde_json::from_str(&message).unwrap();
        assert_eq!((found, &document["exit_code"]), (code, &code.into()), "{arguments:?}: {message}");
        assert_eq!(document[name], value, "{arguments:?}: {message}");
    }
    let (_, message) = failure(&server.run(&["put", "a", "--literal", "--", "--json"]));
    assert_eq!(message, "", "an argument after -- is no option");
}

/// Answers every request with `answer`, as another program would.
fn stranger(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
            while head.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn an_endless_error_body_times_out_like_any_answer() {
    let server = Server::start(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
            while head.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            stream.write_all(b"HTTP/1.1 500 Error\r\nContent-Length: 100\r\n\r\n").unwrap();
            kept.push(stream);
        }
    });
    for command in [&["get", "a"][..], &["scan"], &["watch"], &["backup", "-"]] {
        let (code, message) = failure(&server.run(&[command, &["--timeout", "1", "--url", &url]].concat()));
        assert!(code == 3 && message.contains("within 1 s"), "{command:?}: {message}");
    }
}

#[test]
fn another_program_is_not_taken_for_a_server_without_the_key() {
    let server = Server::start(&[]);
    for (url, part) in [
        (stranger("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot Found"), "not as a MantisDB server does"),
        (stranger("HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), "not as a MantisDB server does"),
        (stranger("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<p/>"), "hint: check that the server at this address"),
        (format!("{}/console", server.url), "not as a MantisDB server does"),
    ] {
        let (code, message) = failure(&server.run(&["get", "a", "--url", &url]));
        assert_eq!(code, 3, "{message}");
        assert!(message.contains(part), "{message}");
        assert!(message.contains("hint: "), "{message}");
    }
}

#[test]
fn numbers_out_of_range_are_refused_with_the_range() {
    let server = Server::start(&[]);
    for (arguments, part) in [
        (&["scan", "--limit", "0"][..], "1.."),
        (&["scan", "--limit", "-1"], "-1"),
        (&["watch", "--limit", "0"], "1.."),
        (&["put", "a", "b", "--ttl", "-1"], "between 1 ms and 100 years"),
        (&["put", "a", "b", "--ttl", "NaN"], "between 1 ms and 100 years"),
        (&["import", "--ttl", "-1"], "-1"),
    ] {
        let (code, message) = failure(&server.run(arguments));
        assert_eq!(code, 2, "{arguments:?}: {message}");
        assert!(message.contains(part) && !message.contains("'-- -1'"), "{arguments:?}: {message}");
    }
}

#[test]
fn an_invalid_variable_is_named_in_the_error() {
    let check = |name: &str, value: &str, arguments: &[&str], present: &str, absent: &str| {
        let mut command = program();
        command.env(name, value).args(arguments);
        let (code, message) = failure(&run_with(command, b""));
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(present) && !message.contains(absent), "{message}");
    };
    check("MANTISDB_POOL_MAX", "many", &["serve", "--memory"], "'MANTISDB_POOL_MAX'", "--pool-max");
    check("MANTISDB_POOL_MAX", "7", &["serve", "--pool-max", "many"], "'--pool-max <N>'", "MANTISDB_POOL_MAX");
    check("MANTISDB_URL", "http://localhost:1", &["get"], "Usage: mantisdb get [OPTIONS] <KEY>", "--url");
}

#[test]
fn a_directory_without_its_option_gets_a_hint() {
    for (arguments, has_hint) in [
        (&["check", "some/where"][..], true),
        (&["check", "some/where", "--json"], true),
        (&["serve", "some/where"], true),
        (&["check", "--data", "one", "some/where"], false),
        (&["get", "a", "some/where"], false),
    ] {
        let output = program().args(arguments).output().unwrap();
        let (code, said) = failure(&output);
        assert_eq!((code, said.contains("--data some/where")), (2, has_hint), "{arguments:?}: {said}");
    }
}
