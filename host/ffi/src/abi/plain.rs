//! What the structures of the header are made of.

use std::ffi::c_char;

/// A structure of the header that begins with its size.
///
/// # Safety
/// It is `repr(C)`, its first member is a `u32` with the size, it has no padding, and every bit pattern is a value of its members.
pub(crate) unsafe trait Plain: Copy {}

/// Text as a C array: cut at a character, with a NUL at its end.
pub(crate) fn cut<const N: usize>(text: &str) -> [c_char; N] {
    let mut array = [0; N];
    let end = text.floor_char_boundary(N - 1);
    for (place, byte) in array.iter_mut().zip(text[..end].bytes().filter(|&byte| byte != 0)) {
        *place = c_char::from_ne_bytes([byte]);
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_and_ends_with_a_nul() {
        let cut: [c_char; 4] = cut("aäö");
        assert_eq!(cut.map(|byte| byte.to_ne_bytes()[0]), [b'a', 0xc3, 0xa4, 0]);
    }
}
