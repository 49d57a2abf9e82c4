//! Lines of JSON (`application/x-ndjson`).

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
    write_line(&mut line, &EndLine { end: true, count });
    line
}

/// Writes JSON and ends the line.
pub(crate) fn write_line(lines: &mut Vec<u8>, value: &impl Serialize) {
    // Writing into memory does not fail, nor do these types.
    let _ = serde_json::to_writer(&mut *lines, value);
    lines.push(b'\n');
}
