//! A table's rows page by page.
//!
//! Where the query says neither columns nor order nor a window, pages are requests of a transaction that only reads, and go by primary key,
//! each from the last row of the one before. Its snapshot is kept for a minute. Pages then go on in a newer one: each row that is there all
//! the time is read once, and of those that come, change or go meanwhile each is as it was when its page was read. So a table of any size is
//! exported, and a break in the middle repaired. Any other query is [one answer](super::whole), in one snapshot.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, HeaderName};
use serde::Deserialize;
use serde_json::Value;

use super::csv::Records;
use super::page::{Page, unexpected};
use super::whole::Whole;
use crate::client::object::{self, Object};
use crate::client::{Client, ClientError, Path};
use crate::failure::Outcome;
use crate::transfer::retry::{Repeat, with_retries};

/// Rows of a page; fewer where they do not fit into an answer.
const PAGE_ROWS_MAX: u64 = 10_000;
/// The code of an answer that is too large, and of a transaction that has passed over too many rows.
const TOO_LARGE: &str = "54000";
/// Snapshots in a row that may end before a page of them is read.
const FRUITLESS_MAX: u32 = 3;
/// The codes of a transaction that was open, or left alone, for too long.
const ENDED: [&str; 3] = ["40001", "transaction-too-old", "transaction-not-open"];
/// The types whose order a filter follows, of which a primary key makes pages, without what is in parentheses.
const ORDERED_TYPES: [&str; 11] = [
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "text",
    "character varying",
    "date",
    "timestamp",
    "timestamp with time zone",
    "timestamp without time zone",
    "uuid",
];

/// Reads pages.
pub(super) enum Pages<'a> {
    ByKey(KeyPages<'a>),
    Whole(Box<Whole>),
}

impl<'a> Pages<'a> {
    /// Begins with the first page. `document` is the table's schema.
    pub(super) async fn begin(
        client: &'a Client,
        table: &str,
        query: &str,
        is_csv: bool,
        document: &Value,
    ) -> Outcome<Self> {
        let path = Path::table(table).with_query(query);
        match key_of_pages(query, document) {
            Some(key) => KeyPages::begin(client, path, is_csv, key).await.map(Self::ByKey),
            None => Whole::begin(client, &path, is_csv).await.map(|whole| Self::Whole(Box::new(whole))),
        }
    }

    /// The next page; none after the last.
    pub(super) async fn next(&mut self) -> Outcome<Option<Page>> {
        match self {
            Self::ByKey(pages) => pages.next().await,
            Self::Whole(whole) => whole.next().await,
        }
    }

    /// Ends the snapshot. Left alone it ends by itself.
    pub(super) async fn end(&self) {
        if let Self::ByKey(pages) = self {
            pages.end().await;
        }
    }

    /// The moments that the rows are of: more than one where the snapshots ended before the rows did.
    pub(super) fn moments(&self) -> u64 {
        match self {
            Self::ByKey(pages) => pages.moments,
            Self::Whole(_) => 1,
        }
    }
}

/// Pages by primary key.
pub(super) struct KeyPages<'a> {
    client: &'a Client,
    path: Path,
    is_csv: bool,
    transaction: String,
    /// Snapshots in a row, this one included, of which no page was read.
    fruitless: u32,
    /// The snapshots that were read.
    moments: u64,
    key: Vec<String>,
    /// The key of the last row.
    last: Option<Vec<String>>,
    page_rows: u64,
}

#[derive(Deserialize)]
struct Begun {
    id: String,
}

impl<'a> KeyPages<'a> {
    async fn begin(client: &'a Client, path: Path, is_csv: bool, key: Vec<String>) -> Outcome<Self> {
        let transaction = snapshot(client).await?;
        let page_rows = PAGE_ROWS_MAX;
        Ok(Self { client, path, is_csv, transaction, fruitless: 1, moments: 0, key, last: None, page_rows })
    }

    async fn end(&self) {
        let path = Path::new("/api/v1/transactions").part(self.transaction.as_bytes());
        let _ = self.client.request(Method::DELETE, &path, &[], Bytes::new()).await;
    }

    /// Goes on in a newer snapshot, if this one has come to its end.
    async fn renew(&mut self, error: ClientError) -> Outcome {
        if self.fruitless > FRUITLESS_MAX {
            return Err(error.into());
        }
        self.end().await;
        self.transaction = snapshot(self.client).await?;
        self.fruitless += 1;
        self.page_rows = PAGE_ROWS_MAX;
        Ok(())
    }

