//! What several commands need: a client, keys from arguments, output.

use std::ffi::OsStr;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path as FilePath;
use std::time::Duration;

use bytes::Bytes;
use mantis_db::DEFAULT_BUCKET;
use mantis_db::limits::TTL_MS_MAX;
use serde::{Deserialize, Serialize};

use crate::cli::{KeyForm, ServerArgs};
use crate::client::{BaseUrl, Client, ClientError, Path, text};
use crate::failure::{Exit, Failure, Outcome};
use crate::units;

/// A value or component read from a file or standard input, in bytes: no server takes more.
const INPUT_BYTES_MAX: u64 = 1 << 30;

/// Bytes of output that are written at once.
pub(super) const BUFFER_BYTES: usize = 256 << 10;

/// A number with its noun.
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A client of the server that the arguments name.
pub(super) fn client(server: &ServerArgs) -> Outcome<Client> {
    let base = BaseUrl::parse(&server.url).map_err(Failure::usage)?;
    Ok(Client::new(base, timeout(server)))
}

/// Refuses a bucket that does not exist, for commands that found nothing in it. The default one is there always.
pub(super) async fn check_bucket(client: &Client, name: &str) -> Outcome {
    #[derive(Deserialize)]
    struct Buckets {
        buckets: Vec<Bucket>,
    }
    #[derive(Deserialize)]
    struct Bucket {
        name: String,
    }
    if name == DEFAULT_BUCKET {
        return Ok(());
    }
    let Buckets { buckets } = client.get_json(&Path::new("/api/v1/buckets")).await?;
    if buckets.iter().any(|bucket| bucket.name == name) {
        return Ok(());
    }
    Err(Failure::new(Exit::NotFound, format!("there is no bucket {name:?}"))
        .hint("`mantisdb bucket list` shows the buckets"))
}

/// How long to wait for an answer.
pub(super) fn timeout(server: &ServerArgs) -> Duration {
    Duration::from_millis(server.timeout.ms.max(1))
}

/// The bytes of a key, or of a part of one, on the command line.
pub(super) fn key(text: &OsStr, form: &KeyForm) -> Outcome<Vec<u8>> {
    if !form.escapes {
        return Ok(text.as_bytes().to_vec());
    }
    text::unescape(text.as_bytes()).ok_or_else(|| {
        Failure::usage(format!("{} has an unknown escape", text.display()))
            .hint("with --escapes, a backslash begins \\n, \\r, \\t, \\\\ or \\xNN")
    })
}

/// The bytes of a key. It cannot be empty: its path would be another resource's.
pub(super) fn whole_key(text: &OsStr, form: &KeyForm) -> Outcome<Vec<u8>> {
    let key = key(text, form)?;
    if key.is_empty() { Err(Failure::usage("the key is empty; a key has at least one byte")) } else { Ok(key) }
}

/// A condition that was not met, in terms of the options that set it.
pub(super) fn unmet(error: ClientError, if_version: Option<u64>) -> Failure {
    let is_condition = error.code() == "precondition-failed";
    let version = error.problem().and_then(|problem| problem.version);
    let mut failure = Failure::from(error);
    if is_condition {
        let what = match (if_version, version) {
            (None, Some(version)) => format!("the key already exists, at version {version}"),
            (None, None) => "the key already exists".to_owned(),
            (Some(expected), Some(version)) => format!("the key is at version {version}, not {expected}"),
            (Some(expected), None) => format!("the key does not exist, and so is not at version {expected}"),
        };
        failure.document.insert("detail".to_owned(), what.clone().into());
        failure.message = what;
        failure.hint = Some("`mantisdb get KEY --json` shows the value with its version".to_owned());
    }
    failure
}

/// Milliseconds of a time to live, whose plain number is in seconds.
pub(crate) fn ttl_ms(ttl: Option<&str>) -> Outcome<Option<u64>> {
    let Some(text) = ttl else { return Ok(None) };
    let ms = units::milliseconds(text, 1_000).ok().filter(|ms| (1..=TTL_MS_MAX).contains(ms));
    ms.map(Some).ok_or_else(|| {
        Failure::usage(format!("a time to live of {text:?} is not between 1 ms and 100 years"))
            .hint("--ttl takes seconds, or a time as in 90s, 12h or 7d")
    })
}

