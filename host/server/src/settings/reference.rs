//! The settings as a document.

use std::fmt::Write;

use super::table::Settings;

/// The table of all settings for `docs/reference/config.md`, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from("| in the file | flag | variable | default | meaning |\n|---|---|---|---|---|\n");
    for setting in Settings::all() {
        let (key, flag, variable) = (&setting.key, setting.flag, setting.variable);
        let (default, meaning) = (&setting.default, setting.meaning);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{key}` | `--{flag}` | `{variable}` | `{default}` | {meaning} |");
    }
    text
}
