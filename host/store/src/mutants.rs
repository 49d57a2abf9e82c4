//! Bugs to order, to test the tests: with the feature `planted` the engine has the bug that the environment variable
//! `MANTIS_PLANTED` names, and `scripts/planted.sh` shows that the suite catches each. Without the feature this is the constant
//! `false`, and nothing of it is compiled.

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("the feature `planted` is for tests only");

/// Whether the engine has the bug called `name`.
#[cfg(feature = "planted")]
pub(crate) fn planted(name: &str) -> bool {
    static CHOSEN: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("MANTIS_PLANTED").ok());
    CHOSEN.as_deref() == Some(name)
}

/// Whether the engine has the bug called `name`: it has none.
#[cfg(not(feature = "planted"))]
pub(crate) const fn planted(_name: &str) -> bool {
    false
}
