//! The rows that all sides hold: books on shelves, and their authors. Everything follows from a row's number.

use std::fmt::{self, Write as _};

/// Rows of a bulk insert.
pub(crate) const BATCH_ROWS: u64 = 1_000;
/// Rows of a page.
pub(crate) const PAGE_ROWS: usize = 25;
/// Books of a shelf and of an author, on average.
const BOOKS_PER_GROUP: u64 = 100;
/// The time of the first book: 2020-01-01.
const FIRST_ADDED_S: i64 = 1_577_836_800;

/// The columns of books, in their order.
pub(crate) const COLUMNS: [&str; 7] = ["id", "title", "author_id", "shelf", "pages", "price", "added_at"];

/// How large the tables are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) books: u64,
    /// Authors, and shelves.
    pub(crate) groups: u64,
}

impl Sizes {
    pub(crate) fn of(books: u64) -> Self {
        Self { books, groups: (books / BOOKS_PER_GROUP).max(1) }
    }

    /// The first book of a batch that is there; tables have more books than a batch.
    pub(crate) fn batch_start(self, dice: u64) -> u64 {
        dice % (self.books - BATCH_ROWS).max(1)
    }
}

/// A book: the row of every table but the authors'.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Book {
    pub(crate) id: i64,
    number: u64,
    pub(crate) author: u64,
    pub(crate) shelf: u64,
    pub(crate) pages: u64,
    pub(crate) cents: u64,
    /// Seconds since 1970.
    pub(crate) added_s: i64,
}

impl Book {
    /// The book with this number, which is its key too.
    pub(crate) fn ascending(number: u64, sizes: Sizes) -> Self {
        let dice = mix(number);
        Self {
            id: number.cast_signed(),
            number,
            author: dice % sizes.groups,
            shelf: number % sizes.groups,
            pages: 50 + (dice >> 32) % 900,
            cents: (dice >> 20) % 10_000,
            added_s: FIRST_ADDED_S + number.cast_signed() % 100_000_000,
        }
    }

    /// The same with a key, and a place in the index, like no other's before.
    pub(crate) fn scattered(number: u64, sizes: Sizes) -> Self {
        let dice = mix(number);
        Self { id: (dice >> 1).cast_signed(), shelf: (mix(dice) >> 8) % sizes.groups, ..Self::ascending(number, sizes) }
    }

    pub(crate) fn title(&self) -> String {
        format!("The title of book {}", self.number)
    }

    pub(crate) fn write_json(&self, text: &mut String) {
        let Self { id, number, author, shelf, pages, .. } = self;
        let (price, added) = (Price(self.cents), Added(self.added_s));
        let _ = write!(
            text,
            r#"{{"id":{id},"title":"The title of book {number}","author_id":{author},"shelf":{shelf},"pages":{pages},"price":{price},"added_at":"{added}"}}"#
        );
    }

    /// A line as `COPY` reads it.
    pub(crate) fn write_copy(&self, text: &mut String) {
        let Self { id, number, author, shelf, pages, .. } = self;
        let (price, added) = (Price(self.cents), Added(self.added_s));
        let _ = writeln!(text, "{id}\tThe title of book {number}\t{author}\t{shelf}\t{pages}\t{price}\t{added}");
    }
}

/// Books as a JSON array.
pub(crate) fn json(books: impl Iterator<Item = Book>) -> String {
    let mut text = String::with_capacity(160 * 1_000);
    for book in books {
        text.push(if text.is_empty() { '[' } else { ',' });
        book.write_json(&mut text);
    }
    text.push(']');
    text
}

/// Books as lines for `COPY`.
pub(crate) fn copy(books: impl Iterator<Item = Book>) -> String {
    let mut text = String::with_capacity(100 * 1_000);
    books.for_each(|book| book.write_copy(&mut text));
    text
}

pub(crate) fn author_name(number: u64) -> String {
    format!("Author {number}")
}

/// The output function of splitmix64 (Steele, Lea, Flood 2014), a bijection.
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Cents as a decimal number.
pub(crate) struct Price(pub(crate) u64);

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Seconds since 1970 as a timestamp.
struct Added(i64);

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, second) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        // The civil date of a day (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
        let shifted = day + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
    }
}
