//! Keys whose replaced values the change feed keeps. A page without tables keeps none, and downloads less code.

/// Prefixes of such keys. None of them begins with another, so that the last one that is not greater than a key decides about it.
#[derive(Debug, Default)]
pub(crate) struct KeptSpans(#[cfg(any(feature = "replaced", not(target_family = "wasm")))] Vec<Box<[u8]>>);

#[cfg(all(not(feature = "replaced"), target_family = "wasm"))]
#[allow(clippy::unused_self, reason = "other builds have prefixes")]
impl KeptSpans {
    pub(crate) fn add(&mut self, _prefix: &[u8]) {}

    pub(crate) fn has(&self, _key: &[u8]) -> bool {
        false
    }
}

#[cfg(any(feature = "replaced", not(target_family = "wasm")))]
impl KeptSpans {
    /// Adds the keys that begin with `prefix`.
    pub(crate) fn add(&mut self, prefix: &[u8]) {
        if !self.has(prefix) {
            self.0.retain(|other| !other.starts_with(prefix));
            let place = self.0.partition_point(|other| &other[..] < prefix);
            self.0.insert(place, prefix.into());
        }
    }

    /// Whether the key begins with one of the prefixes.
    pub(crate) fn has(&self, key: &[u8]) -> bool {
        let after = self.0.partition_point(|prefix| &prefix[..] <= key);
        after.checked_sub(1).is_some_and(|place| key.starts_with(&self.0[place]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0_u8..3, 0..4)
    }

    proptest! {
        #[test]
        fn a_key_is_kept_if_a_prefix_says_so(prefixes in prop::collection::vec(some_key(), 0..6), key in some_key()) {
            let mut kept = KeptSpans::default();
            for prefix in &prefixes {
                kept.add(prefix);
            }
            prop_assert_eq!(kept.has(&key), prefixes.iter().any(|prefix| key.starts_with(prefix)));
        }
    }
}
