//! The engine, as the rest of the crate uses it.

pub(crate) mod view;
