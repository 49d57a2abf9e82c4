//! PostgreSQL: a server of its own, `pgbench -M prepared` for small statements, a connection for bulk inserts.
//!
//! It has no HTTP to read and no JSON to write, but where the name says so. With `synchronous_commit = off` a write is safe from nothing
//! when it is acknowledged, with `on` from a power cut.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mantis_benches::process::{LOAD_CORE, Servers, pause};
use postgres::{Client, NoTls};

use crate::contest::{Contestant, Measured, Operation};
use crate::rows::{self, BATCH_ROWS, Book, PAGE_ROWS, Sizes};

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// Who runs the server when this program runs as root, which the server refuses.
const USER: [&str; 5] = ["--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig", "TERM"];

pub(crate) struct PostgreSql {
    servers: Servers,
    port: u16,
    folder: PathBuf,
    sizes: Sizes,
    connections: usize,
    next: RefCell<u64>,
}

pub(crate) fn is_installed() -> bool {
    let is_there = Path::new(PROGRAMS).join("postgres").is_file() && Path::new(PROGRAMS).join("pgbench").is_file();
    if !is_there {
        eprintln!("PostgreSQL 15 is missing and left out; on Debian: apt-get install postgresql-15");
    }
    is_there
}

impl PostgreSql {
    /// Makes a cluster in `dir`, and starts its server.
    pub(crate) fn start(dir: &Path, port: u16, books: u64, connections: usize) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mantisdb-bench-postgresql").tempdir_in(dir)?;
        let path = folder.path().to_owned();
        let is_root = rustix::process::geteuid().is_root();
        let mut initialise = Command::new(if is_root { "setpriv" } else { "env" });
        if is_root {
            ensure!(Command::new("chown").arg("postgres").arg(&path).status()?.success(), "there is no user postgres");
            initialise.args(USER);
        }
        let output = initialise
            .arg(format!("{PROGRAMS}/initdb"))
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--locale=C", "--encoding=UTF8", "-D"])
            .arg(path.join("data"))
            .output()?;
        ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nshared_buffers = 1GB\n\
             max_wal_size = 8GB\nsynchronous_commit = off\nlog_min_messages = fatal\njit = off\n",
            path.display()
        );
        let mut file = fs::OpenOptions::new().append(true).open(path.join("data/postgresql.conf"))?;
        file.write_all(settings.as_bytes())?;
        let mut servers = Servers::new();
        let (program, data) = (format!("{PROGRAMS}/postgres"), path.join("data").display().to_string());
        if is_root {
            let arguments: Vec<&str> = USER.into_iter().chain([&program[..], "-D", &data]).collect();
            servers.start("setpriv", &arguments, port)?;
        } else {
            servers.start(&program, &["-D", &data], port)?;
        }
        // The server still has files there when this ends: `Drop` removes the folder after it.
        let _ = folder.keep();
        Ok(Self { servers, port, folder: path, sizes: Sizes::of(books), connections, next: RefCell::new(books) })
    }

    fn connect(&self) -> Result<Client> {
        // A server that has just started says for a moment that it is starting.
        let parameters = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port);
        let mut attempts = 0;
        loop {
            match Client::connect(&parameters, NoTls) {
                Ok(client) => return Ok(client),
                Err(error) if attempts > 100 => return Err(error).context("cannot connect to PostgreSQL"),
                Err(_) => pause(Duration::from_millis(50)),
            }
            attempts += 1;
        }
    }

    /// Makes and fills the same tables with the same indexes.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut client = self.connect()?;
        let columns = "(id bigint primary key, title text not null, author_id bigint not null, shelf integer not null, \
             pages integer, price numeric(10,2), added_at timestamptz)";
        client.batch_execute(&format!(
            "create table authors (id bigint primary key, name text not null, country text);
             create table books {columns}; create table ascending {columns}; create table scattered {columns};
             create table disk_ascending {columns}; create table disk_scattered {columns};
             create sequence numbers start {};",
            self.sizes.books
        ))?;
        let mut authors = String::new();
        for id in 0..self.sizes.groups {
            let _ = writeln!(authors, "{id}\t{}\tItaly", rows::author_name(id));
        }
        copy_in(&mut client, "authors", &authors)?;
        let (ascending, scattered): (Make, Make) = (Book::ascending, Book::scattered);
        for (table, make) in [("books", ascending), ("scattered", scattered), ("disk_scattered", scattered)] {
            for first in (0..self.sizes.books).step_by(100_000) {
                let books = first..(first + 100_000).min(self.sizes.books);
                copy_in(&mut client, table, &rows::copy(books.map(|number| make(number, self.sizes))))?;
            }
        }
        client.batch_execute(
            "alter table books add foreign key (author_id) references authors;
             create index on books (shelf, id); create index on scattered (shelf); create index on disk_scattered (shelf);",
        )?;
        client.batch_execute("vacuum analyze; ")?;
        client.batch_execute("checkpoint")?;
        Ok(())
    }

    pub(crate) fn contestants(self: &Rc<Self>) -> Result<Vec<Contestant>> {
        let (books, groups) = (self.sizes.books - 1, self.sizes.groups - 1);
        let id = format!("\\set id random(0, {books})\n");
        let shelf = format!("\\set shelf random(0, {groups})\n");
        let page = format!("where shelf = :shelf order by id limit {PAGE_ROWS}");
        let joined = format!(
            "select books.*, authors.name, authors.country from books left join authors on authors.id = author_id \
             where shelf = :shelf order by books.id limit {PAGE_ROWS}"
        );
        let nested = format!(
            "select books.*, row_to_json(author.*) as authors from books left join lateral \
             (select name, country from authors where authors.id = author_id) author on true \
             where shelf = :shelf order by books.id limit {PAGE_ROWS}"
        );
        let json = |query: &str| format!("select coalesce(json_agg(t), '[]')::text from ({query}) t");
        let insert = format!(
            "\\set author random(0, {groups})\n\\set shelf random(0, {groups})\n\
             insert into books values (nextval('numbers'), 'The title of book 1234567', :author, :shelf, 321, 12.34, now());"
        );
        let one = "select * from books where id = :id";
        let scripts = [
            (Operation::Row, "PostgreSQL", format!("{id}{one};")),
            (Operation::Row, "PostgreSQL, json_agg", format!("{id}{};", json(one))),
            (Operation::Page, "PostgreSQL", format!("{shelf}select * from books {page};")),
            (
                Operation::Page,
                "PostgreSQL, json_agg",
                format!("{shelf}{};", json(&format!("select * from books {page}"))),
            ),
            (Operation::Embed, "PostgreSQL", format!("{shelf}{joined};")),
            (Operation::Embed, "PostgreSQL, json_agg", format!("{shelf}{};", json(&nested))),
            (Operation::Insert, "PostgreSQL", insert),
            (
                Operation::Update,
                "PostgreSQL",
                format!("{id}\\set cents random(0, 9999)\nupdate books set price = :cents / 100.0 where id = :id;"),
            ),
        ];
        let mut all = Vec::new();
        for (index, (operation, name, script)) in scripts.into_iter().enumerate() {
            all.push(self.pgbench(index, operation, name, &script)?);
        }
        for (operation, table) in [(Operation::BulkAscending, "ascending"), (Operation::BulkScattered, "scattered")] {
            all.push(self.bulk(operation, "PostgreSQL, json_populate_recordset", table, Way::Json, false)?);
            all.push(self.bulk(operation, "PostgreSQL, COPY", table, Way::Copy, false)?);
        }
        all.push(self.bulk(Operation::Upsert, "PostgreSQL, json_populate_recordset", "books", Way::Upsert, false)?);
        Ok(all)
    }

    /// Bulk inserts whose commits are synced.
    pub(crate) fn synced(self: &Rc<Self>) -> Result<Vec<Contestant>> {
        let mut all = Vec::new();
        for (operation, table) in
            [(Operation::BulkAscending, "disk_ascending"), (Operation::BulkScattered, "disk_scattered")]
        {
            all.push(self.bulk(operation, "PostgreSQL, json_populate_recordset", table, Way::Json, true)?);
            all.push(self.bulk(operation, "PostgreSQL, COPY", table, Way::Copy, true)?);
        }
        Ok(all)
    }

    fn pgbench(
        self: &Rc<Self>,
        index: usize,
        operation: Operation,
        name: &'static str,
        script: &str,
    ) -> Result<Contestant> {
        let path = self.folder.join(format!("{index}.sql"));
        fs::write(&path, script)?;
        let this = Rc::clone(self);
        let run = Box::new(move |time: Duration| {
            // What connecting costs, and planning for the first time, is not a statement's.
            let (connecting, first) = this.pgbench_once(&path, &["-t", "1"], operation)?;
            #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
            let start = Instant::now();
            let seconds = time.as_secs().max(1).to_string();
            let (transactions, cpu_ns) = this.pgbench_once(&path, &["-T", &seconds], operation)?;
            Ok(Measured {
                units: transactions.saturating_sub(connecting),
                cpu_ns: cpu_ns.saturating_sub(first),
                elapsed: start.elapsed(),
            })
        });
        Ok(Contestant { operation, name, run })
    }

    /// Transactions, and CPU time.
    fn pgbench_once(&self, script: &Path, length: &[&str], operation: Operation) -> Result<(u64, u64)> {
        let connections = self.connections.to_string();
        let before = self.servers.cpu_ns()?;
        let output = Command::new("taskset")
            .args([
                "-c",
                LOAD_CORE,
                &format!("{PROGRAMS}/pgbench"),
                "-n",
                "-M",
                "prepared",
                "-j",
                "1",
                "-c",
                &connections,
            ])
            .args(length)
            .arg("-f")
            .arg(script)
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", "postgres"])
            .stdin(Stdio::null())
            .output()?;
        if operation.writes() {
            self.servers.rest()?;
        } else {
            // The sessions' processes end.
            pause(Duration::from_millis(50));
        }
        let cpu_ns = self.servers.cpu_ns()? - before;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "pgbench: {text}{}", String::from_utf8_lossy(&output.stderr));
        let count = |label: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(label))?;
            line.split(['/', ' ']).find_map(|number| number.parse::<u64>().ok())
        };
        ensure!(count("number of failed transactions:") == Some(0), "pgbench: {text}");
        Ok((count("number of transactions actually processed:").context("pgbench counts nothing")?, cpu_ns))
    }

    fn bulk(
        self: &Rc<Self>,
        operation: Operation,
        name: &'static str,
        table: &'static str,
        way: Way,
        is_synced: bool,
    ) -> Result<Contestant> {
        let mut client = self.connect()?;
        client.batch_execute(if is_synced { "set synchronous_commit = on" } else { "set synchronous_commit = off" })?;
        let mut sql =
            format!("insert into {table} select * from json_populate_recordset(null::{table}, $1::text::json)");
        if way == Way::Upsert {
            let set = rows::COLUMNS[1..].iter().map(|column| format!("{column} = excluded.{column}"));
            let _ = write!(sql, " on conflict (id) do update set {}", set.collect::<Vec<_>>().join(", "));
        }
        let statement = client.prepare(&sql)?;
        let make: Make = if operation == Operation::BulkScattered { Book::scattered } else { Book::ascending };
        let this = Rc::clone(self);
        let run = Box::new(move |time: Duration| {
            let before = this.servers.cpu_ns()?;
            #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
            let start = Instant::now();
            let mut units = 0;
            while start.elapsed() < time {
                let first = this.first_of_batch(way);
                let books = (first..first + BATCH_ROWS).map(|number| make(number, this.sizes));
                let done = match way {
                    Way::Copy => copy_in(&mut client, table, &rows::copy(books))?,
                    Way::Json | Way::Upsert => client.execute(&statement, &[&rows::json(books)])?,
                };
                ensure!(done == BATCH_ROWS, "{done} rows were written");
                units += done;
            }
            let elapsed = start.elapsed();
            this.servers.rest()?;
            Ok(Measured { units, cpu_ns: this.servers.cpu_ns()? - before, elapsed })
        });
        Ok(Contestant { operation, name, run })
    }

    fn first_of_batch(&self, way: Way) -> u64 {
        let next = &mut *self.next.borrow_mut();
        *next += BATCH_ROWS;
        if way == Way::Upsert { self.sizes.batch_start(rows::mix(*next)) } else { *next }
    }
}

impl Drop for PostgreSql {
    fn drop(&mut self) {
        // Its server stops at once, and its shared memory goes with it.
        if let Ok(text) = fs::read_to_string(self.folder.join("data/postmaster.pid"))
            && let Some(pid) = text.lines().next()
        {
            let _ = Command::new("kill").args(["-QUIT", pid]).status();
            pause(Duration::from_millis(500));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes a row of a number.
type Make = fn(u64, Sizes) -> Book;

/// How rows are inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Json,
    Copy,
    Upsert,
}

fn copy_in(client: &mut Client, table: &str, lines: &str) -> Result<u64> {
    let mut writer = client.copy_in(&format!("copy {table} from stdin"))?;
    writer.write_all(lines.as_bytes())?;
    Ok(writer.finish()?)
}
