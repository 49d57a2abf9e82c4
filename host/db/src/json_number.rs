//! Whole numbers in JSON, read from what is written: a float has rounded it.

/// The digits of the largest numbers of 128 bits that are read.
const DIGITS_MAX: usize = 38;

/// The number that a JSON number says, if it is whole and has at most 38 digits: `1`, `1.0`, `1e3` and `-0` are whole, `1.0000000000000000001`
/// and `1e-400` are not, whatever float is the nearest.
///
/// The text is a number by the grammar of JSON.
#[must_use]
pub fn json_integer(number: &str) -> Option<i128> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (sign, unsigned) = mantissa.strip_prefix('-').map_or((1, mantissa), |unsigned| (-1, unsigned));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let fraction = fraction.trim_end_matches('0');
    // Without the zeros at either end.
    let (digits, dropped) = if fraction.is_empty() {
        let digits = whole.trim_end_matches('0');
        (digits.trim_start_matches('0').to_owned(), whole.len() - digits.len())
    } else {
        (format!("{whole}{fraction}").trim_start_matches('0').to_owned(), 0)
    };
    if digits.is_empty() {
        return Some(0);
    }
    let zeros = exponent
        .parse::<i64>()
        .ok()?
        .checked_add_unsigned(dropped as u64)?
        .checked_sub_unsigned(fraction.len() as u64)?;
    let zeros = usize::try_from(zeros).ok()?;
    if digits.len().checked_add(zeros).is_none_or(|length| length > DIGITS_MAX) {
        return None;
    }
    Some(sign * digits.parse::<i128>().ok()? * 10_i128.pow(u32::try_from(zeros).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: &str, expected: Option<i128>) {
        assert_eq!(json_integer(number), expected, "{number}");
    }

    #[test]
    fn no_number_is_read_as_the_one_next_to_it() {
        for (number, whole) in [
            ("0", 0),
            ("-0", 0),
            ("0.000", 0),
            ("0e99999999999999999999", 0),
            ("5", 5),
            ("-5.0", -5),
            ("1200", 1_200),
            ("-1e2", -100),
            ("1E+2", 100),
            ("1.50e1", 15),
            ("100e-2", 1),
            ("0.001e3", 1),
            ("9007199254740993.0", (1 << 53) + 1),
            ("18446744073709551615", u64::MAX.into()),
            ("99999999999999999999999999999999999999", 10_i128.pow(38) - 1),
        ] {
            check(number, Some(whole));
        }
        for number in [
            "0.5",
            "1.0000000000000000001",
            "0.99999999999999999999",
            "-9007199254740991.0000001",
            "15e-1",
            "1e-400",
            "1e-99999999999999999999",
            "1e38",
            "1e400",
            "1e99999999999999999999",
            "100000000000000000000000000000000000000",
        ] {
            check(number, None);
        }
        check(&format!("1.{}", "0".repeat(100_000)), Some(1));
        check(&format!("1.{}1", "0".repeat(100_000)), None);
    }

    proptest::proptest! {
        #[test]
        fn a_point_that_is_moved_changes_nothing(number in -1_000_000_i128..1_000_000, places in 0_usize..12) {
            let digits = format!("{:0>width$}", number.unsigned_abs(), width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let point = if places == 0 { "" } else { "." };
            let sign = if number < 0 { "-" } else { "" };
            proptest::prop_assert_eq!(json_integer(&format!("{sign}{whole}{point}{fraction}e{places}")), Some(number));
            let is_whole = fraction.bytes().all(|digit| digit == b'0');
            proptest::prop_assert_eq!(json_integer(&format!("{sign}{whole}{point}{fraction}")).is_some(), is_whole);
        }
    }
}
