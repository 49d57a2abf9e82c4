//! A file's lines, counted, and bounded in size. `\n`, `\r\n` and `\r` alone end a line, in any mixture.

use std::io::{self, BufRead, Cursor, Read};

use mantis_db::Limits;

/// Bytes of a record: a value of the default limit in JSON of six characters for each byte, and a key.
const RECORD_BYTES_MAX: usize = 128 << 20;
/// UTF-8's byte order mark, with which some programs begin a file. It belongs to no record.
pub(in crate::transfer) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const _: () = assert!(RECORD_BYTES_MAX > 6 * (Limits::DEFAULT.value_bytes_max + Limits::DEFAULT.key_bytes_max));

/// What lines may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transfer) enum Contents {
    /// UTF-8 without zero bytes: another file is refused with the place.
    Text,
    /// Any bytes.
    Bytes,
}

/// Lines with their ends, counted.
pub(in crate::transfer) struct LineReader {
    input: Box<dyn BufRead + Send>,
    contents: Contents,
    /// The number of the line read last, from 1.
    pub(in crate::transfer) line: u64,
}

impl LineReader {
    pub(in crate::transfer) fn new(input: Box<dyn BufRead + Send>, contents: Contents) -> Self {
        Self { input, contents, line: 0 }
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
        let start = buffer.len();
        loop {
            if self.peek()?.is_none() {
                break;
            }
            let available = self.input.fill_buf()?;
            let end = memchr::memchr2(b'\n', b'\r', available);
            let is_return = end.is_some_and(|end| available[end] == b'\r');
            let count = end.map_or(available.len(), |end| end + 1);
            if buffer.len() + count > RECORD_BYTES_MAX {
                return Err(self.refused(&format!("the record has more than {RECORD_BYTES_MAX} bytes")));
            }
            buffer.extend_from_slice(&available[..count]);
            self.input.consume(count);
            if is_return && self.peek()? == Some(b'\n') {
                buffer.push(b'\n');
                self.input.consume(1);
            }
            if end.is_some() {
                break;
            }
        }
        let line = &buffer[start..];
        if self.contents == Contents::Text {
            check_text(line).map_err(|message| self.refused(&message))?;
        }
        self.line += u64::from(!line.is_empty());
        Ok(!line.is_empty())
    }

    /// The next byte, which stays; none at the end of the file.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.input.fill_buf() {
                Ok(available) => return Ok(available.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The error about the line that is being read.
    fn refused(&self, message: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {message}", self.line + 1))
    }
}

/// Says what makes bytes no text.
fn check_text(bytes: &[u8]) -> Result<(), String> {
    if let Some(place) = memchr::memchr(0, bytes) {
        return Err(format!("byte {} is zero, which no text in UTF-8 has: {OTHER_FILE}", place + 1));
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("byte {} is not UTF-8: {OTHER_FILE}", error.valid_up_to() + 1)),
    }
}

const OTHER_FILE: &str = "this is a binary file, or a text in another encoding";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &[u8], has_mark: bool, first_line: &[u8]) {
        let mut lines =
            LineReader::new(Box::new(io::BufReader::with_capacity(1, Cursor::new(file.to_vec()))), Contents::Bytes);
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

    #[test]
    fn a_carriage_return_ends_a_line_wherever_buffers_end() {
        let file = b"a\rb\r\nc\n\r\r\n\n\rd\r";
        for capacity in 1..=file.len() {
            let input = io::BufReader::with_capacity(capacity, Cursor::new(file.to_vec()));
            let mut lines = LineReader::new(Box::new(input), Contents::Text);
            let (mut found, mut line) = (Vec::new(), Vec::new());
            while lines.read_onto(&mut line).unwrap() {
                found.push(String::from_utf8(std::mem::take(&mut line)).unwrap());
            }
            assert_eq!(found, ["a\r", "b\r\n", "c\n", "\r", "\r\n", "\n", "\r", "d\r"], "{capacity}");
            assert_eq!(lines.line, 8);
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        for (file, expected) in [
            (&b"a\nb\0"[..], "line 2: byte 2 is zero"),
            (b"a\r\xe5\x65\n", "line 2: byte 1 is not UTF-8"),
            (b"\x1f\x8b\x08\0", "line 1: byte 4 is zero"),
        ] {
            let mut lines = LineReader::new(Box::new(Cursor::new(file.to_vec())), Contents::Text);
            let mut buffer = Vec::new();
            let error = loop {
                buffer.clear();
                match lines.read_onto(&mut buffer) {
                    Ok(true) => {}
                    Ok(false) => panic!("{file:?} is taken"),
                    Err(error) => break error.to_string(),
                }
            };
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
