//! One history for each anomaly, and for each a valid history that differs little.

use mantis_isolation::history::{Commit, NEVER, Operation, Transaction, check_commits};
use mantis_isolation::linear::{self, Call, Expect, Fault, What};
use mantis_isolation::replay::replay;
use mantis_isolation::serial::{self, Kind};

const X: usize = 0;
const Y: usize = 1;

fn r(key: usize, list: &[u32]) -> Vec<Operation> {
    vec![Operation::read(key, list)]
}

/// Reads a list and appends to it.
fn a(key: usize, list: &[u32], element: u32) -> Vec<Operation> {
    vec![Operation::read(key, list), Operation::append(key, element)]
}

fn scan(lists: [&[u32]; 2]) -> Vec<Operation> {
    vec![Operation::scan(X, lists[0]), Operation::scan(Y, lists[1])]
}

fn t(parts: &[Vec<Operation>], called: u64, returned: u64) -> Transaction {
    Transaction::done(parts.concat(), called, returned)
}

#[track_caller]
fn flagged(history: &[Transaction], kind: Kind) {
    let found = serial::check(history).map_err(|anomaly| anomaly.kind.as_str());
    assert_eq!(found, Err(kind.as_str()));
}

#[track_caller]
fn fine(history: &[Transaction]) {
    let order = serial::check(history).unwrap_or_else(|anomaly| panic!("{anomaly:?}"));
    assert_eq!(replay(history, &order), Ok(()), "{order:?}");
}

#[test]
fn a_lost_update() {
    flagged(&[t(&[a(X, &[], 1)], 1, 4), t(&[a(X, &[], 2)], 2, 3)], Kind::LostUpdate);
    flagged(&[t(&[a(X, &[], 1)], 1, 4), t(&[a(X, &[], 2)], 2, 3), t(&[r(X, &[2])], 5, 6)], Kind::LostUpdate);
    // It appended to a list by name, and still read it too early.
    flagged(&[t(&[a(X, &[], 1)], 1, 4), t(&[a(X, &[], 2)], 2, 3), t(&[r(X, &[1, 2])], 5, 6)], Kind::LostUpdate);
    fine(&[t(&[a(X, &[], 1)], 1, 4), t(&[a(X, &[1], 2)], 2, 3), t(&[r(X, &[1, 2])], 5, 6)]);
    // Of two with the same base, one did not happen.
    fine(&[t(&[a(X, &[], 1)], 1, 4).failed(), t(&[a(X, &[], 2)], 2, 3), t(&[r(X, &[2])], 5, 6)]);
    fine(&[t(&[a(X, &[], 1)], 1, 4).open(), t(&[a(X, &[], 2)], 2, 3), t(&[r(X, &[2])], 5, 6)]);
    for snapshot in [true, false] {
        let own = |transaction: Transaction| if snapshot { transaction.in_snapshot() } else { transaction };
        flagged(&[own(t(&[a(X, &[], 1)], 1, 4)), own(t(&[a(X, &[], 2)], 2, 3))], Kind::LostUpdate);
    }
}

#[test]
fn an_acknowledged_write_that_vanished() {
    flagged(&[t(&[a(X, &[], 1)], 1, 2), t(&[r(X, &[])], 3, 4)], Kind::StaleRead);
    flagged(&[t(&[a(X, &[], 1)], 1, 2), t(&[a(X, &[], 2)], 3, 4), t(&[r(X, &[2])], 5, 6)], Kind::LostUpdate);
    fine(&[t(&[a(X, &[], 1)], 1, 2).open(), t(&[r(X, &[])], 3, 4)]);
    // An open one may still come, but not go again.
    fine(&[t(&[a(X, &[], 1)], 1, 2).open(), t(&[r(X, &[])], 3, 4), t(&[r(X, &[1])], 5, 6)]);
    flagged(&[t(&[a(X, &[], 1)], 1, 2).open(), t(&[r(X, &[1])], 3, 4), t(&[r(X, &[])], 5, 6)], Kind::StaleRead);
}

#[test]
fn an_aborted_read() {
    flagged(&[t(&[a(X, &[], 1)], 1, 4).failed(), t(&[r(X, &[1])], 2, 3)], Kind::AbortedRead);
    fine(&[t(&[a(X, &[], 1)], 1, 4).open(), t(&[r(X, &[1])], 2, 3)]);
}

#[test]
fn a_dirty_read_before_the_commit() {
    flagged(&[t(&[a(X, &[], 1)], 1, 6).committing(5), t(&[r(X, &[1])], 2, 3)], Kind::DirtyRead);
    fine(&[t(&[a(X, &[], 1)], 1, 6).committing(2), t(&[r(X, &[1])], 3, 4)]);
    flagged(&[t(&[r(X, &[1])], 1, 2), t(&[a(X, &[], 1)], 3, 4)], Kind::DirtyRead);
}

