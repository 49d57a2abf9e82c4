//! Arguments as clients send them: members of an object, or texts in a query or a form.

use std::collections::BTreeMap;

use mantis_db::tables::types::{Scalar, Type, Value as Cell, from_text};
use mantis_db::tables::{Environment, TableError, TableResult, code};
use mantis_dialect::Parser;
use mantis_plugin::{Field, Json, ValueType};
use serde::de::IgnoredAny;
use serde_json::{Number, json};

use super::function::Function;
use crate::handlers::tables::request::parameters;

/// An argument, before its type is known.
#[derive(Debug)]
pub(super) enum Argument {
    Json(Json),
    Text(String),
}

/// Names and values in their order, decoded.
pub(super) type Pairs = Vec<(String, String)>;

/// Words of the dialect, which are no arguments unless the function has a parameter of that name.
const WORDS: &[&str] =
    &["select", "order", "limit", "offset", "and", "or", "not.and", "not.or", "columns", "on_conflict", "having"];

/// Takes the parameters of a query apart: arguments, and what asks for a part of the rows. The function's parameters come first by their
/// names, once each unless they are lists; what else is neither a word nor a condition is an argument that the function does not have.
pub(super) fn split(parameters: Pairs, function: Option<&Function>) -> (Vec<(String, Argument)>, Pairs) {
    let (mut arguments, mut dialect) = (Vec::<(String, Argument)>::new(), Pairs::new());
    let returns_rows = function.is_none_or(|function| function.row_fields().is_some());
    for (name, value) in parameters {
        let is_argument = match function.and_then(|function| function.parameter(&name)) {
            Some(parameter) => is_list(&parameter.value_type) || !arguments.iter().any(|(other, _)| *other == name),
            None => !(WORDS.contains(&name.as_str()) || returns_rows && is_condition(&name, &value)),
        };
        if is_argument {
            arguments.push((name, Argument::Text(value)));
        } else {
            dialect.push((name, value));
        }
    }
    (arguments, dialect)
}

fn is_condition(name: &str, value: &str) -> bool {
    Parser::default().query([(name, value)]).is_ok()
}

fn is_list(value_type: &ValueType) -> bool {
    match value_type {
        ValueType::List(_) | ValueType::Flags(_) => true,
        ValueType::Option(inner) => is_list(inner),
        _ => false,
    }
}

/// The arguments of a JSON body, which is an object or empty.
///
/// # Errors
/// PGRST102.
pub(super) fn of_json(body: &[u8]) -> TableResult<Vec<(String, Argument)>> {
    if body.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let invalid = |details: String| TableError::new(code::BODY_INVALID, "Empty or invalid json").with_details(details);
    if let Some(details) = mantis_db::json_encoding_error(body) {
        return Err(invalid(details.to_owned()));
    }
    let body = Json::parse(body).map_err(|error| invalid(mantis_db::json_error(&error)))?;
    let Json::Object(members) = body else {
        return Err(invalid("The arguments of a function are an object by their names.".to_owned()));
    };
    Ok(members.into_iter().map(|(name, value)| (name, Argument::Json(value))).collect())
}

/// The arguments of a form.
///
/// # Errors
/// PGRST102, also for JSON: what `curl -d` sends has a form's content type unless it is told another.
pub(super) fn of_form(body: &[u8]) -> TableResult<Vec<(String, Argument)>> {
    let invalid = |message| TableError::new(code::BODY_INVALID, message);
    let starts_as_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    if starts_as_json && serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return Err(invalid("The body is JSON, and its content type is that of a form")
            .with_hint("The body was read as a form; JSON is sent with `Content-Type: application/json`."));
    }
    let form = std::str::from_utf8(body).map_err(|_| invalid("The form is not UTF-8"))?;
    Ok(parameters(Some(form))?.into_iter().map(|(name, value)| (name, Argument::Text(value))).collect())
}

