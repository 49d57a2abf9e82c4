pub(crate) mod blocks;
pub(crate) mod codec;
pub(crate) mod header;
pub(crate) mod log_record;
pub(crate) mod names;
pub(crate) mod scan;
