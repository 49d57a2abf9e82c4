//! Tables over HTTP, beside our own key-value GET, PostgreSQL 15 and SQLite.
//!
//! usage: tables [--mantisdb target/release/mantisdb] [--dir /tmp] [--rows 1000000] [--rounds 5] [--seconds 1]
//!
//! Prints Markdown. Servers on core 0, load on core 1; CPU time is of all of a server's processes.
//!
//! | module | holds |
//! |---|---|
//! | `rows` | the rows that all sides hold |
//! | `contest` | operations, and who is measured at them |
//! | `ours` | MantisDB: server, tables, requests |
//! | `postgresql` | PostgreSQL: server, `pgbench`, bulk inserts |
//! | `sqlite` | SQLite, in this process |
//! | `alter` | how long another writer waits for an `ALTER` |
//! | `goals` | the goals, beside what they came to |

mod alter;
mod contest;
mod goals;
mod ours;
mod postgresql;
mod rows;
mod sqlite;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use mantis_benches::process::{LOAD_CORE, SERVER_CORE, all_cores, pin_this_thread};
use mantis_benches::rounds::{Samples, interleave};
use mantis_benches::table::Table;

use contest::{Contestant, Operation};
use ours::Ours;
use postgresql::PostgreSql;
use sqlite::Sqlite;

#[derive(Parser)]
struct Options {
    /// The server's binary
    #[arg(long, default_value = "target/release/mantisdb")]
    mantisdb: String,
    /// Where files are made
    #[arg(long, default_value = "/tmp")]
    dir: PathBuf,
    /// Rows of the large table, and of the smaller ones between which growth is measured
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 100_000, 1_000])]
    rows: Vec<u64>,
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a round
    #[arg(long, default_value_t = 1)]
    seconds: u64,
    /// Connections of small requests
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Only the operations whose names contain one of these; `ALTER` for what an `ALTER` holds up
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only MantisDB
    #[arg(long)]
    alone: bool,
    /// Without writes that are synced
    #[arg(long)]
    without_disk: bool,
}

const OURS: &str = "MantisDB";

/// What the rounds came to: of each contestant CPU microseconds of a unit, and units a second.
pub(crate) struct Results {
    pub(crate) contestants: Vec<(Operation, &'static str)>,
    pub(crate) cpu_us: Vec<Samples>,
    pub(crate) rates: Vec<Samples>,
}

impl Results {
    pub(crate) fn cpu_us(&self, operation: Operation, name: &str) -> Option<&Samples> {
        let index = self.contestants.iter().position(|&contestant| contestant == (operation, name))?;
        self.cpu_us.get(index)
    }

