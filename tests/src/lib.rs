//! The integration tests of the whole: see `integration/main.rs`.

/// The README's Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// And that of the guide for programs that embed the database, which runs too.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/embed-rust.md")]
struct EmbedRust;
