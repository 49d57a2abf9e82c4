//! `/plugins`: installing, listing, removing and calling plugins.

use http::header::LOCATION;
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_db::{Code as DbCode, GrantInvalid, Grants};
use mantis_plugin::{PluginLimits, PluginOptions};
use serde::Serialize;
use serde_json::Value;

use crate::api::operation::{Answer, AnswerHeader, Content, Operation, Patience, RequestContent, Shape, Tag};
use crate::api::query::{Kind, Parameter, Pattern, Query, Role};
use crate::api::request::Request;
use crate::app::App;
use crate::handlers::kv;
use crate::handlers::kv::{json_content, no_content};
use crate::handlers::plugins::info::InfoOut;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::protocol::{accept, respond};
use crate::wire::json;

mod failure;
mod info;

const WASM: &str = "application/wasm";
/// Text of the `buckets` parameter: a hundred buckets with long names.
const GRANTS_BYTES_MAX: usize = 8 * 1024;

pub(crate) static LIST: Operation = Operation {
    method: Method::GET,
    id: "listPlugins",
    tag: Tag::Plugins,
    summary: "List the plugins",
    description: "",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "All plugins, by name.",
        content: &[json_content("Plugins")],
        headers: &[],
    }],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |app, request| Box::pin(async move { list(app, request) }),
    patience: Patience::Configured,
};

pub(crate) static INSTALL: Operation = Operation {
    method: Method::PUT,
    id: "installPlugin",
    tag: Tag::Plugins,
    summary: "Install a plugin",
    description: "The body is a WebAssembly component. A plugin of the same name is replaced once the new one is compiled; calls under way \
                  end with the old one. Without `buckets` the plugin sees no data.",
    query: &[&BUCKETS, &REUSE, &CALL_DEADLINE, &MEMORY, &HANDLES, &TRANSFER, &LOG_LINES],
    headers: &[],
    body: Some(RequestContent {
        required: true,
        content: &[Content { media: WASM, shape: Shape::Bytes }],
        description: "The component.",
    }),
    answers: &[
        Answer {
            status: 200,
            description: "It is installed in place of another.",
            content: &[json_content("Plugin")],
            headers: &[],
        },
        Answer { status: 201, description: "It is installed.", content: &[json_content("Plugin")], headers: &[] },
    ],
    problems: &[
        AnyCode::Http(Code::PluginNameInvalid),
        AnyCode::Http(Code::PluginInvalid),
        AnyCode::Http(Code::PluginsTooMany),
        AnyCode::Http(Code::PluginBusy),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::NotAcceptable),
    ],
    now: None,
    handler: |app, request| Box::pin(install(app, request)),
    patience: Patience::Own,
};

pub(crate) static SHOW: Operation = Operation {
    method: Method::GET,
    id: "getPlugin",
    tag: Tag::Plugins,
    summary: "Describe a plugin",
    description: "With the functions that can be called and their types.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer { status: 200, description: "The plugin.", content: &[json_content("Plugin")], headers: &[] }],
    problems: &[
        AnyCode::Http(Code::PluginNotFound),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::NotAcceptable),
    ],
    now: None,
    handler: |app, request| Box::pin(async move { show(app, request) }),
    patience: Patience::Configured,
};

pub(crate) static REMOVE: Operation = Operation {
    method: Method::DELETE,
    id: "removePlugin",
    tag: Tag::Plugins,
    summary: "Remove a plugin",
    description: "Calls under way come to their end.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[no_content(204, "It is gone.", &[])],
    problems: &[AnyCode::Http(Code::PluginNotFound), AnyCode::Http(Code::PathMalformed)],
    now: None,
    handler: |app, request| Box::pin(async move { remove(app, request) }),
    patience: Patience::Configured,
};

pub(crate) static CALL: Operation = Operation {
    method: Method::POST,
    id: "callFunction",
    tag: Tag::Plugins,
    summary: "Call a function of a plugin",
    description: "The whole call is one transaction, which is committed when the function returns and forgotten when it fails. It is run \
                  again when another commit comes first. A plugin that runs its own transactions commits them itself: its answer names the \
                  newest commit, which comes after them or is the last of them.",
    query: &[],
    headers: &[],
    body: Some(RequestContent {
        required: false,
        content: &[json_content("Arguments")],
        description: "The arguments in their order, or by their names. Without a body there are none.",
    }),
    answers: &[Answer {
        status: 200,
        description: "What the function returned; null if that is nothing.",
        content: &[Content { media: respond::JSON, shape: Shape::Json }],
        headers: CALL_HEADERS,
    }],
    problems: &[
        AnyCode::Http(Code::PluginNotFound),
        AnyCode::Http(Code::FunctionNotFound),
        AnyCode::Http(Code::ArgumentsInvalid),
        AnyCode::Http(Code::PluginError),
        AnyCode::Http(Code::PluginDeadline),
        AnyCode::Http(Code::PluginTrap),
        AnyCode::Http(Code::PluginLimit),
        AnyCode::Http(Code::PluginBusy),
        AnyCode::Http(Code::BodyMalformed),
        AnyCode::Http(Code::BodyInvalid),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Db(DbCode::Conflict),
        AnyCode::Db(DbCode::TransactionTooLarge),
        AnyCode::Db(DbCode::StoreFull),
        AnyCode::Db(DbCode::ReadOnly),
        AnyCode::Db(DbCode::DiskFull),
        AnyCode::Db(DbCode::StorageFailed),
    ],
    now: None,
    handler: |app, request| Box::pin(call(app, request)),
    patience: Patience::Own,
};

