//! The instance's memory, of which a write that it has no room for must leave enough to read and to delete.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that stay free when writes are refused: for reads, deletions and housekeeping. Queries on tables hold more at a time.
const RESERVE_BYTES: usize = if cfg!(feature = "tables") { 64 << 20 } else { 16 << 20 };
/// The reserve may be in pieces of this many bytes.
const PIECE_BYTES: usize = 1 << 20;

/// How often what is written is in memory while it is: as an argument, in the transaction, in the store.
const COPIES: usize = 3;
/// What a copy has around it, at most: in a hole that fits the value alone it has no place.
const AROUND_BYTES: usize = 8 << 10;

/// Bytes that are written before the memory is looked at again: little of the reserve, with what is around each write.
const UNSEEN_BYTES: usize = 1 << 20;
const WRITE_BYTES: usize = 512;
static UNSEEN_LEFT: AtomicUsize = AtomicUsize::new(0);

/// Whether the memory has room to write so many bytes: it is grown for that now, so that later it need not be.
pub(crate) fn has_room(bytes: usize) -> bool {
    let left = UNSEEN_LEFT.load(Ordering::Relaxed).saturating_sub(bytes.saturating_add(WRITE_BYTES));
    UNSEEN_LEFT.store(left, Ordering::Relaxed);
    if left > 0 {
        return true;
    }
    // In one piece it is quickly found, where memory can still be had.
    let has_room = can_hold(1, bytes.saturating_mul(COPIES).saturating_add(RESERVE_BYTES), 0)
        || can_hold(COPIES, bytes.saturating_add(AROUND_BYTES), RESERVE_BYTES / PIECE_BYTES);
    if has_room {
        UNSEEN_LEFT.store(UNSEEN_BYTES, Ordering::Relaxed);
    }
    has_room
}

/// Whether so many blocks of these bytes can be had together with so many pieces.
fn can_hold(blocks: usize, bytes: usize, pieces: usize) -> bool {
    let (size, blocks, pieces) = match (blocks, pieces) {
        (0, 0) => return true,
        (0, pieces) => (PIECE_BYTES, 0, pieces - 1),
        (blocks, pieces) => (bytes, blocks - 1, pieces),
    };
    let mut held = Vec::<u8>::new();
    let is_had = held.try_reserve_exact(size).is_ok();
    // The compiler takes an allocation that nobody uses for one that always succeeds.
    black_box(&held);
    is_had && can_hold(blocks, bytes, pieces)
}
