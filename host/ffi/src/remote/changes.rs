//! Pages of the change feed.

use bytes::Bytes;
use mantis_db::{Change, ChangeFilter, ChangeKind, Changes, MediaType, Since};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::dialect;
use super::form::{Data, Number, Time, list};
use super::keys::check_limit;
use super::problem;
use super::session::Session;
use super::url::Path;
use super::wire::Request;
use crate::failure::Failure;
use crate::far::{Feed, Shown};
use crate::statements::data_json;

/// Parameters of the feed itself, which no column's filter has as its name.
const OWN: &[&str] =
    &["bucket", "prefix", "table", "since", "wait", "values", "progress", "encoding", "select", "limit"];

/// Changes of a page: servers give up to 100.
const PAGE_MAX: usize = 10_000;

/// A page, as the server has it.
#[derive(Deserialize)]
struct PageIn<'a> {
    #[serde(borrow)]
    changes: &'a RawValue,
    cursor: String,
    more: bool,
}

/// A change of a key, a row or a definition.
#[derive(Deserialize)]
struct ChangeIn<'a> {
    kind: String,
    #[serde(default)]
    bucket: Option<String>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(default)]
    value: Option<Data>,
    #[serde(default)]
    media_type: Option<String>,
    version: Number,
    #[serde(default)]
    previous_version: Option<Number>,
    time: Time,
    #[serde(default)]
    expires_at: Option<Time>,
    cursor: String,

    #[serde(default)]
    table: Option<String>,
    #[serde(default)]
    schema_version: u64,
    #[serde(borrow, default)]
    row: Option<&'a RawValue>,
    #[serde(borrow, default)]
    old: Option<&'a RawValue>,
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
    #[serde(default)]
    matches: Matches,
}

#[derive(Default, Deserialize)]
struct Matches {
    old: Option<bool>,
    new: bool,
}

/// Reads pages until there are as many changes as asked for, or none are left. Shows each, and returns the cursor after the last and whether
/// the feed ends there.
fn read(
    session: &mut Session,
    path: &Path,
    since: &Since,
    limit: usize,
    show: &mut dyn FnMut(ChangeIn<'_>) -> Result<bool, Failure>,
) -> Result<(String, bool), Failure> {
    check_limit(limit)?;
    let mut since = match since {
        Since::Now => "now".to_owned(),
        Since::Earliest => "earliest".to_owned(),
        Since::Cursor(cursor) => cursor.clone(),
    };
    let mut count = 0;
    loop {
        // No change belongs to an open transaction.
        let request = Request::get(path.clone().with("since", &since)).header("accept", "application/json");
        let answer = session.send_alone(&request)?;
        let page: PageIn<'_> = answer.json()?;
        let listed: Vec<&RawValue> = list(page.changes, PAGE_MAX)?;
        let mut changes = listed.iter();
        for change in changes.by_ref() {
            let change: ChangeIn<'_> = serde_json::from_str(change.get()).map_err(problem::malformed)?;
            let cursor = change.cursor.clone();
            count += usize::from(show(change)?);
            if count == limit {
                let at_end = changes.len() == 0 && !page.more;
                return Ok((cursor, at_end));
            }
        }
        if listed.is_empty() || !page.more {
            // A page may be empty though the feed goes on: that is told, as by a database in this process.
            return Ok((page.cursor, !page.more));
        }
        since = page.cursor;
    }
}

pub(super) fn of_keys(
    session: &mut Session,
    filter: &ChangeFilter,
    since: &Since,
    limit: usize,
) -> Result<Changes, Failure> {
    let path = Path::new("/changes").with("values", "true").with("encoding", "base64");
    // An empty prefix is one of all keys, and of keys alone.
    let path = path.with_some("bucket", filter.bucket.as_ref()).with("prefix", &filter.prefix);
    let mut changes = Vec::new();
    let mut show = |change: ChangeIn<'_>| {
        let Some(bucket) = change.bucket else { return Ok(false) };
        let key = change.key.ok_or_else(|| problem::malformed("a change has no key"))?;
        let Data(key) = serde_json::from_str(key.get()).map_err(problem::malformed)?;
        let media_type = change.media_type.as_deref().map_or(Ok(MediaType::default()), MediaType::new);
        let media_type = media_type.map_err(problem::malformed)?;
        changes.push(Change {
            kind: if change.kind == "put" { ChangeKind::Put } else { ChangeKind::Delete },
            bucket,
            key,
            value: change.value.map(|Data(value)| (media_type, Bytes::from(value))),
            expires_at_ms: change.expires_at.map(|time| time.0),
            version: change.version.0,
            previous_version: change.previous_version.map(|version| version.0),
            time_ms: change.time.0,
            cursor: change.cursor,
        });
        Ok(true)
    };
    let (cursor, at_end) = read(session, &path, since, limit, &mut show)?;
    Ok(Changes { changes, cursor, at_end })
}

