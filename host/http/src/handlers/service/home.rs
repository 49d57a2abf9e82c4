//! `GET /`: a page for browsers.

use std::fmt::Write as _;

use http::{Method, Response};

use crate::api::description::Tag;
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::handlers::service::docs::{page, page_answer};
use crate::handlers::service::health;
use crate::handlers::service::stats::stats;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::state::{Operation, State};
use crate::wire::html::{STYLE, escape};

pub(crate) static HOME: Operation = Operation {
    method: Method::GET,
    id: "getHome",
    tag: Tag::Service,
    summary: "A page with the server's state and commands to try",
    description: "",
    query: &[],
    headers: &[],
    body: None,
    answers: &[page_answer("The page.")],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |state, request| Box::pin(async move { home(state, request) }),
    timeout: TimeoutPolicy::Configured,
};

const COMMANDS: &str = "\
curl -X PUT  $HOST/api/v1/kv/greeting -H 'Content-Type: text/plain' -d 'Hello'
curl         $HOST/api/v1/kv/greeting
curl         $HOST/api/v1/kv/greeting -H 'Accept: application/json'
curl -X POST $HOST/api/v1/kv/visits/increment
curl        \"$HOST/api/v1/kv?prefix=g&amp;values=true\"
curl -N      $HOST/api/v1/changes";

fn home(state: &State, request: &Request) -> Result<Response<Body>> {
    let stats = stats(state);
    let reason = health::reason_against_writes(state);
    let rows = [
        ("Keys", stats.store.keys.to_string()),
        ("Bytes", (stats.store.key_bytes + stats.store.value_bytes).to_string()),
        ("Version", stats.store.version.to_string()),
        ("Sessions in use", format!("{} of {}", stats.pool.active_connections, stats.pool.max_connections)),
        ("Requests", stats.http.requests.to_string()),
        ("Connections open", stats.http.connections_open.to_string()),
        ("Transactions open", stats.http.transactions_open.to_string()),
        ("Plugins", stats.plugins.plugins.to_string()),
    ];
    let mut table = String::new();
    for (name, value) in rows {
        let _ = write!(table, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    let (class, health) = match &reason {
        None => ("good", "healthy".to_owned()),
        Some(reason) => ("bad", escape(reason)),
    };
    let version = escape(&state.config.version);
    let host = escape(request.header(http::header::HOST).unwrap_or("localhost:8080"));
    let commands = COMMANDS.replace("$HOST", &host);
    page(
        request,
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>MantisDB</title>\
             <meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"10\">\
             <style>{STYLE}</style><main><h1>MantisDB <small>{version}</small></h1>\
             <p class=\"{class}\">{health}</p><table>{table}</table>\
             <h2>Try it</h2><pre>{commands}</pre>\
             <p><a href=\"/docs\">The API</a> &middot; <a href=\"/openapi.json\">OpenAPI</a> &middot; \
             <a href=\"/stats\">Statistics</a> &middot; <a href=\"/metrics\">Metrics</a></p></main></html>"
        ),
    )
}
