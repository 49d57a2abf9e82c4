//! Spans: sets of neighbouring keys.

/// A set of neighbouring keys of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Span {
    /// All of them.
    #[default]
    All,
    /// Those that begin with these bytes.
    Prefix(Vec<u8>),
    /// Those from `start` (inclusive) to `end` (exclusive), where given.
    Between {
        /// Start of the range (inclusive).
        start: Option<Vec<u8>>,
        /// End of the range (exclusive).
        end: Option<Vec<u8>>,
    },
}
