//! [`Budget`]: how many bytes work in flight may hold, in sum.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Bytes that all work in flight may hold together. Cloning gives another handle to the same one.
///
/// Who is about to hold bytes [takes](Self::take) a reservation first and keeps it for as long as the bytes: dropping it gives them back.
/// Nobody waits for a budget: what it has no room for is refused.
///
/// ```
/// use mantis_store::Budget;
/// let budget = Budget::new(100);
/// let mut body = budget.take(60).unwrap();
/// assert!(budget.take(60).is_none() && !body.grow_to(101));
/// assert!(body.grow_to(100));
/// drop(body);
/// assert_eq!((budget.bytes_in_use(), budget.refused_total()), (0, 2));
/// ```
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes_max: usize,
    bytes_in_use: AtomicUsize,
    refused: AtomicU64,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Inner { bytes_max, bytes_in_use: AtomicUsize::new(0), refused: AtomicU64::new(0) }))
    }

    /// Takes `bytes`; none where that would exceed the budget.
    #[must_use]
    pub fn take(&self, bytes: usize) -> Option<Reservation> {
        let mut reservation = self.reservation();
        reservation.grow_to(bytes).then_some(reservation)
    }

    /// A reservation of nothing, to grow.
    #[must_use]
    pub fn reservation(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }

    /// The budget's size in bytes.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.0.bytes_max
    }

    /// Bytes that are taken now.
    #[must_use]
    pub fn bytes_in_use(&self) -> usize {
        self.0.bytes_in_use.load(Relaxed)
    }

    /// How often it had no room.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    fn add(&self, bytes: usize) -> bool {
        let inner = &*self.0;
        let room = |in_use: usize| in_use.checked_add(bytes).filter(|&sum| sum <= inner.bytes_max);
        inner.bytes_in_use.fetch_update(Relaxed, Relaxed, room).is_ok()
    }
}

impl Default for Budget {
    /// A budget without an end.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

/// Bytes taken of a [`Budget`]. Dropping it gives them back.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    /// Bytes taken.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what is missing to `bytes`, and nothing where there are as many. False where that would exceed the budget: then it stays as
    /// it is.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        self.grow_ahead(bytes, 0)
    }

    /// As [`grow_to`](Self::grow_to), and where something is missing takes `ahead` more, if there is room for that: for what grows in many
    /// small steps.
    #[must_use]
    pub fn grow_ahead(&mut self, bytes: usize, ahead: usize) -> bool {
        if bytes <= self.bytes {
            return true;
        }
        let is_taken = self.try_grow(bytes.saturating_add(ahead)) || self.try_grow(bytes);
        if !is_taken {
            self.budget.0.refused.fetch_add(1, Relaxed);
        }
        is_taken
    }

    fn try_grow(&mut self, bytes: usize) -> bool {
        let is_taken = self.budget.add(bytes - self.bytes);
        if is_taken {
            self.bytes = bytes;
        }
        is_taken
    }

    /// All that is taken, for another owner; nothing is left here.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, self.budget.reservation())
    }

    /// Gives back what exceeds `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        if let Some(surplus) = self.bytes.checked_sub(bytes) {
            self.budget.0.bytes_in_use.fetch_sub(surplus, Relaxed);
            self.bytes = bytes;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is taken, grown, shrunk and dropped: the sum is that of the reservations, and never beyond the budget.
        #[test]
        fn the_sum_is_that_of_the_reservations(steps in prop::collection::vec((0..4_u8, 0..8_usize, 0..200_usize), 0..60)) {
            let budget = Budget::new(500);
            let mut held: Vec<Reservation> = Vec::new();
            let mut refused = 0;
            for (kind, index, bytes) in steps {
                let sum: usize = held.iter().map(Reservation::bytes).sum();
                match (kind, held.get_mut(index)) {
                    (0, Some(reservation)) => {
                        let fits = sum - reservation.bytes() + bytes.max(reservation.bytes()) <= 500;
                        prop_assert_eq!(reservation.grow_to(bytes), fits);
                        refused += u64::from(!fits);
                    }
                    (1, Some(reservation)) => reservation.shrink_to(bytes),
                    (2, Some(_)) => drop(held.swap_remove(index)),
                    _ => {
                        let taken = budget.take(bytes);
                        prop_assert_eq!(taken.is_some(), sum + bytes <= 500);
                        refused += u64::from(taken.is_none());
                        held.extend(taken);
                    }
                }
                prop_assert_eq!(budget.bytes_in_use(), held.iter().map(Reservation::bytes).sum::<usize>());
                prop_assert_eq!(budget.refused_total(), refused);
            }
            drop(held);
            prop_assert_eq!(budget.bytes_in_use(), 0);
        }
    }

    #[test]
    fn a_reservation_near_the_largest_number_does_not_overflow() {
        let budget = Budget::default();
        let mut all = budget.take(usize::MAX).unwrap();
        assert!(budget.take(1).is_none());
        all.shrink_to(1);
        assert!(budget.take(usize::MAX).is_none() && budget.take(usize::MAX - 1).is_some());
    }
}
