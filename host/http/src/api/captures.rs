//! The parameters of a path, as they are in it.

use std::ops::Range;

use smallvec::SmallVec;

use crate::api::description::PathParameter;

/// Where the parameters are in the raw path: as many as its route names. A few take no allocation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Captures(SmallVec<[Capture; 4]>);

#[derive(Debug, Clone)]
struct Capture {
    name: &'static str,
    range: Range<usize>,
}

impl Captures {
    pub(crate) fn push(&mut self, name: &'static str, range: Range<usize>) {
        self.0.push(Capture { name, range });
    }

    /// Ends the last parameter so many bytes earlier.
    pub(crate) fn shorten_last(&mut self, bytes: usize) {
        if let Some(Capture { range, .. }) = self.0.last_mut() {
            range.end = range.end.saturating_sub(bytes).max(range.start);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The raw text of a parameter; empty where the route has no such parameter.
    pub(crate) fn get<'p>(&self, path: &'p str, parameter: &PathParameter) -> &'p str {
        let found = self.0.iter().find(|capture| capture.name == parameter.name);
        found.and_then(|capture| path.get(capture.range.clone())).unwrap_or_default()
    }
}
