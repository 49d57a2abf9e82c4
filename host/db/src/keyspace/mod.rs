//! Where buckets and their keys lie in the engine's one key space.

mod layout;

pub use layout::*;
