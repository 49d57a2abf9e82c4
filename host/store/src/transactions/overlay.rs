//! A transaction's own writes, merged into its reads.

use std::collections::btree_map;
use std::ops::{Bound, ControlFlow};

use crate::engine::{Shown, WriteSet};
use crate::types::{Direction, Entry, KeyRange, Update, is_past};

/// A buffered write as its own transaction reads it.
pub(super) fn pending(update: &Update, now_ms: u64) -> Option<Entry> {
    match update {
        Update::Put { expires_at_ms: Some(at_ms), .. } if is_past(*at_ms, now_ms) => None,
        Update::Put { value, expires_at_ms } => {
            Some(Entry { value: value.clone(), version: 0, modified_ms: now_ms, expires_at_ms: *expires_at_ms })
        }
        Update::Delete => None,
    }
}

/// The transaction's own writes in a range, merged into a walk over the snapshot.
pub(super) struct Overlay<'w> {
    writes: btree_map::Range<'w, Box<[u8]>, Update>,
    next: Option<(&'w [u8], &'w Update)>,
    direction: Direction,
}

pub(super) type Show<'s> = dyn FnMut(&[u8], Shown<'_>) -> ControlFlow<()> + 's;

impl<'w> Overlay<'w> {
    pub(super) fn new(writes: &'w WriteSet, range: &KeyRange, direction: Direction) -> Self {
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) =
            (range.start.as_ref().map(|key| &key[..]), range.end.as_ref().map(|key| &key[..]));
        let mut overlay = Self { writes: writes.range::<[u8], _>(bounds), next: None, direction };
        overlay.advance();
        overlay
    }

    fn advance(&mut self) {
        let next = match self.direction {
            Direction::Forward => self.writes.next(),
            Direction::Reverse => self.writes.next_back(),
        };
        self.next = next.map(|(key, update)| (&key[..], update));
    }

    /// Shows the own writes that come before `key`.
    pub(super) fn before(&mut self, key: &[u8], now_ms: u64, show: &mut Show<'_>) -> ControlFlow<()> {
        while let Some((own, update)) = self.next
            && self.comes_before(own, key)
        {
            self.advance();
            show_pending(own, update, now_ms, show)?;
        }
        ControlFlow::Continue(())
    }

    fn comes_before(&self, own: &[u8], key: &[u8]) -> bool {
        match self.direction {
            Direction::Forward => own < key,
            Direction::Reverse => own > key,
        }
    }

    /// Whether an own write replaces the snapshot's value of `key`; if so, shows it.
    pub(super) fn replaces(&mut self, key: &[u8], now_ms: u64, show: &mut Show<'_>) -> ControlFlow<(), bool> {
        match self.next {
            Some((own, update)) if own == key => {
                self.advance();
                show_pending(own, update, now_ms, show)?;
                ControlFlow::Continue(true)
            }
            _ => ControlFlow::Continue(false),
        }
    }

    pub(super) fn rest(&mut self, now_ms: u64, show: &mut Show<'_>) -> ControlFlow<()> {
        while let Some((own, update)) = self.next {
            self.advance();
            show_pending(own, update, now_ms, show)?;
        }
        ControlFlow::Continue(())
    }
}

fn show_pending(key: &[u8], update: &Update, now_ms: u64, show: &mut Show<'_>) -> ControlFlow<()> {
    match pending(update, now_ms) {
        Some(entry) => show(key, Shown::Own(entry)),
        None => ControlFlow::Continue(()),
    }
}
