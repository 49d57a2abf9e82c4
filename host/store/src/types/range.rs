//! Ranges of keys, and the directions of walks over them.

use std::ops::Bound;

/// The direction of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// From the smallest key up.
    #[default]
    Forward,
    /// From the largest key down.
    Reverse,
}

/// An interval of keys, ordered as unsigned bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The start of the range.
    pub start: Bound<Box<[u8]>>,
    /// The end of the range.
    pub end: Bound<Box<[u8]>>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self { start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// The keys that begin with `prefix`.
    ///
    /// ```
    /// use mantis_store::KeyRange;
    /// let users = KeyRange::prefix(b"user:");
    /// assert!(users.contains(b"user:7"));
    /// assert!(!users.contains(b"user;"));
    /// assert!(KeyRange::prefix(b"\xff\xff").contains(b"\xff\xff\xff"));
    /// ```
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let end = match successor_of_prefix(prefix) {
            Some(end) => Bound::Excluded(end),
            None => Bound::Unbounded,
        };
        Self { start: Bound::Included(prefix.into()), end }
    }

    /// Whether the range contains `key`.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.reaches(key, Direction::Forward) && self.reaches(key, Direction::Reverse)
    }

    /// Whether a walk in `direction` that has reached `key` is still in the range.
    pub(crate) fn reaches(&self, key: &[u8], direction: Direction) -> bool {
        match direction {
            Direction::Forward => match &self.end {
                Bound::Included(end) => key <= &end[..],
                Bound::Excluded(end) => key < &end[..],
                Bound::Unbounded => true,
            },
            Direction::Reverse => match &self.start {
                Bound::Included(start) => key >= &start[..],
                Bound::Excluded(start) => key > &start[..],
                Bound::Unbounded => true,
            },
        }
    }

    /// The rest of the range for a walk in `direction` after `key`.
    #[must_use]
    pub fn after(&self, key: &[u8], direction: Direction) -> Self {
        let done = Bound::Excluded(key.into());
        match direction {
            Direction::Forward => Self { start: done, end: self.end.clone() },
            Direction::Reverse => Self { start: self.start.clone(), end: done },
        }
    }

    /// The part of the range that a walk in `direction` has covered when it has reached `key`, including that key.
    #[must_use]
    pub fn until(&self, key: &[u8], direction: Direction) -> Self {
        let here = Bound::Included(key.into());
        match direction {
            Direction::Forward => Self { start: self.start.clone(), end: here },
            Direction::Reverse => Self { start: here, end: self.end.clone() },
        }
    }

    /// The start of the range, in the order of starts.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn starts(&self) -> impl Ord + '_ {
        match &self.start {
            Bound::Unbounded => (None, false),
            Bound::Included(key) => (Some(&key[..]), false),
            Bound::Excluded(key) => (Some(&key[..]), true),
        }
    }

    /// The end of the range, in the order of ends.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn ends(&self) -> impl Ord + '_ {
        match &self.end {
            Bound::Excluded(key) => (false, &key[..], false),
            Bound::Included(key) => (false, &key[..], true),
            Bound::Unbounded => (true, &[][..], false),
        }
    }

    /// Whether a key can lie in both ranges.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let between = |start: &Self, end: &Self| Self { start: start.start.clone(), end: end.end.clone() };
        ![self, other, &between(self, other), &between(other, self)].iter().any(|range| range.is_empty())
    }

    /// Whether the range can contain no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Unbounded, Bound::Excluded(end)) => end.is_empty(),
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
                start >= end
            }
        }
    }
}

/// The smallest key that is larger than every key with this prefix; `None` if the prefix is all `0xff`.
fn successor_of_prefix(prefix: &[u8]) -> Option<Box<[u8]>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut successor = prefix[..=last].to_vec();
    successor[last] += 1;
    Some(successor.into())
}
