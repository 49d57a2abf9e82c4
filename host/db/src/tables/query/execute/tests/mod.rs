//! Selects on real rows.

mod embeds;
mod explained;
mod plans;
mod properties;
mod selects;
mod world;

use world::{World, described};