/// The arguments by the names of the function's parameters, or none where it has others, needs more, or one is given twice.
///
/// # Errors
/// 22P02 for a list that cannot be read.
pub(super) fn by_parameter(
    function: &Function,
    arguments: Vec<(String, Argument)>,
    environment: &Environment,
) -> TableResult<Option<BTreeMap<String, Json>>> {
    let mut given: Vec<(&Field, Vec<Argument>)> = Vec::new();
    for (name, argument) in arguments {
        let Some(parameter) = function.parameter(&name) else { return Ok(None) };
        match given.iter_mut().find(|(other, _)| other.name == parameter.name) {
            None => given.push((parameter, vec![argument])),
            Some((_, several)) if is_list(&parameter.value_type) => several.push(argument),
            Some(_) => return Ok(None),
        }
    }
    let mut needed = function.info().params.iter().filter(|parameter| !is_optional(parameter));
    if !needed.all(|parameter| given.iter().any(|(other, _)| other.name == parameter.name)) {
        return Ok(None);
    }
    let value = |(parameter, arguments): (&Field, Vec<Argument>)| {
        Ok((parameter.name.clone(), value_of(arguments, &parameter.value_type, environment)?))
    };
    given.into_iter().map(value).collect::<TableResult<_>>().map(Some)
}

fn is_optional(parameter: &Field) -> bool {
    matches!(parameter.value_type, ValueType::Option(_))
}

fn value_of(mut arguments: Vec<Argument>, value_type: &ValueType, environment: &Environment) -> TableResult<Json> {
    if arguments.len() > 1 {
        let element = element_of(value_type);
        let elements = arguments.into_iter().map(|argument| one_value(argument, element, environment));
        return elements.collect::<TableResult<_>>().map(Json::Array);
    }
    arguments.pop().map_or(Ok(Json::Null), |argument| one_value(argument, value_type, environment))
}

fn element_of(value_type: &ValueType) -> &ValueType {
    match value_type {
        ValueType::List(element) => element,
        ValueType::Option(inner) => element_of(inner),
        _ => &ValueType::String,
    }
}

fn one_value(argument: Argument, value_type: &ValueType, environment: &Environment) -> TableResult<Json> {
    match argument {
        Argument::Json(value) => Ok(value),
        Argument::Text(text) => of_text(text, value_type, environment),
    }
}

/// The value of a text, in the form that the plugin host takes. What is none of the type stays a text, which the host refuses.
fn of_text(text: String, value_type: &ValueType, environment: &Environment) -> TableResult<Json> {
    Ok(match value_type {
        ValueType::Bool => match from_text(&text, Type::scalar(Scalar::Boolean), environment) {
            Ok(Cell::Boolean(value)) => Json::Bool(value),
            _ => Json::String(text),
        },
        ValueType::F32 | ValueType::F64 => match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => Json::Number(number),
            None => Json::String(text),
        },
        ValueType::Bytes => bytes(&text).unwrap_or(Json::String(text)),
        ValueType::Option(_) if text == "null" => Json::Null,
        ValueType::Option(inner) if matches!(**inner, ValueType::Option(_)) => json_or_text(text),
        ValueType::Option(inner) => of_text(text, inner, environment)?,
        ValueType::List(_) | ValueType::Flags(_) if text.starts_with('{') => {
            elements(&text, element_of(value_type), environment)?
        }
        ValueType::List(_)
        | ValueType::Flags(_)
        | ValueType::Record(_)
        | ValueType::Tuple(_)
        | ValueType::Variant(_)
        | ValueType::Result { .. } => json_or_text(text),
        // The host reads integers of any size from text.
        _ => Json::String(text),
    })
}

/// An array in PostgreSQL's form: `{1,2}`.
fn elements(text: &str, element: &ValueType, environment: &Environment) -> TableResult<Json> {
    let r#type = Type { is_array: true, ..Type::TEXT };
    let Cell::Array(array) = from_text(text, r#type, environment)? else { return Ok(Json::Null) };
    if array.dimensions.len() > 1 {
        let message = format!("malformed array literal: \"{text}\"");
        return Err(TableError::new(code::TEXT_INVALID, message)
            .with_details("A list within a list is written as JSON: [[1,2],[3]]."));
    }
    let value = |cell: Cell<'static>| match cell {
        Cell::Text(text) => of_text(text.into_owned(), element, environment),
        _ => Ok(Json::Null),
    };
    array.elements.into_iter().map(value).collect::<TableResult<_>>().map(Json::Array)
}

/// Bytes in PostgreSQL's hexadecimal form: `\x6869`.
fn bytes(text: &str) -> Option<Json> {
    use base64::Engine as _;
    let digits = text.strip_prefix("\\x")?.as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
        _ => None,
    });
    let bytes = pairs.collect::<Option<Vec<u8>>>()?;
    Some(json!({"base64": base64::engine::general_purpose::STANDARD.encode(bytes)}).into())
}

fn json_or_text(text: String) -> Json {
    Json::parse(text.as_bytes()).unwrap_or(Json::String(text))
}
