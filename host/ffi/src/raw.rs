//! A caller's pointers: inputs as slices, outputs as places to write to. All of them are followed here and nowhere else.

use std::ffi::c_char;
use std::mem::size_of;
use std::ptr;
use std::slice;

use crate::abi::plain::Plain;
use crate::failure::Failure;

/// Bytes that a caller lends for a call.
///
/// # Errors
/// Misuse: NULL with a length, or more bytes than fit into an address space.
///
/// # Safety
/// If `data` is not NULL, it points to `len` bytes that nobody changes for `'a`.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize, name: &str) -> Result<&'a [u8], Failure> {
    // SAFETY: the caller of this function promises the same.
    Ok(unsafe { optional_bytes(data, len, name) }?.unwrap_or_default())
}

/// As [`bytes`], where NULL means that there are none.
///
/// # Errors
/// As [`bytes`].
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn optional_bytes<'a>(data: *const u8, len: usize, name: &str) -> Result<Option<&'a [u8]>, Failure> {
    if data.is_null() {
        return if len == 0 {
            Ok(None)
        } else {
            Err(Failure::misuse(format!("`{name}` is NULL with a length of {len}")))
        };
    }
    if len > isize::MAX as usize {
        return Err(Failure::misuse(format!("`{name}` has a length of {len}")));
    }
    // SAFETY: it is not NULL, its length is that of an object, and the caller promises that so many bytes are there and stay.
    Ok(Some(unsafe { slice::from_raw_parts(data, len) }))
}

/// Text that a caller lends for a call.
///
/// # Errors
/// As [`bytes`]; what is not UTF-8.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(data: *const c_char, len: usize, name: &str) -> Result<&'a str, Failure> {
    // SAFETY: the caller of this function promises the same; a char of C and a byte have the same size.
    Ok(unsafe { optional_text(data, len, name) }?.unwrap_or_default())
}

/// As [`text`], where NULL means that there is none.
///
/// # Errors
/// As [`text`].
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn optional_text<'a>(
    data: *const c_char,
    len: usize,
    name: &str,
) -> Result<Option<&'a str>, Failure> {
    // SAFETY: the caller of this function promises the same; a char of C and a byte have the same size.
    let Some(bytes) = (unsafe { optional_bytes(data.cast(), len, name) })? else { return Ok(None) };
    std::str::from_utf8(bytes).map(Some).map_err(|_| Failure::misuse(format!("`{name}` is not UTF-8")))
}

/// A structure that a caller filled, of which an earlier header may have had less: the rest is as in `default`.
///
/// # Errors
/// Misuse: its size is 0.
///
/// # Safety
/// If `given` is not NULL, it points to as many readable bytes as its size says.
pub(crate) unsafe fn structure<T: Plain>(given: *const T, default: T, name: &str) -> Result<T, Failure> {
    if given.is_null() {
        return Ok(default);
    }
    // SAFETY: a structure of the header begins with its size, and the caller promises that it is readable.
    let size = unsafe { ptr::read_unaligned(given.cast::<u32>()) } as usize;
    if size < size_of::<u32>() {
        return Err(Failure::misuse(format!("the size of `{name}` is {size}; set it with sizeof")));
    }
    let mut value = default;
    // SAFETY: both sides have so many bytes, they do not overlap, and every bit pattern is a `T`.
    unsafe { ptr::copy_nonoverlapping(given.cast::<u8>(), (&raw mut value).cast(), size.min(size_of::<T>())) };
    Ok(value)
}

/// A place where a caller wants a structure, or does not (NULL).
#[derive(Debug)]
pub(crate) struct Out<T>(*mut T, usize);

impl<T: Plain> Out<T> {
    /// The place, whose size is checked before anything is done.
    ///
    /// # Errors
    /// Misuse: its size is 0.
    ///
    /// # Safety
    /// If `place` is not NULL, it points to as many writable bytes as its size says, for as long as this is used.
    pub(crate) unsafe fn new(place: *mut T, name: &str) -> Result<Self, Failure> {
        if place.is_null() {
            return Ok(Self(place, 0));
        }
        // SAFETY: a structure of the header begins with its size, and the caller promises that it is readable.
        let size = unsafe { ptr::read_unaligned(place.cast::<u32>()) } as usize;
        if size < size_of::<u32>() {
            return Err(Failure::misuse(format!("the size of `{name}` is {size}; set it with sizeof")));
        }
        Ok(Self(place, size))
    }

    /// Writes as much as the caller's header has, but the size, which is the caller's.
    pub(crate) fn write(&self, value: &T) {
        if self.0.is_null() {
            return;
        }
        let head = size_of::<u32>();
        // SAFETY: `new` was promised that so many bytes are writable; the source is a `T` and the sides do not overlap.
        unsafe {
            let (from, to) = (ptr::from_ref(value).cast::<u8>().add(head), self.0.cast::<u8>().add(head));
            if self.1 >= size_of::<T>() {
                // The usual case, in which the length is known when this is compiled.
                ptr::copy_nonoverlapping(from, to, size_of::<T>() - head);
            } else {
                ptr::copy_nonoverlapping(from, to, self.1 - head);
            }
        }
    }
}

/// Writes a plain value to a place that is wanted if it is not NULL.
///
/// # Safety
/// If `place` is not NULL, a `T` can be written there.
pub(crate) unsafe fn write<T: Copy>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: the caller promises that a value can be written there.
        unsafe { ptr::write_unaligned(place, value) };
    }
}

/// A place that must be given.
///
/// # Errors
/// Misuse: it is NULL.
pub(crate) fn wanted<T>(place: *mut T, name: &str) -> Result<(), Failure> {
    if place.is_null() { Err(Failure::misuse(format!("`{name}` is NULL"))) } else { Ok(()) }
}

/// Copies bytes into a caller's buffer, if they fit. Returns whether they did.
///
/// # Safety
/// `buffer` points to `capacity` writable bytes, none of them in `bytes`.
pub(crate) unsafe fn copy(bytes: &[u8], buffer: *mut u8, capacity: usize) -> bool {
    if bytes.len() > capacity {
        return false;
    }
    // SAFETY: the buffer has room for them, as the caller promises, and does not overlap memory of the database.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), buffer, bytes.len()) };
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::types::{mantis_stats, mantis_written};

    #[test]
    fn a_program_of_an_earlier_header_gets_what_it_knows() {
        let mut place = mantis_written { size: 16, count: 7, ..mantis_written::default() };
        // SAFETY: the place is a whole structure.
        let out = unsafe { Out::new(&raw mut place, "written") }.unwrap();
        out.write(&mantis_written { size: 99, flags: 3, version: 5, count: 1, ..mantis_written::default() });
        assert_eq!((place.size, place.flags, place.version, place.count), (16, 3, 5, 7));
    }

    #[test]
    fn a_size_that_was_not_set_is_misuse() {
        let mut place = mantis_stats::default();
        // SAFETY: the place is a whole structure.
        assert!(unsafe { Out::new(&raw mut place, "stats") }.is_err());
    }
}
