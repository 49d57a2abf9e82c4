//! Two ways to own a key's bytes.

use std::cmp::Ordering;

/// Longest key that is held inline; with tag and length it makes 32 bytes.
const INLINE_BYTES_MAX: usize = 30;

/// Bytes of a key, owned.
pub(crate) trait OwnedKey: for<'k> From<&'k [u8]> + AsRef<[u8]> + Ord + Clone + Send + Sync + 'static {}

/// A key behind a pointer: 16 bytes here, the rest one cache miss away.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BoxedKey(Box<[u8]>);

/// A key of up to 30 bytes and its length; a longer one is behind a pointer.
#[derive(Clone)]
pub(crate) enum InlineKey {
    Short { length: u8, bytes: [u8; INLINE_BYTES_MAX] },
    Long(Box<[u8]>),
}

impl From<&[u8]> for BoxedKey {
    fn from(key: &[u8]) -> Self {
        Self(key.into())
    }
}

impl AsRef<[u8]> for BoxedKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for InlineKey {
    fn from(key: &[u8]) -> Self {
        match u8::try_from(key.len()) {
            Ok(length) if key.len() <= INLINE_BYTES_MAX => {
                let mut bytes = [0; INLINE_BYTES_MAX];
                bytes[..key.len()].copy_from_slice(key);
                Self::Short { length, bytes }
            }
            _ => Self::Long(key.into()),
        }
    }
}

impl AsRef<[u8]> for InlineKey {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => &bytes[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl PartialEq for InlineKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for InlineKey {}

impl PartialOrd for InlineKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InlineKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_ref().cmp(other.as_ref())
    }
}

impl OwnedKey for BoxedKey {}
impl OwnedKey for InlineKey {}
