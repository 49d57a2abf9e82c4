//! Conditions on the first parts of a key, as ranges of keys: equality on some, then one more condition on the next.
//!
//! A comparison is true of no null: ranges leave nulls out, and a comparison with null is an empty range.

use std::ops::Bound;

use super::entry::KeyPart;
use super::key::{self, push};
use crate::engine::KeyRange;
use crate::keyspace::{EncodedKey, space_prefix};
use crate::tables::schema::table::SpaceId;
use crate::tables::types::{Scalar, Value};

/// What all keys begin with whose first parts have given values.
#[derive(Debug, Clone)]
pub struct KeyPrefix {
    bytes: EncodedKey,
}

impl KeyPrefix {
    /// All keys of a space.
    #[must_use]
    pub fn of_space(space: SpaceId) -> Self {
        Self { bytes: EncodedKey::from_slice(&space_prefix(space.0)) }
    }

    /// Of these, the keys whose next part is this value. Null is a value here: `is.null`.
    #[must_use]
    pub fn with(mut self, part: KeyPart, value: &Value<'_>) -> Self {
        push(&mut self.bytes, value, part.r#type, part.is_descending);
        self
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All of these keys.
    #[must_use]
    pub fn all(&self) -> KeyRange {
        KeyRange::prefix(&self.bytes)
    }

    /// Those whose next part is not null.
    #[must_use]
    pub fn not_null(&self, part: KeyPart) -> KeyRange {
        self.between(part, Bound::Unbounded, Bound::Unbounded)
    }

    /// Those whose next part lies between these values, as the order has it: a lower bound of 5 has NaN too.
    #[must_use]
    pub fn between(&self, part: KeyPart, lower: Bound<&Value<'_>>, upper: Bound<&Value<'_>>) -> KeyRange {
        if [lower, upper]
            .iter()
            .any(|bound| matches!(bound, Bound::Included(Value::Null) | Bound::Excluded(Value::Null)))
        {
            return self.none();
        }
        let (first, last) = if part.is_descending { (upper, lower) } else { (lower, upper) };
        let keys = |value| self.clone().with(part, value).bytes;
        let nulls = || keys(&Value::Null);
        let start = match first {
            Bound::Included(value) => Bound::Included(keys(value)[..].into()),
            Bound::Excluded(value) => after(&keys(value)),
            Bound::Unbounded if part.is_descending => after(&nulls()),
            Bound::Unbounded => Bound::Included(self.bytes[..].into()),
        };
        let end = match last {
            Bound::Included(value) => KeyRange::prefix(&keys(value)).end,
            Bound::Excluded(value) => Bound::Excluded(keys(value)[..].into()),
            Bound::Unbounded if part.is_descending => self.all().end,
            Bound::Unbounded => Bound::Excluded(nulls()[..].into()),
        };
        KeyRange { start, end }
    }

    /// Those whose next part is a text that begins with this one. Of char also some whose blanks differ: it stands in keys without those
    /// at its end.
    #[must_use]
    pub fn starting_with(&self, part: KeyPart, text: &str) -> KeyRange {
        let text = if matches!(part.r#type.scalar, Scalar::Char(_)) { text.trim_end_matches(' ') } else { text };
        if text.is_empty() {
            return self.not_null(part);
        }
        let mut bytes = self.bytes.clone();
        key::push_text_beginning(&mut bytes, text, part.is_descending);
        KeyRange::prefix(&bytes)
    }

    fn none(&self) -> KeyRange {
        KeyRange { start: Bound::Included(self.bytes[..].into()), end: Bound::Excluded(self.bytes[..].into()) }
    }
}

/// From behind all keys that begin with these bytes.
fn after(bytes: &[u8]) -> Bound<Box<[u8]>> {
    match KeyRange::prefix(bytes).end {
        Bound::Excluded(end) | Bound::Included(end) => Bound::Included(end),
        // Not reached: a space's tag is no `ff`.
        Bound::Unbounded => Bound::Excluded(bytes.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::tables::codec::KeyShape;
    use crate::tables::codec::samples::{any_part, compare, values_of};
    use crate::tables::types::Type;

    const SPACE: SpaceId = SpaceId(7);

    /// The parts of a key, a row, another row with values to compare with, and how many parts must be equal.
    type Case = (Vec<KeyPart>, Vec<Value<'static>>, Vec<Value<'static>>, usize);

    fn cases() -> impl Strategy<Value = Case> {
        vec(any_part(), 1..4).prop_flat_map(|parts| {
            let values = || values_of(parts.iter().map(|part| part.r#type).collect::<Vec<_>>());
            (Just(parts.clone()), values(), values(), 0..parts.len(), any::<bool>(), any::<bool>()).prop_map(
                |(parts, row, mut given, equal, is_same, is_near)| {
                    if is_same {
                        given[..equal].clone_from_slice(&row[..equal]);
                    }
                    if is_near {
                        given[equal] = row[equal].clone();
                    }
                    (parts, row, given, equal)
                },
            )
        })
    }

    fn prefix(parts: &[KeyPart], given: &[Value<'static>]) -> KeyPrefix {
        parts.iter().zip(given).fold(KeyPrefix::of_space(SPACE), |prefix, (&part, value)| prefix.with(part, value))
    }

    fn key(parts: &[KeyPart], row: &[Value<'static>]) -> Vec<u8> {
        let mut key = KeyPrefix::of_space(SPACE).bytes().to_vec();
        KeyShape::new(parts).push(&mut key, row);
        // As an entry that is followed by its row's key.
        key.push(0xff);
        key
    }

    fn are_equal(parts: &[KeyPart], row: &[Value<'static>], given: &[Value<'static>]) -> bool {
        parts.iter().zip(row.iter().zip(given)).all(|(part, (a, b))| compare(part.r#type, a, b).is_eq())
    }

    fn bounded<'v>(value: &'v Value<'static>, kind: usize) -> Bound<&'v Value<'static>> {
        match kind {
            0 => Bound::Included(value),
            1 => Bound::Excluded(value),
            _ => Bound::Unbounded,
        }
    }

    /// Whether the row's value is beyond the bound on the side of `wanted`.
    fn holds(part: KeyPart, row: &Value<'static>, bound: Bound<&Value<'static>>, wanted: Ordering) -> bool {
        match bound {
            Bound::Included(Value::Null) | Bound::Excluded(Value::Null) => false,
            Bound::Included(value) => compare(part.r#type, row, value) != wanted.reverse(),
            Bound::Excluded(value) => compare(part.r#type, row, value) == wanted,
            Bound::Unbounded => true,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn a_range_has_the_rows_between_its_bounds(
            (parts, row, given, equal) in cases(), other in any::<prop::sample::Index>(), kinds in (0_usize..3, 0_usize..3),
        ) {
            let part = parts[equal];
            // A second value for the other bound: one of the same type.
            let second = if other.index(2) == 0 { row[equal].clone() } else { given[equal].clone() };
            let (lower, upper) = (bounded(&given[equal], kinds.0), bounded(&second, kinds.1));
            let range = prefix(&parts[..equal], &given).between(part, lower, upper);
            let wanted = are_equal(&parts[..equal], &row, &given)
                && !row[equal].is_null()
                && holds(part, &row[equal], lower, Ordering::Greater)
                && holds(part, &row[equal], upper, Ordering::Less);
            prop_assert_eq!(range.contains(&key(&parts, &row)), wanted);
            prop_assert!(!wanted || !range.is_empty());
        }

        #[test]
        fn a_prefix_has_the_rows_with_its_values((parts, row, given, equal) in cases()) {
            let range = prefix(&parts[..equal], &given).all();
            prop_assert_eq!(range.contains(&key(&parts, &row)), are_equal(&parts[..equal], &row, &given));
            let range = prefix(&parts[..equal], &given).not_null(parts[equal]);
            let wanted = are_equal(&parts[..equal], &row, &given) && !row[equal].is_null();
            prop_assert_eq!(range.contains(&key(&parts, &row)), wanted);
        }

        #[test]
        fn a_text_range_has_the_rows_that_begin_with_it(
            text in texts(), beginning in texts(), is_same in any::<bool>(), is_descending in any::<bool>(),
        ) {
            let part = KeyPart { r#type: Type::TEXT, is_descending };
            let text = if is_same { format!("{beginning}{text}") } else { text };
            let range = KeyPrefix::of_space(SPACE).starting_with(part, &beginning);
            let wanted = text.starts_with(&beginning);
            prop_assert_eq!(range.contains(&key(&[part], &[Value::Text(text.into())])), wanted);
            prop_assert!(!range.contains(&key(&[part], &[Value::Null])));
        }
    }

    fn texts() -> impl Strategy<Value = String> {
        let characters = vec!['\0', '\u{1}', '\u{2}', 'a', 'b', '\u{10ffff}'];
        vec(select(characters), 0..4).prop_map(|characters| characters.into_iter().collect())
    }

    #[test]
    fn a_space_ends_before_the_next() {
        let range = KeyPrefix::of_space(SpaceId(u32::MAX)).all();
        assert!(range.contains(&[0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
        assert!(!range.contains(&[0x21]));
    }
}
