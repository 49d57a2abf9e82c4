//! [`Rows`].

use crate::Session;
use crate::tables::{Environment, Interrupt};

/// The rows of one table, through one session. Outside a transaction each statement is one, repeated until no other commit comes first;
/// inside one it belongs to it, and is undone alone if it fails.
#[derive(Debug)]
pub struct Rows<'s> {
    pub(crate) session: &'s mut Session,
    pub(crate) table: &'s str,
    pub(crate) environment: Environment,
    pub(crate) interrupt: Interrupt<'s>,
}

impl<'s> Rows<'s> {
    /// The same; statements stop with 57014 as soon as `interrupt` says so.
    #[must_use]
    pub fn interrupted(self, interrupt: Interrupt<'s>) -> Self {
        Self { interrupt, ..self }
    }
}

impl Session {
    /// The rows of a table. They belong to the session's transaction, if one is open.
    pub fn rows<'s>(&'s mut self, table: &'s str, environment: Environment) -> Rows<'s> {
        self.operations += 1;
        Rows { session: self, table, environment, interrupt: Interrupt::default() }
    }
}
