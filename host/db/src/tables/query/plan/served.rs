//! What of the demands of a filter a key serves, as keys and ranges.

use std::borrow::Cow;
use std::ops::Bound;

use super::access::Access;
use super::conditions::{Conditions, Demand};
use super::path::{Part, Path};
use crate::engine::KeyRange;
use crate::keyspace::EncodedKey;
use crate::tables::codec::KeyPrefix;
use crate::tables::types::Value;

/// The most ranges or keys of one plan: with more, lists of values are ranges from the least to the largest.
const RANGES_MAX: usize = 10_000;
/// What of the demands a key serves.
#[derive(Debug)]
pub(super) struct Served {
    /// What the keys begin with, in their order.
    prefixes: Vec<KeyPrefix>,
    /// The ranges behind these, where one more part is restricted to a range.
    ranges: Option<Vec<KeyRange>>,
    /// Parts whose demand it serves, and of these those that have few values.
    pub(super) parts: usize,
    pub(super) points: usize,
    /// Whether the ranges say all of these demands.
    pub(super) is_exact: bool,
    /// Whether the values of all these parts are not null.
    excludes_null: bool,
}

impl Served {
    pub(super) fn of(path: &Path<'_>, conditions: &Conditions<'_>) -> Self {
        let prefixes = vec![KeyPrefix::of_space(path.space)];
        let mut served = Self { prefixes, ranges: None, parts: 0, points: 0, is_exact: true, excludes_null: true };
        for part in &path.parts {
            let Some(demand) = conditions.get(part.field) else {
                break;
            };
            served.parts += 1;
            served.is_exact &= demand.is_said_by_key();
            served.excludes_null &= demand.excludes_null();
            if !served.add_points(*part, demand) {
                served.add_range(*part, demand);
                break;
            }
            served.points += 1;
        }
        served
    }

    pub(super) fn range_count(&self) -> usize {
        self.prefixes.len()
    }

    fn add_points(&mut self, part: Part<'_>, demand: &Demand<'_>) -> bool {
        let Some(points) = demand.points.as_ref().filter(|points| points.len() * self.prefixes.len() <= RANGES_MAX)
        else {
            return false;
        };
        let with = |prefix: &KeyPrefix, value: &Cow<'_, Value<'static>>| prefix.clone().with(part.key, value);
        self.prefixes = match points.as_slice() {
            [value] => self.prefixes.iter().map(|prefix| with(prefix, value)).collect(),
            points => {
                let mut prefixes = Vec::with_capacity(self.prefixes.len() * points.len());
                for prefix in &self.prefixes {
                    if part.key.is_descending {
                        prefixes.extend(points.iter().rev().map(|value| with(prefix, value)));
                    } else {
                        prefixes.extend(points.iter().map(|value| with(prefix, value)));
                    }
                }
                prefixes
            }
        };
        true
    }

    fn add_range(&mut self, part: Part<'_>, demand: &Demand<'_>) {
        let range = |prefix: &KeyPrefix| {
            if let Some(points) = &demand.points {
                return match (points.first(), points.last()) {
                    // Nulls are behind all values.
                    (Some(_), Some(last)) if last.is_null() => prefix.all(),
                    (Some(first), Some(last)) => {
                        prefix.between(part.key, Bound::Included(first), Bound::Included(last))
                    }
                    _ => prefix.all(),
                };
            }
            match &demand.beginning {
                Some(beginning) if !demand.has_bounds() => prefix.starting_with(part.key, beginning),
                _ => prefix.between(part.key, demand.lower, demand.upper),
            }
        };
        self.is_exact &= demand.points.is_none();
        self.ranges = Some(self.prefixes.iter().map(range).filter(|range| !range.is_empty()).collect());
    }

    pub(super) fn into_access(self, path: &Path<'_>) -> Access {
        let is_full = self.points == path.parts.len() && path.is_unique;
        let keys =
            |prefixes: &[KeyPrefix]| prefixes.iter().map(|prefix| EncodedKey::from_slice(prefix.bytes())).collect();
        match (path.index, self.ranges) {
            (None, None) if is_full => Access::Keys(keys(&self.prefixes)),
            (None, ranges) => Access::Rows(ranges.unwrap_or_else(|| all(&self.prefixes))),
            // An entry with a null among its parts is not found by these alone.
            (Some(index), None) if is_full && self.excludes_null => {
                Access::Entries { index, keys: keys(&self.prefixes) }
            }
            (Some(index), ranges) => Access::Index { index, ranges: ranges.unwrap_or_else(|| all(&self.prefixes)) },
        }
    }
}

fn all(prefixes: &[KeyPrefix]) -> Vec<KeyRange> {
    prefixes.iter().map(KeyPrefix::all).collect()
}
