//! Instances of a plugin: made for one call, or kept warm for the next.

mod guest;

pub(crate) use guest::{Blueprint, Finished, GuestInstance, Outcome, WarmInstances, WarmPlaces};
