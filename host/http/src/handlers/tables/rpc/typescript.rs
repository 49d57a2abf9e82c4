//! Functions as TypeScript types, in the form that supabase-js reads.

use mantis_plugin::{Field, FunctionInfo, PluginInfo, ValueType};
use serde_json::Value;

use crate::protocol::memory::Text;
use crate::protocol::problem::Result;

/// The members of `Functions`, or that there are none.
pub(in crate::handlers::tables) fn write_functions(text: &mut Text, plugins: &[PluginInfo]) -> Result<()> {
    if plugins.iter().all(|plugin| plugin.functions.is_empty()) {
        return text.push(b"{ [_ in never]: never }");
    }
    text.push(b"{\n")?;
    for plugin in plugins {
        for function in plugin.functions.iter() {
            let name = quoted(&format!("{}.{}", plugin.name, function.name));
            let (arguments, returned) = (arguments(function), returned(function));
            writeln!(text, "      {name}: {{ Args: {arguments}; Returns: {returned} }}")?;
        }
    }
    text.push(b"    }")
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Arguments by names that need no quotes: functions take these too.
fn arguments(function: &FunctionInfo) -> String {
    if function.params.is_empty() {
        return "never".to_owned();
    }
    let member = |parameter: &Field| {
        let mark = if matches!(parameter.value_type, ValueType::Option(_)) { "?" } else { "" };
        format!("{}{mark}: {}", quoted(&parameter.name.replace('-', "_")), type_of(&parameter.value_type))
    };
    object(function.params.iter().map(member))
}

fn returned(function: &FunctionInfo) -> String {
    match &function.result {
        None => "undefined".to_owned(),
        Some(ValueType::List(element)) => match &**element {
            ValueType::Record(fields) => {
                let columns =
                    fields.iter().map(|field| format!("{}: {}", quoted(&field.name), column(&field.value_type)));
                format!("{}[]", object(columns))
            }
            _ => type_of(&ValueType::List(element.clone())),
        },
        Some(result) => type_of(result),
    }
}

fn object(members: impl Iterator<Item = String>) -> String {
    format!("{{ {} }}", members.collect::<Vec<_>>().join("; "))
}

fn union(types: impl Iterator<Item = String>) -> String {
    types.collect::<Vec<_>>().join(" | ")
}

/// A column of a row, whose numbers and bytes are those of tables.
fn column(value_type: &ValueType) -> String {
    match value_type {
        ValueType::S64 | ValueType::U64 => "number".to_owned(),
        ValueType::Bytes => "string".to_owned(),
        ValueType::Option(inner) if !matches!(**inner, ValueType::Option(_)) => format!("{} | null", column(inner)),
        other => type_of(other),
    }
}

/// A value as JSON.
fn type_of(value_type: &ValueType) -> String {
    match value_type {
        ValueType::Bool => "boolean".to_owned(),
        // Those that not every reader holds exactly are texts.
        ValueType::S64 | ValueType::U64 | ValueType::F32 | ValueType::F64 => "number | string".to_owned(),
        ValueType::S8 | ValueType::U8 | ValueType::S16 | ValueType::U16 | ValueType::S32 | ValueType::U32 => {
            "number".to_owned()
        }
        ValueType::Char | ValueType::String => "string".to_owned(),
        ValueType::Bytes => "string | { \"base64\": string }".to_owned(),
        ValueType::List(element) => format!("({})[]", type_of(element)),
        ValueType::Record(fields) => {
            object(fields.iter().map(|field| format!("{}: {}", quoted(&field.name), type_of(&field.value_type))))
        }
        ValueType::Tuple(types) => format!("[{}]", types.iter().map(type_of).collect::<Vec<_>>().join(", ")),
        ValueType::Variant(cases) => union(cases.iter().map(|case| match &case.payload {
            None => quoted(&case.name),
            Some(payload) => format!("{{ {}: {} }}", quoted(&case.name), type_of(payload)),
        })),
        ValueType::Enum(names) => union(names.iter().map(|name| quoted(name))),
        ValueType::Option(inner) if matches!(**inner, ValueType::Option(_)) => {
            format!("{{ \"some\": {} }} | null", type_of(inner))
        }
        ValueType::Option(inner) => format!("{} | null", type_of(inner)),
        ValueType::Result { ok, err } => {
            let part = |value_type: Option<&ValueType>| value_type.map_or_else(|| "null".to_owned(), type_of);
            format!("{{ \"ok\": {} }} | {{ \"err\": {} }}", part(ok.as_deref()), part(err.as_deref()))
        }
        ValueType::Flags(names) => format!("({})[]", union(names.iter().map(|name| quoted(name)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value_type: &ValueType, expected: &str) {
        assert_eq!(type_of(value_type), expected);
    }

    #[test]
    fn every_type_is_one_of_typescript() {
        let boxed = |value_type| Box::new(value_type);
        check(&ValueType::List(boxed(ValueType::Option(boxed(ValueType::Bool)))), "(boolean | null)[]");
        check(&ValueType::Tuple(vec![ValueType::S8, ValueType::String]), "[number, string]");
        check(&ValueType::Enum(vec!["a".into(), "b-c".into()]), r#""a" | "b-c""#);
        check(&ValueType::Flags(vec!["a".into()]), r#"("a")[]"#);
        let either = ValueType::Result { ok: Some(boxed(ValueType::U32)), err: None };
        check(&either, r#"{ "ok": number } | { "err": null }"#);
    }

    #[test]
    fn a_function_has_arguments_and_a_result() {
        let field = |name: &str, value_type| Field { name: name.into(), value_type };
        let function = FunctionInfo {
            name: "top".into(),
            params: vec![field("at-most", ValueType::U32), field("of", ValueType::Option(Box::new(ValueType::String)))],
            result: Some(ValueType::List(Box::new(ValueType::Record(vec![field("best-score", ValueType::S64)])))),
            error: None,
        };
        assert_eq!(arguments(&function), r#"{ "at_most": number; "of"?: string | null }"#);
        assert_eq!(returned(&function), r#"{ "best-score": number }[]"#);
    }
}
