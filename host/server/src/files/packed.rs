//! What is written to a file, compressed where its name ends with `.gz` or `.zst`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure, Outcome};

const BUFFER_BYTES: usize = 256 << 10;
/// The names of compressed files that are not written, with the program that makes one of standard input.
const OTHERS: [(&str, &str); 5] = [("xz", "xz"), ("bz2", "bzip2"), ("lz4", "lz4"), ("zip", "zip"), ("br", "brotli")];

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstandard,
}

impl Packing {
    /// What the name of a file to write says.
    ///
    /// # Errors
    /// It is that of another compression.
    pub(crate) fn of(path: &Path) -> Outcome<Self> {
        Ok(match last_extension(path).as_deref() {
            Some("gz") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstandard,
            Some(other) => {
                if let Some((_, program)) = OTHERS.iter().find(|(name, _)| *name == other) {
                    return Err(Failure::new(
                        Exit::Usage,
                        format!(
                            "{} has the name of a file that {program} compresses, which is not done here",
                            path.display()
                        ),
                    )
                    .hint("name it .gz or .zst, or write to standard output and through the program"));
                }
                Self::Plain
            }
            None => Self::Plain,
        })
    }
}

/// The extension of a file's name in small letters, before that of its compression.
pub(crate) fn extension(path: &Path) -> Option<String> {
    match last_extension(path)?.as_str() {
        "gz" | "zst" | "zstd" => last_extension(&PathBuf::from(path.file_stem()?)),
        extension => Some(extension.to_owned()),
    }
}

fn last_extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// A writer that compresses. Nothing is whole before [`finish`](Self::finish).
pub(crate) enum Packed<W: Write> {
    Plain(BufWriter<W>),
    Gzip(flate2::write::GzEncoder<BufWriter<W>>),
    Zstandard(zstd::stream::write::Encoder<'static, BufWriter<W>>),
}

impl<W: Write> Packed<W> {
    /// Writes to `writer`, through a buffer.
    ///
    /// # Errors
    /// The compressor has no memory.
    pub(crate) fn new(writer: W, packing: Packing) -> io::Result<Self> {
        let writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
        Ok(match packing {
            Packing::Plain => Self::Plain(writer),
            Packing::Gzip => Self::Gzip(flate2::write::GzEncoder::new(writer, flate2::Compression::default())),
            Packing::Zstandard => {
                let mut encoder = zstd::stream::write::Encoder::new(writer, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.include_checksum(true)?;
                Self::Zstandard(encoder)
            }
        })
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut writer) => writer.flush(),
            Self::Gzip(encoder) => encoder.finish()?.flush(),
            Self::Zstandard(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl<W: Write> Write for Packed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(writer) => writer.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstandard(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(writer) => writer.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstandard(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::files::unpacked;

    #[test]
    fn what_is_packed_can_be_unpacked() {
        let text = b"some text ".repeat(50_000);
        for packing in [Packing::Plain, Packing::Gzip, Packing::Zstandard] {
            let mut file = Vec::new();
            let mut packed = Packed::new(&mut file, packing).unwrap();
            packed.write_all(&text).unwrap();
            packed.finish().unwrap();
            assert_eq!(packing == Packing::Plain, file.len() >= text.len());
            let mut found = Vec::new();
            let Ok(mut input) = unpacked(Box::new(io::Cursor::new(file))).unwrap() else { panic!("{packing:?}") };
            input.read_to_end(&mut found).unwrap();
            assert!(found == text, "{packing:?}");
        }
    }

    #[test]
    fn names_say_what_is_in_a_file_whatever_their_case() {
        for (name, expected, packing) in [
            ("a.NDJSON", Some("ndjson"), Ok(Packing::Plain)),
            ("dir.csv/a", None, Ok(Packing::Plain)),
            ("a.csv.gz", Some("csv"), Ok(Packing::Gzip)),
            ("a.TSV.ZST", Some("tsv"), Ok(Packing::Zstandard)),
            ("a.gz", None, Ok(Packing::Gzip)),
            ("a.csv.xz", Some("xz"), Err(())),
        ] {
            let path = Path::new(name);
            assert_eq!(extension(path).as_deref(), expected, "{name}");
            assert_eq!(Packing::of(path).map_err(drop), packing, "{name}");
        }
    }
}
