//! The ways to rows: by the primary key, by each index, or all of them.

use smallvec::{SmallVec, smallvec};

use super::access::{Access, Estimate, Plan};
use super::conditions::{Conditions, Field};
use super::estimate::{self, Look, Work};
use super::implied::{self, implies};
use super::path::{Path, walk};
use super::served::Served;
use super::sizes::{Sizes, Wish};
use crate::engine::Direction;
use crate::keyspace::EncodedKey;
use crate::tables::Environment;
use crate::tables::codec::{KeyPart, KeyPrefix};
use crate::tables::query::bound::{Comparison, Predicate, Select, Subject, Test};

/// The most ranges that are looked at while a plan is made.
const RANGES_LOOKED_AT_MAX: usize = 4;

/// A way to the rows, with its cost.
#[derive(Debug)]
pub(super) struct Candidate {
    access: Access,
    direction: Direction,
    is_ordered: bool,
    is_covered: bool,
    /// Whether its ranges are not simply all there is.
    is_restricted: bool,
    pub(super) work: Work,
}

impl Candidate {
    pub(super) fn into_plan(self) -> Plan {
        let estimate = self.work.estimate();
        let Self { access, direction, is_ordered, is_covered, .. } = self;
        Plan { access, direction, is_ordered, is_covered, estimate }
    }

    /// How many keys are worth a look before work of this cost.
    pub(super) fn worth(cost: f64) -> u64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let keys = (2.0 * cost) as u64;
        keys
    }

    pub(super) fn cost(&self) -> f64 {
        self.work.estimate().cost
    }

    /// Looks how much there really is in its ranges, up to so many keys.
    pub(super) fn look(&mut self, keys_max: u64, sizes: &dyn Sizes) -> Option<Look> {
        let (Access::Rows(ranges) | Access::Index { ranges, .. }) = &self.access else {
            return None;
        };
        if !self.is_restricted || ranges.len() > RANGES_LOOKED_AT_MAX {
            return None;
        }
        let mut found = 0;
        for range in ranges {
            found += sizes.count(range, keys_max - found);
        }
        Some(self.work.found(found, found >= keys_max))
    }
}

/// The commonest query: the filter is `eq` on the one column that rows are kept by.
pub(super) fn by_primary_key(select: &Select) -> Option<Plan> {
    let Some(Predicate::Test { subject: Subject::Expression(expression), test }) = &select.filter else {
        return None;
    };
    let (field, Test::Compare(Comparison::Equal, value)) = (Field::of(expression)?, test) else {
        return None;
    };
    let schema = &select.table.schema;
    let is_key = schema.clustering().is_some_and(|key| key.columns == [field.column]);
    if !is_key || !field.path.is_empty() || value.is_null() {
        return None;
    }
    let part = KeyPart { r#type: schema.columns[field.column].r#type, is_descending: false };
    let key = KeyPrefix::of_space(schema.rows).with(part, value);
    Some(Plan {
        access: Access::Keys(smallvec![EncodedKey::from_slice(key.bytes())]),
        direction: Direction::Forward,
        is_ordered: true,
        is_covered: true,
        estimate: Estimate { rows: 1.0, cost: 1.0 },
    })
}

/// All ways that may be the best.
pub(super) fn all<'s>(
    select: &'s Select,
    conditions: &Conditions<'s>,
    wish: Wish,
    sizes: &dyn Sizes,
    environment: &Environment,
) -> SmallVec<[Candidate; 4]> {
    let table = &*select.table;
    let primary = Path::primary(table);
    let mut candidates: SmallVec<[Candidate; 4]> =
        smallvec![candidate(select, &primary, conditions, conditions, wish, sizes)];
    for (place, index) in table.schema.indexes.iter().enumerate().filter(|(_, index)| !index.is_building) {
        let path = Path::index(table, place, index);
        if index.filter.is_some() {
            let known = implied::filter_of(table, index, environment);
            let Some((known, filter)) =
                known.zip(select.filter.as_ref()).filter(|(known, filter)| implies(filter, known))
            else {
                continue;
            };
            let left = Conditions::without(Some(filter), &|part| implies(&known, part));
            candidates.push(candidate(select, &path, conditions, &left, wish, sizes));
            continue;
        }
        let is_useful = path
            .parts
            .first()
            .is_some_and(|part| conditions.get(part.field).is_some() || (wish.is_ordered && !select.order.is_empty()));
        if is_useful {
            candidates.push(candidate(select, &path, conditions, conditions, wish, sizes));
        }
    }
    candidates
}

/// `left`: what of the conditions is not known already to be true of all entries of the key.
fn candidate<'s>(
    select: &'s Select,
    path: &Path<'s>,
    conditions: &Conditions<'s>,
    left: &Conditions<'s>,
    wish: Wish,
    sizes: &dyn Sizes,
) -> Candidate {
    let served = Served::of(path, left);
    let order = if wish.is_ordered { &select.order[..] } else { &[] };
    let walk = walk(path, order, |field| conditions.is_constant(field), |field| conditions.excludes_null(field));
    let is_covered = served.parts == left.demands.len() && left.are_complete && served.is_exact;
    let is_sorted = walk.is_none() && !order.is_empty();
    let work = estimate::work(path, &served, left, select.table.schema.rows, wish.rows_max, is_sorted, sizes);
    Candidate {
        is_covered,
        is_ordered: walk.is_some(),
        direction: walk.unwrap_or(Direction::Forward),
        is_restricted: served.parts > 0,
        work,
        access: served.into_access(path),
    }
}
