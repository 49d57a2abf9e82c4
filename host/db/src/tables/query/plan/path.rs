//! Keys by which rows can be found, part by part; which order their entries have.

use smallvec::SmallVec;

use super::conditions::Field;
use crate::engine::Direction;
use crate::tables::codec::KeyPart;
use crate::tables::query::bound::{Order, OrderBy};
use crate::tables::schema::Table;
use crate::tables::table::{Index, IndexKey, SpaceId};
use crate::tables::types;

/// A part of a key of rows or index entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'t> {
    pub(super) field: Field<'t>,
    pub(super) key: KeyPart,
    pub(super) is_nullable: bool,
}

/// A key by which rows can be found: what they are kept by, or an index.
#[derive(Debug)]
pub(super) struct Path<'t> {
    /// Its place in the schema's indexes; none for what rows are kept by.
    pub(super) index: Option<usize>,
    pub(super) space: SpaceId,
    /// Its parts; none for a hidden row id.
    pub(super) parts: SmallVec<[Part<'t>; 4]>,
    /// Those of the primary key that rows are kept by, which follow the parts of an entry and tell equal ones apart.
    pub(super) row_parts: SmallVec<[Part<'t>; 4]>,
    /// Whether rows with the same parts, none of them null, are one row.
    pub(super) is_unique: bool,
    /// Whether it has only some rows.
    pub(super) is_partial: bool,
}

impl<'t> Path<'t> {
    pub(super) fn primary(table: &'t Table) -> Self {
        let parts: SmallVec<[Part<'t>; 4]> = primary_parts(table).collect();
        let is_unique = !parts.is_empty();
        Self { index: None, space: table.schema.rows, parts, row_parts: SmallVec::new(), is_unique, is_partial: false }
    }

    pub(super) fn index(table: &'t Table, place: usize, index: &'t Index) -> Self {
        Self {
            index: Some(place),
            space: index.space,
            parts: index.keys.iter().map(|key| index_part(table, key)).collect(),
            row_parts: primary_parts(table).collect(),
            is_unique: index.is_unique,
            is_partial: index.filter.is_some(),
        }
    }

    /// Whether different rows differ in the parts alone.
    pub(super) fn tells_all_apart(&self) -> bool {
        self.is_unique && self.parts.iter().all(|part| !part.is_nullable)
    }
}

fn primary_parts(table: &Table) -> impl Iterator<Item = Part<'_>> {
    let columns = table.schema.clustering().map_or(&[][..], |key| &key.columns);
    columns.iter().map(|&column| Part {
        field: Field { column, path: &[] },
        key: KeyPart { r#type: table.schema.columns[column].r#type, is_descending: false },
        is_nullable: false,
    })
}

fn index_part<'t>(table: &'t Table, key: &'t IndexKey) -> Part<'t> {
    let column = &table.schema.columns[key.column];
    let r#type = if key.path.is_empty() { column.r#type } else { types::json_path_type(&key.path) };
    Part {
        field: Field { column: key.column, path: &key.path },
        key: KeyPart { r#type, is_descending: key.is_descending },
        is_nullable: column.nullable || !key.path.is_empty(),
    }
}

/// The direction in which the entries of the key are in the order; none where they are not, either way.
pub(super) fn walk(
    path: &Path<'_>,
    order: &[Order],
    is_constant: impl Fn(Field<'_>) -> bool,
    excludes_null: impl Fn(Field<'_>) -> bool,
) -> Option<Direction> {
    let mut parts = path.parts.iter().chain(&path.row_parts).filter(|part| !is_constant(part.field)).peekable();
    let own_parts = path.parts.iter().filter(|part| !is_constant(part.field)).count();
    let mut direction = None;
    let mut passed = 0;
    for term in order {
        let OrderBy::Expression(expression) = &term.by else {
            return None;
        };
        let field = Field::of(expression)?;
        if is_constant(field) {
            continue;
        }
        let is_total = path.tells_all_apart() && passed >= own_parts;
        let Some(part) = parts.peek() else {
            // What tells rows apart has been compared: no two are equal by now. A hidden row id is no such thing to the order.
            return (is_total || !path.row_parts.is_empty()).then_some(direction.unwrap_or(Direction::Forward));
        };
        if is_total {
            break;
        }
        if part.field != field {
            return None;
        }
        let has_nulls = part.is_nullable && !excludes_null(field);
        if has_nulls && term.nulls_first != term.is_descending {
            return None;
        }
        let is_same = term.is_descending == part.key.is_descending;
        let needed = if is_same { Direction::Forward } else { Direction::Reverse };
        if *direction.get_or_insert(needed) != needed {
            return None;
        }
        parts.next();
        passed += 1;
    }
    Some(direction.unwrap_or(Direction::Forward))
}
