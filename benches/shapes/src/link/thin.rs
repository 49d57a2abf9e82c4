//! `ArcSwapAny<ThinArc<Header, u8>>`: safe, version and value in one allocation behind one word.
//!
//! Keeping a value raises the version's own count, next to the bytes that the caller reads anyway; `Bytes` costs a
//! small allocation for its owner, but no further cache miss.

use arc_swap::ArcSwapAny;
use bytes::Bytes;
use triomphe::ThinArc;

use super::{Draft, Link};

type Version = ThinArc<Header, u8>;

/// The header before the value's bytes.
pub(crate) struct Header {
    version: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    time_ms: u64,
    #[expect(dead_code, reason = "held for its size: the engine needs it")]
    deadline_ms: u64,
    older: ArcSwapAny<Option<Version>>,
}

fn new_version(draft: &Draft<'_>, older: Option<Version>) -> Version {
    let header = Header {
        version: draft.version,
        time_ms: draft.time_ms,
        deadline_ms: draft.deadline_ms,
        older: ArcSwapAny::new(older),
    };
    ThinArc::from_header_and_slice(header, draft.value)
}

/// Lets `Bytes` own a version.
struct Value(Version);

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        &self.0.slice
    }
}

/// The head of a chain.
pub(crate) struct Thin(ArcSwapAny<Option<Version>>);

impl Thin {
    fn with<R>(&self, snapshot: u64, visit: impl FnOnce(&Version) -> R) -> Option<R> {
        let head = self.0.load();
        let head = head.as_ref()?;
        if head.header.header.version <= snapshot {
            return Some(visit(head));
        }
        let mut older = head.header.header.older.load_full();
        while let Some(version) = older {
            if version.header.header.version <= snapshot {
                return Some(visit(&version));
            }
            older = version.header.header.older.load_full();
        }
        None
    }
}

impl Link for Thin {
    fn new(first: &Draft<'_>) -> Self {
        Self(ArcSwapAny::new(Some(new_version(first, None))))
    }

    fn publish(&self, draft: &Draft<'_>) {
        let version = new_version(draft, self.0.load_full());
        self.0.store(Some(version.clone()));
        version.header.header.older.store(None);
    }

    fn get(&self, snapshot: u64) -> Option<Bytes> {
        self.with(snapshot, |version| Bytes::from_owner(Value(version.clone())))
    }

    fn read(&self, snapshot: u64, visit: &mut dyn FnMut(&[u8])) -> bool {
        self.with(snapshot, |version| visit(&version.slice)).is_some()
    }
}
