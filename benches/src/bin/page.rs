//! Queries over 10,000 rows in a page's build beside the same queries here: `cargo xtask web` makes the build, Node runs it.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use mantis_db::tables::query::{JsonForm, JsonRows};
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::{Input, RowBatch, SelectOptions, TimeZone, WriteOptions};
use mantis_db::{Database, Limits, ManualClock, SeededRandom, Session};
use mantis_dialect::Parser;
use serde::Deserialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: usize = 10_000;
const ROUNDS: usize = 5;
/// How long each query is repeated in a round.
const ROUND_TIME: Duration = Duration::from_millis(300);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/bench.mjs");

const TABLE: &str = r#"{"columns": [
    {"name": "id", "type": "integer"}, {"name": "customer", "type": "integer"}, {"name": "status", "type": "text"},
    {"name": "total", "type": "numeric(10,2)"}, {"name": "weight", "type": "double precision"},
    {"name": "placed", "type": "timestamptz"}, {"name": "note", "type": "text"}],
    "primary_key": ["id"], "indexes": [{"columns": ["customer"]}]}"#;

/// What each query is called, and its parameters.
const QUERIES: &[(&str, &[(&str, &str)])] = &[
    ("count by a filter", &[("select", "count()"), ("status", "eq.paid")]),
    ("filter, order, 25 rows", &[("weight", "gt.0.5"), ("order", "total.desc"), ("limit", "25")]),
    ("groups with sums", &[("select", "status,total.sum(),count()")]),
    ("a text within texts", &[("select", "id"), ("note", "ilike.*order 77*")]),
    ("all rows as JSON", &[]),
    ("100 rows by an index", &[("customer", "eq.42")]),
];

/// The median time of a query in microseconds, and the bytes of its answer.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Figure {
    us: f64,
    bytes: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let database = Database::in_memory_with(Limits::default(), clock, Arc::new(SeededRandom::new(7)))?;
    let mut session = database.session();
    let rows: Vec<String> = (0..ROWS).map(row).collect();
    fill(&mut session, &rows).await?;
    let mut here: Vec<Vec<Figure>> = vec![Vec::new(); QUERIES.len()];
    let mut page = here.clone();
    for _ in 0..ROUNDS {
        for (figures, (_, parameters)) in here.iter_mut().zip(QUERIES) {
            figures.push(measure(&mut session, parameters).await?);
        }
        for (figures, figure) in page.iter_mut().zip(in_page(&rows)?) {
            figures.push(figure);
        }
    }
    println!("{ROWS} rows; microseconds, medians of {ROUNDS} rounds; spread of the ratio\n");
    println!("{:<24} {:>8} {:>8} {:>14}", "query", "here", "page", "page / here");
    for (((name, _), here), page) in QUERIES.iter().zip(&here).zip(&page) {
        ensure!(here.iter().zip(page).all(|(a, b)| a.bytes == b.bytes), "{name}: the answers differ in length");
        let mut ratios: Vec<f64> = here.iter().zip(page).map(|(here, page)| page.us / here.us).collect();
        let median = median(&mut ratios);
        let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
        let time = |figures: &[Figure]| self::median(&mut figures.iter().map(|figure| figure.us).collect::<Vec<_>>());
        println!("{name:<24} {:>8.0} {:>8.0} {median:>5.2} ({least:.2}-{most:.2})", time(here), time(page));
    }
    Ok(())
}

/// A row as a JSON object.
fn row(id: usize) -> String {
    let status = ["new", "paid", "sent", "lost"][id % 4];
    let (weight, cents) = (id * 7_919 % 1_000, id * 104_729 % 100_000);
    let (minute, customer) = (id % 60, id % 100);
    format!(
        r#"{{"id":{id},"customer":{customer},"status":"{status}","total":{}.{:02},"weight":0.{weight:03},"placed":"2024-03-01T10:{minute:02}:00Z","note":"order {id} of customer {customer}"}}"#,
        cents / 100,
        cents % 100,
    )
}

async fn fill(session: &mut Session, rows: &[String]) -> Result<()> {
    session.create_table("orders", &TableDocument::read(TABLE.as_bytes())?).await?;
    let environment = session.database().environment(TimeZone::UTC);
    for rows in rows.chunks(1_000) {
        let objects: Vec<serde_json::Map<String, serde_json::Value>> =
            rows.iter().map(|row| serde_json::from_str(row)).collect::<Result<_, _>>()?;
        let texts: Vec<String> = objects.iter().flat_map(|object| object.values().map(ToString::to_string)).collect();
        let batch = RowBatch {
            columns: objects[0].keys().map(|name| name.clone().into()).collect(),
            values: texts.iter().map(|text| Input::Json(text)).collect(),
            rows: rows.len(),
        };
        let query = Parser::default().query([])?;
        let mut table = session.rows("orders", environment.clone());
        table.insert(&query, &batch, &WriteOptions::default(), None).await?;
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
async fn measure(session: &mut Session, parameters: &[(&str, &str)]) -> Result<Figure> {
    let (began, mut times, mut bytes) = (Instant::now(), Vec::new(), 0);
    while began.elapsed() < ROUND_TIME || times.len() < 5 {
        let started = Instant::now();
        let query = Parser::default().query(parameters.iter().copied())?;
        let environment = session.database().environment(TimeZone::UTC);
        let mut rows = JsonRows::new(JsonForm::Array, false, usize::MAX, environment.clone());
        session.rows("orders", environment).select(&query, &SelectOptions::default(), &mut rows).await?;
        bytes = rows.into_bytes().len();
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(Figure { us: median(&mut times), bytes })
}

/// The same in Node, with the page's build.
fn in_page(rows: &[String]) -> Result<Vec<Figure>> {
    let queries: Vec<_> = QUERIES.iter().map(|(_, parameters)| parameters).collect();
    let table: serde_json::Value = serde_json::from_str(TABLE)?;
    let work =
        serde_json::json!({ "table": table, "rows": rows, "queries": queries, "roundMs": ROUND_TIME.as_millis() });
    let mut node = Command::new("node").arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    node.stdin.take().context("node has no input")?.write_all(work.to_string().as_bytes())?;
    let output = node.wait_with_output()?;
    ensure!(output.status.success(), "node failed: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
