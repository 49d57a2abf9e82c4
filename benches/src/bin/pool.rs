//! Acquire and release: mantis-pool beside deadpool and bb8, on one thread and under contention.
//!
//! usage: pool [--rounds 5]
//!
//! The objects are free to make, so that only the pools are measured. Prints Markdown.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use mantis_benches::rounds::interleave;
use mantis_benches::table::Table;

#[derive(Parser)]
struct Arguments {
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Acquisitions in a round
    #[arg(long, default_value_t = 1_000_000)]
    acquisitions: u64,
}

struct Objects;

impl mantis_pool::Manager for Objects {
    type Object = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(0)
    }
}

impl deadpool::managed::Manager for Objects {
    type Type = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn recycle(
        &self,
        _: &mut u64,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl bb8::ManageConnection for Objects {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

const NAMES: [&str; 3] = ["mantis-pool", "deadpool", "bb8"];
const OBJECTS: usize = 16;

struct Pools {
    mantis: mantis_pool::Pool<Objects>,
    deadpool: deadpool::managed::Pool<Objects>,
    bb8: bb8::Pool<Objects>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let pools = runtime.block_on(async {
        let config = mantis_pool::Config { min_idle: OBJECTS, max: OBJECTS, ..mantis_pool::Config::default() };
        anyhow::Ok(Pools {
            mantis: mantis_pool::Pool::new(Objects, config)?,
            deadpool: deadpool::managed::Pool::builder(Objects).max_size(OBJECTS).build()?,
            bb8: bb8::Pool::builder().max_size(u32::try_from(OBJECTS)?).test_on_check_out(false).build(Objects).await?,
        })
    })?;
    let columns = ["tasks", "mantis-pool ns", "deadpool ns", "bb8 ns"];
    let mut table = Table::new("Pool: acquire and release, 16 objects, two threads", &columns);
    for tasks in [1, 16, 64] {
        let samples = interleave(NAMES.len(), arguments.rounds, |contestant| {
            runtime.block_on(round(&pools, contestant, tasks, arguments.acquisitions / 4))
        })?;
        table.row(std::iter::once(tasks.to_string()).chain(samples.iter().map(|samples| samples.show(0))));
    }
    println!("{table}");
    Ok(())
}

/// Nanoseconds for one acquisition with its release, over all tasks.
async fn round(pools: &Pools, contestant: usize, tasks: u64, acquisitions: u64) -> Result<f64> {
    let each = acquisitions / tasks;
    #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
    let start = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (mantis, deadpool, bb8) = (pools.mantis.clone(), pools.deadpool.clone(), pools.bb8.clone());
            tokio::spawn(async move {
                for _ in 0..each {
                    match contestant {
                        0 => *mantis.acquire().await? += 1,
                        1 => *deadpool.get().await? += 1,
                        _ => *bb8.get().await? += 1,
                    }
                    // Lets others in while the pool is contended, as a server's requests do.
                    if tasks > 1 {
                        tokio::task::yield_now().await;
                    }
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in running {
        task.await??;
    }
    let elapsed: Duration = start.elapsed();
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    Ok(elapsed.as_nanos() as f64 / (each * tasks) as f64)
}
