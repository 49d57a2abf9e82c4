//! Failures of commands: exit code, message and hint.

use std::fmt::Display;
use std::path::Path;

use mantis_db::plugins::LostComponent;
use serde_json::{Map, Value};

use crate::client::text::{printable_json, printable_lines};
use crate::client::{ClientError, Problem};

/// The remedy for a database in a newer format.
pub const NEWER_VERSION: &str = "run the version of mantisdb that wrote it, or a later one";

const STREAM_FAILED: &str = "standard input or output failed: ";
/// The remedy for plugins without their components.
pub const PUT_AGAIN: &str = "all keys and rows are there; put these plugins again: mantisdb plugin put NAME FILE";

/// The process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The key, bucket, table, plugin or function was not found, or a condition was not met.
    NotFound = 1,
    /// The command line or the configuration is invalid.
    Usage = 2,
    /// The server refused the request, failed, or could not be reached.
    Server = 3,
    /// A local file or stream failed, or its contents are invalid.
    Local = 4,
    /// All keys and rows are there, and components of plugins are missing or damaged.
    Plugins = 5,
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened, without a final stop.
    pub message: String,
    /// The remedy.
    pub hint: Option<String>,
    /// The server's problem document, if it sent one.
    pub document: Map<String, Value>,
}

/// What a command returns.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), hint: None, document: Map::new() }
    }

    /// Adds a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The command line is invalid.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Checks that no plugin lacks its component in the place `what`.
    ///
    /// # Errors
    /// [`Exit::Plugins`]: some do, and everything else is there.
    pub fn plugins(what: impl Display, lost: &[LostComponent]) -> Outcome {
        if lost.is_empty() {
            return Ok(());
        }
        let lost: Vec<_> = lost.iter().map(ToString::to_string).collect();
        let message = format!("components of plugins are missing or damaged in {what}: {}", lost.join("; "));
        Err(Self::new(Exit::Plugins, message).hint(PUT_AGAIN))
    }

    /// A file could not be read or written.
    #[must_use]
    pub fn file(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(Exit::Local, format!("cannot {verb} {}: {error}", Self::name_of(path)))
    }

    /// A file's name in messages: `-` is standard input.
    #[must_use]
    pub fn name_of(path: &Path) -> String {
        if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
    }

    /// Standard input or output failed.
    ///
    /// A closed pipe, as in `mantisdb scan | head`, needs no message.
    #[must_use]
    pub fn stream(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Local, "");
        }
        Self::new(Exit::Local, format!("{STREAM_FAILED}{error}"))
    }

    /// The same failure, where the stream that failed is this file.
    #[must_use]
    pub fn of_file(mut self, path: &Path) -> Self {
        if let Some(error) = self.message.strip_prefix(STREAM_FAILED) {
            self.message = format!("cannot write {}: {error}", path.display());
        }
        self
    }

    /// Prints the failure to standard error as text or as a JSON object, unless its message is empty.
    pub fn report(self, as_json: bool) {
        if self.message.is_empty() {
            return;
        }
        if as_json {
            eprintln!("{}", printable_json(&Value::from(self.into_json()).to_string()));
            return;
        }
        eprintln!("error: {}", printable_lines(&self.message));
        if let Some(hint) = &self.hint {
            eprintln!("hint: {}", printable_lines(hint));
        }
    }

    /// The server's problem document, or one with the same members: `detail` is the message, `hint` the remedy.
    fn into_json(self) -> Map<String, Value> {
        let mut document = self.document;
        if document.is_empty() {
            document.insert("detail".to_owned(), self.message.into());
        }
        if let Some(hint) = self.hint {
            document.insert("hint".to_owned(), hint.into());
        }
        document.insert("exit_code".to_owned(), (self.exit as u8).into());
        document
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = if error.is_unmet() { Exit::NotFound } else { Exit::Server };
        let document = error.problem().map(Problem::document).unwrap_or_default();
        Self { exit, message: error.to_string(), hint: error.hint(), document }
    }
}
