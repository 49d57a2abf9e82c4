//! An embedded key-value store: opened, written, read in order, transacted on, followed, closed. No runtime.
//!
//! ```text
//! cargo run -p mantis-db --example embedded -- data
//! ```
#![allow(clippy::disallowed_methods, reason = "a native program may have threads")]

use std::error::Error;
use std::path::Path;
use std::thread;

use mantis_db::{ChangeFilter, Database, ScanOptions, SetOptions, Since, Span};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "data".to_owned());
    run(Path::new(&path))
}

fn run(path: &Path) -> Result<(), Box<dyn Error>> {
    let database = Database::open(path)?;
    let mut session = database.blocking();

    // Each write is on the disk when it returns, under the default durability.
    let mut stock = session.kv("stock")?;
    stock.set(b"apple", b"3")?;
    stock.set(b"pear", b"5")?;
    let for_a_day = SetOptions { ttl_ms: Some(24 * 60 * 60 * 1_000), ..SetOptions::default() };
    stock.set_with(b"quince", b"1", &for_a_day)?;

    // Entries in the order of their keys, page by page as the iterator goes.
    let options = ScanOptions { span: Span::Prefix(b"p".to_vec()), ..ScanOptions::default() };
    for entry in stock.entries(options) {
        let (key, entry) = entry?;
        println!("{} = {}", key.escape_ascii(), entry.value.escape_ascii());
    }

    // Another thread hears of each commit; its iterator ends when the database is closed.
    let changes = database.blocking().follow(ChangeFilter::default(), &Since::Now)?;
    let listener = thread::spawn(move || {
        let mut keys = Vec::new();
        for change in changes {
            let change = change?;
            println!("version {}: {}/{}", change.version, change.bucket, change.key.escape_ascii());
            keys.push(change.key);
        }
        Ok::<_, mantis_db::Error>(keys)
    });

    // All or nothing, and again if another commit changed what was read.
    let (sold, committed) = session.transact(|session| {
        let mut stock = session.kv("stock")?;
        let left = stock.increment(b"pear", -1)?;
        session.kv("sold")?.increment(b"pear", 1)?;
        Ok::<_, mantis_db::Error>(left.number)
    })?;
    println!("{sold} pears left at version {}, durable: {}", committed.version, committed.durable);

    database.close()?;
    let heard = listener.join().map_err(|_| "the listener panicked")??;
    assert_eq!(heard, [b"pear", b"pear"]);

    // What was committed is there for the next who opens it: here one who only reads.
    let reader = mantis_db::OpenOptions::new().read_only(true).open(path)?;
    let pear = reader.blocking().kv("stock")?.get(b"pear")?.ok_or("it was committed")?;
    println!("{} pears", pear.value.escape_ascii());
    Ok(())
}

#[test]
fn it_runs() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    run(directory.path()).expect("it runs");
}
