//! `mantisdb serve`: the server.

use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc;
use std::time::Duration;

use mantis_db::Database;
use mantis_http::App;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

use super::config;
use crate::cli::ServeArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::interrupt::SIGNAL_EXIT;
use crate::listen::{self, ConnectionLimits, Meanwhile};
use crate::settings::{ListenRefused, LogFormat, Settings, host_guard};
use crate::start::{self, Storage};
use crate::{log, memory, plugins_dir, variables};

/// The time between two rounds of housekeeping, in milliseconds.
const MAINTENANCE_MS: u64 = 100;

pub(super) async fn run(args: ServeArgs) -> Outcome {
    let settings = config::settings(args.config)?;
    let address = settings.server.listen.resolve().map_err(|error| cannot_listen(&settings, &error))?;
    let guard = host_guard(address, &settings.server.allowed_hosts, args.insecure_no_auth)
        .map_err(|refused| Failure::usage(refused).hint(ListenRefused::HINT))?;
    log::init(&settings.log);
    for warning in variables::unknown(true) {
        tracing::warn!("{warning}");
    }
    if let Some(warning) = settings.warning() {
        tracing::warn!("{warning}");
    }
    let limits = start::connection_limits(&settings);
    let listener = start::bind(address).map_err(|error| cannot_listen(&settings, &error))?;
    let address = listener.local_addr().unwrap_or(address);
    let meanwhile = Meanwhile::begin(listener);
    meanwhile.say("the store is being opened");
    let Storage { database, recovered, mut threads } = start::open(&settings, args.memory, meanwhile.progress())?;
    let contents = database.contents();
    let parts = start::build(database, &settings, guard).map_err(|error| Failure::usage(format!("{error:#}")))?;
    let plugins = plugins_dir::find(&parts.plugins, &settings.plugins.dir);
    // Compiled while requests are answered; calls of one wait until it is ready.
    tokio::spawn(parts.plugins.load_kept());
    let listener = meanwhile.end().await.ok_or_else(|| Failure::new(Exit::Local, "a task of the start panicked"))?;

    let (database, app, runtime) = (parts.database.clone(), parts.app.clone(), Handle::current());
    let maintain = move || {
        database.maintain();
        runtime.block_on(app.maintain());
        memory::give_back_if_due();
    };
    let upkeep = Worker::start("mantis-upkeep", maintain)?;
    tokio::spawn(maintain_forever(upkeep, parts.database.clone(), parts.app.clone()));
    drop(parts.sessions.spawn_maintenance());
    let shutdown = first_signal().map_err(|error| Failure::new(Exit::Local, error))?;
    let opened = recovered.as_ref().map(|recovered| recovered.with_contents(&contents).to_string());
    announce(&settings, opened.as_deref(), &limits, &parts.app, address)?;
    tokio::spawn(plugins.install());
    let drained = listen::serve(listener, parts.app.clone(), limits, shutdown).await;
    parts.database.close_for_writes();
    // Writes and syncs what is pending.
    Worker::start("mantis-close", move || drop(threads.take()))?.turn().await?;
    if drained.cut_off > 0 {
        tracing::warn!(connections = drained.cut_off, "connections were closed at the shutdown deadline");
    }
    tracing::info!("stopped");
    Ok(())
}

fn cannot_listen(settings: &Settings, error: &std::io::Error) -> Failure {
    let address = &settings.server.listen;
    let failure = Failure::new(Exit::Local, format!("cannot listen on {address}: {error}"));
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            failure.hint("another process is listening there; choose a port with --listen")
        }
        std::io::ErrorKind::PermissionDenied => failure.hint("ports below 1024 need privileges"),
        _ => failure,
    }
}

/// Prints the server's address and limits to standard output. Scripts read the address from it.
fn announce(
    settings: &Settings,
    opened: Option<&str>,
    limits: &ConnectionLimits,
    app: &App,
    address: std::net::SocketAddr,
) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    let url = format!("http://{address}");
    let (requests, sessions) = (settings.limits.requests_max, settings.pool.max);
    let (connections, body_bytes) = (limits.connections_max, settings.limits.body_bytes_max);
    let transactions = app.transactions_max();
    let durability = opened.map(|_| settings.storage.durability.to_string());
    let data = match opened {
        None => "in memory; it is lost when this process exits".to_owned(),
        Some(opened) => {
            let (path, durability) = (settings.storage.data.display(), durability.as_deref().unwrap_or_default());
            format!("{path}, durability {durability}; {opened}")
        }
    };
    let text = match settings.log.format {
        LogFormat::Json => json!({
            "message": "listening", "version": version, "url": url,
            "storage": durability.as_deref().unwrap_or("memory"), "data": data, "connections_max": connections,
            "requests_max": requests, "sessions_max": sessions, "transactions_max": transactions, "body_bytes_max": body_bytes,
        })
        .to_string(),
        LogFormat::Plain => format!(
            "MantisDB {version} listens on {url}\n\
             data: {data}\n\
             limits: {connections} connections, {requests} requests at once, {sessions} sessions, {transactions} transactions open, bodies of {body_bytes} bytes"
        ),
    };
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(|error| Failure::stream(&error))
}

/// Ready at the first SIGTERM or SIGINT. A second one ends the process at once.
fn first_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut next = async move || {
        tokio::select! {
            _ = terminate.recv() => SignalKind::terminate(),
            _ = interrupt.recv() => SignalKind::interrupt(),
        }
    };
    Ok(async move {
        next().await;
        tracing::info!("shutting down: requests in progress are finished; a second signal exits at once");
        tokio::spawn(async move {
            let signal = next().await;
            std::process::exit(SIGNAL_EXIT + signal.as_raw_value());
        });
    })
}

/// A dedicated thread, for work that must not wait for one of the few threads for clients' long work.
struct Worker(mpsc::Sender<oneshot::Sender<()>>);

impl Worker {
    fn start(name: &str, mut work: impl FnMut() + Send + 'static) -> Outcome<Self> {
        let (sender, turns) = mpsc::channel::<oneshot::Sender<()>>();
        let run = move || {
            for done in turns {
                // The panic hook has reported it; the next turn is not affected.
                if std::panic::catch_unwind(AssertUnwindSafe(&mut work)).is_ok() {
                    let _ = done.send(());
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        thread.map_err(|error| Failure::new(Exit::Local, format!("cannot start a thread: {error}")))?;
        Ok(Self(sender))
    }

    /// Runs the work once. Fails when it panics.
    async fn turn(&self) -> Outcome {
        let (sender, done) = oneshot::channel();
        // A thread that has ended drops it.
        let _ = self.0.send(sender);
        done.await.map_err(|_| Failure::new(Exit::Local, "a thread of the server panicked"))
    }
}

/// Runs housekeeping a few times a second: expiry, idle transactions and plugin instances, and memory that is no longer needed.
async fn maintain_forever(upkeep: Worker, database: Database, app: App) {
    let mut connections = memory::HighWaterMark::new(memory::CONNECTIONS);
    let mut versions = memory::HighWaterMark::new(memory::VERSIONS);
    let mut ticks = tokio::time::interval(Duration::from_millis(MAINTENANCE_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // May take long after many keys expired at once.
        if let Err(failure) = upkeep.turn().await {
            tracing::error!(error = %failure.message, "housekeeping failed");
        }
        let metrics = app.metrics();
        let closed = metrics.connections_closed_total();
        let crowd_left = connections.has_fallen(metrics.connections_opened_total().saturating_sub(closed));
        let versions_gone = versions.has_fallen(database.stats().versions);
        if crowd_left || versions_gone {
            memory::give_back();
        }
    }
}
