//! Structs as rows.

use super::packed::Packed;
use super::value::{FromValue, IntoValue};
use crate::bindings::mantis::db::tables::Value;
use crate::{Error, Result};

/// A struct as a row of a table. `#[derive(Row)]` implements it: a field for each column, in any order; a table may have more
/// columns.
pub trait Row: Sized {
    /// The names of its columns, in the order of the values.
    const COLUMNS: &'static [&'static str];
    /// The same as a select.
    const SELECT: &'static str;

    /// Reads a row.
    ///
    /// # Errors
    /// The code `value-mismatch`, naming the column.
    fn from_values(values: &mut Values<'_>) -> Result<Self>;

    /// The values of a row.
    fn into_values(self) -> Vec<Value>;
}

/// The values of a row on the way to a struct.
pub struct Values<'p>(Source<'p>);

enum Source<'p> {
    Packed(&'p mut Packed),
    List(std::vec::IntoIter<Value>),
}

impl<'p> Values<'p> {
    pub(super) fn packed(packed: &'p mut Packed) -> Self {
        Self(Source::Packed(packed))
    }

    pub(super) fn list(values: Vec<Value>) -> Self {
        Self(Source::List(values.into_iter()))
    }

    /// The next value, which is that of `column`.
    ///
    /// # Errors
    /// The code `value-mismatch`.
    pub fn next<T: FromValue>(&mut self, column: &str) -> Result<T> {
        let value = match &mut self.0 {
            Source::Packed(packed) => packed.value(),
            Source::List(values) => values.next(),
        };
        let value = value.ok_or_else(|| Error::invalid("value-mismatch", format!("{column} has no value")))?;
        T::from_value(value).map_err(|error| Error::invalid(error.code(), format!("{column}: {}", error.message())))
    }
}

/// The values of a primary key: one, or a tuple of several.
pub trait IntoKey {
    /// The values, in the order of the key's columns.
    fn into_key(self) -> Vec<Value>;
}

impl<T: IntoValue> IntoKey for T {
    fn into_key(self) -> Vec<Value> {
        vec![self.into_value()]
    }
}

macro_rules! key {
    ($($name:ident $place:tt),*) => {
        impl<$($name: IntoValue),*> IntoKey for ($($name,)*) {
            fn into_key(self) -> Vec<Value> {
                vec![$(self.$place.into_value()),*]
            }
        }
    };
}

key!(A 0, B 1);
key!(A 0, B 1, C 2);
key!(A 0, B 1, C 2, D 3);
