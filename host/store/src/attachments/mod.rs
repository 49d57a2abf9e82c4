//! Attachments: bytes beside the key space, in a file of their own each, which the commits of the log do not repeat and checkpoints do not
//! rewrite. An attachment is needed as long as a commit has its key ([`AttachmentId::key`](crate::AttachmentId::key)). Its file is durable
//! before the commit that names it, and is removed once the commit that deleted the key is durable.
//!
//! | file | holds |
//! |---|---|
//! | `files` | reads and writes an attachment's file |
//! | `pieces` | reads an attachment in pieces (not in a page) |
//! | `state` | who uses an attachment, and which may be removed (not in a page) |

mod files;
#[cfg(not(target_family = "wasm"))]
mod pieces;
#[cfg(not(target_family = "wasm"))]
mod state;

pub(crate) use files::{read_file, write_file};
#[cfg(not(target_family = "wasm"))]
pub(crate) use pieces::Pieces;
#[cfg(not(target_family = "wasm"))]
pub(crate) use state::Attachments;
