//! Lines in the host's log: at most 100 per call, of 4,096 bytes each.

/// Logs a line at the level `debug`.
#[macro_export]
macro_rules! debug {
    ($($arguments:tt)*) => {
        $crate::system::log($crate::system::Level::Debug, &::std::format!($($arguments)*))
    };
}

/// Logs a line at the level `info`.
#[macro_export]
macro_rules! info {
    ($($arguments:tt)*) => {
        $crate::system::log($crate::system::Level::Info, &::std::format!($($arguments)*))
    };
}

/// Logs a line at the level `warn`.
#[macro_export]
macro_rules! warn {
    ($($arguments:tt)*) => {
        $crate::system::log($crate::system::Level::Warn, &::std::format!($($arguments)*))
    };
}

/// Logs a line at the level `error`.
#[macro_export]
macro_rules! error {
    ($($arguments:tt)*) => {
        $crate::system::log($crate::system::Level::Error, &::std::format!($($arguments)*))
    };
}
