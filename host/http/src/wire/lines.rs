//! Lines of JSON (`application/x-ndjson`).

use serde::Serialize;

/// The last line of lines whose client [asked](crate::protocol::end_mark) for a mark of their end.
#[derive(Serialize)]
struct EndLine {
    end: bool,
    count: u64,
}

/// Writes the mark of the end of this many lines.
pub(crate) fn write_end(lines: &mut Vec<u8>, count: u64) {
    write_line(lines, &EndLine { end: true, count });
}

/// Writes JSON and ends the line.
pub(crate) fn write_line(lines: &mut Vec<u8>, value: &impl Serialize) {
    // Writing into memory does not fail, nor do these types.
    let _ = serde_json::to_writer(&mut *lines, value);
    lines.push(b'\n');
}
