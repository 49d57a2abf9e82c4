//! The JSON form of a large value, made piece by piece while it is sent.
//!
//! It is up to six times as long as the value, so it is never held as a whole, and neither its making nor its length keeps others waiting:
//! between two pieces they get their turn.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use mantis_db::{Entry, Reservation};
use tokio::task::yield_now;

use crate::protocol::body::Body;
use crate::wire::bytes::{BytesOut, NumbersOut, escaped_length};
use crate::wire::entry;

/// Bytes of a value that are written at a time: of whole groups of base64. As numbers or text they take up to six times as much.
const VALUE_BYTES: usize = 12 << 10;
/// Bytes of a value that are measured at a time, which takes some tenths of a millisecond.
const MEASURED_BYTES: usize = 256 << 10;
/// What making the pieces takes: one that is made, and one that is being sent.
pub(crate) const HELD_BYTES: usize = 2 * 6 * VALUE_BYTES;

const _: () = assert!(VALUE_BYTES.is_multiple_of(3));

/// How a value stands in its JSON form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueForm {
    /// A list of numbers.
    Numbers,
    /// Text where it is UTF-8, else an object with its base64.
    Text,
    /// Base64 as text.
    Base64,
}

/// How the value is written, once it has been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Numbers,
    Text,
    Base64,
    Base64Object,
}

/// The JSON form of an entry, measured and not made yet.
#[derive(Debug)]
struct EntryJson {
    /// What is before and after the value, marks around its contents included.
    head: Vec<u8>,
    tail: Vec<u8>,
    value: Bytes,
    written: Written,
    length: usize,
}

impl EntryJson {
    /// Looks at an entry's value in steps, between which others get their turn.
    async fn measure(key: BytesOut<'_>, form: ValueForm, entry: &Entry) -> Self {
        // In a text the quote of `"value"` would be escaped, so it is that member.
        const MEMBER: &[u8] = b",\"value\":null,";
        let around = entry::entry_json(key, (), entry);
        let found = around.windows(MEMBER.len()).position(|window| window == MEMBER).unwrap_or_default();
        let (at, after) = (found + MEMBER.len() - b"null,".len(), found + MEMBER.len() - 1);
        let (mut head, mut tail) = (around[..at].to_vec(), around[after..].to_vec());
        let value = entry.value.clone();
        let (written, inner) = match form {
            ValueForm::Numbers => (Written::Numbers, numbers_length(&value).await),
            ValueForm::Base64 => (Written::Base64, base64_length(&value)),
            ValueForm::Text => match text_length(&value).await {
                Some(length) => (Written::Text, length),
                None => (Written::Base64Object, base64_length(&value)),
            },
        };
        let (before, behind): (&[u8], &[u8]) = match written {
            Written::Numbers => (b"[", b"]"),
            Written::Text | Written::Base64 => (b"\"", b"\""),
            Written::Base64Object => (b"{\"base64\":\"", b"\"}"),
        };
        head.extend_from_slice(before);
        tail.splice(..0, behind.iter().copied());
        let length = head.len() + inner + tail.len();
        Self { head, tail, value, written, length }
    }

    /// A body that makes it.
    fn into_body(self, reservation: Reservation) -> Body {
        let length = self.length;
        let pieces = Pieces { json: self, place: Place::Head, _reservation: reservation };
        Body::sized_stream(
            length,
            stream::unfold(pieces, |mut pieces| async move {
                let piece = pieces.next()?;
                yield_now().await;
                Some((Ok(piece), pieces))
            }),
        )
    }
}

/// The JSON form of an entry as a body. The reservation is that of the pieces: [`HELD_BYTES`].
pub(crate) async fn body(key: BytesOut<'_>, form: ValueForm, entry: &Entry, reservation: Reservation) -> Body {
    EntryJson::measure(key, form, entry).await.into_body(reservation)
}

struct Pieces {
    json: EntryJson,
    place: Place,
    _reservation: Reservation,
}

/// What comes next.
enum Place {
    Head,
    /// The value from here on.
    Value(usize),
    End,
}

impl Pieces {
    fn next(&mut self) -> Option<Bytes> {
        let json = &mut self.json;
        match self.place {
            Place::Head => {
                self.place = Place::Value(0);
                Some(std::mem::take(&mut json.head).into())
            }
            Place::Value(at) if at < json.value.len() => {
                let part = json.part(at);
                self.place = Place::Value(part.end);
                Some(json.write(part).into())
            }
            Place::Value(_) => {
                self.place = Place::End;
                Some(std::mem::take(&mut json.tail).into())
            }
            Place::End => None,
        }
    }
}

