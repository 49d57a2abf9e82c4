//! Regular expressions: `match` and `imatch`. A build without the feature `patterns` refuses them.

#[cfg(feature = "patterns")]
use regex::{Regex, RegexBuilder};

#[cfg(feature = "patterns")]
use super::text::check_characters;
use crate::tables::{TableError, TableResult, code};

/// The largest compiled expression, in bytes.
#[cfg(feature = "patterns")]
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// The deepest nesting of an expression.
#[cfg(feature = "patterns")]
const NESTING_MAX: u32 = 100;

/// A regular expression in the syntax of the `regex` crate, which finds in time linear in the text. As in PostgreSQL, `.` is any
/// character, a line's end too, and `^` and `$` are the ends of the text.
#[derive(Debug, Clone)]
pub struct Pattern(#[cfg(feature = "patterns")] Regex);

#[cfg(not(feature = "patterns"))]
impl Pattern {
    /// Compiles no expression: this build has none.
    ///
    /// # Errors
    /// 0A000.
    pub fn new(_regex: &str, _ignore_case: bool) -> TableResult<Self> {
        Err(TableError::new(code::NOT_SUPPORTED, "this build has no regular expressions")
            .with_hint("Use like or ilike."))
    }

    /// Whether it occurs in a text.
    #[must_use]
    pub fn matches(&self, _text: &str) -> bool {
        false
    }
}

#[cfg(feature = "patterns")]
impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// 2201B where it is none, is too large, or has a backreference or look-around.
    pub fn new(regex: &str, ignore_case: bool) -> TableResult<Self> {
        check_characters(regex)?;
        let compiled = RegexBuilder::new(regex)
            .case_insensitive(ignore_case)
            .dot_matches_new_line(true)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .nest_limit(NESTING_MAX)
            .build();
        compiled.map(Self).map_err(|error| error_of(&error))
    }

    /// Whether it occurs in a text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

#[cfg(feature = "patterns")]
fn error_of(fault: &regex::Error) -> TableError {
    let text = fault.to_string();
    let error = |reason: &str| TableError::new(code::REGEX_INVALID, format!("invalid regular expression: {reason}"));
    if text.contains("backreferences are not supported") {
        return error("backreferences are not supported")
            .with_hint("Expressions match in linear time, which leaves them out.");
    }
    if text.contains("look-around") {
        return error("look-around is not supported")
            .with_hint("Combine several conditions with and, or, not instead.");
    }
    if matches!(fault, regex::Error::CompiledTooBig(_)) {
        return error("regular expression is too complex")
            .with_hint(format!("It may have {COMPILED_BYTES_MAX} bytes when compiled; repeat less."));
    }
    // The last line is the reason, after the expression with the place marked below it.
    let reason = text.lines().last().unwrap_or_default();
    error(reason.strip_prefix("error: ").unwrap_or(reason)).with_details(text.clone())
}
