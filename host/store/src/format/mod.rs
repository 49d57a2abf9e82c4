//! The bytes of every file: pure functions from bytes to values and back, without a disk and without the engine.
//!
//! | file | holds |
//! |---|---|
//! | `names` | the names of the files |
//! | `scan` | a segment: its records, and whether its end is torn or damaged |
//! | `log_record` | a record of the log: one commit |
//! | `blocks` | a checkpoint or a backup: blocks of entries, and of attachments |
//! | `header` | the header of every file |
//! | `codec` | numbers of variable length (LEB128), and checksums |

mod blocks;
mod codec;
mod header;
mod log_record;
pub(crate) mod names;
mod scan;

#[cfg(not(target_family = "wasm"))]
pub(crate) use blocks::PIECE_BYTES;
pub(crate) use blocks::{BlockPart, BlockReader, BlockWriter, Piece, StoredEntry, read as read_checkpoint, read_parts};
pub use blocks::{Damage, Unreadable};
pub(crate) use header::{BadHeader, FORMAT, FORMAT_ATTACHMENTS, FORMAT_PLAIN, HEADER_BYTES, Header, Kind};
pub(crate) use log_record::{LogRecord, LoggedChange, encode as encode_commit, seal};
pub(crate) use scan::{End, salvage, scan};
/// For fuzzing.
#[cfg(any(test, feature = "testing"))]
pub(crate) use {
    blocks::put_entry,
    codec::{Reader, checksum, put_counted, put_number},
    log_record::{RECORD_HEADER_BYTES, RecordHeader},
};
