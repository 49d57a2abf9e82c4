//! `numeric`: exact decimals of up to 1,000 digits, and NaN.
//!
//! | module | holds |
//! |---|---|
//! | `arithmetic` | sums, products, quotients, rounding, modifiers, with PostgreSQL's scales |
//! | `convert` | from and to integers and floats |
//! | `text` | from and to text |

mod arithmetic;
mod convert;
mod text;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use bigdecimal::BigDecimal;
use num_bigint::{BigInt, Sign};

use crate::tables::{TableError, TableResult, code};

/// The most decimal digits of a numeric, in all and after the point.
pub const DIGITS_MAX: usize = 1000;

/// A `numeric`: a decimal number with its scale, or NaN. Small ones (38 digits) need no allocation.
///
/// Equality, order and hash are those of the value: 1.0 equals 1.00, and NaN equals itself and is the greatest.
/// What fits [`Small`](Self::Small) is never [`Large`](Self::Large).
#[derive(Debug, Clone)]
pub enum Numeric {
    /// Not a number.
    NaN,
    /// `unscaled` / 10^`scale`.
    Small {
        /// All digits, with the sign.
        unscaled: i128,
        /// Digits after the point.
        scale: u16,
    },
    /// One that does not fit. Its exponent is its digits after the point, at most [`DIGITS_MAX`], never negative.
    Large(Box<BigDecimal>),
}

impl Numeric {
    /// 0
    pub const ZERO: Self = Self::Small { unscaled: 0, scale: 0 };

    /// Whether it is NaN.
    #[must_use]
    pub fn is_nan(&self) -> bool {
        matches!(self, Self::NaN)
    }

    /// Digits after the point; 0 for NaN.
    #[must_use]
    pub fn scale(&self) -> u16 {
        match self {
            Self::NaN => 0,
            Self::Small { scale, .. } => *scale,
            // At most `DIGITS_MAX`.
            Self::Large(decimal) => u16::try_from(decimal.fractional_digit_count()).unwrap_or(0),
        }
    }

    /// All digits with the sign, and how many of them are after the point; none for NaN.
    pub(super) fn parts(&self) -> Option<(Cow<'_, BigInt>, u16)> {
        match self {
            Self::NaN => None,
            Self::Small { unscaled, scale } => Some((Cow::Owned(BigInt::from(*unscaled)), *scale)),
            Self::Large(decimal) => Some((decimal.as_bigint_and_scale().0, self.scale())),
        }
    }

    /// The number `unscaled` / 10^`scale`.
    ///
    /// # Errors
    /// 22003 beyond [`DIGITS_MAX`].
    pub(super) fn from_parts(unscaled: BigInt, scale: usize) -> TableResult<Self> {
        let scale = u16::try_from(scale).ok().filter(|&scale| usize::from(scale) <= DIGITS_MAX).ok_or_else(overflow)?;
        if let Ok(unscaled) = i128::try_from(&unscaled) {
            return Ok(Self::Small { unscaled, scale });
        }
        if digits(&unscaled) > DIGITS_MAX {
            return Err(overflow());
        }
        Ok(Self::Large(Box::new(BigDecimal::new(unscaled, i64::from(scale)))))
    }

    fn sign(&self) -> Sign {
        match self {
            Self::NaN => Sign::Plus,
            Self::Small { unscaled, .. } => match unscaled.signum() {
                1 => Sign::Plus,
                0 => Sign::NoSign,
                _ => Sign::Minus,
            },
            Self::Large(decimal) => decimal.sign(),
        }
    }
}

/// 10^`exponent`.
fn power_of_ten(exponent: usize) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(u32::MAX))
}

/// How many decimal digits a number has; 0 for 0.
fn digits(number: &BigInt) -> usize {
    if number.sign() == Sign::NoSign {
        return 0;
    }
    // Within one of the logarithm by the bits; the comparison decides.
    let estimate = (number.bits().saturating_sub(1)) * 30_103 / 100_000;
    let estimate = usize::try_from(estimate).unwrap_or(usize::MAX);
    if estimate > 100_000 {
        return estimate;
    }
    let mut count = estimate;
    let mut power = power_of_ten(estimate);
    while number.magnitude() >= power.magnitude() {
        count += 1;
        power *= 10;
    }
    count
}

pub(super) fn overflow() -> TableError {
    TableError::new(code::NUMERIC_OUT_OF_RANGE, "value overflows numeric format")
        .with_hint(format!("A numeric has at most {DIGITS_MAX} digits."))
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Numeric {}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::NaN, Self::NaN) => return Ordering::Equal,
            (Self::NaN, _) => return Ordering::Greater,
            (_, Self::NaN) => return Ordering::Less,
            (Self::Small { unscaled: a, scale: x }, Self::Small { unscaled: b, scale: y }) => {
                if x == y {
                    return a.cmp(b);
                }
                let (up, down) = (y.saturating_sub(*x), x.saturating_sub(*y));
                let scaled = |number: i128, by: u16| number.checked_mul(10_i128.checked_pow(u32::from(by))?);
                if let (Some(a), Some(b)) = (scaled(*a, up), scaled(*b, down)) {
                    return a.cmp(&b);
                }
            }
            _ => {}
        }
        let (Some((a, x)), Some((b, y))) = (self.parts(), other.parts()) else { return Ordering::Equal };
        match self.sign().cmp(&other.sign()) {
            Ordering::Equal if x == y => a.cmp(&b),
            Ordering::Equal if x < y => (&*a * power_of_ten((y - x).into())).cmp(&b),
            Ordering::Equal => (*a).cmp(&(&*b * power_of_ten((x - y).into()))),
            unequal => unequal,
        }
    }
}

impl Hash for Numeric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::NaN => state.write_u8(2),
            Self::Small { unscaled, scale } => {
                let (mut unscaled, mut scale) = (*unscaled, *scale);
                while scale > 0 && unscaled % 10 == 0 {
                    (unscaled, scale) = (unscaled / 10, scale - 1);
                }
                (unscaled, scale).hash(state);
            }
            Self::Large(_) => {
                let Some((unscaled, mut scale)) = self.parts() else { return };
                let mut unscaled = unscaled.into_owned();
                let zero = BigInt::ZERO;
                while scale > 0 && &unscaled % 10 == zero {
                    (unscaled, scale) = (unscaled / 10, scale - 1);
                }
                match i128::try_from(&unscaled) {
                    Ok(unscaled) => (unscaled, scale).hash(state),
                    Err(_) => (unscaled, scale).hash(state),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
