//! Files that commands write and read.
//!
//! | module | holds |
//! |---|---|
//! | `output` | [`Output`]: a file that appears when it is complete, or a pipe or device that is written into |
//! | `partial` | the file beside it meanwhile, which no signal and no crash leaves for long |
//! | `archive` | [`Archive`]: a file to read, a pipe or a compressed file |
//! | `packed` | [`Packed`]: what is written, compressed where the file's name says so |

mod archive;
mod output;
mod packed;
mod partial;

pub(crate) use archive::{Archive, unpacked};
pub(crate) use output::{Output, Permissions};
pub(crate) use packed::{Packed, Packing, extension};
pub(crate) use partial::{Fresh, remove_all};
