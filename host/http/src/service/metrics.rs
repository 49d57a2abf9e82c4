//! `GET /metrics`: the figures for Prometheus and what reads its formats. No label comes from a client.

use std::fmt::{Display, Write as _};

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, Response, StatusCode};

use crate::errors::{AnyCode, Code};
use crate::operation::{Answer, Content, Operation, Patience, Shape, Tag};
use crate::problem::Result;
use crate::request::Request;
use crate::service::stats::{Figures, figures};
use crate::{App, Body, accept, respond, routes};

const OPENMETRICS: &str = "application/openmetrics-text";
const OPENMETRICS_FULL: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain";
const PLAIN_FULL: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) static METRICS: Operation = Operation {
    method: Method::GET,
    id: "getMetrics",
    tag: Tag::Service,
    summary: "Figures for Prometheus",
    description: "OpenMetrics for those who accept it, otherwise Prometheus' text format.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The figures.",
        content: &[
            Content { media: PLAIN_FULL, shape: Shape::Text },
            Content { media: OPENMETRICS_FULL, shape: Shape::Text },
        ],
        headers: &[],
    }],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |app, request| Box::pin(async move { metrics(app, request) }),
    patience: Patience::Configured,
};

fn metrics(app: &App, request: &Request) -> Result<Response<Body>> {
    let open = accept::choose(request.headers(), &[PLAIN, OPENMETRICS])? == OPENMETRICS;
    let mut exposition = Exposition { open, text: String::with_capacity(8 * 1024) };
    write(&mut exposition, app, &figures(app));
    if open {
        exposition.text.push_str("# EOF\n");
    }
    let media = if open { OPENMETRICS_FULL } else { PLAIN_FULL };
    let mut response = respond::bytes(StatusCode::OK, media, Bytes::from(exposition.text));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn write(out: &mut Exposition, app: &App, figures: &Figures) {
    let Figures { pool, store, http, plugins, process } = figures;
    write_answers(out, app);
    out.gauge("http_requests_in_flight", "Requests under way.", http.in_flight);
    out.counter("http_overloads", "Requests refused because too many were under way.", http.overloads);
    out.counter("http_panics", "Requests whose handler panicked.", http.panics);
    out.counter("http_connections_opened", "Connections accepted.", http.connections_opened);
    out.gauge("http_connections_open", "Connections open.", http.connections_open);
    out.gauge("http_streams_open", "Listings and change streams being sent.", http.streams_open);
    out.gauge("http_transactions_open", "Transactions open across requests.", http.transactions_open);

    out.gauge("pool_sessions", "Sessions in the pool.", pool.total_connections);
    out.gauge("pool_sessions_active", "Sessions lent out.", pool.active_connections);
    out.gauge("pool_sessions_idle", "Sessions waiting to be used.", pool.idle_connections);
    out.gauge("pool_sessions_max", "Sessions that there may be.", pool.max_connections);
    out.gauge("pool_waiters", "Requests waiting for a session.", pool.waiting_requests);
    out.counter("pool_acquisitions", "Sessions handed out.", pool.acquire_count);
    out.counter("pool_waits", "Times that a session had to be waited for.", pool.wait_count);
    out.counter("pool_wait_timeouts", "Waits that took too long.", pool.wait_timeouts);
    out.counter("pool_sessions_created", "Sessions made.", pool.connections_created);
    out.counter("pool_sessions_closed", "Sessions ended.", pool.connections_closed);

    out.gauge("store_keys", "Keys with a value.", store.keys);
    out.gauge("store_key_bytes", "Bytes of keys.", store.key_bytes);
    out.gauge("store_value_bytes", "Bytes of values.", store.value_bytes);
    out.gauge("store_versions", "Versions in memory.", store.versions);
    out.gauge("store_prune_backlog", "Superseded versions that a snapshot keeps.", store.prune_backlog);
    out.gauge("store_snapshots", "Snapshots held.", store.snapshots);
    out.counter(
        "store_snapshots_revoked",
        "Snapshots taken away because they were held too long.",
        store.snapshots_revoked,
    );
    out.gauge("store_feed_commits", "Commits in the change feed.", store.feed_commits);
    out.gauge("store_feed_bytes", "Bytes of the change feed.", store.feed_bytes);
    out.gauge("store_deadlines", "Keys that will expire.", store.deadlines);
    if let Some(disk) = &store.disk {
        out.gauge("store_log_segments", "Segments of the log.", disk.log_segments);
        out.gauge("store_log_bytes", "Bytes of the log.", disk.log_bytes);
        out.gauge("store_synced_version", "The newest commit that survives a power cut.", disk.synced_version);
        out.gauge(
            "store_checkpoint_version",
            "The commit of the newest checkpoint.",
            disk.checkpoint_version.unwrap_or(0),
        );
        out.counter("store_log_written_bytes", "Bytes written to the log.", disk.log_bytes_written);
        out.counter("store_log_groups", "Writes to the log.", disk.log_groups);
        out.counter("store_log_syncs", "Syncs of the log.", disk.log_syncs);
        out.counter("store_log_sync_seconds", "Time that syncs of the log took.", disk.sync_time_ms / 1e3);
        out.gauge("store_log_sync_max_seconds", "Time of the longest sync of the log.", disk.max_sync_time_ms / 1e3);
        out.counter("store_checkpoints", "Checkpoints written.", disk.checkpoints);
        out.counter("store_checkpoint_failures", "Checkpoints that could not be written.", disk.checkpoint_failures);
        out.gauge("store_checkpoint_seconds", "Time that the last checkpoint took.", disk.checkpoint_time_ms / 1e3);
        out.counter(
            "store_commits_undone",
            "Commits taken back because they could not be written.",
            disk.commits_undone,
        );
    }
    out.counter("store_commits", "Commits.", store.commits);
    out.counter("store_conflicts", "Transactions refused because another commit came first.", store.conflicts);
    out.counter("store_expired", "Keys removed because they had expired.", store.expired);

    if let Some(bytes) = process.resident_memory_bytes {
        out.gauge("process_resident_memory_bytes", "Memory that the process occupies.", bytes);
    }
    out.gauge("plugins", "Plugins installed.", plugins.plugins);
    out.gauge("plugin_calls_active", "Plugin calls under way.", plugins.calls_active);
    out.gauge("plugin_calls_queued", "Plugin calls that wait for a thread.", plugins.calls_queued);
    out.counter("plugin_calls", "Plugin calls that came to an end.", plugins.total.calls);
    out.counter("plugin_errors", "Plugin calls that returned an error of their own.", plugins.total.errors);
    out.counter("plugin_traps", "Plugin calls that crashed.", plugins.total.traps);
    out.counter("plugin_deadlines", "Plugin calls that took too long.", plugins.total.deadlines);
    out.counter("plugin_limits", "Plugin calls that reached a limit.", plugins.total.limits);
}

/// Answers by operation and class of status; operations that were never asked for are left out.
fn write_answers(out: &mut Exposition, app: &App) {
    out.head("http_answers", "Answers by operation and class of status.", true);
    for (index, operation) in routes::operation_ids().enumerate() {
        out.answers(&operation, app.metrics().answers_of(Some(index)));
    }
    out.answers("none", app.metrics().answers_of(None));
}

/// Text that is being written, in one of the two formats.
struct Exposition {
    open: bool,
    text: String,
}

impl Exposition {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, false);
        let _ = writeln!(self.text, "mantisdb_{name} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, true);
        let _ = writeln!(self.text, "mantisdb_{name}_total {value}");
    }

    /// The newer format names a counter without the ending of its samples, the older format with it.
    fn head(&mut self, name: &str, help: &str, counter: bool) {
        let ending = if counter && !self.open { "_total" } else { "" };
        let kind = if counter { "counter" } else { "gauge" };
        let _ = writeln!(self.text, "# HELP mantisdb_{name}{ending} {help}\n# TYPE mantisdb_{name}{ending} {kind}");
    }

    fn answers(&mut self, operation: &str, counts: [u64; crate::metrics::CLASSES]) {
        for (count, class) in counts.into_iter().zip(1..) {
            if count > 0 {
                let labels = format!("operation=\"{operation}\",class=\"{class}xx\"");
                let _ = writeln!(self.text, "mantisdb_http_answers_total{{{labels}}} {count}");
            }
        }
    }
}
