//! Values that a plugin gives.

use std::borrow::Cow;

use crate::tables::types::Value;
use crate::tables::{Input, TableError, TableResult, code};

/// Arguments of a query on a table.
pub const ARGUMENTS_MAX: usize = 100;

/// A value as an argument. Decimals, JSON and arrays are read as the type beside them, as if their text stood in the query.
#[must_use]
pub fn argument(given: Input<'_>) -> Value<'static> {
    match given {
        Input::Value(value) => value.into_owned(),
        Input::Text(text) | Input::Literal(_, text) => Value::Text(Cow::Owned(text.into_owned())),
        Input::Json(text) => Value::Text(Cow::Owned(text.to_owned())),
        Input::Missing => Value::Null,
    }
}

/// Values as the arguments of a query.
///
/// # Errors
/// 54000 beyond [`ARGUMENTS_MAX`].
pub fn arguments<'g>(given: impl ExactSizeIterator<Item = Input<'g>>) -> TableResult<Vec<Value<'static>>> {
    if given.len() > ARGUMENTS_MAX {
        let message = format!("{} arguments are given; the limit is {ARGUMENTS_MAX}", given.len());
        let hint = "Give a list of values as one array: `id=in.$1`.";
        return Err(TableError::new(code::LIMIT_EXCEEDED, message).with_hint(hint));
    }
    Ok(given.map(argument).collect())
}
