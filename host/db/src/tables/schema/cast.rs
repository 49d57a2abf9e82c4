//! Casts of stored values, as a change of a column's type makes them: they depend on no statement.

use crate::tables::types::{self, Scalar, Type, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// A cast of a value that was looked at when the type was changed.
pub(crate) fn cast(value: Value<'_>, from: Type, to: Type) -> TableResult<Value<'static>> {
    types::cast(value, from, to, &Environment::neutral())
}

/// A value of another type, as a change of its column's type makes it: as an explicit cast, but no text is cut.
///
/// # Errors
/// Those of casts; 22001.
pub(crate) fn cast_whole(value: &Value<'_>, from: Type, to: Type) -> TableResult<Value<'static>> {
    let changed = cast(value.clone(), from, to)?;
    if let (Value::Text(before), Value::Text(after), Scalar::Varchar(Some(_)) | Scalar::Char(_)) =
        (value, &changed, to.scalar)
        && before.trim_end_matches(' ') != after.trim_end_matches(' ')
    {
        return Err(TableError::new(code::STRING_TRUNCATION, format!("value too long for type {to}")));
    }
    Ok(changed)
}
