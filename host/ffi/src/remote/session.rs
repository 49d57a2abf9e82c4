//! A connection of a pool, and its open transaction.

use std::sync::Arc;

use hyper::Method;
use mantis_db::{Applied, ChangeFilter, Changes, Code, Counted, Deleted, Entry, Error, Expect, Isolation, Op, Outcome};
use mantis_db::{ScanOptions, SetOptions, Since, Span, Written};
use serde::Deserialize;

use super::problem::{self, Lost};
use super::server::Server;
use super::url::Path;
use super::wire::{Answer, Request, Wire};
use super::{batch, changes, keys, tables};
use crate::abi::status;
use crate::failure::Failure;
use crate::far::{BatchDone, Bucket, Far, Feed, RowsDone, Scanned, Shown};
use crate::statements::Statement;
use crate::waiting::block;

const IN_TRANSACTION: &str = "mantisdb-transaction";

/// A connection.
pub(super) struct Session {
    server: Arc<Server>,
    wire: Wire,
    /// The id of the open transaction.
    transaction: Option<String>,
    /// It is not known what the open transaction holds: a write in it was sent, and its answer did not come or cannot be read.
    is_doomed: bool,
    /// The call under way has written, by an answer that is still to be read.
    has_written: bool,
    /// Of the transaction that lost a conflict last.
    retry_token: Option<String>,
}

impl Session {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self { server, wire: Wire::new(), transaction: None, is_doomed: false, has_written: false, retry_token: None }
    }

    /// Sends a request, within the transaction if there is one, and waits for its answer.
    ///
    /// # Errors
    /// What the server says, or why it says nothing.
    pub(super) fn send(&mut self, request: Request) -> Result<Answer, Lost> {
        let Some(transaction) = &self.transaction else { return self.send_alone(&request) };
        if self.is_doomed {
            return Err(doomed().into());
        }
        let is_write = request.is_write;
        let request = request.header(IN_TRANSACTION, transaction);
        // Nothing of it is written before the commit, but the commit takes along what arrived.
        let answer = self.send_alone(&Request { is_write: false, ..request });
        self.has_written = is_write && answer.is_ok();
        self.is_doomed = is_write && self.wire.has_sent() && answer.as_ref().is_err_and(Lost::leaves_open);
        answer
    }

    /// Runs a call. A write whose answer came and cannot be read may have happened.
    fn call<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        self.has_written = false;
        let done = work(self);
        match done {
            Err(failure) if self.has_written && failure.code == problem::MALFORMED => {
                if self.transaction.is_some() {
                    self.is_doomed = true;
                    return Err(failure);
                }
                Err(problem::unknown(&failure.message))
            }
            done => done,
        }
    }

    /// Sends a request that belongs to no transaction.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) fn send_alone(&mut self, request: &Request) -> Result<Answer, Lost> {
        let Self { server, wire, .. } = self;
        let answer = block::wait(wire.send(&server.base, &server.limits, request))?;
        self.has_written = request.is_write && answer.is_ok();
        answer
    }

    fn take_transaction(&mut self) -> Result<String, Failure> {
        self.transaction.take().ok_or_else(|| Error::from(Code::TransactionNotOpen).into())
    }
}

/// A transaction of which nobody knows what it holds.
fn doomed() -> Failure {
    let message = "the answer to a write in this transaction was lost: the transaction can only be rolled back";
    Failure::new(status::MANTIS_E_INVALID, Code::TransactionNotOpen.as_str(), message)
        .with_hint("Roll back, and run the transaction again from its beginning.")
}

/// The commit in an answer's headers. In a transaction there is none.
pub(super) fn written(answer: &Answer) -> Written {
    let version = answer.text("mantisdb-version").and_then(|version| version.parse().ok()).unwrap_or(0);
    Written { version, durable: answer.text("mantisdb-durable") == Some("true"), replaced: false }
}

/// The version in a tag.
pub(super) fn tag(headers: &hyper::HeaderMap) -> Option<u64> {
    let tag = headers.get("etag")?.to_str().ok()?.strip_prefix("\"v")?;
    tag.split(['-', '"']).next()?.parse().ok()
}

impl Far for Session {
    fn get(&mut self, bucket: &str, key: &[u8]) -> Result<Option<Entry>, Failure> {
        self.call(|session| keys::get(session, bucket, key))
    }

    fn get_many(&mut self, bucket: &str, keys: &[&[u8]]) -> Result<Vec<Option<Entry>>, Failure> {
        self.call(|session| keys::get_many(session, bucket, keys))
    }

    fn set(&mut self, bucket: &str, key: &[u8], value: &[u8], options: &SetOptions) -> Result<Outcome, Failure> {
        self.call(|session| keys::set(session, bucket, key, value, options))
    }

    fn delete(&mut self, bucket: &str, key: &[u8], expect: Expect) -> Result<Outcome, Failure> {
        self.call(|session| keys::delete(session, bucket, key, expect))
    }

