//! Keys of rows and of index entries.
//!
//! | key | value |
//! |---|---|
//! | `20`, space (u32 BE), each column of the primary key | the row |
//! | `20`, space (u32 BE), hidden row id as a bigint | the row |
//! | `20`, space (u32 BE), null, hidden row id as a bigint | the row, beside others whose primary key was dropped |
//! | `20`, space (u32 BE), each part of the index, the row's key | nothing |
//! | `20`, space (u32 BE), each part of a unique index, none of them null | the row's key |
//!
//! The row's key is what comes after the space of its own key. Values are as in `key`.

use crate::keyspace::{EncodedKey, SPACE_PREFIX_BYTES, space_prefix};
use crate::tables::codec::damage::damaged;
use crate::tables::codec::{key, push};
use crate::tables::schema::table::{Index, RowKeys, SpaceId, TableSchema};
use crate::tables::types::{Scalar, Type, Value};
use crate::tables::{TableError, TableResult, code};

/// The most bytes of a key behind its space: of a primary key, or of an index's parts with the row's key.
pub const INDEX_KEY_BYTES_MAX: usize = 4_000;

/// One value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPart {
    /// Its type.
    pub r#type: Type,
    /// Whether the largest comes first.
    pub is_descending: bool,
}

/// What a key is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyShape {
    parts: Box<[KeyPart]>,
}

impl KeyShape {
    /// A key of these parts, in order.
    #[must_use]
    pub fn new(parts: &[KeyPart]) -> Self {
        Self { parts: parts.into() }
    }

    /// The keys of a table's rows: the primary key, or the hidden row id (a bigint), which may have a null before it.
    #[must_use]
    pub fn of_rows(schema: &TableSchema) -> Self {
        let ascending = |r#type| KeyPart { r#type, is_descending: false };
        let id = ascending(Type::scalar(Scalar::BigInt));
        let parts = match (schema.row_keys, &schema.primary_key) {
            (RowKeys::PrimaryKey, Some(key)) => {
                key.columns.iter().map(|&column| ascending(schema.columns[column].r#type)).collect()
            }
            (RowKeys::IdBehindNull, _) => [id, id].into(),
            _ => [id].into(),
        };
        Self { parts }
    }

    /// The parts of an index of the table, without the row's key.
    #[must_use]
    pub fn of_index(schema: &TableSchema, index: &Index) -> Self {
        let parts = index.keys.iter().map(|key| KeyPart {
            r#type: match key.path.last() {
                None => schema.columns[key.column].r#type,
                Some(step) if is_text(step) => Type::TEXT,
                Some(_) => Type::scalar(Scalar::Jsonb),
            },
            is_descending: key.is_descending,
        });
        Self { parts: parts.collect() }
    }

    /// The parts in order.
    #[must_use]
    pub fn parts(&self) -> &[KeyPart] {
        &self.parts
    }

    /// Appends the values of all parts, in order; whether one of them is null.
    pub fn push<'v, B: key::KeyBuffer>(&self, out: &mut B, values: impl IntoIterator<Item = &'v Value<'v>>) -> bool {
        let mut has_null = false;
        for (part, value) in self.parts.iter().zip(values) {
            push(out, value, part.r#type, part.is_descending);
            has_null |= value.is_null();
        }
        has_null
    }

    /// Whether a key whose space has been taken off begins with a null.
    #[must_use]
    pub fn begins_with_null(key: &[u8]) -> bool {
        key::begins_with_null(key)
    }

    /// The key of a row.
    ///
    /// # Errors
    /// 54000 where it is longer than [`INDEX_KEY_BYTES_MAX`]; `name` is that of the primary key.
    pub fn row_key<'v>(
        &self,
        space: SpaceId,
        name: &str,
        values: impl IntoIterator<Item = &'v Value<'v>>,
    ) -> TableResult<EncodedKey> {
        let mut key = EncodedKey::from_slice(&space_prefix(space.0));
        self.push(&mut key, values);
        check_bytes(&key, name)?;
        Ok(key)
    }

