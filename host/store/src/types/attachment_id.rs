//! The name of an attachment.

use std::fmt;

use sha2::{Digest, Sha256};

/// What the key of an attachment begins with.
const KEY_START: [u8; 2] = [0x00, b'a'];

/// The name of an attachment: the SHA-256 of its bytes (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachmentId([u8; Self::BYTES]);

impl AttachmentId {
    /// Bytes of a name.
    pub const BYTES: usize = 32;
    /// Bytes of the key that refers to an attachment.
    const KEY_BYTES: usize = KEY_START.len() + Self::BYTES;

    /// The name of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The name with this hash.
    #[must_use]
    pub fn from_hash(hash: [u8; Self::BYTES]) -> Self {
        Self(hash)
    }

    /// The hash.
    #[must_use]
    pub fn hash(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The key whose presence in the key space says that the attachment is needed: `00 61`, then the hash. Its value is its owner's choice.
    #[must_use]
    pub fn key(&self) -> [u8; 34] {
        let mut key = [0; Self::KEY_BYTES];
        key[..KEY_START.len()].copy_from_slice(&KEY_START);
        key[KEY_START.len()..].copy_from_slice(&self.0);
        key
    }

    /// What the keys of all attachments begin with.
    pub(crate) fn keys() -> &'static [u8] {
        &KEY_START
    }

    /// The attachment that a key refers to.
    pub(crate) fn in_key(key: &[u8]) -> Option<Self> {
        key.strip_prefix(&KEY_START)?.try_into().ok().map(Self)
    }

    /// The attachment of this name in hexadecimal, in lower case.
    pub(crate) fn from_hexadecimal(text: &str) -> Option<Self> {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut hash = [0; Self::BYTES];
        if text.len() != 2 * Self::BYTES {
            return None;
        }
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Some(Self(hash))
    }
}

/// In hexadecimal, in lower case.
impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
