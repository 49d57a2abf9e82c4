//! Orders: `born.desc.nullslast,id`, `studios(city).asc`.

use crate::name::{aggregate, count_of_rows, json_path, name, subject, takes_count};
use crate::text::{Input, Parsed, expect, list, takes};
use crate::tree::{Aggregation, Direction, Field, Nulls, Order, OrderSubject, Subject};

/// Terms between commas.
pub(crate) fn order(input: &mut Input<'_>) -> Parsed<Vec<Order>> {
    list(input, term)
}

fn term(input: &mut Input<'_>) -> Parsed<Order> {
    let subject = order_subject(input)?;
    let (mut direction, mut nulls) = (None, None);
    loop {
        if direction.is_none() && nulls.is_none() && takes(input, ".asc") {
            direction = Some(Direction::Ascending);
        } else if direction.is_none() && nulls.is_none() && takes(input, ".desc") {
            direction = Some(Direction::Descending);
        } else if nulls.is_none() && takes(input, ".nullsfirst") {
            nulls = Some(Nulls::First);
        } else if nulls.is_none() && takes(input, ".nullslast") {
            nulls = Some(Nulls::Last);
        } else {
            return Ok(Order { subject, direction: direction.unwrap_or_default(), nulls });
        }
    }
}

fn order_subject(input: &mut Input<'_>) -> Parsed<OrderSubject> {
    if takes_count(input) {
        return Ok(OrderSubject::Own(count_of_rows()));
    }
    let name = name(input)?;
    if takes(input, "(") {
        let subject = subject(input)?;
        expect(input, ")", "\")\"")?;
        return Ok(OrderSubject::Embedded { embed: name, subject });
    }
    let field = Field { name, path: json_path(input)? };
    let aggregate = aggregate(input).map(|function| Aggregation { function, argument_cast: None });
    Ok(OrderSubject::Own(Subject { field, aggregate }))
}
