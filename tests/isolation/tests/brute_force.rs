//! The verdicts compared with those of trying every order, on random histories small enough for it.

use std::collections::BTreeMap;

use mantis_isolation::history::{Isolation, NEVER, Operation, Outcome, Transaction};
use mantis_isolation::linear::{self, Call, Expect, What};
use mantis_isolation::numbers::Numbers;
use mantis_isolation::replay::{Contradiction, Step, replay};
use mantis_isolation::serial;

/// More by `MANTIS_TORTURE=20`.
fn torture() -> usize {
    std::env::var("MANTIS_TORTURE").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// Whether any order explains the history.
fn explained(history: &[Transaction]) -> bool {
    let open: Vec<_> = (0..history.len()).filter(|&place| history[place].outcome == Outcome::Open).collect();
    (0..1_u32 << open.len()).any(|happened| {
        let mut steps = Vec::new();
        for (place, transaction) in history.iter().enumerate() {
            let bit = open.iter().position(|&other| other == place);
            match (transaction.outcome, transaction.isolation) {
                (Outcome::Failed, _) => steps.push(Step::Reads(place)),
                (Outcome::Open, _) if bit.is_some_and(|bit| happened >> bit & 1 == 0) => steps.push(Step::Reads(place)),
                (_, Isolation::Serialisable) => steps.push(Step::Happens(place)),
                (_, Isolation::Snapshot) => steps.extend([Step::Begins(place), Step::Commits(place)]),
            }
        }
        any_order(&mut steps, 0, &mut |order| replay(history, order) == Ok(()))
    })
}

/// Whether any order of the items from `from` on passes.
fn any_order<T: Copy>(items: &mut [T], from: usize, passes: &mut impl FnMut(&[T]) -> bool) -> bool {
    if from == items.len() {
        return passes(items);
    }
    (from..items.len()).any(|place| {
        items.swap(from, place);
        let found = any_order(items, from + 1, passes);
        items.swap(from, place);
        found
    })
}

/// A history that may have any fault: transactions run one after the other, some of them over earlier lists, and their times are shifted.
fn some_history(numbers: &mut Numbers) -> Vec<Transaction> {
    let count = 2 + numbers.below(3);
    let mut past: Vec<[Vec<u32>; 2]> = vec![Default::default()];
    let mut history = Vec::new();
    let mut element = 0;
    for place in 0..count {
        let stale = numbers.chance(25);
        let mut lists = if stale { numbers.pick(&past).clone() } else { past[past.len() - 1].clone() };
        let mut operations: Vec<Operation> = Vec::new();
        // One with conditions reads nothing and writes each key once.
        let conditional = numbers.chance(20);
        for step in 0..=numbers.below(if conditional { 2 } else { 3 }) {
            let key = if conditional { step } else { numbers.below(2) };
            let is_own =
                operations.iter().any(|done| matches!(done, Operation::Append { key: own, .. } if *own == key));
            let read = if !is_own && numbers.chance(10) || numbers.chance(1) {
                numbers.pick(&past)[key].clone()
            } else {
                lists[key].clone()
            };
            let appends = conditional || numbers.chance(60);
            operations.push(match numbers.below(10) {
                _ if conditional => Operation::expect(key, &read),
                0..3 => Operation::scan(key, &read),
                _ => Operation::read(key, &read),
            });
            if appends {
                element += 1;
                operations.push(Operation::append(key, element));
                lists[key] = read;
                lists[key].push(element);
            }
        }
        let called = (place * 4 + 4).saturating_sub(numbers.below(9)) as u64;
        let returned = (place * 4 + 5 + numbers.below(9)) as u64;
        let transaction = Transaction::done(operations, 2 * called, 2 * returned + 1);
        let late = numbers.chance(30);
        let transaction = if late { transaction.committing((called + returned) & !1) } else { transaction };
        let transaction = if numbers.chance(40) { transaction.in_snapshot() } else { transaction };
        let applied = |transaction: &Transaction| {
            let mut next = past[past.len() - 1].clone();
            for (key, _) in transaction.appends() {
                next[key].clone_from(&lists[key]);
            }
            next
        };
        match numbers.below(10) {
            0 => history.push(transaction.failed()),
            1 => history.push(transaction.open()),
            2 => {
                past.push(applied(&transaction));
                history.push(transaction.open());
            }
            _ => {
                past.push(applied(&transaction));
                history.push(transaction);
            }
        }
    }
    history
}

#[test]
fn serialisability_agrees_with_trying_every_order() {
    let mut numbers = Numbers::new(1);
    let (mut explained_count, mut kinds) = (0, BTreeMap::new());
    for round in 0..20_000 * torture() {
        let history = some_history(&mut numbers);
        let steps = history.iter().map(|one| 1 + usize::from(one.isolation == Isolation::Snapshot)).sum::<usize>();
        if steps > 6 {
            continue;
        }
        match serial::check(&history) {
            Ok(order) => {
                explained_count += 1;
                assert_eq!(replay(&history, &order), Ok(()), "{round}: {history:#?} {order:?}");
            }
            Err(anomaly) => {
                assert!(!explained(&history), "{round}: {anomaly:?} in {history:?}");
                *kinds.entry(anomaly.kind.as_str()).or_insert(0) += 1;
            }
        }
    }
    let flagged: usize = kinds.values().sum();
    println!("{explained_count} explained, {flagged} not: {kinds:?}");
    assert!(explained_count > 1_000 && flagged > 1_000);
}

/// Calls on one key as they could be answered, with some false answers.
fn some_calls(numbers: &mut Numbers) -> Vec<Call> {
    let mut state = None;
    let mut calls = Vec::new();
    for place in 0..2 + numbers.below(5) {
        let value = *numbers.pick(&[0, 1, 2]);
        let guess = numbers.chance(12);
        let truth = |truth: bool| Some(truth != guess);
        let what = match numbers.below(7) {
            0 | 1 => What::Get(if guess { Some(value) } else { state }),
            2 => What::Set(value),
            3 => What::Delete(truth(state.is_some())),
            4 => What::Add { by: value, sum: Some(state.unwrap_or(0) + value + i64::from(guess)) },
            kind => {
                let expect = [Expect::Absent, Expect::Present, Expect::Value(value)][numbers.below(3)];
                let holds = match expect {
                    Expect::Absent => state.is_none(),
                    Expect::Present => state.is_some(),
                    Expect::Value(value) => state == Some(value),
                };
                What::Swap { expect, value: if kind == 5 { 5 } else { 6 }, done: truth(holds) }
            }
        };
        let called = (place * 4 + 4).saturating_sub(numbers.below(9)) as u64;
        let mut call =
            Call { called: 2 * called, returned: 2 * (called + 1 + numbers.below(9) as u64) + 1, what, version: None };
        if numbers.chance(15) {
            call.returned = NEVER;
            call.what = match call.what {
                What::Delete(_) => What::Delete(None),
                What::Swap { expect, value, .. } => What::Swap { expect, value, done: None },
                What::Add { by, .. } => What::Add { by, sum: None },
                what => what,
            };
            if numbers.chance(50) {
                calls.push(call);
                continue;
            }
        }
        state = call.what.apply(state).unwrap_or(state);
        calls.push(call);
    }
    calls.retain(|call| call.returned != NEVER || !matches!(call.what, What::Get(_)));
    calls
}

fn linearisable(calls: &[Call]) -> bool {
    let open: Vec<_> = calls.iter().filter(|call| call.returned == NEVER).copied().collect();
    let closed: Vec<_> = calls.iter().filter(|call| call.returned != NEVER).copied().collect();
    (0..1_u32 << open.len()).any(|happened| {
        let mut chosen = closed.clone();
        chosen.extend(open.iter().enumerate().filter(|(bit, _)| happened >> bit & 1 == 1).map(|(_, call)| *call));
        any_order(&mut chosen, 0, &mut |order| {
            let mut latest_call = 0;
            let in_time = order.iter().all(|call| {
                latest_call = latest_call.max(call.called);
                call.returned >= latest_call
            });
            in_time && order.iter().try_fold(None, |state, call| call.what.apply(state)).is_some()
        })
    })
}

#[test]
fn linearisability_agrees_with_trying_every_order() {
    let mut numbers = Numbers::new(2);
    let mut counts = [0, 0];
    for round in 0..20_000 * torture() {
        let calls = some_calls(&mut numbers);
        let expected = linearisable(&calls);
        let verdict = linear::check(&calls);
        assert_eq!(verdict.is_ok(), expected, "{round}: {verdict:?} {calls:#?}");
        counts[usize::from(expected)] += 1;
    }
    println!("{} linearisable, {} not", counts[1], counts[0]);
    assert!(counts.iter().all(|&count| count > 1_000));
}

#[test]
fn an_order_that_explains_nothing_is_refused() {
    let history = [
        Transaction::done(vec![Operation::read(0, &[]), Operation::append(0, 1)], 1, 2),
        Transaction::done(vec![Operation::read(0, &[1])], 3, 4),
    ];
    let [first, second] = [Step::Happens(0), Step::Happens(1)];
    assert_eq!(replay(&history, &[first, second]), Ok(()));
    assert_eq!(replay(&history, &[second, first]), Err(Contradiction::Reads(1)));
    assert_eq!(replay(&history, &[first]), Err(Contradiction::NotThatHistory));
    assert_eq!(replay(&history, &[first, first, second]), Err(Contradiction::Reads(0)));
    let late = [history[0].clone(), Transaction::done(vec![Operation::read(1, &[])], 3, 4)];
    assert_eq!(replay(&late, &[second, first]), Err(Contradiction::Time(0)));
}
