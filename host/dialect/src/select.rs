//! Selections: `id,n:name,settings->theme,price.sum(),studio:studios!inner(city)`.

use crate::name::{Written, aggregate, cast, count_of_rows, json_path, name, takes_count, written};
use crate::text::{Input, Parsed, fail, list, next, rest, spaces, takes};
use crate::tree::{Aggregation, Embed, Field, Join, Name, Select, Selection, Subject};

/// Selections between commas; none at all is a selection too.
pub(crate) fn select(input: &mut Input<'_>) -> Parsed<Select> {
    spaces(input)?;
    if matches!(next(input), None | Some(')')) { Ok(Vec::new()) } else { list(input, selection) }
}

fn selection(input: &mut Input<'_>) -> Parsed<Selection> {
    if takes(input, "...") {
        let (alias, target) = aliased(input)?;
        return embed(input, alias, target, true);
    }
    if takes(input, "*") {
        return Ok(Selection::All);
    }
    if takes_count(input) {
        return Ok(Selection::Column { alias: None, subject: count_of_rows(), cast: cast(input)? });
    }
    let first = name(input)?;
    let is_alias = next(input) == Some(':') && !rest(input).starts_with("::");
    if !is_alias {
        return column_or_embed(input, None, first);
    }
    takes(input, ":");
    if takes_count(input) {
        return Ok(Selection::Column { alias: Some(first), subject: count_of_rows(), cast: cast(input)? });
    }
    let target = name(input)?;
    column_or_embed(input, Some(first), target)
}

/// `alias:name` or `name`.
fn aliased(input: &mut Input<'_>) -> Parsed<(Option<Name>, Name)> {
    let first = name(input)?;
    if takes(input, ":") { Ok((Some(first), name(input)?)) } else { Ok((None, first)) }
}

fn column_or_embed(input: &mut Input<'_>, alias: Option<Name>, name: Name) -> Parsed<Selection> {
    match next(input) {
        Some('(' | '!') => embed(input, alias, name, false),
        _ => column(input, alias, name),
    }
}

fn column(input: &mut Input<'_>, alias: Option<Name>, name: Name) -> Parsed<Selection> {
    let field = Field { name, path: json_path(input)? };
    let first_cast = cast(input)?;
    let Some(function) = aggregate(input) else {
        return Ok(Selection::Column { alias, subject: Subject { field, aggregate: None }, cast: first_cast });
    };
    let aggregate = Some(Aggregation { function, argument_cast: first_cast });
    Ok(Selection::Column { alias, subject: Subject { field, aggregate }, cast: cast(input)? })
}

/// What follows an embed's name: `!hint!inner(..)`.
fn embed(input: &mut Input<'_>, alias: Option<Name>, target: Name, is_spread: bool) -> Parsed<Selection> {
    let (mut hint, mut join) = (None, None);
    while takes(input, "!") {
        let Written { name, is_quoted } = written(input)?;
        match &*name {
            "inner" if join.is_none() && !is_quoted => join = Some(Join::Inner),
            "left" if join.is_none() && !is_quoted => join = Some(Join::Left),
            _ if hint.is_none() => hint = Some(name),
            _ => return fail(&["\"(\""]),
        }
    }
    if !takes(input, "(") {
        return fail(&["\"(\""]);
    }
    let budget = input.state;
    let select = budget.deeper(|| select(input))?;
    if !takes(input, ")") {
        return fail(&["\",\"", "\")\""]);
    }
    Ok(Selection::Embed(Embed { alias, target, hint, join: join.unwrap_or_default(), is_spread, select }))
}
