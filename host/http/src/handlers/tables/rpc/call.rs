//! A call from its request to its response.

use std::collections::HashSet;

use http::header::ALLOW;
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_db::Grants;
use mantis_db::tables::{TableError, code};
use mantis_plugin::{CallError, Json};
use parking_lot::Mutex;
use serde_json::Value;

use super::answer::Answer;
use super::arguments::{self, Argument, Pairs};
use super::failure;
use super::function::{Function, not_found};
use crate::api::blocking::blocking;
use crate::api::common;
use crate::api::request::Request;
use crate::handlers::tables::body::Format;
use crate::handlers::tables::media::{Form, Media};
use crate::handlers::tables::preferences::TransactionEnd;
use crate::handlers::tables::range;
use crate::handlers::tables::request::{TableRequest, parameters};
use crate::limits::SHORT_BODY_BYTES_MAX;
use crate::protocol::body::Body;
use crate::protocol::errors::AnyCode;
use crate::protocol::problem::{Problem, Result};
use crate::protocol::{memory, respond};
use crate::state::State;
use crate::wire::written;

/// What a function is called with.
struct Call {
    function: Function,
    arguments: Json,
    asked: TableRequest,
}

pub(super) async fn get(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let name = request.path_text(&common::ROUTINE)?.into_owned();
    let parameters = parameters(request.head.uri.query())?;
    let found = Function::find_started(&state.plugins, &name).await?;
    let (arguments, dialect) = arguments::split(parameters, found.as_ref());
    let call = prepare(state, request, &name, found, arguments, &dialect)?;
    if !call.function.is_read_only() {
        return Err(not_by(&request.head.method));
    }
    run(state, request, &call).await
}

/// The plugin may write, and the method must not.
fn not_by(method: &Method) -> Problem {
    Problem::new(AnyCode::Table(code::CALL_METHOD))
        .detail(format!("Cannot use the {method} method on RPC"))
        .hint("The grants of the plugin allow it to write: call it with POST.")
        .header(ALLOW, HeaderValue::from_static("OPTIONS,POST"))
}

pub(super) async fn post(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let name = request.path_text(&common::ROUTINE)?.into_owned();
    let format = Format::of(request.media_type().as_deref())?;
    let config = &state.config;
    let body = request.read_body(config.body_bytes_max, config.body_timeout_ms).await?;
    let dialect = parameters(request.head.uri.query())?;
    let _parsed = request.reserve(memory::parsed_bytes(&body))?;
    let arguments = match format {
        Format::Json if body.len() > SHORT_BODY_BYTES_MAX => {
            blocking(move || async move { Ok(arguments::of_json(&body)?) }).await?
        }
        Format::Json => arguments::of_json(&body)?,
        Format::Form => arguments::of_form(&body)?,
        Format::Lines | Format::Csv => {
            return Err(TableError::new(code::BODY_INVALID, "The arguments of a function are JSON, or a form").into());
        }
    };
    let found = Function::find_started(&state.plugins, &name).await?;
    let call = prepare(state, request, &name, found, arguments, &dialect)?;
    run(state, request, &call).await
}

/// `OPTIONS`: the methods by which the function can be called.
pub(super) fn options(state: &State, request: &Request) -> Result<Response<Body>> {
    let name = request.path_text(&common::ROUTINE)?;
    let function = Function::find(&state.plugins, &name).ok_or_else(|| not_found(&state.plugins, &name, None, &[]))?;
    let allow = if function.is_read_only() { "OPTIONS,GET,HEAD,POST" } else { "OPTIONS,POST" };
    let mut response = respond::empty(StatusCode::OK);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    Ok(response)
}

/// Finds what is called with what.
fn prepare(
    state: &State,
    request: &Request,
    name: &str,
    found: Option<Function>,
    mut arguments: Vec<(String, Argument)>,
    dialect: &Pairs,
) -> Result<Call> {
    let profile = if request.head.method == Method::POST { "content-profile" } else { "accept-profile" };
    let mut asked = TableRequest::of(state, request.headers(), profile, dialect)?;
    if !state.config.tables.transaction_end {
        asked.preferences.transaction = None;
    }
    if let Some(columns) = &asked.query.columns {
        let columns: HashSet<&str> = columns.iter().map(|column| &**column).collect();
        arguments.retain(|(name, _)| columns.contains(&**name));
    }
    let names: Vec<_> = arguments.iter().map(|(name, _)| name.clone()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let Some(function) = found else { return Err(not_found(&state.plugins, name, None, &names).into()) };
    let Some(arguments) = arguments::by_parameter(&function, arguments, &asked.environment)? else {
        return Err(not_found(&state.plugins, name, Some(&function), &names).into());
    };
    let head = &request.head;
    let root = &mut asked.query.root;
    let window = range::window(&head.method, &head.headers, root.limit, root.offset)?;
    (root.limit, root.offset) = (window.limit, Some(window.offset));
    Ok(Call { function, arguments: Json::Object(arguments), asked })
}

/// Calls the function. The response is made before the commit, so that a call whose result cannot be shown has changed nothing.
async fn run(state: &State, request: &Request, call: &Call) -> Result<Response<Body>> {
    let Call { function, arguments, asked } = call;
    let is_undone = asked.preferences.transaction == Some(TransactionEnd::Rollback);
    if is_undone && function.plugin().own_transactions {
        let message = "a plugin that runs its own transactions cannot be rolled back";
        return Err(TableError::new(code::NOT_SUPPORTED, message).into());
    }
    let name = function.name();
    let answer = Answer {
        state,
        name: &name,
        asked,
        form: form_of(asked)?,
        window: range::Window { offset: asked.query.root.offset.unwrap_or(0), limit: asked.query.root.limit },
        fields: function.row_fields(),
        returns_nothing: function.info().result.is_none(),
        is_head: request.head.method == Method::HEAD,
    };
    answer.check()?;
    let made = Mutex::new(None);
    let accepts = |result: &Value| {
        let response = answer.response(result);
        let is_accepted = response.is_ok() && !is_undone;
        *made.lock() = Some(response);
        is_accepted
    };
    // Another plugin may have got the name since its grants were looked at.
    let method = &request.head.method;
    let permits = |grants: &Grants| *method == Method::POST || grants.is_read_only();
    let (plugin, called) = (&function.plugin().name, &function.info().name);
    let called = state.plugins.call_for(request.id(), plugin, called, arguments.clone(), &permits, &accepts).await;
    match (called, made.into_inner()) {
        (Ok(called), Some(Ok(mut response))) => {
            if !function.is_read_only() {
                written::set_commit_headers(&mut response, called.committed.version, called.committed.durable);
            }
            Ok(response)
        }
        (Err(CallError::Declined), Some(response)) => response,
        (Err(CallError::Declined), None) => Err(not_by(method)),
        (Err(CallError::PluginNotFound(_) | CallError::FunctionNotFound(_)), _) => {
            Err(not_found(&state.plugins, &name, None, &[]).into())
        }
        (Err(error), _) => Err(failure::of_call(error, function.info())),
        (Ok(_), _) => Err(TableError::new(code::INTERNAL, "the result of a call was lost").into()),
    }
}

fn form_of(asked: &TableRequest) -> Result<Form> {
    match asked.media {
        Media::Rows(form) => Ok(form),
        Media::Plan(_) => {
            let message = "None of these media types are available: application/vnd.pgrst.plan";
            Err(TableError::new(code::MEDIA_UNAVAILABLE, message).into())
        }
    }
}
