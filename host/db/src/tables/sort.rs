//! Sorting. The standard library's algorithm is some kilobytes for each type of elements, which a page would download a dozen times: the build
//! for pages has it once, for places.

use std::cmp::Ordering;

/// Sorts by an order. Equal elements stay in theirs.
pub(crate) fn sort_by<T>(elements: &mut [T], order: impl FnMut(&T, &T) -> Ordering) {
    #[cfg(not(target_family = "wasm"))]
    elements.sort_by(order);
    #[cfg(target_family = "wasm")]
    sort_by_places(elements, order);
}

#[cfg(any(target_family = "wasm", test))]
fn sort_by_places<T>(elements: &mut [T], mut order: impl FnMut(&T, &T) -> Ordering) {
    let mut from = sorted_places(elements.len(), &mut |left, right| order(&elements[left], &elements[right]));
    for place in 0..from.len() {
        // What belongs here may have been swapped to another place before.
        let mut at = from[place];
        while at < place {
            at = from[at];
        }
        from[place] = at;
        elements.swap(place, at);
    }
}

#[cfg(any(target_family = "wasm", test))]
fn sorted_places(count: usize, order: &mut dyn FnMut(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by(|&left, &right| order(left, right));
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn by_places_is_the_same_order(numbers: Vec<(u8, u32)>) {
            let (mut by_places, mut expected) = (numbers.clone(), numbers);
            sort_by_places(&mut by_places, |(left, _), (right, _)| left.cmp(right));
            expected.sort_by_key(|(number, _)| *number);
            prop_assert_eq!(by_places, expected);
        }
    }
}
