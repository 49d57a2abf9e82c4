//! Instances of a plugin: made for one call, or kept warm for the next.
//!
//! | file | holds |
//! |---|---|
//! | `warm` | the pool of instances of a plugin with `reuse` |
//! | `guest` | [`GuestInstance`]: one instance, which runs functions |
//! | `outcome` | how a run ends |

mod guest;
mod outcome;
mod warm;

pub(crate) use guest::{Blueprint, GuestInstance};
pub(crate) use outcome::{Finished, Outcome};
pub(crate) use warm::{WarmInstances, WarmPlaces};
