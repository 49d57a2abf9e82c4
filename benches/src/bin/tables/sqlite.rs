//! SQLite in this process: prepared statements, every value of every row read, and neither HTTP nor JSON.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mantis_benches::process::own_cpu_ns;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement, params};

use crate::contest::{Contestant, Measured, Operation};
use crate::rows::{self, BATCH_ROWS, Book, COLUMNS, PAGE_ROWS, Sizes};

pub(crate) struct Sqlite {
    connection: RefCell<Connection>,
    sizes: Sizes,
    next: Cell<u64>,
}

const INSERT: [&str; 3] = [
    "insert into books values (?, ?, ?, ?, ?, ?, ?)",
    "insert into ascending values (?, ?, ?, ?, ?, ?, ?)",
    "insert into scattered values (?, ?, ?, ?, ?, ?, ?)",
];

impl Sqlite {
    /// In memory without a folder, else in it, each commit synced.
    pub(crate) fn open(books: u64, folder: Option<&Path>) -> Result<Self> {
        let connection = match folder {
            None => Connection::open_in_memory()?,
            Some(folder) => {
                let connection = Connection::open(folder.join("sqlite.db"))?;
                connection.execute_batch("pragma journal_mode = wal; pragma synchronous = full;")?;
                connection
            }
        };
        let columns = "(id integer primary key, title text not null, author_id integer not null, shelf integer not null, \
             pages integer, price numeric, added_at integer)";
        let with_author =
            columns.replace("author_id integer not null", "author_id integer not null references authors");
        connection.execute_batch(&format!(
            "pragma foreign_keys = on; create table authors (id integer primary key, name text not null, country text);
             create table books {with_author}; create table ascending {columns}; create table scattered {columns};
             create index books_shelf on books (shelf, id); create index scattered_shelf on scattered (shelf);"
        ))?;
        let this = Self { connection: RefCell::new(connection), sizes: Sizes::of(books), next: Cell::new(books) };
        Ok(this)
    }

    pub(crate) fn fill(&self) -> Result<()> {
        let connection = &mut *self.connection.borrow_mut();
        let transaction = connection.transaction()?;
        {
            let mut statement = transaction.prepare("insert into authors values (?, ?, 'Italy')")?;
            for id in 0..self.sizes.groups {
                statement.execute(params![id.cast_signed(), rows::author_name(id)])?;
            }
            let (mut books, mut scattered) = (transaction.prepare(INSERT[0])?, transaction.prepare(INSERT[2])?);
            for number in 0..self.sizes.books {
                insert(&mut books, &Book::ascending(number, self.sizes))?;
                insert(&mut scattered, &Book::scattered(number, self.sizes))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    pub(crate) fn contestants(self: &Rc<Self>) -> Vec<Contestant> {
        let all = [
            Operation::Row,
            Operation::Page,
            Operation::Embed,
            Operation::Insert,
            Operation::Update,
            Operation::Upsert,
            Operation::BulkAscending,
            Operation::BulkScattered,
        ];
        all.map(|operation| self.contestant(operation)).into()
    }

    pub(crate) fn contestant(self: &Rc<Self>, operation: Operation) -> Contestant {
        let this = Rc::clone(self);
        let run = Box::new(move |time| this.run(operation, time));
        Contestant { operation, name: "SQLite, in process", run }
    }

    fn run(&self, operation: Operation, time: Duration) -> Result<Measured> {
        let connection = &mut *self.connection.borrow_mut();
        connection.set_prepared_statement_cache_capacity(32);
        let before = own_cpu_ns()?;
        #[allow(clippy::disallowed_methods, reason = "a native program that measures time")]
        let start = Instant::now();
        let mut units = 0;
        while start.elapsed() < time {
            self.once(connection, operation)?;
            units += operation.units();
        }
        Ok(Measured { units, cpu_ns: own_cpu_ns()? - before, elapsed: start.elapsed() })
    }

    fn once(&self, connection: &mut Connection, operation: Operation) -> Result<()> {
        let number = self.next.get();
        self.next.set(number + operation.units());
        let dice = rows::mix(number);
        let (id, shelf) = ((dice % self.sizes.books).cast_signed(), (dice % self.sizes.groups).cast_signed());
        match operation {
            Operation::Row | Operation::RowByPath | Operation::Key => {
                let mut statement = connection.prepare_cached("select * from books where id = ?")?;
                ensure!(read(&mut statement, id)? == 1, "no row");
            }
            Operation::Page => {
                let sql = "select * from books where shelf = ? order by id limit 25";
                ensure!(read(&mut *connection.prepare_cached(sql)?, shelf)? == PAGE_ROWS, "no page");
            }
            Operation::Embed => {
                let sql = "select books.*, authors.name, authors.country from books left join authors \
                           on authors.id = author_id where shelf = ? order by books.id limit 25";
                ensure!(read(&mut *connection.prepare_cached(sql)?, shelf)? == PAGE_ROWS, "no page");
            }
            Operation::Insert => {
                insert(&mut *connection.prepare_cached(INSERT[0])?, &Book::ascending(number, self.sizes))?;
            }
            Operation::Update => {
                let mut statement = connection.prepare_cached("update books set price = ? where id = ?")?;
                ensure!(statement.execute(params![12.34, id])? == 1, "no row");
            }
            Operation::Upsert => {
                let set = COLUMNS[1..].iter().map(|column| format!("{column} = excluded.{column}"));
                let set = set.collect::<Vec<_>>().join(", ");
                let sql = format!("{} on conflict (id) do update set {set}", INSERT[0]);
                let first = self.sizes.batch_start(dice);
                self.batch(connection, &sql, first, Book::ascending)?;
            }
            Operation::BulkAscending => self.batch(connection, INSERT[1], number, Book::ascending)?,
            Operation::BulkScattered => self.batch(connection, INSERT[2], number, Book::scattered)?,
        }
        Ok(())
    }

    fn batch(&self, connection: &mut Connection, sql: &str, first: u64, make: fn(u64, Sizes) -> Book) -> Result<()> {
        let transaction = connection.transaction()?;
        {
            let mut statement = transaction.prepare_cached(sql)?;
            for number in first..first + BATCH_ROWS {
                insert(&mut statement, &make(number, self.sizes))?;
            }
        }
        Ok(transaction.commit()?)
    }
}

fn insert(statement: &mut Statement<'_>, book: &Book) -> Result<()> {
    #[allow(clippy::cast_precision_loss, reason = "a price")]
    let price = book.cents as f64 / 100.0;
    let values = params![
        book.id,
        book.title(),
        book.author.cast_signed(),
        book.shelf.cast_signed(),
        book.pages.cast_signed(),
        price,
        book.added_s
    ];
    statement.execute(values)?;
    Ok(())
}

/// Reads all values of all rows, and counts these.
fn read(statement: &mut Statement<'_>, argument: i64) -> Result<usize> {
    let columns = statement.column_count();
    let mut rows = statement.query([argument])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            black_box::<ValueRef<'_>>(row.get_ref(column)?);
        }
        count += 1;
    }
    Ok(count)
}
