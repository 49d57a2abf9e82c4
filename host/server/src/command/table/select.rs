//! `mantisdb table select`: rows as an aligned table, CSV or JSON.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::Method;
use hyper::header::ACCEPT;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::grid::Grid;
use crate::cli::TableSelectArgs;
use crate::client::object::{self, Object};
use crate::client::{Answer, ClientError, Path};
use crate::command::context::{self, Output};
use crate::failure::Outcome;
use crate::transfer::table::{announced, csv};

pub(super) async fn run(args: TableSelectArgs) -> Outcome {
    let query = args.query.join("&");
    context::check_query(&query)?;
    let path = Path::table(&args.name).with_query(&query);
    let headers = [(ACCEPT, if args.csv { "text/csv" } else { "application/json" })];
    let answer = context::client(&args.server)?.request(Method::GET, &path, &headers, Bytes::new()).await?;
    let mut output = Output::new();
    let rows = if args.csv {
        write_csv(&answer, &mut output)?
    } else if args.server.json {
        output.json_text(&answer.body)?;
        answer.json::<Vec<IgnoredAny>>()?.len()
    } else {
        show(&answer.json::<Vec<Object>>()?, &mut output)?
    };
    output.flush()?;
    if !args.server.json {
        eprintln!("{}", context::count(rows as u64, "row"));
    }
    Ok(())
}

fn write_csv(answer: &Answer, output: &mut Output) -> Outcome<usize> {
    let text = String::from_utf8_lossy(&answer.body);
    let (mut lines, mut records) = (String::new(), 0_usize);
    for record in csv::Records::new(&text) {
        csv::push_record(&record, ',', &mut lines);
        records += 1;
    }
    // The first record is the header.
    let rows = records.saturating_sub(1);
    // An answer that was cut on its way may look whole.
    if let Some(announced) = announced(&answer.headers)
        && announced != rows as u64
    {
        let reason = format!("the answer has {rows} of {announced} rows");
        return Err(ClientError::Unexpected { reason }.into());
    }
    answer.whole()?;
    output.plain(lines.as_bytes())?;
    Ok(rows)
}

/// Writes an aligned table, whose columns are the members of the rows.
fn show(rows: &[Object], output: &mut Output) -> Outcome<usize> {
    let Some(first) = rows.first() else { return Ok(0) };
    let names: Vec<_> = first.0.iter().map(|(name, _)| name.as_str()).collect();
    let mut grid = Grid::new(names.iter().copied());
    let mut are_numbers = vec![true; names.len()];
    for row in rows {
        let cells = names.iter().enumerate().map(|(place, name)| {
            // Rows of one answer have the same members in the same order.
            let same = row.0.get(place).filter(|(other, _)| other == name).map(|(_, value)| &**value);
            let value = same.or_else(|| row.get(name));
            are_numbers[place] &= value.is_none_or(is_number_or_null);
            value.map_or(Cow::Borrowed("null"), |value| object::plain(value).into())
        });
        grid.row(cells);
    }
    for (place, _) in are_numbers.iter().enumerate().filter(|(_, are_numbers)| **are_numbers) {
        grid.align_right(place);
    }
    output.grid(&grid.lines(Output::width()).collect::<Vec<_>>())?;
    Ok(rows.len())
}

fn is_number_or_null(value: &RawValue) -> bool {
    matches!(value.get().as_bytes().first(), Some(b'-' | b'0'..=b'9' | b'n'))
}
