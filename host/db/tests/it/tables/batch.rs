//! Batches on keys and rows: whole or not at all, whatever stops them and whoever writes beside them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use mantis_db::batch::{
    Applied, Argument, BatchError, BatchOptions, Done, Found, Matches, Operation, Reference, Refusal, RowOperation,
    RowVerb,
};
use mantis_db::tables::{Input, Interrupt, Resolution, RowBatch};
use mantis_db::{Access, Database, Expect, Grants, Isolation, Limits, Op, OpResult, SeededRandom, Session, SetOptions};
use mantis_dialect::Parser;
use serde_json::value::RawValue;

use super::support::{Tables, check_tables, create, get};
use crate::support::{Short as _, now};

const ORDERS: &str = r#"{"columns":[{"name":"id","type":"bigint","identity":true},{"name":"status","type":"text"}],
  "primary_key":["id"],"indexes":[{"columns":["status"]}]}"#;
const LINES: &str = r#"{"columns":[{"name":"id","type":"bigint","identity":true},{"name":"order_id","type":"bigint"},
    {"name":"n","type":"integer","default":1}],
  "primary_key":["id"],"checks":[{"check":"n=gte.0"}],
  "foreign_keys":[{"columns":["order_id"],"references":{"table":"orders","columns":["id"]}}]}"#;

fn tables() -> Tables {
    Tables::new(&[("orders", ORDERS), ("lines", LINES)])
}

fn key(bucket: &'static str, op: Op) -> Operation<'static> {
    Operation::Key { bucket: bucket.into(), op }
}

fn row(operation: RowOperation<'static>) -> Operation<'static> {
    operation.into()
}

fn set(key_text: &str, value: &str) -> Operation<'static> {
    key("default", Op::Set(key_text.into(), value.into(), SetOptions::default()))
}

fn check_key(key_text: &str, expect: Expect) -> Operation<'static> {
    key("default", Op::Check(key_text.into(), expect))
}

/// An operation on the rows of `table?a=b&c=d`.
#[track_caller]
fn on(target: &'static str, verb: RowVerb<'static>) -> RowOperation<'static> {
    let (table, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap());
    let query = Parser::default().with_arguments().query(pairs).unwrap();
    RowOperation { returns_rows: query.select.is_some(), ..RowOperation::new(table, query, verb) }
}

#[track_caller]
fn rows(json: &'static str) -> RowBatch<'static> {
    let rows: Vec<BTreeMap<&str, &RawValue>> = serde_json::from_str(json).unwrap();
    let columns: Vec<_> = rows.first().into_iter().flat_map(|row| row.keys()).map(|&name| name.into()).collect();
    let values = rows.iter().flat_map(BTreeMap::values).map(|raw| Input::Json(raw.get())).collect();
    RowBatch { columns, values, rows: rows.len() }
}

#[track_caller]
fn insert(target: &'static str, json: &'static str) -> Operation<'static> {
    insert_from(target, json, &[])
}

