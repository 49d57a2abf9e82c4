//! The tables of a select as a tree, each with its part of the query.

use mantis_dialect::{Embed, Order, Part, Query, Selection};

use super::nearest::shown;
use crate::limits::{EMBEDS_MAX, QUERY_DEPTH_MAX};
use crate::tables::{TableError, TableResult, code};

/// A table that is selected from, before anything is known of it.
#[derive(Debug, Default)]
pub(super) struct Node<'q> {
    /// How it is embedded; none at the root.
    pub(super) embed: Option<&'q Embed>,
    /// How many tables it is embedded in.
    pub(super) depth: usize,
    /// What is shown of it.
    pub(super) selections: &'q [Selection],
    /// Its parts of the query: several where it goes by several names.
    pub(super) parts: Vec<&'q Part>,
    /// The tables that it embeds, in the order of `selections`.
    pub(super) children: Vec<Node<'q>>,
}

impl<'q> Node<'q> {
    /// The tree of a query.
    ///
    /// # Errors
    /// 54000 where there are too many embeds; PGRST108 where a parameter names one that is not there.
    pub(super) fn of(query: &'q Query, warnings: &mut Vec<String>) -> TableResult<Self> {
        let mut embeds = 0;
        let mut root = Self::grown(None, query.select.as_deref().unwrap_or(&[]), 0, &mut embeds)?;
        root.parts.push(&query.root);
        for embed in &query.embeds {
            root.descendant(&embed.path, warnings)?.parts.push(&embed.part);
        }
        Ok(root)
    }

    fn grown(
        embed: Option<&'q Embed>,
        selections: &'q [Selection],
        depth: usize,
        embeds: &mut usize,
    ) -> TableResult<Self> {
        let mut children = Vec::new();
        for selection in selections {
            let Selection::Embed(embed) = selection else { continue };
            *embeds += 1;
            if depth == QUERY_DEPTH_MAX || *embeds > EMBEDS_MAX {
                let message = format!(
                    "a query embeds at most {EMBEDS_MAX} tables, in at most {QUERY_DEPTH_MAX} levels of each other"
                );
                return Err(TableError::new(code::LIMIT_EXCEEDED, message));
            }
            children.push(Self::grown(Some(embed), &embed.select, depth + 1, embeds)?);
        }
        Ok(Self { embed, depth, selections, parts: Vec::new(), children })
    }

    /// The name by which other parameters know it.
    pub(super) fn name(&self) -> &'q str {
        self.embed.map_or("", |embed| embed.alias.as_ref().unwrap_or(&embed.target))
    }

    /// The node that a path leads to.
    fn descendant(&mut self, path: &'q [Box<str>], warnings: &mut Vec<String>) -> TableResult<&mut Self> {
        let mut node = self;
        for name in path {
            let place = node.child(name, warnings).ok_or_else(|| not_embedded(name))?;
            node = &mut node.children[place];
        }
        Ok(node)
    }

    /// The place of the child of a name: its alias, or its target where it has none. A target that an alias hides works too, with a
    /// warning.
    pub(super) fn child(&self, name: &str, warnings: &mut Vec<String>) -> Option<usize> {
        let place = self.children.iter().position(|child| child.name() == name);
        place.or_else(|| {
            let place = self.children.iter().position(|child| child.embed.is_some_and(|embed| &*embed.target == name))?;
            let warning = format!(
                "Embedded resource '{name}' was referenced by relation name even though it has the alias '{alias}'. This is deprecated; \
                 change '{name}' to '{alias}' in filters, orders and limits.",
                alias = self.children[place].name(),
            );
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
            Some(place)
        })
    }

    /// The order of its rows: the first that was asked for.
    pub(super) fn order(&self) -> &'q [Order] {
        let order = self.parts.iter().map(|part| &part.order[..]).find(|order| !order.is_empty());
        order.unwrap_or(&[])
    }

    /// How many rows at most.
    pub(super) fn limit(&self) -> Option<u64> {
        self.parts.iter().find_map(|part| part.limit)
    }

    /// How many rows are passed over.
    pub(super) fn offset(&self) -> u64 {
        self.parts.iter().find_map(|part| part.offset).unwrap_or(0)
    }

    /// Whether nothing of it is to be seen, nor of what it embeds: it is only there for a filter.
    pub(super) fn is_hidden(&self) -> bool {
        self.selections.len() == self.children.len() && self.children.iter().all(Self::is_hidden)
    }
}

/// That a parameter names a table that the select does not embed.
pub(super) fn not_embedded(name: &str) -> TableError {
    let name = shown(name);
    TableError::new(code::NOT_EMBEDDED, format!("'{name}' is not an embedded resource in this request"))
        .with_hint(format!("Verify that '{name}' is included in the 'select' query parameter."))
}