    pub(crate) fn rates(&self, operation: Operation, name: &str) -> Option<&Samples> {
        let index = self.contestants.iter().position(|&contestant| contestant == (operation, name))?;
        self.rates.get(index)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let all_cores = all_cores()?;
    pin_this_thread(LOAD_CORE)?;
    let dir = tempfile::Builder::new().prefix("mantisdb-tables").tempdir_in(&options.dir)?;
    let books = *options.rows.first().context("no rows")?;
    ensure!(options.rows.iter().all(|&rows| rows >= rows::BATCH_ROWS), "a table has fewer rows than a batch");
    let mut sizes = Vec::new();
    let mut contestants = Vec::new();
    for (port, &books) in (18_087..).zip(&options.rows) {
        let ours = Arc::new(Ours::start(SERVER_CORE, &options.mantisdb, port, books, None)?);
        let weight = ours.fill().context("MantisDB")?;
        ours.check()?;
        let name = if sizes.is_empty() { OURS } else { &*format!("{OURS}, {books} rows").leak() };
        contestants.extend(ours.contestants(name, options.connections));
        sizes.push((name, weight));
    }
    let mut disk = Vec::new();
    if !options.without_disk {
        let ours =
            Arc::new(Ours::start(SERVER_CORE, &options.mantisdb, 18_093, books, Some(&dir.path().join("ours")))?);
        ours.fill_bulk_tables().context("MantisDB on the disk")?;
        disk.extend([Operation::BulkAscending, Operation::BulkScattered].map(|bulk| ours.contestant(bulk, OURS, 1)));
    }
    if !options.alone {
        if postgresql::is_installed() {
            let peer = Rc::new(PostgreSql::start(&options.dir, 18_091, books, options.connections)?);
            peer.fill().context("PostgreSQL")?;
            contestants.extend(peer.contestants()?);
            if !options.without_disk {
                disk.extend(peer.synced()?);
            }
        }
        let peer = Rc::new(Sqlite::open(books, None)?);
        peer.fill().context("SQLite")?;
        contestants.extend(peer.contestants());
        if !options.without_disk {
            let peer = Rc::new(Sqlite::open(books, Some(dir.path()))?);
            peer.fill().context("SQLite on the disk")?;
            disk.extend([Operation::BulkAscending, Operation::BulkScattered].map(|bulk| peer.contestant(bulk)));
        }
    }
    let memory = measure(contestants, &options)?;
    let disk = measure(disk, &options)?;
    show_beside(&memory, &format!("Tables, {books} rows, {} connections", options.connections), false);
    show_growth(&memory, &sizes.iter().map(|&(name, _)| name).collect::<Vec<_>>());
    show_weights(&sizes);
    if !options.without_disk {
        show_beside(&disk, "Bulk inserts that are safe from a power cut", true);
    }
    let longest_ms = if is_wanted("ALTER", &options) { Some(altered(&options, &all_cores, books)?) } else { None };
    goals::show(&memory, &disk, longest_ms);
    Ok(())
}

/// The longest that another writer waited for an `ALTER`, on a server of its own that may use all cores.
fn altered(options: &Options, cores: &str, books: u64) -> Result<f64> {
    let ours = Ours::start(cores, &options.mantisdb, 18_094, books, None)?;
    ours.fill()?;
    alter::measure(18_094, books)
}

fn is_wanted(name: &str, options: &Options) -> bool {
    options.only.is_empty() || options.only.iter().any(|part| name.contains(part.as_str()))
}

fn measure(mut contestants: Vec<Contestant>, options: &Options) -> Result<Results> {
    contestants.retain(|contestant| is_wanted(contestant.operation.name(), options));
    // Those at the same operation run after each other.
    contestants.sort_by_key(|contestant| contestant.operation);
    let mut rates = vec![Samples::default(); contestants.len()];
    let cpu_us = interleave(contestants.len(), options.rounds, |index| {
        let contestant = &mut contestants[index];
        // The smaller tables are there for their growth alone.
        let time = Duration::from_secs(options.seconds) / if contestant.name.contains(" rows") { 2 } else { 1 };
        let measured =
            (contestant.run)(time).with_context(|| format!("{}, {}", contestant.name, contestant.operation.name()))?;
        #[allow(clippy::cast_precision_loss, reason = "counts and times far below 2^53")]
        {
            rates[index].0.push(measured.units as f64 / measured.elapsed.as_secs_f64());
            Ok::<_, anyhow::Error>(measured.cpu_ns as f64 / 1_000.0 / measured.units as f64)
        }
    })?;
    for samples in &mut rates {
        samples.0.remove(0);
    }
    let contestants = contestants.iter().map(|contestant| (contestant.operation, contestant.name)).collect();
    Ok(Results { contestants, cpu_us, rates })
}

/// Every side at each operation, but for our smaller tables.
fn show_beside(results: &Results, title: &str, shows_rates: bool) {
    if results.contestants.is_empty() {
        return;
    }
    let mut columns = vec!["operation", "", "CPU us", "a second and core", "x MantisDB"];
    if shows_rates {
        columns.push("a second, one connection");
    }
    let mut table = Table::new(title, &columns);
    for (index, &(operation, name)) in results.contestants.iter().enumerate() {
        if name.contains(" rows") {
            continue;
        }
        let cpu_us = &results.cpu_us[index];
        let relative =
            results.cpu_us(operation, OURS).map_or_else(String::new, |ours| cpu_us.relative_to(ours).show(2));
        let mut cells = vec![
            operation.name().to_owned(),
            name.to_owned(),
            cpu_us.show(2),
            format!("{:.0}", 1e6 / cpu_us.median()),
            relative,
        ];
        if shows_rates {
            cells.push(results.rates[index].show(0));
        }
        table.row(cells);
    }
    println!("{table}");
}

fn show_growth(results: &Results, names: &[&str]) {
    let (Some(largest), Some(smallest)) = (names.first(), names.last()) else { return };
    if largest == smallest || results.contestants.is_empty() {
        return;
    }
    let mut columns = vec!["operation".to_owned()];
    columns.extend(names.iter().rev().map(|&name| {
        let of = if name == OURS { "largest" } else { name.trim_start_matches("MantisDB, ") };
        format!("{of}, CPU us")
    }));
    columns.push("last / first".to_owned());
    let mut table = Table::new("Growth", &columns.iter().map(String::as_str).collect::<Vec<_>>());
    for &(operation, name) in &results.contestants {
        let (true, Some(last), Some(first)) =
            (name == OURS, results.cpu_us(operation, largest), results.cpu_us(operation, smallest))
        else {
            continue;
        };
        let mut cells = vec![operation.name().to_owned()];
        cells.extend(names.iter().rev().filter_map(|name| Some(results.cpu_us(operation, name)?.show(2))));
        cells.push(last.relative_to(first).show(2));
        table.row(cells);
    }
    println!("{table}");
}

fn show_weights(sizes: &[(&str, ours::Weight)]) {
    // Below that, what is not rows weighs too much.
    let Some((_, weight)) = sizes.first() else { return };
    println!(
        "A row of {:.0} bytes of JSON takes {:.0} bytes of memory, an entry of an index of two columns {:.0}.\n",
        weight.json, weight.row, weight.entry
    );
}
