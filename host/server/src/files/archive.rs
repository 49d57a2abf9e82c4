//! A file to read: one on the disk, a pipe, or either of them compressed.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::Path;

use crate::failure::{Exit, Failure, Outcome};

/// The first bytes of a file that say what it is: those of a tar archive end with its mark.
const MAGIC_BYTES: u64 = 262;
const TAR_MARK: std::ops::Range<usize> = 257..262;

/// A file to read.
pub(crate) enum Archive {
    /// A regular file of this many bytes, which can be read anywhere and again.
    File(File, u64),
    /// What is read once, from a pipe or compressed.
    Stream(Box<dyn Read + Send>),
}

/// An archive that is not unpacked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Other {
    /// What it is.
    pub(crate) what: &'static str,
    /// The program that unpacks it, from the file that follows, to standard output.
    pub(crate) remedy: &'static str,
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Gzip,
    Zstandard,
    Other(Other),
}

impl Form {
    fn of(magic: &[u8]) -> Self {
        let other = |what, remedy| Self::Other(Other { what, remedy });
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one that is to be skipped (RFC 8878).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstandard,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => other("compressed with xz", "xz -dc"),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => other("compressed with bzip2", "bzip2 -dc"),
            [0x04, 0x22, 0x4d, 0x18, ..] => other("compressed with lz4", "lz4 -dc"),
            [b'P', b'K', 3, 4, ..] => other("compressed with zip", "unzip -p"),
            // RFC 1950: deflate in a window of 32 KiB, at each of the levels.
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] if !is_text(magic) => other("compressed with zlib", "pigz -dc"),
            magic if magic.get(TAR_MARK) == Some(b"ustar") => other("a tar archive", "tar -xOf"),
            _ => Self::Plain,
        }
    }
}

/// Whether this can be the beginning of a text.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).err().is_none_or(|error| error.error_len().is_none())
}

/// A reader of what is in a file: Gzip and Zstandard are unpacked, once. What is packed in another way, or twice, is told.
///
/// # Errors
/// It cannot be read.
pub(crate) fn unpacked(input: Box<dyn Read + Send>) -> io::Result<Result<Box<dyn Read + Send>, Other>> {
    let (form, input) = form_of(input)?;
    unpack(form, input)
}

fn form_of(mut input: Box<dyn Read + Send>) -> io::Result<(Form, Box<dyn Read + Send>)> {
    let mut magic = Vec::new();
    input.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic)?;
    Ok((Form::of(&magic), Box::new(Cursor::new(magic).chain(input))))
}

fn unpack(form: Form, input: Box<dyn Read + Send>) -> io::Result<Result<Box<dyn Read + Send>, Other>> {
    let inner: Box<dyn Read + Send> = match form {
        Form::Plain => return Ok(Ok(input)),
        Form::Other(other) => return Ok(Err(other)),
        Form::Gzip => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(input))),
        Form::Zstandard => Box::new(zstd::stream::read::Decoder::new(input)?),
    };
    let (inside, inner) = form_of(inner)?;
    Ok(match inside {
        Form::Plain => Ok(inner),
        Form::Other(other) => Err(other),
        Form::Gzip => Err(Other { what: "compressed twice, inside with gzip", remedy: "gzip -dc" }),
        Form::Zstandard => Err(Other { what: "compressed twice, inside with zstd", remedy: "zstd -dc" }),
    })
}

impl Archive {
    /// Opens a file, or standard input for `-`. Gzip and Zstandard are recognised by their first bytes.
    ///
    /// # Errors
    /// It cannot be read, is empty, or is compressed in another way.
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let failed = |error: io::Error| Failure::file("read", path, &error);
        let name = Failure::name_of(path);
        let is_standard = path == Path::new("-");
        let mut file: Box<dyn Source> =
            if is_standard { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
        let regular = file.regular().map_err(failed)?;
        let mut magic = Vec::new();
        file.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic).map_err(failed)?;
        if magic.is_empty() {
            return Err(Failure::new(Exit::Local, format!("{name} is empty and cannot be restored"))
                .hint("nothing was written"));
        }
        let form = Form::of(&magic);
        if let (Some((mut file, bytes)), Form::Plain) = (regular, form) {
            file.rewind().map_err(failed)?;
            return Ok(Self::File(file, bytes));
        }
        let damaged = |error: io::Error| {
            Failure::new(Exit::Local, format!("{name} cannot be read: {error}")).hint("nothing was written")
        };
        match unpack(form, Box::new(Cursor::new(magic).chain(file))).map_err(damaged)? {
            Ok(stream) => Ok(Self::Stream(stream)),
            Err(Other { what, remedy }) => {
                let file = if is_standard { "FILE".into() } else { path.to_string_lossy() };
                Err(Failure::new(Exit::Local, format!("{name} is {what}"))
                    .hint(format!("unpack it first: {remedy} {file} | mantisdb restore -")))
            }
        }
    }
}

trait Source: Read + Send {
    /// Another handle to a regular file, and its length; none for anything else.
    fn regular(&self) -> io::Result<Option<(File, u64)>>;
}

impl Source for io::Stdin {
    fn regular(&self) -> io::Result<Option<(File, u64)>> {
        // What was read of it already is not known.
        Ok(None)
    }
}

impl Source for File {
    fn regular(&self) -> io::Result<Option<(File, u64)>> {
        let metadata = self.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if metadata.is_file() { Ok(Some((self.try_clone()?, metadata.len()))) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[track_caller]
    fn check(contents: &[u8], expected: Result<&[u8], &str>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, contents).unwrap();
        let read = Archive::open(&path).map_err(|failure| failure.message).and_then(|archive| {
            let mut bytes = Vec::new();
            match archive {
                Archive::File(mut file, length) => {
                    assert_eq!(length, contents.len() as u64);
                    file.read_to_end(&mut bytes)
                }
                Archive::Stream(mut stream) => stream.read_to_end(&mut bytes),
            }
            .map(|_| bytes)
            .map_err(|error| error.to_string())
        });
        match (&read, expected) {
            (Ok(read), Ok(expected)) => assert_eq!(read, expected),
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (read, expected) => panic!("{read:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn what_is_compressed_is_found_by_its_first_bytes() {
        let text = b"some text".repeat(1_000);
        check(&text, Ok(&text));
        check(b"", Err("is empty"));
        check(b"x", Ok(b"x"));
        check(&gzip(&text), Ok(&text));
        check(&[gzip(b"one"), gzip(b"two")].concat(), Ok(b"onetwo"));
        check(&gzip(&text)[..20], Err(""));
        let zstandard = zstd::encode_all(&text[..], 3).unwrap();
        check(&zstandard, Ok(&text));
        check(&zstandard[..20], Err(""));
        check(b"\xfd7zXZ\0rest", Err("compressed with xz"));
        check(b"BZh9", Err("compressed with bzip2"));
        check(b"\x78\x9c\xcb\x48", Err("compressed with zlib"));
        check(b"x\x01 text", Ok(b"x\x01 text"));
        let mut tar = vec![0; 1_024];
        tar[257..262].copy_from_slice(b"ustar");
        check(&tar, Err("a tar archive"));
        check(&gzip(&tar), Err("a tar archive"));
        check(&gzip(&gzip(&text)), Err("compressed twice, inside with gzip"));
    }
}
