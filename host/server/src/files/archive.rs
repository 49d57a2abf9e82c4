//! A file to read: one on the disk, a pipe, or either of them compressed.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::Path;

use crate::failure::{Exit, Failure, Outcome};

/// The first bytes of a file that say what it is.
const MAGIC_BYTES: u64 = 6;

/// A file to read.
pub(crate) enum Archive {
    /// A regular file of this many bytes, which can be read anywhere and again.
    File(File, u64),
    /// What is read once, from a pipe or compressed.
    Stream(Box<dyn Read + Send>),
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Gzip,
    Zstandard,
    /// Another archive: its name, and the program that unpacks it to standard output.
    Other(&'static str, &'static str),
}

impl Form {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one that is to be skipped (RFC 8878).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstandard,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Other("xz", "xz -dc"),
            [b'B', b'Z', b'h', ..] => Self::Other("bzip2", "bzip2 -dc"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Other("lz4", "lz4 -dc"),
            [b'P', b'K', 3, 4, ..] => Self::Other("zip", "unzip -p"),
            _ => Self::Plain,
        }
    }
}

impl Archive {
    /// Opens a file, or standard input for `-`. Gzip and Zstandard are recognised by their first bytes.
    ///
    /// # Errors
    /// It cannot be read, or is compressed in another way.
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let failed = |error: io::Error| Failure::file("read", path, &error);
        let is_standard = path == Path::new("-");
        let mut file: Box<dyn Source> =
            if is_standard { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
        let regular = file.regular().map_err(failed)?;
        let mut magic = Vec::new();
        file.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic).map_err(failed)?;
        let form = Form::of(&magic);
        if let Form::Other(name, unpack) = form {
            let file = if is_standard { "FILE".into() } else { path.to_string_lossy() };
            return Err(Failure::new(Exit::Local, format!("{} is compressed with {name}", path.display()))
                .hint(format!("unpack it first: {unpack} {file} | mantisdb restore -")));
        }
        if let (Some((mut file, bytes)), Form::Plain) = (regular, form) {
            file.rewind().map_err(failed)?;
            return Ok(Self::File(file, bytes));
        }
        let all = Cursor::new(magic).chain(file);
        Ok(Self::Stream(match form {
            Form::Gzip => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(all))),
            Form::Zstandard => Box::new(zstd::stream::read::Decoder::new(all).map_err(failed)?),
            Form::Plain | Form::Other(..) => Box::new(all),
        }))
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
        check(b"", Ok(b""));
        check(b"x", Ok(b"x"));
        check(&gzip(&text), Ok(&text));
        check(&[gzip(b"one"), gzip(b"two")].concat(), Ok(b"onetwo"));
        check(&gzip(&text)[..20], Err(""));
        let zstandard = zstd::encode_all(&text[..], 3).unwrap();
        check(&zstandard, Ok(&text));
        check(&zstandard[..20], Err(""));
        check(b"\xfd7zXZ\0rest", Err("compressed with xz"));
        check(b"BZh9", Err("compressed with bzip2"));
    }
}
