//! Clients that add to one key, each in transactions of their own: how long the slowest takes compared with the median.
//!
//! usage: turns [--clients 2,4,8] [--rounds 2000]
//!
//! In memory, a thread for each client; between a read and its write it lets the others come first. Prints Markdown.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use mantis_benches::table::Table;
use mantis_db::{Clock, Database, Isolation, Limits, SeededRandom, Session};

#[derive(Parser)]
struct Arguments {
    /// Clients at a time
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4, 8])]
    clients: Vec<u64>,
    /// Transactions of each
    #[arg(long, default_value_t = 2_000)]
    rounds: u64,
}

struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    #[allow(clippy::disallowed_methods, reason = "a native program")]
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn sleep(&self, ms: u64) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        Some(Box::pin(tokio::time::sleep(Duration::from_millis(ms))))
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let columns = ["clients", "attempts a transaction", "median, us", "p99, us", "slowest, us", "slowest / median"];
    let mut table = Table::new("Transactions that meet on one key", &columns);
    for &clients in &arguments.clients {
        #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
        let clock = Arc::new(RuntimeClock(Instant::now()));
        let database = Database::in_memory_with(Limits::default(), clock, Arc::new(SeededRandom::new(1)))?;
        let attempts = Arc::new(AtomicU64::new(0));
        let running: Vec<_> = (0..clients)
            .map(|_| {
                let (database, attempts) = (database.clone(), Arc::clone(&attempts));
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
                    Ok::<_, anyhow::Error>(runtime.block_on(client(database, attempts, arguments.rounds))?)
                })
            })
            .collect();
        let mut took = Vec::new();
        for one in running {
            took.append(&mut one.join().map_err(|_| anyhow::anyhow!("a client panicked"))??);
        }
        took.sort_unstable();
        let count = clients * arguments.rounds;
        anyhow::ensure!(database.version() == count, "{} of {count} transactions were committed", database.version());
        let at = |share: f64| {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a place in a list"
            )]
            let place = ((took.len() - 1) as f64 * share) as usize;
            took[place]
        };
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let a_transaction = attempts.load(Ordering::Relaxed) as f64 / count as f64;
        let us = |duration: Duration| duration.as_micros().to_string();
        let ratio = at(1.0).as_secs_f64() / at(0.5).as_secs_f64();
        table.row([
            clients.to_string(),
            format!("{a_transaction:.2}"),
            us(at(0.5)),
            us(at(0.99)),
            us(at(1.0)),
            format!("{ratio:.1}"),
        ]);
    }
    println!("{table}");
    Ok(())
}

async fn client(database: Database, attempts: Arc<AtomicU64>, rounds: u64) -> mantis_db::Result<Vec<Duration>> {
    let mut session = database.session();
    let mut took = Vec::new();
    for _ in 0..rounds {
        #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
        let begun = Instant::now();
        session.transact(Isolation::Serializable, async |session| add_one(session, &attempts).await).await?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

async fn add_one(session: &mut Session, attempts: &AtomicU64) -> mantis_db::Result<()> {
    attempts.fetch_add(1, Ordering::Relaxed);
    let entry = session.kv("default")?.get(b"hot").await?;
    let number = entry.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse::<u64>().ok()).unwrap_or(0);
    #[allow(clippy::disallowed_methods, reason = "a native program")]
    std::thread::yield_now();
    session.kv("default")?.set(b"hot", (number + 1).to_string().as_bytes()).await?;
    Ok(())
}
