//! That docs/concepts/data-model.md tells the limits as they are.
