//! Plugins through the command line. The guest is built by `cargo xtask guests`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::support::{PATIENCE, Server, failure, pause, program, run_with};

pub(crate) fn counter() -> PathBuf {
    component("counter.wasm")
}

fn component(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/target/components").join(name);
    assert!(path.exists(), "{} is missing; run `cargo xtask guests`", path.display());
    path
}

fn status_of(server: &Server, path: &str) -> String {
    server.exchange(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes())
}

/// Plugins of a directory are installed while the server answers.
fn wait_until_ready(server: &Server) {
    for _ in 0..PATIENCE.as_millis() / 10 {
        if status_of(server, "/ready").starts_with("HTTP/1.1 200") {
            return;
        }
        pause(10);
    }
    panic!("never ready: {}", status_of(server, "/ready"));
}

/// The log of a server that has done all it can with a directory of plugins. It answers.
fn log_of_start(plugins: &str) -> String {
    let mut server = Server::start(&["--plugins", plugins]);
    wait_until_ready(&server);
    server.check_alive();
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    server.log()
}

#[test]
fn put_list_call_remove() {
    let server = Server::start(&["--plugin-call-deadline-ms", "10000"]);
    let component = counter();
    let put = ["plugin", "put", "counter", component.to_str().unwrap(), "--grant", "counters:write"];
    assert!(server.ok(&put).contains("increment(name, by)"));
    assert!(server.ok(&["plugin", "list"]).starts_with("counter\n"));
    assert_eq!(server.ok(&["plugin", "call", "counter", "increment", "visits", "5"]), "5\n");
    assert_eq!(server.ok(&["plugin", "call", "counter", "increment", "visits", "-2", "--json"]), "3\n");
    assert_eq!(server.ok(&["get", "--bucket", "counters", "visits"]), "3");
    // Numbers go to the server as they are written.
    for arguments in [&["visits", "1.0000000000000000001"][..], &["--arguments-json", r#"["visits", 1e-400]"#]] {
        let refused = failure(&server.run(&[&["plugin", "call", "counter", "increment"], arguments].concat()));
        assert!(refused.0 == 3 && refused.1.contains("arguments-invalid"), "{arguments:?}: {refused:?}");
    }
    let (code, message) = failure(&server.run(&["plugin", "call", "counter", "increment", "visits"]));
    assert_eq!(code, 3);
    assert!(message.contains("arguments-invalid") && message.contains("mantisdb plugin list"), "{message}");
    let call = ["plugin", "call", "counter", "increment"];
    assert_eq!(server.ok(&[&call[..], &["--arguments-json", r#"["visits", 0]"#]].concat()), "3\n");
    assert_eq!(server.ok(&[&call[..], &["--arguments-json", r#"{"name": "visits", "by": 0}"#]].concat()), "3\n");
    let (code, message) = failure(&server.run(&[&call[..], &[r#"["visits", 0]"#]].concat()));
    assert_eq!(code, 3);
    assert!(
        message.contains("hint: pass each argument by itself") && message.contains("--arguments-json"),
        "{message}"
    );
    assert_eq!(failure(&server.run(&[&call[..], &["--arguments-json", "5"]].concat())).0, 2);
    assert_eq!(failure(&server.run(&["plugin", "call", "counter", "nonsense"])).0, 1);
    server.ok(&["plugin", "remove", "counter"]);
    assert_eq!(server.ok(&["plugin", "list"]), "");
    assert_eq!(failure(&server.run(&["plugin", "remove", "counter"])).0, 1);
    assert_eq!(failure(&server.run(&["plugin", "put", "x", "/no/such/file"])).0, 4);
    assert_eq!(failure(&server.run_with(&["plugin", "put", "x", "-"], b"no component")).0, 3);
}

#[test]
fn a_directory_of_plugins_is_installed_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(counter(), directory.path().join("visits.wasm")).unwrap();
    let manifest = directory.path().join("visits.toml");
    std::fs::write(&manifest, "reuse = true\n[grants]\ncounters = \"write\"\n[limits]\ncall_deadline_ms = 900\n")
        .unwrap();
    let path = directory.path().to_str().unwrap();
    let server = Server::start(&["--plugins", path]);
    wait_until_ready(&server);
    let list: serde_json::Value = serde_json::from_str(&server.ok(&["plugin", "list", "--json"])).unwrap();
    let plugin = &list["plugins"][0];
    assert_eq!((&plugin["name"], &plugin["reuse"]), (&"visits".into(), &true.into()), "{list}");
    assert_eq!(plugin["limits"]["call_deadline_ms"], 900);
    assert_eq!(plugin["grants"][0]["bucket"], "counters");

    for (text, part) in
        [("grants = 5", "line 1"), ("[grants]\na = \"own\"", "line 2"), ("[grants]\n\"*\" = \"read\"", "`*`")]
    {
        std::fs::write(&manifest, text).unwrap();
        let log = log_of_start(path);
        assert!(log.contains("visits.toml") && log.contains(part), "{log}");
    }
    // Nor does a manifest without a component.
    std::fs::remove_file(directory.path().join("visits.wasm")).unwrap();
    let log = log_of_start(path);
    assert!(log.contains("visits.toml") && log.contains("there is no component"), "{log}");
    // Nor does a directory that is not there, which is named with its setting.
    let log = log_of_start("/no/such/directory");
    assert!(log.contains("/no/such/directory") && log.contains("--plugins"), "{log}");
}

/// A component whose types nest so deep that their reader would overflow its stack: 3 bytes a level.
fn too_deep() -> Vec<u8> {
    let mut types = vec![1];
    types.extend([0x42, 1, 1].repeat(5_600));
    types.extend([0x42, 0]);
    let bytes = u16::try_from(types.len()).unwrap();
    let length = [bytes.to_le_bytes()[0] | 0x80, (bytes >> 7).to_le_bytes()[0] | 0x80, (bytes >> 14).to_le_bytes()[0]];
    [b"\0asm\x0d\0\x01\0\x07", &length[..], &types].concat()
}

#[test]
fn components_nested_too_deeply_are_refused_by_every_command() {
    const REASON: &str = "components, modules and types nest more than 100 deep in the component, which is the limit";
    let server = Server::start(&[]);
    let (code, message) = failure(&server.run_with(&["plugin", "put", "deep", "-"], &too_deep()));
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("plugin-invalid") && message.contains(REASON), "{message}");
    server.check_alive();

    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("deep.wasm"), too_deep()).unwrap();
    let log = log_of_start(directory.path().to_str().unwrap());
    assert!(log.contains("deep.wasm") && log.contains(REASON), "{log}");
}

/// Their memory is given back without a request.
#[test]
fn idle_instances_are_closed() {
    let server = Server::start(&["--plugin-call-deadline-ms", "10000", "--plugin-instance-idle-timeout-ms", "100"]);
    let component = counter();
    server.ok(&["plugin", "put", "counter", component.to_str().unwrap(), "--grant", "counters:write", "--reuse"]);
    server.ok(&["plugin", "call", "counter", "increment", "visits", "5"]);
    let idle = || {
        let stats: serde_json::Value = serde_json::from_str(&server.ok(&["stats", "--json"])).unwrap();
        stats["plugins"]["instances_warm"].as_u64().unwrap()
    };
    for _ in 0..PATIENCE.as_millis() / 10 {
        if idle() == 0 {
            return;
        }
        pause(10);
    }
    panic!("the instance is still there");
}

fn info(server: &Server, name: &str) -> serde_json::Value {
    serde_json::from_str(&server.ok(&["plugin", "show", name, "--json"])).unwrap()
}

#[test]
fn plugins_return_after_a_restart_with_all_that_they_may_do() {
    let (data, plugins) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::copy(counter(), plugins.path().join("filed.wasm")).unwrap();
    let arguments = ["--data", data.path().to_str().unwrap(), "--plugins", plugins.path().to_str().unwrap()];
    let names = |server: &Server| -> Vec<String> {
        let list: serde_json::Value = serde_json::from_str(&server.ok(&["plugin", "list", "--json"])).unwrap();
        list["plugins"].as_array().unwrap().iter().map(|plugin| plugin["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut server = Server::start(&arguments);
    wait_until_ready(&server);
    let put = [
        "plugin",
        "put",
        "put",
        counter().to_str().unwrap(),
        "--grant",
        "counters:write",
        "--reuse",
        "--handles-max",
        "7",
    ]
    .map(str::to_owned);
    server.ok(&put.each_ref().map(String::as_str));
    server.ok(&["plugin", "call", "put", "increment", "visits", "5"]);
    assert_eq!(names(&server), ["filed", "put"]);
    let before = info(&server, "put");
    // A kill, then an orderly end: both keep it.
    for end in ["-KILL", "-TERM"] {
        server.signal(end);
        server.child.wait().unwrap();
        server = Server::start(&arguments);
        wait_until_ready(&server);
        assert_eq!(server.ok(&["plugin", "call", "put", "increment", "visits", "1", "--json"]).trim().len(), 1);
        assert_eq!(names(&server), ["filed", "put"]);
        let after = info(&server, "put");
        for member in ["grants", "limits", "reuse", "version", "revision", "versions", "sha256", "functions"] {
            assert_eq!(after[member], before[member], "{end} {member}");
        }
        assert_eq!((&after["source"], &after["state"]), (&"kept".into(), &"ready".into()));
    }
    assert_eq!(info(&server, "filed")["source"], "directory");
    for change in [&["plugin", "remove", "filed"][..], &["plugin", "put", "filed", counter().to_str().unwrap()]] {
        let (_, message) = failure(&server.run(change));
        assert!(message.contains("plugin-from-directory"), "{message}");
    }
    server.ok(&["plugin", "remove", "put"]);
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    let server = Server::start(&arguments);
    wait_until_ready(&server);
    assert_eq!(names(&server), ["filed"]);
    assert_eq!(server.ok(&["get", "--bucket", "counters", "visits"]), "7", "what it wrote is there");
}

#[test]
fn a_file_takes_the_place_of_a_kept_plugin_and_loses_nothing_of_it() {
    let (data, plugins) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = ["--data", data.path().to_str().unwrap()];
    let with_files = [&data[..], &["--plugins", plugins.path().to_str().unwrap()]].concat();
    let mut server = Server::start(&data);
    server.ok(&["plugin", "put", "a", counter().to_str().unwrap(), "--grant", "counters:write"]);
    let kept = info(&server, "a");
    std::fs::copy(counter(), plugins.path().join("a.wasm")).unwrap();
    let restart = |mut server: Server, arguments: &[&str]| {
        server.signal("-TERM");
        assert_eq!(server.wait(), Some(0));
        let server = Server::start(arguments);
        wait_until_ready(&server);
        server
    };
    server = restart(server, &with_files);
    let filed = info(&server, "a");
    assert_eq!((&filed["source"], &filed["grants"]), (&"directory".into(), &serde_json::json!([])));
    server = restart(server, &data);
    server.ok(&["plugin", "call", "a", "increment", "visits", "1"]);
    assert_eq!(info(&server, "a")["revision"], kept["revision"]);
}

/// The compiler goes on after the answer, and the same installation later finds its work.
#[test]
fn a_compilation_that_takes_too_long_is_finished_for_the_next_try() {
    let server = Server::start(&["--plugin-compile-timeout-ms", "1"]);
    let component = wat::parse_str(slow_component()).unwrap();
    let put = || failure(&server.run_with(&["plugin", "put", "slow", "-"], &component));
    let (code, message) = put();
    assert!(code == 3 && message.contains("plugin-compile-timeout"), "{code} {message}");
    assert!(server.ok(&["plugin", "list"]).is_empty());
    for _ in 0..PATIENCE.as_millis() / 10 {
        match put() {
            (0, _) => return server.check_alive(),
            (_, message) => assert!(message.contains("plugin-compile-timeout"), "{message}"),
        }
        pause(10);
    }
    panic!("never installed");
}

/// What an installation compiles is there for the next start, also of a server that had no plugins when it started.
#[test]
fn the_first_installation_fills_the_cache() {
    let data = tempfile::tempdir().unwrap();
    let cache = data.path().join("plugin-cache");
    let server = Server::start(&["--data", data.path().to_str().unwrap()]);
    assert!(!cache.exists(), "a server without plugins has only the store's own files");
    server.ok(&["plugin", "put", "a", counter().to_str().unwrap()]);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&cache).unwrap());
    assert_eq!(mode & 0o777, 0o700);
    let modules = cache.join("modules");
    let is_code = |entry: std::fs::DirEntry| std::fs::read_dir(entry.path()).unwrap().count() > 0;
    assert!(std::fs::read_dir(modules).unwrap().any(|entry| is_code(entry.unwrap())));
}

#[test]
fn a_broken_file_leaves_the_kept_plugin_of_its_name() {
    let (data, plugins) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = data.path().to_str().unwrap();
    let mut server = Server::start(&["--data", data]);
    server.ok(&["plugin", "put", "a", counter().to_str().unwrap(), "--grant", "counters:write"]);
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    std::fs::write(plugins.path().join("a.wasm"), "no component").unwrap();
    let mut server = Server::start(&["--data", data, "--plugins", plugins.path().to_str().unwrap()]);
    wait_until_ready(&server);
    assert_eq!(server.ok(&["plugin", "call", "a", "increment", "visits", "5"]), "5\n");
    assert_eq!((&info(&server, "a")["source"], &info(&server, "a")["state"]), (&"kept".into(), &"ready".into()));
    server.ok(&["plugin", "put", "a", counter().to_str().unwrap()]);
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    let log = server.log();
    assert!(log.contains("a.wasm") && log.contains("that the database keeps is used"), "{log}");
}

#[test]
fn versions_are_rolled_back_and_guarded_on_the_command_line() {
    let server = Server::start(&[]);
    let path = counter();
    let put = |options: &[&str]| {
        let arguments = [&["plugin", "put", "a", path.to_str().unwrap()], options].concat();
        server.run(&arguments)
    };
    assert!(put(&["--grant", "counters:write", "--log-lines-max", "3"]).status.success());
    let first = info(&server, "a")["revision"].as_str().unwrap().to_owned();
    assert!(put(&["--reuse", "--if-revision", &first]).status.success());
    let second = info(&server, "a");
    assert_eq!(
        (&second["limits"]["log_lines_max"], &second["reuse"], &second["version"]),
        (&3.into(), &true.into(), &2.into())
    );
    let (code, message) = failure(&put(&["--if-revision", &first]));
    assert!(code == 1 && message.contains("precondition-failed"), "{code} {message}");
    let manifest = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(manifest.path(), "[grants]\nother = \"read\"\n[limits]\nhandles_max = 9\n").unwrap();
    assert!(put(&["--manifest", manifest.path().to_str().unwrap()]).status.success());
    let third = info(&server, "a");
    assert_eq!((&third["grants"][0]["bucket"], &third["limits"]["handles_max"]), (&"other".into(), &9.into()));
    assert_ne!(third["limits"]["log_lines_max"], 3);
    let shown = server.ok(&["plugin", "show", "a"]);
    for part in ["state: ready", "grants: other:read", "reuse: false", "handles_max: 9", "version 3: ", "version 1: "] {
        assert!(shown.contains(part), "{shown}");
    }
    server.ok(&["plugin", "rollback", "a", "--to", "1"]);
    assert_eq!(server.ok(&["plugin", "call", "a", "increment", "visits", "5"]), "5\n");
    assert_eq!(info(&server, "a")["version"], 1);
    assert!(server.ok(&["plugin", "rollback", "a", "--to", "1"]).contains("version 1 is the current one"));
    assert_eq!(failure(&server.run(&["plugin", "rollback", "a"])).0, 1, "there is none before it");
    // Grants alone go, and the rest stays.
    assert!(put(&["--grant", "none"]).status.success());
    let without = info(&server, "a");
    assert_eq!((&without["grants"], &without["limits"]["log_lines_max"]), (&serde_json::json!([]), &3.into()));
    for (options, code, part) in [
        (&["--grant", "foo"][..], 2, "--grant foo"),
        (&["--if-revision", "zzz"], 2, "mantisdb plugin show"),
        (&["--if-revision", "v1"], 1, "mantisdb plugin show"),
        (&["--log-lines-max", "99999999999"], 3, "99999999999"),
    ] {
        let (given, message) = failure(&put(options));
        assert!(given == code && message.contains(part), "{options:?}: {given} {message}");
    }
    assert!(put(&["--reset", "--reuse=false"]).status.success());
    assert_eq!(info(&server, "a")["grants"], serde_json::json!([]));
}

/// A backup of a running server, restored elsewhere, runs its plugins; a component that is lost breaks its plugin alone.
#[test]
fn backups_carry_plugins_and_a_lost_component_breaks_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let server = Server::start(&["--data", &path("data")]);
    server.ok(&["plugin", "put", "a", counter().to_str().unwrap(), "--grant", "counters:write"]);
    server.ok(&["plugin", "put", "b", component("leaderboard.wasm").to_str().unwrap(), "--grant", "leaderboard:write"]);
    server.ok(&["plugin", "call", "a", "increment", "visits", "5"]);
    server.ok(&["backup", &path("whole.backup")]);
    drop(server);
    let run = |arguments: &[&str]| {
        let mut command = program();
        command.args(arguments);
        run_with(command, b"")
    };
    assert!(run(&["restore", &path("whole.backup"), "--data", &path("new")]).status.success());
    assert!(run(&["check", "--data", &path("new")]).status.success());
    let mut server = Server::start(&["--data", &path("new")]);
    assert_eq!(server.ok(&["plugin", "call", "a", "increment", "visits", "1"]), "6\n");
    let lost = info(&server, "a")["sha256"].as_str().unwrap().to_owned();
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    std::fs::remove_file(directory.path().join("new").join(format!("attachment-{lost}.mantis"))).unwrap();
    let checked = run(&["check", "--data", &path("new")]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains(&lost) && said.contains("missing"), "{said}");
    assert!(said.contains("damaged in components of plugins: opens with") && said.contains("a, version 1"), "{said}");
    let (code, message) = failure(&checked);
    assert!(code == 5 && message.contains("plugin put") && message.contains("a, version 1 (current)"), "{message}");
    // A repair has nothing to put in its place, and writes nothing.
    let (code, _) = failure(&run(&["check", "--data", &path("new"), "--repair", "--into", &path("repaired")]));
    assert!(code == 5 && !directory.path().join("repaired").exists());
    let mut server = Server::start(&["--data", &path("new")]);
    // A backup of the rest is made, and restored, and both tell.
    let backed_up = server.run(&["backup", &path("less.backup")]);
    let restored = run(&["restore", &path("less.backup"), "--data", &path("less")]);
    for (code, message) in [failure(&backed_up), failure(&restored)] {
        assert!(code == 5 && message.contains("a, version 1 (current)"), "{code} {message}");
    }
    assert_eq!(failure(&run(&["check", "--data", &path("less")])).0, 5);
    assert_eq!(server.ok(&["plugin", "call", "b", "submit", "ada", "30"]), "1\n");
    let (code, message) = failure(&server.run(&["plugin", "call", "a", "increment", "visits", "1"]));
    assert!(code == 3 && message.contains("plugin-unavailable"), "{code} {message}");
    assert_eq!(info(&server, "a")["state"], "broken");
    // The same component again mends it, with the grants that it had.
    server.ok(&["plugin", "put", "a", counter().to_str().unwrap()]);
    assert_eq!(server.ok(&["plugin", "call", "a", "increment", "visits", "1"]), "7\n");
    server.signal("-TERM");
    assert_eq!(server.wait(), Some(0));
    assert!(server.log().contains("a backup lacks a plugin's component"));
}

#[test]
fn a_plugins_own_error_is_shown() {
    let server = Server::start(&["--plugin-call-deadline-ms", "10000"]);
    let path = component("leaderboard.wasm");
    server.ok(&["plugin", "put", "leaderboard", path.to_str().unwrap(), "--grant", "leaderboard:write"]);
    assert_eq!(server.ok(&["plugin", "call", "leaderboard", "submit", "ada", "30"]), "1\n");
    let call = ["plugin", "call", "leaderboard", "top", "1001"];
    let (code, message) = failure(&server.run(&call));
    assert_eq!(code, 3);
    assert!(message.contains("\"at most 1000 standings are shown\" (plugin-error)"), "{message}");
    let (_, message) = failure(&server.run(&[&call[..], &["--json"]].concat()));
    let problem: serde_json::Value = serde_json::from_str(&message).unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&"plugin-error".into(), &422.into()), "{message}");
    assert_eq!(problem["error"], "at most 1000 standings are shown", "{message}");
}

/// A component that takes the compiler a while.
fn slow_component() -> String {
    let body = "i32.const 1 i32.add ".repeat(100_000);
    let more = (0..20).map(|at| format!("(func (result i32) i32.const {at} {body})")).collect::<Vec<_>>().concat();
    format!(
        r#"(component
            (core module $m (func (export "f") (result i32) i32.const 0 {body}) {more})
            (core instance $i (instantiate $m))
            (func (export "f") (result u32) (canon lift (core func $i "f"))))"#
    )
}

/// The server answers while it compiles: what is not there yet is named, and its calls are asked to come again.
#[test]
fn the_port_is_open_before_plugins_are_compiled() {
    let (plugins, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(plugins.path().join("slow.wasm"), wat::parse_str(slow_component()).unwrap()).unwrap();
    let (plugins, cache) = (plugins.path().to_str().unwrap(), cache.path().to_str().unwrap());
    let arguments = ["--plugins", plugins, "--plugin-cache", cache, "--plugin-call-deadline-ms", "10000"];
    let server = Server::start(&arguments);
    let call = b"POST /api/v1/plugins/slow/call/f HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let ready = status_of(&server, "/ready");
    let called = server.exchange(call);
    // It is compiled for longer than two requests take.
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("still being compiled: slow"), "{ready}");
    assert!(called.starts_with("HTTP/1.1 503") && called.contains("plugin-expected"), "{called}");
    assert!(called.to_ascii_lowercase().contains("retry-after"), "{called}");
    assert!(status_of(&server, "/live").starts_with("HTTP/1.1 200"));
    wait_until_ready(&server);
    assert!(server.exchange(call).ends_with("100000"), "{}", server.exchange(call));
    let stats: serde_json::Value = serde_json::from_str(&server.ok(&["stats", "--json"])).unwrap();
    assert!(stats["plugins"]["compiled_bytes"].as_u64().unwrap() > 0, "{stats}");
    drop(server);
    // The next one finds the code on the disk.
    assert!(std::fs::read_dir(cache).unwrap().count() > 0);
    let server = Server::start(&arguments);
    wait_until_ready(&server);
    assert!(server.exchange(call).ends_with("100000"));
}

/// A call in progress ends when its client goes, long before its deadline.
#[test]
fn a_call_ends_with_its_client() {
    let server = Server::start(&["--plugin-call-deadline-ms", "60000"]);
    server.ok(&["plugin", "put", "spin", component("spin.wasm").to_str().unwrap()]);
    let figure = |name: &str| {
        let stats = server.exchange(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let stats: serde_json::Value = serde_json::from_str(stats.split_once("\r\n\r\n").unwrap().1).unwrap();
        stats["plugins"][name].as_u64().unwrap()
    };
    let mut stream = server.connect();
    let call = "POST /api/v1/plugins/spin/call/forever HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 2\r\n\r\n[]";
    stream.write_all(call.as_bytes()).unwrap();
    while figure("calls_active") == 0 {
        pause(20);
    }
    drop(stream);
    for _ in 0..PATIENCE.as_millis() / 50 {
        if figure("abandoned") == 1 && figure("calls_active") == 0 {
            return;
        }
        pause(50);
    }
    panic!("the call of a client that has gone still runs");
}
