//! `/stats` and `/metrics` agree, and their sums add up.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{io, thread};

use mantis_db::disk::{Disk, DiskFile, MemoryDisk};
use mantis_db::{Durability, Limits};
use mantis_http::AppConfig;
use mantis_pool::Config;
use serde_json::Value;

use crate::harness::{Server, poll};

/// Each figure of `/stats`, and the metric that is its twin; one in milliseconds or microseconds has its twin in seconds.
const TWINS: &[(&str, &str)] = &[
    ("http.connections_closed", "http_connections_closed_total"),
    ("http.connections_open", "http_connections_open"),
    ("http.connections_opened", "http_connections_opened_total"),
    ("http.in_flight", "http_requests_in_flight"),
    ("http.overloads", "http_overloads_total"),
    ("http.panics", "http_panics_total"),
    ("http.streams_open", "http_streams_open"),
    ("http.transactions_open", "http_transactions_open"),
    ("memory.in_flight_bytes", "memory_in_flight_bytes"),
    ("memory.refused", "memory_refused_total"),
    ("plugins.abandoned", "plugin_abandoned_total"),
    ("plugins.busy", "plugin_busy_total"),
    ("plugins.calls", "plugin_calls_total"),
    ("plugins.calls_active", "plugin_calls_active"),
    ("plugins.calls_queued", "plugin_calls_queued"),
    ("plugins.conflicts", "plugin_conflicts_total"),
    ("plugins.conflicts_retried", "plugin_runs_repeated_total"),
    ("plugins.deadlines", "plugin_deadlines_total"),
    ("plugins.duration_us_max", "plugin_call_max_seconds"),
    ("plugins.duration_us_sum", "plugin_call_seconds_total"),
    ("plugins.errors", "plugin_errors_total"),
    ("plugins.inline_interrupted", "plugin_runs_interrupted_total"),
    ("plugins.inline_runs", "plugin_runs_inline_total"),
    ("plugins.compiled_bytes", "plugin_compiled_bytes"),
    ("plugins.leftovers", "plugin_leftovers_total"),
    ("plugins.worn_out_retried", "plugin_runs_worn_out_total"),
    ("plugins.instances_warm", "plugin_instances_warm"),
    ("plugins.limits", "plugin_limits_total"),
    ("plugins.log_lines_dropped", "plugin_log_lines_dropped_total"),
    ("plugins.plugins", "plugins"),
    ("plugins.thread_runs", "plugin_runs_on_threads_total"),
    ("plugins.traps", "plugin_traps_total"),
    ("pool.acquire_count", "pool_acquisitions_total"),
    ("pool.active_connections", "pool_sessions_active"),
    ("pool.connections_closed", "pool_sessions_closed_total"),
    ("pool.connections_created", "pool_sessions_created_total"),
    ("pool.create_failures", "pool_create_failures_total"),
    ("pool.creating_connections", "pool_sessions_creating"),
    ("pool.health_check_failures", "pool_health_check_failures_total"),
    ("pool.idle_connections", "pool_sessions_idle"),
    ("pool.max_connections", "pool_sessions_max"),
    ("pool.max_wait_time_ms", "pool_wait_max_seconds"),
    ("pool.total_connections", "pool_sessions"),
    ("pool.wait_count", "pool_waits_total"),
    ("pool.wait_time_ms", "pool_wait_seconds_total"),
    ("pool.wait_timeouts", "pool_wait_timeouts_total"),
    ("pool.waiting_requests", "pool_waiters"),
    ("process.resident_memory_bytes", "process_resident_memory_bytes"),
    ("store.commits", "store_commits_total"),
    ("store.conflicts", "store_conflicts_total"),
    ("store.deadlines", "store_deadlines"),
    ("store.disk.checkpoint_bytes", "store_checkpoint_bytes"),
    ("store.disk.checkpoint_failures", "store_checkpoint_failures_total"),
    ("store.disk.checkpoint_time_ms", "store_checkpoint_seconds"),
    ("store.disk.checkpoint_version", "store_checkpoint_version"),
    ("store.disk.checkpoints", "store_checkpoints_total"),
    ("store.disk.commits_undone", "store_commits_undone_total"),
    ("store.disk.log_bytes", "store_log_bytes"),
    ("store.disk.log_bytes_written", "store_log_written_bytes_total"),
    ("store.disk.log_groups", "store_log_groups_total"),
    ("store.disk.log_segments", "store_log_segments"),
    ("store.disk.log_syncs", "store_log_syncs_total"),
    ("store.disk.max_sync_time_ms", "store_log_sync_max_seconds"),
    ("store.disk.sync_time_ms", "store_log_sync_seconds_total"),
    ("store.disk.synced_version", "store_synced_version"),
    ("store.expired", "store_expired_total"),
    ("store.feed_bytes", "store_feed_bytes"),
    ("store.feed_commits", "store_feed_commits"),
    ("store.key_bytes", "store_key_bytes"),
    ("store.keys", "store_keys"),
    ("store.oldest_snapshot_age_ms", "store_oldest_snapshot_age_seconds"),
    ("store.max_writer_hold_time_ms", "store_writer_hold_max_seconds"),
    ("store.prune_backlog", "store_prune_backlog"),
    ("store.pruned", "store_versions_pruned_total"),
    ("store.rows", "store_rows"),
    ("store.snapshots", "store_snapshots"),
    ("store.snapshots_revoked", "store_snapshots_revoked_total"),
    ("store.value_bytes", "store_value_bytes"),
    ("store.version", "store_version"),
    ("store.versions", "store_versions"),
    ("store.writer_hold_time_ms", "store_writer_hold_seconds_total"),
];

