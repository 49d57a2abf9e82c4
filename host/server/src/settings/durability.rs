//! When a write is acknowledged, as text: `always`, `interval:MS` or `never`.

use std::fmt;
use std::str::FromStr;

use mantis_db::Durability;
use serde::{Deserialize, Serialize};

use crate::units;

/// The longest interval between syncs, in milliseconds: a minute.
const INTERVAL_MS_MAX: u64 = 60_000;

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DurabilitySetting(pub Durability);

impl DurabilitySetting {
    /// When it is on the disk.
    pub const ALWAYS: Self = Self(Durability::Always);
}

impl fmt::Display for DurabilitySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Durability::Always => f.write_str("always"),
            Durability::Interval { ms } => write!(f, "interval:{ms}"),
            Durability::Never => f.write_str("never"),
        }
    }
}

impl From<DurabilitySetting> for String {
    fn from(setting: DurabilitySetting) -> Self {
        setting.to_string()
    }
}

impl TryFrom<String> for DurabilitySetting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for DurabilitySetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused =
            || format!("`{text}` is not `always`, `interval:MS` with 1 to {INTERVAL_MS_MAX} milliseconds, or `never`");
        match text {
            "always" => Ok(Self(Durability::Always)),
            "never" => Ok(Self(Durability::Never)),
            _ => {
                let interval = text.strip_prefix("interval:").ok_or_else(refused)?;
                let ms = units::milliseconds(interval, 1).map_err(|_| refused())?;
                if !(1..=INTERVAL_MS_MAX).contains(&ms) {
                    return Err(refused());
                }
                Ok(Self(Durability::Interval { ms }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_policy_parses_to_itself() {
        for text in ["always", "interval:1", "interval:1000", "interval:60000", "never"] {
            assert_eq!(text.parse::<DurabilitySetting>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_interval_may_have_a_unit() {
        assert_eq!("interval:1m".parse::<DurabilitySetting>().unwrap().to_string(), "interval:60000");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "Always",
            "interval",
            "interval:",
            "interval:0",
            "interval:60001",
            "interval:-1",
            "interval:2m",
            "interval:1KiB",
            "sometimes",
        ] {
            assert!(text.parse::<DurabilitySetting>().is_err(), "{text}");
        }
    }
}
