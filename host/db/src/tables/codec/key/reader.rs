//! Reading encoded keys from the front.

use crate::tables::TableResult;
use crate::tables::codec::damage::damaged;

/// The rest of a key, whose bytes are inverted where `mask` is `ff`.
pub(super) struct Reader<'k, 'a> {
    bytes: &'k mut &'a [u8],
    mask: u8,
}

impl<'k, 'a> Reader<'k, 'a> {
    pub(super) fn new(bytes: &'k mut &'a [u8], is_inverted: bool) -> Self {
        Self { bytes, mask: if is_inverted { 0xff } else { 0 } }
    }

    /// From here on each byte the other way round.
    pub(super) fn invert(&mut self) {
        self.mask = !self.mask;
    }

    pub(super) fn mask(&self) -> u8 {
        self.mask
    }

    pub(super) fn peek(&self) -> TableResult<u8> {
        self.bytes.first().map(|byte| byte ^ self.mask).ok_or_else(|| damaged("key"))
    }

    pub(super) fn byte(&mut self) -> TableResult<u8> {
        let (&byte, rest) = self.bytes.split_first().ok_or_else(|| damaged("key"))?;
        *self.bytes = rest;
        Ok(byte ^ self.mask)
    }

    /// All bytes that are left, as they stand there.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next bytes, as they stand there.
    pub(super) fn take(&mut self, count: usize) -> TableResult<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(|| damaged("key"))?;
        *self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> TableResult<[u8; N]> {
        let (&taken, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(|| damaged("key"))?;
        *self.bytes = rest;
        Ok(taken.map(|byte| byte ^ self.mask))
    }
}
