//! The recorded order of an imported file, in a bucket beside the imported one.
//!
//! Bucket `NAME.order` holds the keys `00000000`, `00000001`, ... with a chunk of the file each, and `import` with what the file was, under
//! a media type that says so. A user may have a bucket of such a name: one with anything else in it is never written to nor dropped.
//! A chunk is a format byte (1) and entries: an unsigned LEB128 number whose two lowest bits are the kind and whose other bits
//! are the length, then that many bytes. 0: a key whose record ended with `\n`; 1: with `\r\n`; 2: with the file; 3: text that
//! belongs to no record. Values are not in it: they are read from the bucket, so that a changed value changes its line.
//! Of format 2 some records ended with `\r` alone: they are of kind 2 and followed by that text.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};

use super::read::LineEnd;
use crate::cli::Format;
use crate::client::text::JsonBytes;
use crate::client::{Answer, Client, ClientError, Path};

const CHUNK_FORMAT: u8 = 1;
const CHUNK_FORMAT_RETURNS: u8 = 2;
const HEAD_KEY: &[u8] = b"import";
const MEDIA_TYPE: &str = "application/vnd.mantisdb.order";
/// The longest silence in a stream of keys before it counts as broken.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// The description of an imported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(super) format: Format,
    /// Whether the import finished: otherwise the order is incomplete.
    pub(super) is_complete: bool,
    pub(super) chunks: u64,
    pub(super) records: u64,
}

/// A part of the file, without the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Record { key: Vec<u8>, end: LineEnd },
    Text(Vec<u8>),
}

/// The state of the bucket whose name is that of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Companion {
    /// Nothing, or an empty bucket.
    Missing,
    /// The order of an import, complete or not, and nothing else.
    Order,
    /// A bucket that an import did not make, or that has other keys.
    Foreign,
}

