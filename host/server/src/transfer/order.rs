//! Where a bucket keeps the order of the file that it was imported from.
//!
//! Bucket `NAME.order` holds the keys `00000000`, `00000001`, ... with a chunk of the file each, and `import` with what the file was.
//! A chunk is a format byte (1) and entries: an unsigned LEB128 number whose two lowest bits say what follows and whose other bits
//! say how long it is, then that many bytes. 0: a key whose record ended with `\n`; 1: with `\r\n`; 2: with the file; 3: text that
//! belongs to no record. Values are not in it: they are read from the bucket, so that a changed value changes its line.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};

use super::record::LineEnd;
use crate::cli::Format;
use crate::client::{Client, ClientError, Path};

const CHUNK_FORMAT: u8 = 1;
const HEAD_KEY: &[u8] = b"import";

/// What the imported file was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(super) format: Format,
    pub(super) chunks: u64,
    pub(super) records: u64,
}

/// A part of the file, without the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Record { key: Vec<u8>, end: LineEnd },
    Text(Vec<u8>),
}

/// The bucket that keeps the order of another.
pub(crate) fn bucket_of(bucket: &str) -> String {
    format!("{bucket}.order")
}

/// Entries as they are stored.
#[derive(Debug)]
pub(super) struct Chunk(Vec<u8>);

impl Default for Chunk {
    fn default() -> Self {
        Self(vec![CHUNK_FORMAT])
    }
}

impl Chunk {
    pub(super) fn push_record(&mut self, key: &[u8], end: LineEnd) {
        let kind = match end {
            LineEnd::Lf => 0,
            LineEnd::CrLf => 1,
            LineEnd::File => 2,
        };
        self.push(kind, key);
    }

    pub(super) fn push_text(&mut self, text: &[u8]) {
        self.push(3, text);
    }

    fn push(&mut self, kind: u64, bytes: &[u8]) {
        let mut number = ((bytes.len() as u64) << 2) | kind;
        loop {
            let [low, ..] = (number & 0x7f).to_le_bytes();
            number >>= 7;
            if number == 0 {
                self.0.push(low);
                break;
            }
            self.0.push(low | 0x80);
        }
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.0.into()
    }
}

/// Reads a chunk; none when it is damaged or of a format to come.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (&CHUNK_FORMAT, mut rest) = bytes.split_first()? else { return None };
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        let (bytes, after) = after.split_at_checked(usize::try_from(number >> 2).ok()?)?;
        entries.push(match number & 3 {
            0 => Entry::Record { key: bytes.to_vec(), end: LineEnd::Lf },
            1 => Entry::Record { key: bytes.to_vec(), end: LineEnd::CrLf },
            2 => Entry::Record { key: bytes.to_vec(), end: LineEnd::File },
            _ => Entry::Text(bytes.to_vec()),
        });
        rest = after;
    }
    Some(entries)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (place, &byte) in bytes.iter().take(9).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some((number, &bytes[place + 1..]));
        }
    }
    None
}

/// Which file a bucket was imported from; none when that is not recorded.
pub(super) async fn head(client: &mut Client, bucket: &str) -> Result<Option<Head>, ClientError> {
    match client.get(&Path::key(&bucket_of(bucket), HEAD_KEY)).await {
        Ok(answer) => answer.json().map(Some),
        Err(error) if error.status() == Some(404) => Ok(None),
        // A name to which `.order` cannot be added belongs to no bucket with an order.
        Err(error) if error.code() == "bucket-name-invalid" => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn write_head(client: &mut Client, bucket: &str, head: &Head) -> Result<(), ClientError> {
    let json = serde_json::to_vec(head).unwrap_or_default();
    let path = Path::key(&bucket_of(bucket), HEAD_KEY).with("raw", Some(b"true"));
    client.request(Method::PUT, &path, &[(CONTENT_TYPE, "application/json")], json.into()).await.map(drop)
}

pub(super) fn chunk_path(bucket: &str, number: u64) -> Path {
    Path::key(&bucket_of(bucket), format!("{number:08}").as_bytes())
}

/// Forgets the order of a bucket.
pub(crate) async fn forget(client: &mut Client, bucket: &str) -> Result<(), ClientError> {
    let path = Path::new("/api/v1/buckets").part(bucket_of(bucket).as_bytes());
    match client.request(Method::DELETE, &path, &[], Bytes::new()).await {
        Ok(_) => Ok(()),
        Err(error) if error.status() == Some(404) || error.code() == "bucket-name-invalid" => Ok(()),
        Err(error) => Err(error),
    }
}

/// Keys that have been met, as 128 bits of hash: all keys of a large file need not fit into memory.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hashes: HashSet<[u64; 2]>,
    states: [RandomState; 2],
}

impl Seen {
    /// Notes a key; false when it was there.
    pub(super) fn add(&mut self, key: &[u8]) -> bool {
        self.hashes.insert(self.hash(key))
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.hashes.contains(&self.hash(key))
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        self.states.each_ref().map(|state| state.hash_one(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_read_back() {
        let mut chunk = Chunk::default();
        let long = vec![b'x'; 70_000];
        chunk.push_text(b"id,name\n");
        chunk.push_record(b"a", LineEnd::Lf);
        chunk.push_record(&long, LineEnd::CrLf);
        chunk.push_record(b"", LineEnd::File);
        let entries = decode(&chunk.into_bytes()).unwrap();
        assert_eq!(
            entries,
            [
                Entry::Text(b"id,name\n".to_vec()),
                Entry::Record { key: b"a".to_vec(), end: LineEnd::Lf },
                Entry::Record { key: long, end: LineEnd::CrLf },
                Entry::Record { key: Vec::new(), end: LineEnd::File },
            ]
        );
    }

    #[test]
    fn damage_is_noticed() {
        for bytes in [&b""[..], b"\x02", b"\x01\x08a", b"\x01\x80", b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
