//! Operations on a store, as data that can be generated and shrunk.

use std::ops::Bound;

use mantis_store::{Direction, Isolation, KeyRange};
use proptest::prelude::*;

/// Keys around every edge case of the map: empty, prefixes of each other, equal in their first 16 bytes, all `0xff`.
pub(crate) const KEYS: [&[u8]; 12] = [
    b"",
    b"\0",
    b"a",
    b"a\0",
    b"ab",
    b"the first 16 byte",
    b"the first 16 bytes and more",
    b"the first 16 bytes and most",
    b"z",
    b"\xff",
    b"\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
];

/// Open transactions at a time, and snapshots.
pub(crate) const SLOTS: usize = 3;

#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Write { key: usize, write: Write, expect: Expected, unchanged: Option<(usize, bool)> },
    Exclusively { writes: Vec<(usize, Write)>, fails: bool },
    Begin { slot: usize, isolation: Isolation },
    Get { slot: usize, key: usize },
    Visit { slot: usize, scan: Scan },
    Buffer { slot: usize, key: usize, write: Write },
    Savepoint { slot: usize },
    RollBack { slot: usize },
    RollBackToFirst { slot: usize },
    Release { slot: usize },
    Commit { slot: usize },
    Abandon { slot: usize },
    Pin { slot: usize },
    Unpin { slot: usize },
    PinnedGet { slot: usize, key: usize },
    PinnedVisit { slot: usize, scan: Scan },
    Maintain { keys_max: usize },
    Follow { changes_max: usize, only: Option<usize> },
    Pass { ms: u64 },
    SetClock { by_ms: i64 },
}

/// A value, with a deadline so far from now (which may be past), or a deletion.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    Put { value: u8, expires_in_ms: Option<i64> },
    Delete,
}

/// The precondition of a write, relative to the current state.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    Anything,
    Absent,
    Present,
    TheVersion,
    AnotherVersion,
}

#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) range: KeyRange,
    pub(crate) direction: Direction,
    pub(crate) entries_max: usize,
}

pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..80)
}

fn operation() -> impl Strategy<Value = Operation> {
    let slot = 0..SLOTS;
    let isolation = prop_oneof![3 => Just(Isolation::Serializable), 1 => Just(Isolation::Snapshot)];
    prop_oneof![
        6 => (key(), write(), expected(), prop::option::weighted(0.1, (key(), any::<bool>())))
            .prop_map(|(key, write, expect, unchanged)| Operation::Write { key, write, expect, unchanged }),
        2 => (prop::collection::vec((key(), write()), 0..6), prop::bool::weighted(0.2))
            .prop_map(|(writes, fails)| Operation::Exclusively { writes, fails }),
        4 => (slot.clone(), isolation).prop_map(|(slot, isolation)| Operation::Begin { slot, isolation }),
        4 => (slot.clone(), key()).prop_map(|(slot, key)| Operation::Get { slot, key }),
        4 => (slot.clone(), scan()).prop_map(|(slot, scan)| Operation::Visit { slot, scan }),
        6 => (slot.clone(), key(), write()).prop_map(|(slot, key, write)| Operation::Buffer { slot, key, write }),
        1 => slot.clone().prop_map(|slot| Operation::Savepoint { slot }),
        1 => slot.clone().prop_map(|slot| Operation::RollBack { slot }),
        1 => slot.clone().prop_map(|slot| Operation::RollBackToFirst { slot }),
        1 => slot.clone().prop_map(|slot| Operation::Release { slot }),
        4 => slot.clone().prop_map(|slot| Operation::Commit { slot }),
        1 => slot.clone().prop_map(|slot| Operation::Abandon { slot }),
        2 => slot.clone().prop_map(|slot| Operation::Pin { slot }),
        1 => slot.clone().prop_map(|slot| Operation::Unpin { slot }),
        2 => (slot.clone(), key()).prop_map(|(slot, key)| Operation::PinnedGet { slot, key }),
        2 => (slot, scan()).prop_map(|(slot, scan)| Operation::PinnedVisit { slot, scan }),
        2 => (0_usize..5).prop_map(|keys_max| Operation::Maintain { keys_max }),
        2 => (1_usize..9, prop::option::weighted(0.2, key()))
            .prop_map(|(changes_max, only)| Operation::Follow { changes_max, only }),
        3 => prop_oneof![9 => 0_u64..12, 1 => 50_u64..200].prop_map(|ms| Operation::Pass { ms }),
        1 => prop_oneof![1 => -20_i64..20, 1 => -2_000_i64..2_000].prop_map(|by_ms| Operation::SetClock { by_ms }),
    ]
}

fn key() -> impl Strategy<Value = usize> {
    // The first few more often, so that operations meet.
    prop_oneof![3 => 0..4_usize, 2 => 0..KEYS.len()]
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        3 => any::<u8>().prop_map(|value| Write::Put { value, expires_in_ms: None }),
        2 => (any::<u8>(), -2_i64..20)
            .prop_map(|(value, in_ms)| Write::Put { value, expires_in_ms: Some(in_ms) }),
        2 => Just(Write::Delete),
    ]
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![
        5 => Just(Expected::Anything),
        1 => Just(Expected::Absent),
        1 => Just(Expected::Present),
        1 => Just(Expected::TheVersion),
        1 => Just(Expected::AnotherVersion),
    ]
}

fn scan() -> impl Strategy<Value = Scan> {
    let direction = prop_oneof![Just(Direction::Forward), Just(Direction::Reverse)];
    let entries_max = prop_oneof![Just(usize::MAX), 1..6_usize];
    (bound(), bound(), direction, entries_max).prop_map(|(start, end, direction, entries_max)| Scan {
        range: KeyRange { start, end },
        direction,
        entries_max,
    })
}

fn bound() -> impl Strategy<Value = Bound<Box<[u8]>>> {
    prop_oneof![
        1 => Just(Bound::Unbounded),
        1 => (0..KEYS.len()).prop_map(|key| Bound::Included(KEYS[key].into())),
        1 => (0..KEYS.len()).prop_map(|key| Bound::Excluded(KEYS[key].into())),
    ]
}
