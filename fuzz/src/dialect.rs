//! The queries of requests, whatever they say: parsed, or refused at a place within them; and what is parsed can be written, and parses to
//! the same.

use mantis_dialect::{Condition, Limits, Order, ParseError, Parser, Query, Selection, array_elements};

/// Checks one input: a byte of choices, and parameters, a line each.
///
/// # Panics
/// It is not read as it should be: that is what is looked for.
pub fn check(input: &[u8]) {
    let Some((&choices, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    // As written, a filter may be some levels deeper.
    let again = Parser::new(Limits { depth_max: 200, nodes_max: 1_000_000, ..Limits::default() });
    let parsers = if choices & 4 == 0 {
        [Parser::default(), again]
    } else {
        [Parser::default(), again].map(Parser::with_arguments)
    };
    match choices & 3 {
        0 | 1 => {
            let parameters = text.split('\n').map(|line| line.split_once('=').unwrap_or((line, "")));
            match parsers[0].query(parameters) {
                Ok(query) => check_query(&query, &parsers[1]),
                Err(error) => check_error(&error),
            }
        }
        2 => match parsers[0].filter(text) {
            Ok(conditions) => check_conditions(&conditions, &parsers[1]),
            Err(error) => check_error(&error),
        },
        _ => {
            if let Some(elements) = array_elements(text) {
                assert!(elements.len() <= text.len());
            }
        }
    }
}

fn check_query(query: &Query, parser: &Parser) {
    if let Some(select) = &query.select {
        let text = joined(select, Selection::to_string);
        let parsed = parser.select(&text);
        assert_eq!(parsed.as_ref(), Ok(select), "{text}");
    }
    if !query.having.is_empty() {
        // Aggregates are conditions here, and nowhere else.
        let text = format!("({})", joined(&query.having, Condition::to_string));
        let parsed = parser.query([("having", &*text)]).map(|query| query.having);
        assert_eq!(parsed.as_ref(), Ok(&query.having), "{text}");
    }
    for part in query.embeds.iter().map(|embed| &embed.part).chain([&query.root]) {
        check_conditions(&part.filter, parser);
        check_order(&part.order, parser);
    }
}

fn check_conditions(conditions: &[Condition], parser: &Parser) {
    if conditions.is_empty() {
        return;
    }
    let text = format!("({})", joined(conditions, Condition::to_string));
    let parsed = parser.query([("and", &*text)]).map(|query| query.root.filter);
    assert_eq!(parsed, Ok(vec![Condition::And(conditions.to_vec())]), "{text}");
}

fn check_order(order: &[Order], parser: &Parser) {
    if order.is_empty() {
        return;
    }
    let text = joined(order, Order::to_string);
    let parsed = parser.query([("order", &*text)]).map(|query| query.root.order);
    assert_eq!(parsed.as_deref(), Ok(order), "{text}");
}

fn joined<T>(parts: &[T], text: impl Fn(&T) -> String) -> String {
    parts.iter().map(text).collect::<Vec<_>>().join(",")
}

fn check_error(error: &ParseError) {
    assert!(error.text().is_char_boundary(error.offset()), "{error:?}");
    assert!(error.column() >= 1 && !error.to_string().is_empty());
}
