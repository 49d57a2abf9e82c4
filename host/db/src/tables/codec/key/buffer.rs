//! Where encoded keys are written.

use smallvec::SmallVec;

/// Where encoded keys are written.
pub trait KeyBuffer {
    /// Appends a byte.
    fn put(&mut self, byte: u8);
    /// Appends bytes.
    fn put_slice(&mut self, bytes: &[u8]);
    /// All that was written.
    fn written(&mut self) -> &mut [u8];
    /// Forgets what is beyond the first `bytes` bytes.
    fn truncate(&mut self, bytes: usize);
}

impl KeyBuffer for Vec<u8> {
    fn put(&mut self, byte: u8) {
        self.push(byte);
    }

    fn put_slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn written(&mut self) -> &mut [u8] {
        self
    }

    fn truncate(&mut self, bytes: usize) {
        self.truncate(bytes);
    }
}

impl<const N: usize> KeyBuffer for SmallVec<[u8; N]>
where
    [u8; N]: smallvec::Array<Item = u8>,
{
    fn put(&mut self, byte: u8) {
        self.push(byte);
    }

    fn put_slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn written(&mut self) -> &mut [u8] {
        self
    }

    fn truncate(&mut self, bytes: usize) {
        self.truncate(bytes);
    }
}

/// Turns an ascending value into a descending one, and back.
pub(super) fn invert(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = !*byte;
    }
}
