//! Sources of settings, and settings that prevent a start.

use crate::support::{Server, failure, program, run_with};

/// Runs `mantisdb config` with a file, an environment and flags; the line that sets `key`.
#[track_caller]
fn check(file: &str, environment: &[(&str, &str)], flags: &[&str], key: &str, expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mantis.toml");
    std::fs::write(&path, file).unwrap();
    let mut command = program();
    command.args(["config", "--config"]).arg(&path).args(flags).envs(environment.iter().copied());
    let output = run_with(command, b"");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.split(" = ").next() == Some(key));
    assert_eq!(line, Some(&*format!("{key} = {expected}")), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_flag_outranks_the_environment_which_outranks_the_file() {
    let file = "[limits]\nbody_bytes_max = 1\n";
    let environment = [("MANTISDB_BODY_BYTES_MAX", "2")];
    check("", &[], &[], "body_bytes_max", "25165824");
    check(file, &[], &[], "body_bytes_max", "1");
    check(file, &environment, &[], "body_bytes_max", "2");
    check(file, &environment, &["--body-bytes-max", "3"], "body_bytes_max", "3");
    check("listen = \"127.0.0.1:1\"", &[], &["--listen", "[::1]:2"], "listen", "\"[::1]:2\"");
}

#[test]
fn units_are_taken_from_everywhere() {
    check("[limits]\nbody_bytes_max = \"64MiB\"\n", &[], &[], "body_bytes_max", "67108864");
    check("", &[("MANTISDB_BODY_BYTES_MAX", "1.5GB")], &[], "body_bytes_max", "1500000000");
    check("", &[], &["--body-bytes-max", "2k"], "body_bytes_max", "2048");
    check("[limits]\nbody_timeout_ms = \"1h\"\n", &[], &[], "body_timeout_ms", "3600000");
    check("", &[("MANTISDB_BODY_TIMEOUT_MS", "1m30s")], &[], "body_timeout_ms", "90000");
    check("", &[], &["--durability", "interval:1s"], "durability", "\"interval:1000\"");
    check("listen = \":9\"\n", &[], &[], "listen", "\"127.0.0.1:9\"");
    check("", &[("MANTISDB_LISTEN", "localhost:9")], &[], "listen", "\"localhost:9\"");
}

/// Every setting whose name says bytes or milliseconds takes a unit.
#[test]
fn no_size_and_no_time_is_without_units() {
    let settings = mantisdb::settings::Settings::default();
    let printed: toml::Table = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
    let mut count = 0;
    for (section, values) in printed.iter().filter_map(|(name, value)| Some((name, value.as_table()?))) {
        for name in values.keys() {
            let value = match name {
                name if name.contains("bytes") => "100MiB",
                name if name.contains("_ms") => "2m",
                _ => continue,
            };
            count += 1;
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("mantis.toml");
            std::fs::write(&path, format!("[{section}]\n{name} = \"{value}\"\n")).unwrap();
            let mut command = program();
            command.args(["config", "--config"]).arg(&path);
            let (_, message) = failure(&run_with(command, b""));
            // A range may still refuse it.
            assert!(message.is_empty() || message.contains("it must be"), "{section}.{name}: {message}");
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn a_default_start_warns_of_nothing() {
    for limit in ["unlimited", "1024"] {
        let mut command = std::process::Command::new("sh");
        let set = format!("[ {limit} = unlimited ] || ulimit -n {limit}; exec \"$0\" \"$@\"");
        command.args(["-c", &set]).arg(program().get_program()).args(["serve", "--memory", "--listen", "localhost:0"]);
        // Whoever runs the tests may have some of them.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MANTISDB_")) {
            command.env_remove(name);
        }
        let mut server = Server::spawn(command);
        server.check_alive();
        server.signal("-TERM");
        assert_eq!(server.wait(), Some(0));
        let log = server.log();
        assert!(!log.contains("WARN"), "{limit}: {log}");
    }
}

#[test]
fn lists_come_from_everywhere() {
    let both = "[\"https://a.example\", \"https://b.example\"]";
    check("cors_origins = [\"https://a.example\", \"https://b.example\"]", &[], &[], "cors_origins", both);
    check("", &[("MANTISDB_CORS_ORIGINS", "https://a.example,https://b.example")], &[], "cors_origins", both);
    let flags = ["--cors-origin", "https://a.example", "--cors-origin", "https://b.example"];
    check("", &[], &flags, "cors_origins", both);
}

#[track_caller]
fn check_refused(file: &str, arguments: &[&str], parts: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mantis.toml");
    std::fs::write(&path, file).unwrap();
    let mut command = program();
    command.arg("serve").args(arguments).arg("--config").arg(&path).current_dir(directory.path());
    let output = run_with(command, b"");
    let (code, message) = failure(&output);
    assert_eq!(code, 2, "{message}");
    for part in parts {
        assert!(message.contains(part), "{message:?} names {part:?}");
    }
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    check_refused(
        "[limits]\nbody_bites_max = 1\n",
        &[],
        &["line 2", "body_bites_max", "body_bytes_max", "mantis.toml"],
    );
    check_refused("", &["--header-bytes-max", "100"], &["connections.header_bytes_max", "8192"]);
    check_refused("", &["--key-bytes-max", "4097"], &["limits.key_bytes_max is 4097", "1 to 4096"]);
    check_refused("", &["--key-bytes-max", "0"], &["limits.key_bytes_max is 0"]);
    check_refused("[limits]\nvalue_bytes_max = 0\n", &[], &["limits.value_bytes_max is 0", "1 to 1073741824"]);
    check_refused("", &["--value-bytes-max", "1073741825"], &["limits.value_bytes_max is 1073741825"]);
    check_refused("", &["--pool-min-idle", "20", "--pool-max", "10"], &["min_idle"]);
    check_refused("", &["--body-bytes-max", "lots"], &["--body-bytes-max"]);
    check_refused("", &["--memory", "--data", "x"], &["--data", "--memory"]);
    check_refused(
        "",
        &["--cors-origin", "localhost:8000"],
        &["http.cors_origins is \"localhost:8000\"", "https://app.example"],
    );
    check_refused("cors_origins = [\"https://a.example/x\"]", &[], &["http.cors_origins", "without a path"]);
    check_refused("", &["--allowed-host", "ex.com:8080"], &["server.allowed_hosts is \"ex.com:8080\"", "db.example"]);
    check_refused("", &["--allowed-host", ""], &["server.allowed_hosts is \"\""]);
    check_refused("", &["--durability", "sometimes"], &["sometimes", "interval:MS"]);
    check_refused("[storage]\ndurability = \"interval:0\"\n", &[], &["line 2", "interval:MS"]);
}

#[test]
fn a_body_limit_below_the_value_limit_is_reported() {
    let log_of = |arguments: &[&str]| {
        let mut server = Server::start(arguments);
        server.signal("-TERM");
        assert_eq!(server.wait(), Some(0));
        server.log()
    };
    let log = log_of(&["--value-bytes-max", "33554432"]);
    for part in ["WARN", "limits.body_bytes_max is 25165824", "33554432", "45787820 or more"] {
        assert!(log.contains(part), "{log} names {part}");
    }
    assert!(log_of(&["--body-bytes-max", "100"]).contains("limits.body_bytes_max is 100"));
    for fitting in [&[][..], &["--value-bytes-max", "100", "--body-bytes-max", "100"]] {
        assert!(!log_of(fitting).contains("body_bytes_max"), "{fitting:?}");
    }
}

#[test]
fn a_public_listener_needs_an_explicit_option() {
    let mut command = program();
    command.args(["serve", "--listen", "0.0.0.0:0"]);
    let (code, message) = failure(&run_with(command, b""));
    assert_eq!(code, 2);
    assert!(
        message.contains("0.0.0.0") && message.contains("hint:") && message.contains("--insecure-no-auth"),
        "{message}"
    );

    let mut command = program();
    command.args(["serve", "--memory", "--listen", "0.0.0.0:0", "--insecure-no-auth"]);
    let mut server = Server::spawn(command);
    server.address.set_ip([127, 0, 0, 1].into());
    let answer = server.exchange(b"GET /live HTTP/1.1\r\nHost: anything.example\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_loopback_listener_answers_to_its_own_names_and_those_allowed() {
    let server = Server::start(&["--allowed-host", "db.example"]);
    let status = |host: &str| {
        let request = format!("GET /live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        server.exchange(request.as_bytes()).split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(status("localhost:1"), "200");
    assert_eq!(status("db.example"), "200");
    assert_eq!(status("evil.example"), "421");
}

#[test]
fn the_start_reports_its_address_and_settings() {
    let server = Server::start(&["--memory", "--connections-max", "123"]);
    for part in ["MantisDB", &server.url, "in memory", "123 connections"] {
        assert!(server.greeting.contains(part), "{} says {part:?}", server.greeting);
    }
    let server = Server::start(&["--log", "json"]);
    let greeting: serde_json::Value = serde_json::from_str(&server.greeting).unwrap();
    assert_eq!(greeting["url"], *server.url);
}

#[test]
fn a_port_in_use_is_named() {
    let server = Server::start(&[]);
    let mut command = program();
    command.args(["serve", "--memory", "--listen", &server.address.to_string()]);
    let (code, message) = failure(&run_with(command, b""));
    assert_eq!(code, 4);
    assert!(message.contains("hint: another process"), "{message}");
}

/// The answer to a failed request leads to its place in the log.
#[test]
fn a_request_id_is_found_in_the_log() {
    let mut server = Server::start(&["--log", "json", "--log-level", "debug"]);
    let answer = server.exchange(b"GET /api/v1/kv/secret HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    let log = server.log();
    let events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let found: Vec<_> = events.filter(|event| event["request_id"] == problem["request_id"]).collect();
    let [event] = &found[..] else { panic!("one event has {}: {log}", problem["request_id"]) };
    let expected =
        [("target", "mantisdb::request"), ("method", "GET"), ("operation", "getKey"), ("code", "key-not-found")];
    for (name, value) in expected {
        assert_eq!(event[name], value, "{event}");
    }
    assert!(event["status"] == 404 && event["duration_us"].is_u64(), "{event}");
    assert!(!log.contains("secret"), "keys stand in the log at trace only: {log}");
}
