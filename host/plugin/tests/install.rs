//! Installing: refused components, and the fate of running calls.

use std::fmt::Write as _;
use std::path::Path;
use std::task::Poll;

use mantis_plugin::{CallError, Error, HostConfig, LoadError, PluginLimits, PluginOptions};
use serde_json::json;

use crate::support::{Fixture, component, component_path, config, writing};

/// A component that exports `answer`, and `more` of what else it has.
fn answering(more: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            {more}
            (core module $m (func (export "answer") (result i32) i32.const 42))
            (core instance $i (instantiate $m))
            (func (export "answer") (result u32) (canon lift (core func $i "answer"))))"#
    );
    wat::parse_str(text).unwrap()
}

/// Hashing a large component takes tens of milliseconds, and happens on another thread: also where nothing is to be compiled.
#[tokio::test]
async fn a_large_component_is_hashed_while_others_go_on() {
    let fixture = Fixture::new();
    for (more_bytes, is_here) in [(0, true), (9 << 20, false)] {
        let mut component = answering("");
        // A custom section: its length in LEB128, whose name has one byte.
        let section = more_bytes + 2;
        let length = [0, 7, 14, 21].map(|shift| u8::try_from(section >> shift & 0x7f).unwrap());
        component.extend([0, length[0] | 0x80, length[1] | 0x80, length[2] | 0x80, length[3], 1, b'p']);
        component.extend(vec![7; more_bytes]);
        let install =
            |name: &'static str| fixture.host.install(name, component.clone().into(), PluginOptions::default());
        install("first").await.unwrap();
        // It is compiled already: what is left is to find it by its hash.
        let mut second = Box::pin(install("second"));
        let polled = std::future::poll_fn(|context| Poll::Ready(second.as_mut().poll(context))).await;
        assert_eq!(polled.is_ready(), is_here, "{more_bytes} bytes more");
        if polled.is_pending() {
            second.await.unwrap();
        }
    }
}

async fn refusal(fixture: &Fixture, component: Vec<u8>) -> Error {
    fixture.host.install("refused", component.into(), PluginOptions::default()).await.unwrap_err()
}

