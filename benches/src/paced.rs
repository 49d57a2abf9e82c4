//! An open-loop load: requests are due at fixed times, whatever became of those before, and their latency counts from when they were
//! due. A server that stalls is not asked less for it (Tene's coordinated omission).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::load::{Connection, Load};

/// What is still open so long after the last request was due is not waited for.
const GRACE: Duration = Duration::from_secs(10);

/// What a run at a fixed rate came to. Times are in nanoseconds.
#[derive(Debug, Clone)]
pub struct Paced {
    /// From when a request was due to when its answer had been read.
    pub latencies: Histogram<u64>,
    /// From when a request was due to when it was handed to a connection: the generator's own part, in the latencies too.
    pub late: Histogram<u64>,
}

/// Requests that are due and wait for a connection.
struct Due {
    queue: Mutex<Queue>,
    /// Of those that are done.
    latencies: Mutex<Histogram<u64>>,
    /// Told of each request, and when there will be no more.
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Instant>,
    is_ended: bool,
}

/// Connections that stay open from one run to the next.
pub struct Held {
    runtime: Runtime,
    connections: Vec<Connection>,
}

impl Load {
    /// Opens the connections, and makes one request on each.
    ///
    /// # Errors
    /// A connection that breaks, or an answer that is wrong.
    pub fn hold(&self) -> Result<Held> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connections = runtime.block_on(async {
            let mut connections = Vec::with_capacity(self.connections);
            for number in 0..self.connections as u64 {
                let mut connection = Connection::open(self.clone(), number).await?;
                connection.exchange().await?;
                connections.push(connection);
            }
            anyhow::Ok(connections)
        })?;
        Ok(Held { runtime, connections })
    }
}

impl Held {
    /// Sends `rate` requests a second for `time`, each on the connection that has been free for longest, and waits for all answers.
    ///
    /// # Errors
    /// A connection that breaks, an answer that is wrong, or a server that is not done ten seconds after the end.
    pub fn run(&mut self, rate: f64, time: Duration) -> Result<Paced> {
        ensure!(rate >= 1.0, "a rate of {rate} requests a second is none");
        let connections = std::mem::take(&mut self.connections);
        let due =
            Arc::new(Due { queue: Mutex::default(), latencies: Mutex::new(histogram()?), changed: Notify::new() });
        let (connections, late) = self.runtime.block_on(async {
            let mut serving = JoinSet::new();
            for connection in connections {
                serving.spawn(serve(connection, Arc::clone(&due)));
            }
            // All of them wait for work before the first is due.
            tokio::task::yield_now().await;
            let late = keep_time(&due, rate, time).await?;
            let all = async {
                let mut connections = Vec::with_capacity(serving.len());
                while let Some(ended) = serving.join_next().await {
                    connections.push(ended??);
                }
                anyhow::Ok(connections)
            };
            let connections = tokio::time::timeout(GRACE, all).await.context("the server does not keep up")??;
            anyhow::Ok((connections, late))
        })?;
        self.connections = connections;
        let latencies = due.latencies.lock().clone();
        Ok(Paced { latencies, late })
    }
}

/// Hands out requests when they are due, and never sleeps: see [`Load::run`].
async fn keep_time(due: &Due, rate: f64, time: Duration) -> Result<Histogram<u64>> {
    let mut late = histogram()?;
    let start = now();
    for number in 0_u32.. {
        let at = start + Duration::from_secs_f64(f64::from(number) / rate);
        if at >= start + time {
            break;
        }
        let mut is_at = now();
        while is_at < at {
            tokio::task::yield_now().await;
            is_at = now();
        }
        late.saturating_record(nanoseconds(is_at - at));
        due.queue.lock().waiting.push_back(at);
        due.changed.notify_one();
    }
    due.queue.lock().is_ended = true;
    due.changed.notify_waiters();
    Ok(late)
}

/// Serves requests on one connection until there are no more, and gives it back.
async fn serve(mut connection: Connection, due: Arc<Due>) -> Result<Connection> {
    loop {
        let changed = due.changed.notified();
        let (next, is_ended) = {
            let mut queue = due.queue.lock();
            (queue.waiting.pop_front(), queue.is_ended)
        };
        match next {
            Some(at) => {
                connection.exchange().await?;
                due.latencies.lock().saturating_record(nanoseconds(now() - at));
            }
            None if is_ended => return Ok(connection),
            None => changed.await,
        }
    }
}

/// To three digits, up to a minute.
fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000_000, 3)?)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
fn now() -> Instant {
    Instant::now()
}
