//! The pieces of a file: records, and the text between them.

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transfer) enum LineEnd {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
    /// `\r`
    Cr,
    /// The file's end, without any of them.
    File,
}

impl LineEnd {
    pub(in crate::transfer) fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::Cr => b"\r",
            Self::File => b"",
        }
    }

    /// Splits a line from its end.
    pub(in crate::transfer) fn split(line: &[u8]) -> (&[u8], Self) {
        if let Some(text) = line.strip_suffix(b"\r\n") {
            (text, Self::CrLf)
        } else if let Some(text) = line.strip_suffix(b"\n") {
            (text, Self::Lf)
        } else if let Some(text) = line.strip_suffix(b"\r") {
            (text, Self::Cr)
        } else {
            (line, Self::File)
        }
    }
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transfer) struct Record {
    pub(in crate::transfer) key: Vec<u8>,
    pub(in crate::transfer) value: Vec<u8>,
    pub(in crate::transfer) media_type: Option<String>,
    pub(in crate::transfer) ttl_ms: Option<u64>,
    pub(in crate::transfer) end: LineEnd,
}

impl Record {
    pub(in crate::transfer) fn new(key: Vec<u8>, value: Vec<u8>, end: LineEnd) -> Self {
        Self { key, value, media_type: None, ttl_ms: None, end }
    }
}

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transfer) enum Piece {
    Record(Record),
    /// Text that belongs to no record: a header, an empty line.
    Text(Vec<u8>),
}

/// A piece of a file, or what is wrong with it, and its first line (from 1).
#[derive(Debug)]
pub(in crate::transfer) struct Found {
    pub(in crate::transfer) line: u64,
    pub(in crate::transfer) piece: Result<Piece, String>,
}