#[tokio::test]
async fn components_that_cannot_run_are_refused_by_name() {
    let fixture = Fixture::new();
    let core_module = wat::parse_str("(module)").unwrap();
    let recursive_type = {
        // Each level names the one below twice: a small file that describes 2^16 parts.
        let mut types = String::from("(type $t0 (tuple u8 u8))");
        for level in 1..16 {
            write!(types, "(type $t{level} (tuple $t{0} $t{0}))", level - 1).unwrap();
        }
        format!(
            r#"(component {types}
                (core module $m (memory (export "m") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
                    (func (export "f") (param i32)))
                (core instance $i (instantiate $m))
                (func (export "f") (param "x" $t15)
                    (canon lift (core func $i "f") (memory (core memory $i "m")) (realloc (core func $i "realloc")))))"#
        )
    };
    let cases: &[(Vec<u8>, &str)] = &[
        (b"not WebAssembly".to_vec(), "not a component: these bytes are not WebAssembly"),
        (Vec::new(), "not a component: these bytes are not WebAssembly"),
        (core_module, "not a component: this is a core module; make a component of it with `wasm-tools component new`"),
        (component("counter")[..1_000].to_vec(), "not a component: "),
        (wat::parse_str("(component)").unwrap(), "the component exports no function that can be called"),
        (
            answering(r#"(import "wasi:http/types@0.2.0" (instance (export "f" (func))))"#),
            "the component imports `wasi:http/types@0.2.0`, which this host does not offer; it offers mantis:db/kv@0.1.0, ",
        ),
        (
            answering(r#"(import "mantis:db/kv@0.2.0" (instance (export "f" (func))))"#),
            "the component imports `mantis:db/kv@0.2.0`, which this host does not offer; it offers mantis:db/kv@0.1.0, ",
        ),
        (
            // Named before the compiler sees a function that it would refuse.
            answering(
                r#"(import "wasi:cli/environment@0.3.0" (instance (export "f" (func))))
                (import "wasi:http/types@0.2.0" (instance (export "f" (func))))
                (core module $bad (func (result i32)))"#,
            ),
            "the component imports `wasi:cli/environment@0.3.0` and `wasi:http/types@0.2.0`, which this host does not offer; it offers ",
        ),
        (
            answering(r#"(import "mantis:db/kv@0.1.0" (instance (export "explode" (func))))"#),
            "the component does not fit the host's interfaces: ",
        ),
        (
            answering("(core module $big (memory 1025)) (core instance (instantiate $big))"),
            "the component needs more than its limits allow: memory has a minimum byte size of 67174400 which exceeds",
        ),
        (
            answering("(core module $big (table 20001 funcref)) (core instance (instantiate $big))"),
            "the component needs more than its limits allow: ",
        ),
        (
            wat::parse_str(recursive_type).unwrap(),
            "the component exports no function that can be called (f: the plugin's types have more than 16384 parts)",
        ),
    ];
    for (component, expected) in cases {
        let error = refusal(&fixture, component.clone()).await.to_string();
        assert!(error.starts_with(expected), "expected {expected:?}, got {error:?}");
    }
    assert!(fixture.host.list().is_empty());
}

#[tokio::test]
async fn names_limits_and_numbers_are_checked() {
    let fixture = Fixture::with(HostConfig { plugins_max: 1, component_bytes_max: 10_000, ..config() });
    let small = answering("");
    let install = async |name: &str, limits: PluginLimits| {
        let options = writing(&[]).limits(limits);
        fixture.host.install(name, small.clone().into(), options).await
    };
    let none = PluginLimits::default();
    for name in ["", "1st", "Upper", "with_underscore", "with/slash", "../up", &"x".repeat(64)] {
        assert!(matches!(install(name, none).await, Err(Error::NameInvalid(_))), "{name:?}");
    }
    let limits = [
        (PluginLimits { call_deadline_ms: Some(0), ..none }, "call_deadline_ms is 0; it must be 1 to 60000"),
        (
            PluginLimits { memory_bytes_max: Some(1 << 40), ..none },
            "memory_bytes_max is 1099511627776; it must be 65536 to 67108864",
        ),
        (PluginLimits { handles_max: Some(65), ..none }, "handles_max is 65; it must be 1 to 64"),
        (PluginLimits { log_lines_max: Some(101), ..none }, "log_lines_max is 101; it must be 1 to 100"),
    ];
    for (limits, expected) in limits {
        assert_eq!(install("a", limits).await.unwrap_err().to_string(), expected);
    }
    let limits = PluginLimits { memory_bytes_max: Some(1 << 20), ..none };
    let large = answering("(core module $large (memory 17)) (core instance (instantiate $large))");
    let error = fixture.host.install("large", large.into(), writing(&[]).limits(limits)).await.unwrap_err().to_string();
    let expected = "it begins with 1114112 bytes of memory; memory_bytes_max is 1048576";
    assert!(error.ends_with(expected), "{error}");
    let too_large = refusal(&fixture, vec![0; 10_001]).await.to_string();
    assert_eq!(too_large, "the component has 10001 bytes; the limit is 10000");
    install("a", none).await.unwrap();
    assert!(matches!(install("b", none).await, Err(Error::PluginsTooMany { max: 1 })));
    install("a", none).await.expect("in place of itself");
}

/// Python brings 38 core instances, JavaScript a table of 7,717 elements; both run within the limits' defaults.
#[tokio::test]
async fn components_as_large_as_interpreters_run() {
    let mut parts = String::from("(core module $table (table (export \"t\") 7717 funcref))");
    for number in 0..36 {
        write!(parts, "(core module $m{number}) (core instance (instantiate $m{number}))").unwrap();
    }
    parts += "(core instance (instantiate $table))";
    // With the one that answers: 38.
    let fixture = Fixture::new();
    let installed = fixture.host.install("large", answering(&parts).into(), PluginOptions::default()).await;
    installed.unwrap();
    assert_eq!(fixture.call("large/answer", json!([])).await.unwrap(), 42);
}

/// What clang makes of freestanding C: no library, memory that only grows, and a function that is called after the result was read.
#[tokio::test]
async fn a_component_in_c_takes_and_gives_text() {
    let fixture = Fixture::new();
    let options = writing(&["visits"]).reuse(true);
    let info = fixture.install_as("c", "freestanding", options).await;
    assert!(info.imports.iter().all(|import| import.starts_with("mantis:db/")), "{:?}", info.imports);
    for text in ["", "hello", "日本語", &"x".repeat(1 << 20)] {
        assert_eq!(fixture.call("c/shout", json!([text])).await.unwrap(), format!("{text}!"));
    }
    for visits in 1..=100 {
        assert_eq!(fixture.call("c/visit", json!(["start"])).await.unwrap(), visits);
    }
    assert_eq!(fixture.text("visits", "start").await.as_deref(), Some("100"));
    let statistics = fixture.host.info("c").unwrap().statistics;
    assert_eq!((statistics.leftovers, statistics.instances_warm), (0, 1));
    // The errors of both operations, passed on.
    let error = fixture.call("c/visit", json!([""])).await.unwrap_err().to_string();
    assert!(error.contains("key-empty"), "{error}");
    fixture.install_as("c", "freestanding", PluginOptions::default()).await;
    let error = fixture.call("c/visit", json!(["start"])).await.unwrap_err().to_string();
    assert!(error.contains("bucket-not-found"), "{error}");
}

#[tokio::test]
async fn info_describes_a_plugin() {
    let fixture = Fixture::new();
    let info = fixture.install("counter", writing(&["counters"])).await;
    assert_eq!(info.component_bytes, component("counter").len());
    assert_eq!(info.sha256.len(), 64);
    let expected = ["mantis:db/types@0.1.0", "mantis:db/kv@0.1.0"];
    assert!(expected.iter().all(|import| info.imports.iter().any(|other| other == import)), "{:?}", info.imports);
    assert_eq!(info.limits.handles_max, Some(64));
    assert!(!info.own_transactions && !info.reuse);
    let names: Vec<_> = info.functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["increment", "value", "reset"]);
    assert_eq!(fixture.host.list().len(), 1);
    assert!(fixture.host.remove("counter"));
    assert!(!fixture.host.remove("counter"));
    assert!(fixture.host.info("counter").is_none());
}

/// Two interfaces that are called the same have their full names, and each function can be called.
#[tokio::test]
async fn interfaces_of_the_same_name_are_told_apart() {
    let text = r#"(component
        (core module $m (func (export "one") (result i32) i32.const 1) (func (export "two") (result i32) i32.const 2))
        (core instance $i (instantiate $m))
        (func $one (result u32) (canon lift (core func $i "one")))
        (func $two (result u32) (canon lift (core func $i "two")))
        (instance $first (export "get" (func $one)))
        (instance $second (export "get" (func $two)))
        (export "a:b/store@1.0.0" (instance $first))
        (export "c:d/store@1.0.0" (instance $second))
        (export "e:f/alone@1.0.0" (instance $second)))"#;
    let fixture = Fixture::new();
    let component = wat::parse_str(text).unwrap();
    let info = fixture.host.install("named", component.into(), PluginOptions::default()).await.unwrap();
    let names: Vec<_> = info.functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["a:b/store@1.0.0.get", "c:d/store@1.0.0.get", "alone.get"]);
    assert!(info.skipped.is_empty(), "{:?}", info.skipped);
    for (function, expected) in names.into_iter().zip([1, 2, 2]) {
        let called = fixture.host.call("named", function, json!([])).await.unwrap();
        assert_eq!(called.value, json!(expected), "{function}");
    }
}

