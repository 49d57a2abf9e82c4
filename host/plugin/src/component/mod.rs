//! What a component may be, and how it becomes code.
//!
//! | file | holds |
//! |---|---|
//! | `compiler`, `cache` | [`Compiler`]: compiles on threads of its own, few at once, and keeps compiled code by its source's hash |
//! | `nesting`, `linking` | sizes that would be too much for the compiler, counted before it sees the component |
//! | `requirements` | memory and tables that no instance may have |
//! | `imports`, `exports` | the interfaces that it needs, and the functions that it offers |
//! | `signature` | functions and their types |
//!
//! Nothing here runs guest code.

mod cache;
mod compiler;
mod exports;
mod imports;
mod linking;
mod nesting;
mod requirements;
mod signature;

pub(crate) use cache::{Hash, code_bytes};
pub(crate) use compiler::Compiler;
pub(crate) use exports::Exports;
pub use exports::SkippedFunction;
pub(crate) use imports::{Imports, wasi_interface};
pub(crate) use requirements::check_requirements;
pub use signature::{Case, Field, FunctionInfo, ValueType};
