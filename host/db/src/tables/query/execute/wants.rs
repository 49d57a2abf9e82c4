//! What must be fetched of the embeds of a select before its rows can be filtered, ordered, grouped or shown.

use crate::tables::query::bound::{Expression, Order, OrderBy, Predicate, Select, Source, Subject};

/// How much of an embed is wanted; more includes less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Whether there are rows.
    Existence,
    /// The rows.
    Rows,
    /// The rows, whatever the limit.
    AllRows,
    /// The rows, with all that is shown of them.
    Shown,
}

/// What is wanted of one embed.
#[derive(Debug)]
pub(super) struct Want {
    pub(super) level: Level,
    /// What is wanted of the embeds of its rows; those of `Shown` included.
    pub(super) inside: Wants,
}

/// What is wanted of each embed of a select, by its place.
#[derive(Debug, Default)]
pub(super) struct Wants(Vec<Option<Want>>);

impl Wants {
    /// For `!inner`.
    pub(super) fn of_inner(select: &Select) -> Self {
        let mut wants = Self::default();
        for (place, _) in select.embeds.iter().enumerate().filter(|(_, embed)| embed.is_inner) {
            wants.add(select, &[place], Level::Existence);
        }
        wants
    }

    /// For the filter and `!inner`.
    pub(super) fn of_filter(select: &Select) -> Self {
        let mut wants = Self::of_inner(select);
        if let Some(filter) = &select.filter {
            wants.add_predicate(select, filter);
        }
        wants
    }

    /// For the order of rows that are not grouped.
    pub(super) fn of_order(select: &Select) -> Self {
        let mut wants = Self::default();
        for Order { by, .. } in select.order.iter().filter(|_| !select.is_grouped) {
            match by {
                OrderBy::Expression(expression) => wants.add_expression(select, expression),
                OrderBy::EmbedAggregate { embed, call } => {
                    wants.add(select, &[*embed], Level::AllRows);
                    if let (Some(argument), Some(Some(want))) = (&call.argument, wants.0.get_mut(*embed)) {
                        want.inside.add_expression(&select.embeds[*embed].select, argument);
                    }
                }
                OrderBy::Aggregate(_) => {}
            }
        }
        wants
    }

    /// For what is shown of rows, or what they are grouped by and aggregated.
    pub(super) fn of_output(select: &Select) -> Self {
        let mut wants = Self::default();
        for output in &select.output {
            match &output.source {
                Source::Expression(expression) => wants.add_expression(select, expression),
                Source::Aggregate(call) => {
                    call.argument.iter().for_each(|argument| wants.add_expression(select, argument));
                }
                Source::Embed { through, embed } | Source::SpreadMany { through, embed, .. } => {
                    let path: Vec<usize> = through.iter().chain([embed]).copied().collect();
                    wants.add(select, &path, Level::Shown);
                }
            }
        }
        if select.is_grouped {
            for order in &select.order {
                match &order.by {
                    OrderBy::Aggregate(call) => {
                        call.argument.iter().for_each(|argument| wants.add_expression(select, argument));
                    }
                    OrderBy::Expression(_) | OrderBy::EmbedAggregate { .. } => {}
                }
            }
            if let Some(having) = &select.having {
                wants.add_predicate(select, having);
            }
        }
        wants
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The embeds of which something is wanted, by place.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Want)> {
        self.0.iter().enumerate().filter_map(|(place, want)| Some((place, want.as_ref()?)))
    }

    fn add_expression(&mut self, select: &Select, expression: &Expression) {
        if !expression.through.is_empty() {
            self.add(select, &expression.through, Level::Rows);
        }
    }

    fn add_predicate(&mut self, select: &Select, predicate: &Predicate) {
        match predicate {
            Predicate::And(parts) | Predicate::Or(parts) => {
                for part in parts {
                    self.add_predicate(select, part);
                }
            }
            Predicate::Not(part) => self.add_predicate(select, part),
            Predicate::Exists(embed) => self.add(select, &[*embed], Level::Existence),
            Predicate::Test { subject: Subject::Expression(expression), .. } => {
                self.add_expression(select, expression);
            }
            Predicate::Test { subject: Subject::Aggregate(call), .. } => {
                call.argument.iter().for_each(|argument| self.add_expression(select, argument));
            }
        }
    }

    /// Adds the embed at the end of the path at this level, and those on the way with their rows.
    fn add(&mut self, select: &Select, path: &[usize], level: Level) {
        let Some((&first, rest)) = path.split_first() else {
            return;
        };
        let level_here = if rest.is_empty() { level } else { Level::Rows };
        let inner = &select.embeds[first].select;
        if self.0.len() <= first {
            self.0.resize_with(first + 1, || None);
        }
        let want = self.0[first].get_or_insert_with(|| Want { level: level_here, inside: Self::default() });
        want.level = want.level.max(level_here);
        want.inside.add(inner, rest, level);
        if rest.is_empty() && level == Level::Shown {
            want.inside.merge(Self::of_output(inner));
        }
    }

    fn merge(&mut self, other: Self) {
        if self.0.len() < other.0.len() {
            self.0.resize_with(other.0.len(), || None);
        }
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            match (mine.as_mut(), theirs) {
                (Some(mine), Some(theirs)) => {
                    mine.level = mine.level.max(theirs.level);
                    mine.inside.merge(theirs.inside);
                }
                (None, theirs) => *mine = theirs,
                (Some(_), None) => {}
            }
        }
    }
}

/// Whether a predicate looks at other rows than the one that it is about.
pub(super) fn looks_beyond(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().any(looks_beyond),
        Predicate::Not(part) => looks_beyond(part),
        Predicate::Exists(_) => true,
        Predicate::Test { subject: Subject::Expression(expression), .. } => !expression.through.is_empty(),
        Predicate::Test { subject: Subject::Aggregate(_), .. } => false,
    }
}
