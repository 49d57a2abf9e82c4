//! The write-ahead log: its bytes, and the segments that hold them.

pub(crate) mod codec;
pub(crate) mod header;
pub(crate) mod names;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod writer;
