//! The shapes of requests and responses that several handlers share. The shape of a single handler is in its file.
//!
//! | file | holds |
//! |---|---|
//! | `json` | reading JSON bodies |
//! | `bytes`, `numbers`, `time` | bytes, numbers and times in JSON |
//! | `counts` | the schema of counts by name |
//! | `entry` | an entry as JSON |
//! | `pieces` | the JSON form of a large value, made piece by piece |
//! | `lines` | JSON, a line each |
//! | `written` | what a write reports |
//! | `html` | text in HTML |

pub(crate) mod bytes;
pub(crate) mod counts;
pub(crate) mod entry;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod pieces;
pub(crate) mod time;
pub(crate) mod written;

pub(crate) use mantis_forms::numbers;
