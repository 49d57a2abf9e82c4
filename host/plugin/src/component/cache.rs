//! Compiled code by the hash of its source: the next install of the same component does not compile again.

use std::collections::{HashMap, VecDeque};

use wasmtime::component::Component;

/// The SHA-256 of a component.
pub(crate) type Hash = [u8; 32];

/// The components used last, within a number of bytes.
pub(super) struct Cache {
    /// The latest used last.
    components: VecDeque<(Hash, usize, Component)>,
    bytes: usize,
    bytes_max: usize,
}

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { components: VecDeque::new(), bytes: 0, bytes_max }
    }

    pub(super) fn find(&mut self, hash: &Hash) -> Option<Component> {
        let place = self.components.iter().position(|(known, ..)| known == hash)?;
        let found = self.components.remove(place)?;
        let component = found.2.clone();
        self.components.push_back(found);
        Some(component)
    }

    /// Keeps a component that was made from `source_bytes` bytes, unless it is larger than the whole cache.
    pub(super) fn keep(&mut self, hash: Hash, source_bytes: usize, component: Component) {
        // The code of a small component takes more than its source: pages of its own, at least.
        let bytes = source_bytes.max(code_bytes(&component));
        if bytes > self.bytes_max || self.components.iter().any(|(known, ..)| *known == hash) {
            return;
        }
        self.bytes += bytes;
        self.components.push_back((hash, bytes, component));
        while self.bytes > self.bytes_max {
            let Some((_, bytes, _)) = self.components.pop_front() else { break };
            self.bytes -= bytes;
        }
    }

    /// Bytes of the code that is kept, by the hash of its source.
    pub(super) fn code_bytes(&self) -> HashMap<Hash, usize> {
        self.components.iter().map(|(hash, _, component)| (*hash, code_bytes(component))).collect()
    }

    pub(super) fn forget(&mut self, hash: &Hash) {
        if let Some(place) = self.components.iter().position(|(known, ..)| known == hash)
            && let Some((_, bytes, _)) = self.components.remove(place)
        {
            self.bytes -= bytes;
        }
    }
}

/// Bytes of memory that the code of a component takes.
pub(crate) fn code_bytes(component: &Component) -> usize {
    let code = component.image_range();
    code.end.addr() - code.start.addr()
}
