//! `/plugins`: installing, listing, rolling back, removing and calling plugins.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ETAG, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};
use mantis_db::{Code as DbCode, Expect, Reservation};
use mantis_plugin::{Error, Json, OptionsChange, PluginInfo, PluginLimits, PluginSource};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::api::blocking::{blocking, text};
use crate::api::common;
use crate::api::description::{
    Answer, AnswerHeader, Content, Kind, Parameter, RequestContent, RequestHeader, Role, Shape, Tag, json_content,
    no_content,
};
use crate::api::operation::TimeoutPolicy;
use crate::api::query::Query;
use crate::api::request::Request;
use crate::handlers::plugins::grants::BUCKETS;
use crate::handlers::plugins::info::InfoOut;
use crate::protocol::body::Body;
use crate::protocol::conditions::{self, Conditions, Form};
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::protocol::{accept, media, memory, respond};
use crate::state::{Operation, State};
use crate::wire::{json, written};

pub(crate) mod failure;
mod grants;
mod info;

/// Larger bodies are read on a thread for long work.
const BODY_BYTES_NOW_MAX: usize = 64 << 10;

const WASM: &str = "application/wasm";

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
        content: &[json_content::<PluginsOut<'_>>()],
        headers: &[],
    }],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |state, request| Box::pin(list(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static INSTALL: Operation = Operation {
    method: Method::PUT,
    id: "installPlugin",
    tag: Tag::Plugins,
    summary: "Install a plugin",
    description: "The body is a WebAssembly component. The server keeps it: it is there after a restart, and in backups. It becomes the \
                  current version of a plugin of the same name once it is compiled; calls in progress finish with the old one, and the last \
                  three versions are kept. Grants, limits and settings that are not given stay as they were; a new plugin without \
                  `buckets` has access to no data.",
    query: &[&BUCKETS, &REUSE, &CALL_DEADLINE, &MEMORY, &HANDLES, &TRANSFER, &LOG_LINES, &RESET],
    headers: &[&IF_MATCH, &IF_NONE_MATCH],
    body: Some(RequestContent {
        required: true,
        content: &[Content { media: WASM, shape: Shape::Bytes }],
        description: "The component.",
    }),
    answers: &[
        Answer {
            status: 200,
            description: "The plugin has a new version.",
            content: &[json_content::<InfoOut<'_>>()],
            headers: &[&REVISION],
        },
        Answer {
            status: 201,
            description: "The plugin is installed.",
            content: &[json_content::<InfoOut<'_>>()],
            headers: &[&REVISION],
        },
    ],
    problems: &[
        AnyCode::Http(Code::PluginNameInvalid),
        AnyCode::Http(Code::PluginInvalid),
        AnyCode::Http(Code::PluginsTooMany),
        AnyCode::Http(Code::PluginBusy),
        AnyCode::Http(Code::PluginFromDirectory),
        AnyCode::Http(Code::PluginUnavailable),
        AnyCode::Http(Code::PreconditionFailed),
        AnyCode::Http(Code::PluginCompileTimeout),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Db(DbCode::Conflict),
        AnyCode::Db(DbCode::StoreFull),
        AnyCode::Db(DbCode::ReadOnly),
        AnyCode::Db(DbCode::DiskFull),
        AnyCode::Db(DbCode::StorageFailed),
    ],
    now: None,
    handler: |state, request| Box::pin(install(state, request)),
    timeout: TimeoutPolicy::Own,
};

pub(crate) static SHOW: Operation = Operation {
    method: Method::GET,
    id: "getPlugin",
    tag: Tag::Plugins,
    summary: "Describe a plugin",
    description: "With the functions that can be called and their types, what it may do, and the versions that are kept.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The plugin.",
        content: &[json_content::<InfoOut<'_>>()],
        headers: &[&REVISION],
    }],
    problems: &[
        AnyCode::Http(Code::PluginNotFound),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::NotAcceptable),
    ],
    now: None,
    handler: |state, request| Box::pin(show(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static REMOVE: Operation = Operation {
    method: Method::DELETE,
    id: "removePlugin",
    tag: Tag::Plugins,
    summary: "Remove a plugin",
    description: "With all its versions. Calls in progress finish.",
    query: &[],
    headers: &[&IF_MATCH],
    body: None,
    answers: &[no_content(204, "The plugin is removed.", &[])],
    problems: &[
        AnyCode::Http(Code::PluginNotFound),
        AnyCode::Http(Code::PluginFromDirectory),
        AnyCode::Http(Code::PreconditionFailed),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Db(DbCode::ReadOnly),
        AnyCode::Db(DbCode::DiskFull),
        AnyCode::Db(DbCode::StorageFailed),
    ],
    now: None,
    handler: |state, request| Box::pin(remove(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static ROLLBACK: Operation = Operation {
    method: Method::POST,
    id: "rollBackPlugin",
    tag: Tag::Plugins,
    summary: "Return to an earlier version of a plugin",
    description: "With the grants, limits and settings that the version had. Calls in progress finish with the version that they began with.",
    query: &[&TO_VERSION],
    headers: &[&IF_MATCH],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The plugin, with that version as the current one.",
        content: &[json_content::<InfoOut<'_>>()],
        headers: &[&REVISION],
    }],
    problems: &[
        AnyCode::Http(Code::PluginNotFound),
        AnyCode::Http(Code::PluginVersionNotFound),
        AnyCode::Http(Code::PluginInvalid),
        AnyCode::Http(Code::PluginBusy),
        AnyCode::Http(Code::PluginFromDirectory),
        AnyCode::Http(Code::PluginUnavailable),
        AnyCode::Http(Code::PreconditionFailed),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Db(DbCode::Conflict),
        AnyCode::Db(DbCode::StoreFull),
        AnyCode::Db(DbCode::ReadOnly),
        AnyCode::Db(DbCode::DiskFull),
        AnyCode::Db(DbCode::StorageFailed),
    ],
    now: None,
    handler: |state, request| Box::pin(roll_back(state, request)),
    timeout: TimeoutPolicy::Own,
};

pub(crate) static CALL: Operation = Operation {
    method: Method::POST,
    id: "callFunction",
    tag: Tag::Plugins,
    summary: "Call a function of a plugin",
    description: "The whole call is one transaction, which commits when the function returns and rolls back when it fails. A conflict with \
                  another commit runs the call again. A plugin that runs its own transactions commits them itself: the answer then names \
                  the newest commit.",
    query: &[],
    headers: &[],
    body: Some(RequestContent {
        required: false,
        content: &[json_content::<Arguments>()],
        description: "The arguments in order, or by name. No body means no arguments.",
    }),
    answers: &[Answer {
        status: 200,
        description: "The result of the function; null if it returns nothing.",
        content: &[Content { media: media::JSON, shape: Shape::Json }],
        headers: &[&common::VERSION, &common::DURABLE],
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
        AnyCode::Http(Code::PluginUnavailable),
        AnyCode::Http(Code::PluginExpected),
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
    handler: |state, request| Box::pin(call(state, request)),
    timeout: TimeoutPolicy::Own,
};

static REUSE: Parameter = Parameter {
    name: "reuse",
    kind: Kind::Flag,
    description: "`true` reuses instances for later calls: faster, but a call may find what an earlier one left in memory.",
    role: Role::Optional,
};
static RESET: Parameter = Parameter {
    name: "reset",
    kind: Kind::Flag,
    description: "`true` begins without grants, and with the default limits and settings, instead of those of the version before.",
    role: Role::Optional,
};
static TO_VERSION: Parameter = Parameter {
    name: "version",
    kind: Kind::Integer {
        min: 1,
        max: mantis_db::limits::JSON_INTEGER_MAX,
        default: None,
        out_of_range: AnyCode::Http(Code::ParameterInvalid),
    },
    description: "The number of the version. Without it, the newest one before the current one.",
    role: Role::Optional,
};

static IF_MATCH: RequestHeader = RequestHeader {
    name: "if-match",
    pattern: Some(common::TAGS_PATTERN),
    example: "\"v7\"",
    description: "Only if the plugin has this revision, as in `ETag`; `*`: only if it exists.",
};
static IF_NONE_MATCH: RequestHeader = RequestHeader {
    name: "if-none-match",
    pattern: Some(common::TAGS_PATTERN),
    example: "*",
    description: "`*`: only if there is no such plugin.",
};
static REVISION: AnswerHeader = AnswerHeader {
    name: "etag",
    required: false,
    pattern: Some(r#"^"v[0-9]+(-gzip|-br|-zstd)?"$"#),
    description: "The revision: the commit that changed the plugin last. Not sent for one that is not kept.",
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

/// The arguments of a call, which the function's types describe further.
struct Arguments;

impl JsonSchema for Arguments {
    fn schema_name() -> Cow<'static, str> {
        "Arguments".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["array", "object"]})
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Plugins", deny_unknown_fields)]
struct PluginsOut<'a> {
    plugins: Vec<InfoOut<'a>>,
}

async fn list(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let json = text(&request.in_flight, state.plugins.list(), |plugins, text| {
        text.push_json(&PluginsOut { plugins: plugins.iter().map(InfoOut::of).collect() })
    });
    Ok(respond::bytes(StatusCode::OK, media::JSON, json.await?))
}

async fn show(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let info = state.plugins.info(&request.path_text(&common::PLUGIN)?).ok_or(Code::PluginNotFound)?;
    let json = text(&request.in_flight, info.clone(), |info, text| text.push_json(&InfoOut::of(info))).await?;
    Ok(shown(StatusCode::OK, &info, json))
}

/// A plugin after a change, which is no longer refused.
fn changed(request: &Request, status: StatusCode, info: &PluginInfo) -> Response<Body> {
    let json = serde_json::to_vec(&InfoOut::of(info)).unwrap_or_default();
    shown(status, info, memory::covered(json.into(), request.in_flight.reservation()))
}

/// A plugin, with its revision.
fn shown(status: StatusCode, info: &PluginInfo, json: Bytes) -> Response<Body> {
    let mut response = respond::bytes(status, media::JSON, json);
    if let Some(tag) = info.kept.as_ref().and_then(|kept| conditions::etag(kept.revision, Form::Bytes)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The revision of a plugin that is kept.
fn revision(state: &State, name: &str) -> Option<u64> {
    state.database.plugin(name).map(|plugin| plugin.revision)
}

async fn remove(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let conditions = Conditions::of(request.headers())?;
    let name = request.path_text(&common::PLUGIN)?.into_owned();
    let info = state.plugins.info(&name).ok_or(Code::PluginNotFound)?;
    let expect = match info.source {
        // Refused as a whole, whatever its conditions.
        PluginSource::File => Expect::Anything,
        _ => conditions.expect_revision(revision(state, &name))?,
    };
    state.plugins.forget(&name, expect).await.map_err(failure::of_keeping)?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

async fn install(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    request.expect_media(&[WASM])?;
    let conditions = Conditions::of(request.headers())?;
    let change = change(state, &request.query)?;
    let name = request.path_text(&common::PLUGIN)?.into_owned();
    mantis_plugin::check_name(&name).map_err(|error| failure::of_install(&error))?;
    // Before the body is read, and again at the commit.
    let expect = conditions.expect_revision(revision(state, &name))?;
    let config = &state.config;
    let component = request.read_body(config.component_bytes_max, config.body_timeout_ms).await;
    let component = component.map_err(failure::of_component)?;
    let was_there = state.plugins.info(&name).is_some();
    let kept = state.plugins.keep(&name, component, change, expect).await.map_err(failure::of_keeping)?;
    let status = if kept.is_new && !was_there { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = changed(request, status, &kept.info);
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/plugins/{name}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

async fn roll_back(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let conditions = Conditions::of(request.headers())?;
    let name = request.path_text(&common::PLUGIN)?.into_owned();
    state.plugins.info(&name).ok_or(Code::PluginNotFound)?;
    let expect = conditions.expect_revision(revision(state, &name))?;
    let rolled = state.plugins.roll_back(&name, request.query.integer(&TO_VERSION), expect).await;
    Ok(changed(request, StatusCode::OK, &rolled.map_err(failure::of_keeping)?))
}

async fn call(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let (arguments, _parsed) = read_arguments(state, request).await?;
    let (plugin, function) = (request.path_text(&common::PLUGIN)?, request.path_text(&common::FUNCTION)?);
    let called = state.plugins.call_for(request.id(), &plugin, &function, arguments, &|_| true, &|_| true).await;
    let called = called.map_err(failure::of_call)?;
    let json = text(&request.in_flight, called.value, |value, text| text.push_json(value)).await?;
    let mut response = respond::bytes(StatusCode::OK, media::JSON, json);
    written::set_commit_headers(&mut response, called.committed.version, called.committed.durable);
    Ok(response)
}

/// The arguments, and the memory that they take.
async fn read_arguments(state: &State, request: &mut Request) -> Result<(Json, Reservation)> {
    let expect_json = |request: &Request| {
        request.expect_media(&[media::JSON]).map_err(|problem| {
            problem.hint(
                "Send the arguments as `application/json`: an array, or an object by the parameters' names; or neither a body nor a \
                 `Content-Type` where there are none.",
            )
        })
    };
    if request.media_type().is_some() {
        expect_json(request)?;
    }
    let config = &state.config;
    let body = request.read_body(config.body_bytes_max, config.body_timeout_ms).await?;
    if body.is_empty() {
        return Ok((Json::Array(Vec::new()), request.reserve(0)?));
    }
    expect_json(request)?;
    let reservation = request.reserve(memory::parsed_bytes(&body))?;
    let parsed = if body.len() > BODY_BYTES_NOW_MAX {
        blocking(move || async move { parsed(&body) }).await?
    } else {
        parsed(&body)?
    };
    match parsed {
        arguments @ (Json::Array(_) | Json::Object(_)) => Ok((arguments, reservation)),
        _ => {
            Err(Problem::new(Code::BodyInvalid)
                .detail("arguments must be an array, or an object by the parameters' names"))
        }
    }
}

fn parsed(body: &[u8]) -> Result<Json> {
    Json::parse(body).map_err(|error| json::problem(body, &error))
}

/// A number of log lines, which is above the host's limit where its type cannot hold it.
fn log_lines(state: &State, lines: u64) -> Result<u32> {
    u32::try_from(lines).map_err(|_| {
        let range = state.plugins.limit_ranges().into_iter().find(|range| range.limit == LOG_LINES.name);
        let (min, max) = range.map_or((1, u32::MAX.into()), |range| (range.min, range.max));
        failure::of_install(&Error::LimitInvalid { limit: LOG_LINES.name, value: lines, min, max })
    })
}

/// What an installation changes of the plugin's options.
fn change(state: &State, query: &Query) -> Result<OptionsChange> {
    // A number beyond `usize` is above the host's limit too.
    let number = |parameter| query.integer(parameter).map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    let limits = PluginLimits {
        call_deadline_ms: query.integer(&CALL_DEADLINE),
        memory_bytes_max: number(&MEMORY),
        handles_max: number(&HANDLES),
        transfer_bytes_max: query.integer(&TRANSFER),
        log_lines_max: query.integer(&LOG_LINES).map(|lines| log_lines(state, lines)).transpose()?,
    };
    let grants = query.text(&BUCKETS).map(grants::read).transpose()?;
    let reuse = query.bytes(&REUSE).map(|_| query.flag(&REUSE));
    Ok(OptionsChange { reset: query.flag(&RESET), grants, limits, reuse })
}
