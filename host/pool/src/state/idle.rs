//! The idle stack: indices of slots whose objects nobody uses, newest on top, and the gate that closes it.
//!
//! A Treiber stack whose nodes are the fixed slots, so nothing is allocated or freed. The head is one word:
//!
//! ```text
//!  63                     21   20   19        0
//! ├──── change counter ─────┼ gate ┼── top ────┤
//! ```
//!
//! The counter makes a compare-and-swap fail if the stack changed and changed back in between (it wraps after 2^43
//! changes, days at full speed, of which one thread would have to sleep through exactly all).
//!
//! **Invariant:** while the gate is shut, only the holder of the core's mutex changes the head. [`pop`] and [`push`]
//! look at the gate in the same word that they swap, so none succeeds once [`shut_gate`] has returned.
//!
//! [`pop`]: IdleStack::pop
//! [`push`]: IdleStack::push
//! [`shut_gate`]: IdleStack::shut_gate

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use crossbeam_utils::CachePadded;

use crate::state::slot::SlotIndex;

const GATE: u64 = 1 << 20;
const TOP: u64 = GATE - 1;
/// As `top` or as a link: nothing below. No slot has this index (see [`MAX_CEILING`](crate::MAX_CEILING)).
const NONE: u32 = 0xf_ffff;
const CHANGE: u64 = 1 << 21;

pub(crate) struct IdleStack {
    head: CachePadded<AtomicU64>,
    /// Slot index to the index below it; meaningful only while the slot is on the stack.
    below: Box<[AtomicU32]>,
}

impl IdleStack {
    pub(crate) fn new(slots: usize) -> Self {
        Self { head: CachePadded::new(AtomicU64::new(TOP)), below: (0..slots).map(|_| AtomicU32::new(NONE)).collect() }
    }

    /// Takes the top slot; `None` if there is none or the gate is shut.
    #[inline]
    pub(crate) fn pop(&self) -> Option<SlotIndex> {
        let mut head = self.head.load(Acquire);
        loop {
            if head & GATE != 0 {
                return None;
            }
            let top = top_of(head)?;
            // May be stale if another thread took `top` meanwhile; the counter then fails the swap.
            let below = self.below[top.position()].load(Relaxed);
            match self.head.compare_exchange_weak(head, changed(head, below), AcqRel, Acquire) {
                Ok(_) => return Some(top),
                Err(now) => head = now,
            }
        }
    }

    /// Puts a slot on top, or gives it back if the gate is shut.
    #[inline]
    pub(crate) fn push(&self, slot: SlotIndex) -> Result<(), SlotIndex> {
        let mut head = self.head.load(Relaxed);
        loop {
            if head & GATE != 0 {
                return Err(slot);
            }
            self.below[slot.position()].store((head & TOP) as u32, Relaxed);
            match self.head.compare_exchange_weak(head, changed(head, slot.raw()), Release, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => head = now,
            }
        }
    }
}

/// For the holder of the core's mutex only, and all but the first only while the gate is shut.
impl IdleStack {
    pub(crate) fn shut_gate(&self) {
        self.head.fetch_or(GATE, AcqRel);
    }

    pub(crate) fn open_gate(&self) {
        let head = self.head.load(Relaxed);
        self.head.store(head & !GATE, Release);
    }

    pub(crate) fn pop_gated(&self) -> Option<SlotIndex> {
        let head = self.gated_head();
        let top = top_of(head)?;
        let below = self.below[top.position()].load(Relaxed);
        self.head.store(changed(head, below), Release);
        Some(top)
    }

    pub(crate) fn push_gated(&self, slot: &SlotIndex) {
        let head = self.gated_head();
        self.below[slot.position()].store((head & TOP) as u32, Relaxed);
        self.head.store(changed(head, slot.raw()), Release);
    }

