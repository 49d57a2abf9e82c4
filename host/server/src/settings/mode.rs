//! The permissions of a data directory that is made, as `chmod` writes them.

use std::fmt;
use std::str::FromStr;

use mantis_db::disk::Modes;
use serde::{Deserialize, Serialize};

/// The permissions of a data directory. Its files have the same, but for searching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ModeSetting(u32);

impl ModeSetting {
    /// For the owner alone.
    pub const OWNER: Self = Self(Modes::OWNER.directory);

    /// The permissions of the directory and of its files.
    #[must_use]
    pub const fn modes(self) -> Modes {
        Modes { directory: self.0, files: self.0 & 0o666 }
    }
}

impl fmt::Display for ModeSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl From<ModeSetting> for String {
    fn from(setting: ModeSetting) -> Self {
        setting.to_string()
    }
}

impl TryFrom<String> for ModeSetting {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for ModeSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && mode & 0o700 == 0o700 && *mode <= 0o777);
        mode.map(Self).ok_or_else(|| {
            format!("`{text}` is not `0700` to `0777` in octal digits, with all permissions for the owner")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_octal_and_the_owners_are_complete() {
        for (text, shown, files) in [("0700", "0700", 0o600), ("750", "0750", 0o640), ("0777", "0777", 0o666)] {
            let mode: ModeSetting = text.parse().unwrap();
            assert_eq!((mode.to_string(), mode.modes().files), (shown.to_owned(), files));
        }
        for text in ["", "7", "0600", "0500", "1700", "07000", "0x1c0", "rwx", "+700", "0788"] {
            assert!(text.parse::<ModeSetting>().is_err(), "{text}");
        }
    }
}
