//! All checks of the clients' notes.

use std::fmt;

use crate::history::{Commit, check_commits};
use crate::linear;
use crate::replay::replay;
use crate::serial;
use crate::workload::Notes;

/// Checks the notes of the clients of one history.
///
/// # Errors
/// The anomaly, for people, with its operations.
pub fn check(notes: &Notes) -> Result<(), String> {
    for (key, calls) in &notes.calls {
        let shown = |fault| format!("register {key}: {fault:?}; its calls: {calls:#?}");
        linear::check(calls).map_err(shown)?;
        linear::check_versions(calls).map_err(shown)?;
    }
    let written = notes.transactions.iter().filter_map(|transaction| {
        Some(Commit { called: transaction.committing, returned: transaction.returned, version: transaction.version? })
    });
    let commits: Vec<_> = notes.calls.values().flat_map(|calls| linear::commits(calls)).chain(written).collect();
    check_commits(&commits).map_err(|pair| format!("versions against time: {pair:?}"))?;
    let order = serial::check(&notes.transactions).map_err(|anomaly| {
        let between: Vec<_> = anomaly.between.iter().map(|&place| &notes.transactions[place]).collect();
        format!("{} on list {}: {between:#?}", anomaly.kind.as_str(), anomaly.key)
    })?;
    // A verdict "fine" is only as good as its order.
    replay(&notes.transactions, &order).map_err(|contradiction| format!("the checker is wrong: {contradiction:?}"))
}

/// Counts over many histories.
#[derive(Debug, Clone, Copy, Default)]
pub struct Total {
    histories: usize,
    operations: usize,
    open: usize,
    conflicts: usize,
}

impl Total {
    /// Checks a history and counts it.
    ///
    /// # Errors
    /// Those of [`check`].
    pub fn take(&mut self, notes: &Notes) -> Result<(), String> {
        check(notes)?;
        self.histories += 1;
        self.operations += notes.operations;
        self.open += notes.open;
        self.conflicts += notes.conflicts;
        Ok(())
    }

    /// Histories so far.
    #[must_use]
    pub fn histories(&self) -> usize {
        self.histories
    }

    /// Operations in them so far.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.operations
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, operations, open, conflicts } = self;
        write!(f, "{histories} histories, {operations} operations, {open} open, {conflicts} conflicts, 0 anomalies")
    }
}
