//! Makes a section's two types from one list: the input of one source (all optional), and the effective values.

use std::path::PathBuf;

use super::durability::DurabilitySetting;
use super::listen::ListenAddress;
use super::log::{LogFormat, LogLevel};
use super::mode::ModeSetting;
use crate::units::{Bytes, Milliseconds};

/// One setting, for documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its place in the file, as `section.name`.
    pub key: String,
    /// Its flag, without the dashes.
    pub flag: &'static str,
    /// Its environment variable.
    pub variable: &'static str,
    /// Its default, as the file would write it.
    pub default: String,
    /// What it means.
    pub meaning: &'static str,
}

/// The form in which a setting is given: most as the value itself, sizes and times also with a unit.
pub trait Given {
    /// The setting.
    type Value;

    /// What was given.
    fn value(self) -> Self::Value;
}

macro_rules! given {
    ($($type:ty),*) => {
        $(impl Given for $type {
            type Value = Self;

            fn value(self) -> Self {
                self
            }
        })*
    };
}
given!(bool, u32, u64, usize, PathBuf, Vec<String>, DurabilitySetting, ListenAddress, LogFormat, LogLevel, ModeSetting);

impl<T> Given for Bytes<T> {
    type Value = T;

    fn value(self) -> T {
        self.0
    }
}

impl Given for Milliseconds {
    type Value = u64;

    fn value(self) -> u64 {
        self.0
    }
}

/// What a document shows for a default.
pub(super) fn shown(default: &impl serde::Serialize) -> String {
    serde_json::to_string(default).unwrap_or_default()
}

/// Defines a section: `name: Type = default, "flag", "VARIABLE", "meaning";` for each setting.
macro_rules! section {
    (
        $(#[$about:meta])*
        $values:ident, $input:ident, $heading:literal;
        $($name:ident: $type:ty = $default:expr, $flag:literal, $variable:literal, $meaning:literal;)*
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
        pub struct $values {
            $(#[doc = $meaning] pub $name: <$type as $crate::settings::define::Given>::Value,)*
        }

        impl Default for $values {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $values {
            pub(crate) fn settings(prefix: &str) -> Vec<$crate::settings::Setting> {
                vec![$($crate::settings::Setting {
                    key: format!("{prefix}{}", stringify!($name)),
                    flag: $flag,
                    variable: concat!("MANTISDB_", $variable),
                    default: {
                        let default: <$type as $crate::settings::define::Given>::Value = $default;
                        $crate::settings::define::shown(&default)
                    },
                    meaning: $meaning,
                },)*]
            }
        }

        #[doc = concat!("What was given of [`", stringify!($values), "`].")]
        #[derive(Debug, Clone, Default, clap::Args, serde::Deserialize)]
        #[command(next_help_heading = $heading)]
        #[serde(default, deny_unknown_fields)]
        pub struct $input {
            $(
                #[doc = $meaning]
                #[arg(
                    id = $flag,
                    long = $flag,
                    env = concat!("MANTISDB_", $variable),
                    value_name = $crate::settings::define::placeholder(stringify!($type)),
                    help = $crate::settings::define::help($meaning, &{
                        let default: <$type as $crate::settings::define::Given>::Value = $default;
                        default
                    }),
                    hide_env = true,
                    value_delimiter = $crate::settings::define::delimiter(stringify!($type)),
                )]
                pub $name: Option<$type>,
            )*
        }

        impl $input {
            /// This, and where it says nothing, `below`.
            #[must_use]
            pub fn or(self, below: Self) -> Self {
                Self { $($name: self.$name.or(below.$name),)* }
            }

            /// This, and where it says nothing, the defaults.
            #[must_use]
            pub fn resolve(self) -> $values {
                $values {
                    $($name: self.$name.map_or_else(|| $default, $crate::settings::define::Given::value),)*
                }
            }
        }
    };
}
pub(super) use section;

pub(super) fn help(meaning: &str, default: &impl serde::Serialize) -> String {
    let default = match &*shown(default) {
        "[]" | "\"\"" => "none".to_owned(),
        text => text.trim_matches('"').to_owned(),
    };
    format!("{meaning} [default: {default}]")
}

pub(super) fn placeholder(type_name: &str) -> &'static str {
    match type_name {
        "ListenAddress" => "ADDR",
        "Milliseconds" => "TIME",
        size if size.starts_with("Bytes") => "SIZE",
        "DurabilitySetting" => "WHEN",
        "PathBuf" => "DIR",
        "ModeSetting" => "MODE",
        "Vec<String>" => "NAME",
        "bool" => "BOOL",
        "LogFormat" => "FORMAT",
        "LogLevel" => "LEVEL",
        _ => "N",
    }
}

/// Lists are written with commas between their parts, so that an environment variable can hold one.
pub(super) fn delimiter(type_name: &str) -> Option<char> {
    (type_name == "Vec<String>").then_some(',')
}
