//! Mutants: known bugs that a test build switches on by name, to test the tests.
//!
//! With the feature `mutants` the engine has the bug that the environment variable `MANTIS_MUTANT` names, and `scripts/mutants.sh` shows
//! that the suite catches each one of `tests/mutants.txt`. Without the feature [`is`] is the constant `false`, and nothing of a mutant
//! is compiled.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` is for tests only");

/// One place of a mutant:
/// - `mutant!("name")`: whether the engine is that mutant;
/// - `mutant!("name" => bug)`: does something wrong there; otherwise nothing;
/// - `mutant!("name" => bug, or right)`: a wrong value in place of the right one.
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
pub(crate) use mutant;

/// Whether the engine is the mutant called `name`.
#[cfg(feature = "mutants")]
pub(crate) fn is(name: &str) -> bool {
    static CHOSEN: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("MANTIS_MUTANT").ok());
    CHOSEN.as_deref() == Some(name)
}

/// Whether the engine is the mutant called `name`: it is none.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is(_name: &str) -> bool {
    false
}