/// Running calls end with the plugin that they started in; later ones use the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_come_and_go_while_calls_run() {
    let fixture = Fixture::new();
    fixture.install_as("changing", "types", writing(&[])).await;
    let host = fixture.host.clone();
    let caller = tokio::spawn(async move {
        let (mut answered, mut missing) = (0_u32, 0_u32);
        loop {
            match host.call("changing", "answer", json!([])).await {
                Ok(called) => {
                    assert_eq!(called.value, json!(42));
                    answered += 1;
                }
                Err(CallError::PluginNotFound(_) | CallError::FunctionNotFound(_)) => missing += 1,
                Err(error) => panic!("{error}"),
            }
            if answered > 50 && missing > 50 {
                return;
            }
        }
    });
    let small = answering("");
    while !caller.is_finished() {
        fixture.host.install("changing", small.clone().into(), writing(&[]).reuse(true)).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        assert!(fixture.host.remove("changing"));
        tokio::task::yield_now().await;
        fixture.install_as("changing", "types", writing(&[])).await;
    }
    caller.await.unwrap();
}

/// A guest that runs while its plugin is removed ends as it would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_plugin_ends_its_calls() {
    let fixture = Fixture::new();
    let limits = PluginLimits { call_deadline_ms: Some(200), ..PluginLimits::default() };
    fixture.install("spin", writing(&[]).limits(limits)).await;
    let host = fixture.host.clone();
    let call = tokio::spawn(async move { host.call("spin", "forever", json!([])).await });
    while fixture.host.stats().total.thread_runs < 1 {
        tokio::task::yield_now().await;
    }
    assert!(fixture.host.remove("spin"));
    assert!(matches!(call.await.unwrap(), Err(CallError::Deadline { deadline_ms: 200 })));
    assert_eq!(fixture.host.stats().total.deadlines, 1, "counted although the plugin is gone");
}

