//! Numbers as bytes in numeric order, for use in keys.

/// Eight bytes that sort from the smallest number to the largest.
#[must_use]
pub fn ascending(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ SIGN).to_be_bytes()
}

/// Eight bytes that sort from the largest number to the smallest.
#[must_use]
pub fn descending(number: i64) -> [u8; 8] {
    ascending(!number)
}

/// The number that [`ascending`] wrote.
#[must_use]
pub fn from_ascending(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ SIGN).cast_signed()
}

/// The number that [`descending`] wrote.
#[must_use]
pub fn from_descending(bytes: [u8; 8]) -> i64 {
    !from_ascending(bytes)
}

/// The sign bit: flipped, negative numbers sort before the others.
const SIGN: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sort_like_their_numbers() {
        let numbers = [i64::MIN, i64::MIN + 1, -256, -1, 0, 1, 255, 256, i64::MAX - 1, i64::MAX];
        for pair in numbers.windows(2) {
            assert!(ascending(pair[0]) < ascending(pair[1]), "{pair:?}");
            assert!(descending(pair[0]) > descending(pair[1]), "{pair:?}");
        }
        for number in numbers {
            assert_eq!(from_ascending(ascending(number)), number);
            assert_eq!(from_descending(descending(number)), number);
        }
    }
}
