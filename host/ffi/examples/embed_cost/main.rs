//! What the way into the database costs from C and Go, beside the same calls in Rust; and Go's pool beside others.
//!
//! usage: `embed_cost --c PROGRAM --go PROGRAM --dir FOLDER [--rounds N]`
//!
//! `scripts/bench.sh embed` builds the programs (`benches/embed`) and runs this. Each side is a process that does a round when it is asked,
//! so that rounds interleave. Processor time of all threads of a process, Go's collector included, for reads and pools; the clock for
//! commits, which wait for the disk. Prints Markdown.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench that cannot go on ends")]

#[path = "../../../../benches/src/rounds.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the other benches")]
mod rounds;
#[path = "../../../../benches/src/table.rs"]
#[allow(unreachable_pub, reason = "shared with the other benches")]
mod table;

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use mantis_db::{Database, Session};
use rounds::{Samples, interleave};
use table::Table;

const KEYS: usize = 10_000;
const VALUE: [u8; 64] = [0; 64];
const TOGETHER: usize = 100;
const TASKS: usize = 256;
/// Operations of a round.
const READS: usize = 500_000;
const COMMITS: usize = 20_000;
const LOANS: usize = 320_000;
const EMPTY_CALLS: usize = 2_000_000;

/// A program that does rounds.
struct Side {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Nanoseconds of an operation: processor time, and by the clock.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    clock: f64,
}

impl Side {
    fn start(program: &str, directory: &Path) -> Self {
        let mut child =
            Command::new(program).arg(directory).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (requests, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, requests, answers }
    }

    fn round(&mut self, name: &str, count: usize) -> Cost {
        writeln!(self.requests, "{name} {count}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap());
        Cost { cpu: numbers.next().unwrap(), clock: numbers.next().unwrap() }
    }

    fn end(mut self) {
        drop(self.requests);
        self.child.wait().unwrap();
    }
}

/// The same calls in this process.
struct Rust {
    runtime: tokio::runtime::Runtime,
    session: Session,
    durable: Database,
    keys: Vec<Vec<u8>>,
}

impl Rust {
    fn open(directory: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut session = Database::in_memory().unwrap().session();
        let keys: Vec<_> = (0..KEYS).map(|number| key(number * 7_919 % KEYS)).collect();
        for key in &keys {
            runtime.block_on(async { session.kv("default").unwrap().set(key, &VALUE).await }).unwrap();
        }
        Self { runtime, session, durable: Database::open(directory).unwrap(), keys }
    }

    #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
    fn measured(count: usize, work: impl FnOnce()) -> Cost {
        let (cpu, began) = (cpu_ns(), Instant::now());
        work();
        #[allow(clippy::cast_precision_loss, reason = "a figure")]
        let each = |ns: u128| ns as f64 / count as f64;
        Cost { cpu: each(u128::from(cpu_ns() - cpu)), clock: each(began.elapsed().as_nanos()) }
    }

    fn get(&mut self) -> Cost {
        Self::measured(READS, || {
            for turn in 0..READS {
                let mut kv = self.session.kv("default").unwrap();
                let found = futures_now(kv.get(&self.keys[turn % KEYS])).unwrap();
                assert_eq!(found.map(|entry| entry.value.len()), Some(VALUE.len()));
            }
        })
    }

    fn get_many(&mut self) -> Cost {
        Self::measured(READS, || {
            for turn in (0..READS).step_by(TOGETHER) {
                let start = turn % KEYS;
                let mut kv = self.session.kv("default").unwrap();
                let found = futures_now(kv.get_many(&self.keys[start..start + TOGETHER])).unwrap();
                assert!(found.iter().flatten().all(|entry| entry.value.len() == VALUE.len()));
            }
        })
    }