/// Inserts rows with columns whose values earlier operations made.
#[track_caller]
fn insert_from(target: &'static str, json: &'static str, from: &[(&'static str, usize, &str)]) -> Operation<'static> {
    let from = from.iter().map(|&(column, operation, of)| (column.into(), reference(operation, of))).collect();
    row(on(target, RowVerb::Insert { rows: rows(json), resolution: Resolution::Fail, from }))
}

fn reference(operation: usize, column: &str) -> Reference {
    Reference { operation, column: column.to_owned() }
}

#[track_caller]
fn update(target: &'static str, json: &'static str) -> RowOperation<'static> {
    on(target, RowVerb::Update { set: rows(json), from: Vec::new() })
}

#[track_caller]
fn delete(target: &'static str) -> RowOperation<'static> {
    on(target, RowVerb::Delete)
}

fn matching(operation: RowOperation<'static>, matches: impl Into<Option<Matches>>) -> Operation<'static> {
    row(RowOperation { matches: matches.into(), ..operation })
}

fn of_version(operation: RowOperation<'static>, version: u64) -> Operation<'static> {
    row(RowOperation { if_version: Some(version), ..operation })
}

#[track_caller]
fn check(target: &'static str, matches: Matches) -> Operation<'static> {
    matching(on(target, RowVerb::Check), matches)
}

fn run(session: &mut Session, operations: &[Operation<'_>]) -> Result<Applied, BatchError> {
    let environment = session.database().environment(TimeZone::UTC);
    now(session.batch(operations, &environment, &BatchOptions::default()))
}

/// The outcome in a line: the results, the operations refused, or the error with its operation.
#[track_caller]
fn outcome(session: &mut Session, operations: &[Operation<'_>]) -> String {
    match run(session, operations) {
        Ok(Applied::Committed { results, .. }) => results.iter().map(shown).collect::<Vec<_>>().join(" "),
        Ok(Applied::Refused(refusals)) => {
            let shown = refusals.iter().map(|Refusal { index, found }| match found {
                Found::Key { version } => format!("{index}: version {version:?}"),
                Found::Rows { count, version: None } => format!("{index}: {count} rows"),
                Found::Rows { count, version: Some(version) } => format!("{index}: {count} rows, version {version}"),
            });
            format!("refused {}", shown.collect::<Vec<_>>().join(", "))
        }
        Err(BatchError { index: Some(index), cause }) => format!("failed {index}: {}", cause.code()),
        Err(BatchError { index: None, cause }) => format!("failed: {}", cause.code()),
    }
}

fn shown(done: &Done) -> String {
    let text = |rows: &[u8]| String::from_utf8(rows.to_vec()).unwrap();
    match done {
        Done::Key(OpResult::Entry(entry)) => {
            entry.as_ref().map_or("none".to_owned(), |entry| format!("{:?}", text(&entry.value)))
        }
        Done::Key(OpResult::Number(number)) => number.to_string(),
        Done::Key(OpResult::Deleted(keys)) => format!("-{keys}"),
        Done::Selected(rows) | Done::Written { rows: Some(rows), .. } => text(rows),
        Done::Written { affected, inserted, .. } => format!("{inserted}/{affected}"),
        _ => "ok".to_owned(),
    }
}

/// Runs the operations on two orders (one of them with a line) and a key, and compares the outcome. What fails leaves nothing behind.
#[track_caller]
fn expect(operations: &[Operation<'_>], expected: &str) {
    for is_open in [false, true] {
        let mut tables = tables();
        tables.post("orders", r#"[{"status":"new"},{"status":"paid"}]"#).unwrap();
        tables.post("lines", r#"{"order_id":1}"#).unwrap();
        tables.session.put("default", "stock", "5");
        let state = |session: &mut Session| {
            let keys = ["stock", "a"].map(|key| session.text("default", key));
            (get(session, "orders"), get(session, "lines"), keys, session.text("fresh", "a"))
        };
        let before = state(&mut tables.session);
        if is_open {
            tables.session_begin();
        }
        assert_eq!(outcome(&mut tables.session, operations), expected, "in a transaction: {is_open}");
        if is_open {
            tables.session_commit();
        }
        if expected.starts_with("refused") || expected.starts_with("failed") {
            assert_eq!(state(&mut tables.session), before, "in a transaction: {is_open}");
            assert_eq!(now(tables.stage.session().buckets()).unwrap().len(), 1, "no bucket is left");
        }
        tables.check();
    }
}

#[test]
fn operations_see_the_writes_of_those_before_them() {
    expect(
        &[
            key("default", Op::Increment(b"stock".to_vec(), -2)),
            key("default", Op::Get(b"stock".to_vec())),
            insert("orders?select=id,status", r#"[{"status":"new"}]"#),
            row(on("orders?status=eq.new&select=id", RowVerb::Select)),
            matching(update("orders?status=eq.new&select=id", r#"[{"status":"sent"}]"#), Matches::exactly(2)),
            check("orders?status=eq.new", Matches::exactly(0)),
            matching(delete("lines?order_id=eq.1"), None),
            matching(delete("orders?id=eq.1"), Matches::exactly(1)),
            key("default", Op::Delete(b"stock".to_vec(), Expect::Present)),
            check_key("stock", Expect::Absent),
        ],
        r#"3 "3" [{"id":3,"status":"new"}] [{"id":1},{"id":3}] [{"id":1},{"id":3}] ok 0/1 0/1 -1 ok"#,
    );
    expect(&[], "");
}

#[test]
fn an_error_undoes_everything_and_names_its_operation() {
    let writes =
        || vec![set("a", "1"), key("fresh", Op::Increment(b"a".to_vec(), 1)), insert("orders", r#"[{"status":"x"}]"#)];
    let after_writes = |last: Operation<'static>| [writes(), vec![last]].concat();
    expect(&after_writes(insert("orders", r#"[{"id":1}]"#)), "failed 3: 23505");
    expect(&after_writes(insert("lines", r#"[{"order_id":99}]"#)), "failed 3: 23503");
    expect(&after_writes(insert("lines", r#"[{"n":-1}]"#)), "failed 3: 23514");
    expect(&after_writes(insert("lines", r#"[{"nope":-1}]"#)), "failed 3: PGRST204");
    expect(&after_writes(insert("nowhere", r#"[{"n":1}]"#)), "failed 3: PGRST205");
    expect(&after_writes(matching(delete("orders?id=eq.1"), None)), "failed 3: 23503");
    expect(&after_writes(matching(delete("orders?id=eq.x"), None)), "failed 3: 22P02");
    expect(&after_writes(key("default", Op::Increment(b"a".to_vec(), i64::MAX))), "failed 3: integer-overflow");
    expect(&after_writes(key("Not a bucket", Op::Get(b"a".to_vec()))), "failed 3: bucket-name-invalid");
    expect(&after_writes(key("default", Op::Get(Vec::new()))), "failed 3: key-empty");
}

#[test]
fn every_condition_that_does_not_hold_is_named() {
    expect(
        &[
            set("a", "1"),
            key("fresh", Op::Increment(b"a".to_vec(), 1)),
            check_key("stock", Expect::Version(99)),
            check_key("missing", Expect::Present),
            check("orders?status=eq.paid", Matches::exactly(2)),
            check("orders", Matches { min: 0, max: Some(1) }),
            check("orders?status=eq.gone", Matches { min: 1, max: None }),
            matching(update("orders?status=eq.gone", r#"[{"status":"x"}]"#), Matches::exactly(1)),
            matching(delete("lines"), Matches::exactly(0)),
            matching(on("orders?select=id", RowVerb::Select), Matches::from(3..=4)),
            check("orders?id=eq.1", Matches::exactly(1)),
        ],
        "refused 2: version Some(5), 3: version None, 4: 1 rows, 5: 2 rows, 6: 0 rows, 7: 0 rows, 8: 1 rows, 9: 2 rows",
    );
    // What the condition should have prevented is not reported in its place.
    expect(
        &[
            check("orders?id=eq.3", Matches::exactly(1)),
            insert("lines", r#"[{"order_id":3}]"#),
            check_key("stock", Expect::Absent),
        ],
        "refused 0: 0 rows",
    );
}

#[test]
fn a_version_is_that_of_every_row_selected() {
    expect(&[of_version(update("orders?id=eq.1", r#"[{"status":"x"}]"#), 3)], "0/1");
    expect(&[of_version(update("orders", r#"[{"status":"x"}]"#), 3)], "0/2");
    expect(&[of_version(delete("orders?id=eq.2"), 2)], "refused 0: 1 rows, version 3");
    expect(&[of_version(delete("orders?id=eq.9"), 3)], "refused 0: 0 rows");
    expect(&[of_version(on("lines", RowVerb::Check), 4)], "ok");
    // What the batch itself wrote has no version yet.
    expect(
        &[
            matching(update("orders?id=eq.1", r#"[{"status":"x"}]"#), None),
            of_version(update("orders?id=eq.1", r#"[{"status":"y"}]"#), 3),
        ],
        "refused 1: 1 rows, version 0",
    );
    expect(&[set("stock", "6"), check_key("stock", Expect::Version(5))], "refused 1: version Some(0)");
}

#[test]
fn foreign_keys_hold_after_each_operation() {
    let order = || insert("orders", r#"[{"id":50}]"#);
    let line = || insert("lines", r#"[{"order_id":50}]"#);
    expect(&[order(), line()], "1/1 1/1");
    expect(&[line(), order()], "failed 0: 23503");
    let (no_lines, no_order) =
        (matching(delete("lines?order_id=eq.1"), None), matching(delete("orders?id=eq.1"), None));
    expect(&[no_lines.clone(), no_order.clone()], "0/1 0/1");
    expect(&[no_order, no_lines], "failed 0: 23503");
}

#[test]
fn a_key_twice_in_a_batch_is_found() {
    let one = || insert("orders", r#"[{"id":7,"status":"x"}]"#);
    let with = |resolution| {
        row(on("orders?select=*", RowVerb::Insert { rows: rows(r#"[{"id":7}]"#), resolution, from: vec![] }))
    };
    expect(&[one(), one()], "failed 1: 23505");
    expect(&[one(), with(Resolution::Ignore)], "1/1 []");
    expect(&[one(), with(Resolution::Merge)], r#"1/1 [{"id":7,"status":"x"}]"#);
    expect(&[one(), matching(delete("orders?id=eq.7"), None), one()], "1/1 0/1 1/1");
}

#[test]
fn the_key_of_a_row_is_passed_on() {
    let by_key = |verb, operation, column: &str| {
        let arguments = vec![Argument::Reference(reference(operation, column))];
        row(RowOperation { arguments, ..on("lines?order_id=eq.$1&select=id,n", verb) })
    };
    expect(
        &[
            insert("orders", r#"[{"status":"new"}]"#),
            insert_from("lines?select=order_id,n", r#"[{"n":2},{"n":3}]"#, &[("order_id", 0, "id")]),
            by_key(RowVerb::Update { set: rows(r#"[{"n":9}]"#), from: vec![] }, 0, "id"),
            by_key(RowVerb::Select, 0, "id"),
        ],
        r#"1/1 [{"order_id":3,"n":2},{"order_id":3,"n":3}] [{"id":2,"n":9},{"id":3,"n":9}] [{"id":2,"n":9},{"id":3,"n":9}]"#,
    );
    let two = || insert("orders", r#"[{"status":"a"},{"status":"b"}]"#);
    expect(&[two(), insert_from("lines", "[{}]", &[("order_id", 0, "id")])], "failed 1: 21000");
    let one = || insert("orders", r#"[{"status":"a"}]"#);
    expect(&[one(), insert_from("lines", "[{}]", &[("order_id", 0, "status")])], "failed 1: 42703");
    expect(&[one(), insert_from("lines", r#"[{"order_id":1}]"#, &[("order_id", 0, "id")])], "failed 1: 42701");
    // Only an earlier operation that writes rows.
    expect(&[insert_from("lines", "[{}]", &[("order_id", 0, "id")])], "failed 0: 21000");
    expect(&[insert_from("lines", "[{}]", &[("order_id", 1, "id")]), one()], "failed 0: 21000");
    expect(&[insert_from("lines", "[{}]", &[("order_id", usize::MAX, "id")])], "failed 0: 21000");
    expect(&[set("a", "1"), insert_from("lines", "[{}]", &[("order_id", 0, "id")])], "failed 1: 21000");
}

#[test]
fn a_transaction_goes_on_after_a_batch_that_failed_in_it() {
    let mut tables = tables();
    tables.session_begin();
    tables.session.put("default", "before", "1");
    tables.post("orders", r#"{"status":"before"}"#).unwrap();
    let operations = [set("before", "2"), matching(delete("orders"), None), check("orders", Matches::exactly(1))];
    assert_eq!(outcome(&mut tables.session, &operations), "refused 2: 0 rows");
    assert_eq!(tables.session.text("default", "before").as_deref(), Some("1"));
    assert_eq!(outcome(&mut tables.session, &[matching(update("orders", r#"[{"status":"in"}]"#), None)]), "0/1");
    tables.session_commit();
    assert_eq!(tables.get("orders"), r#"[{"id":1,"status":"in"}]"#);
    assert_eq!(tables.session.text("default", "before").as_deref(), Some("1"));
}

#[test]
fn grants_of_every_table_and_bucket_are_obeyed() {
    let mut tables = tables();
    tables.post("orders", r#"{"status":"new"}"#).unwrap();
    let grants = Grants::none().bucket("default", Access::Read).bucket("fresh", Access::Write);
    let grants = grants.table("orders", Access::Read).table("lines", Access::Write);
    let mut session = tables.stage.database.session_with(Arc::new(grants));
    let mut check = |operation: Operation<'static>, expected: &str| {
        assert_eq!(outcome(&mut session, &[key("fresh", Op::Increment(b"n".to_vec(), 1)), operation]), expected);
    };
    check(key("default", Op::Get(b"a".to_vec())), "1 none");
    check(set("a", "1"), "failed 1: access-denied");
    check(key("secret", Op::Get(b"a".to_vec())), "failed 1: bucket-not-found");
    check(row(on("orders?select=id", RowVerb::Select)), r#"2 [{"id":1}]"#);
    check(insert("orders", r#"[{"status":"x"}]"#), "failed 1: 42501");
    check(matching(delete("orders"), Matches::exactly(7)), "refused 1: 1 rows");
    check(matching(delete("orders"), Matches::exactly(1)), "failed 1: 42501");
    check(insert("lines", r#"[{"order_id":1}]"#), "3 1/1");
    check(insert("secrets", r#"[{"n":1}]"#), "failed 1: PGRST205");
    assert_eq!(tables.session.text("fresh", "n").as_deref(), Some("3"), "what failed has written nothing");
}

#[test]
fn limits_are_named() {
    let limited = |change: fn(&mut Limits), operations: &[Operation<'_>], expected: &str| {
        let mut tables = Tables::with_limits(&[("orders", ORDERS), ("lines", LINES)], change);
        tables.post("orders", r#"[{"status":"0123456789"},{"status":"0123456789"}]"#).unwrap();
        assert_eq!(outcome(&mut tables.session, operations), expected);
        assert_eq!(tables.session.text("default", "a"), None);
    };
    let gets = vec![key("default", Op::Get(b"a".to_vec())); 4];
    limited(|limits| limits.batch_operations_max = 3, &gets, "failed: operations-too-many");
    let read = || row(on("orders?id=eq.1", RowVerb::Select));
    limited(|limits| limits.answer_bytes_max = 50, &[set("a", "1"), read(), read()], "failed 2: answer-too-large");
    limited(|limits| limits.answer_bytes_max = 20, &[set("a", "1"), read()], "failed 1: 54000");
    let insert = || insert("orders", r#"[{"status":"a"},{"status":"b"},{"status":"c"}]"#);
    limited(|limits| limits.statement_rows_max = 2, &[set("a", "1"), insert()], "failed 1: 54000");
    limited(|limits| limits.transaction_writes_max = 5, &[insert(), set("a", "1")], "failed 1: transaction-too-large");
    limited(|limits| limits.query_rows_max = 1, &[set("a", "1"), matching(delete("orders"), None)], "failed 1: 57014");
    // A select that shows more rows than it may reads no more than one beyond.
    let many = || {
        let select = RowOperation { matches: Some(Matches { min: 0, max: Some(0) }), ..on("orders", RowVerb::Select) };
        Operation::from(select)
    };
    limited(|limits| limits.query_rows_max = 1, &[set("a", "1"), many()], "refused 1: 1 rows");
    let options = BatchOptions { needs_filter: true, ..BatchOptions::default() };
    let mut tables = tables();
    let environment = tables.stage.database.environment(TimeZone::UTC);
    let refused = now(tables.session.batch(&[set("a", "1"), matching(delete("orders"), None)], &environment, &options));
    assert_eq!(refused.unwrap_err().to_string(), "operation 1: 21000: DELETE requires a WHERE clause");
}

#[test]
fn a_batch_that_is_interrupted_leaves_nothing() {
    let mut tables = tables();
    let environment = tables.stage.database.environment(TimeZone::UTC);
    // Before the second operation, and before the commit.
    for (allowed, error) in [(1, "operation 1: 57014"), (2, "57014")] {
        let asked = std::sync::atomic::AtomicU32::new(0);
        let is_over = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= allowed;
        let options = BatchOptions { interrupt: Interrupt::when(&is_over), ..BatchOptions::default() };
        let stopped = now(tables.session.batch(&[set("a", "1"), set("b", "1")], &environment, &options));
        let stopped = stopped.unwrap_err().to_string();
        assert!(stopped.starts_with(error), "{stopped}");
    }
    assert_eq!(
        outcome(&mut tables.session, &[Operation::Key { bucket: "default".into(), op: Op::Get(b"a".to_vec()) }]),
        "none"
    );
}

#[test]
fn a_batch_that_reads_only_names_what_it_saw() {
    let mut tables = tables();
    tables.session.put("default", "a", "1");
    let seen = tables.stage.database.version();
    let applied =
        run(&mut tables.session, &[check("orders", Matches::exactly(0)), key("default", Op::Get(b"a".to_vec()))]);
    assert!(matches!(applied, Ok(Applied::Committed { version, .. }) if version == seen), "{applied:?}");
}

/// A clock of its own, so that turns can wake who waits.
struct Moving(std::time::Instant);

impl mantis_db::Clock for Moving {
    fn now_ms(&self) -> u64 {
        1_000_000 + self.monotonic_us() / 1_000
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap()
    }
}

const SEATS: &str = r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"free","type":"boolean"},
    {"name":"owner","type":"text"}], "primary_key":["id"], "indexes":[{"columns":["free"]}]}"#;

/// Eight threads take seats from one pool: the filter must match the one free row that each has seen, and a key counts what was taken.
#[test]
fn a_condition_holds_at_the_commit_whoever_writes_beside_it() {
    let clock = Arc::new(Moving(std::time::Instant::now()));
    let database = Database::in_memory_with(Limits::default(), clock, Arc::new(SeededRandom::new(9))).unwrap();
    create(&mut database.session(), "seats", SEATS);
    for _ in 0..20 {
        let free = insert("seats", r#"[{"id":1,"free":true},{"id":2,"free":true},{"id":3,"free":true}]"#);
        run(&mut database.session(), &[matching(delete("seats"), None), free, set("taken", "0")]).unwrap();
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| take_seats(&database))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 3, "no seat is taken twice");
        assert_eq!(database.session().text("default", "taken").as_deref(), Some("3"));
    }
    check_tables(&database);
}

/// Takes the seats that it can, and returns how many.
fn take_seats(database: &Database) -> usize {
    const FREE: [&str; 3] = ["seats?id=eq.1&free=is.true", "seats?id=eq.2&free=is.true", "seats?id=eq.3&free=is.true"];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut session = database.session();
    let environment = database.environment(TimeZone::UTC);
    let mut taken = 0;
    for seat in FREE {
        // The check reads an index of all seats, which each writer changes: an attempt that met one is run again.
        let operations = [
            check("seats?free=is.true", Matches { min: 1, max: None }),
            matching(update(seat, r#"[{"free":false}]"#), Matches::exactly(1)),
            key("default", Op::Increment(b"taken".to_vec(), 1)),
        ];
        let applied = runtime.block_on(session.batch(&operations, &environment, &BatchOptions::default()));
        match applied.unwrap() {
            Applied::Committed { .. } => taken += 1,
            Applied::Refused(refusals) => assert!(refusals.iter().all(|refusal| refusal.index < 2)),
        }
    }
    taken
}

#[test]
fn a_batch_in_a_transaction_conflicts_as_that_does() {
    let mut tables = tables();
    tables.post("orders", r#"{"status":"new"}"#).unwrap();
    now(tables.session.begin(Isolation::Serializable)).unwrap();
    let operations = [check("orders?status=eq.paid", Matches::exactly(0)), set("a", "none is paid")];
    assert_eq!(outcome(&mut tables.session, &operations), "ok ok");
    let mut other = tables.stage.session();
    run(&mut other, &[matching(update("orders?id=eq.1", r#"[{"status":"paid"}]"#), Matches::exactly(1))]).unwrap();
    assert_eq!(now(tables.session.commit()).unwrap_err().code(), mantis_db::Code::Conflict);
    assert_eq!(tables.session.text("default", "a"), None);
}
