//! A JSON text taken apart, and its canonical text.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write;

use super::escape::escape;
use crate::tables::sort::sort_by;
use crate::tables::types::Numeric;

/// A JSON value.
#[derive(Debug, Clone)]
pub(in crate::tables::types) enum Json<'a> {
    Null,
    Boolean(bool),
    Number(Numeric),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    /// Unique keys, ordered by length then bytes.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// The bytes that the tree of a canonical text takes, about: its values and members, in lists that grow.
#[must_use]
pub fn json_parts_bytes(text: &str) -> usize {
    const PART_BYTES: usize = 2 * size_of::<(Cow<'_, str>, Json<'_>)>();
    let parts = text.bytes().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
    parts.saturating_mul(PART_BYTES)
}

impl<'a> Json<'a> {
    pub(super) fn object(mut members: Vec<(Cow<'a, str>, Json<'a>)>) -> Self {
        sort_by(&mut members, |(a, _), (b, _)| compare_keys(a, b));
        // The last of equal keys counts, so it is put where the first is kept.
        members.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                std::mem::swap(later, earlier);
            }
            is_same
        });
        Self::Object(members)
    }

    /// The canonical text.
    pub(in crate::tables::types) fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => {
                // Writing to a string does not fail.
                let _ = write!(out, "{number}");
            }
            Self::String(text) => write_string(text, out),
            Self::Array(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    write_string(key, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The place of its kind among the others.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::String(_) => 1,
            Self::Number(_) => 2,
            Self::Boolean(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }

    pub(super) fn is_scalar(&self) -> bool {
        self.rank() < 4
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    escape(text, |piece| out.push_str(piece));
    out.push('"');
}

/// Keys are ordered by length first.
pub(super) fn compare_keys(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
