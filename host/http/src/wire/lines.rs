//! Lines of JSON (`application/x-ndjson`).

use std::io;

use serde::Serialize;

/// The last line of lines whose client [asked](crate::protocol::end_mark) for a mark of their end.
#[derive(Serialize)]
struct EndLine {
    end: bool,
    count: u64,
}

/// The line that marks the end of this many lines.
pub(crate) fn end_line(count: u64) -> Vec<u8> {
    let mut line = Vec::new();
    // Writing into memory does not fail.
    let _ = write_line(&mut line, &EndLine { end: true, count });
    line
}

/// Writes JSON and ends the line.
///
/// # Errors
/// Those of `lines`: these types always serialise.
pub(crate) fn write_line(lines: &mut impl io::Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *lines, value)?;
    lines.write_all(b"\n")
}
