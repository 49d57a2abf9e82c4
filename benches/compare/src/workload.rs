//! Which operation comes next, on which key: YCSB's core workloads (Cooper et al., 2010).

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use anyhow::{Result, ensure};

use crate::engines::{Contestant, Engine, Row};

pub(crate) const ROW_BYTES: usize = 1_024;
/// YCSB's constant: how uneven the draws are.
const SKEW: f64 = 0.99;
const SCAN_ROWS_MAX: u64 = 100;
/// Rows that are loaded in one commit.
const LOAD_ROWS: u64 = 1_000;

/// Shares of operations, in percent; what is left to 100 are updates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    read: u64,
    insert: u64,
    scan: u64,
    read_and_write: u64,
    latest: bool,
}

const READS: Workload = Workload { read: 100, insert: 0, scan: 0, read_and_write: 0, latest: false };

/// By the letter that everybody calls them by.
pub(crate) const LETTERS: [(&str, Workload); 6] = [
    ("A: 50 % read, 50 % update", Workload { read: 50, ..READS }),
    ("B: 95 % read, 5 % update", Workload { read: 95, ..READS }),
    ("C: read", READS),
    ("D: 95 % read the latest, 5 % insert", Workload { read: 95, insert: 5, latest: true, ..READS }),
    ("E: 95 % scan of 1 to 100, 5 % insert", Workload { read: 0, insert: 5, scan: 95, ..READS }),
    ("F: 50 % read, 50 % read and write", Workload { read: 50, read_and_write: 50, ..READS }),
];

enum Step {
    Read(u64),
    /// The so manieth last row.
    ReadLatest(u64),
    Update(u64),
    Insert,
    Scan(u64, usize),
    ReadAndWrite(u64),
}

/// What a thread does in a turn.
pub(crate) struct Plan {
    steps: Vec<Step>,
    pub(crate) inserts: u64,
}

impl Workload {
    pub(crate) fn scans(self) -> bool {
        self.scan > 0
    }

    pub(crate) fn writes(self) -> bool {
        self.read < 100
    }

    pub(crate) fn plan(self, zipf: &Zipf, operations: u64, seed: u64) -> Plan {
        let mut numbers = Numbers(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut inserts = 0;
        let steps = (0..operations).map(|_| {
            let kind = numbers.next() % 100;
            let rank = zipf.rank(&mut numbers);
            let row = scrambled(rank) % zipf.rows;
            if kind < self.read {
                if self.latest { Step::ReadLatest(rank) } else { Step::Read(row) }
            } else if kind < self.read + self.insert {
                inserts += 1;
                Step::Insert
            } else if kind < self.read + self.insert + self.scan {
                #[allow(clippy::cast_possible_truncation, reason = "at most a hundred")]
                let rows = (1 + numbers.next() % SCAN_ROWS_MAX) as usize;
                Step::Scan(row, rows)
            } else if kind < self.read + self.insert + self.scan + self.read_and_write {
                Step::ReadAndWrite(row)
            } else {
                Step::Update(row)
            }
        });
        Plan { steps: steps.collect(), inserts }
    }
}

/// Executes the plan. `rows` are there; rows that are inserted get the numbers from `place` on.
pub(crate) fn run(engine: &dyn Engine, plan: &Plan, rows: u64, place: u64) -> Result<()> {
    let (mut next, mut row) = (place, vec![0; ROW_BYTES]);
    for step in &plan.steps {
        match *step {
            Step::Read(n) => read(engine, n)?,
            Step::ReadLatest(rank) => {
                let own = next - place;
                read(engine, if rank < own { next - 1 - rank } else { (rows - 1).saturating_sub(rank - own) })?;
            }
            Step::Update(n) => {
                fill(&mut row, n, next);
                engine.write(&key(n), &row)?;
            }
            Step::Insert => {
                fill(&mut row, next, 0);
                engine.write(&key(next), &row)?;
                next += 1;
            }
            Step::Scan(n, count) => {
                let (mut seen, mut are_rows) = (0, true);
                engine.scan(&key(n), count, &mut |value| {
                    seen += 1;
                    are_rows &= value.len() == ROW_BYTES;
                })?;
                ensure!((1..=count).contains(&seen) && are_rows, "a scan of {count} from row {n} saw {seen}");
            }
            Step::ReadAndWrite(n) => {
                let mut is_there = false;
                engine.read(&key(n), &mut |value| {
                    is_there = is_row(value, n);
                    row.copy_from_slice(value);
                })?;
                ensure!(is_there, "row {n} is not what was written");
                row[ROW_BYTES - 1] = row[ROW_BYTES - 1].wrapping_add(1);
                engine.write(&key(n), &row)?;
            }
        }
    }
    Ok(())
}

fn read(engine: &dyn Engine, n: u64) -> Result<()> {
    let mut is_there = false;
    engine.read(&key(n), &mut |value| is_there = is_row(value, n))?;
    ensure!(is_there, "row {n} is not what was written");
    Ok(())
}

/// Writes the rows `0..rows`.
pub(crate) fn load(contestant: &mut Contestant, rows: u64) -> Result<()> {
    for first in (0..rows).step_by(usize::try_from(LOAD_ROWS)?) {
        let some: Vec<Row> = (first..(first + LOAD_ROWS).min(rows))
            .map(|n| {
                let mut row = vec![0; ROW_BYTES];
                fill(&mut row, n, 0);
                (key(n), row)
            })
            .collect();
        contestant.engine.write_all(&some)?;
    }
    contestant.rows = rows;
    Ok(())
}

/// 24 bytes; the keys of neighbouring rows are far apart.
fn key(n: u64) -> [u8; 24] {
    let mut key = *b"user00000000000000000000";
    let mut number = scrambled(n);
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
    key
}

/// A row contains its number.
fn fill(row: &mut [u8], n: u64, update: u64) {
    for (place, byte) in row.iter_mut().enumerate() {
        // Something that no engine can compress to nothing.
        *byte = u8::try_from((place as u64 * 31 + n + update) % 251).unwrap_or_default();
    }
    row[..8].copy_from_slice(&n.to_le_bytes());
}

fn is_row(value: &[u8], n: u64) -> bool {
    value.len() == ROW_BYTES && value[..8] == n.to_le_bytes()
}

fn scrambled(n: u64) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(n)
}

/// Ranks below `rows`, the lower ones far more often (Gray et al., "Quickly Generating Billion-Record Synthetic Databases", 1994).
pub(crate) struct Zipf {
    rows: u64,
    sum: f64,
    eta: f64,
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are far below 2^53"
)]
impl Zipf {
    pub(crate) fn new(rows: u64) -> Self {
        let sum: f64 = (1..=rows).map(|rank| 1.0 / (rank as f64).powf(SKEW)).sum();
        let of_two = 1.0 + 0.5_f64.powf(SKEW);
        let eta = (1.0 - (2.0 / rows as f64).powf(1.0 - SKEW)) / (1.0 - of_two / sum);
        Self { rows, sum, eta }
    }

    fn rank(&self, numbers: &mut Numbers) -> u64 {
        let drawn = (numbers.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let scaled = drawn * self.sum;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(SKEW) {
            return 1;
        }
        let rank = self.rows as f64 * (self.eta * drawn - self.eta + 1.0).powf(1.0 / (1.0 - SKEW));
        (rank as u64).min(self.rows - 1)
    }
}

/// The xorshift64* generator (Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
