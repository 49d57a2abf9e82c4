//! [`RowStream`]: the rows of a select piece by piece, all at one commit.

use std::fmt;

use mantis_dialect::Query;

use super::options::SelectOptions;
use super::read::outside_transaction;
use super::rows::Rows;
use crate::Database;
use crate::engine::Snapshot;
use crate::tables::query::bind::Bound;
use crate::tables::query::execute::{Paging, Progress, QueryContext, Spent};
use crate::tables::query::{RowSink, Selected};
use crate::tables::{Environment, Interrupt, TableError, TableResult, code};

/// The rows of a select piece by piece, all at the commit at which it began: an answer of any length in little memory. No thread, session
/// or lock is held between two pieces.
///
/// The commit is kept for [`Limits::transaction_age_ms_max`](crate::Limits::transaction_age_ms_max) from one piece to the next; who takes
/// longer gets an error. The limits on time and on rows examined are on all pieces together, without the time between them; that on rows
/// held is on rows that must be sorted or grouped before the first can be shown.
pub struct RowStream {
    database: Database,
    snapshot: Snapshot,
    environment: Environment,
    bound: Bound,
    options: SelectOptions,
    progress: Progress,
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("commit", &self.snapshot.version()).finish_non_exhaustive()
    }
}

impl Rows<'_> {
    /// The rows that the query selects, to be taken piece by piece.
    ///
    /// # Errors
    /// Those of binding; 25001 in a transaction, whose writes may go on between two pieces.
    pub fn stream(&self, query: &Query, options: SelectOptions) -> TableResult<RowStream> {
        if self.session.transaction.is_some() {
            return Err(TableError::new(code::ACTIVE_TRANSACTION, "a transaction's rows are not read piece by piece"));
        }
        let database = self.session.database.clone();
        let snapshot = database.0.engine.snapshot();
        let bound = self.bind(&mut &snapshot, query, &options)?;
        let environment = self.environment.clone();
        let paging = Paging { count: options.count, rows_max: options.rows_max };
        let context = QueryContext::new(&database.0.engine, &environment, &database.0.limits);
        let progress = Progress::begin(&bound.select, &context, paging)?;
        Ok(RowStream { database, snapshot, environment, bound, options, progress })
    }
}

impl RowStream {
    /// Shows `sink` rows until it [is full](RowSink::is_full): some more where others belong to them. What the select answers besides them,
    /// once there are no more.
    ///
    /// # Errors
    /// Those of the limits and of the sink; 57014 where the piece came too late. Nothing can be shown after one.
    pub fn next(&mut self, sink: &mut dyn RowSink, interrupt: Interrupt<'_>) -> TableResult<Option<Selected>> {
        self.snapshot.renew();
        let Self { database, snapshot, environment, bound, options, progress } = self;
        let mut context = context(database, environment, options, progress.spent());
        context.interrupt = interrupt;
        let done = progress.go_on(&bound.select, &mut &*snapshot, &context, sink).map_err(outside_transaction)?;
        Ok(done.map(|selected| Selected { warnings: bound.warnings.clone(), ..selected }))
    }

    /// What the select answers besides its rows, of all pieces: those to come are counted. From then on there are only as many rows read as
    /// are shown.
    ///
    /// # Errors
    /// As [`next`](Self::next). What the count uses of the limits is not taken from the pieces.
    pub fn measure(&mut self, interrupt: Interrupt<'_>) -> TableResult<Selected> {
        self.snapshot.renew();
        let Self { database, snapshot, environment, bound, options, progress } = self;
        // A limit on rows that the pieces to come would exceed is met here already, where it can still be told by its name.
        let mut context = context(database, environment, options, progress.spent());
        context.interrupt = interrupt;
        let selected = progress.measure(&bound.select, &mut &*snapshot, &context).map_err(outside_transaction)?;
        Ok(Selected { warnings: bound.warnings.clone(), ..selected })
    }

    /// Keeps the commit for as long again as from one piece to the next: for who is still busy with the one before.
    pub fn renew(&self) {
        self.snapshot.renew();
    }

    /// Lets the select examine as many rows as the limits allow, whatever its options say.
    pub fn lift_examined_max(&mut self) {
        self.options.examined_max = None;
    }

    /// The commit whose rows these are.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.snapshot.version()
    }

    /// About how many bytes of rows and groups are held until the next piece: of rows that come in the order of their key or of an index,
    /// none.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.progress.held_bytes()
    }
}

fn context<'a>(
    database: &'a Database,
    environment: &'a Environment,
    options: &SelectOptions,
    spent: Spent,
) -> QueryContext<'a> {
    let mut context = QueryContext::new(&database.0.engine, environment, &database.0.limits).resumed(spent);
    context.lower_examined_max(options.examined_max);
    context
}
