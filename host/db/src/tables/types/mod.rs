//! PostgreSQL's types: which there are, values of them, and everything that is done with a value alone.
//!
//! | module | holds |
//! |---|---|
//! | `name` | a type's name and modifiers, parsed and written |
//! | `value` | [`Value`]: a value of any type, borrowed from a row or owned |
//! | `aggregate` | [`Accumulator`]: sums, averages, counts and extremes |
//! | `path` | JSON paths into values (`->`, `->>`) |
//! | `cast` | explicit casts between types |
//! | `input`, `output` | a value from text or JSON, and to text or JSON, in PostgreSQL's forms |
//! | `array` | array literals, containment, overlap |
//! | `compare` | the order of two values of one type |
//! | `json` | jsonb: canonical text, containment, order |
//! | `datetime` | dates and times: reading, writing, ranges, zones |
//! | `numeric` | [`Numeric`]: exact decimals, their arithmetic and scales |
//! | `number`, `text` | integers and floats as text; blanks, lengths, booleans, bytes |
//! | `like`, `pattern` | like and ilike; regular expressions |
//! | `steps` | [`Steps`]: work within one value, which asks now and then whether to stop |

mod aggregate;
mod array;
mod cast;
mod compare;
mod datetime;
mod input;
mod json;
mod like;
mod name;
mod number;
mod numeric;
mod output;
mod path;
mod pattern;
mod steps;
mod text;
mod value;

#[cfg(test)]
mod tests;

pub use aggregate::{Accumulator, aggregate_type};
pub use array::{array_contains, array_overlaps};
pub use cast::{can_cast, cast};
pub use compare::{compare, equal};
pub use datetime::time_zone;
pub use input::{from_json, from_text};
pub use json::{JSON_DEPTH_MAX, json_contains, json_parts_bytes};
pub use like::Like;
pub use numeric::{DIGITS_MAX as NUMERIC_DIGITS_MAX, Numeric};
pub use output::{write_json, write_text};
pub use path::{json_path, json_path_type};
pub use pattern::Pattern;
pub use steps::Steps;
pub use value::{Array, Value};

/// The type of a column or expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Type {
    /// The type of the value, or of each element of an array.
    pub scalar: Scalar,
    /// Whether it is an array of them.
    pub is_array: bool,
}

/// A type that is no array, with its modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// `boolean`
    Boolean,
    /// `smallint`, 16 bits.
    SmallInt,
    /// `integer`, 32 bits.
    Integer,
    /// `bigint`, 64 bits.
    BigInt,
    /// `real`, IEEE 754 binary32.
    Real,
    /// `double precision`, IEEE 754 binary64.
    Double,
    /// `numeric`, `numeric(precision, scale)`.
    Numeric(Option<NumericModifier>),
    /// `text`
    Text,
    /// `character varying(n)`: at most n characters, unbounded where none.
    Varchar(Option<u32>),
    /// `character(n)`: exactly n characters, padded with blanks; 0 is `bpchar`, any number of them without blanks at the end.
    Char(u32),
    /// `bytea`
    Bytea,
    /// `date`
    Date,
    /// `time without time zone`
    Time,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    TimestampTz,
    /// `uuid`
    Uuid,
    /// `jsonb`
    Jsonb,
}

/// `numeric(precision, scale)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NumericModifier {
    /// Decimal digits, 1 to 1,000.
    pub precision: u16,
    /// Of these, digits after the point; negative rounds before it. -1,000 to 1,000.
    pub scale: i16,
}

impl Type {
    /// `text`
    pub const TEXT: Self = Self::scalar(Scalar::Text);

    /// The type of one value.
    #[must_use]
    pub const fn scalar(scalar: Scalar) -> Self {
        Self { scalar, is_array: false }
    }

    /// The type of the elements.
    #[must_use]
    pub const fn element(self) -> Self {
        Self::scalar(self.scalar)
    }
}
