//! `mantisdb plugin`: installs, lists, removes and calls plugins.

use bytes::Bytes;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use super::context::{self, Output};
use crate::cli::{PluginArgs, PluginCommand};
use crate::client::{ClientError, Path};
use crate::failure::{Failure, Outcome};

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
        PluginCommand::Put { name, component, grant, reuse, server } => {
            let grants = grant.join(",");
            let path = plugin(&name)
                .with("buckets", Some(grants.as_bytes()).filter(|grants| !grants.is_empty()))
                .with("reuse", reuse.then_some(b"true"));
            let bytes = context::read_input(&component)?;
            let headers = [(CONTENT_TYPE, "application/wasm")];
            let answer = context::client(&server)?.request(Method::PUT, &path, &headers, bytes).await?;
            let mut output = Output::new();
            let plugin: Value = answer.json()?;
            if server.json {
                output.json(&plugin)?;
            } else {
                show(&mut output, &plugin)?;
            }
            output.flush()
        }
        PluginCommand::Remove { name, server } => {
            context::client(&server)?.request(Method::DELETE, &plugin(&name), &[], Bytes::new()).await?;
            Ok(())
        }
        PluginCommand::Call { name, function, arguments, arguments_json, server } => {
            let path = plugin(&name).then("/call").part(function.as_bytes());
            let arguments = match arguments_json {
                Some(json) => all_arguments(&json)?,
                None => arguments.into_iter().map(argument).collect(),
            };
            let called = context::client(&server)?.post_json(&path, arguments.to_string().into()).await;
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

fn plugins() -> Path {
    Path::new("/api/v1/plugins")
}

fn plugin(name: &str) -> Path {
    plugins().part(name.as_bytes())
}

/// JSON, or else text: `42` is a number, and `hello` is text without being quoted twice.
fn argument(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// The arguments of `--arguments-json`.
fn all_arguments(json: &str) -> Outcome<Value> {
    let failed = |reason: &dyn std::fmt::Display| {
        Failure::usage(format!("--arguments-json {json:?} is not a JSON array or object: {reason}"))
            .hint("pass all arguments in order, as in '[\"ada\", 30]', or by name, as in '{\"player\": \"ada\"}'")
    };
    match serde_json::from_str(json) {
        Ok(arguments @ (Value::Array(_) | Value::Object(_))) => Ok(arguments),
        Ok(_) => Err(failed(&"it is a single value")),
        Err(error) => Err(failed(&error)),
    }
}

/// Adds a hint where a single list may have been meant as all arguments; a function may also take a list.
fn explain(error: ClientError, arguments: &Value) -> Failure {
    let is_refused = error.code() == "arguments-invalid";
    let failure = Failure::from(error);
    match arguments.as_array().map(Vec::as_slice) {
        Some([Value::Array(_) | Value::Object(_)]) if is_refused => failure
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
