//! A batch of raw values to values of the columns' types.

use super::batch::{Input, Literal, RowBatch};
use super::statement::Statement;
use super::target::Target;
use crate::engine::{Random, View};
use crate::keyspace::EncodedKey;
use crate::tables::query::bind;
use crate::tables::schema::Table;
use crate::tables::table::{Column, Default};
use crate::tables::types::{self, Scalar, Type, Value};
use crate::tables::{Environment, TableError, TableResult, code};

/// The rows of a batch as values.
#[derive(Debug)]
pub(crate) struct Values<'v> {
    /// The columns that the batch names, by their places.
    pub(super) columns: Vec<usize>,
    /// A value for each of them, row by row; none where nothing was given.
    cells: Vec<Option<Value<'v>>>,
    /// How many rows.
    pub(super) rows: usize,
}

impl<'v> Values<'v> {
    /// Reads a batch. `named` are the columns that the statement names; those of the batch where it names none.
    ///
    /// # Errors
    /// PGRST204, those of the types, 22P02 where a value is not among those allowed; 54000 where there are too many rows.
    pub(crate) fn read(
        target: &Target,
        named: Option<&[Box<str>]>,
        batch: &RowBatch<'v>,
        environment: &Environment,
    ) -> TableResult<Self> {
        let table = &target.table;
        let columns = match named {
            Some(named) => bind::columns(named, table)?,
            None => bind::columns(&batch.columns, table)?,
        };
        let stride = batch.columns.len();
        debug_assert_eq!(batch.values.len(), stride * batch.rows, "a value for each column of each row");
        let place = |&column: &usize| {
            let name = &table.schema.columns[column].name;
            batch.columns.iter().position(|named| *named == **name)
        };
        let places: Vec<_> = columns.iter().map(place).collect();
        let mut cells = Vec::with_capacity(columns.len() * batch.rows);
        for row in 0..batch.rows {
            for (&column, place) in columns.iter().zip(&places) {
                let input = place.and_then(|place| batch.values.get(row * stride + place));
                let definition = &table.schema.columns[column];
                cells.push(input.map_or(Ok(None), |input| read(input, definition, environment))?);
                if let (Some(Some(value)), Some(allowed)) = (cells.last(), &definition.allowed) {
                    check_allowed(target.name(), definition, allowed, value)?;
                }
            }
        }
        Ok(Self { columns, cells, rows: batch.rows })
    }

    /// Forgets all rows but one.
    pub(super) fn keep(&mut self, row: usize) {
        let stride = self.columns.len();
        self.cells = self.cells.drain(row * stride..(row + 1) * stride).collect();
        self.rows = 1;
    }

    /// The values of a row, by the places of `columns`.
    pub(super) fn row(&self, row: usize) -> &[Option<Value<'v>>] {
        &self.cells[row * self.columns.len()..][..self.columns.len()]
    }
}

