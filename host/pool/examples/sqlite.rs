//! Connections to one SQLite file: one that writes, several that only read.
//!
//! ```text
//! cargo run -p mantis-pool --example sqlite
//! ```
//!
//! Shows [`Manager::release`], which rolls back what a user left open, a hook that makes two pools of one manager
//! differ, and the report of leaks. SQLite blocks, so its work runs on tokio's threads for that; a guard goes there
//! with it and is dropped there.

use std::{path::PathBuf, time::Duration};

use mantis_pool::{Config, Manager, Metrics, Object, Pool};
use rusqlite::Connection;
use tokio::task::spawn_blocking;

/// Opens connections to one file.
#[derive(Clone)]
struct Sqlite {
    path: PathBuf,
}

impl Manager for Sqlite {
    type Object = Connection;
    type Error = rusqlite::Error;

    async fn create(&self) -> Result<Connection, rusqlite::Error> {
        let path = self.path.clone();
        let opened = spawn_blocking(move || {
            let connection = Connection::open(path)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.busy_timeout(Duration::from_secs(1))?;
            Ok(connection)
        });
        opened.await.unwrap_or(Err(rusqlite::Error::InvalidQuery))
    }

    /// A transaction ends with its user. An error closes the connection, and SQLite rolls back then.
    fn release(&self, connection: &mut Connection, _: &Metrics) -> Result<(), rusqlite::Error> {
        if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("ROLLBACK") }
    }
}

/// Connections to a file don't go bad: neither checks nor a lifetime.
fn config(max: usize) -> Config {
    Config {
        min_idle: 0,
        max,
        max_lifetime: None,
        validate_after_idle: None,
        health_check_interval: None,
        leak_threshold: Some(Duration::from_millis(50)),
        ..Config::default()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let sqlite = Sqlite { path: folder.path().join("notes.db") };
    let writer = Pool::new(sqlite.clone(), config(1))?;
    let readers = Pool::builder(sqlite)
        .config(config(4))
        .post_create(|connection, _| Ok(connection.pragma_update(None, "query_only", true)?))
        .build()?;

    let connection = writer.acquire().await?;
    spawn_blocking(move || {
        connection.execute_batch("CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('kept')")
    })
    .await??;

    // What is not committed is gone with the guard.
    let connection = writer.acquire().await?;
    spawn_blocking(move || connection.execute_batch("BEGIN; INSERT INTO notes VALUES ('forgotten')")).await??;

    // Many readers at once, at most four connections.
    let counts: Vec<_> = (0..32)
        .map(|_| {
            let readers = readers.clone();
            tokio::spawn(async move {
                let connection = readers.acquire().await.expect("reading does not fail");
                let count = move || connection.query_row("SELECT count(*) FROM notes", (), |row| row.get::<_, i64>(0));
                spawn_blocking(count).await.expect("the query does not panic")
            })
        })
        .collect();
    for count in counts {
        assert_eq!(count.await??, 1);
    }
    assert!(readers.stats().created <= 4);

    let reader = readers.acquire().await?;
    assert!(reader.execute_batch("DELETE FROM notes").is_err(), "readers only read");

    // A guard that is held for long is found by where it was acquired.
    tokio::time::sleep(Duration::from_millis(60)).await;
    let leaks = readers.leaks();
    assert_eq!(leaks.len(), 1);
    println!("held for long: {}", leaks[0]);
    Object::close(reader);

    println!("writer:  {}", writer.stats());
    println!("readers: {}", readers.stats());
    writer.drain().await;
    readers.drain().await;
    Ok(())
}

#[test]
fn runs() -> Result<(), Box<dyn std::error::Error>> {
    main()
}
