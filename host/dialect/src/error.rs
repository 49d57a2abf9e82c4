//! Where a text is wrong, and what was expected there.

use std::fmt;

/// A parameter that does not follow the grammar or its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    pub(crate) parameter: Box<str>,
    pub(crate) text: Box<str>,
    pub(crate) offset: usize,
    pub(crate) kind: ErrorKind,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text does not follow the grammar; what could have stood there.
    Syntax {
        /// Descriptions such as `a column name`, or texts in quotes.
        expected: Vec<String>,
    },
    /// An operator of PostgREST that this dialect leaves out.
    Unsupported {
        /// What it is for.
        what: &'static str,
    },
    /// `$` and digits that number no argument: the first is `$1`, the last `$65535`.
    NoArgument {
        /// What was written, or its beginning.
        written: String,
    },
    /// A negative number where rows are counted.
    Negative,
    /// More levels of parentheses than are allowed.
    TooDeep {
        /// The limit.
        depth_max: usize,
    },
    /// More conditions, columns, terms and list elements than a query may have.
    TooLarge {
        /// The limit.
        nodes_max: usize,
    },
    /// A longer text than a parameter may have.
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
}

impl ParseError {
    /// The parameter's name as it was sent.
    #[must_use]
    pub fn parameter(&self) -> &str {
        &self.parameter
    }

    /// The text that was parsed: the parameter's value, or its name where that is wrong.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where in [`text`](Self::text), in bytes; its length for its end.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Where in [`text`](Self::text), in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.text.get(..self.offset).map_or(1, |before| before.chars().count() + 1)
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The character at that place in quotes, or that the text ends there.
    fn found(&self) -> String {
        match self.text.get(self.offset..).and_then(|rest| rest.chars().next()) {
            Some(character) => format!("unexpected {:?}", character.to_string()),
            None => "the text ends".to_owned(),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parameter, column) = (&self.parameter, self.column());
        match &self.kind {
            ErrorKind::Syntax { expected } => {
                write!(f, "{parameter}, character {column}: {}", self.found())?;
                match &expected[..] {
                    [] => Ok(()),
                    [one] => write!(f, ", expected {one}"),
                    [before @ .., last] => write!(f, ", expected {} or {last}", before.join(", ")),
                }
            }
            ErrorKind::Unsupported { what } => write!(f, "{parameter}, character {column}: {what} is not supported"),
            ErrorKind::NoArgument { written } => {
                write!(f, "{parameter}, character {column}: there is no argument {written}, arguments are $1 to $65535")
            }
            ErrorKind::Negative => write!(f, "{parameter}: a negative number"),
            ErrorKind::TooDeep { depth_max } => {
                write!(f, "{parameter}, character {column}: nested deeper than {depth_max} levels")
            }
            ErrorKind::TooLarge { nodes_max } => {
                write!(f, "{parameter}, character {column}: the query has more than {nodes_max} parts")
            }
            ErrorKind::TooLong { bytes_max } => write!(f, "{parameter}: longer than {bytes_max} bytes"),
        }
    }
}

impl std::error::Error for ParseError {}
