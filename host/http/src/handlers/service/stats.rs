//! `GET /stats`: statistics for people and programs.

use std::time::Duration;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_plugin::PluginStats;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::description::{Answer, Tag, json_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, media, memory, respond};
use crate::state::metrics::CLASSES;
use crate::state::{Operation, State};
use crate::wire::counts::Counts;

pub(crate) static STATS: Operation = Operation {
    method: Method::GET,
    id: "getStats",
    tag: Tag::Service,
    summary: "Statistics of the pool, the store, HTTP and plugins",
    description: "",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The statistics.",
        content: &[json_content::<Stats>()],
        headers: &[],
    }],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |state, request| Box::pin(async move { show(state, request) }),
    timeout: TimeoutPolicy::Configured,
};

/// All statistics, read at about the same moment.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stats {
    pub(crate) pool: PoolStats,
    pub(crate) store: StoreStats,
    pub(crate) http: HttpStats,
    pub(crate) memory: MemoryStats,
    #[schemars(with = "Counts")]
    pub(crate) plugins: PluginStats,
    pub(crate) process: ProcessStats,
}

/// The session pool. `total = active + idle + creating` and `created = closed + active + idle`, always.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PoolStats {
    pub(crate) total_connections: usize,
    pub(crate) active_connections: usize,
    pub(crate) idle_connections: usize,
    pub(crate) creating_connections: usize,
    pub(crate) max_connections: usize,
    pub(crate) waiting_requests: usize,
    pub(crate) acquire_count: u64,
    pub(crate) wait_count: u64,
    pub(crate) wait_timeouts: u64,
    #[schemars(range(min = 0))]
    pub(crate) wait_time_ms: f64,
    #[schemars(range(min = 0))]
    pub(crate) avg_wait_time_ms: f64,
    #[schemars(range(min = 0))]
    pub(crate) max_wait_time_ms: f64,
    pub(crate) connections_created: u64,
    pub(crate) connections_closed: u64,
    pub(crate) create_failures: u64,
    pub(crate) health_check_failures: u64,
}

/// The engine.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StoreStats {
    pub(crate) version: u64,
    pub(crate) keys: u64,
    pub(crate) rows: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    pub(crate) versions: u64,
    pub(crate) commits: u64,
    pub(crate) conflicts: u64,
    pub(crate) expired: u64,
    pub(crate) pruned: u64,
    pub(crate) prune_backlog: u64,
    pub(crate) snapshots: u64,
    pub(crate) oldest_snapshot_age_ms: u64,
    pub(crate) snapshots_revoked: u64,
    pub(crate) feed_commits: u64,
    pub(crate) feed_bytes: u64,
    pub(crate) deadlines: u64,
    /// How long commits have delayed other writers, in total and at most.
    #[schemars(range(min = 0))]
    pub(crate) writer_hold_time_ms: f64,
    #[schemars(range(min = 0))]
    pub(crate) max_writer_hold_time_ms: f64,
    /// None in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DiskStats")]
    pub(crate) disk: Option<DiskStats>,
}

/// The engine's disk.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DiskStats {
    pub(crate) synced_version: u64,
    pub(crate) log_segments: u64,
    pub(crate) log_bytes: u64,
    pub(crate) log_bytes_written: u64,
    pub(crate) log_groups: u64,
    pub(crate) log_syncs: u64,
    #[schemars(range(min = 0))]
    pub(crate) sync_time_ms: f64,
    #[schemars(range(min = 0))]
    pub(crate) avg_sync_time_ms: f64,
    #[schemars(range(min = 0))]
    pub(crate) max_sync_time_ms: f64,
    pub(crate) checkpoints: u64,
    pub(crate) checkpoint_failures: u64,
    #[schemars(range(min = 0))]
    pub(crate) checkpoint_time_ms: f64,
    pub(crate) commits_undone: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) checkpoint_version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) checkpoint_bytes: Option<u64>,
}

/// The HTTP surface. `requests = answers of all classes + in flight`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HttpStats {
    pub(crate) requests: u64,
    pub(crate) in_flight: u64,
    pub(crate) answers: Answers,
    pub(crate) connections_open: u64,
    pub(crate) connections_opened: u64,
    pub(crate) connections_closed: u64,
    pub(crate) streams_open: usize,
    pub(crate) transactions_open: usize,
    pub(crate) overloads: u64,
    pub(crate) panics: u64,
}

/// Memory of everything in flight: bodies, answers under construction, uncommitted writes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MemoryStats {
    pub(crate) in_flight_bytes: u64,
    /// None without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) in_flight_bytes_max: Option<u64>,
    /// What was refused because there was no room for it.
    pub(crate) refused: u64,
}

/// Answers by the first digit of their status.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answers {
    #[serde(rename = "1xx")]
    pub(crate) informational: u64,
    #[serde(rename = "2xx")]
    pub(crate) success: u64,
    #[serde(rename = "3xx")]
    pub(crate) redirection: u64,
    #[serde(rename = "4xx")]
    pub(crate) client_error: u64,
    #[serde(rename = "5xx")]
    pub(crate) server_error: u64,
}

