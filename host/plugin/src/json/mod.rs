//! Between JSON and the values of components, by their types.
//!
//! | WIT | JSON |
//! |---|---|
//! | bool, integers, floats | the same; `1.0` is an integer and `1.0000000000000000001` is not; integers beyond 2^53 - 1 as decimal strings, NaN and infinities as `"NaN"`, `"Infinity"`, `"-Infinity"`; a number that the type cannot hold is refused |
//! | char, string | a string |
//! | `list<u8>` | a string when UTF-8, else `{"base64": ".."}`; arrays of numbers are understood too |
//! | list, tuple | an array |
//! | record | an object |
//! | option | the value or null; where the value itself may be null, `{"some": ..}` or null |
//! | result | `{"ok": ..}` or `{"err": ..}` |
//! | variant | `{"case": ..}`, or `"case"` without payload |
//! | enum | a string |
//! | flags | an array of strings |

mod input;
mod output;
mod tree;

pub(crate) use input::arguments;
pub(crate) use output::to_json;
pub use tree::Json;

use mantis_db::limits::JSON_INTEGER_MAX;

use crate::ValueType;

/// The largest float of 32 bits as JSON writes it: its shortest decimal form. As a float of 64 bits that is a little more.
pub const F32_MAX: f64 = 3.402_823_5e38;

/// Whether a value of the type may be null in JSON.
fn nullable(value_type: &ValueType) -> bool {
    matches!(value_type, ValueType::Option(_))
}