/// Those of an answer that tells what a function returned.
pub(crate) const CALL_HEADERS: &[&AnswerHeader] = &[&kv::VERSION, &kv::DURABLE];

static BUCKETS: Parameter = Parameter {
    name: "buckets",
    kind: Kind::Text { pattern: Pattern::Grants, bytes_max: GRANTS_BYTES_MAX },
    description: "The buckets that the plugin sees, and whether it may write to them: `scores:write,users:read`. `*:write` is everything.",
    role: Role::Optional,
};
static REUSE: Parameter = Parameter {
    name: "reuse",
    kind: Kind::Flag,
    description: "With `true` instances serve one call after another: faster, but what one call leaves in memory the next may find.",
    role: Role::Optional,
};

/// A limit of a plugin's own.
const fn limit(name: &'static str, description: &'static str) -> Parameter {
    Parameter { name, kind: Kind::PluginLimit, description, role: Role::Optional }
}

static CALL_DEADLINE: Parameter =
    limit("call_deadline_ms", "How long a call may take, in milliseconds. At most the host's limit.");
static MEMORY: Parameter = limit("memory_bytes_max", "Bytes of memory of an instance. At most the host's limit.");
static HANDLES: Parameter =
    limit("handles_max", "Resource handles that an instance holds at once. At most the host's limit.");
static TRANSFER: Parameter =
    limit("transfer_bytes_max", "Bytes that a call takes in and gives out. At most the host's limit.");
static LOG_LINES: Parameter = limit("log_lines_max", "Log lines of a call that are kept. At most the host's limit.");

#[derive(Serialize)]
struct PluginsOut<'a> {
    plugins: Vec<InfoOut<'a>>,
}

fn list(app: &App, request: &Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[respond::JSON])?;
    let plugins = app.0.plugins.list();
    Ok(respond::json(StatusCode::OK, &PluginsOut { plugins: plugins.iter().map(InfoOut::of).collect() }))
}

fn show(app: &App, request: &Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[respond::JSON])?;
    let info = app.0.plugins.info(&request.path_text("name")?).ok_or(Code::PluginNotFound)?;
    Ok(respond::json(StatusCode::OK, &InfoOut::of(&info)))
}

fn remove(app: &App, request: &Request) -> Result<Response<Body>> {
    if app.0.plugins.remove(&request.path_text("name")?) {
        Ok(respond::empty(StatusCode::NO_CONTENT))
    } else {
        Err(Code::PluginNotFound.into())
    }
}

async fn install(app: &App, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[respond::JSON])?;
    request.expect_media(&[WASM])?;
    let options = options(&request.query)?;
    let name = request.path_text("name")?.into_owned();
    let config = &app.0.config;
    let component = request.read_body(config.component_bytes_max, config.body_timeout_ms).await?;
    let replaced = app.0.plugins.info(&name).is_some();
    let info = app.0.plugins.install(&name, component, options).await.map_err(|error| failure::of_install(&error))?;
    let status = if replaced { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = respond::json(status, &InfoOut::of(&info));
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/plugins/{name}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn call(app: &App, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[respond::JSON])?;
    let arguments = read_arguments(app, request).await?;
    let (plugin, function) = (request.path_text("name")?, request.path_text("function")?);
    let called = app.0.plugins.call(&plugin, &function, arguments).await.map_err(failure::of_call)?;
    let mut response = respond::json(StatusCode::OK, &called.value);
    kv::tell_written(&mut response, called.committed.version, called.committed.durable);
    Ok(response)
}

async fn read_arguments(app: &App, request: &mut Request) -> Result<Value> {
    if request.media_type().is_some() {
        request.expect_media(&[respond::JSON])?;
    }
    let config = &app.0.config;
    let body = request.read_body(config.body_bytes_max, config.body_timeout_ms).await?;
    if body.is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    request.expect_media(&[respond::JSON])?;
    match json::parse::<Value>(&body)? {
        arguments @ (Value::Array(_) | Value::Object(_)) => Ok(arguments),
        _ => Err(Problem::new(Code::BodyInvalid).detail("arguments are a list, or an object by the parameters' names")),
    }
}

fn options(query: &Query) -> Result<PluginOptions> {
    // What does not fit the machine's word is above the host's limit as well.
    let number = |parameter| query.integer(parameter).map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    let limits = PluginLimits {
        call_deadline_ms: query.integer(&CALL_DEADLINE),
        memory_bytes_max: number(&MEMORY),
        handles_max: number(&HANDLES),
        transfer_bytes_max: query.integer(&TRANSFER),
        log_lines_max: query.integer(&LOG_LINES).map(|lines| u32::try_from(lines).unwrap_or(u32::MAX)),
    };
    let grants = query.text(&BUCKETS).map_or_else(|| Ok(Grants::none()), str::parse);
    let grants = grants.map_err(|invalid: GrantInvalid| BUCKETS.invalid(&format!("is invalid: {invalid}")))?;
    Ok(PluginOptions::new(grants).limits(limits).reuse(query.flag(&REUSE)))
}
