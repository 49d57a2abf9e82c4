//! What is compared. A name reads: shape, node key, link, index.

use crate::index::{None, Papaya, SccIndex, SccMap, Sharded};
use crate::key::{BoxedKey, InlineKey};
use crate::link::epoch::Epoch;
use crate::link::locked::Locked;
use crate::link::swapped::Swapped;
use crate::link::thin::Thin;
use crate::shape::Shape;
use crate::shape::baseline::LockedTree;
use crate::shape::chained::Chained;
use crate::shape::node::{Inline, Pointer, Prefixed};
use crate::shape::versioned::Versioned;

/// A map under a name.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    pub(crate) build: fn() -> Box<dyn Shape>,
}

/// Every candidate, in the order of the table.
pub(crate) const CANDIDATES: &[Candidate] = &[
    Candidate { name: "RwLock<BTreeMap>, one version", build: boxed::<LockedTree> },
    Candidate { name: "A inline", build: boxed::<Versioned<Swapped, None>> },
    Candidate { name: "A inline, swap, papaya", build: boxed::<Versioned<Swapped, Papaya<InlineKey, Swapped>>> },
    Candidate {
        name: "B pointer (boxed key), swap",
        build: boxed::<B<BoxedKey, Swapped, Pointer<BoxedKey, Swapped>, None>>,
    },
    Candidate { name: "B pointer, swap", build: boxed::<B<InlineKey, Swapped, Pointer<InlineKey, Swapped>, None>> },
    Candidate { name: "B inline, swap", build: boxed::<Inlined<Swapped, None>> },
    Candidate { name: "B prefix, swap", build: boxed::<PrefixedB<Swapped, None>> },
    Candidate { name: "B inline, swap, papaya", build: boxed::<Inlined<Swapped, Papaya<InlineKey, Swapped>>> },
    Candidate { name: "B inline, swap, scc HashIndex", build: boxed::<Inlined<Swapped, SccIndex<InlineKey, Swapped>>> },
    Candidate { name: "B inline, swap, scc HashMap", build: boxed::<Inlined<Swapped, SccMap<InlineKey, Swapped>>> },
    Candidate { name: "B inline, swap, sharded", build: boxed::<Inlined<Swapped, Sharded<InlineKey, Swapped>>> },
    Candidate { name: "B inline, epoch, papaya", build: boxed::<Inlined<Epoch, Papaya<InlineKey, Epoch>>> },
    Candidate { name: "B inline, lock, papaya", build: boxed::<Inlined<Locked, Papaya<InlineKey, Locked>>> },
    Candidate { name: "B inline, thin, papaya", build: boxed::<Inlined<Thin, Papaya<InlineKey, Thin>>> },
    Candidate {
        name: "B prefix (boxed key), thin, papaya",
        build: boxed::<B<BoxedKey, Thin, Prefixed<BoxedKey, Thin>, Papaya<BoxedKey, Thin>>>,
    },
    Candidate { name: "B pointer, thin, papaya", build: boxed::<PointerB<Thin, Papaya<InlineKey, Thin>>> },
    Candidate { name: "B pointer, thin, scc HashIndex", build: boxed::<PointerB<Thin, SccIndex<InlineKey, Thin>>> },
    Candidate { name: "B prefix, thin, papaya", build: boxed::<PrefixedB<Thin, Papaya<InlineKey, Thin>>> },
    Candidate { name: "B prefix, thin, scc HashIndex", build: boxed::<PrefixedB<Thin, SccIndex<InlineKey, Thin>>> },
    Candidate { name: "B prefix, thin, sharded", build: boxed::<PrefixedB<Thin, Sharded<InlineKey, Thin>>> },
];

type B<K, L, N, I> = Chained<K, L, N, I>;
type PointerB<L, I> = Chained<InlineKey, L, Pointer<InlineKey, L>, I>;
type Inlined<L, I> = Chained<InlineKey, L, Inline<InlineKey, L>, I>;
type PrefixedB<L, I> = Chained<InlineKey, L, Prefixed<InlineKey, L>, I>;

fn boxed<S: Shape + Default + 'static>() -> Box<dyn Shape> {
    Box::new(S::default())
}
