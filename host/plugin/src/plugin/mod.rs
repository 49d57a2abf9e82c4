//! An installed plugin: what calls need of it, looked up once.

mod history;
mod installed;

pub(crate) use installed::{Plugin, Shared, Source, linker, shortened};
