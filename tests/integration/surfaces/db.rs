//! The crate `mantis-db`, called directly.

mod across;
mod tables;

use std::collections::HashMap;

use mantis_db::tables::query::OutputColumn;
use mantis_db::{
    Applied, ChangeFilter, ChangeKind, Direction, Expect, Grants, MediaType, Op, OpResult, Outcome, Result,
    ScanOptions, Session, SetOptions, Since, Span,
};

use crate::answer::{Answer, BatchResult, Change, Commit, Entry, Listed, comparable};
use crate::scenario::{self, BatchOperation, Condition, CursorFrom, Operation, Scenario, Step};
use crate::surface::{Place, Stage, Surface};

pub(crate) struct Db;

impl Surface for Db {
    const NAME: &'static str = "db";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        let stage = Stage::new(scenario, place);
        prepare(&stage, scenario).await;
        let mut player = Player::new(stage);
        let mut answers = Vec::new();
        for step in &scenario.steps {
            answers.push(player.play(step).await);
        }
        answers
    }
}

/// Does what a scenario has before its steps.
pub(crate) async fn prepare(stage: &Stage, scenario: &Scenario) {
    let mut player = Player::new(stage.with_grants(Grants::all()));
    for step in &scenario.before {
        let line = player.play(step).await.to_json();
        let mut said = comparable(&line, &step.expect);
        said.as_object_mut().map(|line| line.remove("durable"));
        assert_eq!(said, step.expect, "{}: before its steps", scenario.name);
    }
}

/// Does the steps in order.
pub(crate) struct Player {
    stage: Stage,
    session: Session,
    /// A session for each transaction; it stays after the transaction has ended.
    transactions: HashMap<String, Session>,
    cursors: HashMap<String, Vec<u8>>,
    /// The columns of the rows that the last step showed.
    pub(crate) shown: Vec<OutputColumn>,
}

impl Player {
    pub(crate) fn new(stage: Stage) -> Self {
        let session = stage.database.session_with(stage.grants.clone());
        Self { stage, session, transactions: HashMap::new(), cursors: HashMap::new(), shown: Vec::new() }
    }

    pub(crate) async fn play(&mut self, step: &Step) -> Answer {
        let answer = match &step.operation {
            Operation::AdvanceClock { ms } => return self.stage.advance_clock(*ms),
            Operation::CloseForWrites {} => return self.stage.close_for_writes(),
            Operation::Batch(batch) => {
                let database = self.stage.database.clone();
                return across::batch(&database, self.session(step), batch).await;
            }
            Operation::RowChanges(asked) => {
                let since = self.since(asked.since.as_ref());
                return match across::changes(&mut self.session, asked, since).await {
                    Ok((answer, cursor)) => {
                        keep(&mut self.cursors, step, Some(cursor.into_bytes()));
                        answer
                    }
                    Err(failed) => failed,
                };
            }
            operation if operation.defines_tables() || operation.is_of_rows() => {
                let (database, mut shown) = (self.stage.database.clone(), Vec::new());
                let answer = tables::answer(&database, self.session(step), operation, &mut shown).await;
                self.shown = shown;
                return answer.unwrap_or_else(|error| tables::failed(&error));
            }
            operation => self.operate(step, operation).await,
        };
        answer.unwrap_or_else(|error| Answer::Error(error.code().as_str().to_owned()))
    }

    /// The cursor of the step of this name.
    pub(crate) fn cursor(&self, step: &str) -> Option<Vec<u8>> {
        self.cursors.get(step).cloned()
    }

    /// Remembers the cursor that another surface got for the step of this name.
    pub(crate) fn remember(&mut self, step: &str, cursor: &str) {
        self.cursors.insert(step.to_owned(), cursor.as_bytes().to_vec());
    }

    /// The session of the step's transaction, or that of all steps outside of transactions.
    fn session(&mut self, step: &Step) -> &mut Session {
        let stage = &self.stage;
        match &step.transaction {
            None => &mut self.session,
            Some(name) => self
                .transactions
                .entry(name.clone())
                .or_insert_with(|| stage.database.session_with(stage.grants.clone())),
        }
    }

    fn since(&self, from: Option<&CursorFrom>) -> Since {
        from.map_or(Since::Earliest, |from| Since::Cursor(String::from_utf8(cursor(from, &self.cursors)).unwrap()))
    }

    async fn operate(&mut self, step: &Step, operation: &Operation) -> Result<Answer> {
        let mut cursors = std::mem::take(&mut self.cursors);
        let answer = operate(self.session(step), &mut cursors, step, operation).await;
        self.cursors = cursors;
        answer
    }
}