    /// All values of a key whose space has been taken off, and what comes behind them.
    ///
    /// # Errors
    /// XX001 where the bytes are not such a key.
    pub fn decode<'a>(&self, mut bytes: &'a [u8]) -> TableResult<(Vec<Value<'a>>, &'a [u8])> {
        let values = self.parts.iter().map(|part| key::decode(&mut bytes, part.r#type, part.is_descending));
        let values = values.collect::<TableResult<Vec<_>>>()?;
        Ok((values, bytes))
    }

    /// The bytes of all values of a key whose space has been taken off, and what comes behind them.
    ///
    /// # Errors
    /// XX001 where the bytes are not such a key.
    pub fn split<'a>(&self, bytes: &'a [u8]) -> TableResult<(&'a [u8], &'a [u8])> {
        let mut rest = bytes;
        for part in &self.parts {
            key::skip(&mut rest, part.r#type, part.is_descending)?;
        }
        Ok(bytes.split_at(bytes.len() - rest.len()))
    }
}

fn is_text(step: &mantis_dialect::JsonStep) -> bool {
    use mantis_dialect::JsonStep::{Element, Member};
    match step {
        Element { is_text, .. } | Member { is_text, .. } => *is_text,
    }
}

fn check_bytes(key: &[u8], name: &str) -> TableResult<()> {
    let bytes = key.len() - SPACE_PREFIX_BYTES;
    if bytes <= INDEX_KEY_BYTES_MAX {
        return Ok(());
    }
    let message = format!("index row size {bytes} exceeds maximum {INDEX_KEY_BYTES_MAX} for index \"{name}\"");
    Err(TableError::new(code::LIMIT_EXCEEDED, message)
        .with_hint("Index a shorter column, or a part of the value that tells rows apart."))
}

/// How the entries of one index are made and read.
#[derive(Debug, Clone)]
pub struct EntryShape {
    name: String,
    space: SpaceId,
    is_unique: bool,
    key: KeyShape,
}

impl EntryShape {
    /// The entries of an index of the table.
    #[must_use]
    pub fn new(schema: &TableSchema, index: &Index) -> Self {
        Self {
            name: index.name.clone(),
            space: index.space,
            is_unique: index.is_unique,
            key: KeyShape::of_index(schema, index),
        }
    }

    /// The parts of the index.
    #[must_use]
    pub fn key(&self) -> &KeyShape {
        &self.key
    }

    /// The key of an entry, and whether its value is the row's key; otherwise the value is empty. `row_key` is without its space.
    ///
    /// # Errors
    /// 54000 where it is longer than [`INDEX_KEY_BYTES_MAX`].
    pub fn entry<'v>(
        &self,
        values: impl IntoIterator<Item = &'v Value<'v>>,
        row_key: &[u8],
    ) -> TableResult<(EncodedKey, bool)> {
        let mut entry = EncodedKey::from_slice(&space_prefix(self.space.0));
        let has_null = self.key.push(&mut entry, values);
        let is_alone = self.is_unique && !has_null;
        if !is_alone {
            entry.extend_from_slice(row_key);
        }
        check_bytes(&entry, &self.name)?;
        Ok((entry, is_alone))
    }

    /// The key of an entry's row, without its space: from the entry's key (with its space) and value.
    ///
    /// # Errors
    /// XX001 where they are not an entry of this index.
    pub fn row_key<'a>(&self, entry: &'a [u8], value: &'a [u8]) -> TableResult<&'a [u8]> {
        let (_, row_key) = self.key.split(self.without_space(entry)?)?;
        match (row_key, value) {
            (key, []) | ([], key) if !key.is_empty() => Ok(key),
            _ => Err(damaged("index entry")),
        }
    }

    /// An entry's key behind its space.
    ///
    /// # Errors
    /// XX001 where it is of another space.
    pub fn without_space<'a>(&self, entry: &'a [u8]) -> TableResult<&'a [u8]> {
        entry.strip_prefix(&space_prefix(self.space.0)[..]).ok_or_else(|| damaged("index entry"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::tables::codec::samples::{any_part, values_of};

    fn entry_shape(parts: &[KeyPart], is_unique: bool) -> EntryShape {
        EntryShape { name: "books_title_key".into(), space: SpaceId(9), is_unique, key: KeyShape::new(parts) }
    }

    const TEXT: KeyPart = KeyPart { r#type: Type::TEXT, is_descending: false };

    proptest! {
        #[test]
        fn an_entry_leads_to_its_row(
            (parts, values) in vec(any_part(), 1..4).prop_flat_map(|parts| {
                let types: Vec<_> = parts.iter().map(|part| part.r#type).collect();
                (Just(parts), values_of(types))
            }),
            is_unique in any::<bool>(),
            row in vec(any::<u8>(), 1..20),
        ) {
            let shape = entry_shape(&parts, is_unique);
            let entry = shape.entry(&values, &row);
            prop_assume!(entry.as_ref().err().is_none_or(|error| error.code != code::LIMIT_EXCEEDED));
            let (entry, is_alone) = entry.unwrap();
            prop_assert_eq!(is_alone, is_unique && !values.iter().any(Value::is_null));
            let value = if is_alone { &row[..] } else { &[] };
            prop_assert_eq!(shape.row_key(&entry, value).unwrap(), &row[..]);
            let (decoded, _) = shape.key().decode(shape.without_space(&entry).unwrap()).unwrap();
            prop_assert_eq!(shape.entry(&decoded, &row).unwrap().0, entry);
        }
    }

    #[track_caller]
    fn check_refused(shape: &EntryShape, entry: &[u8], value: &[u8]) {
        assert_eq!(shape.row_key(entry, value).unwrap_err().code, code::DATA_CORRUPTED);
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let shape = entry_shape(&[TEXT], true);
        let (entry, _) = shape.entry(&[Value::Text("a".into())], b"row").unwrap();
        assert_eq!(shape.row_key(&entry, b"row"), Ok(&b"row"[..]));
        check_refused(&shape, &entry, b"");
        check_refused(&shape, &entry[..entry.len() - 1], b"row");
        check_refused(&shape, &[&entry[..], b"row"].concat(), b"row");
        check_refused(&shape, &entry[1..], b"row");
        check_refused(&shape, b"", b"");
    }

    #[test]
    fn a_key_longer_than_the_limit_is_refused_by_name() {
        let fits = Value::Text("a".repeat(INDEX_KEY_BYTES_MAX - 1).into());
        let rows = KeyShape::new(&[TEXT]);
        assert!(rows.row_key(SpaceId(1), "books_pkey", [&fits]).is_ok());
        let longer = Value::Text("a".repeat(INDEX_KEY_BYTES_MAX).into());
        let refused = rows.row_key(SpaceId(1), "books_pkey", [&longer]).unwrap_err();
        assert_eq!(refused.code, code::LIMIT_EXCEEDED);
        assert_eq!(refused.message, "index row size 4001 exceeds maximum 4000 for index \"books_pkey\"");
        assert!(entry_shape(&[TEXT], true).entry([&fits], b"r").is_ok());
        let refused = entry_shape(&[TEXT], false).entry([&fits], b"r").unwrap_err();
        assert_eq!(refused.message, "index row size 4001 exceeds maximum 4000 for index \"books_title_key\"");
    }
}
