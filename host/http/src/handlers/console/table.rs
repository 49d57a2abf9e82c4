//! The page of one table: a form for which rows, the rows, the command that gets them, the definition.

use std::fmt::Write as _;

use http::Response;
use mantis_db::tables::query::{Count, Selected};
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::schema::document::ColumnDocument;
use mantis_db::tables::{Interrupt, SelectOptions, TableError, TableResult, code};

use super::page::{host, page};
use super::rows::HtmlRows;
use super::view::TableView;
use crate::api::blocking::blocking;
use crate::api::presence::Presence;
use crate::api::request::Request;
use crate::protocol::body::Body;
use crate::protocol::memory::Text;
use crate::protocol::problem::{Problem, Result};
use crate::state::State;
use crate::wire::html::escape;

pub(super) async fn show(state: &State, request: &Request, view: TableView) -> Result<Response<Body>> {
    let mut session = state.session().await?;
    let head = format!("<p><a href=\"/\">MantisDB</a></p><h1>{}</h1>", escape(&view.table));
    let document = match session.describe_table(&view.table).await {
        Ok(document) => document,
        Err(error) => {
            let content = format!("{head}{}", error_html(&error));
            let response = page(request, &view.table, None, content, |content, html| html.push(content.as_bytes()));
            let mut response = response.await?;
            *response.status_mut() = Problem::from(error).answer_status();
            return Ok(response);
        }
    };
    drop(session);
    let found = match rows(state, request, &view).await? {
        // That it finds no memory says nothing of what was asked.
        Err(error) if error.code == code::INSUFFICIENT_RESOURCES => return Err(error.into()),
        found => found,
    };
    let (title, host) = (view.table.clone(), host(request));
    page(request, &title, None, (view, document, found), move |(view, document, found), html| {
        html.push(head.as_bytes())?;
        if let Some(comment) = &document.comment {
            write!(html, "<p>{}</p>", escape(comment))?;
        }
        html.push(form(view, document).as_bytes())?;
        match found {
            Ok((selected, rows)) => {
                html.push(pages(view, selected).as_bytes())?;
                rows.write_to(html)?;
            }
            Err(error) => html.push(error_html(error).as_bytes())?,
        }
        if let Ok(path) = view.api_path() {
            write!(html, "<h2>The same with curl</h2><pre>curl 'http://{host}{}'</pre>", escape(&path))?;
        }
        write_definition(html, document)
    })
    .await
}

/// The rows, found on a thread for long work; the inner error is one of the query.
async fn rows(state: &State, request: &Request, view: &TableView) -> Result<TableResult<(Selected, HtmlRows)>> {
    let query = match view.query() {
        Ok(query) => query,
        Err(error) => return Ok(Err(error)),
    };
    let options = SelectOptions {
        count: Count::Estimated,
        rows_max: state.config.tables.rows_max,
        without_aggregates: !state.config.tables.aggregates,
        ..SelectOptions::default()
    };
    let environment = state.database.environment_utc();
    let mut session = state.session().await?;
    let table = view.table.clone();
    let in_flight = request.in_flight.clone();
    let presence = Presence::new();
    let absence = presence.absence();
    blocking(move || async move {
        let mut rows = HtmlRows::new(environment.clone(), &in_flight);
        let is_gone = || absence.is_known();
        let mut table = session.rows(&table, environment).interrupted(Interrupt::when(&is_gone));
        let selected = table.select(&query, &options, &mut rows).await;
        Ok(selected.map(|selected| (selected, rows)))
    })
    .await
}

fn error_html(error: &TableError) -> String {
    let mut html = format!("<p class=\"bad\">{} {}</p>", escape(error.code), escape(&error.message));
    for more in [&error.details, &error.hint].into_iter().flatten() {
        let _ = write!(html, "<p>{}</p>", escape(more));
    }
    html
}

