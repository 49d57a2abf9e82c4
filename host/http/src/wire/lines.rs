//! Lines of JSON (`application/x-ndjson`).

use serde::Serialize;

/// Writes JSON and ends the line.
pub(crate) fn write_line(lines: &mut Vec<u8>, value: &impl Serialize) {
    // Writing into memory does not fail, nor do these types.
    let _ = serde_json::to_writer(&mut *lines, value);
    lines.push(b'\n');
}
