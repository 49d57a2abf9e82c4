//! A file's lines, counted, and bounded in size.

use std::io::{self, BufRead, Cursor, Read};

use mantis_db::Limits;

/// Bytes of a record: a value of the default limit in JSON of six characters for each byte, and a key.
const RECORD_BYTES_MAX: usize = 128 << 20;
/// UTF-8's byte order mark, with which some programs begin a file. It belongs to no record.
pub(in crate::transfer) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const _: () = assert!(RECORD_BYTES_MAX > 6 * (Limits::DEFAULT.value_bytes_max + Limits::DEFAULT.key_bytes_max));

/// Lines with their ends, counted.
pub(in crate::transfer) struct LineReader {
    input: Box<dyn BufRead + Send>,
    /// The number of the line read last, from 1.
    pub(in crate::transfer) line: u64,
}

impl LineReader {
    pub(in crate::transfer) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { input, line: 0 }
    }

    /// Consumes a byte order mark at the file's start; whether there was one.
    pub(in crate::transfer) fn take_mark(&mut self) -> io::Result<bool> {
        if self.input.fill_buf()?.first() != BYTE_ORDER_MARK.first() {
            return Ok(false);
        }
        // A pipe may give the three bytes one by one.
        let mut bytes = Vec::new();
        self.input.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut bytes)?;
        if bytes == BYTE_ORDER_MARK {
            return Ok(true);
        }
        let rest = std::mem::replace(&mut self.input, Box::new(io::empty()));
        self.input = Box::new(Cursor::new(bytes).chain(rest));
        Ok(false)
    }

    /// The input from here on.
    pub(in crate::transfer) fn into_input(self) -> Box<dyn BufRead + Send> {
        self.input
    }

    /// Appends the next line with its end to `buffer`; false at the end of the file.
    pub(in crate::transfer) fn read_onto(&mut self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let room = RECORD_BYTES_MAX.saturating_sub(buffer.len());
        let count = self.input.by_ref().take(room as u64 + 1).read_until(b'\n', buffer)?;
        if count > room {
            let line = self.line + 1;
            let message = format!("line {line}: the record has more than {RECORD_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.line += u64::from(count > 0);
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &[u8], has_mark: bool, first_line: &[u8]) {
        let mut lines = LineReader::new(Box::new(io::BufReader::with_capacity(1, Cursor::new(file.to_vec()))));
        assert_eq!(lines.take_mark().unwrap(), has_mark, "{file:?}");
        let mut line = Vec::new();
        lines.read_onto(&mut line).unwrap();
        assert_eq!(line, first_line, "{file:?}");
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_first_line() {
        check(b"\xef\xbb\xbfa\nb", true, b"a\n");
        check(b"\xef\xbb\xbf", true, b"");
        check(b"\xef\xbbx\n", false, b"\xef\xbbx\n");
        check(b"\xef", false, b"\xef");
        check(b"a\n", false, b"a\n");
        check(b"", false, b"");
    }
}
