//! MantisDB: its server, its tables, and the requests.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use mantis_benches::client::Client;
use mantis_benches::kv::{self, Dialect};
use mantis_benches::load::{Load, Protocol};
use mantis_benches::process::{Servers, pause};

use crate::contest::{Contestant, Measured, Operation};
use crate::rows::{self, BATCH_ROWS, Book, PAGE_ROWS, Price, Sizes};

/// A server with its tables.
pub(crate) struct Ours {
    servers: Arc<Servers>,
    port: u16,
    sizes: Sizes,
    /// The next number of a book that is not there yet.
    next: Arc<AtomicU64>,
}

/// Bytes by which the server grew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight {
    pub(crate) row: f64,
    pub(crate) entry: f64,
    pub(crate) json: f64,
}

impl Ours {
    /// Starts a server. In memory without a folder, else in it, each write synced.
    pub(crate) fn start(cores: &str, program: &str, port: u16, books: u64, folder: Option<&Path>) -> Result<Self> {
        let mut servers = Servers::on(cores);
        let listen = format!("127.0.0.1:{port}");
        let data = folder.map(|folder| folder.display().to_string());
        let arguments: Vec<&str> = match &data {
            None => vec!["serve", "--memory", "--listen", &listen],
            Some(data) => vec!["serve", "--listen", &listen, "--data", data, "--durability", "always"],
        };
        servers.start(program, &arguments, port)?;
        let sizes = Sizes::of(books);
        Ok(Self { servers: Arc::new(servers), port, sizes, next: Arc::new(AtomicU64::new(books)) })
    }

    /// Makes the tables for bulk inserts alone, and fills the one with random keys.
    pub(crate) fn fill_bulk_tables(&self) -> Result<()> {
        let mut client = Client::connect(self.port)?;
        make(&mut client, "ascending", false, false)?;
        make(&mut client, "scattered", false, true)?;
        self.fill_books(&mut client, "scattered", 0, self.sizes.books)
    }

    /// Makes and fills all tables and as many keys, and says what a row and an index entry weigh.
    pub(crate) fn fill(&self) -> Result<Weight> {
        let mut client = Client::connect(self.port)?;
        self.make_authors(&mut client)?;
        make(&mut client, "books", true, false)?;
        let tenth = self.sizes.books / 10;
        self.fill_books(&mut client, "books", 0, tenth)?;
        let before = self.resident()?;
        self.fill_books(&mut client, "books", tenth, self.sizes.books)?;
        let filled = self.resident()?;
        let change = r#"{"add_indexes":[{"columns":["shelf","id"]}]}"#;
        client.send("PATCH", "/api/v1/schema/tables/books", JSON, change.as_bytes())?;
        let indexed = self.resident()?;
        self.fill_bulk_tables()?;
        kv::fill_mantisdb(self.port, 0, self.sizes.books)?;
        #[allow(clippy::cast_precision_loss, reason = "a figure")]
        let per = |bytes: u64, count: u64| bytes as f64 / count as f64;
        let sample = rows::json((0..BATCH_ROWS).map(|number| Book::ascending(number, self.sizes)));
        Ok(Weight {
            row: per(filled.saturating_sub(before), self.sizes.books - tenth),
            entry: per(indexed.saturating_sub(filled), self.sizes.books),
            json: per(sample.len() as u64, BATCH_ROWS),
        })
    }