    /// Puts a slot below all others, where it is used last. Walks the stack.
    pub(crate) fn push_bottom_gated(&self, slot: &SlotIndex) {
        let head = self.gated_head();
        let Some(top) = top_of(head) else { return self.push_gated(slot) };
        let mut bottom = top.position();
        loop {
            let below = self.below[bottom].load(Relaxed);
            if below == NONE {
                break;
            }
            bottom = below as usize;
        }
        self.below[slot.position()].store(NONE, Relaxed);
        self.below[bottom].store(slot.raw(), Relaxed);
        // The top is the same, but a `pop` that read the old links must not succeed.
        self.head.store(changed(head, top.raw()), Release);
    }

    /// Walks the stack.
    pub(crate) fn count_gated(&self) -> usize {
        let below = |slot: &SlotIndex| {
            let below = self.below[slot.position()].load(Relaxed);
            (below != NONE).then(|| SlotIndex::from_raw(below))
        };
        std::iter::successors(top_of(self.gated_head()), below).count()
    }

    fn gated_head(&self) -> u64 {
        let head = self.head.load(Relaxed);
        debug_assert!(head & GATE != 0, "the gate is open");
        head
    }
}

fn top_of(head: u64) -> Option<SlotIndex> {
    let top = (head & TOP) as u32;
    (top != NONE).then(|| SlotIndex::from_raw(top))
}

/// The head after a change that leaves `top` on top; the gate stays as it is.
fn changed(head: u64, top: u32) -> u64 {
    (head & !TOP).wrapping_add(CHANGE) | u64::from(top)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn stack_of(slots: u32) -> IdleStack {
        let stack = IdleStack::new(slots as usize);
        for index in 0..slots {
            assert!(stack.push(SlotIndex::from_raw(index)).is_ok());
        }
        stack
    }

    fn drain(stack: &IdleStack) -> Vec<u32> {
        std::iter::from_fn(|| stack.pop()).map(|slot| slot.raw()).collect()
    }

    #[test]
    fn the_newest_comes_first() {
        assert_eq!(drain(&stack_of(4)), [3, 2, 1, 0]);
    }

    #[test]
    fn a_shut_gate_stops_pop_and_push() {
        let stack = stack_of(2);
        stack.shut_gate();
        assert!(stack.pop().is_none());
        let slot = stack.pop_gated().unwrap();
        assert_eq!(slot.raw(), 1);
        let slot = stack.push(slot).unwrap_err();
        stack.push_bottom_gated(&slot);
        stack.open_gate();
        assert_eq!(drain(&stack), [0, 1]);
    }

    #[test]
    fn the_bottom_of_an_empty_stack_is_its_top() {
        let stack = IdleStack::new(2);
        stack.shut_gate();
        stack.push_bottom_gated(&SlotIndex::from_raw(1));
        stack.push_bottom_gated(&SlotIndex::from_raw(0));
        stack.open_gate();
        assert_eq!(drain(&stack), [1, 0]);
    }

    #[test]
    fn a_change_behind_a_sleeper_fails_its_swap() {
        let stack = stack_of(3);
        let seen = stack.head.load(Acquire);
        let top = stack.pop().unwrap();
        stack.pop().unwrap();
        stack.push(top).unwrap();
        let now = stack.head.load(Acquire);
        assert_eq!(seen & TOP, now & TOP, "the same slot is on top again");
        assert_ne!(seen, now, "and yet the word differs");
    }

    #[test]
    fn no_slot_is_ever_owned_twice() {
        const SLOTS: u32 = 8;
        const ROUNDS: u32 = if cfg!(miri) { 50 } else { 100_000 };
        let stack = stack_of(SLOTS);
        let owned: Vec<AtomicBool> = (0..SLOTS).map(|_| AtomicBool::new(false)).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let Some(slot) = stack.pop() else { continue };
                        assert!(!owned[slot.position()].swap(true, AcqRel), "owned by two threads");
                        owned[slot.position()].store(false, Release);
                        assert!(stack.push(slot).is_ok());
                    }
                });
            }
        });
        let mut left = drain(&stack);
        left.sort_unstable();
        assert_eq!(left, (0..SLOTS).collect::<Vec<_>>());
    }
}