/// A value of the column's type; none where nothing was given.
fn read<'v>(input: &Input<'v>, column: &Column, environment: &Environment) -> TableResult<Option<Value<'v>>> {
    match input {
        Input::Missing => Ok(None),
        Input::Json(raw) => types::from_json(raw, column.r#type, environment).map(Some),
        Input::Text(text) => types::from_text(text, column.r#type, environment).map(Some),
        Input::Value(value) => check_value(value, column.r#type, environment).map(Some),
        Input::Literal(literal, text) => {
            let r#type = column.r#type;
            let fits = match literal {
                Literal::Array => r#type.is_array,
                Literal::Json => !r#type.is_array && r#type.scalar == Scalar::Jsonb,
                Literal::Numeric => is_number(r#type),
            };
            match literal {
                _ if !fits => Err(mismatch()),
                Literal::Numeric if !matches!(r#type.scalar, Scalar::Numeric(_)) => {
                    let number = Type::scalar(Scalar::Numeric(None));
                    let value = types::from_text(text, number, environment)?;
                    types::cast(value, number, r#type, environment).map(Some)
                }
                _ => types::from_text(text, r#type, environment).map(Some),
            }
        }
    }
}

fn mismatch() -> TableError {
    TableError::new(code::DATATYPE_MISMATCH, "a value is not of the type of its column")
}

fn is_number(r#type: Type) -> bool {
    use Scalar::{BigInt, Double, Integer, Numeric, Real, SmallInt};
    !r#type.is_array && matches!(r#type.scalar, SmallInt | Integer | BigInt | Real | Double | Numeric(_))
}

/// The type that a number has by itself.
fn number_type(value: &Value<'_>) -> Option<Type> {
    let scalar = match value {
        Value::Integer(_) => Scalar::BigInt,
        Value::Real(_) => Scalar::Real,
        Value::Double(_) => Scalar::Double,
        Value::Numeric(_) => Scalar::Numeric(None),
        _ => return None,
    };
    Some(Type::scalar(scalar))
}

/// A value that a program made, once it is one of this type: as its text would be read.
fn check_value<'v>(value: &Value<'v>, r#type: Type, environment: &Environment) -> TableResult<Value<'v>> {
    if !is_of(value, r#type) {
        return match number_type(value) {
            Some(from) if is_number(r#type) => types::cast(value.clone().into_owned(), from, r#type, environment),
            _ => Err(mismatch()),
        };
    }
    value.check_range()?;
    match value {
        Value::Null | Value::Boolean(_) | Value::Real(_) | Value::Double(_) | Value::Bytes(_) | Value::Uuid(_) => {
            Ok(value.clone())
        }
        Value::Integer(number) if fits(*number, r#type.scalar) => Ok(value.clone()),
        // Lengths, scales, ranges and characters are the reader's to check.
        value => {
            let mut text = String::new();
            types::write_text(value, r#type, environment, &mut text);
            types::from_text(&text, r#type, environment)
        }
    }
}

fn fits(number: i64, scalar: Scalar) -> bool {
    match scalar {
        Scalar::SmallInt => i16::try_from(number).is_ok(),
        Scalar::Integer => i32::try_from(number).is_ok(),
        _ => true,
    }
}

fn is_of(value: &Value<'_>, r#type: Type) -> bool {
    match (value, r#type.scalar) {
        (Value::Null, _) => true,
        (Value::Array(array), _) => {
            let counted = array.dimensions.iter().try_fold(1_usize, |count, &(length, _)| count.checked_mul(length));
            let counted = if array.dimensions.is_empty() { Some(0) } else { counted };
            r#type.is_array
                && array.dimensions.len() <= 6
                && counted == Some(array.elements.len())
                && array.elements.iter().all(|element| is_of(element, r#type.element()))
        }
        _ if r#type.is_array => false,
        (Value::Boolean(_), Scalar::Boolean)
        | (Value::Integer(_), Scalar::SmallInt | Scalar::Integer | Scalar::BigInt)
        | (Value::Real(_), Scalar::Real)
        | (Value::Double(_), Scalar::Double)
        | (Value::Numeric(_), Scalar::Numeric(_))
        | (Value::Text(_), Scalar::Text | Scalar::Varchar(_) | Scalar::Char(_))
        | (Value::Bytes(_), Scalar::Bytea)
        | (Value::Date(_), Scalar::Date)
        | (Value::Time(_), Scalar::Time)
        | (Value::Timestamp(_), Scalar::Timestamp | Scalar::TimestampTz)
        | (Value::Uuid(_), Scalar::Uuid)
        | (Value::Json(_), Scalar::Jsonb) => true,
        _ => false,
    }
}

fn check_allowed(table: &str, column: &Column, allowed: &[String], value: &Value<'_>) -> TableResult<()> {
    match value {
        Value::Text(text) if !allowed.iter().any(|allowed| *allowed == **text) => {
            let message = format!("invalid input value for enum {table}_{}: \"{text}\"", column.name);
            Err(TableError::new(code::TEXT_INVALID, message))
        }
        Value::Array(array) => {
            array.elements.iter().try_for_each(|element| check_allowed(table, column, allowed, element))
        }
        _ => Ok(()),
    }
}

impl Statement<'_> {
    /// A column's default; the next number of an identity.
    ///
    /// # Errors
    /// Those of drawing a number and of casts.
    pub(super) fn default_of(&self, target: &Target, column: usize) -> TableResult<Value<'static>> {
        let definition = &target.table.schema.columns[column];
        if definition.identity {
            let number = self.draw_identities(target, 1)?;
            return Ok(Value::Integer(number));
        }
        default_value(definition, self.environment)
    }

    /// The first of `count` numbers of an identity.
    ///
    /// # Errors
    /// 2200H where its type has no more.
    pub(super) fn draw_identities(&self, target: &Target, count: u32) -> TableResult<i64> {
        self.database.catalog().identities.draw(&self.database.0.engine, &target.table, count)
    }
}

/// The default of a column that is no identity; null where it has none.
pub(super) fn default_value(column: &Column, environment: &Environment) -> TableResult<Value<'static>> {
    let random = &*environment.random;
    match &column.default {
        None => Ok(Value::Null),
        Some(Default::Literal(value)) => Ok(value.clone()),
        Some(Default::Now) => {
            let from = Type::scalar(Scalar::TimestampTz);
            let now = Value::Timestamp(environment.now_us);
            if column.r#type == from { Ok(now) } else { types::cast(now, from, column.r#type, environment) }
        }
        Some(Default::Uuid) => of_uuid(uuid::Builder::from_random_bytes(random_bytes(random)), column, environment),
        Some(Default::UuidV7) => {
            let millis = u64::try_from(environment.now_us / 1_000).unwrap_or(0);
            let builder = uuid::Builder::from_unix_timestamp_millis(millis, &random_bytes(random));
            of_uuid(builder, column, environment)
        }
    }
}

fn random_bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

fn of_uuid(builder: uuid::Builder, column: &Column, environment: &Environment) -> TableResult<Value<'static>> {
    let uuid = Value::Uuid(builder.into_uuid().into_bytes());
    let from = Type::scalar(Scalar::Uuid);
    if column.r#type == from { Ok(uuid) } else { types::cast(uuid, from, column.r#type, environment) }
}

/// The key of the row with this primary key, if there is one.
///
/// # Errors
/// 42P10 where the table has no primary key of so many columns; those of the values' types, and of the view.
pub(crate) fn key_of(
    view: &mut dyn View,
    table: &Table,
    key: &[Value<'_>],
    environment: &Environment,
) -> TableResult<Option<EncodedKey>> {
    let schema = &table.schema;
    let primary_key = schema.primary_key.as_ref().filter(|primary_key| primary_key.columns.len() == key.len());
    let primary_key = primary_key.ok_or_else(|| {
        let message = format!("table \"{}\" has no primary key of {} columns", schema.name, key.len());
        TableError::new(code::NO_CONFLICT_KEY, message)
    })?;
    let values = key.iter().zip(&primary_key.columns);
    let values = values.map(|(value, &column)| check_value(value, schema.columns[column].r#type, environment));
    let values = values.collect::<TableResult<Vec<_>>>()?;
    let key = by_primary_key(table, &values)?;
    if schema.clustering().is_some() {
        return Ok(Some(key));
    }
    let entry = view.get(&key)?;
    Ok(entry.map(|entry| EncodedKey::from([&schema.rows.prefix()[..], &entry.value].concat())))
}

/// The key of what has these values in the primary key: of the row, or of the entry that leads to it.
///
/// # Errors
/// 54000 where it is too long; XX001 where there is no primary key.
pub(super) fn by_primary_key(table: &Table, values: &[Value<'_>]) -> TableResult<EncodedKey> {
    let schema = &table.schema;
    if let Some(key) = schema.clustering() {
        return table.row_key.row_key(schema.rows, &key.name, values);
    }
    let index = schema.primary_index();
    let index = index.ok_or_else(|| TableError::new(code::DATA_CORRUPTED, "the primary key has no index"))?;
    Ok(table.entries[index].entry(values, &[])?.0)
}
