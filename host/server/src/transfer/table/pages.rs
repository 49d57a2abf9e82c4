//! A table's rows page by page, in one snapshot: the pages are requests of a transaction that only reads.
//!
//! Where the query says neither columns nor order nor a window, pages go by primary key, each from the last row of the one before; else
//! by offset, for servers that cap [one answer](super::whole). A snapshot is kept for a minute. Pages by key then go on in a newer one: each row that is there all the time is read once,
//! and of those that come, change or go meanwhile each is as it was when its page was read. Pages by offset would leave rows out, and end.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, HeaderName};
use serde::Deserialize;
use serde_json::Value;

use super::csv::Records;
use super::page::{Page, unexpected};
use super::whole;
use crate::client::object::{self, Object};
use crate::client::{Client, ClientError, Path};
use crate::failure::{Failure, Outcome};
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
pub(super) struct Pages<'a> {
    client: &'a Client,
    path: Path,
    is_csv: bool,
    transaction: String,
    /// Snapshots in a row, this one included, of which no page was read.
    fruitless: u32,
    /// The snapshots that were read.
    moments: u64,
    place: Place,
    page_rows: u64,
}

/// Where the next page begins.
pub(super) enum Place {
    After { key: Vec<String>, last: Option<Vec<String>> },
    At { offset: u64, left: u64 },
}

#[derive(Deserialize)]
struct Begun {
    id: String,
}

impl<'a> Pages<'a> {
    /// Begins with the first page of `path`, whose query [has no window](place).
    pub(super) async fn begin(client: &'a Client, path: Path, is_csv: bool, place: Place) -> Outcome<Self> {
        let transaction = snapshot(client).await?;
        Ok(Self { client, path, is_csv, transaction, fruitless: 1, moments: 0, place, page_rows: PAGE_ROWS_MAX })
    }

    /// Ends the snapshot. Left alone it ends by itself.
    pub(super) async fn end(&self) {
        let path = Path::new("/api/v1/transactions").part(self.transaction.as_bytes());
        let _ = self.client.request(Method::DELETE, &path, &[], Bytes::new()).await;
    }

    /// The moments that the rows are of: more than one where the snapshots ended before the rows did.
    pub(super) fn moments(&self) -> u64 {
        self.moments
    }

    /// Goes on in a newer snapshot, if this one has come to its end in the middle of pages by key.
    async fn renew(&mut self, error: ClientError) -> Outcome {
        if !matches!(self.place, Place::After { .. }) {
            let is_ended = ENDED.contains(&error.code());
            let failure = Failure::from(error);
            let hint = "this server caps the rows of an answer, and keeps a snapshot for a minute; without select, order, limit and offset the export goes on by primary key";
            return Err(if is_ended { failure.hint(hint) } else { failure });
        }
        if self.fruitless > FRUITLESS_MAX {
            return Err(error.into());
        }
        self.end().await;
        self.transaction = snapshot(self.client).await?;
        self.fruitless += 1;
        self.page_rows = PAGE_ROWS_MAX;
        Ok(())
    }

