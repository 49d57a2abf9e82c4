//! Tables of handles. A handle is a number: which place of a table, and which use of that place. It is looked up and never followed, so that
//! one that was given back, or never was one, is found out.
//!
//! A number has, from its lowest bit: 20 bits for the place, 4 for the kind of the table, 40 for the use of the place. A place that has
//! been used 2^40 times is not used again.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

const PLACE_BITS: u32 = 20;
const KIND_BITS: u32 = 4;
const USE_MAX: u64 = (1 << (64 - PLACE_BITS - KIND_BITS)) - 1;
/// The first chunk of places; each further one doubles the table.
const CHUNK_FIRST: usize = 64;
const CHUNKS: usize = (PLACE_BITS - CHUNK_FIRST.ilog2() + 1) as usize;

/// A place. Odd uses are those in which it has a value.
struct Place<T> {
    r#use: AtomicU64,
    value: Mutex<Option<T>>,
}

/// A table of one kind of handles. Places are made as they are needed and stay.
pub(crate) struct Handles<T> {
    kind: u64,
    chunks: [OnceLock<Box<[Place<T>]>>; CHUNKS],
    free: Mutex<Free>,
}

struct Free {
    places: Vec<u32>,
    /// Places that were used.
    used: u32,
}

/// Why a handle has no value for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoValue {
    /// It is no handle of this table, or not any more.
    Stale,
    /// Another thread is using it.
    Busy,
}

/// The value of a handle, for one thread.
pub(crate) struct Held<'t, T>(MutexGuard<'t, Option<T>>);

impl<T> Handles<T> {
    /// An empty table. `kind` is a number below 16 of its own.
    pub(crate) const fn new(kind: u64) -> Self {
        let free = Mutex::new(Free { places: Vec::new(), used: 0 });
        Self { kind, chunks: [const { OnceLock::new() }; CHUNKS], free }
    }

    /// A handle for a value; gives the value back where the table is full.
    pub(crate) fn insert(&self, value: T) -> Result<u64, T> {
        let Some(index) = self.take_place() else { return Err(value) };
        let place = self.place_to_use(index);
        let mut slot = place.value.lock();
        *slot = Some(value);
        let r#use = place.r#use.load(Ordering::Relaxed) + 1;
        place.r#use.store(r#use, Ordering::Release);
        drop(slot);
        Ok(r#use << (PLACE_BITS + KIND_BITS) | self.kind << PLACE_BITS | u64::from(index))
    }

    /// The value of a handle, for the time of a call. Does not wait.
    pub(crate) fn hold(&self, handle: u64) -> Result<Held<'_, T>, NoValue> {
        let (place, r#use) = self.find(handle).ok_or(NoValue::Stale)?;
        if place.r#use.load(Ordering::Acquire) != r#use {
            return Err(NoValue::Stale);
        }
        let Some(value) = place.value.try_lock() else { return Err(NoValue::Busy) };
        // It may have been given back, and even used again, in between.
        if place.r#use.load(Ordering::Acquire) == r#use && value.is_some() {
            Ok(Held(value))
        } else {
            Err(NoValue::Stale)
        }
    }

    /// Takes the value out: the handle is stale from now on.
    pub(crate) fn remove(&self, handle: u64) -> Result<T, NoValue> {
        self.remove_if(handle, |_| true).map(|value| value.unwrap_or_else(|| unreachable!("it was to be removed")))
    }

    /// As [`remove`](Self::remove), if `may_go` says so; none otherwise.
    pub(crate) fn remove_if(&self, handle: u64, may_go: impl FnOnce(&T) -> bool) -> Result<Option<T>, NoValue> {
        let mut held = self.hold(handle)?;
        if !held.0.as_ref().is_some_and(may_go) {
            return Ok(None);
        }
        let value = held.0.take();
        let index = place_of(handle);
        let place = self.place_to_use(index);
        let r#use = place.r#use.fetch_add(1, Ordering::AcqRel) + 1;
        drop(held);
        if r#use < USE_MAX - 1 {
            self.free.lock().places.push(index);
        }
        Ok(value)
    }

    fn take_place(&self) -> Option<u32> {
        let mut free = self.free.lock();
        if let Some(place) = free.places.pop() {
            return Some(place);
        }
        if free.used >> PLACE_BITS != 0 {
            return None;
        }
        free.used += 1;
        Some(free.used - 1)
    }

    /// A place; made with its chunk if it is the first of it.
    fn place_to_use(&self, index: u32) -> &Place<T> {
        let (chunk, offset, length) = split(index);
        let make = || (0..length).map(|_| Place { r#use: AtomicU64::new(0), value: Mutex::new(None) }).collect();
        &self.chunks[chunk].get_or_init(make)[offset]
    }

    /// The place that a handle names, and for which use, if it is odd and of this kind.
    fn find(&self, handle: u64) -> Option<(&Place<T>, u64)> {
        let (kind, r#use) = (handle >> PLACE_BITS & ((1 << KIND_BITS) - 1), handle >> (PLACE_BITS + KIND_BITS));
        if kind != self.kind || r#use % 2 == 0 {
            return None;
        }
        let (chunk, offset, _) = split(place_of(handle));
        Some((self.chunks[chunk].get()?.get(offset)?, r#use))
    }
}

impl<T: Clone> Handles<T> {
    /// A copy of the value, which is a shared one: any number of threads may have it at once.
    pub(crate) fn get(&self, handle: u64) -> Option<T> {
        let (place, r#use) = self.find(handle)?;
        let value = place.value.lock();
        if place.r#use.load(Ordering::Acquire) == r#use { value.clone() } else { None }
    }

    /// Takes a shared value out.
    pub(crate) fn take(&self, handle: u64) -> Option<T> {
        self.take_if(handle, |_| true).flatten()
    }

    /// Takes a shared value out if `may_go` says so; none where the handle is stale, and none within where it may not go.
    #[allow(clippy::option_option, reason = "no value, one that stays, one that goes")]
    pub(crate) fn take_if(&self, handle: u64, may_go: impl Fn(&T) -> bool) -> Option<Option<T>> {
        loop {
            match self.remove_if(handle, &may_go) {
                Ok(value) => return Some(value),
                Err(NoValue::Stale) => return None,
                // Another thread copies it: that takes no time.
                Err(NoValue::Busy) => std::thread::yield_now(),
            }
        }
    }
}

impl<T> std::ops::Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap_or_else(|| unreachable!("a value is held until it is given back"))
    }
}

impl<T> std::ops::DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap_or_else(|| unreachable!("a value is held until it is given back"))
    }
}

