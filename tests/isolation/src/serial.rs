//! All keys: is there an order of the transactions that explains the reads of each?
//!
//! Every key holds a list to which unique elements are appended, so that a read shows which writes came before it and in which order
//! (Kingsbury and Alvaro 2020). That gives a graph of necessary orders; transactions that form a cycle cannot have happened one after the
//! other. A serialisable transaction is one node. One under snapshot isolation is two, its reads and its writes, and one that overwrites
//! another reads after it; then write skew is no cycle, but every other anomaly still is. Time gives edges, too: the result is an order in
//! which nothing comes before something that had returned when it was called (strict serialisability).

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::graph::{Edge, Graph, Why};
use crate::history::{Element, How, Isolation, Key, NEVER, Operation, Outcome, Transaction};
use crate::replay::Step;

macro_rules! kinds {
    ($($variant:ident $name:literal;)*) => {
        /// An anomaly, by its name in the literature if it has one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = concat!("“", $name, "”")] $variant,)*
        }

        impl Kind {
            /// Its name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    Own "a transaction does not see its own writes";
    NeverWritten "read of a value never written";
    Duplicated "duplicated append";
    AbortedRead "aborted read (G1a)";
    IntermediateRead "intermediate read (G1b)";
    LostUpdate "lost update";
    DirtyWrite "dirty write (G0)";
    CircularFlow "circular information flow (G1c)";
    FracturedRead "fractured read (G-single)";
    ReadSkew "read skew (G-single)";
    WriteSkew "write skew (G2-item)";
    Phantom "phantom (G2)";
    DirtyRead "dirty read (before the commit)";
    StaleRead "stale read (against real time)";
    RealTime "order against real time";
}

/// An anomaly and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// Its name.
    pub kind: Kind,
    /// Its transactions, by their places in the history.
    pub between: Vec<usize>,
    /// Its key; the first one if there are several.
    pub key: Key,
}

/// Checks a history, and returns an order that explains it, as [`crate::replay::replay`] proves.
///
/// The reads of transactions that failed, or whose outcome is open and whose writes nobody saw, must also be of one moment.
///
/// # Errors
/// The first anomaly found.
pub fn check(history: &[Transaction]) -> Result<Vec<Step>, Anomaly> {
    let versions = Versions::new(history)?;
    let graph = Nodes { history, committed: &versions.committed }.graph(&versions);
    match graph.order() {
        Ok(order) => Ok(order.into_iter().filter_map(|node| versions.step(node)).collect()),
        Err(cycle) => Err(classify(&graph, &cycle, &versions)),
    }
}

/// A list that a transaction read, without its own elements.
struct Read<'h> {
    by: usize,
    key: Key,
    list: &'h [Element],
    how: How,
}

/// A transaction's appends to a key, and the list before.
struct Write<'h> {
    by: usize,
    key: Key,
    base: &'h [Element],
    elements: Vec<Element>,
}

/// The writers of each key, in order.
struct Versions<'h> {
    history: &'h [Transaction],
    reads: Vec<Read<'h>>,
    writes: Vec<Write<'h>>,
    /// The transaction that appended an element, and whether it was its last one for this key.
    writers: HashMap<(Key, Element), (usize, bool)>,
    /// The final contents of each key.
    lists: BTreeMap<Key, Vec<Element>>,
    /// The transactions that happened.
    committed: Vec<bool>,
}

impl<'h> Versions<'h> {
    fn new(history: &'h [Transaction]) -> Result<Self, Anomaly> {
        let (reads, writes) = (Vec::new(), Vec::new());
        let (writers, lists) = (HashMap::new(), BTreeMap::new());
        let committed = history.iter().map(|transaction| transaction.outcome == Outcome::Done).collect();
        let mut versions = Self { history, reads, writes, writers, lists, committed };
        for (by, transaction) in history.iter().enumerate() {
            versions.note(by, transaction)?;
        }
        versions.order_reads()?;
        versions.order_unread()?;
        Ok(versions)
    }

    /// Notes the reads of a transaction from others, and its writes.
    fn note(&mut self, by: usize, transaction: &'h Transaction) -> Result<(), Anomaly> {
        let mut seen: HashMap<Key, &'h [Element]> = HashMap::new();
        let mut own: BTreeMap<Key, Write<'h>> = BTreeMap::new();
        for operation in &transaction.operations {
            match operation {
                Operation::Read { key, list, how } => {
                    let appended = own.get(key).map_or(&[][..], |write| &write.elements);
                    let Some(list) = list.strip_suffix(appended) else {
                        return Err(Anomaly { kind: Kind::Own, between: vec![by], key: *key });
                    };
                    seen.insert(*key, list);
                    self.reads.push(Read { by, key: *key, list, how: *how });
                }
                &Operation::Append { key, element } => {
                    let base = seen.get(&key).copied().unwrap_or_default();
                    let write = own.entry(key).or_insert_with(|| Write { by, key, base, elements: Vec::new() });
                    if let Some(before) = write.elements.last() {
                        self.writers.insert((key, *before), (by, false));
                    }
                    write.elements.push(element);
                    self.writers.insert((key, element), (by, true));
                }
            }
        }
        self.writes.extend(own.into_values());
        Ok(())
    }

