//! Decimals by value, whatever their scale, in two digits a byte.
//!
//! A decimal other than zero is `0.aabbcc..` times 100 to the power of its exponent, with pairs of digits of which neither the first nor the
//! last is `00`.
//!
//! | decimal | bytes |
//! |---|---|
//! | 0 | `80` |
//! | above zero, exponent from -61 to 60 | `c0`+exponent, pairs |
//! | above zero, smaller exponents | `82`, exponent as an integer, pairs |
//! | above zero, larger exponents | `fd`, exponent as an integer, pairs |
//! | below zero | the bytes of its opposite, inverted |
//! | NaN | `fe` |
//!
//! A pair is 2 times its number in a byte, and 1 more where another one follows.

use bigdecimal::BigDecimal;
use num_bigint::{BigInt, Sign};
use smallvec::SmallVec;

use super::buffer::{KeyBuffer, invert};
use super::integer;
use super::reader::Reader;
use crate::tables::TableResult;
use crate::tables::codec::damage::damaged;
use crate::tables::types::Numeric;

const ZERO: u8 = 0x80;
const TINY: u8 = 0x82;
const EXPONENT_ZERO: u8 = 0xc0;
const HUGE: u8 = 0xfd;
const NAN: u8 = 0xfe;
const EXPONENT_MIN: i64 = -61;
const EXPONENT_MAX: i64 = 60;
/// More is not read: nothing writes it, and a few bytes would be a long number. Twice as many digits before or after the point.
const EXPONENT_READ_MAX: i64 = 70_000;

/// Pairs of digits, of which neither the first nor the last is zero; none for zero.
type Pairs = SmallVec<[u8; 24]>;
/// Digits from 0 to 9.
type Digits = SmallVec<[u8; 64]>;

/// A decimal that is not NaN.
pub(super) struct Decimal {
    is_negative: bool,
    exponent: i64,
    pairs: Pairs,
}

pub(super) fn push<B: KeyBuffer>(out: &mut B, value: &Numeric) {
    match value {
        Numeric::NaN => out.put(NAN),
        Numeric::Small { unscaled, scale } => {
            push_decimal(out, &Decimal::from_small(*unscaled, *scale));
        }
        Numeric::Large(value) => push_decimal(out, &Decimal::from_large(value)),
    }
}

pub(super) fn push_decimal<B: KeyBuffer>(out: &mut B, decimal: &Decimal) {
    let Decimal { is_negative, exponent, pairs } = decimal;
    let Some((last, others)) = pairs.split_last() else { return out.put(ZERO) };
    let start = out.written().len();
    match i8::try_from(*exponent) {
        Ok(small) if (EXPONENT_MIN..=EXPONENT_MAX).contains(exponent) => {
            out.put(EXPONENT_ZERO.wrapping_add_signed(small));
        }
        _ => {
            out.put(if *exponent < 0 { TINY } else { HUGE });
            integer::push(out, *exponent);
        }
    }
    out.put_slice(&others.iter().map(|pair| pair * 2 + 1).collect::<Pairs>());
    out.put(last * 2);
    if *is_negative {
        invert(&mut out.written()[start..]);
    }
}

pub(super) fn decode(reader: &mut Reader<'_, '_>, scale_min: u16) -> TableResult<Numeric> {
    if reader.peek()? == NAN {
        reader.byte()?;
        return Ok(Numeric::NaN);
    }
    Ok(decode_decimal(reader)?.into_numeric(scale_min))
}

/// A decimal that is not NaN.
pub(super) fn decode_decimal(reader: &mut Reader<'_, '_>) -> TableResult<Decimal> {
    let lead = reader.peek()?;
    if lead == ZERO {
        reader.byte()?;
        return Ok(Decimal::zero());
    }
    let is_negative = lead < ZERO;
    if is_negative {
        reader.invert();
    }
    let exponent = decode_exponent(reader)?;
    let pairs = decode_pairs(reader)?;
    if is_negative {
        reader.invert();
    }
    Ok(Decimal { is_negative, exponent, pairs })
}

