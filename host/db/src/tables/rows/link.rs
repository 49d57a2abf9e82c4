//! A foreign key, with the keys of both tables that it is checked by.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::target::Target;
use crate::engine::KeyRange;
use crate::keyspace::{EncodedKey, space_prefix};
use crate::tables::codec::{KeyPrefix, KeyShape, push};
use crate::tables::table::{ForeignKey, SpaceId};
use crate::tables::types::{self, Scalar, Type, Value};
use crate::tables::{Environment, TableError, TableResult, code};

type Places = SmallVec<[usize; 4]>;

/// The keys of rows by the values of a foreign key, encoded.
pub(super) type ByValues = HashMap<Vec<u8>, Vec<Box<[u8]>>>;

/// A foreign key, with the keys of both tables that it is checked by.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) child: Arc<Target>,
    pub(super) parent: Arc<Target>,
    /// Its place in the child's schema.
    pub(super) foreign_key: usize,
    /// The referenced columns, in the order of the foreign key's.
    pub(super) parent_columns: Places,
    /// The parent's key.
    parent_key: Key,
    /// Where the children of a parent are found; none where all rows are looked at.
    child_key: Option<Key>,
}

/// A key whose first parts are the columns of a foreign key.
#[derive(Debug)]
struct Key {
    /// The index; none for the key of the rows.
    index: Option<usize>,
    /// For each part of the key, the place among the foreign key's columns.
    order: Places,
}

impl Key {
    fn shape<'t>(&self, target: &'t Target) -> &'t KeyShape {
        self.index.map_or(&target.table.row_key, |index| target.table.entries[index].key())
    }

    fn space(&self, target: &Target) -> SpaceId {
        self.index.map_or(target.table.schema.rows, |index| target.table.schema.indexes[index].space)
    }

    /// What all keys begin with whose columns have these values, which are in the foreign key's order.
    fn prefix(&self, target: &Target, values: &[Value<'_>]) -> KeyPrefix {
        let parts = self.shape(target).parts();
        let all = KeyPrefix::of_space(self.space(target));
        self.order.iter().zip(parts).fold(all, |prefix, (&place, &part)| prefix.with(part, &values[place]))
    }
}

impl Link {
    pub(super) fn new(child: Arc<Target>, foreign_key: usize, parent: Arc<Target>) -> TableResult<Self> {
        let definition = &child.table.schema.foreign_keys[foreign_key];
        let parent_columns = definition.target_columns.iter().map(|name| {
            parent.table.schema.columns.iter().position(|column| column.name == *name).ok_or_else(|| {
                let message = format!("foreign key \"{}\" references a column that does not exist", definition.name);
                TableError::new(code::DATA_CORRUPTED, message)
            })
        });
        let parent_columns = parent_columns.collect::<TableResult<Places>>()?;
        let parent_key = keys_on(&parent, &parent_columns)
            .find(|key| key.shape(&parent).parts().len() == parent_columns.len() && is_unique(&parent, key))
            .ok_or_else(|| {
                let message = format!("foreign key \"{}\" references no unique key", definition.name);
                TableError::new(code::DATA_CORRUPTED, message)
            })?;
        let child_key = keys_on(&child, &definition.columns).next();
        Ok(Self { child, parent, foreign_key, parent_columns, parent_key, child_key })
    }

    /// The foreign key.
    pub(super) fn definition(&self) -> &ForeignKey {
        &self.child.table.schema.foreign_keys[self.foreign_key]
    }

