//! `GET /metrics`: the statistics in the formats of Prometheus and `OpenMetrics`. No label comes from a client.

use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_db::Durability;
use mantis_plugin::PluginStats;

use crate::api::description::{Answer, Content, Shape, Tag};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::handlers::service::exposition::{Buckets, Exposition, Type, escaped};
use crate::handlers::service::process;
use crate::handlers::service::stats::{DiskStats, HttpStats, MemoryStats, PoolStats, Stats, StoreStats, spared, stats};
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, respond};
use crate::state::{Operation, State};

const OPENMETRICS: &str = "application/openmetrics-text";
const OPENMETRICS_FULL: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain";
const PLAIN_FULL: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) static METRICS: Operation = Operation {
    method: Method::GET,
    id: "getMetrics",
    tag: Tag::Service,
    summary: "Metrics for Prometheus",
    description: "OpenMetrics if `Accept` has it, otherwise the Prometheus text format.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The metrics.",
        content: &[
            Content { media: PLAIN_FULL, shape: Shape::Text },
            Content { media: OPENMETRICS_FULL, shape: Shape::Text },
        ],
        headers: &[],
    }],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |state, request| Box::pin(async move { metrics(state, request) }),
    timeout: TimeoutPolicy::Configured,
};

/// The operation of requests that reached none.
const NO_OPERATION: &str = "none";

