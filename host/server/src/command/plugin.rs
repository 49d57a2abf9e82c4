//! `mantisdb plugin`: installs, lists, shows, rolls back, removes and calls plugins.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, IF_MATCH};
use mantis_db::Grants;
use mantis_plugin::{Manifest, PluginOptions};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::context::{self, Output};
use crate::cli::{PluginArgs, PluginCommand, PluginOptionArgs, RevisionArgs, ServerArgs};
use crate::client::{ClientError, Path};
use crate::failure::{Failure, Outcome};
use crate::plugins_dir;

pub(super) async fn run(args: PluginArgs) -> Outcome {
    match args.command {
        PluginCommand::List { server } => {
            let plugins: Value = context::client(&server)?.get_json(&plugins()).await?;
            let mut output = Output::new();
            if server.json {
                output.json(&plugins)?;
            } else {
                for plugin in plugins["plugins"].as_array().map(Vec::as_slice).unwrap_or_default() {
                    show(&mut output, plugin)?;
                }
            }
            output.flush()
        }
        PluginCommand::Show { name, server } => {
            let plugin: Value = context::client(&server)?.get_json(&plugin(&name)).await?;
            let mut output = Output::new();
            if server.json {
                output.json(&plugin)?;
            } else {
                show_all(&mut output, &plugin)?;
            }
            output.flush()
        }
        PluginCommand::Put { name, component, options, revision, server } => {
            let path = with_options(plugin(&name), *options)?;
            let bytes = context::read_input(&component)?;
            let plugin = change(&server, Method::PUT, &path, Some("application/wasm"), &revision, bytes).await?;
            show_changed(&server, &plugin, None)
        }
        PluginCommand::Rollback { name, to, revision, server } => {
            let to = to.map(|to| to.to_string());
            let path = plugin(&name).then("/rollback").with("version", to.as_ref().map(String::as_bytes));
            let plugin = change(&server, Method::POST, &path, None, &revision, Bytes::new()).await?;
            show_changed(&server, &plugin, Some(&plugin["version"]))
        }
        PluginCommand::Remove { name, revision, server } => {
            let tag = tag(&revision)?;
            let headers: Vec<_> = tag.iter().map(|tag| (IF_MATCH, &tag[..])).collect();
            let removed =
                context::client(&server)?.request(Method::DELETE, &plugin(&name), &headers, Bytes::new()).await;
            removed.map(drop).map_err(explain_revision)
        }
        PluginCommand::Call { name, function, arguments, arguments_json, server } => {
            let path = plugin(&name).then("/call").part(function.as_bytes());
            let arguments = match arguments_json {
                Some(json) => all_arguments(&json)?,
                None => positional(&arguments)?,
            };
            let called = context::client(&server)?.post_json(&path, arguments.get().to_owned().into()).await;
            let result: Value = called.map_err(|error| explain(error, &arguments))?;
            let mut output = Output::new();
            match &result {
                Value::String(text) if !server.json => output.line(text)?,
                result => output.json(result)?,
            }
            output.flush()
        }
    }
}

/// Sends a change of a plugin, and returns the plugin after it.
async fn change(
    server: &ServerArgs,
    method: Method,
    path: &Path,
    media: Option<&str>,
    revision: &RevisionArgs,
    body: Bytes,
) -> Outcome<Value> {
    let tag = tag(revision)?;
    let media = media.map(|media| (CONTENT_TYPE, media));
    let headers: Vec<_> = media.into_iter().chain(tag.iter().map(|tag| (IF_MATCH, &tag[..]))).collect();
    let answer = context::client(server)?.request(method, path, &headers, body).await.map_err(explain_revision)?;
    Ok(answer.json()?)
}

/// Shows a plugin after a change, and which version is the current one where that is in question.
fn show_changed(server: &ServerArgs, plugin: &Value, version: Option<&Value>) -> Outcome {
    let mut output = Output::new();
    if server.json {
        output.json(plugin)?;
    } else {
        show(&mut output, plugin)?;
        if let Some(version) = version {
            output.line(format_args!("version {version} is the current one"))?;
        }
    }
    output.flush()
}

/// The entity tag of a revision, which may be written with its quotes.
fn tag(revision: &RevisionArgs) -> Outcome<Option<String>> {
    let Some(given) = &revision.if_revision else { return Ok(None) };
    let bare = given.trim_matches('"');
    let digits = bare.strip_prefix('v').unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(
            Failure::usage(format!("--if-revision {given:?} is not a revision, such as v28")).hint(SHOWS_REVISION)
        );
    }
    Ok(Some(format!("\"{bare}\"")))
}

const SHOWS_REVISION: &str = "`mantisdb plugin show NAME` shows the revision";

/// Says where the revision is found which a plugin has instead of the expected one.
fn explain_revision(error: ClientError) -> Failure {
    let is_refused = error.code() == "precondition-failed";
    let failure = Failure::from(error);
    if is_refused { failure.hint(SHOWS_REVISION) } else { failure }
}

/// The text for no grants at all.
const NO_GRANTS: &str = "none";

