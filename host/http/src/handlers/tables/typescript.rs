//! `/api/v1/schema/types.ts`: the tables and the functions of plugins as TypeScript types, in the form that supabase-js reads.

use http::{Method, Response, StatusCode};
use mantis_db::tables::TableResult;
use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::types::{Scalar, Type};

use super::rpc::typescript;
use super::schema::definitions_text;
use crate::api::description::{Answer, Content, Shape, Tag};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::protocol::body::Body;
use crate::protocol::memory::Text;
use crate::protocol::problem::Result;
use crate::protocol::respond;
use crate::state::{Operation, State};

/// The media type of the answer.
const TYPESCRIPT: &str = "text/plain; charset=utf-8";
/// The version of PostgREST whose types the clients know.
const POSTGREST_VERSION: &str = "14";

pub(crate) static TYPES: Operation = Operation {
    method: Method::GET,
    id: "typescriptTypes",
    tag: Tag::Schemas,
    summary: "The tables and functions as TypeScript types",
    description: "In the form that supabase-js reads: `createClient<Database>(..)`.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "A module that exports `Database` and `Json`.",
        content: &[Content { media: TYPESCRIPT, shape: Shape::Text }],
        headers: &[],
    }],
    problems: &[],
    now: None,
    handler: |state, request| Box::pin(types(state, request)),
    timeout: TimeoutPolicy::Configured,
};

async fn types(state: &State, request: &mut Request) -> Result<Response<Body>> {
    let tables = state.session().await?.definitions().await?;
    let plugins = state.plugins.list();
    let module = definitions_text(&request.in_flight, tables, move |tables, text| {
        write_module(text, || tables.documents(), |text| typescript::write_functions(text, &plugins))
    });
    Ok(respond::bytes(StatusCode::OK, TYPESCRIPT, module.await?))
}

/// The whole module. The tables are looked at twice, and one at a time.
fn write_module<T: Iterator<Item = TableResult<TableDocument>>>(
    text: &mut Text,
    tables: impl Fn() -> T,
    write_functions: impl FnOnce(&mut Text) -> Result<()>,
) -> Result<()> {
    text.push(
        b"export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]\n\n\
          export type Database = {\n",
    )?;
    writeln!(text, "  __InternalSupabase: {{\n    PostgrestVersion: {}\n  }}", quoted(POSTGREST_VERSION))?;
    text.push(b"  public: {\n    Tables: {\n")?;
    for table in tables() {
        write_table(text, &table?)?;
    }
    text.push(b"    }\n    Views: { [_ in never]: never }\n    Functions: ")?;
    write_functions(text)?;
    text.push(b"\n    Enums: {\n")?;
    for table in tables() {
        write_enums(text, &table?)?;
    }
    text.push(b"    }\n    CompositeTypes: { [_ in never]: never }\n  }\n}\n")
}

