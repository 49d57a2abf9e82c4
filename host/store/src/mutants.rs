//! Mutants: known bugs that a test build switches on by name, to test the tests.
//!
//! With the feature `mutants` the engine has the bug that the environment variable `MANTIS_MUTANT` names, and `scripts/mutants.sh` shows
//! that the suite catches each one of `tests/mutants.txt`. Without the feature [`is`] is the constant `false`, and nothing of a mutant
//! is compiled.
//!
//! The macro is of all crates above this one: each lists its mutants in a `tests/mutants.txt` of its own.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` is for tests only");

/// One place of a mutant:
/// - `mutant!("name")`: whether the engine is that mutant;
/// - `mutant!("name" => bug)`: does something wrong there; otherwise nothing;
/// - `mutant!("name" => bug, or right)`: a wrong value in place of the right one.
#[doc(hidden)]
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        $crate::mutants::is($name)
    };
    ($name:literal => $bug:expr, or $right:expr) => {
        if $crate::mutants::is($name) { $bug } else { $right }
    };
    ($name:literal => $bug:expr) => {
        if $crate::mutants::is($name) {
            $bug;
        }
    };
}
pub use mutant;

/// Whether the engine is the mutant called `name`.
#[cfg(feature = "mutants")]
#[must_use]
pub fn is(name: &str) -> bool {
    static CHOSEN: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("MANTIS_MUTANT").ok());
    CHOSEN.as_deref() == Some(name)
}

/// Whether the engine is the mutant called `name`: it is none.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn is(_name: &str) -> bool {
    false
}
