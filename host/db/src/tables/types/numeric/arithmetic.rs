//! Sums, products and quotients of numerics, with the scales that PostgreSQL gives them.

use num_bigint::{BigInt, Sign};

use super::{DIGITS_MAX, Numeric, digits, power_of_ten};
use crate::tables::types::NumericModifier;
use crate::tables::{TableError, TableResult, code};

/// The fewest significant digits of a quotient, so that it is no less exact than a double.
const QUOTIENT_DIGITS_MIN: i64 = 16;

impl Numeric {
    /// The sum, with the greater of the two scales.
    ///
    /// # Errors
    /// 22003 beyond [`DIGITS_MAX`].
    pub fn add(&self, other: &Self) -> TableResult<Self> {
        if let (Self::Small { unscaled: a, scale: x }, Self::Small { unscaled: b, scale: y }) = (self, other) {
            let scale = *x.max(y);
            let sum = || scaled_up(*a, scale - x)?.checked_add(scaled_up(*b, scale - y)?);
            if let Some(unscaled) = sum() {
                return Ok(Self::Small { unscaled, scale });
            }
        }
        let (Some((a, x)), Some((b, y))) = (self.parts(), other.parts()) else { return Ok(Self::NaN) };
        let scale = x.max(y);
        let a = a.into_owned() * power_of_ten((scale - x).into());
        let b = b.into_owned() * power_of_ten((scale - y).into());
        Self::from_parts(a + b, scale.into())
    }

    /// The difference, with the greater of the two scales.
    ///
    /// # Errors
    /// 22003 beyond [`DIGITS_MAX`].
    pub fn sub(&self, other: &Self) -> TableResult<Self> {
        self.add(&other.negated())
    }

    /// The same with the other sign.
    #[must_use]
    pub fn negated(&self) -> Self {
        match self {
            Self::Small { unscaled, scale } if *unscaled != i128::MIN => {
                Self::Small { unscaled: -unscaled, scale: *scale }
            }
            // The magnitude is the same, so are its digits.
            _ => match self.parts() {
                Some((unscaled, scale)) => Self::from_parts(-unscaled.into_owned(), scale.into()).unwrap_or(Self::NaN),
                None => Self::NaN,
            },
        }
    }

    /// The product, with the sum of the two scales, at most [`DIGITS_MAX`].
    ///
    /// # Errors
    /// 22003 beyond [`DIGITS_MAX`].
    pub fn mul(&self, other: &Self) -> TableResult<Self> {
        let (Some((a, x)), Some((b, y))) = (self.parts(), other.parts()) else { return Ok(Self::NaN) };
        let (unscaled, scale) = (&*a * &*b, usize::from(x) + usize::from(y));
        let beyond = scale.saturating_sub(DIGITS_MAX);
        Self::from_parts(divided(unscaled, &power_of_ten(beyond)), scale - beyond)
    }

    /// The quotient, with the scale of PostgreSQL: at least 16 significant digits, and no fewer after the point than either has.
    ///
    /// # Errors
    /// 22012 for a division by zero, 22003 beyond [`DIGITS_MAX`].
    pub fn div(&self, other: &Self) -> TableResult<Self> {
        let (Some((a, x)), Some((b, y))) = (self.parts(), other.parts()) else { return Ok(Self::NaN) };
        if b.sign() == Sign::NoSign {
            return Err(TableError::new(code::DIVISION_BY_ZERO, "division by zero"));
        }
        let scale = quotient_scale((&a, x), (&b, y));
        // a / 10^x / (b / 10^y) * 10^scale
        let shift = i64::from(y) + i64::try_from(scale).unwrap_or(0) - i64::from(x);
        let (mut dividend, mut divisor) = (a.into_owned(), b.into_owned());
        match usize::try_from(shift) {
            Ok(shift) => dividend *= power_of_ten(shift),
            Err(_) => divisor *= power_of_ten(usize::try_from(shift.unsigned_abs()).unwrap_or(0)),
        }
        Self::from_parts(divided(dividend, &divisor), scale)
    }

    /// The nearest number with `scale` digits after the point, or zeros before it where negative; halves go away from zero.
    ///
    /// # Errors
    /// 22003 beyond [`DIGITS_MAX`].
    pub fn round(&self, scale: i16) -> TableResult<Self> {
        let own = i32::from(self.scale());
        let (to, shift) = (usize::from(scale.max(0).unsigned_abs()), i32::from(scale) - own);
        if shift == 0 {
            return Ok(self.clone());
        }
        if let Self::Small { unscaled, .. } = self
            && let Ok(scale) = u16::try_from(scale)
            && usize::from(scale) <= DIGITS_MAX
            && let Some(unscaled) = rescaled(*unscaled, shift)
        {
            return Ok(Self::Small { unscaled, scale });
        }
        let Some((unscaled, _)) = self.parts() else { return Ok(Self::NaN) };
        let power = power_of_ten(usize::try_from(shift.unsigned_abs()).unwrap_or(0));
        if shift > 0 {
            return Self::from_parts(unscaled.into_owned() * power, to);
        }
        let rounded = divided(unscaled.into_owned(), &power);
        Self::from_parts(rounded * power_of_ten(usize::from(scale.min(0).unsigned_abs())), to)
    }

