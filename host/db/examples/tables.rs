//! Typed rows in an embedded database: a table, its rows, queries, a transaction over rows and keys.
//!
//! ```text
//! cargo run -p mantis-db --example tables -- data
//! ```

use std::error::Error;
use std::path::Path;

use mantis_db::Database;
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::types::Value;
use mantis_db::tables::{QueryText, TableError};

const BOOKS: &str = r#"{
    "columns": [
        {"name": "id", "type": "bigint", "identity": true},
        {"name": "title", "type": "text", "nullable": false},
        {"name": "year", "type": "integer"}
    ],
    "primary_key": ["id"],
    "indexes": [{"columns": ["year"]}]
}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "data".to_owned());
    run(Path::new(&path))
}

fn run(path: &Path) -> Result<(), Box<dyn Error>> {
    let database = Database::open(path)?;
    let mut session = database.blocking();
    // Making a table that is there already, with this definition, confirms it.
    session.create_table("books", &TableDocument::read(BOOKS.as_bytes())?)?;

    let books = [("Emma", 1815), ("Middlemarch", 1871), ("Ulysses", 1922)];
    let rows = books.map(|(title, year)| [Value::Text(title.into()), Value::Integer(year)]);
    let written = session.rows("books").insert_values(["title", "year"], rows)?;
    println!("{} rows, durable: {}", written.inserted, written.durable);

    // The dialect of the HTTP API; values are arguments, never text put together.
    let query = QueryText { filter: "year=lt.$1", order: "year.desc", select: "title,year" };
    for row in session.rows("books").each(&query, vec![Value::Integer(1900)])? {
        let row = row?;
        println!("{:?}", row.values());
    }

    // Rows and keys in one transaction.
    let (count, _) = session.transact(|session| {
        session.rows("books").insert_values(["title"], [[Value::Text("Persuasion".into())]])?;
        let books = session.rows("books").fetch(&QueryText::default(), vec![])?;
        session.kv("counts")?.set(b"books", books.len().to_string().as_bytes())?;
        Ok::<_, TableError>(books.len())
    })?;
    println!("{count} books");
    database.close()?;
    Ok(())
}

#[test]
fn it_runs() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    run(directory.path()).expect("it runs");
}
