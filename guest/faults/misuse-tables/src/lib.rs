//! Hoards tables, asks for too much of them, and hands over what is malformed.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "faults:misuse-tables/misuse-tables");

use mantis_guest::bindings::mantis::db::tables::{OnConflict, Query, Table, Value};
use mantis_guest::{Bucket, Result};

struct MisuseTables;
export!(MisuseTables);

fn table() -> Result<Table> {
    Table::open("faults")
}

fn query(filter: impl Into<String>) -> Query {
    Query {
        filter: filter.into(),
        arguments: Vec::new(),
        select: String::new(),
        order: String::new(),
        limit: None,
        offset: 0,
    }
}

fn insert(columns: &[&str], rows: &[Vec<Value>]) -> Result<u64> {
    let columns: Vec<_> = columns.iter().map(|&name| name.to_owned()).collect();
    Ok(table()?.insert(&columns, rows, OnConflict::Fail, &[], None)?.count)
}

impl Guest for MisuseTables {
    fn hoard(count: u32) -> Result<u32> {
        let mut hoard = Vec::new();
        for _ in 0..count {
            hoard.push((table()?, Bucket::open("faults")?));
        }
        Ok(u32::try_from(hoard.len()).unwrap_or(u32::MAX))
    }

    fn pages(count: u32, packed: bool) -> Result<u64> {
        let (table, mut query) = (table()?, query(""));
        query.select = "id,text,again:text".into();
        let mut rows = 0;
        for _ in 0..count {
            rows += if packed {
                table.select_packed(&query)?.count.into()
            } else {
                table.select(&query)?.rows.len() as u64
            };
        }
        Ok(rows)
    }

    fn far_page() -> Result<u64> {
        let query = Query { limit: Some(u32::MAX), offset: u32::MAX, ..query("") };
        Ok(table()?.select(&query)?.rows.len() as u64)
    }

    fn long_query(conditions: u32) -> Result<u64> {
        let conditions: Vec<_> = (0..conditions).map(|number| format!("text.like.*{number}z*y*")).collect();
        table()?.count(&query(format!("or=({})", conditions.join(","))))
    }

    fn long_writes() -> Result<()> {
        loop {
            table()?.update(&query("id=gte.0"), &[("text".into(), Value::Text("new".into()))], None)?;
        }
    }

    fn arguments(count: u32) -> Result<u64> {
        let query = Query { arguments: vec![Value::Integer(1); count as usize], ..query("id=eq.$1") };
        table()?.count(&query)
    }

    fn long_filter(bytes: u32) -> Result<u64> {
        table()?.count(&query(format!("text=eq.{}", "x".repeat(bytes as usize))))
    }

    fn deep_filter(levels: u32) -> Result<u64> {
        let levels = levels as usize;
        table()?.count(&query(format!("and=({}id.eq.1{})", "or(".repeat(levels), ")".repeat(levels))))
    }

    fn many_filters(count: u32) -> Result<u64> {
        let table = table()?;
        let mut found = 0;
        for number in 0..count {
            found += table.count(&query(format!("id=eq.{number}&text=neq.{}", "x".repeat(1_000))))?;
        }
        Ok(found)
    }

    fn empty_rows(count: u32) -> Result<u64> {
        insert(&[], &vec![Vec::new(); count as usize])
    }

    fn odd_rows(twice: bool) -> Result<u64> {
        let columns: &[&str] = if twice { &["id", "id"] } else { &["id"] };
        insert(columns, &[vec![Value::Integer(-1), Value::Integer(-1)]])
    }

    fn odd_value(kind: String, writes: bool) -> Result<u64> {
        let value = match kind.as_str() {
            "timestamp" => Value::Timestamp(i64::MIN + 1),
            "late-timestamp" => Value::Timestamp(i64::MAX - 1),
            "time" => Value::Time(i64::MIN),
            "late-time" => Value::Time(i64::MAX),
            "date" => Value::Date(i32::MIN + 1),
            "late-date" => Value::Date(i32::MAX - 1),
            "numeric" => Value::Numeric("1e999999999".into()),
            "json" => Value::Json("[".repeat(100_000)),
            "array" => Value::Array("{".repeat(100_000)),
            _ => Value::Text("\0".into()),
        };
        let column = kind.strip_prefix("late-").unwrap_or(&kind);
        if writes {
            return insert(&["id", column], &[vec![Value::Integer(-1), value]]);
        }
        table()?.count(&Query { arguments: vec![value], ..query(format!("{column}=eq.$1")) })
    }
}
