//! What a component may be, and how it becomes code.
//!
//! | file | holds |
//! |---|---|
//! | `compiler` | [`Compiler`]: compiles on threads of its own, few at once, and keeps what it compiled |
//! | `nesting`, `linking` | what would be too much for the compiler, counted before it sees the component |
//! | `signature` | the functions and their types |
//!
//! Nothing here runs guest code.

mod compiler;
mod linking;
mod nesting;
mod signature;

pub(crate) use compiler::{Compiler, Hash};
pub(crate) use signature::Reader;
pub use signature::{Case, Field, FunctionInfo, ValueType};