    /// The number as a `numeric(precision, scale)` holds it.
    ///
    /// # Errors
    /// 22003 where it has too many digits before the point.
    pub fn with_modifier(&self, modifier: NumericModifier) -> TableResult<Self> {
        if self.is_nan() {
            return Ok(Self::NaN);
        }
        let NumericModifier { precision, scale } = modifier;
        // As most values do: no more digits than there may be, and nothing to round.
        if let Self::Small { unscaled, scale: own } = self
            && i16::try_from(*own) == Ok(scale)
            && 10_u128.checked_pow(precision.into()).is_none_or(|bound| unscaled.unsigned_abs() < bound)
        {
            return Ok(self.clone());
        }
        let room = i32::from(precision) - i32::from(scale);
        let fits = |number: &Self| match number.parts() {
            Some((unscaled, own)) if unscaled.sign() != Sign::NoSign => {
                i64::try_from(digits(&unscaled)).unwrap_or(i64::MAX) - i64::from(own) <= i64::from(room)
            }
            _ => true,
        };
        let rounded = self.round(scale);
        match rounded {
            Ok(rounded) if fits(&rounded) => Ok(rounded),
            _ => Err(TableError::new(code::NUMERIC_OUT_OF_RANGE, "numeric field overflow").with_details(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than {}.",
                if room == 0 { "1".to_owned() } else { format!("10^{room}") },
            ))),
        }
    }

    /// The same number as an integer, where it has no more than that.
    pub(in crate::tables::types) fn whole(&self) -> Option<BigInt> {
        let (unscaled, scale) = self.parts()?;
        Some(divided(unscaled.into_owned(), &power_of_ten(scale.into())))
    }
}

/// The number times 10^`by`, where that fits.
fn scaled_up(number: i128, by: u16) -> Option<i128> {
    if by == 0 { Some(number) } else { number.checked_mul(10_i128.checked_pow(by.into())?) }
}

/// The number times 10^`shift`, rounded with halves away from zero, where that and what it takes fits.
fn rescaled(number: i128, shift: i32) -> Option<i128> {
    let power = 10_i128.checked_pow(shift.unsigned_abs())?;
    if shift >= 0 {
        return number.checked_mul(power);
    }
    let (quotient, remainder) = (number / power, number % power);
    let is_half = remainder.unsigned_abs() >= power.unsigned_abs() / 2;
    Some(if is_half { quotient + number.signum() } else { quotient })
}

/// The quotient rounded to the nearest integer, halves away from zero.
fn divided(dividend: BigInt, divisor: &BigInt) -> BigInt {
    if *divisor == BigInt::from(1) {
        return dividend;
    }
    let is_negative = (dividend.sign() == Sign::Minus) != (divisor.sign() == Sign::Minus);
    let (quotient, remainder) = (&dividend / divisor, &dividend % divisor);
    if (remainder.magnitude() << 1u32) < *divisor.magnitude() {
        return quotient;
    }
    if is_negative { quotient - 1 } else { quotient + 1 }
}

/// The scale of a quotient by PostgreSQL's rule (`select_div_scale`): estimated from the first digits in base 10,000.
fn quotient_scale((a, x): (&BigInt, u16), (b, y): (&BigInt, u16)) -> usize {
    let ((weight, first), (weight_by, first_by)) = (leading(a, x), leading(b, y));
    let mut quotient_weight = weight - weight_by;
    if first <= first_by {
        quotient_weight -= 1;
    }
    let scale = (QUOTIENT_DIGITS_MIN - quotient_weight * 4).max(x.into()).max(y.into()).max(0);
    let scale = usize::try_from(scale).unwrap_or(0);
    // Digits before the point leave the others less room.
    let whole = usize::try_from((quotient_weight + 2) * 4).unwrap_or(0);
    scale.min(DIGITS_MAX.saturating_sub(whole).max(x.into()).max(y.into())).min(DIGITS_MAX)
}

/// The place and value of the first digit in base 10,000, counted from the point.
fn leading(unscaled: &BigInt, scale: u16) -> (i64, u64) {
    if unscaled.sign() == Sign::NoSign {
        return (0, 0);
    }
    let count = i64::try_from(digits(unscaled)).unwrap_or(0);
    let exponent = count - i64::from(scale) - 1;
    let weight = exponent.div_euclid(4);
    // How many of the digits are in the first one, 1 to 4.
    let taken = exponent - weight * 4 + 1;
    let first = if count >= taken {
        unscaled.magnitude() / power_of_ten(usize::try_from(count - taken).unwrap_or(0)).magnitude()
    } else {
        unscaled.magnitude() * power_of_ten(usize::try_from(taken - count).unwrap_or(0)).magnitude()
    };
    (weight, u64::try_from(first).unwrap_or(0))
}