    /// The next page; none after the last.
    pub(super) async fn next(&mut self) -> Outcome<Option<Page>> {
        loop {
            let Some(path) = self.page_path() else { return Ok(None) };
            let accept = if self.is_csv { "text/csv" } else { "application/x-ndjson" };
            let headers =
                [(ACCEPT, accept), (HeaderName::from_static("mantisdb-transaction"), self.transaction.as_str())];
            match with_retries(self.client, Repeat::Always, Method::GET, &path, &headers, Bytes::new()).await {
                Ok(answer) => {
                    self.moments += u64::from(self.fruitless > 0);
                    self.fruitless = 0;
                    // Lines have ends, and the last record of CSV has none.
                    if self.is_csv || !answer.body.is_empty() && !answer.body.ends_with(b"\n") {
                        answer.whole()?;
                    }
                    let announced = whole::announced(&answer.headers);
                    return self.take(&answer.body, announced);
                }
                Err(error) if error.code() == TOO_LARGE && self.page_rows > 1 => self.page_rows /= 2,
                Err(error) if ENDED.contains(&error.code()) || error.code() == TOO_LARGE => self.renew(error).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn page_path(&self) -> Option<Path> {
        let number = |number: u64| number.to_string().into_bytes();
        match &self.place {
            Place::At { left: 0, .. } => None,
            Place::At { offset, left } => {
                let path = self.path.clone().with("limit", Some(&number(self.page_rows.min(*left))));
                Some(path.with("offset", Some(&number(*offset))))
            }
            Place::After { key, last } => {
                let order: Vec<_> = key.iter().map(|column| quoted_name(column)).collect();
                let after = last.as_ref().map(|last| after(key, last));
                let path = self.path.clone().with("order", Some(order.join(",").as_bytes()));
                let path = path.with("and", after.as_deref().map(str::as_bytes));
                Some(path.with("limit", Some(&number(self.page_rows))))
            }
        }
    }

    /// Reads an answer, and moves on.
    fn take(&mut self, body: &Bytes, announced: Option<u64>) -> Outcome<Option<Page>> {
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
        // An answer that was cut on its way may look whole.
        if let Some(announced) = announced
            && announced != rows as u64
        {
            return Err(unexpected(format!("the answer has {rows} of {announced} rows")));
        }
        if rows == 0 {
            return Ok(None);
        }
        match &mut self.place {
            Place::At { offset, left } => {
                *offset += rows as u64;
                *left = left.saturating_sub(rows as u64);
            }
            Place::After { key, last } => {
                let found = last_key(&page, key).ok_or_else(|| unexpected("a row has no primary key".to_owned()))?;
                // A page that does not move on would be read for ever.
                if last.as_ref() == Some(&found) {
                    return Err(unexpected("two pages end with the same row".to_owned()));
                }
                *last = Some(found);
            }
        }
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

/// The query without its window, and where it begins.
pub(super) fn place(query: &str, document: &Value) -> Outcome<(String, Place)> {
    let name_of = |parameter: &str| parameter.split('=').next().unwrap_or_default().to_owned();
    let parameters: Vec<_> = query.split('&').filter(|parameter| !parameter.is_empty()).collect();
    let number = |name: &str, default: u64| {
        let given = parameters.iter().rev().find(|parameter| name_of(parameter) == name);
        let Some(given) = given else { return Ok(default) };
        let digits = given.split_once('=').map_or("", |(_, digits)| digits);
        digits.parse().map_err(|_| Failure::usage(format!("{given:?}: the {name} is a number from 0 on")))
    };
    let is_plain = parameters
        .iter()
        .all(|parameter| !matches!(&*name_of(parameter), "select" | "order" | "limit" | "offset" | "having"));
    if is_plain && let Some(key) = ordered_key(document) {
        return Ok((query.to_owned(), Place::After { key, last: None }));
    }
    let place = Place::At { offset: number("offset", 0)?, left: number("limit", u64::MAX)? };
    let rest = parameters.iter().filter(|parameter| !matches!(&*name_of(parameter), "limit" | "offset"));
    Ok((rest.copied().collect::<Vec<_>>().join("&"), place))
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
        let by_key = |query: &str| matches!(place(query, &document).unwrap(), (_, Place::After { .. }));
        assert!(by_key("") && by_key("id=gt.5&or=(id.eq.1)"));
        assert!(!by_key("select=id") && !by_key("order=id") && !by_key("limit=1"));
        let (rest, window) = place("select=id&limit=5&offset=2&id=gt.1", &document).unwrap();
        assert_eq!(rest, "select=id&id=gt.1");
        assert!(matches!(window, Place::At { offset: 2, left: 5 }));
        assert!(place("limit=x", &document).is_err());
        let json_key = json!({"columns": [{"name": "j", "type": "jsonb"}], "primary_key": ["j"]});
        assert!(matches!(place("", &json_key).unwrap(), (_, Place::At { .. })));
        assert!(matches!(place("", &json!({"columns": []})).unwrap(), (_, Place::At { .. })));
    }
}
