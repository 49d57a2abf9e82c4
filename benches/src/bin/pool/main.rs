//! The pool compared with its peers: alone, and in the server's role.
//!
//! usage: pool [--rounds 5]
//!
//! Alone: objects that are free to make are acquired and released. In the server's role: a session is acquired, reads one
//! key, and is released, with the server's settings; the same is done by a task that keeps its session, and what a pool
//! costs beyond that is shown beside a whole HTTP request. CPU time of all threads, which counts all work of the pool and
//! little of the machine's noise. Prints Markdown.

mod lenders;

use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use crossbeam_queue::ArrayQueue;
use lenders::{Free, FreeList, KEY, Lender, Lent, Numbers, Sessions, WAIT_TIMEOUT, sessions};
use mantis_benches::process::own_cpu_ns;
use mantis_benches::rounds::{Samples, interleave};
use mantis_benches::table::Table;
use mantis_db::{Database, Limits, ManualClock, SeededRandom};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

#[derive(Parser)]
struct Arguments {
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Acquisitions in a round
    #[arg(long, default_value_t = 1_000_000)]
    acquisitions: u64,
}

/// As many as there are of the objects that are free to make: fewer than the most tasks, so that some wait.
const NUMBERS: usize = 16;
/// The server's default.
const SESSIONS_MAX: usize = 1_000;
/// CPU time of a whole HTTP request on one core, hyper's alone, in nanoseconds.
const REQUEST_NS: f64 = 6_000.0;

/// Runs a number of tasks that together make a number of acquisitions; the answer is nanoseconds each.
type Round<'r> = Box<dyn Fn(u64, u64) -> Result<f64> + 'r>;

/// What is compared, by name.
struct Contest<'r> {
    names: Vec<&'static str>,
    rounds: Vec<Round<'r>>,
}

impl<'r> Contest<'r> {
    fn new() -> Self {
        Self { names: Vec::new(), rounds: Vec::new() }
    }

    fn enter(&mut self, name: &'static str, runtime: &'r Runtime, lender: impl Lender + 'r) {
        self.names.push(name);
        self.rounds.push(Box::new(move |tasks, acquisitions| {
            runtime.block_on(measure(tasks, acquisitions, |each| {
                let lender = lender.clone();
                tokio::spawn(async move {
                    for _ in 0..each {
                        lender.acquire().await?.work().await?;
                        // Lets others in while the pool is contended, as a server's requests do.
                        if tasks > 1 {
                            tokio::task::yield_now().await;
                        }
                    }
                    anyhow::Ok(())
                })
            }))
        }));
    }