    fn commit(&self) -> Cost {
        let left = Arc::new(AtomicI64::new(i64::try_from(COMMITS).unwrap()));
        Self::measured(COMMITS, || {
            self.runtime.block_on(async {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|number| {
                        let (mut session, left, key) = (self.durable.session(), Arc::clone(&left), key(number));
                        tokio::spawn(async move {
                            while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                                session.kv("default").unwrap().set(&key, &VALUE).await.unwrap();
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        })
    }
}

fn key(number: usize) -> Vec<u8> {
    format!("key:{number:020}").into_bytes()
}

/// The outcome of a read, which is there at once.
fn futures_now<F: Future>(read: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(read).poll(&mut context) {
        std::task::Poll::Ready(outcome) => outcome,
        std::task::Poll::Pending => unreachable!("reads of an embedded engine wait for nothing"),
    }
}

/// Processor time of all threads of this process.
fn cpu_ns() -> u64 {
    let times = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        let path = task.ok()?.path().join("schedstat");
        std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse::<u64>().ok()
    });
    times.sum()
}

/// Does a round, and returns its figure.
type Contestant<'a> = &'a dyn Fn(&Bench) -> f64;

struct Bench {
    rust: RefCell<Rust>,
    c: RefCell<Side>,
    go: RefCell<Side>,
    rounds: usize,
}

impl Bench {
    /// Rounds of several contestants.
    fn compare(&self, contestants: &[(&str, Contestant<'_>)]) -> Vec<Samples> {
        interleave(contestants.len(), self.rounds, |place| {
            Ok::<_, std::convert::Infallible>(contestants[place].1(self))
        })
        .unwrap()
    }

    fn c(&self, name: &str) -> f64 {
        self.c.borrow_mut().round(name, READS).cpu
    }

    fn go(&self, name: &str, count: usize) -> Cost {
        self.go.borrow_mut().round(name, count)
    }

    fn reads(&self) {
        let gets = self.compare(&[
            ("Rust", &|bench| bench.rust.borrow_mut().get().cpu),
            ("C", &|bench| bench.c("get")),
            ("C, copied", &|bench| bench.c("get-copy")),
            ("cgo", &|bench| bench.go("cgo", EMPTY_CALLS).cpu),
            ("Go", &|bench| bench.go("get", READS).cpu),
        ]);
        let [rust, c, copied, cgo, go] = &gets[..] else { unreachable!() };
        // The goal is an empty call and two reads of C.
        let goal = Samples(cgo.0.iter().zip(&c.0).map(|(cgo, c)| cgo + 2.0 * c).collect());
        let mut table = Table::new(
            &format!("Get: {KEYS} keys of 24 bytes, values of 64, processor time"),
            &["call", "ns", "beside", "ratio"],
        );
        for (name, samples, beside, base) in [
            ("Rust, `Kv::get`", rust, "", rust),
            ("C, `mantis_conn_get`, value shown", c, "Rust", rust),
            ("C, `mantis_conn_get`, value copied", copied, "Rust", rust),
            ("Go, an empty call of C", cgo, "", cgo),
            ("Go, `Get`", go, "an empty call and 2 x C, value shown", &goal),
        ] {
            let ratio = if beside.is_empty() { String::new() } else { samples.relative_to(base).show(2) };
            table.row([name.to_owned(), samples.show(0), beside.to_owned(), ratio]);
        }
        println!("{table}");

        let many = self.compare(&[
            ("Rust", &|bench| bench.rust.borrow_mut().get_many().cpu),
            ("C", &|bench| bench.c("get-many")),
            ("Go", &|bench| bench.go("get-many", READS).cpu),
        ]);
        let mut table = Table::new(&format!("{TOGETHER} keys in one call, processor time"), &["call", "ns a key"]);
        for (name, samples) in
            ["Rust, `Kv::get_many`", "C, `mantis_conn_get_many`", "Go, `GetMany`"].into_iter().zip(&many)
        {
            table.row([name.to_owned(), samples.show(0)]);
        }
        println!("{table}");
    }

    fn commits(&self) {
        let cpu = RefCell::new([0.0; 2]);
        let note = |place: usize, cost: Cost| {
            cpu.borrow_mut()[place] = cost.cpu / 1e3;
            1e9 / cost.clock
        };
        let rates = self.compare(&[
            ("Rust", &|bench| note(0, bench.rust.borrow().commit())),
            ("Go", &|bench| note(1, bench.go("commit", COMMITS))),
        ]);
        let mut table = Table::new(
            &format!("Durable commits, {TASKS} at once, a set of 64 bytes each"),
            &["from", "commits/s", "x Rust", "CPU us a commit, last round"],
        );
        for (place, name) in ["Rust, tasks on two threads", "Go, goroutines"].into_iter().enumerate() {
            let ratio = rates[place].relative_to(&rates[0]);
            table.row([name.to_owned(), rates[place].show(0), ratio.show(2), format!("{:.1}", cpu.borrow()[place])]);
        }
        println!("{table}");
    }

    fn pools(&self, has_pgx: bool) {
        let mut table = Table::new(
            "Acquire and release from Go, 16 connections, processor time",
            &["goroutines", "MantisDB ns", "`database/sql` ns", "pgx 4.15 ns", "MantisDB beside `database/sql`"],
        );
        for goroutines in [1, 16] {
            let round = |bench: &Self, name: &str| bench.go(&format!("pool-{name}-{goroutines}"), LOANS).cpu;
            let mut contestants: Vec<(&str, Contestant<'_>)> = Vec::new();
            let (ours, sql, pgx) = (
                |bench: &Self| round(bench, "mantisdb"),
                |bench: &Self| round(bench, "sql"),
                |bench: &Self| round(bench, "pgx"),
            );
            contestants.extend([("MantisDB", &ours as Contestant<'_>), ("database/sql", &sql)]);
            if has_pgx {
                contestants.push(("pgx", &pgx));
            }
            let samples = self.compare(&contestants);
            table.row([
                goroutines.to_string(),
                samples[0].show(0),
                samples[1].show(0),
                samples.get(2).map_or("not installed".to_owned(), |samples| samples.show(0)),
                samples[0].relative_to(&samples[1]).show(2),
            ]);
        }
        println!("{table}");
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).cloned()
    };
    let [c, go, directory] = ["--c", "--go", "--dir"].map(|name| option(name).unwrap());
    let directory = Path::new(&directory);
    let rounds = option("--rounds").map_or(7, |rounds| rounds.parse().unwrap());
    let bench = Bench {
        rust: RefCell::new(Rust::open(&directory.join("rust"))),
        c: RefCell::new(Side::start(&c, directory)),
        go: RefCell::new(Side::start(&go, &directory.join("go"))),
        rounds,
    };
    bench.reads();
    bench.commits();
    bench.pools(!arguments.iter().any(|argument| argument == "--without-pgx"));
    bench.c.into_inner().end();
    bench.go.into_inner().end();
}
