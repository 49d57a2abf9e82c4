//! The C interface: every step goes through the functions of `mantisdb.h`, with pointers and lengths, structures and packed pages as a C
//! program has them. `c` is over a database in this process, `c-remote` over the URL of a server in it.
//!
//! They are called from Rust, in this process: a program in C would need a reader of JSON for the steps, and would say nothing more. That
//! the header declares what is called here is `host/ffi/tests/header.rs`, and that C and C++ compilers agree is `host/ffi/tests/c`.

#![allow(unsafe_code, reason = "the functions of the header take pointers")]

mod across;
mod calls;
mod packed;
mod tables;

use std::collections::HashMap;

use mantis_db::Grants;
use mantisdb_c::status::{MANTIS_NOT_FOUND, MANTIS_OK, MANTIS_REFUSED};
use mantisdb_c::testing::pool_over;
use mantisdb_c::types::flags as f;
use mantisdb_c::types::mantis_pool;
use mantisdb_c::{mantis_pool_destroy, mantis_pool_new};
use serde_json::Value;
use tokio::task::block_in_place;

use self::calls::{Connection, Failed, Result};
use crate::absent;
use crate::answer::{Answer, BatchResult, Commit};
use crate::scenario::{BatchOperation, Changes, Condition, CursorFrom, Operation, Scan, Scenario, Span, Step};
use crate::surface::{Place, Stage, Surface};
use crate::surfaces::db::{self, prepare};
use crate::surfaces::go::text_of;
use crate::surfaces::http::Server;

pub(crate) struct C;

pub(crate) struct CRemote;

impl Surface for C {
    const NAME: &'static str = "c";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        let stage = Stage::new(scenario, place);
        prepare(&stage, scenario).await;
        let pool = pool_over(stage.database.clone());
        let mut player = Player::new(stage, pool);
        let answers = scenario.steps.iter().map(|step| player.play(step)).collect();
        drop(player);
        // SAFETY: no error is wanted.
        assert_eq!(unsafe { mantis_pool_destroy(pool, std::ptr::null_mut()) }, MANTIS_OK, "no connection is out");
        answers
    }
}

impl Surface for CRemote {
    const NAME: &'static str = "c-remote";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        let stage = Stage::new(scenario, place);
        prepare(&stage, scenario).await;
        let server = Server::start(&stage).await;
        let pool = pool_of(&format!("http://127.0.0.1:{}", server.port()));
        // The functions wait on this thread: the server has others.
        let mut player = Player::new(stage.clone(), pool);
        let mut beside = db::Player::new(stage);
        let mut answers = Vec::new();
        for step in &scenario.steps {
            answers.push(match absent::lacking(Self::NAME, step) {
                Some(what) => {
                    assert!(step.transaction.is_none(), "{what} cannot be done beside a transaction");
                    beside.play(step).await
                }
                None => block_in_place(|| player.play(step)),
            });
        }
        block_in_place(|| drop(player));
        // SAFETY: no error is wanted.
        assert_eq!(unsafe { mantis_pool_destroy(pool, std::ptr::null_mut()) }, MANTIS_OK, "no connection is out");
        server.stop().await;
        answers
    }
}

/// A pool of connections to a server.
fn pool_of(url: &str) -> mantis_pool {
    let mut pool = mantis_pool::default();
    // SAFETY: the text is lent for the call; neither settings nor an error are given.
    let status = unsafe {
        mantis_pool_new(url.as_ptr().cast(), url.len(), std::ptr::null(), &raw mut pool, std::ptr::null_mut())
    };
    assert_eq!(status, MANTIS_OK, "{url}");
    pool
}

/// Does the steps in order.
struct Player {
    stage: Stage,
    pool: mantis_pool,
    connection: Connection,
    /// A connection for each transaction; it stays after the transaction has ended.
    transactions: HashMap<String, Connection>,
    cursors: HashMap<String, Vec<u8>>,
}

impl Player {
    fn new(stage: Stage, pool: mantis_pool) -> Self {
        let connection = connect(&stage, pool);
        Self { stage, pool, connection, transactions: HashMap::new(), cursors: HashMap::new() }
    }

    fn play(&mut self, step: &Step) -> Answer {
        match &step.operation {
            Operation::AdvanceClock { ms } => self.stage.advance_clock(*ms),
            Operation::CloseForWrites {} => self.stage.close_for_writes(),
            Operation::Batch(batch) => across::batch(self.within(step), batch),
            operation => self.operate(step, operation).unwrap_or_else(Failed::answer),
        }
    }