fn decode_pairs(reader: &mut Reader<'_, '_>) -> TableResult<Pairs> {
    let mut pairs = Pairs::new();
    loop {
        let byte = reader.byte()?;
        if byte / 2 > 99 || (byte / 2 == 0 && (pairs.is_empty() || byte % 2 == 0)) {
            return Err(damaged("numeric"));
        }
        pairs.push(byte / 2);
        if byte % 2 == 0 {
            return Ok(pairs);
        }
    }
}

fn decode_exponent(reader: &mut Reader<'_, '_>) -> TableResult<i64> {
    let lead = reader.byte()?;
    let (exponent, is_right) = match lead {
        TINY | HUGE => {
            let exponent = integer::decode(reader)?;
            let is_right = if lead == TINY { exponent < EXPONENT_MIN } else { exponent > EXPONENT_MAX };
            (exponent, is_right)
        }
        _ => (i64::from(lead) - i64::from(EXPONENT_ZERO), lead > TINY && lead < HUGE),
    };
    let is_right = is_right && (-EXPONENT_READ_MAX..=EXPONENT_READ_MAX).contains(&exponent);
    if is_right { Ok(exponent) } else { Err(damaged("numeric")) }
}

pub(super) fn skip(reader: &mut Reader<'_, '_>) -> TableResult<()> {
    let lead = reader.peek()?;
    if matches!(lead, ZERO | NAN) {
        return reader.byte().map(drop);
    }
    let is_negative = lead < ZERO;
    if is_negative {
        reader.invert();
    }
    decode_exponent(reader)?;
    while reader.byte()? % 2 == 1 {}
    if is_negative {
        reader.invert();
    }
    Ok(())
}

impl Decimal {
    fn zero() -> Self {
        Self { is_negative: false, exponent: 0, pairs: Pairs::new() }
    }

    fn from_small(unscaled: i128, scale: u16) -> Self {
        let mut rest = unscaled.unsigned_abs();
        let mut pairs = Pairs::new();
        let mut count = 0;
        // From the end; an odd scale leaves one digit for the last pair.
        if scale % 2 == 1 {
            take_pair(&mut pairs, low_byte(rest % 10) * 10);
            rest /= 10;
            count += 1;
        }
        // Division of 128 bits is slow, and most need none.
        while rest > u128::from(u64::MAX) {
            take_pair(&mut pairs, low_byte(rest % 100));
            rest /= 100;
            count += 1;
        }
        let mut rest = u64::try_from(rest).unwrap_or(u64::MAX);
        while rest > 0 {
            take_pair(&mut pairs, low_byte((rest % 100).into()));
            rest /= 100;
            count += 1;
        }
        pairs.reverse();
        let exponent = count - i64::from(scale.div_ceil(2));
        Self { is_negative: unscaled < 0, exponent, pairs }
    }

    fn from_large(value: &BigDecimal) -> Self {
        let (unscaled, scale) = value.as_bigint_and_exponent();
        let digits = unscaled.magnitude().to_radix_be(10);
        Self::from_digits(unscaled.sign() == Sign::Minus, &digits, scale)
    }

    /// `digits` (each from 0 to 9) / 10^`scale`.
    fn from_digits(is_negative: bool, digits: &[u8], scale: i64) -> Self {
        let is_digit = |&digit: &u8| digit != 0;
        let (Some(first), Some(last)) = (digits.iter().position(is_digit), digits.iter().rposition(is_digit)) else {
            return Self::zero();
        };
        // Places before the point of the first digit, and half of them: pairs.
        let places = i64::try_from(digits.len() - first).unwrap_or(i64::MAX).saturating_sub(scale);
        let exponent = places.div_euclid(2) + places.rem_euclid(2);
        let digits = &digits[first..=last];
        let (alone, digits) = digits.split_at(usize::from(places.rem_euclid(2) == 1));
        let mut pairs: Pairs = alone.iter().copied().collect();
        pairs.extend(digits.chunks(2).map(|pair| pair[0] * 10 + pair.get(1).unwrap_or(&0)));
        Self { is_negative, exponent, pairs }
    }

