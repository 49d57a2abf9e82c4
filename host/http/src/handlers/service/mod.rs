//! What operators and browsers ask: health, figures, documents.

pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod home;
pub(crate) mod metrics;
pub(crate) mod stats;