fn show(state: &State, request: &Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let json = serde_json::to_vec(&stats(state)).unwrap_or_default();
    let mut response = respond::bytes(StatusCode::OK, media::JSON, spared(state, request, json)?);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What shows how the server does, as part of the memory in flight, or of what is spared for it.
///
/// # Errors
/// `memory-full`.
pub(super) fn spared(state: &State, request: &Request, text: Vec<u8>) -> Result<Bytes> {
    let text = Bytes::from(text);
    memory::counted(&request.in_flight, text.clone()).or_else(|_| memory::counted(&state.spare, text))
}

pub(crate) fn stats(state: &State) -> Stats {
    Stats {
        pool: pool(state),
        store: store(state),
        http: http(state),
        memory: memory(state),
        plugins: state.plugins.stats(),
        process: process(),
    }
}

fn pool(state: &State) -> PoolStats {
    let stats = state.sessions.stats();
    PoolStats {
        total_connections: stats.total(),
        active_connections: stats.active,
        idle_connections: stats.idle,
        creating_connections: stats.creating,
        max_connections: stats.max,
        waiting_requests: stats.waiters,
        acquire_count: stats.acquisitions(),
        wait_count: stats.waits,
        wait_timeouts: stats.waits_timed_out,
        wait_time_ms: milliseconds(stats.wait_time_total),
        avg_wait_time_ms: average_ms(stats.wait_time_total, stats.waits_granted),
        max_wait_time_ms: milliseconds(stats.wait_time_max),
        connections_created: stats.created,
        connections_closed: stats.closed(),
        create_failures: stats.create_failures,
        health_check_failures: stats.health_check_failures(),
    }
}

fn store(state: &State) -> StoreStats {
    let stats = state.database.stats();
    StoreStats {
        version: stats.version,
        keys: stats.keys,
        rows: state.database.contents().rows,
        key_bytes: stats.key_bytes,
        value_bytes: stats.value_bytes,
        versions: stats.versions,
        commits: stats.commits,
        conflicts: stats.conflicts,
        expired: stats.expired,
        pruned: stats.pruned,
        prune_backlog: stats.prune_backlog,
        snapshots: stats.snapshots,
        oldest_snapshot_age_ms: stats.oldest_snapshot_age_ms,
        snapshots_revoked: stats.snapshots_revoked,
        feed_commits: stats.feed_commits,
        feed_bytes: stats.feed_bytes,
        deadlines: stats.deadlines,
        writer_hold_time_ms: milliseconds(Duration::from_micros(stats.writer_holds.total_us)),
        max_writer_hold_time_ms: milliseconds(Duration::from_micros(stats.writer_holds.max_us)),
        disk: state.database.store().disk_stats().map(|disk| DiskStats {
            synced_version: disk.synced_version,
            log_segments: disk.log_segments,
            log_bytes: disk.log_bytes,
            log_bytes_written: disk.log_bytes_written,
            log_groups: disk.log_groups,
            log_syncs: disk.log_syncs,
            sync_time_ms: milliseconds(Duration::from_micros(disk.log_sync_us)),
            avg_sync_time_ms: average_ms(Duration::from_micros(disk.log_sync_us), disk.log_syncs),
            max_sync_time_ms: milliseconds(Duration::from_micros(disk.log_sync_us_max)),
            checkpoints: disk.checkpoints,
            checkpoint_failures: disk.checkpoint_failures,
            checkpoint_time_ms: milliseconds(Duration::from_micros(disk.checkpoint_us)),
            commits_undone: disk.commits_undone,
            checkpoint_version: disk.checkpoint.map(|checkpoint| checkpoint.version),
            checkpoint_bytes: disk.checkpoint.map(|checkpoint| checkpoint.bytes),
        }),
    }
}

fn http(state: &State) -> HttpStats {
    let metrics = &state.metrics;
    let answers: [u64; CLASSES] = metrics.answers_total();
    let in_flight = metrics.in_flight() as u64;
    // Closed before opened, so that no connection is counted as closed that is not yet counted as opened.
    let closed = metrics.connections_closed_total();
    let opened = metrics.connections_opened_total();
    let [informational, success, redirection, client_error, server_error] = answers;
    HttpStats {
        requests: answers.iter().sum::<u64>() + in_flight,
        in_flight,
        answers: Answers { informational, success, redirection, client_error, server_error },
        connections_open: opened.saturating_sub(closed),
        connections_opened: opened,
        connections_closed: closed,
        streams_open: metrics.streams_open(),
        transactions_open: state.transactions.count(),
        overloads: metrics.overloads_total(),
        panics: metrics.panics_total(),
    }
}

fn memory(state: &State) -> MemoryStats {
    let budget = state.database.in_flight();
    MemoryStats {
        in_flight_bytes: budget.bytes_in_use() as u64,
        in_flight_bytes_max: Some(budget.bytes_max()).filter(|&max| max < usize::MAX).map(|max| max as u64),
        refused: budget.refused_total(),
    }
}

/// What the process takes. Without `/proc` it is not known.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) struct ProcessStats {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(crate) resident_memory_bytes: Option<u64>,
}

fn process() -> ProcessStats {
    ProcessStats { resident_memory_bytes: resident_memory_bytes() }
}

/// Memory that the process occupies.
pub(crate) fn resident_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib = line.split_whitespace().next()?.parse::<u64>().ok()?;
    Some(kib.saturating_mul(1_024))
}

fn average_ms(total: Duration, count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "an average need not be exact beyond 2^53 waits")]
    if count == 0 { 0.0 } else { milliseconds(total) / count as f64 }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
