//! How long an `ALTER` of a large table holds up another writer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mantis_benches::client::Client;
use mantis_benches::process::pause;
use mantis_benches::table::Table;

/// Time between two writes.
const BETWEEN: Duration = Duration::from_micros(500);
/// How long the writer runs beside nothing, to compare with.
const QUIET: Duration = Duration::from_secs(3);

/// The changes, each of the table of that name.
const CHANGES: [(&str, &str, &str); 6] = [
    ("add an index", "books", r#"{"add_indexes":[{"columns":["added_at"]}]}"#),
    ("add a unique key", "books", r#"{"add_unique":[["title"]]}"#),
    ("change a type", "books", r#"{"alter_columns":[{"name":"pages","type":"bigint"}]}"#),
    (
        "add a foreign key",
        "scattered",
        r#"{"add_foreign_keys":[{"columns":["author_id"],"references":{"table":"authors","columns":["id"]}}]}"#,
    ),
    ("change a type with its index", "books", r#"{"alter_columns":[{"name":"added_at","type":"timestamp"}]}"#),
    ("add a primary key", "books", r#"{"drop_constraints":["books_pkey"],"add_primary_key":["id"]}"#),
];

/// Alters the tables of the server on `port`, and shows how long another client's `PUT`s took meanwhile. Returns the longest, in
/// milliseconds.
pub(crate) fn measure(port: u16, rows: u64) -> Result<f64> {
    let title = format!("Another client's PUT while {rows} rows are altered, server on all cores");
    let mut table = Table::new(&title, &["change", "took, s", "PUTs", "median, ms", "99.9 %, ms", "longest, ms"]);
    let mut longest: f64 = 0.0;
    let quiet = beside(port, || {
        pause(QUIET);
        Ok(())
    })?;
    table.row(quiet.cells("none"));
    for (name, altered, change) in CHANGES {
        let outcome = beside(port, || {
            let path = format!("/api/v1/schema/tables/{altered}");
            Client::connect(port)?.send("PATCH", &path, "application/json", change.as_bytes())
        });
        let outcome = outcome.context(name)?;
        longest = longest.max(outcome.at(1.0));
        table.row(outcome.cells(name));
    }
    println!("{table}");
    Ok(longest)
}

struct Outcome {
    took: Duration,
    /// Milliseconds of each `PUT`, sorted.
    waits_ms: Vec<f64>,
}

impl Outcome {
    fn at(&self, share: f64) -> f64 {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share"
        )]
        let place = (self.waits_ms.len() as f64 * share) as usize;
        self.waits_ms[place.min(self.waits_ms.len() - 1)]
    }

    fn cells(&self, name: &str) -> [String; 6] {
        let ms = |share| format!("{:.2}", self.at(share));
        let took = format!("{:.2}", self.took.as_secs_f64());
        [name.to_owned(), took, self.waits_ms.len().to_string(), ms(0.5), ms(0.999), ms(1.0)]
    }
}

/// Does `work` while another client writes.
#[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
fn beside(port: u16, work: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    let is_done = AtomicBool::new(false);
    let mut client = Client::connect(port)?;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut waits_ms = Vec::new();
            while waits_ms.is_empty() || !is_done.load(Ordering::Relaxed) {
                let start = Instant::now();
                client.send("PUT", "/api/v1/kv/beside", "text/plain", b"value")?;
                waits_ms.push(start.elapsed().as_secs_f64() * 1_000.0);
                pause(BETWEEN);
            }
            waits_ms.sort_by(f64::total_cmp);
            Ok::<_, anyhow::Error>(waits_ms)
        });
        let start = Instant::now();
        let done = work();
        let took = start.elapsed();
        is_done.store(true, Ordering::Relaxed);
        let waits_ms = writer.join().ok().context("the writer ended")??;
        done?;
        Ok(Outcome { took, waits_ms })
    })
}
