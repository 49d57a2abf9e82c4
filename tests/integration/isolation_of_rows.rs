//! Concurrent histories over rows, checked by `mantis-isolation`: keys of the histories are rows, found by their primary key, by a unique key
//! beside it or by reading all of them, so that every way to a row has to show the same.
//!
//! Lost updates, write skew and phantoms (of scans by a filter, with a limit) are then anomalies of rows; and of rows with one unique key
//! only one may be there.

use std::borrow::Cow;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::tz::TimeZone;
use mantis_db::tables::query::{Cell, OutputColumn, RowSink};
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::types::Value;
use mantis_db::tables::{
    Environment, Input, Resolution, RowBatch, SelectOptions, TableError, TableResult, WriteOptions, Written,
};
use mantis_db::{Database, Durability, Session};
use mantis_dialect::{Parser, Query};
use mantis_isolation::history::Isolation;
use mantis_isolation::numbers::Numbers;
use mantis_isolation::verdict::Total;
use mantis_isolation::workload::{Connection, Expect, Failure, Found, Put, Result};

use crate::isolation::{INTERVAL, Place, history_of, torture, wait};

const TABLE: &str = "h";
const DEFINITION: &[u8] = br#"{
    "columns": [{"name": "key", "type": "text", "nullable": false}, {"name": "alias", "type": "text"},
                {"name": "value", "type": "text"}],
    "primary_key": ["key"], "unique": [["alias"]], "indexes": [{"columns": [{"column": "value", "descending": true}]}]
}"#;

/// A session, and whether it gives up waiting at times.
struct RowClient {
    session: Session,
    numbers: Numbers,
}

/// Takes rows with their versions.
#[derive(Default)]
struct FoundRows {
    version: u64,
    rows: Vec<(String, Found)>,
}

impl RowSink for FoundRows {
    fn begin(&mut self, _columns: &[OutputColumn]) -> TableResult<()> {
        self.rows.clear();
        Ok(())
    }

    fn version(&mut self, version: u64) {
        self.version = version;
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> TableResult<()> {
        let text = |cell: &Cell<'_>| match cell {
            Cell::Value(Value::Text(text)) => text.to_string(),
            other => panic!("{other:?}"),
        };
        let version = Some(self.version).filter(|&version| version > 0);
        self.rows.push((text(&cells[0]), Found { value: text(&cells[1]), version }));
        Ok(())
    }
}

fn failure(error: &TableError) -> Failure {
    match error.code {
        "40001" => Failure::Conflict,
        "23505" | "PT412" => Failure::Refused,
        other => panic!("{other}: {error:?}"),
    }
}

/// Waits for a statement, or drops it after the first look, which leaves open what it comes to.
fn attempt<T>(gives_up: bool, statement: impl Future<Output = TableResult<T>>) -> Result<T> {
    let outcome = if gives_up {
        match pin!(statement).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => return Err(Failure::Unknown),
        }
    } else {
        wait(statement)
    };
    outcome.map_err(|error| failure(&error))
}

fn query(parameters: &[(&str, &str)]) -> Query {
    Parser::default().query(parameters.iter().copied()).unwrap()
}

fn batch(puts: &[Put]) -> RowBatch<'_> {
    let text = |text| Input::Text(Cow::Borrowed(text));
    RowBatch {
        columns: ["key", "alias", "value"].map(Cow::Borrowed).to_vec(),
        values: puts.iter().flat_map(|put| [text(&put.key), text(&put.key), text(&put.value)]).collect(),
        rows: puts.len(),
    }
}

/// The version of what was written; none in an open transaction.
fn version(written: &Written) -> Option<u64> {
    Some(written.version).filter(|&version| version > 0)
}

impl RowClient {
    fn new(database: &Database, seed: u64) -> Self {
        Self { session: database.session(), numbers: Numbers::new(seed) }
    }

    fn environment(&self) -> Environment {
        self.session.database().environment(TimeZone::UTC)
    }

    fn select(&mut self, parameters: &[(&str, &str)]) -> Result<Vec<(String, Found)>> {
        let mut found = FoundRows::default();
        let environment = self.environment();
        let selected = wait(self.session.rows(TABLE, environment).select(
            &query(&[parameters, &[("select", "key,value")]].concat()),
            &SelectOptions::default(),
            &mut found,
        ));
        selected.map(|_| found.rows).map_err(|error| failure(&error))
    }

    /// A condition on one of the two keys, or on the one that no index serves as it is written.
    fn condition(&mut self, operator: &str, operand: &str) -> (&'static str, String) {
        match self.numbers.below(5) {
            0 | 1 => ("key", format!("{operator}.{operand}")),
            2 | 3 => ("alias", format!("{operator}.{operand}")),
            _ => ("or", format!("(key.{operator}.{operand},alias.is.null)")),
        }
    }

    /// Changes the row that is there; refused if none is.
    fn change(&mut self, put: &Put, if_version: Option<u64>, gives_up: bool) -> Result<Option<u64>> {
        let (column, condition) = self.condition("eq", &put.key);
        let options = WriteOptions { if_version, ..WriteOptions::default() };
        let environment = self.environment();
        let values = RowBatch {
            columns: vec![Cow::Borrowed("value")],
            values: vec![Input::Text(Cow::Borrowed(&put.value))],
            rows: 1,
        };
        let query = query(&[(column, &condition)]);
        let mut rows = self.session.rows(TABLE, environment);
        let written = attempt(gives_up, rows.update(&query, &values, &options, None))?;
        if written.affected == 0 { Err(Failure::Refused) } else { Ok(version(&written)) }
    }