#[test]
fn an_intermediate_read() {
    let two = t(&[a(X, &[], 1), vec![Operation::append(X, 2)]], 1, 4);
    flagged(&[two.clone(), t(&[r(X, &[1])], 2, 3)], Kind::IntermediateRead);
    fine(&[two.clone(), t(&[r(X, &[])], 2, 3), t(&[r(X, &[1, 2])], 5, 6)]);
    // It may read its own writes, and must.
    fine(&[t(&[a(X, &[], 1), r(X, &[1])], 1, 2)]);
    flagged(&[t(&[a(X, &[], 1), r(X, &[])], 1, 2)], Kind::Own);
}

#[test]
fn a_value_never_written_and_one_written_twice() {
    flagged(&[t(&[r(X, &[9])], 1, 2)], Kind::NeverWritten);
    flagged(&[t(&[a(X, &[], 1)], 1, 2), t(&[r(X, &[1, 1])], 3, 4)], Kind::Duplicated);
}

#[test]
fn a_dirty_write() {
    let both = |x: &[u32], y: &[u32], element| [a(X, x, element), a(Y, y, element)];
    let read = t(&[r(X, &[1, 2]), r(Y, &[2, 1])], 5, 6);
    // The reads agree with the order on each key; only the orders contradict each other.
    flagged(&[t(&both(&[], &[2], 1), 1, 4), t(&both(&[1], &[], 2), 2, 3), read], Kind::DirtyWrite);
    let read = t(&[r(X, &[1, 2]), r(Y, &[1, 2])], 5, 6);
    fine(&[t(&both(&[], &[], 1), 1, 4), t(&both(&[1], &[1], 2), 2, 3), read]);
}

#[test]
fn circular_information_flow() {
    flagged(&[t(&[a(X, &[], 1), r(Y, &[2])], 1, 4), t(&[a(Y, &[], 2), r(X, &[1])], 2, 3)], Kind::CircularFlow);
    fine(&[t(&[a(X, &[], 1), r(Y, &[2])], 1, 4), t(&[a(Y, &[], 2), r(X, &[])], 2, 3)]);
}

#[test]
fn a_torn_batch() {
    let batch = t(&[a(X, &[], 1), a(Y, &[], 2)], 1, 4);
    for isolation in [Transaction::in_snapshot, |transaction| transaction] {
        flagged(&[isolation(batch.clone()), isolation(t(&[r(X, &[1]), r(Y, &[])], 2, 3))], Kind::FracturedRead);
        // An open one is also whole, if it happened.
        flagged(&[isolation(batch.clone().open()), isolation(t(&[r(X, &[1]), r(Y, &[])], 5, 6))], Kind::FracturedRead);
        fine(&[isolation(batch.clone()), isolation(t(&[r(X, &[1]), r(Y, &[2])], 2, 3))]);
        fine(&[isolation(batch.clone().open()), isolation(t(&[r(X, &[]), r(Y, &[])], 5, 6))]);
    }
    // A transaction that fails later must also have read one moment.
    flagged(&[batch, t(&[r(X, &[1]), r(Y, &[])], 2, 3).failed()], Kind::FracturedRead);
}

#[test]
fn read_skew_over_three() {
    let writes = [t(&[a(X, &[], 1)], 1, 2), t(&[r(X, &[1]), a(Y, &[], 2)], 3, 4)];
    let skewed = t(&[r(X, &[]), r(Y, &[2])], 1, 6);
    flagged(&[&writes[..], std::slice::from_ref(&skewed)].concat(), Kind::ReadSkew);
    flagged(&[&writes[..], &[skewed.in_snapshot()]].concat(), Kind::ReadSkew);
}

#[test]
fn write_skew_only_in_snapshots() {
    let skew = [t(&[r(X, &[]), a(Y, &[], 1)], 1, 4), t(&[r(Y, &[]), a(X, &[], 2)], 2, 3)];
    flagged(&skew, Kind::WriteSkew);
    fine(&skew.clone().map(Transaction::in_snapshot));
    // One that asked for more is protected from the other's writes.
    let [one, other] = skew;
    fine(&[one.in_snapshot(), other]);
}

#[test]
fn a_phantom() {
    let inserts = |key| [scan([&[], &[]]), vec![Operation::append(key, if key == X { 1 } else { 2 })]];
    let both = [t(&inserts(X), 1, 4), t(&inserts(Y), 2, 3)];
    flagged(&both, Kind::Phantom);
    fine(&both.map(Transaction::in_snapshot));
}

