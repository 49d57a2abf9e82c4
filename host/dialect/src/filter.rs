//! Conditions: `gt.10`, `not.in.(1,2)`, `or=(a.eq.1,and(b.gt.2,c.is.null))`.

use crate::error::ErrorKind;
use crate::name::{field, subject};
use crate::text::{Input, Parsed, expect, fail, fatal, list, next, rest, skip, spaces, takes};
use crate::tree::{Comparison, Condition, Field, Is, Operand, Operator, Quantifier, Subject};
use crate::value::{parenthesised, whole, within};

/// Operators by name.
const OPERATORS: [(&str, Operator); 16] = [
    ("eq", Operator::Equal),
    ("neq", Operator::NotEqual),
    ("gte", Operator::GreaterOrEqual),
    ("gt", Operator::Greater),
    ("lte", Operator::LessOrEqual),
    ("lt", Operator::Less),
    ("like", Operator::Like),
    ("ilike", Operator::LikeIgnoringCase),
    ("match", Operator::Match),
    ("imatch", Operator::MatchIgnoringCase),
    ("in", Operator::In),
    ("isdistinct", Operator::IsDistinct),
    ("is", Operator::Is),
    ("cs", Operator::Contains),
    ("cd", Operator::ContainedIn),
    ("ov", Operator::Overlaps),
];

/// PostgREST's operators that are left out, and what each is for.
const UNSUPPORTED: [(&str, &str); 9] = [
    ("fts", FULL_TEXT),
    ("plfts", FULL_TEXT),
    ("phfts", FULL_TEXT),
    ("wfts", FULL_TEXT),
    ("sl", RANGES),
    ("sr", RANGES),
    ("nxr", RANGES),
    ("nxl", RANGES),
    ("adj", RANGES),
];
const FULL_TEXT: &str = "full-text search";
const RANGES: &str = "an operator of range types";

const AN_OPERATOR: &str = "an operator (eq, gt, like, in, is, ..)";

/// How an operand ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// With the parameter.
    Alone,
    /// With a comma or a closing parenthesis.
    Within,
}

/// What a parameter's value says of the field that its name names.
pub(crate) fn condition_of(input: &mut Input<'_>, field: Field) -> Parsed<Condition> {
    input.state.take_node()?;
    comparison(input, Subject { field, aggregate: None }, Place::Alone)
}

/// `(a.eq.1,b.is.null)`, conditions of rows.
pub(crate) fn conditions(input: &mut Input<'_>) -> Parsed<Vec<Condition>> {
    group(input, false)
}

/// `(count().gt.1,price.sum().gte.10)`, conditions of groups.
pub(crate) fn group_conditions(input: &mut Input<'_>) -> Parsed<Vec<Condition>> {
    group(input, true)
}

fn group(input: &mut Input<'_>, of_groups: bool) -> Parsed<Vec<Condition>> {
    spaces(input)?;
    expect(input, "(", "\"(\"")?;
    let budget = input.state;
    let conditions = budget.deeper(|| list(input, |input| condition(input, of_groups)))?;
    if !takes(input, ")") {
        return fail(&["\",\"", "\")\""]);
    }
    spaces(input)?;
    Ok(conditions)
}

fn condition(input: &mut Input<'_>, of_groups: bool) -> Parsed<Condition> {
    let before = *input;
    let is_negated = takes(input, "not.");
    for (word, make) in [("and", Condition::And as fn(Vec<Condition>) -> Condition), ("or", Condition::Or)] {
        let at_word = *input;
        if takes(input, word) {
            spaces(input)?;
            if next(input) == Some('(') {
                return Ok(negated(is_negated, make(group(input, of_groups)?)));
            }
            *input = at_word;
        }
    }
    *input = before;
    let subject = if of_groups { subject(input)? } else { Subject { field: field(input)?, aggregate: None } };
    expect(input, ".", "\".\" and an operator")?;
    comparison(input, subject, Place::Within)
}

fn negated(is_negated: bool, condition: Condition) -> Condition {
    if is_negated { Condition::Not(Box::new(condition)) } else { condition }
}

/// An operator and its operand.
fn comparison(input: &mut Input<'_>, subject: Subject, place: Place) -> Parsed<Condition> {
    let is_negated = takes(input, "not.");
    let operator = operator(input)?;
    let quantifier = quantifier(input, operator)?;
    expect(input, ".", "\".\" and a value")?;
    let operand = match (operator, place) {
        (Operator::In, _) => in_list(input)?,
        (Operator::Is, _) => Operand::Is(is(input)?),
        (_, Place::Alone) => whole(input)?,
        (_, Place::Within) => within(input)?,
    };
    Ok(negated(is_negated, Condition::Compare(Comparison { subject, operator, quantifier, operand })))
}

fn operator(input: &mut Input<'_>) -> Parsed<Operator> {
    let text = rest(input);
    let word = text.split(|character: char| !character.is_ascii_alphanumeric()).next().unwrap_or_default();
    if let Some((name, operator)) = OPERATORS.into_iter().find(|(name, _)| *name == word) {
        takes(input, name);
        return Ok(operator);
    }
    match UNSUPPORTED.into_iter().find(|(name, _)| *name == word) {
        Some((_, what)) => Err(fatal(ErrorKind::Unsupported { what })),
        None => fail(&[AN_OPERATOR]),
    }
}

fn quantifier(input: &mut Input<'_>, operator: Operator) -> Parsed<Option<Quantifier>> {
    use Operator::{
        Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Like, LikeIgnoringCase, Match, MatchIgnoringCase,
    };
    if next(input) != Some('(') {
        return Ok(None);
    }
    match operator {
        Equal | Greater | GreaterOrEqual | Less | LessOrEqual | Like | LikeIgnoringCase | Match | MatchIgnoringCase => {
        }
        _ => return fail(&["\".\" and a value"]),
    }
    if takes(input, "(any)") {
        Ok(Some(Quantifier::Any))
    } else if takes(input, "(all)") {
        Ok(Some(Quantifier::All))
    } else {
        fail(&["(any)", "(all)"])
    }
}

/// `(1,2,3)`, or an argument that is a list.
fn in_list(input: &mut Input<'_>) -> Parsed<Operand> {
    if input.state.has_arguments && next(input) == Some('$') {
        return match within(input)? {
            argument @ Operand::Argument(_) => Ok(argument),
            _ => fail(&["an argument such as $1", "(1,2,3)"]),
        };
    }
    parenthesised(input)
}

fn is(input: &mut Input<'_>) -> Parsed<Is> {
    const VALUES: [(&str, Is); 5] = [
        ("not_null", Is::NotNull),
        ("null", Is::Null),
        ("true", Is::True),
        ("false", Is::False),
        ("unknown", Is::Unknown),
    ];
    let text = rest(input);
    let word = text.split(|character: char| !character.is_ascii_alphabetic() && character != '_').next();
    let word = word.unwrap_or_default();
    match VALUES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        Some((_, value)) => {
            skip(input, word.len());
            Ok(value)
        }
        None => fail(&["null", "not_null", "true", "false", "unknown"]),
    }
}