    /// Orders the reads: of two lists of a key one must begin with the other.
    fn order_reads(&mut self) -> Result<(), Anomaly> {
        let counts = |committed: &[bool], read: &Read<'_>| read.how != How::Expected || committed[read.by];
        let longest = loop {
            let mut longest: BTreeMap<Key, &Read<'h>> = BTreeMap::new();
            for read in self.reads.iter().filter(|read| counts(&self.committed, read)) {
                let other = longest.entry(read.key).or_insert(read);
                if read.list.len() > other.list.len() {
                    *other = read;
                }
            }
            // Writes that were seen have happened, and so have the writes that their conditions rest on.
            let mut news = false;
            for read in longest.values() {
                self.check_elements(read)?;
                for element in read.list {
                    let (writer, _) = self.writers[&(read.key, *element)];
                    news |= !std::mem::replace(&mut self.committed[writer], true);
                }
            }
            if !news {
                break longest;
            }
        };
        for read in self.reads.iter().filter(|read| counts(&self.committed, read)) {
            let last = longest[&read.key];
            if !last.list.starts_with(read.list) {
                self.check_elements(read)?;
                return Err(Anomaly { kind: Kind::LostUpdate, between: self.forked(last, read), key: read.key });
            }
            if let Some(element) = read.list.last()
                && let (writer, false) = self.writers[&(read.key, *element)]
            {
                return Err(Anomaly { kind: Kind::IntermediateRead, between: vec![writer, read.by], key: read.key });
            }
        }
        self.lists = longest.iter().map(|(&key, read)| (key, read.list.to_vec())).collect();
        let committed = &self.committed;
        self.reads.retain(|read| counts(committed, read));
        Ok(())
    }

    /// An unseen write that happened came after the list to which it was appended; only one can.
    fn order_unread(&mut self) -> Result<(), Anomaly> {
        for write in self.writes.iter().filter(|write| self.committed[write.by]) {
            let list = self.lists.entry(write.key).or_default();
            let Some(rest) = list.strip_prefix(write.base) else { continue };
            match rest.first() {
                None => list.extend(&write.elements),
                // Writes that were seen have their place.
                Some(_) if rest.contains(&write.elements[0]) => {}
                Some(next) => {
                    let between = vec![write.by, self.writers[&(write.key, *next)].0];
                    return Err(Anomaly { kind: Kind::LostUpdate, between, key: write.key });
                }
            }
        }
        Ok(())
    }

    fn check_elements(&self, read: &Read<'_>) -> Result<(), Anomaly> {
        let mut seen = HashSet::new();
        for element in read.list {
            let (kind, writer) = match self.writers.get(&(read.key, *element)) {
                None => (Kind::NeverWritten, read.by),
                Some(&(writer, _)) if self.history[writer].outcome == Outcome::Failed => (Kind::AbortedRead, writer),
                Some(&(writer, _)) if !seen.insert(element) => (Kind::Duplicated, writer),
                Some(_) => continue,
            };
            return Err(Anomaly { kind, between: vec![writer, read.by], key: read.key });
        }
        Ok(())
    }

    /// Transactions that appended to the same list, where two lists diverge.
    fn forked(&self, a: &Read<'_>, b: &Read<'_>) -> Vec<usize> {
        let parting = a.list.iter().zip(b.list).find(|(a, b)| a != b);
        parting.map_or_else(Vec::new, |(x, y)| [x, y].map(|element| self.writers[&(a.key, *element)].0).to_vec())
    }

    fn nodes(&self) -> Nodes<'_> {
        Nodes { history: self.history, committed: &self.committed }
    }

    /// The transaction of a node; `None` for a moment between calls.
    fn step(&self, node: usize) -> Option<Step> {
        let transactions = self.history.len();
        if node >= transactions {
            let place = node - transactions;
            return (place < transactions && self.nodes().writes(place) == node).then_some(Step::Commits(place));
        }
        Some(match (self.committed[node], self.history[node].isolation) {
            (false, _) => Step::Reads(node),
            (true, Isolation::Serialisable) => Step::Happens(node),
            (true, Isolation::Snapshot) => Step::Begins(node),
        })
    }
}

/// The nodes of transactions: each has one by its place in the history, and the writes of those under snapshot isolation have another.
struct Nodes<'v> {
    history: &'v [Transaction],
    committed: &'v [bool],
}

