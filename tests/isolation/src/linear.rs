//! One key: is there an order of the calls that all of them agree with, in which none comes before one that had returned when it was
//! called? The search is Wing's and Gong's (1993) with Lowe's memory of tried states (2017).

use std::collections::{HashMap, HashSet};

use crate::history::{Commit, NEVER};

/// The state of the key: nothing, or a number.
pub type State = Option<i64>;

/// The condition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The key holds nothing.
    Absent,
    /// The key holds something.
    Present,
    /// The key holds this. A client that gives a version means the value that it saw at it.
    Value(i64),
}

/// A request and its answer. Answers of open calls are unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A read and what it found.
    Get(State),
    /// A write.
    Set(i64),
    /// A deletion, and whether there was something.
    Delete(Option<bool>),
    /// A conditional write of `value`, and whether it was done.
    Swap {
        /// The condition.
        expect: Expect,
        /// The value.
        value: i64,
        /// Whether it was applied.
        done: Option<bool>,
    },
    /// An addition to a number, where nothing counts as 0, and the sum.
    Add {
        /// What was added.
        by: i64,
        /// The sum.
        sum: Option<i64>,
    },
}

/// One call on a key. Calls that are certain to have failed are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When it was made.
    pub called: u64,
    /// When it returned; [`NEVER`] if its outcome is unknown.
    pub returned: u64,
    /// The request and the answer.
    pub what: What,
    /// The commit that wrote what was found or written, if the client learned of it.
    pub version: Option<u64>,
}

/// Why the calls on a key cannot have taken effect one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No order agrees with the answers. Names the call at which the longest attempt ended.
    NotLinearisable(Call),
    /// One version has two values.
    TwoValues(Box<[Call; 2]>),
    /// The versions contradict the order of time: the first has the smaller one and was called when the second had returned.
    VersionsBackwards(Box<[Call; 2]>),
    /// The search was abandoned after [`STEPS_MAX`] steps.
    Undecided,
}

/// Steps after which a search is abandoned. Histories without faults take about one a call.
pub const STEPS_MAX: usize = 5_000_000;

impl What {
    /// The state of the key afterwards; `None` if the answer contradicts the state before.
    #[must_use]
    pub fn apply(self, state: State) -> Option<State> {
        let holds = |expect| match expect {
            Expect::Absent => state.is_none(),
            Expect::Present => state.is_some(),
            Expect::Value(value) => state == Some(value),
        };
        let agrees = |answer: Option<bool>, truth| answer.is_none_or(|answer| answer == truth);
        match self {
            Self::Get(found) => (found == state).then_some(state),
            Self::Set(value) => Some(Some(value)),
            Self::Delete(existed) => agrees(existed, state.is_some()).then_some(None),
            Self::Swap { expect, value, done } => {
                agrees(done, holds(expect)).then(|| if holds(expect) { Some(value) } else { state })
            }
            Self::Add { by, sum } => {
                let now = state.unwrap_or(0) + by;
                sum.is_none_or(|sum| sum == now).then_some(Some(now))
            }
        }
    }

    /// Whether it may change what the key holds.
    fn is_write(&self) -> bool {
        !matches!(self, Self::Get(_) | Self::Delete(Some(false)) | Self::Swap { done: Some(false), .. })
    }

    fn written(&self) -> State {
        match *self {
            Self::Get(found) => found,
            Self::Set(value) | Self::Swap { value, .. } => Some(value),
            Self::Delete(_) => None,
            Self::Add { sum, .. } => sum,
        }
    }
}

/// Checks the calls on one key by their answers alone; versions are ignored. The key holds nothing at first.
///
/// # Errors
/// [`Fault::NotLinearisable`], [`Fault::Undecided`].
pub fn check(calls: &[Call]) -> Result<(), Fault> {
    let mut calls = calls.to_vec();
    calls.sort_by_key(|call| call.called);
    Search::new(&calls).run()
}

/// A depth-first search for an order.
struct Search<'c> {
    /// In the order in which they were called.
    calls: &'c [Call],
    taken: Vec<bool>,
    /// All calls before this index are taken, or open.
    first: usize,
    /// Those of the open ones.
    open: Vec<usize>,
    /// Calls that have returned and are not taken.
    left: usize,
    /// Sets of taken calls, with their state, that the search has visited.
    seen: HashSet<(Vec<u64>, State)>,
}

/// A choice: a state, and the calls that may take effect next.
struct Choice {
    state: State,
    next: Vec<usize>,
    /// The call that led here, and where `first` was before.
    taken: Option<(usize, usize)>,
}

impl<'c> Search<'c> {
    fn new(calls: &'c [Call]) -> Self {
        let is_open = |&place: &usize| calls[place].returned == NEVER;
        let open: Vec<_> = (0..calls.len()).filter(is_open).collect();
        let left = calls.len() - open.len();
        Self { calls, taken: vec![false; calls.len()], first: 0, open, left, seen: HashSet::new() }
    }

