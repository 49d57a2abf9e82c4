//! Random queries on random tables: our answers beside SQLite's on the common ground, and beside a naive evaluator on the rest.
//!
//! | file | holds |
//! |---|---|
//! | `dice` | random choices by a seed |
//! | `conditions` | random filters: in the dialect, in SQL, and as a function of a row |
//! | `world` | random tables with the same rows on both sides |
//! | `sqlite` | queries and statements that SQLite answers too |
//! | `naive` | arrays, documents, quantifiers: what SQLite has not |
//!
//! `MANTIS_DIFFERENTIAL_QUERIES` says how many queries are asked (default 3,000), `MANTIS_DIFFERENTIAL_SEED` where the dice begin. The
//! SQLite that `rusqlite` bundles is built for the pool's examples anyway.
#![cfg(feature = "tables")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod conditions;
mod dice;
mod naive;
mod sqlite;
mod world;

use dice::Dice;

/// Queries of one world before the next is made.
const QUERIES_PER_WORLD: u64 = 100;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Asks about `share` percent of the queries, a hundred in each world.
fn each_world(share: u64, mut run: impl FnMut(&mut Dice, u64)) {
    let queries = setting("MANTIS_DIFFERENTIAL_QUERIES", 3_000) * share / 100;
    let seed = setting("MANTIS_DIFFERENTIAL_SEED", 1);
    for world in 0..queries.div_ceil(QUERIES_PER_WORLD) {
        run(&mut Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(world)), QUERIES_PER_WORLD);
    }
}

#[test]
fn sqlite_answers_the_same() {
    each_world(80, sqlite::run);
}

#[test]
fn a_naive_evaluator_answers_the_same() {
    each_world(20, naive::run);
}
