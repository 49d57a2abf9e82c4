//! The parameters of a path.

use std::ops::Range;

/// Where the path's parameters stand in the raw path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Captures(pub(crate) [Option<(&'static str, Range<usize>)>; 2]);

impl Captures {
    pub(crate) fn get<'p>(&self, path: &'p str, name: &str) -> &'p str {
        let found = self.0.iter().flatten().find(|(own, _)| *own == name);
        found.and_then(|(_, range)| path.get(range.clone())).unwrap_or_default()
    }
}