fn metrics(state: &State, request: &Request) -> Result<Response<Body>> {
    let open = accept::choose(request.headers(), &[PLAIN, OPENMETRICS])? == OPENMETRICS;
    let mut exposition = Exposition::new(open);
    write(&mut exposition, state, &stats(state));
    let media = if open { OPENMETRICS_FULL } else { PLAIN_FULL };
    let mut response =
        respond::bytes(StatusCode::OK, media, spared(state, request, exposition.into_text().into_bytes())?);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn write(out: &mut Exposition, state: &State, stats: &Stats) {
    write_answers(out, state);
    write_http(out, &stats.http);
    write_memory(out, &stats.memory);
    write_pool(out, &stats.pool);
    write_pool_waits(out, state);
    write_store(out, &stats.store);
    let holds = Buckets::from(&state.database.stats().writer_holds);
    out.histogram(
        "store_writer_lock_hold_duration_seconds",
        "Time for which commits held the writers' lock (sampled).",
        &holds,
    );
    write_commits(out, state);
    if let Some(disk) = &stats.store.disk {
        write_disk(out, disk);
    }
    if let Some(disk) = state.database.store().disk_stats() {
        let times = Buckets::from(&disk.log_sync_times);
        out.histogram("store_log_sync_duration_seconds", "Time that syncs of the log took.", &times);
    }
    write_plugins(out, &stats.plugins);
    process::write(out);
    out.head("build_info", "The program that answers; always 1.", Type::Gauge);
    out.sample("build_info", &format!("version=\"{}\"", escaped(&state.config.version)), 1);
}

fn write_http(out: &mut Exposition, http: &HttpStats) {
    out.gauge("http_requests_in_flight", "Requests under way.", http.in_flight);
    out.counter("http_overloads", "Requests refused because too many were under way.", http.overloads);
    out.counter("http_panics", "Requests whose handler panicked.", http.panics);
    out.counter("http_connections_opened", "Connections accepted.", http.connections_opened);
    out.counter("http_connections_closed", "Connections that have ended.", http.connections_closed);
    out.gauge("http_connections_open", "Connections open.", http.connections_open);
    out.gauge("http_streams_open", "Listings and change streams being sent.", http.streams_open);
    out.gauge("http_transactions_open", "Transactions open across requests.", http.transactions_open);
}

fn write_memory(out: &mut Exposition, memory: &MemoryStats) {
    out.gauge(
        "memory_in_flight_bytes",
        "Bytes of bodies, of answers under construction and of uncommitted writes.",
        memory.in_flight_bytes,
    );
    if let Some(max) = memory.in_flight_bytes_max {
        out.gauge("memory_in_flight_max_bytes", "Bytes that these may take in sum.", max);
    }
    out.counter("memory_refused", "What was refused because these had no room for it.", memory.refused);
}

fn write_pool(out: &mut Exposition, pool: &PoolStats) {
    out.gauge("pool_sessions", "Sessions in the pool.", pool.total_connections);
    out.gauge("pool_sessions_active", "Sessions lent out.", pool.active_connections);
    out.gauge("pool_sessions_idle", "Sessions waiting to be used.", pool.idle_connections);
    out.gauge("pool_sessions_creating", "Sessions being made.", pool.creating_connections);
    out.gauge("pool_sessions_max", "Sessions that there may be.", pool.max_connections);
    out.gauge("pool_waiters", "Requests waiting for a session.", pool.waiting_requests);
    out.counter("pool_acquisitions", "Sessions handed out.", pool.acquire_count);
    out.counter("pool_waits", "Times that a session had to be waited for.", pool.wait_count);
    out.counter("pool_wait_timeouts", "Waits that took too long.", pool.wait_timeouts);
    out.counter("pool_wait_seconds", "Time of the waits that ended with a session.", pool.wait_time_ms / 1e3);
    out.gauge("pool_wait_max_seconds", "Time of the longest such wait.", pool.max_wait_time_ms / 1e3);
    out.counter("pool_sessions_created", "Sessions made.", pool.connections_created);
    out.counter("pool_sessions_closed", "Sessions ended.", pool.connections_closed);
    out.counter("pool_create_failures", "Sessions that could not be made.", pool.create_failures);
    out.counter("pool_health_check_failures", "Idle sessions found unfit.", pool.health_check_failures);
}

/// An acquisition that did not wait counts as one of no time.
fn write_pool_waits(out: &mut Exposition, state: &State) {
    let stats = state.sessions.stats();
    let mut waits = Buckets::from(&stats.wait_times);
    waits.add_to_first(stats.immediate);
    waits.sum_seconds = stats.wait_time_total.as_secs_f64();
    out.histogram("pool_acquire_duration_seconds", "Time that requests waited for a session.", &waits);
}

fn write_store(out: &mut Exposition, store: &StoreStats) {
    out.gauge("store_version", "The newest commit.", store.version);
    out.gauge("store_keys", "Keys of all buckets.", store.keys);
    out.gauge("store_rows", "Rows of all tables.", store.rows);
    out.gauge("store_key_bytes", "Bytes of keys.", store.key_bytes);
    out.gauge("store_value_bytes", "Bytes of values.", store.value_bytes);
    out.gauge("store_versions", "Versions in memory.", store.versions);
    out.gauge(
        "store_prune_backlog",
        "Superseded versions and deleted keys that wait to be freed.",
        store.prune_backlog,
    );
    out.counter("store_versions_pruned", "Superseded versions that were freed.", store.pruned);
    out.gauge("store_snapshots", "Snapshots held.", store.snapshots);
    out.gauge(
        "store_oldest_snapshot_age_seconds",
        "Time since the oldest snapshot was taken.",
        milliseconds_as_seconds(store.oldest_snapshot_age_ms),
    );
    out.counter(
        "store_snapshots_revoked",
        "Snapshots taken away because they were held too long.",
        store.snapshots_revoked,
    );
    out.gauge("store_feed_commits", "Commits in the change feed.", store.feed_commits);
    out.gauge("store_feed_bytes", "Bytes of the change feed.", store.feed_bytes);
    out.gauge("store_deadlines", "Keys that will expire.", store.deadlines);
    out.counter("store_commits", "Commits.", store.commits);
    out.counter("store_conflicts", "Transactions refused because another commit came first.", store.conflicts);
    out.counter("store_expired", "Keys removed because they had expired.", store.expired);
    out.counter(
        "store_writer_hold_seconds",
        "Time for which the writers' lock was held.",
        store.writer_hold_time_ms / 1e3,
    );
    out.gauge(
        "store_writer_hold_max_seconds",
        "The longest time for which the writers' lock was held.",
        store.max_writer_hold_time_ms / 1e3,
    );
}

/// By when they are acknowledged, which is the same for all of a process.
fn write_commits(out: &mut Exposition, state: &State) {
    let durability = match state.database.store().durability() {
        None => "memory",
        Some(Durability::Always) => "always",
        Some(Durability::Interval { .. }) => "interval",
        Some(Durability::Never) => "never",
    };
    let name = "store_commit_duration_seconds";
    let help = "Time from a commit's submission to its acknowledgement (sampled, unless it waits for a sync).";
    out.head(name, help, Type::Histogram);
    let times = Buckets::from(&state.database.stats().commit_times);
    out.buckets(name, &format!("durability=\"{durability}\""), &times);
}

fn write_disk(out: &mut Exposition, disk: &DiskStats) {
    out.gauge("store_log_segments", "Segments of the log.", disk.log_segments);
    out.gauge("store_log_bytes", "Bytes of the log.", disk.log_bytes);
    out.gauge("store_synced_version", "The newest commit that survives a power cut.", disk.synced_version);
    out.counter("store_log_written_bytes", "Bytes written to the log.", disk.log_bytes_written);
    out.counter("store_log_groups", "Writes to the log.", disk.log_groups);
    out.counter("store_log_syncs", "Syncs of the log.", disk.log_syncs);
    out.counter("store_log_sync_seconds", "Time that syncs of the log took.", disk.sync_time_ms / 1e3);
    out.gauge("store_log_sync_max_seconds", "Time of the longest sync of the log.", disk.max_sync_time_ms / 1e3);
    out.counter("store_checkpoints", "Checkpoints written.", disk.checkpoints);
    out.counter("store_checkpoint_failures", "Checkpoints that could not be written.", disk.checkpoint_failures);
    out.gauge("store_checkpoint_seconds", "Time that the last checkpoint took.", disk.checkpoint_time_ms / 1e3);
    out.gauge("store_checkpoint_version", "The commit of the newest checkpoint.", disk.checkpoint_version.unwrap_or(0));
    out.gauge("store_checkpoint_bytes", "Bytes of the newest checkpoint.", disk.checkpoint_bytes.unwrap_or(0));
    out.counter("store_commits_undone", "Commits taken back because they could not be written.", disk.commits_undone);
}

fn write_plugins(out: &mut Exposition, plugins: &PluginStats) {
    let total = &plugins.total;
    out.gauge("plugins", "Plugins installed.", plugins.plugins);
    out.gauge("plugin_calls_active", "Plugin calls under way.", plugins.calls_active);
    out.gauge("plugin_calls_queued", "Plugin calls that wait for a thread.", plugins.calls_queued);
    out.gauge("plugin_compiled_bytes", "Memory of the compiled code of plugins.", plugins.compiled_bytes);
    out.gauge("plugin_instances_warm", "Idle instances kept for the next calls.", total.instances_warm);
    out.counter("plugin_calls", "Plugin calls that came to an end.", total.calls);
    out.counter("plugin_call_seconds", "Time of all plugin calls.", microseconds_as_seconds(total.duration_us_sum));
    let longest = microseconds_as_seconds(total.duration_us_max);
    out.gauge("plugin_call_max_seconds", "Time of the longest plugin call.", longest);
    let times = Buckets::from(&total.durations);
    out.histogram("plugin_call_duration_seconds", "Time that plugin calls took, waiting included.", &times);
    out.counter("plugin_errors", "Plugin calls that returned an error of their own.", total.errors);
    out.counter("plugin_traps", "Plugin calls that crashed.", total.traps);
    out.counter("plugin_deadlines", "Plugin calls that took too long.", total.deadlines);
    out.counter("plugin_limits", "Plugin calls that reached a limit.", total.limits);
    out.counter("plugin_busy", "Plugin calls refused because there was no room.", total.busy);
    out.counter("plugin_conflicts", "Plugin calls that lost against other commits each time.", total.conflicts);
    out.counter("plugin_abandoned", "Plugin calls whose caller went away.", total.abandoned);
    out.counter("plugin_runs_repeated", "Runs repeated after a conflict.", total.conflicts_retried);
    out.counter("plugin_runs_inline", "Runs where the request was handled.", total.inline_runs);
    out.counter("plugin_runs_on_threads", "Runs on a guest thread.", total.thread_runs);
    out.counter("plugin_runs_interrupted", "Runs moved to a guest thread.", total.inline_interrupted);
    out.counter("plugin_leftovers", "Reused instances thrown away for what calls left open in them.", total.leftovers);
    out.counter(
        "plugin_runs_worn_out",
        "Runs repeated in a new instance after a limit in a reused one.",
        total.worn_out_retried,
    );
    out.counter("plugin_log_lines_dropped", "Log lines beyond the limits.", total.log_lines_dropped);
}

fn milliseconds_as_seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}

fn microseconds_as_seconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64()
}

/// Answers by operation and class of status, and how long they took; operations that were never asked for are left out.
fn write_answers(out: &mut Exposition, state: &State) {
    out.head("http_answers", "Answers by operation and class of status.", Type::Counter);
    for (operation, answers) in state.metrics.answers_by_operation() {
        let operation = operation.unwrap_or(NO_OPERATION);
        for (count, class) in answers.into_iter().zip(1..).filter(|(count, _)| *count > 0) {
            out.sample("http_answers_total", &format!("operation=\"{operation}\",class=\"{class}xx\""), count);
        }
    }
    let name = "http_request_duration_seconds";
    out.head(name, "Time from a request's head to its answer's, by operation.", Type::Histogram);
    for (operation, times) in state.metrics.times_by_operation() {
        if times.counts.iter().any(|count| *count > 0) {
            let operation = format!("operation=\"{}\"", operation.unwrap_or(NO_OPERATION));
            out.buckets(name, &operation, &Buckets::from(&times));
        }
    }
}
