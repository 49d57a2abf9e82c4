//! Which rows of which table a page shows.

use std::fmt::Write as _;

use mantis_db::tables::{TableError, TableResult, code};
use mantis_dialect::{Parser, Query};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::handlers::tables::request::parameters;
use crate::protocol::path;

/// Rows of a page unless the address says otherwise.
const ROWS_DEFAULT: u64 = 25;
/// Rows of a page at most.
const ROWS_MAX: u64 = 100;

/// Words of the dialect that say nothing of which rows.
const NOT_IN_FILTERS: &[&str] = &["select", "order", "limit", "offset", "columns", "on_conflict"];

/// What stays readable in an address that stands in quotes of a shell: none of these means anything to a shell, a URL's query or HTML.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'*')
    .remove(b',')
    .remove(b'(')
    .remove(b')')
    .remove(b':')
    .remove(b'!')
    .remove(b'/');

/// A table, and which of its rows: the fields of the form on the page, and of its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableView {
    pub(super) table: String,
    /// `select` of the dialect.
    pub(super) select: String,
    /// Filters as they stand in an address of the API: `status=eq.paid&total=gt.10`.
    pub(super) filter: String,
    /// `order` of the dialect.
    pub(super) order: String,
    pub(super) limit: u64,
    pub(super) offset: u64,
}

impl TableView {
    /// The first rows of a table.
    pub(super) fn of(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            select: String::new(),
            filter: String::new(),
            order: String::new(),
            limit: ROWS_DEFAULT,
            offset: 0,
        }
    }

    /// Reads the query of a page's address; none where it names no table. Unknown fields mean nothing, and so do numbers that are none.
    pub(super) fn read(query: Option<&str>) -> Option<Self> {
        let mut view = Self::of("");
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(value) = path::decode_form(value) else { continue };
            let value = value.trim();
            match name {
                "table" => value.clone_into(&mut view.table),
                "select" => value.clone_into(&mut view.select),
                "filter" => value.clone_into(&mut view.filter),
                "order" => value.clone_into(&mut view.order),
                "limit" => view.limit = value.parse().unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX),
                "offset" => view.offset = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        (!view.table.is_empty()).then_some(view)
    }

    /// The query of the dialect.
    ///
    /// # Errors
    /// PGRST100, also for a filter that says more than which rows.
    pub(super) fn query(&self) -> TableResult<Query> {
        let pairs = self.parameters()?;
        let borrowed = pairs.iter().map(|(name, value)| (&name[..], &value[..]));
        Ok(Parser::default().query(borrowed)?)
    }

    /// The path and query of the same rows in the API, percent-encoded so that it may stand in quotes of a shell and in HTML.
    ///
    /// # Errors
    /// PGRST100.
    pub(super) fn api_path(&self) -> TableResult<String> {
        let pairs = self.parameters()?;
        let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
        let query: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let table = utf8_percent_encode(&self.table, NON_ALPHANUMERIC);
        let table = table.to_string().replace("%5F", "_").replace("%2D", "-");
        Ok(format!("/api/v1/tables/{table}?{}", query.join("&")))
    }

    /// The address of the page with this view.
    pub(super) fn page_path(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
        let mut path = format!("/?table={}", encoded(&self.table));
        for (name, value) in [("select", &self.select), ("filter", &self.filter), ("order", &self.order)] {
            if !value.is_empty() {
                let _ = write!(path, "&{name}={}", encoded(value));
            }
        }
        for (name, value, usual) in [("limit", self.limit, ROWS_DEFAULT), ("offset", self.offset, 0)] {
            if value != usual {
                let _ = write!(path, "&{name}={value}");
            }
        }
        path
    }

    fn parameters(&self) -> TableResult<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        let mut push = |name: &str, value: &str| {
            if !value.is_empty() {
                pairs.push((name.to_owned(), value.to_owned()));
            }
        };
        push("select", &self.select);
        push("order", &self.order);
        push("limit", &self.limit.to_string());
        if self.offset > 0 {
            push("offset", &self.offset.to_string());
        }
        let filters = parameters(Some(&self.filter))?;
        if let Some((word, _)) = filters.iter().find(|(name, _)| NOT_IN_FILTERS.contains(&name.as_str())) {
            let error = TableError::new(code::PARSE, format!("the filter has no place for \"{word}\""));
            return Err(error.with_hint("Which columns, in which order and how many have fields of their own."));
        }
        let after_select = usize::from(!self.select.is_empty());
        pairs.splice(after_select..after_select, filters);
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: Option<(&str, &str)>) {
        let view = TableView::read(Some(query));
        let paths = view.as_ref().map(|view| (view.api_path().unwrap(), view.page_path()));
        let paths = paths.as_ref().map(|(api, page)| (&api[..], &page[..]));
        assert_eq!(paths, expected, "{query}");
        if let Some((_, page)) = paths {
            assert_eq!(TableView::read(page.strip_prefix("/?")), view, "{page}");
        }
    }

    #[test]
    fn an_address_is_the_same_rows_in_the_page_and_in_the_api() {
        check("", None);
        check("table=", None);
        check("filter=a%3Deq.1", None);
        check("table=books", Some(("/api/v1/tables/books?limit=25", "/?table=books")));
        check(
            "table=books&select=id%2Ctitle&filter=pages%3Dgt.10%26title%3Dlike.R*+x&order=id.desc&limit=50&offset=100",
            Some((
                "/api/v1/tables/books?select=id,title&pages=gt.10&title=like.R*%20x&order=id.desc&limit=50&offset=100",
                "/?table=books&select=id,title&filter=pages%3Dgt.10%26title%3Dlike.R*%20x&order=id.desc&limit=50&offset=100",
            )),
        );
        check("table=a'b&limit=0&offset=x", Some(("/api/v1/tables/a%27b?limit=1", "/?table=a%27b&limit=1")));
        check("table=b&limit=1000", Some(("/api/v1/tables/b?limit=100", "/?table=b&limit=100")));
        check("table=%FF&other=1", None);
    }

    #[test]
    fn what_stands_in_quotes_of_a_shell_ends_them_nowhere() {
        let hostile = "table=a&filter=a%3Deq.%27%3B%60id%60%24(id)%22%3C%2Fpre%3E%5C%0A";
        let path = TableView::read(Some(hostile)).unwrap().api_path().unwrap();
        assert!(path.bytes().all(|byte| !b"'\"`$\\<>\n ;".contains(&byte)), "{path}");
    }
}
