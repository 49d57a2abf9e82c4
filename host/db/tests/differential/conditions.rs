//! Random filters: in the dialect, in SQL, and as a function of a row.

use serde_json::Value as Json;

use crate::dice::Dice;

/// What a leaf says of a row; `None` is unknown.
pub(crate) type Says = Box<dyn Fn(&Json) -> Option<bool>>;

/// A condition on one column.
pub(crate) struct Leaf {
    /// Its column or path, as in `a=..`.
    pub(crate) subject: String,
    /// What follows `=` at the top level of a query, and within `and=(..)`.
    pub(crate) outside: String,
    pub(crate) inside: String,
    /// In SQL, where SQLite knows it.
    pub(crate) sql: String,
    /// By itself, where SQLite does not.
    pub(crate) says: Option<Says>,
}

pub(crate) enum Tree {
    Leaf(Leaf),
    Not(Box<Tree>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

impl Tree {
    /// A tree of at most `depth` levels.
    pub(crate) fn random(dice: &mut Dice, depth: u64, leaf: &mut dyn FnMut(&mut Dice) -> Leaf) -> Self {
        if depth == 0 || dice.once_in(2) {
            return Self::Leaf(leaf(dice));
        }
        match dice.below(4) {
            0 => Self::Not(Box::new(Self::random(dice, depth - 1, leaf))),
            1 => Self::All(dice.some(1, 3, |dice| Self::random(dice, depth - 1, leaf))),
            _ => Self::Any(dice.some(1, 3, |dice| Self::random(dice, depth - 1, leaf))),
        }
    }

    pub(crate) fn sql(&self) -> String {
        let join =
            |trees: &[Self], word: &str| format!("({})", trees.iter().map(Self::sql).collect::<Vec<_>>().join(word));
        match self {
            Self::Leaf(leaf) => leaf.sql.clone(),
            Self::Not(tree) => format!("(NOT {})", tree.sql()),
            Self::All(trees) => join(trees, " AND "),
            Self::Any(trees) => join(trees, " OR "),
        }
    }

    pub(crate) fn says(&self, row: &Json) -> Option<bool> {
        // In three values, AND is the least and OR the greatest: false, unknown, true.
        let rank = |said: Option<bool>| said.map_or(1, |said| if said { 2 } else { 0 });
        let said = |rank| match rank {
            0 => Some(false),
            1 => None,
            _ => Some(true),
        };
        match self {
            Self::Leaf(leaf) => (leaf.says.as_ref().expect("a leaf that says"))(row),
            Self::Not(tree) => tree.says(row).map(|said| !said),
            Self::All(trees) => said(trees.iter().map(|tree| rank(tree.says(row))).min().unwrap()),
            Self::Any(trees) => said(trees.iter().map(|tree| rank(tree.says(row))).max().unwrap()),
        }
    }

    /// As a member of `and=(..)`.
    fn inside(&self) -> String {
        let list = |trees: &[Self]| trees.iter().map(Self::inside).collect::<Vec<_>>().join(",");
        match self {
            Self::Leaf(leaf) => format!("{}.{}", leaf.subject, leaf.inside),
            Self::Not(tree) => match &**tree {
                Self::Leaf(leaf) => format!("{}.not.{}", leaf.subject, leaf.inside),
                Self::All(trees) => format!("not.and({})", list(trees)),
                Self::Any(trees) => format!("not.or({})", list(trees)),
                // Twice not.
                Self::Not(_) => format!("not.and({})", tree.inside()),
            },
            Self::All(trees) => format!("and({})", list(trees)),
            Self::Any(trees) => format!("or({})", list(trees)),
        }
    }

    /// As a parameter of a query; `embed` is the path to the embedded table that it is about, with its dot.
    pub(crate) fn parameter(&self, embed: &str) -> (String, String) {
        match self {
            Self::Leaf(leaf) => (format!("{embed}{}", leaf.subject), leaf.outside.clone()),
            Self::Not(tree) if matches!(**tree, Self::Leaf(_)) => {
                let (name, value) = tree.parameter(embed);
                (name, format!("not.{value}"))
            }
            tree => (format!("{embed}and"), format!("({})", tree.inside())),
        }
    }
}

/// A value within `and=(..)` or a list.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
