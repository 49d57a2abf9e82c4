//! [`Statement`]: what one statement works with, and what it has done so far.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::link::{ByValues, Link};
use super::target::Target;
use crate::Database;
use crate::engine::{Transaction, mutant};
use crate::tables::query::bound::Select;
use crate::tables::query::execute::{self, QueryContext, StoredRow};
use crate::tables::schema::Table;
use crate::tables::table::SpaceId;
use crate::tables::types::Value;
use crate::tables::{Environment, TableError, TableResult, code};

/// The work of one statement in a transaction. What it writes is only right once it has [finished](Self::finish); if anything fails, its
/// caller undoes all of it.
pub(crate) struct Statement<'s> {
    pub(crate) transaction: &'s mut Transaction,
    pub(super) database: &'s Database,
    pub(super) environment: &'s Environment,
    pub(crate) context: QueryContext<'s>,
    /// Whether the rows that are written are kept to be shown.
    pub(super) keeps_rows: bool,
    pub(super) changed: Changed,
    /// Rows that foreign keys may reference and that went or changed their keys: what follows from it is still to be done.
    pub(super) removals: Vec<Removal>,
    /// Rows whose parent was not there when they were written.
    pub(super) orphans: Vec<Orphan>,
    /// Encoded rows are written here first.
    pub(super) buffer: Vec<u8>,
    targets: HashMap<String, Arc<Target>>,
    pub(super) links: HashMap<(SpaceId, usize), Arc<Link>>,
    /// By foreign key that no index serves and by which children were looked for: which there are, if that is known.
    pub(super) scattered: HashMap<(SpaceId, usize), Option<Arc<ByValues>>>,
    counted: HashMap<SpaceId, Counted>,
    rows: usize,
    bytes: usize,
}

/// What a statement has changed.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Rows inserted, updated or deleted by the statement itself, without those that followed.
    pub(crate) affected: u64,
    /// Of these, inserted.
    pub(crate) inserted: u64,
    /// The rows as they were written, or were before they were deleted; only the first where none are shown.
    pub(crate) rows: Vec<ChangedRow>,
    /// Whether an upsert was a plain insert, because there is no key that it could be about.
    pub(crate) resolution_ignored: bool,
    /// What the counters of identities learn once it is committed.
    pub(crate) stored: Vec<Stored>,
}

/// The largest value that a commit stores in a table's identity column.
#[derive(Debug)]
pub(crate) struct Stored {
    table: Arc<Table>,
    value: i64,
}

impl Stored {
    /// Says that the commit has happened.
    pub(crate) fn committed(&self, database: &Database) {
        database.catalog().identities.committed(&self.table, self.value);
    }
}

/// The largest values of a table's identity column that a statement stores and removes.
#[derive(Debug)]
struct Counted {
    table: Arc<Table>,
    stored: Option<i64>,
    removed: Option<i64>,
}

/// A row that was changed.
#[derive(Debug, Clone)]
pub(crate) struct ChangedRow {
    /// Its key, with the prefix of its space.
    pub(crate) key: Box<[u8]>,
    /// The commit that wrote it; 0 for this one.
    pub(crate) version: u64,
    /// Its bytes.
    pub(crate) bytes: Bytes,
}

impl<'r> From<&'r ChangedRow> for StoredRow<'r> {
    fn from(row: &'r ChangedRow) -> Self {
        Self { key: &row.key, version: row.version, bytes: &row.bytes }
    }
}

/// A row that went or changed its key, and that others may reference.
#[derive(Debug, Clone)]
pub(super) struct Removal {
    pub(super) target: Arc<Target>,
    pub(super) old: Bytes,
    /// What it became; none where it went.
    pub(super) new: Option<Bytes>,
}

/// A row whose parent was not there.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) link: Arc<Link>,
    pub(super) key: Box<[u8]>,
}