    /// The child's types, in the foreign key's order.
    fn child_types(&self) -> impl Iterator<Item = Type> {
        self.definition().columns.iter().map(|&column| self.child.table.schema.columns[column].r#type)
    }

    fn parent_types(&self) -> impl Iterator<Item = Type> {
        self.parent_columns.iter().map(|&column| self.parent.table.schema.columns[column].r#type)
    }

    /// The key of the row or index entry that the parent of a child has. `Err(true)` where the child needs none, because of a null;
    /// `Err(false)` where no parent can have its values.
    pub(super) fn parent_of(&self, child: &[Value<'_>], environment: &Environment) -> Result<EncodedKey, bool> {
        let mut values = SmallVec::<[Value<'_>; 4]>::new();
        let columns = self.definition().columns.iter().zip(self.child_types()).zip(self.parent_types());
        for ((&column, from), to) in columns {
            match &child[column] {
                Value::Null => return Err(true),
                value => values.push(as_type(value, from, to, environment).ok_or(false)?),
            }
        }
        Ok(EncodedKey::from_slice(self.parent_key.prefix(&self.parent, &values).bytes()))
    }

    /// The key of the row or index entry of a parent with these values, as its children have them; none where no parent can have them.
    pub(super) fn parent_with(&self, values: &[Value<'_>], environment: &Environment) -> Option<EncodedKey> {
        let parts = values.iter().zip(self.child_types()).zip(self.parent_types());
        let parts = parts.map(|((value, from), to)| as_type(value, from, to, environment));
        let values = parts.collect::<Option<SmallVec<[Value<'_>; 4]>>>()?;
        Some(EncodedKey::from_slice(self.parent_key.prefix(&self.parent, &values).bytes()))
    }

    /// Where the children of a parent with these values are; none where all rows have to be looked at.
    pub(super) fn children_of(&self, values: &[Value<'_>]) -> Option<KeyRange> {
        self.child_key.as_ref().map(|key| key.prefix(&self.child, values).all())
    }

    /// The key of the child's row that has been found where [`children_of`](Self::children_of) says.
    ///
    /// # Errors
    /// XX001 where that is no entry of the index.
    pub(super) fn child_at(&self, key: &[u8], value: &[u8]) -> TableResult<Box<[u8]>> {
        let Some(index) = self.child_key.as_ref().and_then(|key| key.index) else { return Ok(key.into()) };
        let row_key = self.child.table.entries[index].row_key(key, value)?;
        Ok([&space_prefix(self.child.table.schema.rows.0)[..], row_key].concat().into())
    }

    /// The values of a child's columns as bytes that are the same where they are equal.
    pub(super) fn encoded(&self, values: &[Value<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (value, r#type) in values.iter().zip(self.child_types()) {
            push(&mut bytes, value, r#type, false);
        }
        bytes
    }

    /// The same of an encoded row of the child; none where one of them is null, so that it has no parent.
    ///
    /// # Errors
    /// XX001.
    pub(super) fn encoded_of(&self, row: &[u8]) -> TableResult<Option<Vec<u8>>> {
        let row = self.child.table.reader.open(row)?;
        let values = self.definition().columns.iter().map(|&column| row.column(column));
        let values = values.collect::<TableResult<SmallVec<[Value<'_>; 4]>>>()?;
        Ok(if values.iter().any(Value::is_null) { None } else { Some(self.encoded(&values)) })
    }

    /// The referenced values of a parent as children have them, in the foreign key's order; none where no child can have them.
    pub(super) fn values_in_children(
        &self,
        parent: &[Value<'_>],
        environment: &Environment,
    ) -> Option<Vec<Value<'static>>> {
        let columns = self.parent_columns.iter().zip(self.parent_types()).zip(self.child_types());
        let values = columns.map(|((&column, from), to)| match &parent[column] {
            Value::Null => None,
            value => as_type(value, from, to, environment).map(Value::into_owned),
        });
        values.collect()
    }
}

/// The keys of the table whose first parts are these columns, in any order.
fn keys_on(target: &Target, columns: &[usize]) -> impl Iterator<Item = Key> {
    let order = |parts: &mut dyn Iterator<Item = usize>| -> Option<Places> {
        let order: Places =
            parts.take(columns.len()).map_while(|part| columns.iter().position(|&column| column == part)).collect();
        let is_all = order.len() == columns.len() && (0..columns.len()).all(|place| order.contains(&place));
        is_all.then_some(order)
    };
    let schema = &target.table.schema;
    let primary = schema.clustering().and_then(|key| order(&mut key.columns.iter().copied()));
    let indexes = schema.indexes.iter().enumerate().filter_map(|(place, index)| {
        let is_whole = index.filter.is_none() && !index.is_building;
        let mut columns = index.keys.iter().take_while(|key| key.path.is_empty()).map(|key| key.column);
        let order = order(&mut columns).filter(|_| is_whole)?;
        Some(Key { index: Some(place), order })
    });
    let keys: Vec<_> = primary.map(|order| Key { index: None, order }).into_iter().chain(indexes).collect();
    keys.into_iter()
}

fn is_unique(target: &Target, key: &Key) -> bool {
    key.index.is_none_or(|index| target.table.schema.indexes[index].is_unique)
}

/// The same value of another type, if that has it. Types whose values are alike differ only in what they allow.
fn as_type<'v>(value: &Value<'v>, from: Type, to: Type, environment: &Environment) -> Option<Value<'v>> {
    let is_whole = |r#type: Type| matches!(r#type.scalar, Scalar::SmallInt | Scalar::Integer | Scalar::BigInt);
    let cast = |value: Value<'v>, from, to| types::cast(value, from, to, environment).ok();
    match (value, to.scalar) {
        (Value::Integer(_), Scalar::Numeric(_) | Scalar::Real | Scalar::Double) => cast(value.clone(), from, to),
        (Value::Numeric(_) | Value::Real(_) | Value::Double(_), _) if is_whole(to) => {
            let whole = cast(value.clone(), from, to)?;
            // A fraction would have been rounded.
            let back = cast(whole.clone(), to, from)?;
            types::equal(&back, value).then_some(whole)
        }
        _ => Some(value.clone()),
    }
}
