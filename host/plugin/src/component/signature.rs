//! The functions of a component and their types, by which JSON is converted and plugins are described.

use serde::Serialize;
use wasmtime::component::types::{ComponentFunc, Type};

use crate::limits::{TYPE_DEPTH_MAX, TYPE_PARTS_MAX};

/// Bytes of names that count as one part.
const NAME_BYTES_PER_PART: usize = 16;

/// A function that can be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionInfo {
    /// `function`, or `interface.function` for one of an exported interface: `math.add` of `examples:tools/math@1.0.0`. Where two
    /// interfaces are called the same, it has the full name: `examples:tools/math@1.0.0.add`.
    pub name: String,
    /// Its parameters, in order.
    pub params: Vec<Field>,
    /// Its result, or the `ok` of its result; `None` for nothing.
    pub result: Option<ValueType>,
    /// The `err` of its result; `None` inside when `err` has no payload.
    pub error: Option<Option<ValueType>>,
}

/// A name and a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// In kebab-case.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
}

/// A case of a variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Case {
    /// In kebab-case.
    pub name: String,
    /// Its payload.
    pub payload: Option<ValueType>,
}

/// A plain type of WIT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are those of WIT")]
pub enum ValueType {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Char,
    String,
    /// `list<u8>`, which JSON carries as text or base64.
    Bytes,
    List(Box<ValueType>),
    Record(Vec<Field>),
    Tuple(Vec<ValueType>),
    Variant(Vec<Case>),
    Enum(Vec<String>),
    Option(Box<ValueType>),
    Result {
        ok: Option<Box<ValueType>>,
        err: Option<Box<ValueType>>,
    },
    Flags(Vec<String>),
}

impl FunctionInfo {
    /// Reads a function's type. An error says why it cannot be called.
    pub(crate) fn read(name: String, function: &ComponentFunc, reader: &mut Reader) -> Result<Self, String> {
        if function.async_() {
            return Err("it is asynchronous".into());
        }
        let mut params = Vec::new();
        for (name, param) in function.params() {
            params.push(Field { name: reader.name(name)?, value_type: reader.read(&param, 0)? });
        }
        let mut results = function.results();
        let returned = results.next().map(|result| reader.read(&result, 0)).transpose()?;
        if results.next().is_some() {
            return Err("it has several results".into());
        }
        let (result, error) = match returned {
            Some(ValueType::Result { ok, err }) => (ok.map(|ok| *ok), Some(err.map(|err| *err))),
            result => (result, None),
        };
        Ok(Self { name, params, result, error })
    }
}

impl FunctionInfo {
    /// Whether its error is that of `mantis:db/types`, or has the same form: then a case says that the call lost a conflict.
    pub(crate) fn reports_conflicts(&self) -> bool {
        let Some(Some(ValueType::Variant(cases))) = &self.error else { return false };
        let conflict = cases.iter().find(|case| case.name == "conflict").and_then(|case| case.payload.as_ref());
        let Some(ValueType::Record(fields)) = conflict else { return false };
        let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
        names == ["code", "message"]
    }
}

/// Reads types that are plain and not too large.
pub(crate) struct Reader {
    parts_left: usize,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { parts_left: TYPE_PARTS_MAX }
    }

    fn spend(&mut self, parts: usize) -> Result<(), String> {
        let left = self.parts_left.checked_sub(parts);
        self.parts_left = left.ok_or_else(|| format!("the plugin's types have more than {TYPE_PARTS_MAX} parts"))?;
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<String, String> {
        self.spend(1 + name.len() / NAME_BYTES_PER_PART)?;
        Ok(name.into())
    }

    fn read(&mut self, value_type: &Type, depth: usize) -> Result<ValueType, String> {
        self.spend(1)?;
        if depth > TYPE_DEPTH_MAX {
            return Err(format!("its types have more than {TYPE_DEPTH_MAX} levels"));
        }
        let depth = depth + 1;
        Ok(match value_type {
            Type::Bool => ValueType::Bool,
            Type::S8 => ValueType::S8,
            Type::U8 => ValueType::U8,
            Type::S16 => ValueType::S16,
            Type::U16 => ValueType::U16,
            Type::S32 => ValueType::S32,
            Type::U32 => ValueType::U32,
            Type::S64 => ValueType::S64,
            Type::U64 => ValueType::U64,
            Type::Float32 => ValueType::F32,
            Type::Float64 => ValueType::F64,
            Type::Char => ValueType::Char,
            Type::String => ValueType::String,
            Type::List(list) => match self.read(&list.ty(), depth)? {
                ValueType::U8 => ValueType::Bytes,
                element => ValueType::List(Box::new(element)),
            },
            Type::Record(record) => {
                let fields = record
                    .fields()
                    .map(|field| Ok(Field { name: self.name(field.name)?, value_type: self.read(&field.ty, depth)? }));
                ValueType::Record(fields.collect::<Result<_, String>>()?)
            }
            Type::Tuple(tuple) => {
                ValueType::Tuple(tuple.types().map(|element| self.read(&element, depth)).collect::<Result<_, _>>()?)
            }
            Type::Variant(variant) => {
                let cases = variant.cases().map(|case| {
                    let payload = case.ty.map(|payload| self.read(&payload, depth)).transpose()?;
                    Ok(Case { name: self.name(case.name)?, payload })
                });
                ValueType::Variant(cases.collect::<Result<_, String>>()?)
            }
            Type::Enum(cases) => ValueType::Enum(self.names(cases.names())?),
            Type::Flags(flags) => ValueType::Flags(self.names(flags.names())?),
            Type::Option(option) => ValueType::Option(Box::new(self.read(&option.ty(), depth)?)),
            Type::Result(result) => ValueType::Result {
                ok: result.ok().map(|ok| self.read(&ok, depth)).transpose()?.map(Box::new),
                err: result.err().map(|err| self.read(&err, depth)).transpose()?.map(Box::new),
            },
            Type::Own(_) | Type::Borrow(_) => return Err("it takes or returns a resource".into()),
            _ => return Err("it takes or returns a type that JSON cannot carry yet".into()),
        })
    }

    fn names<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
        names.map(|name| self.name(name)).collect()
    }
}
