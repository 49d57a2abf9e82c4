//! A transaction's own writes, merged into its reads.

use std::ops::{Bound, ControlFlow};

use crate::engine::WriteSet;
use crate::types::{Direction, Entry, KeyRange, Update};

/// A buffered write as its own transaction reads it.
pub(super) fn pending(update: &Update, now_ms: u64) -> Option<Entry> {
    match update {
        Update::Put { expires_at_ms: Some(at_ms), .. } if *at_ms <= now_ms => None,
        Update::Put { value, expires_at_ms } => {
            Some(Entry { value: value.clone(), version: 0, modified_ms: now_ms, expires_at_ms: *expires_at_ms })
        }
        Update::Delete => None,
    }
}

/// The transaction's own writes in a range, merged into a walk over the snapshot.
pub(super) struct Overlay<'w, I: Iterator<Item = (&'w Box<[u8]>, &'w Update)>> {
    writes: std::iter::Peekable<I>,
    direction: Direction,
}

impl<'w> Overlay<'w, Box<dyn Iterator<Item = (&'w Box<[u8]>, &'w Update)> + 'w>> {
    pub(super) fn new(writes: &'w WriteSet, range: &KeyRange, direction: Direction) -> Self {
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) =
            (range.start.as_ref().map(|key| &key[..]), range.end.as_ref().map(|key| &key[..]));
        let within = writes.range::<[u8], _>(bounds);
        let writes: Box<dyn Iterator<Item = _>> = match direction {
            Direction::Forward => Box::new(within),
            Direction::Reverse => Box::new(within.rev()),
        };
        Self { writes: writes.peekable(), direction }
    }
}

pub(super) type Show<'s> = dyn FnMut(&[u8], Entry) -> ControlFlow<()> + 's;

impl<'w, I: Iterator<Item = (&'w Box<[u8]>, &'w Update)>> Overlay<'w, I> {
    /// Shows the own writes that come before `key`.
    pub(super) fn before(&mut self, key: &[u8], now_ms: u64, show: &mut Show<'_>) -> ControlFlow<()> {
        let direction = self.direction;
        let earlier = |own: &[u8]| match direction {
            Direction::Forward => own < key,
            Direction::Reverse => own > key,
        };
        while let Some((own, update)) = self.writes.next_if(|(own, _)| earlier(own)) {
            show_pending(own, update, now_ms, show)?;
        }
        ControlFlow::Continue(())
    }

    /// Whether an own write replaces what the snapshot holds for `key`; shows it in that case.
    pub(super) fn replaces(&mut self, key: &[u8], now_ms: u64, show: &mut Show<'_>) -> ControlFlow<(), bool> {
        match self.writes.next_if(|(own, _)| own[..] == *key) {
            Some((own, update)) => {
                show_pending(own, update, now_ms, show)?;
                ControlFlow::Continue(true)
            }
            None => ControlFlow::Continue(false),
        }
    }

    pub(super) fn rest(&mut self, now_ms: u64, show: &mut Show<'_>) -> ControlFlow<()> {
        for (own, update) in self.writes.by_ref() {
            show_pending(own, update, now_ms, show)?;
        }
        ControlFlow::Continue(())
    }
}

fn show_pending(key: &[u8], update: &Update, now_ms: u64, show: &mut Show<'_>) -> ControlFlow<()> {
    match pending(update, now_ms) {
        Some(entry) => show(key, entry),
        None => ControlFlow::Continue(()),
    }
}
