//! What one array holds of another: by elements, whatever their order and dimensions. Nulls match nothing.

use crate::tables::sort::sort_by;
use crate::tables::types::compare::compare;
use crate::tables::types::{Array, Value};

/// Whether each element of `b` is one of `a` (`a @> b`). An empty one is in every array.
#[must_use]
pub fn array_contains(a: &Array, b: &Array) -> bool {
    let sorted = Sorted::new(a);
    b.elements.iter().all(|element| sorted.has(element))
}

/// Whether an element of `b` is one of `a` (`a && b`).
#[must_use]
pub fn array_overlaps(a: &Array, b: &Array) -> bool {
    let sorted = Sorted::new(a);
    b.elements.iter().any(|element| sorted.has(element))
}

/// The elements that are not null, in order, so that two long arrays don't cost the product of their lengths.
struct Sorted<'a>(Vec<&'a Value<'static>>);

impl<'a> Sorted<'a> {
    fn new(array: &'a Array) -> Self {
        let mut elements = array.elements.iter().filter(|element| !element.is_null()).collect::<Vec<_>>();
        sort_by(&mut elements, |a, b| compare(a, b));
        Self(elements)
    }

    fn has(&self, element: &Value<'_>) -> bool {
        !element.is_null() && self.0.binary_search_by(|other| compare(other, element)).is_ok()
    }
}