async fn operate(
    session: &mut Session,
    cursors: &mut HashMap<String, Vec<u8>>,
    step: &Step,
    operation: &Operation,
) -> Result<Answer> {
    match operation {
        Operation::Begin {} => session.begin(mantis_db::Isolation::Serializable).await.map(|()| Answer::Begun),
        Operation::Commit {} | Operation::CommitAgain {} => {
            let mantis_db::Committed { version, durable } = session.commit().await?;
            Ok(Answer::Committed(Commit { version, durable }))
        }
        Operation::Rollback {} => {
            session.rollback();
            Ok(Answer::RolledBack)
        }
        Operation::Buckets {} => {
            let buckets = session.buckets().await?;
            Ok(Answer::Buckets(buckets.into_iter().map(|bucket| (bucket.name, bucket.keys)).collect()))
        }
        Operation::DropBucket {} => session.drop_bucket(&step.bucket).await.map(deleted_answer),
        Operation::Changes(asked) => changes(session, asked, step, cursors).await,
        operation => on_bucket(session, step, operation, cursors).await,
    }
}

async fn on_bucket(
    session: &mut Session,
    step: &Step,
    operation: &Operation,
    cursors: &mut HashMap<String, Vec<u8>>,
) -> Result<Answer> {
    let mut kv = session.kv(&step.bucket)?;
    Ok(match operation {
        Operation::Get { key } => Answer::Value(kv.get(&key.0).await?.map(|entry| entry.value.to_vec())),
        Operation::GetEntry { key } => Answer::Entry(kv.get(&key.0).await?.as_ref().map(entry_of)),
        Operation::GetMany { keys } => {
            let keys: Vec<_> = keys.0.iter().map(|key| &key.0[..]).collect();
            let entries = kv.get_many(&keys).await?;
            Answer::Values(entries.into_iter().map(|entry| entry.map(|entry| entry.value.to_vec())).collect())
        }
        Operation::Set { key, value } => Answer::Written(commit(kv.set(&key.0, &value.0).await?)),
        Operation::SetWith(set) => outcome_answer(kv.set_with(&set.key.0, &set.value.0, &set_options(set)?).await?),
        Operation::Delete { key } => {
            let written = kv.delete(&key.0).await?;
            Answer::Deleted { existed: written.replaced, commit: commit(written) }
        }
        Operation::DeleteIf { key, r#if } => outcome_answer(kv.delete_if(&key.0, expect(*r#if)).await?),
        Operation::Increment { key, by } => {
            let counted = kv.increment(&key.0, *by).await?;
            Answer::Number { number: counted.number, commit: commit(counted.written) }
        }
        Operation::Scan(scan) => {
            let page = kv.scan(&scan_options(scan, cursors)).await?;
            let more = keep(cursors, step, page.cursor);
            let shown = |(key, entry): (_, mantis_db::Entry)| Listed {
                key,
                value: entry.value.to_vec(),
                version: entry.version,
            };
            Answer::Page { entries: page.entries.into_iter().map(shown).collect(), more }
        }
        Operation::ScanKeys(scan) => {
            let page = kv.scan_keys(&scan_options(scan, cursors)).await?;
            Answer::KeyPage { more: keep(cursors, step, page.cursor), keys: page.keys }
        }
        Operation::Count { span } => Answer::Count(kv.count(&span_of(span)).await?),
        Operation::DeleteSpan { span } => deleted_answer(kv.delete_span(&span_of(span)).await?),
        Operation::Apply { ops } => {
            let operations = ops.0.iter().map(batch_operation).collect::<Result<Vec<_>>>()?;
            applied_answer(kv.apply(&operations).await?)
        }
        other => panic!("{other:?} is no operation on a bucket"),
    })
}

async fn changes(
    session: &mut Session,
    asked: &scenario::Changes,
    step: &Step,
    cursors: &mut HashMap<String, Vec<u8>>,
) -> Result<Answer> {
    let since = match &asked.since {
        None => Since::Earliest,
        Some(from) => Since::Cursor(String::from_utf8(cursor(from, cursors)).unwrap()),
    };
    let prefix = asked.prefix.clone().map_or_else(Vec::new, |prefix| prefix.0);
    let filter = ChangeFilter { bucket: asked.of.clone(), prefix };
    let page = session.changes(&filter, &since, asked.limit as usize).await?;
    keep(cursors, step, Some(page.cursor.into_bytes()));
    let shown = |change: mantis_db::Change| Change {
        kind: if change.kind == ChangeKind::Put { "put" } else { "delete" }.to_owned(),
        bucket: change.bucket,
        key: change.key,
        value: change.value.map(|(_, value)| value.to_vec()),
        version: change.version,
        previous_version: change.previous_version,
    };
    Ok(Answer::Changes { changes: page.changes.into_iter().map(shown).collect(), at_end: page.at_end })
}

/// Remembers the cursor of a named step; returns whether there is one.
fn keep(cursors: &mut HashMap<String, Vec<u8>>, step: &Step, cursor: Option<Vec<u8>>) -> bool {
    let more = cursor.is_some();
    if let (Some(name), Some(cursor)) = (&step.name, cursor) {
        cursors.insert(name.clone(), cursor);
    }
    more
}

fn cursor(from: &CursorFrom, cursors: &HashMap<String, Vec<u8>>) -> Vec<u8> {
    match from {
        CursorFrom::MadeUp(bytes) => bytes.0.clone(),
        CursorFrom::Step(name) => cursors.get(name).unwrap_or_else(|| panic!("no cursor of step {name}")).clone(),
    }
}

fn scan_options(scan: &scenario::Scan, cursors: &HashMap<String, Vec<u8>>) -> ScanOptions {
    ScanOptions {
        span: span_of(&scan.span),
        direction: if scan.reverse { Direction::Reverse } else { Direction::Forward },
        limit: scan.limit as usize,
        cursor: scan.cursor.as_ref().map(|from| cursor(from, cursors)),
    }
}

fn span_of(span: &scenario::Span) -> Span {
    match span {
        scenario::Span::All => Span::All,
        scenario::Span::Prefix(prefix) => Span::Prefix(prefix.0.clone()),
        scenario::Span::Between { start, end } => {
            Span::Between { start: start.as_ref().map(|key| key.0.clone()), end: end.as_ref().map(|key| key.0.clone()) }
        }
    }
}

fn expect(condition: Condition) -> Expect {
    match condition {
        Condition::Anything => Expect::Anything,
        Condition::Absent => Expect::Absent,
        Condition::Present => Expect::Present,
        Condition::Version(version) => Expect::Version(version),
    }
}

fn set_options(set: &scenario::Set) -> Result<SetOptions> {
    let media_type = set.media_type.as_deref().map_or(Ok(MediaType::default()), MediaType::new)?;
    Ok(SetOptions { media_type, ttl_ms: set.ttl_ms, expect: expect(set.r#if) })
}

fn batch_operation(operation: &BatchOperation) -> Result<Op> {
    Ok(match operation {
        BatchOperation::Get { key } => Op::Get(key.0.clone()),
        BatchOperation::Set(set) => Op::Set(set.key.0.clone(), set.value.0.clone(), set_options(set)?),
        BatchOperation::Delete { key, r#if } => Op::Delete(key.0.clone(), expect(*r#if)),
        BatchOperation::DeleteSpan { span } => Op::DeleteSpan(span_of(span)),
        BatchOperation::Increment { key, by } => Op::Increment(key.0.clone(), *by),
        BatchOperation::Check { key, r#if } => Op::Check(key.0.clone(), expect(*r#if)),
    })
}

fn entry_of(entry: &mantis_db::Entry) -> Entry {
    Entry {
        value: entry.value.to_vec(),
        media_type: entry.media_type.as_str().to_owned(),
        version: entry.version,
        modified_ms: entry.modified_ms,
        expires_at_ms: entry.expires_at_ms,
    }
}

fn commit(written: mantis_db::Written) -> Commit {
    Commit { version: written.version, durable: written.durable }
}

fn deleted_answer(deleted: mantis_db::Deleted) -> Answer {
    let commit = Commit { version: deleted.version, durable: deleted.durable };
    Answer::DeletedKeys { count: deleted.keys, commit }
}

fn outcome_answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Written(written) => Answer::Written(commit(written)),
        Outcome::Refused(current) => Answer::Refused { current: current.map(|entry| entry.version) },
    }
}

fn applied_answer(applied: Applied) -> Answer {
    match applied {
        Applied::Refused(refusals) => Answer::BatchRefused(
            refusals.into_iter().map(|refusal| (refusal.index, refusal.current.map(|entry| entry.version))).collect(),
        ),
        Applied::Committed { version, durable, results } => Answer::Applied {
            commit: Commit { version, durable },
            results: results.into_iter().map(result_of).collect(),
        },
    }
}

fn result_of(result: OpResult) -> BatchResult {
    match result {
        OpResult::Entry(entry) => BatchResult::Entry(entry.map(|entry| (entry.value.to_vec(), entry.version))),
        OpResult::Done => BatchResult::Done,
        OpResult::Deleted(count) => BatchResult::Deleted(count),
        OpResult::Number(number) => BatchResult::Number(number),
        other => panic!("a batch answered {other:?}"),
    }
}
