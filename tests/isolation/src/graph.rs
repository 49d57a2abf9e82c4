//! Cycles in a graph whose edges have a reason why one thing comes before another.

use std::collections::VecDeque;

/// Why one thing comes before another (Adya 1999).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It wrote the version that the other overwrote.
    WriteWrite,
    /// It wrote the version that the other read.
    WriteRead,
    /// It read the version that the other overwrote.
    ReadWrite,
    /// It had returned before the other was called.
    Time,
    /// They are the reads and the writes of one transaction.
    Own,
}

/// An edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The earlier one.
    pub from: usize,
    /// The later one.
    pub to: usize,
    /// Why.
    pub why: Why,
    /// Its key; 0 if it has none.
    pub key: usize,
    /// Of a [`Why::ReadWrite`] edge: whether a range was read in which the key was missing.
    pub phantom: bool,
}

/// A directed graph over the numbers from 0.
#[derive(Debug, Default)]
pub struct Graph {
    edges: Vec<Vec<Edge>>,
}

impl Graph {
    /// A graph of this many nodes, without edges.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { edges: vec![Vec::new(); nodes] }
    }

    /// Adds a node and returns its number.
    pub fn add_node(&mut self) -> usize {
        self.edges.push(Vec::new());
        self.edges.len() - 1
    }

    /// Adds an edge. One from a node to itself is left out.
    pub fn add(&mut self, edge: Edge) {
        if edge.from != edge.to {
            self.edges[edge.from].push(edge);
        }
    }

    /// An order of all nodes that no edge contradicts.
    ///
    /// # Errors
    /// There is none, because of cycles through these nodes.
    pub fn order(&self) -> Result<Vec<usize>, Vec<usize>> {
        let components = self.components();
        match components.iter().find(|component| component.len() > 1) {
            Some(component) => Err(component.clone()),
            None => Ok(components.into_iter().rev().flatten().collect()),
        }
    }

    /// A short cycle within `nodes` over edges that are `allowed`, one of which is a `first`.
    pub fn cycle(
        &self,
        nodes: &[usize],
        first: impl Fn(&Edge) -> bool,
        allowed: impl Fn(&Edge) -> bool,
    ) -> Option<Vec<Edge>> {
        let mut inside = vec![false; self.edges.len()];
        for &node in nodes {
            inside[node] = true;
        }
        let edges = nodes.iter().flat_map(|&node| &self.edges[node]).filter(|edge| inside[edge.to] && first(edge));
        edges
            .filter_map(|edge| {
                let mut cycle = vec![*edge];
                cycle.extend(self.path(edge.to, edge.from, |edge| inside[edge.to] && allowed(edge))?);
                Some(cycle)
            })
            .min_by_key(Vec::len)
    }

    /// The shortest path over edges that are `allowed`.
    fn path(&self, from: usize, to: usize, allowed: impl Fn(&Edge) -> bool) -> Option<Vec<Edge>> {
        let mut reached_by: Vec<Option<Edge>> = vec![None; self.edges.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            if node == to {
                let mut path: Vec<Edge> = Vec::new();
                let mut at = to;
                while at != from {
                    let edge = reached_by[at]?;
                    at = edge.from;
                    path.push(edge);
                }
                path.reverse();
                return Some(path);
            }
            for edge in self.edges[node].iter().filter(|edge| allowed(edge)) {
                if edge.to != from && reached_by[edge.to].is_none() {
                    reached_by[edge.to] = Some(*edge);
                    queue.push_back(edge.to);
                }
            }
        }
        None
    }

    /// Strongly connected components (Tarjan 1972), those that come last first.
    fn components(&self) -> Vec<Vec<usize>> {
        const UNSEEN: usize = usize::MAX;
        let nodes = self.edges.len();
        let (mut index, mut low) = (vec![UNSEEN; nodes], vec![0; nodes]);
        let (mut on_stack, mut stack) = (vec![false; nodes], Vec::new());
        let (mut components, mut next) = (Vec::new(), 0);
        for root in 0..nodes {
            // Nodes being visited, and the next of their edges.
            let mut visits = if index[root] == UNSEEN { vec![(root, 0)] } else { Vec::new() };
            while let Some((node, place)) = visits.pop() {
                if place == 0 {
                    (index[node], low[node]) = (next, next);
                    next += 1;
                    stack.push(node);
                    on_stack[node] = true;
                }
                if let Some(edge) = self.edges[node].get(place) {
                    visits.push((node, place + 1));
                    if index[edge.to] == UNSEEN {
                        visits.push((edge.to, 0));
                    } else if on_stack[edge.to] {
                        low[node] = low[node].min(index[edge.to]);
                    }
                    continue;
                }
                if let Some(&(parent, _)) = visits.last() {
                    low[parent] = low[parent].min(low[node]);
                }
                if low[node] == index[node] {
                    let start = stack.iter().rposition(|&other| other == node).unwrap_or(0);
                    let component = stack.split_off(start);
                    for &member in &component {
                        on_stack[member] = false;
                    }
                    components.push(component);
                }
            }
        }
        components
    }
}
