//! A table's definition, resolved: names are places, texts are values.

use std::sync::Arc;

pub use crate::keyspace::SpaceId;
use crate::tables::types::{Type, Value};

/// A table. Columns are named by their place in `columns`.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSchema {
    /// The name, case-sensitive, 1 to 63 bytes.
    pub name: String,
    /// Where its rows are. Identifies the table: a table of the same name that is made later has another one.
    pub rows: SpaceId,
    /// Counts the changes of the schema, from 1.
    pub version: u32,
    /// What it is for, in its owner's words.
    pub comment: Option<String>,
    /// The columns in their order.
    pub columns: Vec<Column>,
    /// The primary key.
    pub primary_key: Option<PrimaryKey>,
    /// What rows are kept by.
    pub row_keys: RowKeys,
    /// Unique keys and secondary indexes. The primary key is among them unless rows are kept by it.
    pub indexes: Vec<Index>,
    /// To other tables and to itself.
    pub foreign_keys: Vec<ForeignKey>,
    /// Foreign keys of other tables (and of itself) that reference this one.
    pub referenced_by: Vec<Reference>,
    /// What must not be false of any row.
    pub checks: Vec<Check>,
    /// Whether the change feed keeps old rows.
    pub keeps_old_rows: bool,
    /// The layouts that rows were written in so far; a row names its own by place. The last one is today's.
    pub layouts: Vec<Layout>,
    /// The id that the next column gets.
    pub next_column_id: u32,
    /// The version since which the identity column counts, or none does: what was counted before is not gone on with as it is in memory.
    pub counts_since: u32,
    /// A change that is under way: what it has added holds for rows that are written now, and older rows are still being looked at.
    pub pending: Option<Pending>,
}

/// What a change of a schema has added and would take back if an older row does not allow it. At most one change of a table is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The schema before the change.
    pub before: Box<TableSchema>,
    /// Names of indexes that are being built.
    pub indexes: Vec<String>,
    /// The primary key that the table gets, in place of one that it may have: its index is being built.
    pub primary_key: Option<PrimaryKey>,
    /// Indexes in whose place others of their names are being built, because of a column's type.
    pub rebuilt: Vec<SpaceId>,
    /// Names of checks and foreign keys that older rows may break.
    pub constraints: Vec<String>,
    /// Ids of columns that are not nullable any more, and in which older rows may have nulls.
    pub not_null: Vec<u32>,
    /// Ids of columns that may be null once the primary key has gone.
    pub nullable: Vec<u32>,
    /// Ids of columns that have another value in each row, which older rows are still getting.
    pub filled: Vec<u32>,
    /// Ids of columns whose enum has lost values, which older rows may have.
    pub allowed: Vec<u32>,
    /// Ids of columns whose type will change, and the new types: rows that are written now must have values that can be cast.
    pub casts: Vec<(u32, Type)>,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Stays through renames and changes of type, and is never used twice in a table.
    pub id: u32,
    /// The name, case-sensitive, 1 to 63 bytes.
    pub name: String,
    /// Its type.
    pub r#type: Type,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it is where a row names nothing for it; null where none.
    pub default: Option<Default>,
    /// Whether it counts: smallint, integer or bigint.
    pub identity: bool,
    /// Of a text: the only values that it may have.
    pub allowed: Option<Vec<String>>,
    /// What it is for, in its owner's words.
    pub comment: Option<String>,
    /// What it is in rows that were written before it existed.
    pub missing: Value<'static>,
}

/// A column's default.
#[derive(Debug, Clone, PartialEq)]
pub enum Default {
    /// Always the same value.
    Literal(Value<'static>),
    /// The statement's time.
    Now,
    /// A random uuid (version 4).
    Uuid,
    /// A uuid that begins with the time (version 7).
    UuidV7,
}

/// A primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryKey {
    /// The constraint's name: `table_pkey` unless named.
    pub name: String,
    /// Its columns, in order; none is nullable.
    pub columns: Vec<usize>,
}

/// What the rows of a table are kept by: what their keys have behind the space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::default::Default)]
pub enum RowKeys {
    /// The values of the primary key's columns.
    PrimaryKey,
    /// A hidden row id.
    #[default]
    Id,
    /// A null and a hidden row id; or, in a row that was there when the primary key was dropped, the values that it had then. No primary key
    /// has a null, so that both stay apart.
    IdBehindNull,
}

impl TableSchema {
    /// The primary key, where rows are kept by it.
    #[must_use]
    pub fn clustering(&self) -> Option<&PrimaryKey> {
        self.primary_key.as_ref().filter(|_| self.row_keys == RowKeys::PrimaryKey)
    }

    /// The place of the primary key's index; none where rows are kept by it, and where there is none.
    #[must_use]
    pub fn primary_index(&self) -> Option<usize> {
        self.indexes.iter().position(|index| index.is_primary && !index.is_building)
    }
}

/// A unique key or a secondary index.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// The name, unique in the table: `table_column_key` or `table_column_idx` unless named.
    pub name: String,
    /// Where its entries are.
    pub space: SpaceId,
    /// What it orders by.
    pub keys: Vec<IndexKey>,
    /// Whether a key occurs once; keys with a null in them are all different.
    pub is_unique: bool,
    /// Whether it is that of the primary key, present or to be.
    pub is_primary: bool,
    /// Which rows it has, in the dialect's filters (`status=eq.paid`); all where none.
    pub filter: Option<Filter>,
    /// Whether entries of older rows are still being added: writers keep it up, readers don't use it yet.
    pub is_building: bool,
}

/// One part of an index's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    /// The column.
    pub column: usize,
    /// The way into its JSON; empty for the column itself. The last step ends in text (`->>`) or in jsonb.
    pub path: Vec<mantis_dialect::JsonStep>,
    /// Whether the largest comes first.
    pub is_descending: bool,
}

/// A filter: its text as it was written, and its tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// As it was written.
    pub text: String,
    /// What it says; names and values are bound when it is used.
    pub conditions: Arc<[mantis_dialect::Condition]>,
}

/// A check constraint.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The name: `table_check`, `table_check1`, .. unless named.
    pub name: String,
    /// What must not be false.
    pub filter: Filter,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The constraint's name: `table_column_fkey` unless named.
    pub name: String,
    /// The referencing columns.
    pub columns: Vec<usize>,
    /// The referenced table's name.
    pub target: String,
    /// The referenced columns' names, in the order of `columns`: the primary key or a unique key of the target.
    pub target_columns: Vec<String>,
    /// What happens to the referencing rows when the referenced row goes.
    pub on_delete: Action,
    /// What happens to them when its key changes.
    pub on_update: Action,
}

/// A foreign key, seen from the table that it references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The referencing table's name.
    pub table: String,
    /// The foreign key's name there.
    pub foreign_key: String,
}

/// What happens to referencing rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::default::Default)]
pub enum Action {
    /// The change is refused at the end of the statement if they are still there.
    #[default]
    NoAction,
    /// The change is refused.
    Restrict,
    /// They go or change too.
    Cascade,
    /// Their columns become null.
    SetNull,
    /// Their columns become their defaults.
    SetDefault,
}

/// The columns of a row as it was written, in the order of their places in its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Each column's id and the type that it had.
    pub columns: Vec<(u32, Type)>,
}