    /// The samples of each contestant.
    fn run(&self, arguments: &Arguments, tasks: u64) -> Result<Vec<Samples>> {
        interleave(self.rounds.len(), arguments.rounds, |contestant| {
            self.rounds[contestant](tasks, arguments.acquisitions)
        })
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    alone(&runtime, &arguments)?;
    in_the_server(&runtime, &arguments)
}

fn alone(runtime: &Runtime, arguments: &Arguments) -> Result<()> {
    let mut contest = Contest::new();
    let config = mantis_pool::Config { min_idle: NUMBERS, max: NUMBERS, ..mantis_pool::Config::default() };
    contest.enter("mantis-pool", runtime, mantis_pool::Pool::new(Numbers, config)?);
    contest.enter("semaphore, stack", runtime, FreeList::new(NUMBERS, Free::Stack(Mutex::default()), || 0));
    contest.enter("semaphore, queue", runtime, FreeList::new(NUMBERS, Free::Queue(ArrayQueue::new(NUMBERS)), || 0));
    contest.enter("deadpool", runtime, deadpool_of(Numbers, NUMBERS)?);
    let bb8 = bb8::Pool::builder().max_size(u32::try_from(NUMBERS)?).test_on_check_out(false);
    contest.enter("bb8", runtime, runtime.block_on(bb8.build(Numbers))?);
    let columns: Vec<_> = std::iter::once("tasks").chain(contest.names.iter().copied()).collect();
    let mut table = Table::new("Pool: acquire and release, 16 objects, two threads, CPU ns", &columns);
    for tasks in [1, 16, 64] {
        let samples = contest.run(arguments, tasks)?;
        table.row(std::iter::once(tasks.to_string()).chain(samples.iter().map(|samples| samples.show(0))));
    }
    println!("{table}");
    Ok(())
}

fn in_the_server(runtime: &Runtime, arguments: &Arguments) -> Result<()> {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let database = Database::in_memory_with(Limits::default(), clock, Arc::new(SeededRandom::new(7)))?;
    runtime.block_on(async { database.session().kv("default")?.set(KEY, &[b'v'; 64]).await })?;

    let mut contest = Contest::new();
    contest.names.push("none: a session kept");
    let kept = database.clone();
    contest.rounds.push(Box::new(move |tasks, acquisitions| {
        runtime.block_on(measure(tasks, acquisitions, |each| {
            let mut session = kept.session();
            tokio::spawn(async move {
                for _ in 0..each {
                    session.work().await?;
                    if tasks > 1 {
                        tokio::task::yield_now().await;
                    }
                }
                anyhow::Ok(())
            })
        }))
    }));
    let pool = sessions(&database, SESSIONS_MAX)?;
    let maintenance = runtime.spawn(pool.run_maintenance());
    contest.enter("mantis-pool", runtime, pool);
    for (name, free) in [
        ("semaphore, stack", Free::Stack(Mutex::default())),
        ("semaphore, queue", Free::Queue(ArrayQueue::new(SESSIONS_MAX))),
        ("semaphore, new sessions", Free::Nowhere),
    ] {
        let database = database.clone();
        contest.enter(name, runtime, FreeList::new(SESSIONS_MAX, free, move || database.session()));
    }
    contest.enter("deadpool", runtime, deadpool_of(Sessions(database.clone()), SESSIONS_MAX)?);

    let columns = ["pool", "tasks", "ns", "beyond a session kept, ns", "of a request's 6,000 ns, %"];
    let mut table = Table::new("Pool in the server's role: acquire, get, release, two threads, CPU time", &columns);
    for tasks in [1, 8, 64] {
        let samples = contest.run(arguments, tasks)?;
        for (name, of_pool) in contest.names.iter().zip(&samples) {
            let beyond = Samples(of_pool.0.iter().zip(&samples[0].0).map(|(pool, kept)| pool - kept).collect());
            let share = Samples(beyond.0.iter().map(|ns| ns / REQUEST_NS * 100.0).collect());
            table.row([(*name).to_owned(), tasks.to_string(), of_pool.show(0), beyond.show(0), share.show(1)]);
        }
    }
    println!("{table}");
    maintenance.abort();
    Ok(())
}

fn deadpool_of<M: deadpool::managed::Manager>(manager: M, max: usize) -> Result<deadpool::managed::Pool<M>> {
    let builder = deadpool::managed::Pool::builder(manager).max_size(max);
    let builder = builder.queue_mode(deadpool::managed::QueueMode::Lifo);
    Ok(builder.runtime(deadpool::Runtime::Tokio1).wait_timeout(Some(WAIT_TIMEOUT)).build()?)
}

/// CPU nanoseconds for one acquisition with its use and release, over all tasks.
async fn measure(
    tasks: u64,
    acquisitions: u64,
    spawn: impl Fn(u64) -> tokio::task::JoinHandle<Result<()>>,
) -> Result<f64> {
    let each = acquisitions / tasks;
    let before = own_cpu_ns()?;
    let running: Vec<_> = (0..tasks).map(|_| spawn(each)).collect();
    for task in running {
        task.await??;
    }
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    Ok((own_cpu_ns()? - before) as f64 / (each * tasks) as f64)
}
