//! The structures and numbers of the header.
//!
//! | module | holds |
//! |---|---|
//! | `status` | results: answers and errors |
//! | `types` | the structures, as C lays them out |
//! | `plain` | what the structures are made of |

pub(crate) mod plain;
pub mod status;
pub mod types;