    fn increment(&mut self, bucket: &str, key: &[u8], by: i64) -> Result<Counted, Failure> {
        self.call(|session| keys::increment(session, bucket, key, by))
    }

    fn scan(&mut self, bucket: &str, options: &ScanOptions, keys_only: bool) -> Result<Scanned, Failure> {
        self.call(|session| keys::scan(session, bucket, options, keys_only))
    }

    fn count(&mut self, bucket: &str, span: &Span) -> Result<u64, Failure> {
        self.call(|session| keys::count(session, bucket, span))
    }

    fn delete_span(&mut self, bucket: &str, span: &Span) -> Result<Deleted, Failure> {
        self.call(|session| keys::delete_span(session, bucket, span))
    }

    fn apply(&mut self, bucket: &str, operations: &[Op]) -> Result<Applied, Failure> {
        self.call(|session| keys::apply(session, bucket, operations))
    }

    fn buckets(&mut self) -> Result<Vec<Bucket>, Failure> {
        keys::buckets(self)
    }

    fn drop_bucket(&mut self, bucket: &str) -> Result<Deleted, Failure> {
        self.call(|session| keys::drop_bucket(session, bucket))
    }

    fn begin(&mut self, isolation: Isolation, is_again: bool) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Begun {
            id: String,
        }
        if self.transaction.is_some() {
            return Err(Error::from(Code::TransactionOpen).into());
        }
        let isolation = (isolation == Isolation::Snapshot).then_some("snapshot");
        let retry = self.retry_token.take().filter(|_| is_again);
        let path = Path::new("/transactions").with_some("isolation", isolation).with_some("retry", retry);
        // One that is begun and never used ends by itself; a second request would leave two.
        let request = Request { is_safe: false, ..Request::read(Method::POST, path) };
        let begun: Begun = self.send_alone(&request)?.json()?;
        if begun.id.is_empty() || !begun.id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(problem::malformed("the transaction has no id"));
        }
        self.transaction = Some(begun.id);
        self.is_doomed = false;
        Ok(())
    }

    fn commit(&mut self) -> Result<Written, Failure> {
        if self.transaction.is_some() && self.is_doomed {
            // If this does not arrive, the server rolls back when the transaction is idle.
            let _ = self.rollback();
            return Err(doomed());
        }
        let id = self.take_transaction()?;
        let path = Path::new("/transactions").part(&id).then("/commit");
        match self.send_alone(&Request::write(Method::POST, path)) {
            Ok(answer) => Ok(written(&answer)),
            Err(lost) => {
                if let Lost::Refused(refused) = &lost {
                    self.retry_token.clone_from(&refused.problem.retry_token);
                }
                Err(lost.into())
            }
        }
    }

    fn rollback(&mut self) -> Result<(), Failure> {
        self.retry_token = None;
        let Some(id) = self.transaction.take() else { return Ok(()) };
        match self.send_alone(&Request::read(Method::DELETE, Path::new("/transactions").part(&id))) {
            Ok(_) => Ok(()),
            // The server has rolled it back already.
            Err(lost) if lost.code() == Code::TransactionNotOpen.as_str() => Ok(()),
            Err(lost) => Err(lost.into()),
        }
    }

    fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    fn reset(&mut self) {
        self.retry_token = None;
        if self.transaction.take().is_some() {
            // Whoever had it has not waited for its end.
            self.wire.close();
        }
    }

    fn changes(&mut self, filter: &ChangeFilter, since: &Since, limit: usize) -> Result<Changes, Failure> {
        changes::of_keys(self, filter, since, limit)
    }

    fn create_table(&mut self, table: &str, definition: &str) -> Result<(Shown, bool), Failure> {
        self.call(|session| tables::create(session, table, definition))
    }

    fn alter_table(&mut self, table: &str, change: &str) -> Result<Shown, Failure> {
        self.call(|session| tables::alter(session, table, change))
    }

    fn drop_table(&mut self, table: &str) -> Result<(), Failure> {
        self.call(|session| tables::drop(session, table))
    }

    fn describe_table(&mut self, table: &str) -> Result<Shown, Failure> {
        tables::describe(self, table)
    }

    fn tables(&mut self) -> Result<Shown, Failure> {
        tables::list(self)
    }

    fn rows(&mut self, statement: &Statement<'_>, format: u32) -> Result<RowsDone, Failure> {
        self.call(|session| tables::run(session, statement, format))
    }

    fn batch(&mut self, operations: &str) -> Result<BatchDone, Failure> {
        self.call(|session| batch::run(session, operations))
    }

    fn row_changes(
        &mut self,
        table: Option<&str>,
        filter: &str,
        select: &str,
        since: &Since,
        limit: usize,
    ) -> Result<Feed, Failure> {
        changes::of_rows(self, table, filter, select, since, limit)
    }
}