    /// The connection of the step's transaction, or that of all steps outside of transactions.
    fn within(&mut self, step: &Step) -> &mut Connection {
        match &step.transaction {
            None => &mut self.connection,
            Some(name) => self.transactions.entry(name.clone()).or_insert_with(|| connect(&self.stage, self.pool)),
        }
    }

    fn operate(&mut self, step: &Step, operation: &Operation) -> Result<Answer> {
        match operation {
            Operation::Begin {} => self.within(step).begin().map(|()| Answer::Begun),
            Operation::Commit {} | Operation::CommitAgain {} => self.within(step).commit().map(Answer::Committed),
            Operation::Rollback {} => self.within(step).rollback().map(|()| Answer::RolledBack),
            Operation::Buckets {} => self.within(step).buckets().map(Answer::Buckets),
            Operation::DropBucket {} => {
                let (count, commit) = self.within(step).drop_bucket(&step.bucket)?;
                Ok(Answer::DeletedKeys { count, commit })
            }
            Operation::Scan(scan) => self.scan(step, scan, 0),
            Operation::ScanKeys(scan) => self.scan(step, scan, f::MANTIS_SCAN_KEYS),
            Operation::Changes(asked) => self.changes(step, asked),
            Operation::RowChanges(asked) => {
                let since = asked.since.as_ref().map(|from| self.cursor(from));
                let (events, cursor) = across::changes(self.within(step), asked, since.as_deref())?;
                self.keep(step, Some(cursor));
                Ok(Answer::Events(events))
            }
            operation if operation.defines_tables() || operation.is_of_rows() => {
                tables::answer(self.within(step), operation)
            }
            operation => on_key(self.within(step), &step.bucket, operation),
        }
    }

    fn scan(&mut self, step: &Step, scan: &Scan, flags: u32) -> Result<Answer> {
        let cursor = scan.cursor.as_ref().map(|from| self.cursor(from));
        let flags = flags | if scan.reverse { f::MANTIS_SCAN_REVERSE } else { 0 };
        let page = self.within(step).scan(&step.bucket, span_of(&scan.span), flags, scan.limit, cursor.as_deref())?;
        let more = self.keep(step, page.cursor);
        let entries = packed::entries(&page.data);
        assert_eq!(entries.len() as u64, page.count);
        Ok(if flags & f::MANTIS_SCAN_KEYS == 0 {
            Answer::Page { entries: entries.into_iter().map(packed::Record::listed).collect(), more }
        } else {
            Answer::KeyPage { keys: entries.into_iter().map(|entry| entry.key).collect(), more }
        })
    }

    fn changes(&mut self, step: &Step, asked: &Changes) -> Result<Answer> {
        let since = asked.since.as_ref().map(|from| self.cursor(from));
        let prefix = asked.prefix.as_ref().map_or(&[][..], |prefix| &prefix.0);
        let page = self.within(step).changes(asked.of.as_deref(), prefix, since.as_deref(), asked.limit)?;
        self.keep(step, page.cursor);
        let at_end = page.flags & f::MANTIS_PAGE_AT_END != 0;
        let changes = packed::changes(&page.data);
        assert_eq!(changes.len() as u64, page.count);
        Ok(Answer::Changes { changes, at_end })
    }

    fn cursor(&self, from: &CursorFrom) -> Vec<u8> {
        match from {
            CursorFrom::MadeUp(bytes) => bytes.0.clone(),
            CursorFrom::Step(name) => {
                self.cursors.get(name).unwrap_or_else(|| panic!("no cursor of step {name}")).clone()
            }
        }
    }

    /// Remembers the cursor of a named step; returns whether there is one.
    fn keep(&mut self, step: &Step, cursor: Option<Vec<u8>>) -> bool {
        let more = cursor.is_some();
        self.cursors.extend(step.name.clone().zip(cursor));
        more
    }
}

/// A connection with the grants of the scenario.
fn connect(stage: &Stage, pool: mantis_pool) -> Connection {
    let mut connection = Connection::acquire(pool);
    if *stage.grants != Grants::all() {
        connection.set_grants(&text_of(&stage.grants));
    }
    connection
}