/// The options of an installation, as parameters.
fn with_options(path: Path, given: PluginOptionArgs) -> Outcome<Path> {
    let given = match &given.manifest {
        None => given,
        Some(file) => from_manifest(file)?,
    };
    let grants = given.grant.join(",");
    if !matches!(&*grants, "" | NO_GRANTS)
        && let Err(invalid) = grants.parse::<Grants>()
    {
        let hint = "write each grant as BUCKET:read, BUCKET:write, table/NAME:read or table/NAME:write; none is `--grant none`";
        return Err(Failure::usage(format!("--grant {grants}: {invalid}")).hint(hint));
    }
    let path = path
        .with("buckets", Some(grants.as_bytes()).filter(|grants| !grants.is_empty()))
        .with("reuse", given.reuse.map(|reuse| if reuse { &b"true"[..] } else { b"false" }))
        .with("reset", given.reset.then_some(b"true"));
    let limits = [
        ("call_deadline_ms", given.call_deadline_ms),
        ("memory_bytes_max", given.memory_bytes_max),
        ("handles_max", given.handles_max),
        ("transfer_bytes_max", given.transfer_bytes_max),
        ("log_lines_max", given.log_lines_max),
    ];
    Ok(limits.into_iter().fold(path, |path, (name, limit)| {
        path.with(name, limit.map(|limit| limit.to_string()).as_ref().map(String::as_bytes))
    }))
}

/// All options, as a manifest says them.
fn from_manifest(file: &std::path::Path) -> Outcome<PluginOptionArgs> {
    let manifest = Manifest::from_file(file).map_err(plugins_dir::failure)?;
    let options = PluginOptions::try_from(manifest);
    let options = options.map_err(|invalid| Failure::usage(format!("in {}: {invalid}", file.display())))?;
    let wide = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let limits = options.limits;
    Ok(PluginOptionArgs {
        grant: options.grants.pairs().map(|(name, access)| format!("{name}:{}", access.as_str())).collect(),
        reuse: Some(options.reuse),
        call_deadline_ms: limits.call_deadline_ms,
        memory_bytes_max: limits.memory_bytes_max.map(wide),
        handles_max: limits.handles_max.map(wide),
        transfer_bytes_max: limits.transfer_bytes_max,
        log_lines_max: limits.log_lines_max.map(u64::from),
        reset: true,
        manifest: None,
    })
}

fn plugins() -> Path {
    Path::new("/api/v1/plugins")
}

fn plugin(name: &str) -> Path {
    plugins().part(name.as_bytes())
}

/// Arguments in their order, each JSON, or else text: `42` is a number, and `hello` is text without being quoted twice. JSON goes to the server
/// as it is written: a number keeps its digits.
fn positional(arguments: &[String]) -> Outcome<Box<RawValue>> {
    let argument = |text: &String| serde_json::from_str::<Box<RawValue>>(text).or_else(|_| to_raw_value(text));
    let arguments: Result<Vec<_>, _> = arguments.iter().map(argument).collect();
    arguments.and_then(|arguments| to_raw_value(&arguments)).map_err(|error| Failure::usage(error.to_string()))
}

/// The arguments of `--arguments-json`.
fn all_arguments(json: &str) -> Outcome<Box<RawValue>> {
    let failed = |reason: &dyn std::fmt::Display| {
        Failure::usage(format!("--arguments-json {json:?} is not a JSON array or object: {reason}"))
            .hint("pass all arguments in order, as in '[\"ada\", 30]', or by name, as in '{\"player\": \"ada\"}'")
    };
    match serde_json::from_str::<Box<RawValue>>(json) {
        Ok(arguments) if arguments.get().starts_with(['[', '{']) => Ok(arguments),
        Ok(_) => Err(failed(&"it is a single value")),
        Err(error) => Err(failed(&mantis_db::json_error(&error))),
    }
}

/// Adds a hint where a single list may have been meant as all arguments; a function may also take a list.
fn explain(error: ClientError, arguments: &RawValue) -> Failure {
    let is_refused = error.code() == "arguments-invalid";
    let failure = Failure::from(error);
    match serde_json::from_str::<[&RawValue; 1]>(arguments.get()) {
        Ok([only]) if is_refused && only.get().starts_with(['[', '{']) => failure
            .hint("pass each argument by itself, as in `submit ada 30`, or all of them at once with --arguments-json"),
        _ => failure,
    }
}

/// The plugin's name and its functions with their parameters.
fn show(output: &mut Output, plugin: &Value) -> Outcome {
    let name_of = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    output.line(name_of(plugin))?;
    for function in items(&plugin["functions"]) {
        let parameters: Vec<_> = items(&function["params"]).iter().map(name_of).collect();
        output.line(format_args!("  {}({})", name_of(&function), parameters.join(", ")))?;
    }
    Ok(())
}

/// What a plugin is, what it may do, and its versions.
fn show_all(output: &mut Output, plugin: &Value) -> Outcome {
    show(output, plugin)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let reason = plugin["reason"].as_str().map_or_else(String::new, |reason| format!(": {reason}"));
    output.line(format_args!("state: {}{reason}", text(&plugin["state"])))?;
    output.line(format_args!("source: {}", text(&plugin["source"])))?;
    if let Some(revision) = plugin["revision"].as_str() {
        output.line(format_args!("revision: {revision}"))?;
    }
    let grants: Vec<_> = items(&plugin["grants"])
        .iter()
        .map(|grant| format!("{}:{}", text(&grant["bucket"]), text(&grant["access"])))
        .collect();
    output.line(format_args!("grants: {}", if grants.is_empty() { "none".to_owned() } else { grants.join(",") }))?;
    output.line(format_args!("reuse: {}", plugin["reuse"]))?;
    for (name, limit) in plugin["limits"].as_object().into_iter().flatten() {
        output.line(format_args!("{name}: {limit}"))?;
    }
    for version in items(&plugin["versions"]) {
        let mark = if version["current"] == true { "  current" } else { "" };
        output.line(format_args!(
            "version {}: {}, {} bytes, sha256 {}{mark}",
            version["version"],
            text(&version["installed_at"]),
            version["component_bytes"],
            text(&version["sha256"])
        ))?;
    }
    Ok(())
}
