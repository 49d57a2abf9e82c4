//! Rows of tables, in the form that every surface can produce: JSON that keeps every digit and the order of the columns.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Number, Value, json};

use crate::data::shown;

/// Rows, and the order of their columns. No rows have no columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Value>,
}

impl Rows {
    /// Reads rows as HTTP writes them, an array of objects with the same members in the same order.
    pub(crate) fn read(json: &[u8]) -> Self {
        let rows: Vec<RowText> = serde_json::from_slice(json).unwrap();
        let columns = rows.first().map(RowText::columns).unwrap_or_default();
        let row = |row: &RowText| {
            assert_eq!(row.columns(), columns, "all rows have the columns of the first, in its order");
            row.0.iter().map(|(name, value)| (name.clone(), exact(value))).collect()
        };
        Self { rows: rows.iter().map(row).collect(), columns }
    }

    /// Reads the object of one row.
    pub(crate) fn read_one(json: &[u8]) -> Self {
        Self::read(&[b"[", json, b"]"].concat())
    }
}

/// A row's members in their order.
struct RowText(Vec<(String, Box<RawValue>)>);

impl RowText {
    fn columns(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
}

impl<'de> Deserialize<'de> for RowText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = RowText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row's object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RowText, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RowText(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A JSON value: a number that has other digits than `serde_json` would give it again is `{"number": "1.10"}`, and a long text
/// `{"repeat": ["x", 4096]}`.
pub(crate) fn exact(json: &RawValue) -> Value {
    let text = json.get();
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap();
            members.into_iter().map(|(name, value)| (name, exact(&value))).collect()
        }
        Some(b'[') => {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
            items.iter().map(|item| exact(item)).collect()
        }
        Some(b'"') => shown(serde_json::from_str::<String>(text).unwrap().as_bytes()),
        Some(b'-' | b'0'..=b'9') => match serde_json::from_str::<Number>(text) {
            Ok(number) if number.to_string() == text => number.into(),
            _ => json!({ "number": text }),
        },
        _ => serde_json::from_str(text).unwrap(),
    }
}
