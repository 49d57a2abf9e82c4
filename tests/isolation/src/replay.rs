//! Repeats a history in a given order, and so proves that the order explains it. Does not use the graph.

use std::collections::HashMap;

use crate::history::{Element, How, Isolation, Key, Operation, Outcome, Transaction};

/// A step of an order, with the transaction's place in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A transaction that was not committed reads.
    Reads(usize),
    /// A transaction under snapshot isolation reads.
    Begins(usize),
    /// Its writes become visible.
    Commits(usize),
    /// A serialisable transaction reads and writes.
    Happens(usize),
}

type Lists = HashMap<Key, Vec<Element>>;

/// Why an order does not explain a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contradiction {
    /// A committed transaction is missing, or the order contains something impossible.
    NotThatHistory,
    /// A transaction did not read the present state.
    Reads(usize),
    /// A transaction had returned when one before it was called.
    Time(usize),
    /// Under snapshot isolation, somebody wrote the same key between its reads and its writes.
    Overwrites(usize),
}

/// Applies the transactions in the order, starting with empty lists.
///
/// # Errors
/// [`Contradiction`], with its transaction.
pub fn replay(history: &[Transaction], order: &[Step]) -> Result<(), Contradiction> {
    let mut lists = Lists::new();
    let mut written_at: HashMap<Key, usize> = HashMap::new();
    let mut begun: HashMap<usize, (usize, Lists)> = HashMap::new();
    let mut committed = vec![false; history.len()];
    let mut latest_call = 0;
    for (moment, &step) in order.iter().enumerate() {
        let (Step::Reads(place) | Step::Begins(place) | Step::Commits(place) | Step::Happens(place)) = step;
        let transaction = &history[place];
        if transaction.returned < latest_call {
            return Err(Contradiction::Time(place));
        }
        let writes_now = match step {
            Step::Reads(_) | Step::Begins(_) => false,
            Step::Commits(_) | Step::Happens(_) => transaction.appends().next().is_some(),
        };
        latest_call = latest_call.max(if writes_now { transaction.committing } else { transaction.called });
        let wanted = match step {
            Step::Reads(_) => transaction.outcome != Outcome::Done,
            Step::Happens(_) => transaction.isolation == Isolation::Serialisable,
            Step::Begins(_) | Step::Commits(_) => transaction.isolation == Isolation::Snapshot,
        };
        if !wanted {
            return Err(Contradiction::NotThatHistory);
        }
        let writes = match step {
            Step::Commits(_) => {
                let (since, writes) = begun.remove(&place).ok_or(Contradiction::NotThatHistory)?;
                let overwritten = |key| written_at.get(key).is_some_and(|&at| at > since);
                if writes.keys().any(overwritten) {
                    return Err(Contradiction::Overwrites(place));
                }
                writes
            }
            _ => run(transaction, &lists, matches!(step, Step::Reads(_))).ok_or(Contradiction::Reads(place))?,
        };
        match step {
            Step::Reads(_) => continue,
            Step::Begins(_) => {
                begun.insert(place, (moment, writes));
                continue;
            }
            Step::Commits(_) | Step::Happens(_) => {}
        }
        if transaction.outcome == Outcome::Failed || std::mem::replace(&mut committed[place], true) {
            return Err(Contradiction::NotThatHistory);
        }
        written_at.extend(writes.keys().map(|&key| (key, moment)));
        lists.extend(writes);
    }
    let missing = |(transaction, committed): (&Transaction, bool)| transaction.outcome == Outcome::Done && !committed;
    if history.iter().zip(committed).any(missing) { Err(Contradiction::NotThatHistory) } else { Ok(()) }
}

/// The writes of a transaction that sees these lists; `None` if it read something else.
fn run(transaction: &Transaction, lists: &Lists, reads_only: bool) -> Option<Lists> {
    let mut own = Lists::new();
    for operation in &transaction.operations {
        match operation {
            Operation::Read { how: How::Expected, .. } if reads_only => {}
            Operation::Read { key, list, .. } => {
                let there = own.get(key).or_else(|| lists.get(key)).map_or(&[][..], Vec::as_slice);
                if there != list.as_slice() {
                    return None;
                }
            }
            Operation::Append { key, element } => {
                let list = own.entry(*key).or_insert_with(|| lists.get(key).cloned().unwrap_or_default());
                list.push(*element);
            }
        }
    }
    Some(own)
}
