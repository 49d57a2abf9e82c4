//! Instances that are kept warm for the next call, in a pool for each plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mantis_pool::{Manager, Metrics};

use super::guest::{Blueprint, GuestInstance};
use crate::stats::Counters;

/// Makes the instances of a plugin's pool.
pub(crate) struct WarmInstances {
    blueprint: Arc<Blueprint>,
    places: Arc<WarmPlaces>,
    counters: Arc<Counters>,
}

/// An instance of a pool, and its place among the warm instances of all plugins.
pub(crate) struct WarmInstance {
    pub(crate) instance: GuestInstance,
    _place: WarmPlace,
}

/// The bound on the instances that all plugins together keep, so that calls which need a fresh one find room.
pub(crate) struct WarmPlaces {
    taken: AtomicUsize,
    max: usize,
}

struct WarmPlace(Arc<WarmPlaces>);

/// Why a pool has no instance.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotWarm {
    #[error("the limit of idle instances of all plugins is reached")]
    NoPlace,
    #[error("it was stopped or trapped")]
    Spoilt,
    #[error("it left handles or transactions open, or its memory is nearly used up")]
    Leftovers,
}

impl WarmPlaces {
    pub(crate) fn new(max: usize) -> Self {
        Self { taken: AtomicUsize::new(0), max }
    }

    fn take(self: &Arc<Self>) -> Option<WarmPlace> {
        let taken = self
            .taken
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |taken| (taken < self.max).then_some(taken + 1));
        taken.is_ok().then(|| WarmPlace(Arc::clone(self)))
    }
}

impl Drop for WarmPlace {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WarmInstances {
    pub(crate) fn new(blueprint: Arc<Blueprint>, places: Arc<WarmPlaces>, counters: Arc<Counters>) -> Self {
        Self { blueprint, places, counters }
    }
}

impl Manager for WarmInstances {
    type Object = WarmInstance;
    type Error = NotWarm;

    async fn create(&self) -> Result<WarmInstance, NotWarm> {
        let place = self.places.take().ok_or(NotWarm::NoPlace)?;
        Ok(WarmInstance { instance: GuestInstance::new(&self.blueprint), _place: place })
    }

    fn release(&self, warm: &mut WarmInstance, _: &Metrics) -> Result<(), NotWarm> {
        if warm.instance.is_spoilt() {
            return Err(NotWarm::Spoilt);
        }
        if warm.instance.has_leftovers() {
            self.counters.leftovers.add(1);
            return Err(NotWarm::Leftovers);
        }
        Ok(())
    }
}