pub(super) fn of_rows(
    session: &mut Session,
    table: Option<&str>,
    filter: &str,
    select: &str,
    since: &Since,
    limit: usize,
) -> Result<Feed, Failure> {
    let mut path = Path::new("/changes").with("values", "true").with("encoding", "base64").with_some("table", table);
    if table.is_some() {
        for (name, condition) in dialect::parameters(filter) {
            path = if OWN.contains(&name) {
                path.with("and", format!("({name}.{condition})"))
            } else {
                path.with(name, condition)
            };
        }
        path = path.with_some("select", Some(select).filter(|select| !select.is_empty()));
    }
    let mut shown = Vec::new();
    let mut show = |change: ChangeIn<'_>| {
        shown.push(json_of(change)?);
        Ok(true)
    };
    let (cursor, at_end) = read(session, &path, since, limit, &mut show)?;
    let data = format!("[{}]", shown.join(",")).into_bytes();
    let shown = Shown { data, count: shown.len() as u64, ..Shown::default() };
    Ok(Feed { shown, cursor: cursor.into_bytes(), at_end })
}

/// A change as a database in this process shows it.
fn json_of(change: ChangeIn<'_>) -> Result<String, Failure> {
    let raw = |json: Option<&RawValue>| json.map_or("null", RawValue::get).to_owned();
    let (version, previous) = (change.version.0, change.previous_version.map(|version| version.0));
    let Some(table) = &change.table else {
        let key = change.key.ok_or_else(|| problem::malformed("a change has no key"))?;
        let Data(key) = serde_json::from_str(key.get()).map_err(problem::malformed)?;
        return Ok(json!({
            "type": "key",
            "kind": change.kind,
            "bucket": change.bucket,
            "key": data_json(&key),
            "media_type": change.value.as_ref().and(change.media_type),
            "value": change.value.map(|Data(value)| data_json(&value)),
            "expires_at_ms": change.expires_at.map(|time| time.0),
            "version": version,
            "previous_version": previous,
            "time_ms": change.time.0,
            "cursor": change.cursor,
        })
        .to_string());
    };
    let is_of_row = matches!(&*change.kind, "insert" | "update" | "delete");
    let mut head = json!({
        "type": if is_of_row { "row" } else { "table" },
        "kind": change.kind,
        "table": table,
        "schema_version": change.schema_version,
        "version": version,
        "previous_version": previous,
        "time_ms": change.time.0,
        "cursor": change.cursor,
    });
    if is_of_row {
        head["matches_old"] = json!(change.matches.old);
        head["matches_new"] = json!(change.matches.new);
    }
    let head = head.to_string();
    let head = head.trim_end_matches('}');
    Ok(if is_of_row {
        let rows = [raw(change.key), raw(change.row), raw(change.old)];
        format!("{head},\"key\":{},\"row\":{},\"old\":{}}}", rows[0], rows[1], rows[2])
    } else {
        format!("{head},\"schema\":{}}}", raw(change.schema))
    })
}
