//! Memory in flight: what a request is about to hold is taken from the server's budget first, and refused with 503 where that is used up.

use std::{fmt, io};

use bytes::Bytes;
use mantis_db::{Budget, Reservation};
use serde::Serialize;

use crate::protocol::problem::{Problem, Result};

/// Bytes that a request holds without taking them: the limits on requests and connections bound their sum, and most requests need no more.
pub(crate) const UNCOUNTED_BYTES_MAX: usize = 4 << 10;

/// Bytes of a text that are written on a thread that other requests wait for: some tenths of a millisecond.
const SHORT_TEXT_BYTES_MAX: usize = 64 << 10;

/// Why a request is refused that needs more memory than there is.
pub(crate) fn full() -> Problem {
    Problem::new(mantis_db::Code::MemoryFull)
}

/// Takes so many bytes; a few are not counted.
///
/// # Errors
/// `memory-full`.
pub(crate) fn take(budget: &Budget, bytes: usize) -> Result<Reservation> {
    let counted = if bytes > UNCOUNTED_BYTES_MAX { bytes } else { 0 };
    budget.take(counted).ok_or_else(full)
}

/// Bytes that are written already and known to be few, as part of the budget; a few are not counted.
///
/// # Errors
/// `memory-full`.
pub(crate) fn counted(budget: &Budget, bytes: Bytes) -> Result<Bytes> {
    if bytes.len() <= UNCOUNTED_BYTES_MAX {
        return Ok(bytes);
    }
    let reservation = take(budget, bytes.len())?;
    Ok(held(bytes, reservation))
}

/// Bytes about something that is done and no longer refused: their memory was taken before, as an estimate. Where it was too low and there
/// is no more, they are not counted.
pub(crate) fn covered(bytes: Bytes, mut reservation: Reservation) -> Bytes {
    if bytes.len() <= UNCOUNTED_BYTES_MAX || !reservation.grow_to(bytes.len()) {
        return bytes;
    }
    reservation.shrink_to(bytes.len());
    held(bytes, reservation)
}

/// What a JSON text takes when it is read into values, about: its texts, and each value in a list that grows.
pub(crate) fn parsed_bytes(json: &[u8]) -> usize {
    const VALUE_BYTES: usize = 48;
    let values = json.iter().filter(|&&byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
    json.len().saturating_add(values.saturating_mul(VALUE_BYTES))
}

/// What a text of rows takes until it is written, about: its texts, its values in lists that grow, and the rows that are made of them.
pub(crate) fn parsed_rows_bytes(rows: &[u8]) -> usize {
    const VALUE_BYTES: usize = 144;
    let values = rows.iter().filter(|&&byte| matches!(byte, b',' | b':' | b'[' | b'{' | b'\n')).count();
    rows.len().saturating_add(values.saturating_mul(VALUE_BYTES))
}

/// Bytes that give back their reservation when nobody holds any part of them.
pub(crate) fn held(bytes: impl AsRef<[u8]> + Send + 'static, reservation: Reservation) -> Bytes {
    struct Held<T>(T, #[allow(dead_code, reason = "dropped with the bytes")] Reservation);

    impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
        fn as_ref(&self) -> &[u8] {
            self.0.as_ref()
        }
    }
    debug_assert!(reservation.bytes() == 0 || reservation.bytes() >= bytes.as_ref().len());
    Bytes::from_owner(Held(bytes, reservation))
}

/// A text of unknown length, whose memory is taken before it is written.
#[derive(Debug)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    reservation: Reservation,
    bytes_max: usize,
    is_cut: bool,
}

impl Text {
    pub(crate) fn new(budget: &Budget) -> Self {
        Self { bytes: Vec::new(), reservation: budget.reservation(), bytes_max: usize::MAX, is_cut: false }
    }

    /// A text that fails when it becomes too long for a thread that other requests wait for.
    pub(crate) fn short(budget: &Budget) -> Self {
        Self { bytes_max: SHORT_TEXT_BYTES_MAX, ..Self::new(budget) }
    }

    /// Whether it failed for that.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Appends to the text.
    ///
    /// # Errors
    /// `memory-full`.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.make_room(bytes.len()).map_err(|_| full())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends a value that always serialises.
    ///
    /// # Errors
    /// `memory-full`.
    pub(crate) fn push_json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(self, value).map_err(|_| full())
    }

    /// Appends what `write!` formats.
    ///
    /// # Errors
    /// `memory-full`.
    pub(crate) fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> Result<()> {
        io::Write::write_fmt(self, text).map_err(|_| full())
    }

    /// Begins again, with the memory that it has.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The text so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(mut self) -> Bytes {
        if self.reservation.bytes() == 0 {
            return self.bytes.into();
        }
        self.bytes.shrink_to_fit();
        self.reservation.shrink_to(self.bytes.len());
        held(self.bytes, self.reservation)
    }

    fn make_room(&mut self, more: usize) -> io::Result<()> {
        let needed = self.bytes.len().saturating_add(more);
        if needed > self.bytes_max {
            self.is_cut = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if needed <= self.bytes.capacity() {
            return Ok(());
        }
        // Twice as much, as a vector would grow, and less where there is not as much.
        let twice = needed.max(self.bytes.capacity().saturating_mul(2)).max(UNCOUNTED_BYTES_MAX);
        let ahead = if twice > UNCOUNTED_BYTES_MAX { twice } else { 0 };
        if ahead > 0 && !self.reservation.grow_ahead(needed, ahead - needed) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let capacity = if ahead > 0 { self.reservation.bytes() } else { twice };
        self.bytes.reserve_exact(capacity - self.bytes.len());
        Ok(())
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.make_room(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(budget: &Budget, value: &impl Serialize) -> Result<Bytes> {
        let mut text = Text::new(budget);
        text.push_json(value)?;
        Ok(text.into_bytes())
    }

    #[test]
    fn a_text_takes_its_memory_before_it_grows_and_gives_it_back_at_the_end() {
        let budget = Budget::new(1 << 20);
        let small = json(&budget, &"x".repeat(1_000)).unwrap();
        assert_eq!((small.len(), budget.bytes_in_use()), (1_002, 0));
        let large = json(&budget, &vec!["y".repeat(1_000); 500]).unwrap();
        assert_eq!(budget.bytes_in_use(), large.len());
        let part = large.slice(10..20);
        drop(large);
        assert!(budget.bytes_in_use() > 0, "a part keeps all of it");
        drop(part);
        assert_eq!(budget.bytes_in_use(), 0);
        assert!(json(&budget, &vec!["z".repeat(1_000); 2_000]).is_err());
        assert_eq!((budget.bytes_in_use(), budget.refused_total()), (0, 1));
    }
}
