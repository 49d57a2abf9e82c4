//! `/metrics` is what a strict reader of its formats takes, and its histograms add up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mantis_db::Durability;
use mantis_db::disk::MemoryDisk;

use crate::harness::Server;

/// A sample's labels, in the order in which they were written.
type Labels = Vec<(String, String)>;

#[derive(Debug, Default)]
struct Family {
    kind: String,
    unit: String,
    samples: Vec<(String, Labels, f64)>,
}

/// Reads one of the two formats as strictly as they are written down: a family's lines stand together, its head comes first and once, no
/// sample comes twice, names, labels and numbers have the form that they may have.
#[track_caller]
fn read(text: &str, open: bool) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n') && text.lines().all(|line| !line.is_empty()), "lines, none empty");
    assert_eq!(text.lines().filter(|line| *line == "# EOF").count(), usize::from(open));
    assert!(!open || text.ends_with("# EOF\n"));
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut current, mut seen) = (String::new(), BTreeSet::new());
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# ") {
            let (keyword, rest) = rest.split_once(' ').unwrap();
            let (name, rest) = rest.split_once(' ').unwrap();
            assert!(is_name(name), "{line}");
            match keyword {
                "HELP" => {
                    assert!(!rest.trim().is_empty() && !rest.contains('\\'), "{line}");
                    let twice = families.insert(name.to_owned(), Family::default());
                    assert!(twice.is_none(), "{line}");
                    name.clone_into(&mut current);
                }
                "TYPE" => {
                    assert!(name == current && ["counter", "gauge", "histogram"].contains(&rest), "{line}");
                    let family = families.get_mut(name).unwrap();
                    assert!(family.kind.is_empty() && family.samples.is_empty(), "{line}");
                    rest.clone_into(&mut family.kind);
                }
                "UNIT" => {
                    assert!(open && name == current && name.ends_with(&format!("_{rest}")), "{line}");
                    rest.clone_into(&mut families.get_mut(name).unwrap().unit);
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (head, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = match head.split_once('{') {
            Some((name, labels)) => (name, read_labels(labels.strip_suffix('}').expect(line))),
            None => (head, Vec::new()),
        };
        assert!(is_name(name), "{line}");
        assert!(seen.insert((name.to_owned(), labels.clone())), "twice: {line}");
        let family = families.get_mut(&current).unwrap();
        let ending = name.strip_prefix(current.as_str()).unwrap_or_else(|| panic!("{line} is not of {current}"));
        match family.kind.as_str() {
            "counter" => assert!(if open { ending == "_total" } else { ending.is_empty() && name.ends_with("_total") }),
            "gauge" => assert!(ending.is_empty(), "{line}"),
            _ => assert!(["_bucket", "_sum", "_count"].contains(&ending), "{line}"),
        }
        family.samples.push((name.to_owned(), labels, value.parse().expect(line)));
    }
    families
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

#[track_caller]
fn read_labels(mut text: &str) -> Labels {
    let mut labels = Labels::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").unwrap();
        let end = rest.find('"').unwrap();
        let value = &rest[..end];
        assert!(is_name(name) && !value.contains(['\\', '\n']), "{text}");
        assert!(labels.iter().all(|(other, _)| other != name), "{text}");
        labels.push((name.to_owned(), value.to_owned()));
        text = &rest[end + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
    labels
}

/// The series of a histogram: its counts by bound, its sum and its count, by the other labels.
#[track_caller]
fn check_histogram(name: &str, family: &Family) -> BTreeMap<Labels, f64> {
    let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    let mut sums = BTreeMap::new();
    for (sample, labels, value) in &family.samples {
        let (le, others): (Labels, Labels) = labels.iter().cloned().partition(|(name, _)| name == "le");
        match sample.strip_prefix(name).unwrap() {
            "_bucket" => {
                let [(_, le)] = &le[..] else { panic!("{name}: a bucket has one bound") };
                // As Go and Python write it.
                assert!(le == "+Inf" || (le.contains('.') && !le.contains(['e', '+'])), "{name}: {le}");
                buckets.entry(others).or_default().push((le.parse().unwrap(), *value));
            }
            "_sum" => assert!(sums.insert(others, *value).is_none(), "{name}"),
            _ => assert!(counts.insert(others, *value).is_none(), "{name}"),
        }
    }
    assert!(!buckets.is_empty(), "{name}");
    assert_eq!(buckets.keys().collect::<Vec<_>>(), counts.keys().collect::<Vec<_>>(), "{name}");
    assert_eq!(sums.keys().collect::<Vec<_>>(), counts.keys().collect::<Vec<_>>(), "{name}");
    for (labels, buckets) in &buckets {
        assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{name}: {buckets:?}");
        let (last, count) = *buckets.last().unwrap();
        assert!(last.is_infinite() && (count - counts[labels]).abs() < 0.5, "{name}: {buckets:?}");
        assert!(buckets[0].0 >= 1e-4 && sums[labels] >= 0.0, "{name}");
        assert!(sums[labels] <= 0.0 || count > 0.0, "{name}: a sum of nothing");
    }
    counts
}

async fn families(server: &Server, open: bool) -> BTreeMap<String, Family> {
    let headers: &[&str] = if open { &["accept: application/openmetrics-text; version=1.0.0"] } else { &[] };
    let answer = server.send("GET /metrics", headers, "").await;
    read(answer.text(), open)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_reader_takes_both_formats() {
    let server = Server::on_disk();
    // Of short commits, one in sixteen is measured.
    for _ in 0..32 {
        server.send("PUT /api/v1/kv/a", &[], "1").await;
    }
    let component = wat::parse_str(crate::plugins::COMPONENT).unwrap();
    assert_eq!(server.send("PUT /api/v1/plugins/a", crate::plugins::WASM, component).await.outcome(), "201");
    let called = server.send("POST /api/v1/plugins/a/call/add", crate::plugins::JSON, "[1, 2]").await;
    assert_eq!(called.outcome(), "200");
    server.send("GET /nowhere/%22%7D", &[], "").await;
    for open in [false, true] {
        let families = families(&server, open).await;
        let histograms: Vec<_> = families.iter().filter(|(_, family)| family.kind == "histogram").collect();
        let names: Vec<_> = histograms.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "mantisdb_http_request_duration_seconds",
                "mantisdb_plugin_call_duration_seconds",
                "mantisdb_pool_acquire_duration_seconds",
                "mantisdb_store_commit_duration_seconds",
                "mantisdb_store_log_sync_duration_seconds",
                "mantisdb_store_writer_lock_hold_duration_seconds",
            ]
        );
        for (name, family) in histograms {
            assert_eq!(family.unit, if open { "seconds" } else { "" });
            let counts = check_histogram(name, family);
            assert!(counts.values().all(|count| *count >= 1.0), "{name} has something to report");
        }
        for name in ["process_start_time_seconds", "process_open_fds", "process_max_fds", "process_threads"] {
            assert!(families[name].samples[0].2 >= 1.0, "{name}");
        }
        let cpu = if open { "process_cpu_seconds" } else { "process_cpu_seconds_total" };
        assert_eq!((families[cpu].kind.as_str(), families[cpu].samples.len()), ("counter", 1));
        let build = &families["mantisdb_build_info"].samples[0];
        assert_eq!((build.1[0].0.as_str(), build.2.to_string().as_str()), ("version", "1"));
    }
}

#[tokio::test]
async fn requests_are_timed_by_operation_and_no_label_is_a_client_s() {
    let server = Server::new();
    for _ in 0..5 {
        server.send("GET /api/v1/kv/never-a-label", &[], "").await;
    }
    server.send("PUT /api/v1/buckets/never-a-label/kv/k", &[], "v").await;
    server.send("GET /never-a-label", &[], "").await;
    server.send("NEVERALABEL /api/v1/kv/k", &[], "").await;
    let families = families(&server, false).await;
    let counts =
        check_histogram("mantisdb_http_request_duration_seconds", &families["mantisdb_http_request_duration_seconds"]);
    let count = |operation: &str| counts[&vec![("operation".to_owned(), operation.to_owned())]];
    assert_eq!((count("getKey").to_string(), count("none").to_string()), ("5".into(), "2".into()));
    for (_, labels, _) in families.values().flat_map(|family| &family.samples) {
        assert!(labels.iter().all(|(_, value)| !value.to_lowercase().contains("never")), "{labels:?}");
    }
}

#[tokio::test]
async fn commits_are_timed_by_durability() {
    const NAME: &str = "mantisdb_store_commit_duration_seconds";
    let on = |durability| Server::on(Arc::new(MemoryDisk::new()), durability, true);
    let always = on(Durability::Always);
    for _ in 0..3 {
        always.send("PUT /api/v1/kv/a", &[], "1").await;
    }
    // They are counted just after they are seen.
    let count = loop {
        let count = check_histogram(NAME, &families(&always, false).await[NAME])[&labelled("always")];
        if count > 2.5 {
            break count;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(count.to_string(), "3");
    let others = [("interval", on(Durability::Interval { ms: 1_000 })), ("never", on(Durability::Never))];
    for (durability, server) in others.into_iter().chain([("memory", Server::new())]) {
        for _ in 0..32 {
            server.send("PUT /api/v1/kv/a", &[], "1").await;
        }
        let counts = check_histogram(NAME, &families(&server, true).await[NAME]);
        assert!(counts[&labelled(durability)] >= 16.0, "{durability}: {counts:?}");
    }
}

fn labelled(durability: &str) -> Labels {
    vec![("durability".to_owned(), durability.to_owned())]
}