impl EntryJson {
    /// The next part of the value: of a text whole characters.
    fn part(&self, at: usize) -> Range<usize> {
        let mut end = (at + VALUE_BYTES).min(self.value.len());
        if self.written == Written::Text {
            while end < self.value.len() && self.value[end] & 0xc0 == 0x80 {
                end -= 1;
            }
        }
        at..end
    }

    fn write(&self, part: Range<usize>) -> Vec<u8> {
        let is_first = part.start == 0;
        let bytes = &self.value[part];
        match self.written {
            Written::Base64 | Written::Base64Object => STANDARD.encode(bytes).into_bytes(),
            Written::Numbers => {
                let mut text = serde_json::to_vec(&NumbersOut(bytes)).unwrap_or_default();
                text.pop();
                if is_first {
                    text.remove(0);
                } else if let Some(bracket) = text.first_mut() {
                    *bracket = b',';
                }
                text
            }
            Written::Text => {
                let mut text = serde_json::to_vec(&String::from_utf8_lossy(bytes)).unwrap_or_default();
                text.pop();
                text.drain(..1);
                text
            }
        }
    }
}

fn base64_length(value: &[u8]) -> usize {
    value.len().div_ceil(3) * 4
}

async fn numbers_length(value: &[u8]) -> usize {
    let mut length = value.len().saturating_sub(1);
    for part in value.chunks(MEASURED_BYTES) {
        length += part.iter().map(|&byte| 1 + usize::from(byte >= 10) + usize::from(byte >= 100)).sum::<usize>();
        yield_now().await;
    }
    length
}

/// The length of a value in a JSON string; none where it is no text.
async fn text_length(value: &[u8]) -> Option<usize> {
    let (mut length, mut left) = (0, value);
    while !left.is_empty() {
        let part = &left[..left.len().min(MEASURED_BYTES)];
        let whole = match std::str::from_utf8(part) {
            Ok(_) => part.len(),
            // Its last character is cut.
            Err(error) if error.error_len().is_none() && part.len() < left.len() => error.valid_up_to(),
            Err(_) => return None,
        };
        length += part[..whole].iter().map(|&byte| escaped_length(byte)).sum::<usize>();
        left = &left[whole..];
        yield_now().await;
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use mantis_db::{Budget, MediaType};
    use proptest::prelude::*;

    use super::*;
    use crate::wire::bytes::{Encoding, base64_text};

    fn entry(value: Vec<u8>) -> Entry {
        Entry {
            value: value.into(),
            media_type: MediaType::BYTES,
            version: 7,
            modified_ms: 0,
            expires_at_ms: Some(1_769_860_800_000),
        }
    }

    #[track_caller]
    fn check(key: &[u8], entry: &Entry, form: ValueForm) {
        let (key_out, text) = (|| BytesOut(key, Encoding::Text), Encoding::Text);
        let whole = match form {
            ValueForm::Numbers => entry::entry_json(key_out(), NumbersOut(&entry.value), entry),
            ValueForm::Text => entry::entry_json(key_out(), BytesOut(&entry.value, text), entry),
            ValueForm::Base64 => entry::entry_json(key_out(), base64_text(&entry.value), entry),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (length, sent) = runtime.block_on(async {
            let json = EntryJson::measure(key_out(), form, entry).await;
            let length = json.length;
            (length, json.into_body(Budget::default().reservation()).collect().await.unwrap().to_bytes())
        });
        assert_eq!(length, whole.len(), "{form:?}");
        assert!(sent == whole, "{form:?} of {} bytes", entry.value.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn pieces_are_what_the_whole_would_be(
            part in prop::collection::vec(any::<u8>(), 0..300),
            text in "[ -~\\n\\t\"\\\\äß€🦀\\u{1}]{0,200}",
            times in 1..400_usize,
            key in prop_oneof![Just(b"k".to_vec()), Just(b"\",\"value\":null,\"".to_vec()), Just(vec![0xff])],
        ) {
            for value in [part.repeat(times), text.as_bytes().repeat(times)] {
                let entry = entry(value);
                for form in [ValueForm::Numbers, ValueForm::Text, ValueForm::Base64] {
                    check(&key, &entry, form);
                }
            }
        }
    }

    #[test]
    fn a_character_between_two_measured_parts_is_text_and_a_cut_one_at_the_end_is_not() {
        for shift in 0..4 {
            let mut value = vec![b'x'; MEASURED_BYTES - shift];
            value.extend_from_slice("🦀".as_bytes());
            check(b"k", &entry(value.clone()), ValueForm::Text);
            value.pop();
            check(b"k", &entry(value), ValueForm::Text);
        }
    }
}