impl<'s> Statement<'s> {
    pub(crate) fn new(
        transaction: &'s mut Transaction,
        database: &'s Database,
        environment: &'s Environment,
        keeps_rows: bool,
    ) -> Self {
        Self {
            transaction,
            database,
            environment,
            context: QueryContext::new(&database.0.engine, environment, &database.0.limits),
            keeps_rows,
            changed: Changed::default(),
            removals: Vec::new(),
            orphans: Vec::new(),
            buffer: Vec::new(),
            targets: HashMap::new(),
            links: HashMap::new(),
            scattered: HashMap::new(),
            counted: HashMap::new(),
            rows: 0,
            bytes: 0,
        }
    }

    /// The table of this name, whatever the grants say.
    ///
    /// # Errors
    /// PGRST205.
    pub(crate) fn target(&mut self, name: &str) -> TableResult<Arc<Target>> {
        if let Some(target) = self.targets.get(name) {
            return Ok(Arc::clone(target));
        }
        let table = self.database.catalog().table(self.transaction, name)?;
        let target = self.database.row_state().target(&table, self.environment)?;
        self.targets.insert(name.to_owned(), Arc::clone(&target));
        Ok(target)
    }

    /// The first of `count` hidden row ids that nobody else gets.
    ///
    /// # Errors
    /// 54000 where the numbers are used up; those of reading the rows.
    pub(super) fn draw_row_ids(&mut self, target: &Target, count: usize) -> TableResult<i64> {
        self.database.row_state().row_ids.draw(self.transaction, target, count)
    }

    /// Counts a row that is written, changed or removed, also by an action of a foreign key.
    ///
    /// # Errors
    /// 54000 beyond the limits.
    pub(super) fn count_row(&mut self, bytes: usize) -> TableResult<()> {
        self.rows += 1;
        self.bytes += bytes;
        self.context.check_written(self.rows)?;
        let limits = self.database.limits();
        self.check_rows(0)?;
        if self.bytes > limits.statement_bytes_max {
            return Err(over("bytes of rows", limits.statement_bytes_max, "statement_bytes_max"));
        }
        if self.transaction.written_bytes() > limits.table_transaction_bytes_max {
            let message = format!(
                "the transaction writes more than {} bytes (table_transaction_bytes_max)",
                limits.table_transaction_bytes_max
            );
            return Err(TableError::new(code::LIMIT_EXCEEDED, message).with_hint("Commit, and go on in another one."));
        }
        self.reserve(bytes)
    }

    /// Checks that the statement may change so many more rows.
    ///
    /// # Errors
    /// 54000.
    pub(super) fn check_rows(&self, more: usize) -> TableResult<()> {
        let max = self.database.limits().statement_rows_max;
        if self.rows.saturating_add(more) > max { Err(over("rows", max, "statement_rows_max")) } else { Ok(()) }
    }