    /// From a number as JSON has it; none where it is none.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: Digits = whole.bytes().chain(fraction.bytes()).map(|byte| byte.wrapping_sub(b'0')).collect();
        if whole.is_empty() || digits.iter().any(|&digit| digit > 9) {
            return None;
        }
        let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        Some(Self::from_digits(is_negative, &digits, scale))
    }

    /// Its digits without leading and trailing zeros, and how many there are after the point, which is negative where zeros follow.
    fn digits(&self) -> (Digits, i64) {
        let mut digits: Digits = self.pairs.iter().flat_map(|pair| [pair / 10, pair % 10]).collect();
        let pairs = i64::try_from(self.pairs.len()).unwrap_or(i64::MAX);
        let mut scale = (pairs - self.exponent) * 2;
        if digits.first() == Some(&0) {
            digits.remove(0);
        }
        if digits.last() == Some(&0) {
            digits.pop();
            scale -= 1;
        }
        (digits, scale)
    }

    /// With at least so many digits after the point.
    fn into_numeric(self, scale_min: u16) -> Numeric {
        if let Some((magnitude, scale)) = self.small(scale_min) {
            return Numeric::Small { unscaled: if self.is_negative { -magnitude } else { magnitude }, scale };
        }
        let (mut digits, scale) = self.digits();
        let wanted = scale.max(scale_min.into());
        digits.extend(std::iter::repeat_n(0, usize::try_from(wanted - scale).unwrap_or(0)));
        let sign = if self.is_negative { Sign::Minus } else { Sign::Plus };
        let unscaled = BigInt::from_radix_be(sign, &digits, 10).unwrap_or_default();
        Numeric::Large(Box::new(BigDecimal::new(unscaled, wanted)))
    }

    /// Its digits as a number, and how many of them are after the point, where that is a [`Numeric::Small`].
    fn small(&self, scale_min: u16) -> Option<(i128, u16)> {
        const MAGNITUDE_MAX: u128 = 10_u128.pow(38) - 1;
        let Some((&last, others)) = self.pairs.split_last() else { return Some((0, scale_min)) };
        // 38 digits are 20 pairs where the first and the last are half ones.
        if self.pairs.len() > 20 {
            return None;
        }
        let pairs = i64::try_from(self.pairs.len()).ok()?;
        let mut scale = (pairs - self.exponent) * 2;
        let others = others.iter().fold(0_u128, |number, &pair| number * 100 + u128::from(pair));
        let magnitude: u128 = if scale > 0 && last % 10 == 0 {
            scale -= 1;
            others.checked_mul(10)? + u128::from(last / 10)
        } else {
            others.checked_mul(100)?.checked_add(last.into())?
        };
        let wanted = scale.max(scale_min.into());
        let zeros = 10_u128.checked_pow(u32::try_from(wanted - scale).ok()?)?;
        let magnitude = magnitude.checked_mul(zeros).filter(|&magnitude| magnitude <= MAGNITUDE_MAX)?;
        Some((i128::try_from(magnitude).ok()?, u16::try_from(wanted).ok()?))
    }

    /// Appends it as PostgreSQL writes it, without an exponent and without trailing zeros.
    pub(super) fn write(&self, out: &mut String) {
        if self.pairs.is_empty() {
            return out.push('0');
        }
        let (digits, scale) = self.digits();
        let zeros = |count: i64| std::iter::repeat_n('0', usize::try_from(count).unwrap_or(0));
        let shown = |digits: &[u8]| digits.iter().map(|digit| char::from(b'0' + digit)).collect::<String>();
        if self.is_negative {
            out.push('-');
        }
        // Digits before the point.
        let whole = i64::try_from(digits.len()).unwrap_or(i64::MAX) - scale;
        match usize::try_from(whole) {
            Ok(whole) if whole > 0 => {
                let (before, after) = digits.split_at(whole.min(digits.len()));
                out.push_str(&shown(before));
                out.extend(zeros(-scale));
                if !after.is_empty() {
                    out.push('.');
                    out.push_str(&shown(after));
                }
            }
            _ => {
                out.push_str("0.");
                out.extend(zeros(-whole));
                out.push_str(&shown(&digits));
            }
        }
    }
}

fn take_pair(pairs: &mut Pairs, pair: u8) {
    // Trailing pairs of zeros are no part of the value.
    if pair != 0 || !pairs.is_empty() {
        pairs.push(pair);
    }
}

fn low_byte(number: u128) -> u8 {
    number.to_le_bytes()[0]
}
