//! A directed graph, and its circles.

use std::collections::{BTreeMap, BTreeSet};

/// Nodes by name, and the targets of their edges.
#[derive(Default)]
pub(super) struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    /// A graph of these edges, without those from a node to itself.
    pub(super) fn of(edges: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut graph = Self::default();
        for (from, to) in edges.into_iter().filter(|(from, to)| from != to) {
            graph.0.entry(from).or_default().insert(to);
        }
        graph
    }

    /// The strongly connected components of more than one node.
    pub(super) fn circles(&self) -> Vec<BTreeSet<String>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|node| (node.as_str(), self.reachable(node))).collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for (&node, ahead) in &reach {
            let back = |other: &&str| reach.get(other).is_some_and(|of_other| of_other.contains(node));
            let circle: BTreeSet<String> =
                ahead.iter().filter(|other| back(other)).map(|other| (*other).to_owned()).collect();
            if !circle.is_empty() && seen.insert(circle.clone()) {
                circles.push(circle);
            }
        }
        circles
    }

    fn reachable(&self, from: &str) -> BTreeSet<&str> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(node) = open.pop() {
            for next in self.0.get(node).into_iter().flatten() {
                if reached.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_back_is_a_circle() {
        let edges = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "d")];
        let graph = Graph::of(edges.map(|(from, to)| (from.to_owned(), to.to_owned())));
        assert_eq!(graph.circles(), [BTreeSet::from(["b".to_owned(), "c".to_owned()])]);
    }
}
