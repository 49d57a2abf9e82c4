//! Hash maps. A page's keys come only from its own program, so no map needs protection from collisions: the hash is the short FNV-1a.

use std::collections;
#[cfg(target_family = "wasm")]
use std::hash::{BuildHasherDefault, Hasher};

/// A map by hash.
#[cfg(not(target_family = "wasm"))]
pub(crate) type HashMap<K, V> = collections::HashMap<K, V>;

/// A map by hash.
#[cfg(target_family = "wasm")]
pub(crate) type HashMap<K, V> = collections::HashMap<K, V, BuildHasherDefault<Fnv>>;

/// FNV-1a (Fowler, Noll and Vo 1991).
#[cfg(target_family = "wasm")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fnv(u64);

#[cfg(target_family = "wasm")]
impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

#[cfg(target_family = "wasm")]
impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
