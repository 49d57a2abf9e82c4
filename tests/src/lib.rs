//! The integration tests of the whole: see `integration/main.rs`.