/// The character that separates columns of CSV.
pub(super) fn delimiter(text: &str) -> Outcome<u8> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(Failure::usage(format!("{text:?} cannot separate columns"))
            .hint("--delimiter takes one ASCII character, or \\t")),
    }
}

/// Everything in a file, or in standard input for `-`.
pub(super) fn read_input(path: &FilePath) -> Outcome<Bytes> {
    let mut bytes = Vec::new();
    let read = if path == FilePath::new("-") {
        io::Read::read_to_end(&mut io::Read::take(io::stdin().lock(), INPUT_BYTES_MAX + 1), &mut bytes)
    } else {
        std::fs::File::open(path)
            .and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, INPUT_BYTES_MAX + 1), &mut bytes))
    };
    read.map_err(|error| Failure::file("read", path, &error))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Failure::new(Exit::Local, format!("{} has more than {INPUT_BYTES_MAX} bytes", path.display())));
    }
    Ok(bytes.into())
}

/// The query of a table's rows, checked as far as the server would mistake it: every parameter has a name.
pub(super) fn check_query(query: &str) -> Outcome {
    match query.split('&').find(|parameter| !parameter.is_empty() && !parameter.contains('=')) {
        None => Ok(()),
        Some(parameter) => Err(Failure::usage(format!("{parameter:?} is no parameter of a query"))
            .hint("a query is as in 'select=id,name&id=gt.5'; %26 is an ampersand in a value")),
    }
}

/// Text that goes to a terminal so that it obeys none of it, and to anything else as it is. Characters are not split between writes.
pub(super) struct Plain<W>(pub(super) W);

impl<W: Write + IsTerminal> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.is_terminal() {
            self.0.write_all(text::printable_lines(&String::from_utf8_lossy(bytes)).as_bytes())?;
        } else {
            self.0.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Standard output, buffered.
pub(super) struct Output {
    to: BufWriter<StdoutLock<'static>>,
    is_terminal: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { to: BufWriter::with_capacity(64 << 10, io::stdout().lock()), is_terminal: Self::is_terminal() }
    }

    /// Writes bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Outcome {
        self.to.write_all(bytes).map_err(|error| Failure::stream(&error))
    }

    /// Writes text, so that a terminal obeys none of it.
    pub(super) fn plain(&mut self, text: &[u8]) -> Outcome {
        if self.is_terminal {
            return self.bytes(text::printable_lines(&String::from_utf8_lossy(text)).as_bytes());
        }
        self.bytes(text)
    }

    /// Writes lines.
    pub(super) fn grid(&mut self, lines: &[String]) -> Outcome {
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Columns of the terminal, if there is one.
    pub(super) fn width() -> Option<usize> {
        let (_, columns) = console::Term::stdout().size_checked().filter(|_| Self::is_terminal())?;
        Some(usize::from(columns)).filter(|&columns| columns > 0)
    }

    /// Writes a line, so that a terminal obeys none of it.
    pub(super) fn line(&mut self, text: impl std::fmt::Display) -> Outcome {
        if self.is_terminal {
            return writeln!(self.to, "{}", text::printable_lines(&text.to_string()))
                .map_err(|error| Failure::stream(&error));
        }
        writeln!(self.to, "{text}").map_err(|error| Failure::stream(&error))
    }

    /// Writes JSON as a line, so that a terminal obeys none of it.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Outcome {
        if self.is_terminal {
            return self.json_text(&serde_json::to_vec(value).map_err(|error| Failure::stream(&error.into()))?);
        }
        serde_json::to_writer(&mut self.to, value).map_err(|error| Failure::stream(&error.into()))?;
        self.bytes(b"\n")
    }

    /// Writes JSON that a server sent, as a line, so that a terminal obeys none of it.
    pub(super) fn json_text(&mut self, json: &[u8]) -> Outcome {
        if self.is_terminal {
            self.bytes(text::printable_json(&String::from_utf8_lossy(json)).as_bytes())?;
        } else {
            self.bytes(json)?;
        }
        self.bytes(b"\n")
    }

    /// Writes out what is buffered.
    pub(super) fn flush(&mut self) -> Outcome {
        self.to.flush().map_err(|error| Failure::stream(&error))
    }

    pub(super) fn is_terminal() -> bool {
        io::stdout().is_terminal()
    }
}