    fn make_authors(&self, client: &mut Client) -> Result<()> {
        let authors = r#"{"columns":[{"name":"id","type":"bigint"},{"name":"name","type":"text","nullable":false},
            {"name":"country","type":"text"}],"primary_key":["id"]}"#;
        client.send("PUT", "/api/v1/schema/tables/authors", JSON, authors.as_bytes())?;
        let numbers: Vec<u64> = (0..self.sizes.groups).collect();
        for part in numbers.chunks(1_000) {
            let authors: Vec<_> = part
                .iter()
                .map(|&id| serde_json::json!({"id": id, "name": rows::author_name(id), "country": "Italy"}))
                .collect();
            client.send(
                "POST",
                "/api/v1/tables/authors",
                JSON,
                serde_json::Value::from(authors).to_string().as_bytes(),
            )?;
        }
        Ok(())
    }

    fn fill_books(&self, client: &mut Client, table: &str, first: u64, end: u64) -> Result<()> {
        let path = format!("/api/v1/tables/{table}");
        let make = if table == "scattered" { Book::scattered } else { Book::ascending };
        for first in (first..end).step_by(usize::try_from(FILL_ROWS)?) {
            let books = (first..(first + FILL_ROWS).min(end)).map(|number| make(number, self.sizes));
            client.send("POST", &path, JSON, rows::json(books).as_bytes())?;
        }
        Ok(())
    }

    /// Checks that the tables answer.
    pub(crate) fn check(&self) -> Result<()> {
        self.load(Operation::Embed, 1).once(7)
    }

    /// The server's memory once it rests.
    fn resident(&self) -> Result<u64> {
        self.servers.rest()?;
        pause(Duration::from_millis(500));
        self.servers.resident_bytes()
    }

    /// All operations.
    pub(crate) fn contestants(self: &Arc<Self>, name: &'static str, connections: usize) -> Vec<Contestant> {
        let all = [
            Operation::Key,
            Operation::Row,
            Operation::RowByPath,
            Operation::Page,
            Operation::Embed,
            Operation::Insert,
            Operation::Update,
            Operation::Upsert,
            Operation::BulkAscending,
            Operation::BulkScattered,
        ];
        all.map(|operation| self.contestant(operation, name, connections)).into()
    }

    /// One operation as a contestant.
    pub(crate) fn contestant(
        self: &Arc<Self>,
        operation: Operation,
        name: &'static str,
        connections: usize,
    ) -> Contestant {
        let load = self.load(operation, connections);
        let ours = Arc::clone(self);
        let run = Box::new(move |time| {
            let before = ours.servers.cpu_ns()?;
            let outcome = load.run(time).with_context(|| format!("{operation:?}"))?;
            if operation.writes() {
                ours.servers.rest()?;
            }
            let cpu_ns = ours.servers.cpu_ns()? - before;
            if operation == Operation::Insert {
                ours.remove_new()?;
            }
            Ok(Measured { units: outcome.requests * operation.units(), cpu_ns, elapsed: outcome.elapsed })
        });
        Contestant { operation, name, run }
    }

    /// Deletes what was inserted one by one: the table keeps its size.
    fn remove_new(&self) -> Result<()> {
        let path = format!("/api/v1/tables/books?id=gte.{}", self.sizes.books);
        Client::connect(self.port)?.send("DELETE", &path, JSON, b"")?;
        self.servers.rest()
    }

    fn load(&self, operation: Operation, connections: usize) -> Load {
        let sizes = self.sizes;
        match operation {
            Operation::Key => kv::get(Dialect::MantisDb, self.port, connections, sizes.books),
            Operation::Row => self.reads(
                connections,
                move |n| format!("/api/v1/tables/books?id=eq.{}", n % sizes.books),
                move |n, body| body.starts_with(format!("[{{\"id\":{},", n % sizes.books).as_bytes()),
            ),
            Operation::RowByPath => self.reads(
                connections,
                move |n| format!("/api/v1/tables/books/{}", n % sizes.books),
                move |n, body| body.starts_with(format!("{{\"id\":{},", n % sizes.books).as_bytes()),
            ),
            Operation::Page => self.reads(
                connections,
                move |n| format!("/api/v1/tables/books?shelf=eq.{}&order=id&limit={PAGE_ROWS}", n % sizes.groups),
                move |n, body| is_page(body, n % sizes.groups, false),
            ),
            Operation::Embed => self.reads(
                connections,
                move |n| {
                    let shelf = n % sizes.groups;
                    format!("/api/v1/tables/books?select=*,authors(name,country)&shelf=eq.{shelf}&order=id&limit={PAGE_ROWS}")
                },
                move |n, body| is_page(body, n % sizes.groups, true),
            ),
            Operation::Insert => {
                let next = Arc::clone(&self.next);
                self.writes(connections, move |_| {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let mut body = String::new();
                    Book::ascending(number, sizes).write_json(&mut body);
                    Write { method: "POST", path: "/api/v1/tables/books".to_owned(), headers: "", body }
                })
            }
            Operation::Update => self.writes(connections, move |n| Write {
                method: "PATCH",
                path: format!("/api/v1/tables/books?id=eq.{}", n % sizes.books),
                headers: "",
                body: format!("{{\"price\":{}}}", Price((n >> 40) % 10_000)),
            }),
            Operation::Upsert => self.writes(1, move |n| {
                let first = sizes.batch_start(n);
                let books = (first..first + BATCH_ROWS).map(|number| Book::ascending(number, sizes));
                Write {
                    method: "POST",
                    path: "/api/v1/tables/books".to_owned(),
                    headers: "Prefer: resolution=merge-duplicates\r\n",
                    body: rows::json(books),
                }
            }),
            Operation::BulkAscending => self.bulk("ascending", Book::ascending),
            Operation::BulkScattered => self.bulk("scattered", Book::scattered),
        }
    }

    fn bulk(&self, table: &'static str, make: fn(u64, Sizes) -> Book) -> Load {
        let (next, sizes) = (AtomicU64::new(self.sizes.books), self.sizes);
        self.writes(1, move |_| {
            let first = next.fetch_add(BATCH_ROWS, Ordering::Relaxed);
            let body = rows::json((first..first + BATCH_ROWS).map(|number| make(number, sizes)));
            Write { method: "POST", path: format!("/api/v1/tables/{table}"), headers: "", body }
        })
    }

    fn reads(
        &self,
        connections: usize,
        path: impl Fn(u64) -> String + Send + Sync + 'static,
        is_right: impl Fn(u64, &[u8]) -> bool + Send + Sync + 'static,
    ) -> Load {
        Load {
            protocol: Protocol::Http,
            port: self.port,
            connections,
            clock_stride: 8,
            request: Arc::new(move |n, buffer| {
                let _ = write!(buffer, "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path(n));
            }),
            check: Arc::new(move |n, status, body| status == 200 && is_right(n, body)),
        }
    }

    fn writes(&self, connections: usize, request: impl Fn(u64) -> Write + Send + Sync + 'static) -> Load {
        Load {
            protocol: Protocol::Http,
            port: self.port,
            connections,
            clock_stride: 1,
            request: Arc::new(move |n, buffer| {
                let Write { method, path, headers, body } = request(n);
                let length = body.len();
                let _ = write!(
                    buffer,
                    "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
                );
            }),
            check: Arc::new(|_, status, _| matches!(status, 200 | 201 | 204)),
        }
    }
}

