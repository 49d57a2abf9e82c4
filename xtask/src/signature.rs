//! The functions of a component and their types as JSON, in the host's form, for the page to read.

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use wit_component::DecodedWasm;
use wit_parser::{Function, Param, Resolve, Type, TypeDefKind, WorldItem, WorldKey};

/// A plugin that imports this interface runs its own transactions.
const TRANSACTIONS: &str = "mantis:db/transactions";

/// What a page needs to know of a component to call it.
pub(crate) fn describe(name: &str, component: &[u8]) -> Result<Value> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("these bytes are a package of WIT, not a component");
    };
    let world = &resolve.worlds[world];
    let interface_name = |key: &WorldKey| resolve.name_world_key(key);
    let mut functions = Vec::new();
    // As on the host, types that JSON cannot express are left out.
    let mut add = |name: &str, function: &Function| functions.extend(describe_function(&resolve, name, function).ok());
    for (key, item) in &world.exports {
        match item {
            WorldItem::Function(function) => add(&function.name, function),
            WorldItem::Interface { id, .. } => {
                let interface = &resolve.interfaces[*id];
                let short = interface.name.clone().unwrap_or_else(|| interface_name(key));
                for function in interface.functions.values() {
                    add(&format!("{short}.{}", function.name), function);
                }
            }
            WorldItem::Type { .. } => {}
        }
    }
    ensure!(!functions.is_empty(), "it exports no function that can be called");
    let own_transactions = world.imports.keys().any(|key| interface_name(key).starts_with(TRANSACTIONS));
    Ok(json!({ "name": name, "functions": functions, "ownTransactions": own_transactions }))
}

fn describe_function(resolve: &Resolve, name: &str, function: &Function) -> Result<Value> {
    let param = |param: &Param| Ok(json!({ "name": param.name, "type": value_type(resolve, param.ty)? }));
    let params = function.params.iter().map(param).collect::<Result<Vec<_>>>()?;
    let Some((ok, err)) = result_of(resolve, function.result) else {
        return Ok(json!({ "name": name, "params": params, "result": optional(resolve, function.result)? }));
    };
    let error = json!({ "payload": optional(resolve, err)? });
    Ok(json!({ "name": name, "params": params, "result": optional(resolve, ok)?, "error": error }))
}

/// The two sides of a `result` that a function returns.
fn result_of(resolve: &Resolve, returned: Option<Type>) -> Option<(Option<Type>, Option<Type>)> {
    let Some(Type::Id(mut id)) = returned else { return None };
    loop {
        match &resolve.types[id].kind {
            TypeDefKind::Type(Type::Id(other)) => id = *other,
            TypeDefKind::Result(result) => return Some((result.ok, result.err)),
            _ => return None,
        }
    }
}

fn optional(resolve: &Resolve, payload: Option<Type>) -> Result<Value> {
    payload.map_or(Ok(Value::Null), |payload| value_type(resolve, payload))
}

fn value_type(resolve: &Resolve, value: Type) -> Result<Value> {
    let name = match value {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::Id(id) => return defined_type(resolve, &resolve.types[id].kind),
        Type::ErrorContext => bail!("an error context has no form in JSON"),
    };
    Ok(json!(name))
}

fn defined_type(resolve: &Resolve, kind: &TypeDefKind) -> Result<Value> {
    let of = |item: Type| value_type(resolve, item);
    Ok(match kind {
        TypeDefKind::Type(other) => of(*other)?,
        TypeDefKind::List(Type::U8) => json!("bytes"),
        TypeDefKind::List(item) => json!({ "list": of(*item)? }),
        TypeDefKind::Option(item) => json!({ "option": of(*item)? }),
        TypeDefKind::Tuple(tuple) => {
            json!({ "tuple": tuple.types.iter().map(|item| of(*item)).collect::<Result<Vec<_>>>()? })
        }
        TypeDefKind::Result(result) => {
            json!({ "result": { "ok": optional(resolve, result.ok)?, "err": optional(resolve, result.err)? } })
        }
        TypeDefKind::Record(record) => {
            let field = |field: &wit_parser::Field| Ok(json!({ "name": field.name, "type": of(field.ty)? }));
            json!({ "record": record.fields.iter().map(field).collect::<Result<Vec<_>>>()? })
        }
        TypeDefKind::Variant(variant) => {
            let case =
                |case: &wit_parser::Case| Ok(json!({ "name": case.name, "payload": optional(resolve, case.ty)? }));
            json!({ "variant": variant.cases.iter().map(case).collect::<Result<Vec<_>>>()? })
        }
        TypeDefKind::Enum(list) => json!({ "enum": list.cases.iter().map(|case| &case.name).collect::<Vec<_>>() }),
        TypeDefKind::Flags(list) => json!({ "flags": list.flags.iter().map(|flag| &flag.name).collect::<Vec<_>>() }),
        other => bail!("a {} has no form in JSON", other.as_str()),
    })
}