/// The form that asks for rows. Its fields have the dialect's names, and show what the page shows.
fn form(view: &TableView, document: &TableDocument) -> String {
    let columns: Vec<_> = document.columns.iter().map(|column| column.name.as_str()).collect();
    let first = columns.first().copied().unwrap_or("id");
    let field = |name: &str, value: &str, hint: &str| {
        format!(
            "<label>{name} <input name=\"{name}\" value=\"{}\" placeholder=\"{}\"></label>",
            escape(value),
            escape(hint)
        )
    };
    format!(
        "<form action=\"/\"><input type=\"hidden\" name=\"table\" value=\"{}\">{}{}{}{}<button>Show</button></form>",
        escape(&view.table),
        field("filter", &view.filter, &format!("{first}=eq.1&or=(..)")),
        field("select", &view.select, &columns.join(",")),
        field("order", &view.order, &format!("{first}.desc")),
        field("limit", &view.limit.to_string(), ""),
    )
}

/// Which rows these are, and links to those before and after.
fn pages(view: &TableView, selected: &Selected) -> String {
    let first = selected.offset.saturating_add(1);
    let last = selected.offset.saturating_add(selected.rows);
    let total = selected.total.map_or_else(String::new, |total| format!(" of about {total}"));
    let mut html = match selected.rows {
        0 if view.offset > 0 => format!("<p>No rows{total} after the first {}: the end is before that. ", view.offset),
        0 => format!("<p>No rows{total}. "),
        _ => format!("<p>Rows {first} to {last}{total}. "),
    };
    let mut link = |offset: u64, text: &str| {
        let there = TableView { offset, ..view.clone() };
        let _ = write!(html, "<a href=\"{}\">{text}</a> ", escape(&there.page_path()));
    };
    if view.offset > view.limit {
        link(0, "&larr; first");
    }
    if view.offset > 0 {
        link(view.offset.saturating_sub(view.limit), "&larr; before");
    }
    if selected.rows >= view.limit {
        link(view.offset.saturating_add(view.limit), "after &rarr;");
    }
    html.push_str("</p>");
    html
}

/// A column's type, and the values of an `enum`.
fn typed(column: &ColumnDocument) -> String {
    match &column.allowed {
        None => column.r#type.clone(),
        Some(values) => format!("{}: {}", column.r#type, values.join(", ")),
    }
}

/// The table's columns, keys, indexes and checks.
fn write_definition(html: &mut Text, document: &TableDocument) -> Result<()> {
    html.push(
        b"<h2>Definition</h2><table><tr><th>Column</th><th>Type</th><th>Null</th><th>Default</th><th></th></tr>",
    )?;
    for column in &document.columns {
        let default = match (&column.default, column.identity) {
            (_, true) => "identity".to_owned(),
            (Some(default), _) => escape(default.text()),
            (None, _) => String::new(),
        };
        write!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{default}</td><td>{}</td></tr>",
            escape(&column.name),
            escape(&typed(column)),
            if column.nullable == Some(false) { "no" } else { "yes" },
            escape(column.comment.as_deref().unwrap_or_default())
        )?;
    }
    html.push(b"</table><table>")?;
    let mut line = |what: &str, columns: &[String], more: &str| {
        write!(html, "<tr><th>{what}</th><td>{}{}</td></tr>", escape(&columns.join(", ")), escape(more))
    };
    match &document.primary_key {
        Some(key) => line("Primary key", &key.columns, "")?,
        None => line("Primary key", &[], "none; rows have a hidden id")?,
    }
    for key in &document.unique {
        line("Unique", &key.columns, "")?;
    }
    for index in &document.indexes {
        let direction = |descending| if descending { " descending" } else { "" };
        let columns: Vec<_> =
            index.columns.iter().map(|column| format!("{}{}", column.column, direction(column.descending))).collect();
        let filter = index.filter.as_ref().map_or_else(String::new, |filter| format!(" where {filter}"));
        line(if index.unique { "Unique index" } else { "Index" }, &columns, &filter)?;
    }
    for key in &document.foreign_keys {
        let references = &key.references;
        let more = format!(" to {} ({})", references.table, references.columns.join(", "));
        line("Foreign key", &key.columns, &more)?;
    }
    for check in &document.checks {
        line("Check", &[], &check.check)?;
    }
    html.push(b"</table>")?;
    let table = document.name.as_deref().unwrap_or_default();
    write!(
        html,
        "<p>As JSON: <a href=\"/api/v1/schema/tables/{0}\">/api/v1/schema/tables/{1}</a></p>",
        percent_encoding::utf8_percent_encode(table, percent_encoding::NON_ALPHANUMERIC),
        escape(table)
    )
}
