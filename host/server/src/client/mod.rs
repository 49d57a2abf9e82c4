//! A small client for the server's HTTP API, over `hyper-util`'s.
//!
//! | module | holds |
//! |---|---|
//! | `url` | where the server is, and how keys become paths |
//! | `connection` | [`Client`]: requests and answers |
//! | `error` | [`ClientError`]: what the server said, or why it said nothing |
//! | `text` | bytes in JSON and on terminals |

mod connection;
mod error;
pub mod text;
mod url;

pub use connection::{Answer, Client, Lines, Pieces};
pub use error::{ClientError, Problem};
pub use url::{BaseUrl, Path, UrlError};
