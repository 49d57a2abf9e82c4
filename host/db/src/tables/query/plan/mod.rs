//! Which rows a select reads, and in which order.
//!
//! 1. `conditions`: what the filter's parts demand of single columns or JSON paths: these values, or a range.
//! 2. `served`: for the primary key and each index (`path`), what of these demands the first parts of its key can serve: equality on some
//!    (a list of values gives as many ranges), then one range on the next; and whether rows come in the order asked for.
//! 3. `estimate`: what each of these ways (`candidates`) costs; the cheapest is taken. Reading everything is always one of them.
//!
//! The filter is looked at again for each row, unless the way proves it. So a plan can be slow, never wrong, and every plan gives the
//! rows of the full scan.
//!
//! | module | holds |
//! |---|---|
//! | `candidates` | the ways to the rows of a select |
//! | `lookup` | [`Lookup`]: the way to rows by equality on columns whose values come later: embeds |
//! | `estimate` | what a way costs |
//! | `served` | what of the demands a key serves, as keys and ranges |
//! | `path` | keys part by part, and the order of their entries |
//! | `implied` | whether a partial index has all rows of a filter |
//! | `conditions` | a filter taken apart |
//! | `access` | [`Plan`]: what is read |
//! | `sizes` | what a plan is made by besides the query |

mod access;
mod candidates;
mod conditions;
mod estimate;
mod implied;
mod lookup;
mod path;
mod served;
mod sizes;

pub(crate) use access::{Access, Estimate, Plan};
pub(crate) use lookup::Lookup;
pub(crate) use sizes::{Sizes, Wish};

use self::candidates::Candidate;
use self::conditions::Conditions;
use self::estimate::Look;
use crate::engine::Direction;
use crate::tables::Environment;
use crate::tables::codec::KeyPrefix;
use crate::tables::query::bound::Select;
use crate::tables::schema::Table;

/// A plan that costs less is not worth a look.
const LOOKED_AT_COST: f64 = 500.0;
/// Keys of one way that are looked at, at first and at most.
const KEYS_LOOKED_AT_MIN: u64 = 200;
const KEYS_LOOKED_AT_MAX: u64 = 20_000;

/// The plan of a select's rows.
pub(crate) fn plan(select: &Select, wish: Wish, sizes: &dyn Sizes, environment: &Environment) -> Plan {
    if let Some(plan) = candidates::by_primary_key(select) {
        return plan;
    }
    let conditions = Conditions::of(select.filter.as_ref());
    if conditions.is_impossible() {
        return Plan {
            access: Access::Nothing,
            direction: Direction::Forward,
            is_ordered: true,
            is_covered: true,
            estimate: Estimate::default(),
        };
    }
    let mut candidates = candidates::all(select, &conditions, wish, sizes, environment);
    if candidates.len() > 1 {
        look(&mut candidates, sizes);
    }
    let best = candidates.into_iter().min_by(|left, right| left.cost().total_cmp(&right.cost()));
    best.map_or_else(|| scan(&select.table), Candidate::into_plan)
}

/// Looks how much really is in the ranges of the ways, where the best is expensive: the estimates know no common and no rare values. As long
/// as the best way is worth it, more is looked at.
fn look(candidates: &mut [Candidate], sizes: &dyn Sizes) {
    let mut keys_max = KEYS_LOOKED_AT_MIN;
    loop {
        let cheapest = candidates.iter().map(Candidate::cost).fold(f64::INFINITY, f64::min);
        if cheapest < LOOKED_AT_COST || keys_max > KEYS_LOOKED_AT_MAX || keys_max > Candidate::worth(cheapest) {
            return;
        }
        let mut scale = 1.0_f64;
        let mut passing_max = f64::INFINITY;
        for candidate in candidates.iter_mut() {
            match candidate.look(keys_max, sizes) {
                Some(Look::All(keys)) => passing_max = passing_max.min(keys),
                Some(Look::More(factor)) => scale = scale.max(factor),
                None => {}
            }
        }
        // What is true of one way's ranges is true of the filter.
        for candidate in candidates.iter_mut() {
            candidate.work.learn(scale, passing_max);
        }
        if passing_max.is_finite() {
            return;
        }
        keys_max *= 4;
    }
}

/// The plan that reads all rows of the table, in the order of their keys.
pub(crate) fn scan(table: &Table) -> Plan {
    Plan {
        access: Access::Rows(vec![KeyPrefix::of_space(table.schema.rows).all()]),
        direction: Direction::Forward,
        is_ordered: false,
        is_covered: false,
        estimate: Estimate::default(),
    }
}