/// Members of `/stats` without a metric: Prometheus derives them from others.
const WITHOUT_TWIN: &[&str] = &[
    // From sums and counts.
    "pool.avg_wait_time_ms",
    "store.disk.avg_sync_time_ms",
    // From `http_answers_total`, which distinguishes operations, and `http_requests_in_flight`.
    "http.requests",
    "http.answers.1xx",
    "http.answers.2xx",
    "http.answers.3xx",
    "http.answers.4xx",
    "http.answers.5xx",
];

const OPENMETRICS: &[&str] = &["accept: application/openmetrics-text; version=1.0.0"];

/// Numbers by name, as they were written.
#[derive(Debug, Default)]
struct Numbers(BTreeMap<String, String>);

impl Numbers {
    #[track_caller]
    fn number(&self, name: &str) -> f64 {
        self.0[name].parse().unwrap()
    }

    #[track_caller]
    fn count(&self, name: &str) -> u64 {
        self.0[name].parse().unwrap()
    }

    fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn add(&mut self, path: &str, value: &Value) {
        let Some(members) = value.as_object() else {
            assert!(value.is_number() && self.0.insert(path.to_owned(), value.to_string()).is_none(), "{path}");
            return;
        };
        for (name, value) in members {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.add(&path, value);
        }
    }
}

/// The numbers of `/stats` by their paths.
async fn stats(server: &Server) -> Numbers {
    let mut numbers = Numbers::default();
    numbers.add("", &server.send("GET /stats", &[], "").await.json());
    numbers
}

/// The samples of `/metrics` by their names, but for those with labels.
async fn metrics(server: &Server) -> Numbers {
    let answer = server.send("GET /metrics", &[], "").await;
    let samples = answer.text().lines().filter(|line| !line.starts_with('#') && !line.contains('{'));
    let sample = |line: &str| {
        let line = if line.starts_with("process_") { line } else { line.strip_prefix("mantisdb_").unwrap() };
        let (name, value) = line.split_once(' ').unwrap();
        (name.to_owned(), value.to_owned())
    };
    let has_twin = |name: &str| {
        !name.contains("_duration_seconds_")
            && (!name.starts_with("process_") || name == "process_resident_memory_bytes")
    };
    Numbers(samples.map(sample).filter(|(name, _)| has_twin(name)).collect())
}