/// The name of the bucket with another one's order.
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
            LineEnd::File | LineEnd::Cr => 2,
        };
        self.push(kind, key);
        if end == LineEnd::Cr {
            self.0[0] = CHUNK_FORMAT_RETURNS;
            self.push_text(end.as_bytes());
        }
    }

    pub(super) fn push_text(&mut self, text: &[u8]) {
        self.push(3, text);
    }

    fn push(&mut self, kind: u64, bytes: &[u8]) {
        let number = ((bytes.len() as u64) << 2) | kind;
        // Every number of 64 bits can be encoded.
        if let Some((encoded, length)) = leb128fmt::encode_u64(number) {
            self.0.extend_from_slice(&encoded[..length]);
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
    let (&(CHUNK_FORMAT | CHUNK_FORMAT_RETURNS), rest) = bytes.split_first()? else { return None };
    let (mut entries, mut place) = (Vec::<Entry>::new(), 0);
    while place < rest.len() {
        let number = leb128fmt::decode_uint_slice::<u64, 64>(rest, &mut place).ok()?;
        let end = place.checked_add(usize::try_from(number >> 2).ok()?)?;
        let bytes = rest.get(place..end)?.to_vec();
        place = end;
        // No text follows a record that ends with its file.
        if number & 3 == 3
            && bytes == LineEnd::Cr.as_bytes()
            && let Some(Entry::Record { end: end @ LineEnd::File, .. }) = entries.last_mut()
        {
            *end = LineEnd::Cr;
            continue;
        }
        entries.push(match number & 3 {
            0 => Entry::Record { key: bytes, end: LineEnd::Lf },
            1 => Entry::Record { key: bytes, end: LineEnd::CrLf },
            2 => Entry::Record { key: bytes, end: LineEnd::File },
            _ => Entry::Text(bytes),
        });
    }
    Some(entries)
}

/// Which file a bucket was imported from; none when that is not recorded.
pub(super) async fn head(client: &Client, bucket: &str) -> Result<Option<Head>, ClientError> {
    let Some(answer) = marked(client, bucket).await? else { return Ok(None) };
    answer.json().map(|head: Head| Some(head).filter(|head| head.is_complete))
}

/// The head, if there is one that an import wrote.
async fn marked(client: &Client, bucket: &str) -> Result<Option<Answer>, ClientError> {
    match client.get(&Path::keys(&bucket_of(bucket)).part(HEAD_KEY)).await {
        Ok(answer) => {
            let is_marked = answer.headers.get(CONTENT_TYPE).is_some_and(|value| value == MEDIA_TYPE);
            Ok(Some(answer).filter(|_| is_marked))
        }
        Err(error) if cannot_exist(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// No such bucket or key; a name to which `.order` cannot be added belongs to no bucket with an order.
fn cannot_exist(error: &ClientError) -> bool {
    matches!(error.code(), "key-not-found" | "bucket-not-found" | "bucket-name-invalid")
}

/// Looks up the state of the bucket with the order of `bucket`.
pub(crate) async fn companion(client: &Client, bucket: &str) -> Result<Companion, ClientError> {
    let mut keys = match client.lines(&Path::keys(&bucket_of(bucket)), SILENCE_MAX).await {
        Ok(keys) => keys,
        Err(error) if cannot_exist(&error) => return Ok(Companion::Missing),
        Err(error) => return Err(error),
    };
    let mut is_empty = true;
    while let Some(line) = keys.next().await? {
        let key = listed_key(&line)?.0;
        let is_chunk = key.len() >= 8 && key.iter().all(u8::is_ascii_digit);
        if key != HEAD_KEY && !is_chunk {
            return Ok(Companion::Foreign);
        }
        is_empty = false;
    }
    if is_empty {
        return Ok(Companion::Missing);
    }
    let is_order = marked(client, bucket).await?.is_some();
    Ok(if is_order { Companion::Order } else { Companion::Foreign })
}

/// The key of a line of a listing.
pub(super) fn listed_key(line: &[u8]) -> Result<JsonBytes, ClientError> {
    #[derive(Deserialize)]
    struct Line {
        key: JsonBytes,
    }
    serde_json::from_slice::<Line>(line)
        .map(|line| line.key)
        .map_err(|error| ClientError::Unexpected { reason: mantis_db::json_error(&error) })
}

/// Marks the bucket as one that keeps an order, and says what the file was.
pub(super) async fn write_head(client: &Client, bucket: &str, head: &Head) -> Result<(), ClientError> {
    let json = serde_json::to_vec(head).unwrap_or_default();
    let path = Path::keys(&bucket_of(bucket)).part(HEAD_KEY);
    client.request(Method::PUT, &path, &[(CONTENT_TYPE, MEDIA_TYPE)], json.into()).await.map(drop)
}

pub(super) fn chunk_path(bucket: &str, number: u64) -> Path {
    Path::keys(&bucket_of(bucket)).part(format!("{number:08}").as_bytes())
}

/// Drops the order of a bucket, which [`companion`] has found to be one.
pub(crate) async fn forget(client: &Client, bucket: &str) -> Result<(), ClientError> {
    let path = Path::new("/api/v1/buckets").part(bucket_of(bucket).as_bytes()).with("drop", Some(b"true"));
    match client.request(Method::DELETE, &path, &[], Bytes::new()).await {
        Ok(_) => Ok(()),
        Err(error) if cannot_exist(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Keys seen so far, as 128-bit hashes: the keys of a large file need not fit into memory.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hashes: HashSet<[u64; 2]>,
    states: [RandomState; 2],
}

impl Seen {
    /// Adds a key; false when it was there.
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
        chunk.push_record(b"c", LineEnd::Cr);
        chunk.push_text(b"\r");
        chunk.push_record(b"", LineEnd::File);
        let entries = decode(&chunk.into_bytes()).unwrap();
        assert_eq!(
            entries,
            [
                Entry::Text(b"id,name\n".to_vec()),
                Entry::Record { key: b"a".to_vec(), end: LineEnd::Lf },
                Entry::Record { key: long, end: LineEnd::CrLf },
                Entry::Record { key: b"c".to_vec(), end: LineEnd::Cr },
                Entry::Text(b"\r".to_vec()),
                Entry::Record { key: Vec::new(), end: LineEnd::File },
            ]
        );
    }

    #[test]
    fn damage_is_detected() {
        for bytes in [&b""[..], b"\x03", b"\x01\x08a", b"\x01\x80", b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
