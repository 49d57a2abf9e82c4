//! Keys and values, computed from an index so that choosing one costs no cache miss of its own.

/// Length of every key.
pub(crate) const KEY_BYTES: usize = 24;
/// Length of every value: the key, the version that wrote it, and padding.
pub(crate) const VALUE_BYTES: usize = 64;

/// The key with this index. Consecutive indexes give unrelated keys, so inserting in index order is a random order.
pub(crate) fn key(index: u64) -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    for (part, chunk) in (0..).zip(bytes.chunks_exact_mut(8)) {
        chunk.copy_from_slice(&mix(index * 3 + part).to_be_bytes());
    }
    bytes
}

/// The value that `version` writes under `key`.
pub(crate) fn value(key: &[u8; KEY_BYTES], version: u64) -> [u8; VALUE_BYTES] {
    let mut bytes = [0; VALUE_BYTES];
    bytes[..KEY_BYTES].copy_from_slice(key);
    bytes[KEY_BYTES..KEY_BYTES + 8].copy_from_slice(&version.to_be_bytes());
    bytes
}

/// The version that wrote `value`, or `None` when the value belongs to another key.
pub(crate) fn version_of(key: &[u8], value: &[u8]) -> Option<u64> {
    let rest = value.strip_prefix(key)?;
    rest.first_chunk().copied().map(u64::from_be_bytes)
}

/// A small generator of uniformly distributed indexes.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        // The product's high half is uniform enough for any bound far below 2^64.
        ((u128::from(mix(self.0)) * u128::from(bound)) >> 64) as u64
    }
}

/// The finalizer of `SplitMix64`: a bijection, so different inputs give different keys.
fn mix(input: u64) -> u64 {
    let mut bits = input.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
