//! Reads of the newest state, published or not, and what they rest on: for the holder of the writers' lock.

use std::ops::ControlFlow;

use crate::engine::record::NodeExt;
use crate::store::Inner;
use crate::{Direction, Entry, KeyRange, Version};

/// Each read raises `seen` to the version that it met. Deletions count, and what has expired: that there is nothing rests on them.
/// Where there is no record there never was a value, or everybody sees that it is gone.
impl Inner {
    pub(crate) fn get_newest(&self, key: &[u8], seen: &mut Version) -> Option<Entry> {
        let newest = self
            .map
            .find(key, |record| record.newest(|node| (node.about().version, node.live(|| self.clock.now_ms()))));
        let (version, entry) = newest?;
        *seen = version.max(*seen);
        entry
    }

    pub(crate) fn visit_newest(
        &self,
        range: &KeyRange,
        direction: Direction,
        seen: &mut Version,
        see: &mut dyn FnMut(&[u8], Entry) -> ControlFlow<()>,
    ) {
        self.walk(range, direction, &mut |record| {
            let entry = record.newest(|node| {
                *seen = node.about().version.max(*seen);
                node.live(|| self.clock.now_ms())
            });
            entry.map_or(ControlFlow::Continue(()), |entry| see(record.key(), entry))
        });
    }
}
