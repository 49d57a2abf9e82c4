//! The surfaces.

pub(crate) mod c;
pub(crate) mod db;
pub(crate) mod go;
pub(crate) mod guest;
pub(crate) mod http;
pub(crate) mod python;
pub(crate) mod web;
