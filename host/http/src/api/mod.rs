//! What an operation is, for handlers in any context.
//!
//! | file | holds |
//! |---|---|
//! | `operation` | a route, its operations, and their handlers |
//! | `description` | the parts of an operation's description: parameters, headers, bodies, responses |
//! | `common` | parameters and headers that operations of several resources share |
//! | `transaction_header` | the header that names a transaction, and which operations take it |
//! | `request` | the request that a handler gets, and its body |
//! | `captures`, `query` | the parameters of its path and of its query |
//! | `blocking` | long work of a handler, on a thread of its own |
//! | `presence` | whether the client of long work is still there |

pub(crate) mod blocking;
pub(crate) mod captures;
pub(crate) mod common;
pub(crate) mod description;
pub(crate) mod operation;
pub(crate) mod presence;
pub(crate) mod query;
pub(crate) mod request;
pub(crate) mod transaction_header;
