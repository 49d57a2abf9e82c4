//! The control for the check: a `SkipMap` whose live keys are overwritten, which loses reads in release 0.1.3.

use bytes::Bytes;
use crossbeam_skiplist::SkipMap;

use super::Shape;
use crate::key::InlineKey;
use crate::link::Draft;

/// Known to be faulty.
#[derive(Default)]
pub(crate) struct Overwriting(SkipMap<InlineKey, (u64, Bytes)>);

impl Shape for Overwriting {
    fn put(&self, key: &[u8], draft: &Draft<'_>) {
        self.0.insert(key.into(), (draft.version, Bytes::copy_from_slice(draft.value)));
    }

    fn get(&self, key: &[u8], snapshot: u64) -> Option<Bytes> {
        let entry = self.0.get(&InlineKey::from(key))?;
        let (version, value) = entry.value();
        (*version <= snapshot).then(|| value.clone())
    }

    fn read(&self, key: &[u8], snapshot: u64, visit: &mut dyn FnMut(&[u8])) -> bool {
        self.get(key, snapshot).map(|value| visit(&value)).is_some()
    }

    fn scan(&self, from: &[u8], count: usize, snapshot: u64, visit: &mut dyn FnMut(&[u8], Bytes)) {
        let first = InlineKey::from(from);
        let entries = self.0.iter().skip_while(|entry| *entry.key() < first);
        for entry in entries.filter(|entry| entry.value().0 <= snapshot).take(count) {
            visit(entry.key().as_ref(), entry.value().1.clone());
        }
    }
}
