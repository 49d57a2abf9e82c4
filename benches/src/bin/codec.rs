//! The codec of tables: rows of six columns and keys, beside the same row in postcard's form.
//!
//! usage: codec [--rounds 5]
//!
//! One thread, everything in the processor's caches. CPU time of each operation. Prints Markdown.

use std::hint::black_box;

use anyhow::Result;
use clap::Parser;
use mantis_benches::process::own_cpu_ns;
use mantis_benches::rounds::interleave;
use mantis_benches::table::Table;
use mantis_db::tables::codec::{self, Raw, RowShape, RowView};
use mantis_db::tables::types::{Numeric, NumericModifier, Scalar, Type, Value};
use mantis_db::tables::{TableError, TableResult, code};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

#[derive(Parser)]
struct Arguments {
    /// Rounds that count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Operations in a round
    #[arg(long, default_value_t = 2_000_000)]
    operations: u64,
}

const PRICE: NumericModifier = NumericModifier { precision: 10, scale: 2 };
const TYPES: [Type; 6] = [
    Type::scalar(Scalar::BigInt),
    Type::TEXT,
    Type::scalar(Scalar::Numeric(Some(PRICE))),
    Type::scalar(Scalar::Boolean),
    Type::scalar(Scalar::TimestampTz),
    Type::TEXT,
];
const NAME: &str = "The Name of the Rose";
const COUNTRY: &str = "Italy";

/// The same row in postcard's form, which is read from the front.
#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    id: i64,
    #[serde(borrow)]
    name: Option<&'a str>,
    price: Option<i64>,
    is_listed: Option<bool>,
    added_us: Option<i64>,
    #[serde(borrow)]
    country: Option<&'a str>,
}

fn values() -> [Value<'static>; 6] {
    [
        Value::Integer(1_234_567),
        Value::Text(NAME.into()),
        Value::Numeric(Numeric::Small { unscaled: 1_250, scale: 2 }),
        Value::Boolean(true),
        Value::Timestamp(1_700_000_000_000_000),
        Value::Text(COUNTRY.into()),
    ]
}

fn plain() -> Plain<'static> {
    Plain {
        id: 1_234_567,
        name: Some(NAME),
        price: Some(1_250),
        is_listed: Some(true),
        added_us: Some(1_700_000_000_000_000),
        country: Some(COUNTRY),
    }
}

/// Operations, by name. Each hands its results to `black_box` itself.
#[derive(Default)]
struct Contest<'c> {
    names: Vec<String>,
    operations: Vec<Box<dyn FnMut(u64) -> Result<f64> + 'c>>,
}

impl<'c> Contest<'c> {
    fn enter(&mut self, name: impl Into<String>, mut operation: impl FnMut() -> TableResult<()> + 'c) {
        self.names.push(name.into());
        self.operations.push(Box::new(move |count| {
            let start = own_cpu_ns()?;
            for _ in 0..count {
                operation()?;
            }
            #[allow(clippy::cast_precision_loss, reason = "a figure")]
            Ok((own_cpu_ns()? - start) as f64 / count as f64)
        }));
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let shape = RowShape::new(&TYPES);
    let values = values();
    let mut row = Vec::new();
    shape.encode(0, &values, &mut row)?;
    let postcard = postcard::to_stdvec(&plain())?;
    let keys = values.each_ref().map(key_of);
    let mut contest = Contest::default();
    enter_rows(&mut contest, &shape, &values, &row);
    enter_postcard(&mut contest, &postcard);
    for (name, place) in [("bigint", 0), ("text of 20 bytes", 1), ("numeric", 2), ("timestamptz", 4)] {
        enter_key(&mut contest, name, &values[place], TYPES[place], &keys[place]);
    }

    println!("A row of 6 columns: {} bytes; in postcard's form {}.\n", row.len(), postcard.len());
    let samples = interleave(contest.operations.len(), arguments.rounds, |contestant| {
        contest.operations[contestant](arguments.operations)
    })?;
    let mut table = Table::new("Codec", &["operation", "CPU ns"]);
    for (name, samples) in contest.names.iter().zip(&samples) {
        table.row([name.clone(), samples.show(1)]);
    }
    print!("{table}");
    Ok(())
}

fn enter_rows<'c>(contest: &mut Contest<'c>, shape: &'c RowShape, values: &'c [Value<'static>], row: &'c [u8]) {
    contest.enter("nothing", move || {
        black_box(row);
        Ok(())
    });
    let mut out = Vec::new();
    contest.enter("row: encode", move || {
        out.clear();
        shape.encode(0, black_box(values), &mut out)?;
        black_box(&out);
        Ok(())
    });
    contest.enter("row: open", move || {
        black_box(&RowView::new(shape, black_box(row))?);
        Ok(())
    });
    for (name, place) in
        [("bigint", 0), ("text of 5 bytes", 5), ("text of 20 bytes", 1), ("numeric", 2), ("boolean", 3)]
    {
        contest.enter(format!("row: open, read {name}"), move || {
            black_box(&RowView::new(shape, black_box(row))?.get(black_box(place))?);
            Ok(())
        });
    }
    for (name, place) in [("bigint", 0), ("text of 5 bytes", 5)] {
        contest.enter(format!("row: open, compare {name}"), move || {
            black_box(RowView::new(shape, black_box(row))?.raw(black_box(place))? == black_box(Raw::Integer(7)));
            Ok(())
        });
    }
    contest.enter("row: open, read all six", move || {
        let view = RowView::new(shape, black_box(row))?;
        for place in 0..view.column_count() {
            black_box(&view.get(place)?);
        }
        Ok(())
    });
}

fn enter_postcard<'c>(contest: &mut Contest<'c>, bytes: &'c [u8]) {
    let mut out = [0; 128];
    contest.enter("postcard: encode", move || {
        black_box(postcard::to_slice(black_box(&plain()), &mut out).map_err(unexpected)?);
        Ok(())
    });
    contest.enter("postcard: read all six", move || {
        black_box(&postcard::from_bytes::<Plain<'c>>(black_box(bytes)).map_err(unexpected)?);
        Ok(())
    });
}

#[allow(clippy::needless_pass_by_value, reason = "as map_err takes it")]
fn unexpected(error: postcard::Error) -> TableError {
    TableError::new(code::INTERNAL, error.to_string())
}

fn key_of(value: &Value<'_>) -> Vec<u8> {
    let mut key = Vec::new();
    codec::push(&mut key, value, Type::TEXT, false);
    key
}

fn enter_key<'c>(contest: &mut Contest<'c>, name: &str, value: &'c Value<'static>, r#type: Type, key: &'c [u8]) {
    let mut out = SmallVec::<[u8; 128]>::new();
    contest.enter(format!("key of {name}: push"), move || {
        out.clear();
        codec::push(&mut out, black_box(value), black_box(r#type), false);
        black_box(&out);
        Ok(())
    });
    contest.enter(format!("key of {name}: decode"), move || {
        black_box(&codec::decode(&mut black_box(key), black_box(r#type), false)?);
        Ok(())
    });
    contest.enter(format!("key of {name}: skip"), move || codec::skip(&mut black_box(key), black_box(r#type), false));
}
