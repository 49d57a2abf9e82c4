//! What a way to the rows costs.
//!
//! The sizes of spaces are exact, so is the one row of a unique key. For the rest there are no statistics: an equality is taken to leave
//! 1 row in 100, a range 1 in 4, one with both ends 1 in 20, a beginning of a text 1 in 10 for each of its first three characters,
//! `is.not_null` 9 in 10, and anything else 1 in 3. So more parts served are better, and equality is better than a range. Where the best
//! way is expensive even so, the planner has a look at what is in the ranges of the others ([`super::plan`]).
#![allow(clippy::cast_precision_loss, reason = "estimates")]

use super::access::Estimate;
use super::conditions::{Conditions, Demand};
use super::path::Path;
use super::served::Served;
use super::sizes::Sizes;
use crate::tables::table::SpaceId;

const EQUAL: f64 = 0.01;
const RANGE: f64 = 0.25;
const BETWEEN: f64 = 0.05;
const BEGINNING_PER_CHARACTER: f64 = 0.1;
const NOT_NULL: f64 = 0.9;
const OTHER: f64 = 1.0 / 3.0;

/// Costs, in units of a row read in the order of its key.
const ENTRY: f64 = 0.8;
/// A row fetched by its key.
const FETCH: f64 = 2.5;
/// Where a range begins.
const SEEK: f64 = 2.0;
/// A row that a sort holds, and each of its comparisons.
const SORTED: f64 = 1.5;
const COMPARED: f64 = 0.05;

/// What a look into ranges has told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    /// There are so many keys.
    All(f64),
    /// There are more than expected, so many times at least.
    More(f64),
}

/// What a way to the rows is taken to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// Rows or entries in its ranges.
    within: f64,
    /// Of these, the rows that pass.
    passing: f64,
    /// What reading one costs.
    each: f64,
    ranges: f64,
    /// Reading stops after so many rows that pass,
    rows_max: Option<f64>,
    /// unless they are sorted.
    is_sorted: bool,
}

/// The work of reading what a key serves. `left` is what is not known already to be true of all entries.
pub(super) fn work(
    path: &Path<'_>,
    served: &Served,
    left: &Conditions<'_>,
    rows: SpaceId,
    rows_max: Option<u64>,
    is_sorted: bool,
    sizes: &dyn Sizes,
) -> Work {
    let ranges = served.range_count() as f64;
    let entries = sizes.keys(path.space) as f64;
    let all = if path.is_partial { entries } else { sizes.keys(rows) as f64 };
    let parts = path.parts.iter().take(served.parts).filter_map(|part| left.get(part.field));
    let is_one_each = path.is_unique && served.points == path.parts.len();
    let within = if is_one_each { ranges.min(entries) } else { entries * parts.map(share).product::<f64>() };
    let shares = left.demands.iter().map(share).product::<f64>() * OTHER.powi(small(left.others));
    let passing = (all * shares).max(1.0).min(within);
    let each = if path.index.is_some() { ENTRY + FETCH } else { 1.0 };
    Work { within, passing, each, ranges, rows_max: rows_max.map(|rows| rows as f64), is_sorted }
}

impl Work {
    /// Takes note of how many keys are in the ranges: exactly so many, or at least.
    pub(super) fn found(&mut self, keys: u64, is_least: bool) -> Look {
        let keys = keys as f64;
        if !is_least {
            self.within = keys;
            return Look::All(keys);
        }
        let factor = (keys / self.within.max(1.0)).max(1.0);
        self.within = self.within.max(keys);
        Look::More(factor)
    }

    /// Takes note that so many times as many rows pass, and at most so many.
    pub(super) fn learn(&mut self, scale: f64, passing_max: f64) {
        self.passing = (self.passing * scale).min(passing_max).min(self.within);
    }

    pub(super) fn estimate(&self) -> Estimate {
        let Self { within, passing, each, ranges, rows_max, is_sorted } = *self;
        let mut examined = within;
        let mut cost = ranges * SEEK;
        if is_sorted {
            let kept = rows_max.map_or(passing, |rows| passing.min(rows));
            cost += kept * SORTED + passing * (kept + 2.0).log2() * COMPARED;
        } else if let Some(rows_max) = rows_max {
            let read_for_each = if passing > 0.0 { within / passing } else { 1.0 };
            examined = examined.min(rows_max * read_for_each);
        }
        Estimate { rows: passing, cost: cost + examined * each }
    }
}

/// The share of rows that a demand is taken to leave.
fn share(demand: &Demand<'_>) -> f64 {
    if let Some(points) = &demand.points {
        return (points.len() as f64 * EQUAL).min(1.0);
    }
    let bounds = match (&demand.lower, &demand.upper) {
        (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded) => 1.0,
        (std::ops::Bound::Unbounded, _) | (_, std::ops::Bound::Unbounded) => RANGE,
        _ => BETWEEN,
    };
    let beginning =
        demand.beginning.as_ref().map_or(1.0, |text| BEGINNING_PER_CHARACTER.powi(small(text.chars().take(3).count())));
    let not_null = if demand.is_not_null { NOT_NULL } else { 1.0 };
    bounds * beginning * not_null
}

fn small(count: usize) -> i32 {
    i32::try_from(count.min(16)).unwrap_or(16)
}