/// A start function runs under the deadline of the call that first needs the instance.
#[tokio::test]
async fn a_start_function_that_spins_is_stopped() {
    let fixture = Fixture::new();
    let spinning = answering(
        "(core module $spin (func $start (loop $forever br $forever)) (start $start)) (core instance (instantiate $spin))",
    );
    let limits = PluginLimits { call_deadline_ms: Some(100), ..PluginLimits::default() };
    for reuse in [false, true] {
        let options = writing(&[]).limits(limits).reuse(reuse);
        fixture.host.install("spinning", spinning.clone().into(), options).await.unwrap();
        let error = fixture.call("spinning/answer", json!([])).await.unwrap_err();
        assert!(matches!(error, CallError::Deadline { deadline_ms: 100 }), "{error:?}");
    }
}

#[tokio::test]
async fn plugins_load_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |guest: &str, name: &str| std::fs::copy(component_path(guest), folder.path().join(name)).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    copy("counter", "counter.wasm");
    write(
        "counter.toml",
        "reuse = true\n[grants]\ncounters = \"write\"\nplayers = \"read\"\n[limits]\ncall_deadline_ms = 500\n",
    );
    copy("leaderboard", "board.wasm");
    write("board.json", r#"{"grants":{"*":"write"}}"#);
    copy("counter", "bare.wasm");
    copy("counter", "both.wasm");
    write("both.json", "{}");
    write("both.toml", "");
    copy("counter", "typo.wasm");
    write("typo.toml", "[grants]\ncounters = \"wirte\"\n");
    copy("counter", "unknown.wasm");
    write("unknown.json", r#"{"grant":{}}"#);
    copy("counter", "all-read.wasm");
    write("all-read.toml", "[grants]\n\"*\" = \"read\"\n");
    write("broken.wasm", "no");
    write("notes.txt", "no plugin");

    let fixture = Fixture::new();
    let outcomes = fixture.host.load_dir(folder.path()).await.unwrap();
    let of = |name: &str| {
        let outcome = outcomes.iter().find(|(path, _)| path == &folder.path().join(name));
        &outcome.unwrap_or_else(|| panic!("{name} was not looked at")).1
    };
    let refused = |name: &str, file: &str, reason: &str| {
        let error = of(name).as_ref().unwrap_err().to_string();
        let path = folder.path().join(file).display().to_string();
        assert!(error.starts_with(&path) && error.contains(reason), "{error}");
    };
    refused("both.wasm", "both.json", "there is a .toml as well");
    refused("typo.wasm", "typo.toml", "`wirte` is not known here; there is `read` or `write`");
    refused("unknown.wasm", "unknown.json", "there is no member `grant`");
    refused("all-read.wasm", "all-read.toml", "`*` can only be granted for writing, and alone");
    refused("broken.wasm", "broken.wasm", "these bytes are not WebAssembly");
    let counter = of("counter.wasm").as_ref().unwrap();
    assert!(counter.reuse);
    assert_eq!(counter.limits.call_deadline_ms, Some(500));
    assert_eq!(counter.grants.buckets().len(), 2);
    assert!(of("board.wasm").as_ref().unwrap().grants.is_all());
    assert!(of("bare.wasm").as_ref().unwrap().grants.buckets().is_empty());
    assert_eq!(outcomes.len(), 8);
    assert!(matches!(fixture.host.load_dir(Path::new("/nowhere")).await, Err(LoadError::Read { .. })));
}

#[tokio::test]
async fn a_manifest_without_a_component_is_found() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.wasm", "a.toml", "b.json", "c.toml", "notes.txt"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let orphans = mantis_plugin::orphan_manifests(folder.path()).unwrap();
    assert_eq!(orphans, [folder.path().join("b.json"), folder.path().join("c.toml")]);
}