    fn run(mut self) -> Result<(), Fault> {
        let (mut deepest, mut stuck_at) = (0, None);
        let mut choices = vec![Choice { state: None, next: self.next(None), taken: None }];
        for _ in 0..STEPS_MAX {
            if self.left == 0 {
                return Ok(());
            }
            let depth = choices.len();
            let Some(choice) = choices.last_mut() else {
                return Err(stuck_at.map_or(Fault::Undecided, |place: usize| Fault::NotLinearisable(self.calls[place])));
            };
            if depth > deepest {
                (deepest, stuck_at) = (depth, self.blocking());
            }
            let state = choice.state;
            let Some(place) = choice.next.pop() else {
                if let Some((place, first)) = choice.taken {
                    self.give_back(place, first);
                }
                choices.pop();
                continue;
            };
            let Some(after) = self.calls[place].what.apply(state) else { continue };
            let first = self.first;
            self.take(place);
            if self.seen.insert((self.bits(), after)) {
                choices.push(Choice { state: after, next: self.next(after), taken: Some((place, first)) });
            } else {
                self.give_back(place, first);
            }
        }
        Err(Fault::Undecided)
    }

    /// The calls that may come next, the best guess last: no remaining call had returned when they were called.
    fn next(&mut self, state: State) -> Vec<usize> {
        while self.first < self.calls.len() && (self.taken[self.first] || self.calls[self.first].returned == NEVER) {
            self.first += 1;
        }
        let mut bound = NEVER;
        let mut next = Vec::new();
        for place in self.first..self.calls.len() {
            let call = &self.calls[place];
            if call.called > bound {
                break;
            }
            if !self.taken[place] && call.returned != NEVER {
                // A call that agrees and never changes anything may come now: no later call depends on it.
                if !call.what.is_write() && call.what.apply(state).is_some() {
                    return vec![place];
                }
                bound = bound.min(call.returned);
                next.push(place);
            }
        }
        // Calls that may never have happened are the last resort.
        let open = self.open.iter().copied().filter(|&place| !self.taken[place] && self.calls[place].called < bound);
        let mut guesses: Vec<_> = open.collect();
        guesses.extend(next.into_iter().rev());
        guesses
    }

    fn take(&mut self, place: usize) {
        self.taken[place] = true;
        self.left -= usize::from(self.calls[place].returned != NEVER);
    }

    fn give_back(&mut self, place: usize, first: usize) {
        self.taken[place] = false;
        self.left += usize::from(self.calls[place].returned != NEVER);
        self.first = first;
    }

    /// The call that must come before all that were called after it returned.
    fn blocking(&self) -> Option<usize> {
        let left = (0..self.calls.len()).filter(|&place| !self.taken[place]);
        left.min_by_key(|&place| self.calls[place].returned)
    }

    fn bits(&self) -> Vec<u64> {
        let pack = |chunk: &[bool]| chunk.iter().fold(0, |bits, &taken| bits << 1 | u64::from(taken));
        self.taken.chunks(64).map(pack).collect()
    }
}

/// Checks the versions of one key's calls: a version has one value, and in the order of versions, writes before reads, no call had returned
/// when an earlier one was called.
///
/// # Errors
/// [`Fault::TwoValues`], [`Fault::VersionsBackwards`].
pub fn check_versions(calls: &[Call]) -> Result<(), Fault> {
    let mut numbered: Vec<_> = calls.iter().filter_map(|call| Some((call.version?, call))).collect();
    numbered.sort_by_key(|(version, call)| (*version, !call.what.is_write()));
    let mut values: HashMap<u64, &Call> = HashMap::new();
    for (version, call) in &numbered {
        let other = values.entry(*version).or_insert(call);
        if other.what.written() != call.what.written() {
            return Err(Fault::TwoValues(Box::new([**other, **call])));
        }
    }
    let mut latest: Option<&Call> = None;
    for same in numbered.chunk_by(|(a, x), (b, y)| a == b && x.what.is_write() == y.what.is_write()) {
        for (_, call) in same {
            if let Some(latest) = latest.filter(|latest| call.returned < latest.called) {
                return Err(Fault::VersionsBackwards(Box::new([*latest, **call])));
            }
        }
        latest = latest.into_iter().chain(same.iter().map(|(_, call)| *call)).max_by_key(|call| call.called);
    }
    Ok(())
}

/// The commits that the calls mention.
pub fn commits(calls: &[Call]) -> impl Iterator<Item = Commit> {
    let writes = calls.iter().filter(|call| call.what.is_write());
    writes.filter_map(|call| Some(Commit { called: call.called, returned: call.returned, version: call.version? }))
}