    /// Checks that so many more rows of so many values may be made.
    ///
    /// # Errors
    /// 54000, 53000.
    pub(super) fn check_room(&mut self, rows: usize, columns: usize) -> TableResult<()> {
        self.check_rows(rows)?;
        let max = self.database.limits().statement_bytes_max;
        let bytes = rows.saturating_mul(columns).saturating_mul(size_of::<Value<'_>>());
        if bytes > max {
            return Err(over("bytes of rows", max, "statement_bytes_max"));
        }
        self.reserve(bytes)
    }

    /// Takes from the memory in flight what is about to be written.
    ///
    /// # Errors
    /// 53000.
    fn reserve(&mut self, bytes: usize) -> TableResult<()> {
        if self.transaction.reserve(bytes) { Ok(()) } else { Err(crate::Error::from(crate::Code::MemoryFull).into()) }
    }

    /// The rows that a query on the statement's table selects.
    ///
    /// # Errors
    /// 54000 where there are more than the statement may change; those of the query.
    pub(crate) fn matching(&mut self, select: &Select) -> TableResult<Vec<ChangedRow>> {
        let limits = self.database.limits();
        let (mut rows, mut bytes_left) = (Vec::new(), limits.statement_bytes_max);
        execute::matching_rows(select, self.transaction, &self.context, &mut |key, header, bytes| {
            if rows.len() >= limits.statement_rows_max {
                return Err(over("rows", limits.statement_rows_max, "statement_rows_max"));
            }
            let left = bytes_left.checked_sub(key.len() + bytes.len());
            bytes_left =
                left.ok_or_else(|| over("bytes of rows", limits.statement_bytes_max, "statement_bytes_max"))?;
            rows.push(ChangedRow { key: key.into(), version: header.version, bytes: Bytes::copy_from_slice(bytes) });
            Ok(())
        })?;
        Ok(rows)
    }

    /// Rows that the statement itself has changed so far.
    pub(crate) fn affected(&self) -> u64 {
        self.changed.affected
    }

    /// Says whether an upsert is a plain insert.
    pub(crate) fn ignore_resolution(&mut self, is_ignored: bool) {
        self.changed.resolution_ignored = is_ignored;
    }

    /// Notes the identities that a row's change stores and removes, by the values of its column before and after.
    pub(super) fn count_identity(
        &mut self,
        target: &Target,
        before: Option<&[Value<'_>]>,
        after: Option<&[Value<'_>]>,
    ) {
        let Some(column) = target.table.identity() else { return };
        let number = |row: Option<&[Value<'_>]>| match row.map(|row| &row[column]) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        };
        let (before, after) = (number(before), number(after));
        if before == after {
            return;
        }
        let counted = self.counted.entry(target.table.schema.rows).or_insert_with(|| Counted {
            table: Arc::clone(&target.table),
            stored: None,
            removed: None,
        });
        counted.removed = counted.removed.max(before);
        if after > counted.stored {
            counted.stored = after;
        }
    }

    /// Tells the counters what the statement stores, and writes the marks of what it removes.
    ///
    /// # Errors
    /// Those of loading the counters.
    pub(super) fn settle_identities(&mut self) -> TableResult<()> {
        let (identities, engine) = (&self.database.catalog().identities, &self.database.0.engine);
        for (_, Counted { table, stored, removed }) in self.counted.drain() {
            if let Some(removed) = removed
                && !mutant!("identity-mark-not-written")
                && let Some((key, mark)) = identities.mark_write(engine, &table, removed)?
            {
                self.transaction.put(&key, mark, None);
            }
            if let Some(value) = stored {
                identities.note(engine, &table, value)?;
                self.changed.stored.push(Stored { table, value });
            }
        }
        Ok(())
    }

    /// Settles the identities of rows that were filled; the counters are told of what this returns once it is committed.
    ///
    /// # Errors
    /// Those of loading the counters.
    pub(crate) fn take_stored(&mut self) -> TableResult<Vec<Stored>> {
        self.settle_identities()?;
        Ok(std::mem::take(&mut self.changed.stored))
    }

    /// Notes a row that the statement itself wrote or deleted.
    pub(super) fn note(&mut self, row: ChangedRow) {
        self.changed.affected += 1;
        if self.keeps_rows || self.changed.rows.is_empty() {
            self.changed.rows.push(row);
        }
    }
}

/// Checks that there are rows, and that all have this version.
///
/// # Errors
/// PT412.
pub(crate) fn check_versions(rows: &[ChangedRow], version: u64) -> TableResult<()> {
    if !rows.is_empty() && rows.iter().all(|row| row.version == version) {
        return Ok(());
    }
    let message = "The row does not have the version that was asked for";
    let found = match rows {
        [] => "There is no such row.".to_owned(),
        [row] => format!("Its version is {}.", row.version),
        rows => format!("One of {} rows has another version.", rows.len()),
    };
    Err(TableError::new(code::PRECONDITION_FAILED, message).with_details(found))
}

#[cold]
fn over(unit: &str, max: usize, limit: &str) -> TableError {
    TableError::new(code::LIMIT_EXCEEDED, format!("the statement would write more than {max} {unit} ({limit})"))
        .with_hint("Go in steps, each with a part of the rows.")
}