/// A text as a literal of TypeScript: JSON's strings are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write_table(text: &mut Text, table: &TableDocument) -> Result<()> {
    let name = table.name.as_deref().unwrap_or_default();
    writeln!(text, "      {}: {{", quoted(name))?;
    for (kind, is_written, all_optional) in [("Row", false, false), ("Insert", true, false), ("Update", true, true)] {
        writeln!(text, "        {kind}: {{")?;
        for column in &table.columns {
            let is_key = table.primary_key.as_ref().is_some_and(|key| key.columns.contains(&column.name));
            let is_nullable = column.nullable.unwrap_or(!column.identity && !is_key);
            let may_lack = is_nullable || column.identity || column.default.is_some();
            let mark = if is_written && (all_optional || may_lack) { "?" } else { "" };
            let null = if is_nullable { " | null" } else { "" };
            let r#type = match &column.allowed {
                Some(_) => format!("Database[\"public\"][\"Enums\"][{}]", quoted(&enum_name(name, &column.name))),
                None => type_of(&column.r#type),
            };
            writeln!(text, "          {}{mark}: {}{null}", quoted(&column.name), r#type)?;
        }
        text.push(b"        }\n")?;
    }
    text.push(b"        Relationships: [\n")?;
    for key in &table.foreign_keys {
        let target = &key.references.table;
        let columns = |columns: &[String]| columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        let referenced = &key.references.columns;
        let is_unique = |candidate: &[String]| {
            candidate.len() == key.columns.len() && candidate.iter().all(|column| key.columns.contains(column))
        };
        let is_one_to_one =
            table.primary_key.iter().chain(&table.unique).any(|candidate| is_unique(&candidate.columns));
        writeln!(
            text,
            "          {{\n            foreignKeyName: {}\n            columns: [{}]\n            isOneToOne: {is_one_to_one}\n            \
             referencedRelation: {}\n            referencedColumns: [{}]\n          }},",
            quoted(key.name.as_deref().unwrap_or_default()),
            columns(&key.columns),
            quoted(target),
            columns(referenced),
        )?;
    }
    text.push(b"        ]\n      }\n")
}

fn enum_name(table: &str, column: &str) -> String {
    format!("{table}_{column}")
}

/// The columns that have only certain values, each as a union.
fn write_enums(text: &mut Text, table: &TableDocument) -> Result<()> {
    for column in &table.columns {
        if let Some(values) = &column.allowed {
            let name = enum_name(table.name.as_deref().unwrap_or_default(), &column.name);
            let union = values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(" | ");
            writeln!(text, "      {}: {union}", quoted(&name))?;
        }
    }
    Ok(())
}

/// What a value of the type is in a JSON answer.
fn type_of(name: &str) -> String {
    let Ok(Type { scalar, is_array }) = Type::parse(name) else { return "unknown".to_owned() };
    let scalar = match scalar {
        Scalar::Boolean => "boolean",
        Scalar::SmallInt | Scalar::Integer | Scalar::BigInt | Scalar::Real | Scalar::Double | Scalar::Numeric(_) => {
            "number"
        }
        Scalar::Jsonb => "Json",
        _ => "string",
    };
    if is_array { format!("{scalar}[]") } else { scalar.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_rows_inserts_updates_and_relationships() {
        let document = TableDocument::read(
            br#"{"name": "books", "columns": [{"name": "id", "type": "bigint", "nullable": false, "identity": true},
                {"name": "kind", "type": "text", "enum": ["novel", "other"]}, {"name": "tags", "type": "text[]", "nullable": false},
                {"name": "writer", "type": "uuid"}, {"name": "more", "type": "jsonb", "nullable": false, "default": {"literal": {}}}],
                "primary_key": ["id"], "foreign_keys": [{"name": "books_writer_fkey", "columns": ["writer"],
                "references": {"table": "writers", "columns": ["id"]}}]}"#,
        );
        let document = document.unwrap();
        let mut text = Text::new(&mantis_db::Budget::default());
        let tables = || std::iter::once(Ok(document.clone()));
        write_module(&mut text, tables, |text| typescript::write_functions(text, &[])).unwrap();
        let text = std::str::from_utf8(text.as_bytes()).unwrap();
        for part in [
            "\"books\": {",
            "Row: {\n          \"id\": number\n          \"kind\": Database[\"public\"][\"Enums\"][\"books_kind\"] | null\n",
            "\"tags\": string[]\n          \"writer\": string | null\n          \"more\": Json\n",
            "Insert: {\n          \"id\"?: number\n",
            "\"more\"?: Json\n",
            "Update: {\n          \"id\"?: number\n",
            "foreignKeyName: \"books_writer_fkey\"\n            columns: [\"writer\"]\n            isOneToOne: false\n",
            "referencedRelation: \"writers\"\n            referencedColumns: [\"id\"]\n",
            "\"books_kind\": \"novel\" | \"other\"\n",
            "PostgrestVersion: \"14\"",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