fn on_key(connection: &mut Connection, bucket: &str, operation: &Operation) -> Result<Answer> {
    Ok(match operation {
        Operation::Get { key } => Answer::Value(connection.get(bucket, &key.0)?.map(|entry| entry.value)),
        Operation::GetEntry { key } => Answer::Entry(connection.get(bucket, &key.0)?),
        Operation::GetMany { keys } => {
            let page = connection.get_many(bucket, &packed::keys(&keys.0), keys.0.len())?;
            let entries = packed::entries(&page.data);
            assert_eq!(entries.len() as u64, page.count);
            Answer::Values(entries.into_iter().map(|entry| entry.is_there.then_some(entry.value)).collect())
        }
        Operation::Set { key, value } => {
            assert_eq!(connection.put(bucket, &key.0, &value.0, None)?, MANTIS_OK);
            Answer::Written(connection.written_commit())
        }
        Operation::SetWith(set) => {
            let status = connection.put(bucket, &set.key.0, &set.value.0, Some(&calls::put_options(set)))?;
            outcome(connection, status)
        }
        Operation::Delete { key } => {
            let status = connection.delete(bucket, &key.0, Condition::Anything)?;
            Answer::Deleted { existed: status != MANTIS_NOT_FOUND, commit: connection.written_commit() }
        }
        Operation::DeleteIf { key, r#if } => {
            let status = connection.delete(bucket, &key.0, *r#if)?;
            outcome(connection, status)
        }
        Operation::Increment { key, by } => {
            let number = connection.increment(bucket, &key.0, *by)?;
            Answer::Number { number, commit: connection.written_commit() }
        }
        Operation::Count { span } => Answer::Count(connection.count(bucket, span_of(span))?),
        Operation::DeleteSpan { span } => {
            let (count, commit) = connection.delete_span(bucket, span_of(span))?;
            Answer::DeletedKeys { count, commit }
        }
        Operation::Apply { ops } => {
            let (status, page) = connection.apply(bucket, &packed::operations(&ops.0), ops.0.len())?;
            let results = packed::results(&page.data);
            assert_eq!(results.len() as u64, page.count);
            if status == MANTIS_REFUSED {
                Answer::BatchRefused(results.iter().map(packed::Outcome::refusal).collect())
            } else {
                let results = ops.0.iter().zip(results).map(|(op, result)| applied(op, result)).collect();
                Answer::Applied { commit: connection.written_commit(), results }
            }
        }
        other => panic!("{other:?} is no operation on a bucket"),
    })
}

fn applied(operation: &BatchOperation, result: packed::Outcome) -> BatchResult {
    let result = result.result();
    let is_right = match operation {
        BatchOperation::Get { .. } => matches!(result, BatchResult::Entry(_)),
        BatchOperation::Set(_) | BatchOperation::Check { .. } => result == BatchResult::Done,
        BatchOperation::Delete { .. } | BatchOperation::DeleteSpan { .. } => matches!(result, BatchResult::Deleted(_)),
        BatchOperation::Increment { .. } => matches!(result, BatchResult::Number(_)),
    };
    assert!(is_right, "{operation:?} has the result {result:?}");
    result
}

/// The outcome of a write with a condition.
fn outcome(connection: &Connection, status: i32) -> Answer {
    if status != MANTIS_REFUSED {
        return Answer::Written(connection.written_commit());
    }
    let written = connection.written();
    let exists = written.flags & f::MANTIS_CURRENT_EXISTS != 0;
    Answer::Refused { current: exists.then_some(written.current_version) }
}

/// A span as its functions take it. A bound that is not given is NULL.
fn span_of(span: &Span) -> (u32, Option<&[u8]>, Option<&[u8]>) {
    match span {
        Span::All => (f::MANTIS_SPAN_ALL, None, None),
        Span::Prefix(prefix) => (f::MANTIS_SPAN_PREFIX, Some(&prefix.0), None),
        Span::Between { start, end } => {
            (f::MANTIS_SPAN_BETWEEN, start.as_ref().map(|key| &key.0[..]), end.as_ref().map(|key| &key.0[..]))
        }
    }
}

fn condition(condition: Condition) -> (u32, u64) {
    match condition {
        Condition::Anything => (f::MANTIS_IF_ANYTHING, 0),
        Condition::Absent => (f::MANTIS_IF_ABSENT, 0),
        Condition::Present => (f::MANTIS_IF_PRESENT, 0),
        Condition::Version(version) => (f::MANTIS_IF_VERSION, version),
    }
}

/// What a write of many keys or rows has done.
type Counted = (u64, Commit);

fn json_of(data: &[u8]) -> Value {
    serde_json::from_slice(data).unwrap()
}