const JSON: &str = "application/json";
/// Rows of a step while a table is filled: each is a commit, which may be synced.
const FILL_ROWS: u64 = 5_000;

struct Write {
    method: &'static str,
    path: String,
    headers: &'static str,
    body: String,
}

fn make(client: &mut Client, table: &str, has_author: bool, has_index: bool) -> Result<()> {
    let mut definition = serde_json::json!({
        "columns": [
            {"name": "id", "type": "bigint"},
            {"name": "title", "type": "text", "nullable": false},
            {"name": "author_id", "type": "bigint", "nullable": false},
            {"name": "shelf", "type": "integer", "nullable": false},
            {"name": "pages", "type": "integer"},
            {"name": "price", "type": "numeric(10,2)"},
            {"name": "added_at", "type": "timestamptz"},
        ],
        "primary_key": ["id"],
    });
    if has_author {
        let key = serde_json::json!({"columns": ["author_id"], "references": {"table": "authors", "columns": ["id"]}});
        definition["foreign_keys"] = [key].into_iter().collect();
    }
    if has_index {
        definition["indexes"] = [serde_json::json!({"columns": ["shelf"]})].into_iter().collect();
    }
    client.send("PUT", &format!("/api/v1/schema/tables/{table}"), JSON, definition.to_string().as_bytes())
}

/// Whether these are the rows of a page of this shelf.
fn is_page(body: &[u8], shelf: u64, has_authors: bool) -> bool {
    let count = |text: &str| memchr::memmem::find_iter(body, text).count();
    let authors = if has_authors { PAGE_ROWS } else { 0 };
    count(&format!("\"shelf\":{shelf},")) == PAGE_ROWS && count("\"authors\":{\"name\":\"Author ") == authors
}