impl Nodes<'_> {
    /// The node at which a transaction's writes become visible.
    fn writes(&self, place: usize) -> usize {
        let two = self.committed[place] && self.history[place].isolation == Isolation::Snapshot;
        if two { self.history.len() + place } else { place }
    }

    fn graph(&self, versions: &Versions<'_>) -> Graph {
        let mut graph = Graph::new(2 * self.history.len());
        for place in 0..self.history.len() {
            graph.add(Edge { from: place, to: self.writes(place), why: Why::Own, key: 0, phantom: false });
        }
        self.add_versions(&mut graph, versions);
        self.add_time(&mut graph);
        graph
    }

    fn add_versions(&self, graph: &mut Graph, versions: &Versions<'_>) {
        // The writer of each element of a list.
        let mut turns: HashMap<Key, Vec<usize>> = HashMap::new();
        for (&key, list) in &versions.lists {
            let writers: Vec<_> = list.iter().map(|element| versions.writers[&(key, *element)].0).collect();
            for pair in writers.windows(2).filter(|pair| pair[0] != pair[1]) {
                let (from, to) = (self.writes(pair[0]), pair[1]);
                graph.add(Edge { from, to, why: Why::WriteWrite, key, phantom: false });
            }
            turns.insert(key, writers);
        }
        for read in &versions.reads {
            let (key, length, writers) = (read.key, read.list.len(), &turns[&read.key]);
            let writer = length.checked_sub(1).map(|last| writers[last]);
            let next = writers.get(length).copied();
            if let Some(writer) = writer {
                graph.add(Edge { from: self.writes(writer), to: read.by, why: Why::WriteRead, key, phantom: false });
            }
            if let Some(next) = next.filter(|&next| next != read.by) {
                let phantom = read.how == How::Scanned && read.list.is_empty();
                graph.add(Edge { from: read.by, to: self.writes(next), why: Why::ReadWrite, key, phantom });
            }
        }
    }

    /// Calls that had returned come before those called later. A moment between them represents all pairs.
    fn add_time(&self, graph: &mut Graph) {
        let mut events = Vec::new();
        for (place, transaction) in self.history.iter().enumerate() {
            let writes = self.writes(place);
            let is_writer = self.committed[place] && transaction.appends().next().is_some();
            events.push((transaction.called, place, true));
            if is_writer {
                events.push((transaction.committing, writes, true));
            }
            if transaction.returned != NEVER {
                events.push((transaction.returned, writes, false));
            }
        }
        events.sort_unstable();
        let edge = |from, to| Edge { from, to, why: Why::Time, key: 0, phantom: false };
        let mut moment = None;
        let mut was_call = true;
        for (_, node, is_call) in events {
            match moment {
                Some(moment) if is_call => graph.add(edge(moment, node)),
                None if is_call => {}
                Some(moment) if !was_call => graph.add(edge(node, moment)),
                earlier => {
                    let now = graph.add_node();
                    if let Some(earlier) = earlier {
                        graph.add(edge(earlier, now));
                    }
                    graph.add(edge(node, now));
                    moment = Some(now);
                }
            }
            was_call = is_call;
        }
    }
}

/// Names the worst cycle.
fn classify(graph: &Graph, nodes: &[usize], versions: &Versions<'_>) -> Anomaly {
    use Why::{Own, ReadWrite, Time, WriteRead, WriteWrite};
    let ranks: [(&[Why], &[Why]); 7] = [
        (&[WriteWrite], &[WriteWrite, Own]),
        (&[WriteRead], &[WriteWrite, WriteRead, Own]),
        (&[ReadWrite], &[WriteWrite, WriteRead, Own]),
        (&[ReadWrite], &[WriteWrite, WriteRead, ReadWrite, Own]),
        (&[WriteRead], &[WriteWrite, WriteRead, Time, Own]),
        (&[ReadWrite], &[WriteWrite, WriteRead, ReadWrite, Time, Own]),
        (&[WriteWrite], &[WriteWrite, Time, Own]),
    ];
    let found = ranks.iter().enumerate().find_map(|(rank, (first, allowed))| {
        let cycle = graph.cycle(nodes, |edge| first.contains(&edge.why), |edge| allowed.contains(&edge.why))?;
        Some((rank, cycle))
    });
    let (rank, cycle) = found.unwrap_or_default();
    let transactions = versions.history.len();
    let place = |node: usize| node % transactions;
    let kind = match rank {
        0 => Kind::DirtyWrite,
        1 => Kind::CircularFlow,
        2 => match &cycle[..] {
            [missed, ..]
                if versions.writes.iter().any(|write| write.by == place(missed.from) && write.key == missed.key) =>
            {
                Kind::LostUpdate
            }
            [_, back] if back.why == WriteRead => Kind::FracturedRead,
            _ => Kind::ReadSkew,
        },
        3 if cycle.iter().any(|edge| edge.phantom) => Kind::Phantom,
        3 => Kind::WriteSkew,
        4 => Kind::DirtyRead,
        5 => Kind::StaleRead,
        _ => Kind::RealTime,
    };
    let mut between: Vec<_> =
        cycle.iter().map(|edge| edge.from).filter(|&node| node < 2 * transactions).map(place).collect();
    between.dedup();
    let key = cycle.iter().find(|edge| !matches!(edge.why, Time | Own)).map_or(0, |edge| edge.key);
    Anomaly { kind, between, key }
}