#[test]
fn a_stale_read() {
    flagged(&[t(&[a(X, &[], 1)], 1, 2), t(&[a(Y, &[], 2)], 3, 4), t(&[r(X, &[]), r(Y, &[2])], 5, 6)], Kind::StaleRead);
    // Snapshots are taken at the beginning, not from before.
    flagged(&[t(&[a(X, &[], 1)], 1, 2), t(&[r(X, &[])], 3, 4).in_snapshot()], Kind::StaleRead);
    fine(&[t(&[a(X, &[], 1)], 1, 4), t(&[r(X, &[])], 2, 3)]);
}

#[test]
fn an_order_against_real_time() {
    // Serialisable, the first after the second; but it had returned before.
    flagged(&[t(&[a(X, &[2], 1)], 1, 2), t(&[a(X, &[], 2)], 3, 4), t(&[r(X, &[2, 1])], 5, 6)], Kind::DirtyRead);
    let blind = |key, element| vec![Operation::append(key, element)];
    flagged(&[t(&[blind(X, 1)], 1, 2), t(&[blind(X, 2)], 3, 4), t(&[r(X, &[2, 1])], 5, 6)], Kind::RealTime);
}

fn call(what: What, called: u64, returned: u64) -> Call {
    Call { called, returned, what, version: None }
}

#[track_caller]
fn linear(calls: &[Call], is_fine: bool) {
    let verdict = linear::check(calls);
    assert_eq!(verdict.is_ok(), is_fine, "{verdict:?}");
    assert_ne!(verdict, Err(Fault::Undecided));
}

#[test]
fn a_register_is_linearisable_or_not() {
    use What::{Add, Delete, Get, Set, Swap};
    let set = call(Set(1), 1, 2);
    linear(&[set, call(Get(Some(1)), 3, 4)], true);
    linear(&[set, call(Get(None), 3, 4)], false);
    linear(&[set, call(Get(Some(2)), 3, 4)], false);
    linear(&[call(Set(1), 1, 4), call(Get(None), 2, 3)], true);
    // Not seen, seen, and not seen again.
    linear(&[call(Set(1), 1, 9), call(Get(None), 2, 3), call(Get(Some(1)), 4, 5), call(Get(None), 6, 7)], false);
    linear(&[set, call(Delete(Some(true)), 3, 4), call(Get(None), 5, 6)], true);
    linear(&[set, call(Delete(Some(false)), 3, 4)], false);
    linear(&[call(Add { by: 2, sum: Some(2) }, 1, 4), call(Add { by: 3, sum: Some(5) }, 2, 3)], true);
    linear(&[call(Add { by: 2, sum: Some(2) }, 1, 4), call(Add { by: 3, sum: Some(3) }, 2, 3)], false);
    let swap = |expect, value, done| Swap { expect, value, done: Some(done) };
    for (both, is_fine) in [(true, false), (false, true)] {
        let one = call(swap(Expect::Value(1), 2, true), 3, 6);
        let other = call(swap(Expect::Value(1), 3, both), 4, 5);
        linear(&[set, one, other], is_fine);
    }
    linear(&[call(swap(Expect::Absent, 1, true), 1, 2), call(swap(Expect::Present, 2, false), 3, 4)], false);
}

#[test]
fn an_open_call_happens_at_any_time_or_never() {
    let set = call(What::Set(1), 1, 2);
    let open = call(What::Set(2), 3, NEVER);
    let (one, two) = (What::Get(Some(1)), What::Get(Some(2)));
    linear(&[set, open, call(one, 4, 5), call(one, 6, 7)], true);
    linear(&[set, open, call(one, 4, 5), call(two, 6, 7)], true);
    linear(&[set, open, call(two, 4, 5), call(one, 6, 7)], false);
    linear(&[set, call(two, 3, 4), call(What::Set(2), 5, NEVER)], false);
}

#[test]
fn versions_contradict_time_or_values() {
    let at = |what, called, version| Call { called, returned: called + 1, what, version: Some(version) };
    assert_eq!(
        linear::check_versions(&[at(What::Set(1), 1, 1), at(What::Set(2), 3, 2), at(What::Get(Some(2)), 5, 2)]),
        Ok(())
    );
    let [one, two] = [at(What::Set(1), 1, 2), at(What::Set(2), 3, 1)];
    assert_eq!(linear::check_versions(&[one, two]), Err(Fault::VersionsBackwards(Box::new([two, one]))));
    let [one, two] = [at(What::Set(1), 1, 1), at(What::Get(Some(2)), 3, 1)];
    assert_eq!(linear::check_versions(&[one, two]), Err(Fault::TwoValues(Box::new([one, two]))));
    let commit = |called, version| Commit { called, returned: called + 1, version };
    assert_eq!(check_commits(&[commit(1, 1), commit(3, 2)]), Ok(()));
    assert!(check_commits(&[commit(1, 2), commit(3, 1)]).is_err());
}
