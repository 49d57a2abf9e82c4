//! Guests' log lines reach the log, within bounds. Other tests use them to act while a guest runs.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock};

use mantis_db::Database;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::support::{Fixture, writing};

type Hook = Box<dyn Fn(&str) + Send>;

/// Keeps plugins' lines by plugin, and shows them to whoever asked to see them.
#[derive(Default)]
struct Recorder {
    lines: Mutex<HashMap<String, Vec<(Level, String)>>>,
    hooks: Mutex<HashMap<String, Hook>>,
    /// The function and the request of each line, by plugin.
    origins: Mutex<HashMap<String, Vec<(String, String)>>>,
}

fn recorder() -> &'static Recorder {
    static RECORDER: OnceLock<&'static Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder: &'static Recorder = Box::leak(Box::default());
        tracing::subscriber::set_global_default(recorder).unwrap();
        recorder
    })
}

/// Runs `hook` on the guest's thread at each of its log lines.
pub(crate) fn on_line(plugin: &str, hook: impl Fn(&str) + Send + 'static) {
    recorder().hooks.lock().unwrap().insert(plugin.into(), Box::new(hook));
}

/// Keeps lines from now on.
pub(crate) fn start() {
    recorder();
}

/// Takes the lines of a plugin.
pub(crate) fn take_lines(plugin: &str) -> Vec<(Level, String)> {
    recorder().lines.lock().unwrap().remove(plugin).unwrap_or_default()
}

/// Takes the function and the request of each of its lines.
pub(crate) fn take_origins(plugin: &str) -> Vec<(String, String)> {
    recorder().origins.lock().unwrap().remove(plugin).unwrap_or_default()
}

/// Adds 1 to a key in a commit of its own, from within a guest's call.
pub(crate) fn increment_at_once(database: &Database, bucket: &str, key: &str) {
    let mut session = database.session();
    let work = async { session.kv(bucket).unwrap().increment(key.as_bytes(), 1).await.unwrap() };
    let mut work = std::pin::pin!(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(work.as_mut().poll(&mut context).is_ready(), "the embedded engine never waits");
}

impl Subscriber for &'static Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "plugin"
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        if let Some(hook) = self.hooks.lock().unwrap().get(&line.plugin) {
            hook(&line.message);
        }
        let origin = (line.function, line.request_id);
        self.origins.lock().unwrap().entry(line.plugin.clone()).or_default().push(origin);
        let mut lines = self.lines.lock().unwrap();
        lines.entry(line.plugin).or_default().push((*event.metadata().level(), line.message));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line {
    plugin: String,
    function: String,
    request_id: String,
    message: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "plugin" => self.plugin = value.into(),
            "function" => self.function = value.into(),
            "request_id" => self.request_id = value.into(),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            write!(self.message, "{value:?}").unwrap();
        }
    }
}

async fn lines_of(plugin: &str, function: &str, arguments: serde_json::Value) -> Vec<(Level, String)> {
    let recorder = recorder();
    let fixture = Fixture::new();
    fixture.install_as(plugin, "flood-logs", writing(&[])).await;
    fixture.host.call(plugin, function, arguments).await.unwrap();
    recorder.lines.lock().unwrap().remove(plugin).unwrap_or_default()
}

#[tokio::test]
async fn lines_are_kept_up_to_the_limit_and_the_rest_is_counted() {
    let lines = lines_of("flood-many", "lines", json!([1_000])).await;
    assert_eq!(lines.len(), 101);
    assert_eq!(lines[0], (Level::INFO, "line 0".into()));
    assert_eq!(lines[99], (Level::INFO, "line 99".into()));
    assert_eq!(lines[100], (Level::WARN, "900 more log lines of this call were dropped".into()));
}

#[tokio::test]
async fn a_long_line_is_cut() {
    let lines = lines_of("flood-long", "one-line", json!([1_000_000])).await;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].1, "x".repeat(4_096) + "…");
}

#[tokio::test]
async fn a_line_cannot_pretend_to_be_two() {
    let lines = lines_of("flood-forged", "forged", json!([])).await;
    assert_eq!(lines, [(Level::WARN, "fine ERROR somebody else failed  [31m".into())]);
}

/// The reason of a trap is in the log.
#[tokio::test]
async fn the_message_of_a_panic_is_logged() {
    let recorder = recorder();
    let fixture = Fixture::new();
    fixture.install_as("panics", "trap", writing(&[])).await;
    fixture.host.call("panics", "count", json!([true])).await.unwrap_err();
    let lines = recorder.lines.lock().unwrap().remove("panics").unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].0, Level::ERROR);
    assert!(lines[0].1.contains("on purpose") && lines[0].1.contains("lib.rs"), "{lines:?}");
}

/// Each line says which function wrote it, and for which request.
#[tokio::test]
async fn a_line_names_its_function_and_its_request() {
    let recorder = recorder();
    let fixture = Fixture::new();
    fixture.install_as("traced", "procedures", writing(&[]).reuse(true)).await;
    let all = &|_: &mantis_db::Grants| true;
    let any = &|_: &serde_json::Value| true;
    for request in [Some("first"), None, Some("third")] {
        fixture.host.call_for(request, "traced", "say", json!(["hello"]), all, any).await.unwrap();
    }
    let origins = recorder.origins.lock().unwrap().remove("traced").unwrap();
    let expected = ["first", "", "third"].map(|request| ("say".to_owned(), request.to_owned()));
    assert_eq!(origins, expected);
}