/// The place of a handle.
fn place_of(handle: u64) -> u32 {
    // Twenty bits.
    u32::try_from(handle & ((1 << PLACE_BITS) - 1)).unwrap_or(0)
}

/// The chunk of a place, the place in it, and the length of the chunk.
fn split(index: u32) -> (usize, usize, usize) {
    let index = index as usize;
    if index < CHUNK_FIRST {
        return (0, index, CHUNK_FIRST);
    }
    let length = 1_usize << index.ilog2();
    ((index.ilog2() - CHUNK_FIRST.ilog2() + 1) as usize, index - length, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_that_was_given_back_is_stale_also_when_its_place_is_used_again() {
        let handles = Handles::new(3);
        let first = handles.insert("a").unwrap();
        assert_eq!(*handles.hold(first).unwrap(), "a");
        assert_eq!(handles.remove(first), Ok("a"));
        assert_eq!(handles.hold(first).err(), Some(NoValue::Stale));
        let second = handles.insert("b").unwrap();
        assert_eq!(place_of(first), place_of(second), "the place is used again");
        assert_eq!(handles.hold(first).err(), Some(NoValue::Stale));
        assert_eq!(handles.remove(first), Err(NoValue::Stale));
        assert_eq!(*handles.hold(second).unwrap(), "b");
    }

    #[test]
    fn a_value_is_held_by_one_at_a_time() {
        let handles = Handles::new(1);
        let handle = handles.insert(1).unwrap();
        let held = handles.hold(handle).unwrap();
        assert_eq!(handles.hold(handle).err(), Some(NoValue::Busy));
        assert_eq!(handles.remove(handle), Err(NoValue::Busy));
        drop(held);
        assert_eq!(handles.remove(handle), Ok(1));
    }

    #[test]
    fn numbers_that_were_never_handles_are_stale() {
        let (handles, others) = (Handles::new(1), Handles::new(2));
        let handle = handles.insert(1).unwrap();
        let other = others.insert(1).unwrap();
        for number in [0, 1, u64::MAX, handle + 1, handle ^ 1 << 63, handle - (1 << 24), other] {
            assert_eq!(handles.hold(number).err(), Some(NoValue::Stale), "{number:#x}");
            assert_eq!(handles.get(number), None, "{number:#x}");
        }
    }

    #[test]
    fn every_place_is_in_one_chunk_only() {
        let mut expected = (0, 0);
        for index in 0..1_u32 << PLACE_BITS {
            let (chunk, offset, length) = split(index);
            if offset == 0 && index > 0 {
                expected = (expected.0 + 1, 0);
            }
            assert_eq!((chunk, offset), expected);
            assert!(chunk < CHUNKS && offset < length);
            expected.1 += 1;
        }
    }
}
