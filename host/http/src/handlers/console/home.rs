//! The server's state, its tables, and commands to try.

use std::fmt::Write as _;

use http::{Method, Response};
use mantis_db::Session;
use mantis_db::tables::define::DescribeLimits;
use mantis_db::tables::query::{Count, RowSink};
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::{SelectOptions, TableResult};
use mantis_dialect::{Parser, Query};

use super::page::{host, page};
use super::table;
use super::view::TableView;
use crate::api::description::{Kind, Parameter, Role, Tag};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::handlers::service::docs::page_answer;
use crate::handlers::service::health;
use crate::handlers::service::stats::stats;
use crate::limits;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::memory::Text;
use crate::protocol::problem::Result;
use crate::state::{Operation, State};
use crate::wire::html::escape;

/// The fields of a form; a browser sends those that are empty too.
static VIEW: Parameter = Parameter {
    name: "view",
    kind: Kind::Dialect,
    description: "`table` asks for the page of a table; `select`, `filter`, `order`, `limit`, `offset` say which of its rows it shows.",
    role: Role::Optional,
};

pub(crate) static HOME: Operation = Operation {
    method: Method::GET,
    id: "getHome",
    tag: Tag::Service,
    summary: "A page with the server's state, its tables and their rows, and commands to try",
    description: "",
    query: &[&VIEW],
    headers: &[],
    body: None,
    answers: &[
        page_answer(200, "The page. What is wrong with a filter stands in it."),
        page_answer(404, "A page that says that there is no such table."),
    ],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |state, request| Box::pin(console(state, request)),
    timeout: TimeoutPolicy::Configured,
};

const COMMANDS: &str = "\
curl -X PUT  $HOST/api/v1/kv/greeting -H 'Content-Type: text/plain' -d 'Hello'
curl         $HOST/api/v1/kv/greeting
curl         $HOST/api/v1/kv/greeting -H 'Accept: application/json'
curl -X POST $HOST/api/v1/kv/visits/increment
curl        \"$HOST/api/v1/kv?prefix=g&amp;values=true\"
curl -N      $HOST/api/v1/changes
curl -X PUT  $HOST/api/v1/schema/tables/books -H 'Content-Type: application/json' \\
  -d '{\"columns\": [{\"name\": \"id\", \"type\": \"bigint\", \"identity\": true}, {\"name\": \"title\", \"type\": \"text\"}], \"primary_key\": [\"id\"]}'
curl         $HOST/api/v1/tables/books -H 'Content-Type: application/json' -d '[{\"title\": \"Rain\"}, {\"title\": \"Fog\"}]'
curl        \"$HOST/api/v1/tables/books?title=like.R*\"";

/// Seconds after which the page with the state is loaded again.
const REFRESH_S: u32 = 10;
/// Tables that the page lists.
const TABLES_MAX: usize = 200;

async fn console(state: &State, request: &mut Request) -> Result<Response<Body>> {
    match TableView::read(request.head.uri.query()) {
        Some(view) => table::show(state, request, view).await,
        None => home(state, request).await,
    }
}

async fn home(state: &State, request: &Request) -> Result<Response<Body>> {
    let stats = stats(state);
    let reason = health::reason_against_writes(state);
    let rows = [
        ("Keys", stats.store.keys.to_string()),
        ("Rows", stats.store.rows.to_string()),
        ("Bytes", (stats.store.key_bytes + stats.store.value_bytes).to_string()),
        ("Version", stats.store.version.to_string()),
        ("Sessions in use", format!("{} of {}", stats.pool.active_connections, stats.pool.max_connections)),
        ("Requests", stats.http.requests.to_string()),
        ("Connections open", stats.http.connections_open.to_string()),
        ("Transactions open", stats.http.transactions_open.to_string()),
        ("Plugins", stats.plugins.plugins.to_string()),
    ];
    let mut figures = String::new();
    for (name, value) in rows {
        let _ = write!(figures, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    let (class, health) = match &reason {
        None => ("good", "healthy".to_owned()),
        Some(reason) => ("bad", escape(reason)),
    };
    let version = escape(&state.config.version);
    let commands = COMMANDS.replace("$HOST", &host(request));
    let tables = tables(state).await?;
    page(request, "MantisDB", Some(REFRESH_S), tables, move |tables, html| {
        write!(
            html,
            "<h1>MantisDB <small>{version}</small></h1><p class=\"{class}\">{health}</p><table>{figures}</table>\
             <h2>Tables</h2>"
        )?;
        write_tables(html, tables)?;
        write!(
            html,
            "<h2>Try it</h2><pre>{commands}</pre>\
             <p><a href=\"/docs\">The API</a> &middot; <a href=\"/openapi.json\">OpenAPI</a> &middot; \
             <a href=\"/stats\">Statistics</a> &middot; <a href=\"/metrics\">Metrics</a></p>"
        )
    })
    .await
}

/// The tables that the page lists, with their sizes, and how many there are besides.
struct Tables {
    listed: Vec<(TableDocument, String)>,
    left_out: usize,
}

async fn tables(state: &State) -> Result<Tables> {
    let mut session = state.session().await?;
    let shown = DescribeLimits { tables_max: TABLES_MAX, ..limits::DOCUMENT_TABLES };
    let (documents, left_out) = session.describe_tables_within(shown).await?;
    let mut listed = Vec::with_capacity(documents.len());
    for document in documents {
        let name = document.name.as_deref().unwrap_or_default();
        // A table may be dropped meanwhile.
        let rows =
            planned_rows(state, &mut session, name).await.map_or_else(|_| "?".to_owned(), |rows| rows.to_string());
        listed.push((document, rows));
    }
    Ok(Tables { listed, left_out })
}

/// Each a link to its page.
fn write_tables(html: &mut Text, tables: &Tables) -> Result<()> {
    if tables.listed.is_empty() && tables.left_out == 0 {
        return html.push(b"<p>There are none.</p>");
    }
    html.push(b"<table><tr><th>Name</th><th>Rows (about)</th><th>Columns</th><th></th></tr>")?;
    for (document, rows) in &tables.listed {
        let name = document.name.as_deref().unwrap_or_default();
        write!(
            html,
            "<tr><td><a href=\"{}\">{}</a></td><td>{rows}</td><td>{}</td><td>{}</td></tr>",
            TableView::of(name).page_path(),
            escape(name),
            document.columns.len(),
            comment(document)
        )?;
    }
    html.push(b"</table>")?;
    if tables.left_out > 0 {
        write!(html, "<p>And {} more.</p>", tables.left_out)?;
    }
    Ok(())
}

fn comment(document: &TableDocument) -> String {
    escape(document.comment.as_deref().unwrap_or_default())
}

/// How many rows a table has, by the planner's estimate.
async fn planned_rows(state: &State, session: &mut Session, table: &str) -> TableResult<u64> {
    let mut query: Query = Parser::default().query([])?;
    query.root.limit = Some(0);
    let options = SelectOptions { count: Count::Planned, ..SelectOptions::default() };
    let environment = state.database.environment_utc();
    let selected = session.rows(table, environment).select(&query, &options, &mut NoRows).await?;
    Ok(selected.total.unwrap_or_default())
}

/// For a query whose rows nobody needs.
struct NoRows;

impl RowSink for NoRows {
    fn begin(&mut self, _columns: &[mantis_db::tables::query::OutputColumn]) -> TableResult<()> {
        Ok(())
    }

    fn wants_rows(&self) -> bool {
        false
    }

    fn row(&mut self, _cells: &[mantis_db::tables::query::Cell<'_>]) -> TableResult<()> {
        Ok(())
    }
}
