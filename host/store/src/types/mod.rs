pub(crate) mod options;
pub(crate) mod platform;
pub(crate) mod range;
pub(crate) mod stats;
pub(crate) mod write;
