//! A small client for the server's HTTP API, over `hyper-util`'s.
//!
//! | module | holds |
//! |---|---|
//! | `url` | the server's address, and the paths of buckets and keys |
//! | `connection` | [`Client`]: requests and answers |
//! | `key` | one key's value, also where the key has no path |
//! | `error` | [`ClientError`]: the server's problem document, or why there is none |
//! | `object` | JSON objects in their order |
//! | `text` | bytes in JSON and on terminals |

mod connection;
mod error;
mod key;
pub mod object;
pub mod text;
mod url;

pub use connection::{Answer, Client, Lines, Pieces};
pub use error::{ClientError, Problem};
pub use key::{KeyEntry, KeyOptions, KeyWritten};
pub use url::{BaseUrl, Path, UrlError};
