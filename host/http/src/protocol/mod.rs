//! One rule of HTTP a file. Nothing here knows the routes, the handlers or the state of the server.
//!
//! | file | rule |
//! |---|---|
//! | `accept` | media types and codings that the client prefers, with weights |
//! | `body` | response bodies: empty, bytes, or a stream |
//! | `compress` | which responses are compressed, and how |
//! | `conditions` | `If-Match`, `If-None-Match` and the two dates; entity tags |
//! | `cors` | pages of other origins |
//! | `date` | HTTP dates |
//! | `deadline` | a time limit for a request |
//! | `end_mark` | the last line of lines, on request |
//! | `errors`, `problem` | every error code with its status; RFC 9457 responses |
//! | `hosts` | `Host` and `Origin` (DNS rebinding) |
//! | `media` | media types that several responses have |
//! | `memory` | memory in flight, taken before it is used |
//! | `path` | percent-decoding |
//! | `range` | a single range of bytes |
//! | `request_id` | `x-request-id` |
//! | `respond` | responses of common shapes |
//! | `supabase` | Supabase's services that are not here |
//!
//! The headers are read by hand, and not with the crate `headers` (0.4), because each would lose something:
//! - `If-Match`, `If-None-Match`: it compares with one tag and hides the tags, from which `conditions` reads versions.
//! - `Range`: a suffix longer than the value is lost, and invalid ranges cannot be distinguished from those beyond the end.
//! - `Host`: it takes the first of several, where there may be one only. `Origin` is compared as it is written.
//! - `Content-Type`: it is kept as the client wrote it. `Transfer-Encoding`: any coding before `chunked` has to be refused.
//! - `Accept`, `Accept-Encoding`, `Prefer`: it does not have them. Dates are read by `httpdate` in both.

pub(crate) mod accept;
pub(crate) mod body;
pub(crate) mod compress;
pub(crate) mod conditions;
pub(crate) mod cors;
pub(crate) mod date;
pub(crate) mod deadline;
pub(crate) mod end_mark;
pub mod errors;
pub(crate) mod hosts;
pub(crate) mod media;
pub(crate) mod memory;
pub(crate) mod path;
pub(crate) mod problem;
pub(crate) mod range;
pub(crate) mod request_id;
pub(crate) mod respond;
pub(crate) mod supabase;
