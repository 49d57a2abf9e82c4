#[cfg(not(target_family = "wasm"))]
pub(crate) mod commit_delay;
pub(crate) mod disk_errors;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod driver;
pub(crate) mod identity;
pub(crate) mod log;
pub(crate) mod parker;