    fn insert(&mut self, puts: &[Put], resolution: Resolution, gives_up: bool) -> Result<Option<u64>> {
        let options = WriteOptions { resolution, ..WriteOptions::default() };
        let environment = self.environment();
        // Merged by either key.
        let key = if self.numbers.chance(50) { "key" } else { "alias" };
        let query = if resolution == Resolution::Merge { query(&[("on_conflict", key)]) } else { query(&[]) };
        let mut rows = self.session.rows(TABLE, environment);
        let written = attempt(gives_up, rows.insert(&query, &batch(puts), &options, None))?;
        Ok(version(&written))
    }

    fn put_as(&mut self, put: &Put, gives_up: bool) -> Result<Option<u64>> {
        match put.expect {
            Expect::Anything => self.insert(std::slice::from_ref(put), Resolution::Merge, gives_up),
            Expect::Absent => self.insert(std::slice::from_ref(put), Resolution::Fail, gives_up),
            Expect::Present => self.change(put, None, gives_up),
            Expect::Version(version) => self.change(put, Some(version), gives_up),
        }
    }

    /// Commits, or leaves open whether that happens.
    fn end(&mut self) -> Result<Option<u64>> {
        let gives_up = self.numbers.chance(3);
        let committed = attempt(gives_up, async { Ok(self.session.commit().await?) })?;
        Ok(Some(committed.version))
    }
}

impl Connection for RowClient {
    fn begin(&mut self, isolation: Isolation) -> Result<()> {
        let isolation = match isolation {
            Isolation::Serialisable => mantis_db::Isolation::Serializable,
            Isolation::Snapshot => mantis_db::Isolation::Snapshot,
        };
        wait(self.session.begin(isolation)).map_err(|error| failure(&error.into()))
    }

    fn commit(&mut self) -> Result<Option<u64>> {
        self.end()
    }

    fn rollback(&mut self) {
        self.session.rollback();
    }

    fn get(&mut self, key: &str) -> Result<Option<Found>> {
        let (column, condition) = self.condition("eq", key);
        let mut rows = self.select(&[(column, &condition)])?;
        assert!(rows.len() <= 1, "a key has several rows: {rows:?}");
        Ok(rows.pop().map(|(_, found)| found))
    }

    fn get_many(&mut self, keys: &[String]) -> Result<Vec<Option<Found>>> {
        let (column, condition) = self.condition("in", &format!("({})", keys.join(",")));
        let rows = self.select(&[(column, &condition)])?;
        let of = |key: &String| rows.iter().find(|(name, _)| name == key).map(|(_, found)| found.clone());
        Ok(keys.iter().map(of).collect())
    }

    fn scan(&mut self, prefix: &str, limit: usize) -> Result<(Vec<(String, Found)>, bool)> {
        let (column, condition) = self.condition("like", &format!("{prefix}*"));
        let order = *self.numbers.pick(&["key", "alias"]);
        let rows = self.select(&[(column, &condition), ("order", order), ("limit", &limit.to_string())])?;
        let is_all = rows.len() < limit;
        Ok((rows, is_all))
    }

    fn put(&mut self, put: &Put) -> Result<Option<u64>> {
        let gives_up = self.numbers.chance(3);
        self.put_as(put, gives_up)
    }

    fn batch(&mut self, puts: &[Put]) -> Result<Option<u64>> {
        if puts.iter().all(|put| put.expect == Expect::Anything) {
            return self.insert(puts, Resolution::Merge, false);
        }
        self.begin(Isolation::Serialisable)?;
        for put in puts {
            if let Err(failure) = self.put_as(put, false) {
                self.session.rollback();
                return Err(failure);
            }
        }
        self.end()
    }

    fn delete(&mut self, key: &str) -> Result<bool> {
        let (column, condition) = self.condition("eq", key);
        let gives_up = self.numbers.chance(3);
        let environment = self.environment();
        let query = query(&[(column, &condition)]);
        let mut rows = self.session.rows(TABLE, environment);
        Ok(attempt(gives_up, rows.delete(&query, &WriteOptions::default(), None))?.affected > 0)
    }

    /// Reads and writes in a transaction, until that is no conflict.
    fn add(&mut self, key: &str, by: i64) -> Result<(i64, Option<u64>)> {
        loop {
            self.begin(Isolation::Serialisable)?;
            let before = self.get(key)?.map_or(0, |found| found.value.parse::<i64>().unwrap());
            let put = Put { key: key.to_owned(), value: (before + by).to_string(), expect: Expect::Anything };
            let ended = self.put_as(&put, false).and_then(|_| self.end());
            self.session.rollback();
            match ended {
                Err(Failure::Conflict) => {}
                ended => return ended.map(|version| (before + by, version)),
            }
        }
    }

    fn pause(&mut self, numbers: &mut Numbers) {
        if numbers.chance(30) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn histories_over_rows_have_no_anomaly() {
    let mut total = Total::default();
    for seed in 0..200 * torture() {
        let place = match seed % 10 {
            0 => Place::MemoryDisk(Durability::Always),
            1 => Place::MemoryDisk(INTERVAL),
            _ => Place::Memory,
        };
        let prepare = |database: &Database| {
            let document = TableDocument::read(DEFINITION).unwrap();
            wait(database.session().create_table(TABLE, &document)).unwrap();
        };
        let notes = history_of(seed, place, 30, prepare, RowClient::new);
        total.take(&notes).unwrap_or_else(|said| panic!("seed {seed}: {said}"));
    }
    println!("isolation: {total}, over rows");
    assert!(total.histories() >= 200 && total.operations() >= 50_000, "too few: {total}");
}
