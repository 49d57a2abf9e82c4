//! A tree as text again: the shortest form that needs no thought, which parses to the same tree.

use std::fmt::{Display, Formatter, Result, Write as _};

use crate::tree::{
    Aggregate, Aggregation, Comparison, Condition, Direction, Embed, Field, Is, Join, JsonStep, Nulls, Operand,
    Operator, Order, OrderSubject, Quantifier, Selection, Subject,
};

/// As it is written within the parentheses of `and(..)` and `or(..)`.
impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::And(all) => write_group(f, "and", all),
            Self::Or(all) => write_group(f, "or", all),
            Self::Not(inner) => match &**inner {
                Self::And(all) => write_group(f, "not.and", all),
                Self::Or(all) => write_group(f, "not.or", all),
                Self::Compare(comparison) => write_comparison(f, comparison, "not."),
                // The grammar has one `not` before a condition.
                Self::Not(_) => write!(f, "not.and({inner})"),
            },
            Self::Compare(comparison) => write_comparison(f, comparison, ""),
        }
    }
}

fn write_group(f: &mut Formatter<'_>, word: &str, all: &[Condition]) -> Result {
    write!(f, "{word}(")?;
    write_list(f, all)?;
    f.write_char(')')
}

fn write_list<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_char(',')?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

fn write_comparison(f: &mut Formatter<'_>, comparison: &Comparison, not: &str) -> Result {
    let Comparison { subject, operator, quantifier, operand } = comparison;
    write!(f, "{subject}.{not}{}", operator.name())?;
    match quantifier {
        Some(Quantifier::Any) => f.write_str("(any)")?,
        Some(Quantifier::All) => f.write_str("(all)")?,
        None => {}
    }
    write!(f, ".{operand}")
}

impl Operator {
    /// Its name in the dialect.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "neq",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "gte",
            Self::Less => "lt",
            Self::LessOrEqual => "lte",
            Self::Like => "like",
            Self::LikeIgnoringCase => "ilike",
            Self::Match => "match",
            Self::MatchIgnoringCase => "imatch",
            Self::In => "in",
            Self::Is => "is",
            Self::IsDistinct => "isdistinct",
            Self::Contains => "cs",
            Self::ContainedIn => "cd",
            Self::Overlaps => "ov",
        }
    }
}

/// With quotes where it is not a plain word or number.
impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Text(text) => write_text(f, text),
            Self::List(elements) => {
                f.write_char('(')?;
                write_list(f, elements)?;
                f.write_char(')')
            }
            Self::Is(is) => f.write_str(match is {
                Is::Null => "null",
                Is::NotNull => "not_null",
                Is::True => "true",
                Is::False => "false",
                Is::Unknown => "unknown",
            }),
            Self::Argument(number) => write!(f, "${number}"),
        }
    }
}

fn write_text(f: &mut Formatter<'_>, text: &str) -> Result {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'+' | b'-' | b'*');
    if !text.is_empty() && text.bytes().all(is_plain) { f.write_str(text) } else { write_quoted(f, text) }
}

fn write_quoted(f: &mut Formatter<'_>, text: &str) -> Result {
    f.write_char('"')?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    f.write_char('"')
}

/// Words that mean something in some place, which a name that is one of them has in quotes.
const WORDS: [&str; 9] = ["and", "or", "not", "order", "limit", "offset", "count", "inner", "left"];

fn write_name(f: &mut Formatter<'_>, name: &str) -> Result {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_bare = !name.is_empty() && name.bytes().all(is_plain) && !WORDS.contains(&name);
    if is_bare { f.write_str(name) } else { write_quoted(f, name) }
}

impl Display for Subject {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Some(Aggregation { function, argument_cast }) = &self.aggregate else { return write!(f, "{}", self.field) };
        if self.field.name.is_empty() {
            return f.write_str("count()");
        }
        write!(f, "{}", self.field)?;
        write_cast(f, argument_cast.as_deref())?;
        f.write_str(match function {
            Aggregate::Sum => ".sum()",
            Aggregate::Average => ".avg()",
            Aggregate::Count => ".count()",
            Aggregate::Minimum => ".min()",
            Aggregate::Maximum => ".max()",
        })
    }
}

fn write_cast(f: &mut Formatter<'_>, cast: Option<&str>) -> Result {
    cast.map_or(Ok(()), |cast| write!(f, "::{cast}"))
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write_name(f, &self.name)?;
        for step in &self.path {
            let (JsonStep::Member { is_text, .. } | JsonStep::Element { is_text, .. }) = step;
            f.write_str(if *is_text { "->>" } else { "->" })?;
            match step {
                JsonStep::Member { name, .. } if name.starts_with(|first: char| !first.is_ascii_digit()) => {
                    write_name(f, name)?;
                }
                JsonStep::Member { name, .. } => write_quoted(f, name)?,
                JsonStep::Element { index, .. } => write!(f, "{index}")?,
            }
        }
        Ok(())
    }
}

impl Display for Selection {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::All => f.write_char('*'),
            Self::Column { alias, subject, cast } => {
                write_alias(f, alias.as_deref())?;
                write!(f, "{subject}")?;
                write_cast(f, cast.as_deref())
            }
            Self::Embed(embed) => write!(f, "{embed}"),
        }
    }
}

fn write_alias(f: &mut Formatter<'_>, alias: Option<&str>) -> Result {
    let Some(alias) = alias else { return Ok(()) };
    write_name(f, alias)?;
    f.write_char(':')
}

impl Display for Embed {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.is_spread {
            f.write_str("...")?;
        }
        write_alias(f, self.alias.as_deref())?;
        write_name(f, &self.target)?;
        if let Some(hint) = &self.hint {
            f.write_char('!')?;
            write_name(f, hint)?;
        }
        if self.join == Join::Inner {
            f.write_str("!inner")?;
        }
        f.write_char('(')?;
        write_list(f, &self.select)?;
        f.write_char(')')
    }
}

impl Display for Order {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.subject {
            OrderSubject::Own(subject) => write!(f, "{subject}")?,
            OrderSubject::Embedded { embed, subject } => {
                write_name(f, embed)?;
                write!(f, "({subject})")?;
            }
        }
        f.write_str(match self.direction {
            Direction::Ascending => ".asc",
            Direction::Descending => ".desc",
        })?;
        f.write_str(match self.nulls {
            Some(Nulls::First) => ".nullsfirst",
            Some(Nulls::Last) => ".nullslast",
            None => "",
        })
    }
}
