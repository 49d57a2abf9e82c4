//! What a text file is written in: UTF-16 becomes UTF-8.
//!
//! Anything else is passed on as it is; [the reader of lines](super::read) refuses what is no text.

use std::io::{self, BufRead, BufReader, Cursor, Read};

/// Bytes of a file by which it is judged.
const SAMPLE_BYTES: u64 = 64 << 10;
/// Bytes that are decoded at once.
const PIECE_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Bytes,
    LittleEndian,
    BigEndian,
}

type Input = Box<dyn BufRead + Send>;

/// The input as UTF-8, if it is UTF-16.
///
/// # Errors
/// It cannot be read, or is UTF-32, which nobody writes on purpose.
pub(super) fn decoded(input: Input) -> io::Result<Input> {
    let (sample, input) = sampled(input)?;
    if sample.starts_with(&[0xff, 0xfe, 0, 0]) || sample.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(invalid("the text is UTF-32; convert it first, as with `iconv -f UTF-32 -t UTF-8`"));
    }
    Ok(match encoding(&sample) {
        Encoding::Bytes => input,
        encoding => Box::new(BufReader::with_capacity(PIECE_BYTES, Utf16::new(input, encoding))),
    })
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

/// The beginning of the input, and the whole of it.
fn sampled(mut input: Input) -> io::Result<(Vec<u8>, Input)> {
    let mut sample = Vec::new();
    input.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    Ok((sample.clone(), Box::new(Cursor::new(sample).chain(input))))
}

/// By its mark; without one, by zeros at the places where UTF-16 has them beside what is ASCII, and nowhere else.
fn encoding(sample: &[u8]) -> Encoding {
    match sample {
        [0xff, 0xfe, ..] => return Encoding::LittleEndian,
        [0xfe, 0xff, ..] => return Encoding::BigEndian,
        _ => {}
    }
    let pairs = sample.len() / 2;
    let is_end = (sample.len() as u64) < SAMPLE_BYTES;
    if pairs < 2 || is_end && !sample.len().is_multiple_of(2) {
        return Encoding::Bytes;
    }
    let zeros = |place: usize| sample.chunks_exact(2).filter(|pair| pair[place] == 0).count();
    let has_line_feed = |place: usize| sample.chunks_exact(2).any(|pair| pair[place] == b'\n');
    let (first, second) = (zeros(0), zeros(1));
    // Commas, quotes, digits and line ends are ASCII in any language.
    let is_enough = |zeros: usize| 4 * zeros >= pairs;
    match (first, second) {
        (0, zeros) if is_enough(zeros) && sample[1] == 0 && !has_line_feed(1) => Encoding::LittleEndian,
        (zeros, 0) if is_enough(zeros) && sample[0] == 0 && !has_line_feed(0) => Encoding::BigEndian,
        _ => Encoding::Bytes,
    }
}

/// Decodes UTF-16.
struct Utf16 {
    input: Input,
    encoding: Encoding,
    /// The first unit of a pair, or the first byte of a unit.
    surrogate: Option<u16>,
    half: Option<u8>,
    text: Cursor<Vec<u8>>,
    units: u64,
}

impl Utf16 {
    fn new(input: Input, encoding: Encoding) -> Self {
        Self { input, encoding, surrogate: None, half: None, text: Cursor::default(), units: 0 }
    }

    fn wrong(&self) -> io::Error {
        invalid(format!("the text is not valid UTF-16 (character {})", self.units))
    }

    /// Decodes what is there; false at the end.
    fn decode(&mut self) -> io::Result<bool> {
        let bytes = self.input.fill_buf()?.to_vec();
        self.input.consume(bytes.len());
        let mut text = String::with_capacity(bytes.len());
        if bytes.is_empty() {
            if self.half.is_some() || self.surrogate.is_some() {
                return Err(self.wrong());
            }
            return Ok(false);
        }
        for byte in bytes {
            let Some(first) = self.half.take() else {
                self.half = Some(byte);
                continue;
            };
            let pair = [first, byte];
            let unit = match self.encoding {
                Encoding::BigEndian => u16::from_be_bytes(pair),
                Encoding::Bytes | Encoding::LittleEndian => u16::from_le_bytes(pair),
            };
            self.units += 1;
            match self.surrogate.take() {
                None if (0xd800..0xdc00).contains(&unit) => self.surrogate = Some(unit),
                None => text.push(char::from_u32(unit.into()).ok_or_else(|| self.wrong())?),
                Some(high) => {
                    let character = char::decode_utf16([high, unit]).next().and_then(Result::ok);
                    text.push(character.ok_or_else(|| self.wrong())?);
                }
            }
        }
        self.text = Cursor::new(text.into_bytes());
        Ok(true)
    }
}

impl Read for Utf16 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.text.read(buffer)?;
            if count > 0 || buffer.is_empty() || !self.decode()? {
                return Ok(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], capacity: usize) -> io::Result<String> {
        let input = BufReader::with_capacity(capacity, Cursor::new(bytes.to_vec()));
        let mut found = Vec::new();
        decoded(Box::new(input))?.read_to_end(&mut found)?;
        Ok(String::from_utf8_lossy(&found).into_owned())
    }

    fn utf16(text: &str, is_big_endian: bool) -> Vec<u8> {
        let bytes = |unit: u16| if is_big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf_16_is_found_with_and_without_its_mark() {
        for text in ["id,name\r\n1,Ada\r\n", "{\"k\":\"日本\"}\n", "a,🦀\n1,é\n", &"lange Zeile, ".repeat(20_000)]
        {
            for is_big_endian in [false, true] {
                for capacity in [1, 3, 8_192] {
                    assert_eq!(read(&utf16(text, is_big_endian), capacity).unwrap(), text);
                    let marked = format!("\u{feff}{text}");
                    assert_eq!(read(&utf16(&marked, is_big_endian), capacity).unwrap(), marked);
                }
            }
        }
        // Of text without ASCII only the mark says what it is.
        assert_eq!(read(&utf16("\u{feff}日本語", true), 2).unwrap(), "\u{feff}日本語");
    }

    #[test]
    fn what_is_no_text_stays_as_it_is() {
        for bytes in [&b""[..], b"\0", b"a\0", b"one\n", b"\xff\0binary\nx", b"a\0b\n", b"\0\0\0\0", b"ab\0\0cd"] {
            assert_eq!(read(bytes, 4).unwrap().as_bytes(), String::from_utf8_lossy(bytes).as_bytes(), "{bytes:?}");
        }
    }

    #[test]
    fn broken_text_is_refused() {
        let marked = utf16("\u{feff}abc", false);
        for bytes in [
            &marked[..5],
            &[&marked[..], &[0x3d, 0xd8]].concat(),
            &[&marked[..], &[0x00, 0xdc, 0x61, 0]].concat(),
            &[&marked[..], &[0x3d, 0xd8, 0x61, 0]].concat(),
        ] {
            let error = read(bytes, 4).unwrap_err();
            assert!(error.to_string().contains("not valid UTF-16"), "{bytes:?}: {error}");
        }
        assert!(read(b"\xff\xfe\0\0a\0\0\0", 4).unwrap_err().to_string().contains("UTF-32"));
    }
}
