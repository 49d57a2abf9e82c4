//! Binding, by text: a query over a small library and what it is bound to, or why it is refused.

mod check;
mod embeds;
mod filters;
mod groups;
mod invariants;
mod library;
mod limits;
mod relationships;
mod selects;
mod written;