    async fn next(&mut self) -> Outcome<Option<Page>> {
        loop {
            let path = self.page_path();
            let accept = if self.is_csv { "text/csv" } else { "application/x-ndjson" };
            let headers =
                [(ACCEPT, accept), (HeaderName::from_static("mantisdb-transaction"), self.transaction.as_str())];
            match with_retries(self.client, Repeat::Always, Method::GET, &path, &headers, Bytes::new()).await {
                Ok(answer) => {
                    self.moments += u64::from(self.fruitless > 0);
                    self.fruitless = 0;
                    return self.take(&answer.body);
                }
                Err(error) if error.code() == TOO_LARGE && self.page_rows > 1 => self.page_rows /= 2,
                Err(error) if ENDED.contains(&error.code()) || error.code() == TOO_LARGE => self.renew(error).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn page_path(&self) -> Path {
        let order: Vec<_> = self.key.iter().map(|column| quoted_name(column)).collect();
        let after = self.last.as_ref().map(|last| after(&self.key, last));
        let path = self.path.clone().with("order", Some(order.join(",").as_bytes()));
        let path = path.with("and", after.as_deref().map(str::as_bytes));
        path.with("limit", Some(self.page_rows.to_string().as_bytes()))
    }

    /// Reads an answer, and moves on.
    fn take(&mut self, body: &Bytes) -> Outcome<Option<Page>> {
        let page = if self.is_csv {
            let text = std::str::from_utf8(body).map_err(|error| unexpected(error.to_string()))?;
            Page::Records(Records::new(text).collect())
        } else {
            let lines = body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
            Page::Lines(lines.map(|line| body.slice_ref(line)).collect())
        };
        let rows = match &page {
            Page::Lines(lines) => lines.len(),
            Page::Records(records) => records.len().saturating_sub(1),
        };
        if rows == 0 {
            return Ok(None);
        }
        let found = last_key(&page, &self.key).ok_or_else(|| unexpected("a row has no primary key".to_owned()))?;
        // A page that does not move on would be read for ever.
        if self.last.as_ref() == Some(&found) {
            return Err(unexpected("two pages end with the same row".to_owned()));
        }
        self.last = Some(found);
        Ok(Some(page))
    }
}

/// Begins a transaction that only reads, and returns its id.
async fn snapshot(client: &Client) -> Outcome<String> {
    let path = Path::new("/api/v1/transactions").with("isolation", Some(b"snapshot"));
    let headers = [(ACCEPT, "application/json")];
    let begun = with_retries(client, Repeat::Always, Method::POST, &path, &headers, Bytes::new()).await?;
    let Begun { id } = begun.json()?;
    Ok(id)
}

/// The primary key, if the pages of a query go by it.
fn key_of_pages(query: &str, document: &Value) -> Option<Vec<String>> {
    let decides = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default();
        matches!(name, "select" | "order" | "limit" | "offset" | "having")
    };
    if query.split('&').any(decides) { None } else { ordered_key(document) }
}

/// The primary key, if pages can go by it.
fn ordered_key(document: &Value) -> Option<Vec<String>> {
    let key = &document["primary_key"];
    let names = key.as_array().or_else(|| key["columns"].as_array())?;
    let columns = document["columns"].as_array()?;
    let names = names.iter().map(|name| {
        let column = columns.iter().find(|column| column["name"] == *name)?;
        let r#type = column["type"].as_str()?.split('(').next()?;
        ORDERED_TYPES.contains(&r#type).then(|| name.as_str().map(str::to_owned))?
    });
    names.collect::<Option<Vec<_>>>().filter(|names| !names.is_empty())
}

fn last_key(page: &Page, key: &[String]) -> Option<Vec<String>> {
    match page {
        Page::Lines(lines) => {
            let row: Object = serde_json::from_slice(lines.last()?).ok()?;
            key.iter().map(|name| row.get(name).map(object::plain)).collect()
        }
        Page::Records(records) => {
            let (header, last) = (records.first()?, records.last()?);
            let place = |name: &String| header.iter().position(|column| column.as_ref() == Some(name));
            key.iter().map(|name| last.get(place(name)?)?.clone()).collect()
        }
    }
}

/// The operand of `and=` for rows after these values of the key, in its order. The first column alone bounds a range of its index.
fn after(key: &[String], last: &[String]) -> String {
    let compare =
        |place: usize, operator: &str| format!("{}.{operator}.{}", quoted_name(&key[place]), quoted(&last[place]));
    if key.len() == 1 {
        return format!("({})", compare(0, "gt"));
    }
    let alternatives: Vec<_> = (0..key.len())
        .map(|place| {
            let equal = (0..place).map(|before| compare(before, "eq"));
            let parts: Vec<_> = equal.chain([compare(place, "gt")]).collect();
            if parts.len() == 1 { parts.concat() } else { format!("and({})", parts.join(",")) }
        })
        .collect();
    format!("({},or({}))", compare(0, "gte"), alternatives.join(","))
}

/// A column's name in the dialect, in quotes where it is not plain.
fn quoted_name(name: &str) -> String {
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain { name.to_owned() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_after_a_key_are_those_that_are_larger_in_its_order() {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(after(&texts(&["id"]), &texts(&["7"])), r#"(id.gt."7")"#);
        let composite = after(&texts(&["a", "b c"]), &texts(&["x\"y", "2"]));
        assert_eq!(composite, r#"(a.gte."x\"y",or(a.gt."x\"y",and(a.eq."x\"y","b c".gt."2")))"#);
    }

    #[test]
    fn pages_go_by_key_where_the_query_leaves_it_to_them() {
        let document = json!({"columns": [{"name": "id", "type": "bigint"}, {"name": "j", "type": "jsonb"}], "primary_key": ["id"]});
        let by_key = |query: &str| key_of_pages(query, &document).is_some();
        assert!(by_key("") && by_key("id=gt.5&or=(id.eq.1)"));
        assert!(!by_key("select=id") && !by_key("order=id") && !by_key("limit=1"));
        let json_key = json!({"columns": [{"name": "j", "type": "jsonb"}], "primary_key": ["j"]});
        assert!(key_of_pages("", &json_key).is_none());
        assert!(key_of_pages("", &json!({"columns": []})).is_none());
    }
}
