//! Which changes of tables are under way in this process, and which were interrupted.
#![cfg_attr(
    target_family = "wasm",
    allow(dead_code, reason = "a page's next change of the table takes back what was interrupted")
)]

use std::collections::HashSet;

use crate::engine::Mutex;

/// The changes under way, by the table's name.
#[derive(Debug, Default)]
pub(crate) struct Altering(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    under_way: HashSet<String>,
    /// Names of tables that may have a change that nobody goes on with.
    interrupted: HashSet<String>,
    /// Whether those of an earlier process have been looked for.
    has_looked: bool,
}

/// A change under way; when this is dropped, it is not any more.
pub(crate) struct UnderWay<'a> {
    altering: &'a Altering,
    name: &'a str,
    /// Whether something is pending, which housekeeping takes back.
    pub(crate) is_pending: bool,
}

impl Altering {
    /// Begins a change of the table; none where one is under way.
    pub(crate) fn begin<'a>(&'a self, name: &'a str) -> Option<UnderWay<'a>> {
        let is_first = self.0.lock().under_way.insert(name.to_owned());
        // Not `then_some`: what is made and thrown away would end the change that is under way.
        is_first.then(|| UnderWay { altering: self, name, is_pending: false })
    }

    /// Takes the names of tables whose change may have been interrupted. `all` finds those of an earlier process; it is asked once.
    pub(crate) fn take_interrupted(&self, all: impl FnOnce() -> Vec<String>) -> Vec<String> {
        let is_first = !std::mem::replace(&mut self.0.lock().has_looked, true);
        let found = if is_first { all() } else { Vec::new() };
        let mut state = self.0.lock();
        let mut names = std::mem::take(&mut state.interrupted);
        names.extend(found);
        // A change that is under way may fail before it takes an older one back.
        let (later, due): (HashSet<_>, HashSet<_>) = names.into_iter().partition(|name| state.under_way.contains(name));
        state.interrupted = later;
        due.into_iter().collect()
    }

    /// Says that the change of the table is still to be taken back.
    pub(crate) fn is_interrupted(&self, name: &str) {
        self.0.lock().interrupted.insert(name.to_owned());
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.altering.0.lock();
        state.under_way.remove(self.name);
        if self.is_pending {
            state.interrupted.insert(self.name.to_owned());
        }
    }
}