/// Code is counted once for all plugins that share it, and given back with the last of them.
#[tokio::test]
async fn compiled_code_goes_with_its_last_plugin() {
    let fixture = Fixture::new();
    let bytes = || fixture.host.stats().compiled_bytes;
    assert_eq!(bytes(), 0);
    fixture.install_as("first", "counter", writing(&[])).await;
    let counter = bytes();
    assert!(counter > 0);
    fixture.install_as("second", "counter", writing(&[])).await;
    assert_eq!(bytes(), counter);
    fixture.install_as("other", "types", writing(&[])).await;
    assert!(bytes() > counter);
    assert!(fixture.host.remove("other") && fixture.host.remove("first"));
    assert_eq!(bytes(), counter);
    fixture.install_as("second", "types", writing(&[])).await;
    assert!(fixture.host.remove("second"));
    assert_eq!(bytes(), 0);
}

/// A host that finds the code on the disk does not compile again: it has what the first one made.
#[tokio::test]
async fn compiled_code_is_kept_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let cache_dir = folder.path().join("code");
    let files = || std::fs::read_dir(&cache_dir).map_or(0, Iterator::count);
    for _ in 0..2 {
        let fixture = Fixture::with(HostConfig { cache_dir: Some(cache_dir.clone()), ..config() });
        fixture.install("counter", writing(&["counters"])).await;
        assert!(fixture.call("counter/increment", json!(["visits", 1])).await.is_ok());
        assert!(files() > 0, "the code is there");
    }
    // Damaged files are compiled anew.
    let mut open = vec![cache_dir.clone()];
    let mut damaged = 0;
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                std::fs::write(&path, b"damaged").unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged > 0);
    let fixture = Fixture::with(HostConfig { cache_dir: Some(cache_dir.clone()), ..config() });
    fixture.install("counter", writing(&["counters"])).await;
    assert!(fixture.call("counter/increment", json!(["visits", 1])).await.is_ok());
}

#[tokio::test]
async fn calls_to_an_expected_plugin_are_told_so() {
    let fixture = Fixture::new();
    let call = async || fixture.call("counter/increment", json!(["visits", 1])).await;
    let expected = [fixture.host.expect("counter"), fixture.host.expect("counter")];
    assert_eq!(fixture.host.expected(), ["counter"]);
    assert!(matches!(call().await, Err(CallError::Expected(name)) if name == "counter"));
    fixture.install("counter", writing(&["counters"])).await;
    call().await.expect("it is there");
    let [first, second] = expected;
    drop(first);
    assert_eq!(fixture.host.expected(), ["counter"]);
    drop(second);
    assert!(fixture.host.expected().is_empty() && fixture.host.remove("counter"));
    assert!(matches!(call().await, Err(CallError::PluginNotFound(_))));
}

/// What toolchains leave in a component is no procedure; a plugin's own `init` is one.
#[tokio::test]
async fn functions_of_toolchains_are_no_procedures() {
    let with_init = |params: &str, core_params: &str| {
        let text = format!(
            r#"(component
                (core module $m (memory (export "m") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
                    (func (export "init") (param {core_params}))
                    (func (export "answer") (result i32) i32.const 42))
                (core instance $i (instantiate $m))
                (func $init {params}
                    (canon lift (core func $i "init") (memory (core memory $i "m")) (realloc (core func $i "realloc"))))
                (instance $exports (export "init" (func $init)))
                (export "init" (func $init))
                (export "exports" (instance $exports))
                (func (export "answer") (result u32) (canon lift (core func $i "answer"))))"#
        );
        wat::parse_str(text).unwrap()
    };
    let fixture = Fixture::new();
    for (params, core_params, expected) in [
        (r#"(param "app-name" string) (param "symbols" string) (param "stub-wasi" bool)"#, "i32 i32 i32 i32 i32", 1),
        (r#"(param "shim" string) (param "script" string)"#, "i32 i32 i32 i32", 1),
        (r#"(param "name" string)"#, "i32 i32", 3),
        ("", "", 3),
    ] {
        let component = with_init(params, core_params);
        let info = fixture.host.install("made", component.into(), PluginOptions::default()).await.unwrap();
        assert_eq!((info.functions.len(), info.skipped.len()), (expected, 3 - expected), "{params}");
    }
}
