//! What users have put: keys of buckets and rows of tables, without the records and index entries that the database keeps for them.

use std::collections::HashSet;
use std::fmt;
#[cfg(feature = "tables")]
use std::ops::ControlFlow;

use crate::Database;
use crate::engine::Part;
#[cfg(feature = "tables")]
use crate::engine::{Direction, KeyRange};
use crate::keyspace::{BUCKET_PREFIX_BYTES, Dropped, is_of_bucket};
#[cfg(feature = "tables")]
use crate::keyspace::{rows_named_by, space_of, space_prefix, tables};
use crate::plugins::{ComponentsSeen, LostComponent};

/// How many keys and rows there are. Displays itself as `3 keys`, or `3 keys and 1 row`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// Keys of all buckets. Expired ones count until they are removed, and those of a dropped bucket may for a moment.
    pub keys: u64,
    /// Rows of all tables.
    pub rows: u64,
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let Self { keys, rows } = *self;
        match rows {
            0 => write!(f, "{} key{}", Grouped(keys), plural(keys)),
            rows => write!(f, "{} key{} and {} row{}", Grouped(keys), plural(keys), Grouped(rows), plural(rows)),
        }
    }
}

/// A number with a comma between groups of three digits.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl Database {
    /// How many keys and rows there are now. Commits count before they are visible.
    #[must_use]
    pub fn contents(&self) -> Contents {
        Contents { keys: self.stats().keys, rows: self.rows_stored() }
    }

    #[cfg(feature = "tables")]
    fn rows_stored(&self) -> u64 {
        let engine = &self.0.engine;
        let mut spaces = Vec::new();
        let seen =
            engine.snapshot().visit_shared(&KeyRange::prefix(&tables::NAMES), Direction::Forward, |key, _stored| {
                spaces.extend(rows_named_by(key));
                ControlFlow::Continue(())
            });
        debug_assert!(seen.is_ok(), "a snapshot is not too old at once");
        spaces.retain(|&space| engine.get(&Dropped::Space(space).mark_key()).is_none());
        spaces.into_iter().map(|space| engine.space(&space_prefix(space.0)).keys).sum()
    }

    #[cfg(not(feature = "tables"))]
    fn rows_stored(&self) -> u64 {
        0
    }
}

/// Counts the keys and rows of a backup or a store whose entries are shown in their order, as [`verify_showing`](crate::verify_showing) and
/// the like do, and finds the plugins that lack a component.
#[derive(Debug, Default)]
pub struct Seen {
    contents: Contents,
    components: ComponentsSeen,
    /// What the keys of dropped buckets begin with.
    dropped: HashSet<[u8; BUCKET_PREFIX_BYTES]>,
    /// The spaces that hold rows.
    #[cfg(feature = "tables")]
    rows: HashSet<crate::keyspace::SpaceId>,
}

impl Seen {
    /// Takes notice of a part.
    pub fn see(&mut self, part: Part<'_>) {
        if let Part::Entry { key, .. } = part {
            self.see_key(key);
        }
        self.components.see(part);
    }

    /// The catalogue comes before what it describes.
    fn see_key(&mut self, key: &[u8]) {
        if let Some(dropped) = Dropped::marked_by(key) {
            self.dropped.insert(dropped.prefix());
            return;
        }
        #[cfg(feature = "tables")]
        if let Some(space) = rows_named_by(key) {
            self.rows.insert(space);
            return;
        }
        if key.first_chunk().is_some_and(|prefix| self.dropped.contains(prefix)) {
            return;
        }
        self.contents.keys += u64::from(is_of_bucket(key));
        #[cfg(feature = "tables")]
        if space_of(key).is_some_and(|space| self.rows.contains(&space)) {
            self.contents.rows += 1;
        }
    }

    /// How many there are. Right once everything was seen.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.contents
    }

    /// As [`ComponentsSeen::lost`].
    #[must_use]
    pub fn lost(&self) -> Vec<LostComponent> {
        self.components.lost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keys: u64, rows: u64, expected: &str) {
        assert_eq!(Contents { keys, rows }.to_string(), expected);
    }

    #[test]
    fn counts_are_for_people() {
        check(0, 0, "0 keys");
        check(1, 0, "1 key");
        check(999, 1, "999 keys and 1 row");
        check(1_000, 1_234_567, "1,000 keys and 1,234,567 rows");
    }
}
