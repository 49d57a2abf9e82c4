//! The integration tests of the whole: see `integration/main.rs`.

/// The README's Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
