//! What a select answers besides its rows.

/// What a select answers besides its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// Rows shown.
    pub rows: u64,
    /// Rows passed over by `offset`, or as many as there were.
    pub offset: u64,
    /// Rows in all, where they were counted or estimated.
    pub total: Option<u64>,
    /// Names that were used although an alias hides them.
    pub warnings: Vec<String>,
}

/// How many rows there are in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Count {
    /// Not asked for.
    #[default]
    None,
    /// Counted.
    Exact,
    /// By the planner's estimate.
    Planned,
    /// Counted up to a bound of rows, estimated beyond.
    Estimated,
}
