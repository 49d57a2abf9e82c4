//! Rows of any layout that a table has had, as rows of its columns of today.

use std::borrow::Cow;

use super::fixed::Raw;
use super::shape::RowShape;
use super::view::{RowView, split_head};
use crate::tables::TableResult;
use crate::tables::codec::damage::damaged;
use crate::tables::schema::TableSchema;
use crate::tables::schema::table::Column;
use crate::tables::types::{Type, Value};

/// An explicit cast of a value from a type (the first) to another.
pub type Cast = fn(Value<'_>, Type, Type) -> TableResult<Value<'static>>;

/// Reads the rows of a table. Made once for a version of its schema.
#[derive(Debug, Clone)]
pub struct RowReader {
    layouts: Box<[LayoutReader]>,
    /// Of each column of today, its type and what it is where the row's layout has none.
    columns: Box<[(Type, Value<'static>)]>,
    /// Types that a column has had one after the other: a value is cast to each of them, as it would be had it been rewritten each time.
    chains: Box<[Vec<Type>]>,
    cast: Cast,
}

#[derive(Debug, Clone)]
struct LayoutReader {
    shape: RowShape,
    /// Of each column of today.
    sources: Box<[Source]>,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The place in the row's layout.
    Row(usize),
    /// The place in the row's layout, where it has another type, and the place of the types from that one to today's.
    Cast(usize, usize),
    /// The row is older than the column.
    Missing,
}

impl RowReader {
    /// A reader of all layouts of the table.
    #[must_use]
    pub fn new(schema: &TableSchema, cast: Cast) -> Self {
        let mut chains = Vec::new();
        let layouts = schema.layouts.iter().enumerate().map(|(number, layout)| {
            let types: Vec<_> = layout.columns.iter().map(|&(_, r#type)| r#type).collect();
            let sources =
                schema.columns.iter().map(|column| match layout.columns.iter().position(|&(id, _)| id == column.id) {
                    Some(place) => match chain(schema, number, column) {
                        types if types.len() == 1 => Source::Row(place),
                        types => {
                            chains.push(types);
                            Source::Cast(place, chains.len() - 1)
                        }
                    },
                    None => Source::Missing,
                });
            LayoutReader { shape: RowShape::new(&types), sources: sources.collect() }
        });
        let layouts = layouts.collect();
        let columns = schema.columns.iter().map(|column| (column.r#type, column.missing.clone()));
        Self { layouts, columns: columns.collect(), chains: chains.into(), cast }
    }

    /// The shape of today's layout, and its number: how rows are written.
    ///
    /// # Errors
    /// XX001 where the table has no layout.
    pub fn today(&self) -> TableResult<(u32, &RowShape)> {
        let (layout, before) = self.layouts.split_last().ok_or_else(|| damaged("schema"))?;
        let number = u32::try_from(before.len()).map_err(|_| damaged("schema"))?;
        Ok((number, &layout.shape))
    }

    /// A row of the table.
    ///
    /// # Errors
    /// XX001 where the bytes are none, or name a layout that the table has not had.
    #[inline]
    pub fn open<'a>(&'a self, bytes: &'a [u8]) -> TableResult<Row<'a>> {
        let (number, width, body) = split_head(bytes)?;
        let Some(layout) = self.layouts.get(number as usize) else { return Err(damaged("row of an unknown layout")) };
        let view = RowView::of_body(&layout.shape, width, body)?;
        Ok(Row { reader: self, sources: &layout.sources, view })
    }
}

/// A row, whose columns are those of today.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    reader: &'a RowReader,
    sources: &'a [Source],
    view: RowView<'a>,
}

impl<'a> Row<'a> {
    /// How many columns there are.
    #[must_use]
    pub fn column_count(&self) -> usize {
        self.sources.len()
    }

    /// The value of the column at this place of the schema. Text, bytes and jsonb are borrowed from the row.
    ///
    /// # Errors
    /// XX001 where the bytes are not of the column's type; what the cast says where the column had another type.
    ///
    /// # Panics
    /// There is no such column.
    #[inline]
    pub fn column(&self, column: usize) -> TableResult<Value<'a>> {
        match self.sources[column] {
            Source::Row(place) => self.view.get(place),
            Source::Cast(place, chain) => self.cast(place, chain),
            Source::Missing => Ok(borrowed(&self.reader.columns[column].1)),
        }
    }

    /// Whether the row is older than the column at this place of the schema.
    ///
    /// # Panics
    /// There is no such column.
    #[must_use]
    pub fn is_missing(&self, column: usize) -> bool {
        matches!(self.sources[column], Source::Missing)
    }

    /// Whether the column at this place of the schema is null. As [`column`](Self::column), but its value is not built, except by a cast.
    ///
    /// # Errors
    /// As those of [`column`](Self::column).
    ///
    /// # Panics
    /// There is no such column.
    #[inline]
    pub fn is_null(&self, column: usize) -> TableResult<bool> {
        match self.sources[column] {
            Source::Row(place) => Ok(self.view.is_null(place)),
            Source::Cast(place, chain) => Ok(self.cast(place, chain)?.is_null()),
            Source::Missing => Ok(self.reader.columns[column].1.is_null()),
        }
    }

    /// What the row has in the column at this place of the schema, without a value made of it; none where it has the column not at all
    /// or with another type.
    ///
    /// # Errors
    /// XX001 where the bytes are not a row.
    ///
    /// # Panics
    /// There is no such column.
    #[inline]
    pub fn raw(&self, column: usize) -> TableResult<Option<Raw<'a>>> {
        match self.sources[column] {
            Source::Row(place) => self.view.raw(place).map(Some),
            Source::Cast(..) | Source::Missing => Ok(None),
        }
    }

    #[cold]
    fn cast(&self, place: usize, chain: usize) -> TableResult<Value<'static>> {
        let mut value = self.view.get(place)?;
        for types in self.reader.chains[chain].windows(2) {
            if value.is_null() {
                break;
            }
            value = (self.reader.cast)(value, types[0], types[1])?;
        }
        Ok(value.into_owned())
    }
}

/// The types of a column from those of the layout of this number on, without repetitions, to today's.
fn chain(schema: &TableSchema, number: usize, column: &Column) -> Vec<Type> {
    let of_layouts = schema.layouts[number..].iter().flat_map(|layout| &layout.columns);
    let mut types: Vec<Type> =
        of_layouts.filter(|(id, _)| *id == column.id).map(|(_, r#type)| *r#type).chain([column.r#type]).collect();
    types.dedup();
    types
}

fn borrowed<'a>(value: &'a Value<'static>) -> Value<'a> {
    match value {
        Value::Text(text) => Value::Text(Cow::Borrowed(text)),
        Value::Json(text) => Value::Json(Cow::Borrowed(text)),
        Value::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
        other => other.clone(),
    }
}
