//! Numerics from and to integers and floats.

use super::{Numeric, text};
use crate::tables::TableResult;

impl Numeric {
    /// The nearest integer, halves away from zero; none where it is NaN or beyond 64 bits.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        match self {
            Self::Small { unscaled, scale: 0 } => i64::try_from(*unscaled).ok(),
            _ => i64::try_from(self.whole()?).ok(),
        }
    }

    /// The nearest double; infinite where it is beyond the greatest.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        // The text of a number is one that a float is read from.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The number that a double shows with 15 digits, as PostgreSQL converts it.
    ///
    /// # Errors
    /// 22003 for infinity.
    pub fn from_f64(number: f64) -> TableResult<Self> {
        Self::from_significant(number, 15)
    }

    /// The number that a float shows with 6 digits, as PostgreSQL converts it.
    ///
    /// # Errors
    /// 22003 for infinity.
    pub fn from_f32(number: f32) -> TableResult<Self> {
        Self::from_significant(f64::from(number), 6)
    }

    fn from_significant(number: f64, digits: usize) -> TableResult<Self> {
        if number.is_nan() {
            return Ok(Self::NaN);
        }
        if number.is_infinite() {
            return Err(text::infinite());
        }
        let shown = format!("{number:.*e}", digits - 1);
        let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        Self::parse(&format!("{mantissa}e{exponent}"))
    }
}

impl From<i64> for Numeric {
    fn from(number: i64) -> Self {
        Self::Small { unscaled: number.into(), scale: 0 }
    }
}

impl From<i128> for Numeric {
    fn from(unscaled: i128) -> Self {
        Self::Small { unscaled, scale: 0 }
    }
}