/// A server on a disk with something to report: commits, a checkpoint, an old snapshot, a call, a wait.
async fn busy_server() -> Server {
    let server = Server::on_disk();
    for key in ["a", "b", "a"] {
        server.send(&format!("PUT /api/v1/kv/{key}"), &[], "12345").await;
    }
    server.database.store().checkpoint().unwrap().unwrap();
    server.send("GET /api/v1/kv/none", &[], "").await;
    server.send("PUT /api/v1/plugins/a", crate::plugins::WASM, crate::plugins::COMPONENT).await;
    server.send("POST /api/v1/plugins/a/call/add", crate::plugins::JSON, "[1, 2]").await;
    server.send("POST /api/v1/transactions", &[], "").await;
    server.clock.advance_ms(1_500);
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statistic_is_also_a_metric() {
    let server = busy_server().await;
    let (stats, metrics) = (stats(&server).await, metrics(&server).await);
    let known: BTreeSet<_> = TWINS.iter().map(|(path, _)| *path).chain(WITHOUT_TWIN.iter().copied()).collect();
    assert_eq!(stats.names(), known, "/stats on the left");
    let twins: BTreeSet<_> = TWINS.iter().map(|(_, name)| *name).collect();
    assert_eq!(metrics.names(), twins, "/metrics on the left");
    for (path, name) in TWINS.iter().filter(|(path, _)| !path.starts_with("process.")) {
        let in_seconds = if path.ends_with("_ms") {
            1e3
        } else if path.contains("_us_") {
            1e6
        } else {
            1.0
        };
        let (figure, metric) = (stats.number(path), metrics.number(name) * in_seconds);
        assert!((figure - metric).abs() < 1e-6, "{path} is {figure}, {name} comes to {metric}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disk_and_memory_are_in_stats_and_metrics() {
    let server = busy_server().await;
    let (stats, metrics) = (stats(&server).await, metrics(&server).await);
    for (path, expected) in [
        ("store.version", 3),
        ("store.disk.synced_version", 3),
        ("store.disk.checkpoint_version", 3),
        ("store.disk.checkpoints", 1),
        ("store.disk.checkpoint_failures", 0),
        ("store.disk.commits_undone", 0),
        ("store.oldest_snapshot_age_ms", 1_500),
    ] {
        assert_eq!(stats.count(path), expected, "{path}");
    }
    for path in ["checkpoint_bytes", "log_segments", "log_bytes", "log_bytes_written", "log_groups", "log_syncs"] {
        assert!(stats.count(&format!("store.disk.{path}")) > 0, "{path}");
    }
    assert!(metrics.count("store_checkpoint_bytes") > 10, "two values of five bytes are in it");
    let memory = Server::new().send("GET /stats", &[], "").await.json();
    assert!(memory["store"].get("disk").is_none(), "in memory there is no disk to tell of");
    // More than a page and less than a machine.
    for bytes in [stats.count("process.resident_memory_bytes"), metrics.count("process_resident_memory_bytes")] {
        assert!((1 << 20..1 << 40).contains(&bytes), "{bytes}");
    }
}

/// A disk whose syncs wait while they are held.
#[derive(Clone, Default)]
struct SlowDisk {
    disk: MemoryDisk,
    held: Arc<Held>,
}

#[derive(Default)]
struct Held {
    is_held: AtomicBool,
    /// Whether a sync waits.
    is_reached: AtomicBool,
}

struct SlowFile(Box<dyn DiskFile>, Arc<Held>);

impl SlowDisk {
    fn slow(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(SlowFile(file, Arc::clone(&self.held)))
    }
}

impl Disk for SlowDisk {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.disk.lock()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.slow(self.disk.create(name)?))
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.slow(self.disk.open(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
}

impl DiskFile for SlowFile {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_size(size)
    }
    fn sync(&self) -> io::Result<()> {
        while self.1.is_held.load(Ordering::SeqCst) {
            self.1.is_reached.store(true, Ordering::SeqCst);
            thread::yield_now();
        }
        self.0.sync()
    }
}

/// What is answered at once is answered on the thread that asks for it: a lock that is held while the disk works would stop it.
#[tokio::test]
async fn statistics_do_not_wait_for_a_sync() {
    const PATIENCE: Duration = Duration::from_secs(20);
    let disk = SlowDisk::default();
    let server = Server::on(Arc::new(disk.clone()), Durability::Always, true);
    server.send("PUT /api/v1/kv/a", &[], "1").await;
    disk.held.is_held.store(true, Ordering::SeqCst);
    let mut put = pin!(server.send("PUT /api/v1/kv/b", &[], "2"));
    assert!(poll(&mut put).await.is_pending(), "it waits for the sync");
    while !disk.held.is_reached.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let (answered, is_answered) = mpsc::channel::<()>();
    let held = Arc::clone(&disk.held);
    // Releases the disk at the end, so that a waiter is detected and does not wait for ever.
    let watch = thread::spawn(move || {
        let is_right = is_answered.recv_timeout(PATIENCE).is_ok();
        held.is_held.store(false, Ordering::SeqCst);
        is_right
    });
    let json = &["accept: application/json"];
    for line in ["/", "/health", "/ready", "/live", "/stats", "/metrics"] {
        server.send(&format!("GET {line}"), &[], "").await;
    }
    for line in ["/api/v1/kv/a", "/api/v1/kv", "/api/v1/buckets", "/api/v1/changes"] {
        assert!(server.send(&format!("GET {line}"), json, "").await.status.is_success(), "{line}");
    }
    let stats = server.send("GET /stats", &[], "").await.json();
    assert_eq!(stats["store"]["disk"]["synced_version"], 1, "the sync is still under way");
    answered.send(()).unwrap();
    assert!(watch.join().unwrap(), "an answer waited for the sync");
    assert_eq!(put.await.outcome(), "201");
}

#[tokio::test]
async fn times_of_waits_are_reported() {
    let pool = Config { min_idle: 0, max: 1, ..Config::default() };
    let server = Server::with(Limits::default(), AppConfig::default(), pool);
    let begun = server.send("POST /api/v1/transactions", &[], "").await.json();
    let mut waiting = pin!(server.send("PUT /api/v1/kv/a", &[], "1"));
    assert!(poll(&mut waiting).await.is_pending(), "the transaction has the only session");
    let held = stats(&server).await;
    assert_eq!(["pool.waiting_requests", "pool.wait_count"].map(|path| held.count(path)), [1, 1]);
    server.send(&format!("DELETE /api/v1/transactions/{}", begun["id"].as_str().unwrap()), &[], "").await;
    assert_eq!(waiting.await.outcome(), "201");
    let (stats, metrics) = (stats(&server).await, metrics(&server).await);
    assert!(metrics.number("pool_wait_seconds_total") > 0.0 && metrics.count("pool_waits_total") == 1);
    let one_wait =
        ["pool.wait_time_ms", "pool.avg_wait_time_ms", "pool.max_wait_time_ms"].map(|path| stats.number(path));
    assert!(
        one_wait.iter().all(|time| (time - one_wait[0]).abs() < 1e-6),
        "of one wait all are the same: {one_wait:?}"
    );
}

#[tokio::test]
async fn the_sums_add_up() {
    let server = Server::new();
    server.send("PUT /api/v1/kv/a", &[], "12345").await;
    server.send("GET /api/v1/kv/none", &[], "").await;
    let begun = server.send("POST /api/v1/transactions", &[], "").await.json();
    let stats = server.send("GET /stats", &[], "").await.json();
    let (pool, http) = (&stats["pool"], &stats["http"]);
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    assert_eq!(
        number(&pool["total_connections"]),
        number(&pool["active_connections"]) + number(&pool["idle_connections"]) + number(&pool["creating_connections"])
    );
    assert_eq!(
        number(&pool["connections_created"]),
        number(&pool["connections_closed"]) + number(&pool["active_connections"]) + number(&pool["idle_connections"])
    );
    assert_eq!(number(&pool["active_connections"]), 1, "the transaction's session");
    for name in ["wait_count", "avg_wait_time_ms", "health_check_failures"] {
        assert_eq!(pool[name].as_f64(), Some(0.0), "{name}");
    }
    let answers: u64 = http["answers"].as_object().unwrap().values().map(number).sum();
    assert_eq!(number(&http["requests"]), answers + number(&http["in_flight"]));
    assert_eq!((number(&http["in_flight"]), number(&http["transactions_open"])), (1, 1));
    assert_eq!((number(&stats["store"]["keys"]), number(&stats["plugins"]["plugins"])), (1, 0));
    server.send(&format!("DELETE /api/v1/transactions/{}", begun["id"].as_str().unwrap()), &[], "").await;
    assert_eq!(server.send("GET /stats", &[], "").await.json()["pool"]["active_connections"], 0);
}

#[tokio::test]
async fn what_users_put_is_counted_and_no_record_of_the_database() {
    #[track_caller]
    fn check(stats: &serde_json::Value, keys: u64, rows: u64) {
        assert_eq!((&stats["store"]["keys"], &stats["store"]["rows"]), (&keys.into(), &rows.into()), "{stats}");
    }
    let server = Server::new();
    let stats = async || server.send("GET /stats", &[], "").await.json();
    check(&stats().await, 0, 0);
    let json = ["content-type: application/json"];
    let definition = r#"{"columns": [{"name": "id", "type": "bigint", "identity": true}, {"name": "a", "type": "text"}],
        "primary_key": ["id"], "unique": [["a"]], "indexes": [{"columns": ["a", "id"]}]}"#;
    assert_eq!(server.send("PUT /api/v1/schema/tables/t", &json, definition).await.outcome(), "201");
    check(&stats().await, 0, 0);
    let rows = r#"[{"a": "x"}, {"a": "y"}, {"a": "z"}]"#;
    assert_eq!(server.send("POST /api/v1/tables/t", &json, rows).await.outcome(), "201");
    check(&stats().await, 0, 3);
    for line in ["PUT /api/v1/kv/a", "PUT /api/v1/buckets/b/kv/a", "PUT /api/v1/buckets/c/kv/a"] {
        assert_eq!(server.send(line, &[], "v").await.outcome(), "201");
    }
    check(&stats().await, 3, 3);
    let buckets = server.send("GET /api/v1/buckets", &[], "").await.json();
    let counted = buckets["buckets"].as_array().unwrap().iter().map(|bucket| bucket["keys"].as_u64().unwrap());
    assert_eq!(counted.sum::<u64>(), 3, "{buckets}");
    let metrics = server.send("GET /metrics", &[], "").await;
    assert!(metrics.text().contains("mantisdb_store_keys 3\n") && metrics.text().contains("mantisdb_store_rows 3\n"));
    assert_eq!(server.send("DELETE /api/v1/buckets/b?drop=true", &[], "").await.outcome(), "200");
    assert_eq!(server.send("DELETE /api/v1/tables/t?id=eq.1", &[], "").await.outcome(), "204");
    check(&stats().await, 2, 2);
    assert_eq!(server.send("DELETE /api/v1/schema/tables/t", &[], "").await.outcome(), "204");
    check(&stats().await, 2, 0);
    let (mut seen, backup) = (mantis_db::Seen::default(), server.send("GET /api/v1/backup", &[], "").await);
    mantis_db::verify_showing(&mut &backup.body[..], &mut |part| seen.see(part)).unwrap();
    assert_eq!(seen.contents(), mantis_db::Contents { keys: 2, rows: 0 });
}

#[tokio::test]
async fn metrics_come_in_two_formats() {
    let server = Server::new();
    server.send("GET /api/v1/kv/none", &[], "").await;
    let plain = server.send("GET /metrics", &[], "").await;
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(plain.text().contains("# TYPE mantisdb_http_answers_total counter\n"));
    assert!(plain.text().contains("mantisdb_http_answers_total{operation=\"getKey\",class=\"4xx\"} 1\n"));
    let open = server.send("GET /metrics", &["accept: application/openmetrics-text; version=1.0.0"], "").await;
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(open.text().contains("# TYPE mantisdb_http_answers counter\n") && open.text().ends_with("# EOF\n"));
    for line in plain.text().lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[tokio::test]
async fn the_newer_format_names_types_and_units() {
    let server = Server::on_disk();
    let open = server.send("GET /metrics", OPENMETRICS, "").await;
    let plain = server.send("GET /metrics", &[], "").await;
    assert!(!plain.text().contains("# UNIT"), "the older format has none");
    let mut family = ("", "", "");
    for line in open.text().lines() {
        let mut words = line.split(' ');
        match [words.next(), words.next(), words.next()] {
            [Some("#"), Some("HELP"), Some(name)] => family = (name, "", ""),
            [Some("#"), Some("TYPE"), Some(name)] if name == family.0 => family.1 = words.next().unwrap(),
            [Some("#"), Some("UNIT"), Some(name)] if name == family.0 => family.2 = words.next().unwrap(),
            [Some("#"), Some("EOF"), None] => {}
            [Some(sample), Some(_), None] => {
                let name = sample.split('{').next().unwrap();
                let endings: &[&str] = match family.1 {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    other => panic!("{line}: `{other}` is no type"),
                };
                assert!(name.strip_prefix(family.0).is_some_and(|ending| endings.contains(&ending)), "{line}");
                let unit = ["bytes", "seconds"].into_iter().find(|unit| family.0.ends_with(unit)).unwrap_or_default();
                assert_eq!(family.2, unit, "{line}");
            }
            _ => panic!("{line}"),
        }
    }
}

/// Writes, and holds a session in a transaction while others want one.
async fn work(server: Arc<Server>, client: usize) {
    for round in 0..100 {
        let key = format!("/api/v1/kv/{client}-{round}");
        assert_eq!(server.send(&format!("PUT {key}"), &[], "1").await.outcome(), "201");
        let begun = server.send("POST /api/v1/transactions", &[], "").await;
        if begun.outcome() == "201" {
            tokio::task::yield_now().await;
            let transaction = format!("/api/v1/transactions/{}", begun.json()["id"].as_str().unwrap());
            assert_eq!(server.send(&format!("DELETE {transaction}"), &[], "").await.outcome(), "204");
        }
        assert_eq!(server.send(&format!("DELETE {key}"), &[], "").await.outcome(), "204");
    }
}

/// Sessions come and go, are held and waited for, while the numbers are read.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sums_add_up_under_load() {
    for max in [1, 4] {
        let pool = Config { min_idle: 0, max, max_lifetime: Some(Duration::from_millis(1)), ..Config::default() };
        let server = Arc::new(Server::with(Limits::default(), AppConfig::default(), pool));
        let clients: Vec<_> = (0..8).map(|client| tokio::spawn(work(Arc::clone(&server), client))).collect();
        while clients.iter().any(|client| !client.is_finished()) {
            let numbers = stats(&server).await;
            let sum = |names: &[&str]| names.iter().map(|name| numbers.count(&format!("pool.{name}"))).sum::<u64>();
            let present = sum(&["active_connections", "idle_connections"]);
            assert_eq!(sum(&["total_connections"]), present + sum(&["creating_connections"]), "{numbers:?}");
            assert_eq!(sum(&["connections_created"]), present + sum(&["connections_closed"]), "{numbers:?}");
            assert!(sum(&["total_connections"]) <= max as u64, "{numbers:?}");
            let answers = (1..=5).map(|class| numbers.count(&format!("http.answers.{class}xx"))).sum::<u64>();
            assert_eq!(numbers.count("http.requests"), answers + numbers.count("http.in_flight"), "{numbers:?}");
        }
        for client in clients {
            client.await.unwrap();
        }
        let at_rest = stats(&server).await;
        assert_eq!(at_rest.count("pool.active_connections"), 0);
        // There was something to add up.
        assert!(at_rest.count("pool.connections_closed") > 0, "{at_rest:?}");
        assert!(max > 1 || at_rest.count("pool.wait_count") > 0, "{at_rest:?}");
    }
}
