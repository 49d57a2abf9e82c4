//! Documents as data: what they become, and what is refused.

use crate::tables::schema::TableDocument;
use crate::tables::schema::describe::{describe, difference};
use crate::tables::schema::resolve::resolve;
use crate::tables::schema::stored;
use crate::tables::table::TableSchema;
use crate::tables::{Environment, TableResult, code};

const CLIENTS: &str = r#"{"columns": [{"name": "id", "type": "integer"}, {"name": "code", "type": "text"},
    {"name": "region", "type": "text"}], "primary_key": ["id"], "unique": [["region", "code"]]}"#;

/// The schema of a table `t`, beside which there is a table `clients`.
fn schema_of(json: &str) -> TableResult<TableSchema> {
    let environment = Environment::neutral();
    let mut find = |name: &str| {
        if name != "clients" {
            return Err(crate::tables::schema::catalog::not_found(name));
        }
        let mut none = |_: &str| unreachable!();
        resolve("clients", &TableDocument::read(CLIENTS.as_bytes())?, &Environment::neutral(), &mut none)
    };
    resolve("t", &TableDocument::read(json.as_bytes())?, &environment, &mut find)
}

/// The document means the same as its normal form, which stays as it is, also when the schema is stored.
#[track_caller]
fn normal(json: &str, expected: &str) {
    let environment = Environment::neutral();
    let schema = schema_of(json).unwrap();
    let document = describe(&schema, &environment);
    let text = document.to_json();
    let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected, "{text}");
    let again = schema_of(&text).unwrap();
    assert_eq!(difference(&document, &describe(&again, &environment)), None);
    // The document has unique keys before other indexes.
    let sorted = |schema: &TableSchema| {
        let mut schema = schema.clone();
        schema.indexes.sort_by(|one, other| one.name.cmp(&other.name));
        schema
    };
    assert_eq!(sorted(&again), sorted(&schema));
    assert_eq!(stored::decode(&stored::encode(&schema).unwrap()).unwrap(), schema);
}

#[track_caller]
fn refused(json: &str, code: &str, message: &str) {
    let error = schema_of(json).expect_err(json);
    assert_eq!((error.code, error.message.as_str()), (code, message), "{json}");
}

#[test]
fn documents_have_a_normal_form() {
    normal(
        r#"{"columns": [{"name": "a", "type": "int4"}]}"#,
        r#"{"name": "t", "columns": [{"name": "a", "type": "integer", "nullable": true}]}"#,
    );
    normal(
        r#"{"columns": [{"name": "id", "type": "bigserial"}, {"name": "email", "type": "text", "nullable": false},
            {"name": "at", "type": "timestamptz", "default": {"function": "now"}, "comment": "when"}],
            "primary_key": ["id"], "unique": [["email"]], "indexes": [{"columns": ["at"]}], "comment": "people",
            "changes": "full"}"#,
        r#"{"name": "t", "columns": [{"name": "id", "type": "bigint", "nullable": false, "identity": true},
            {"name": "email", "type": "text", "nullable": false},
            {"name": "at", "type": "timestamp with time zone", "nullable": true, "default": {"function": "now"},
             "comment": "when"}],
            "primary_key": ["id"], "unique": [{"name": "t_email_key", "columns": ["email"]}],
            "indexes": [{"name": "t_at_idx", "columns": ["at"]}], "comment": "people", "changes": "full"}"#,
    );
}

#[test]
fn keys_get_the_names_of_postgresql() {
    normal(
        r#"{"columns": [{"name": "a", "type": "int", "check": "a=gt.0"}, {"name": "b", "type": "jsonb"},
              {"name": "c d", "type": "varchar(9)"}],
            "primary_key": {"name": "mine", "columns": ["a"]},
            "unique": [["a", "c d"]],
            "indexes": [{"columns": [{"column": "a", "descending": true}, "b->>x"]},
                        {"columns": [{"column": "a", "descending": true}, "b->x->0"], "filter": "a=gt.5&c d=is.null"},
                        {"columns": ["c d"], "unique": true},
                        {"columns": [{"column": "c d", "descending": true}], "unique": true}],
            "checks": [{"check": "or=(a.gt.1,b.is.null)"}, {"check": "a=lt.9"}, {"name": "named", "check": "a=neq.3"}],
            "foreign_keys": [{"columns": ["a"], "references": {"table": "clients"}, "on_delete": "set null"},
                             {"columns": ["a"], "references": {"table": "t", "columns": ["a"]}}]}"#,
        r#"{"name": "t", "columns": [{"name": "a", "type": "integer", "nullable": false},
              {"name": "b", "type": "jsonb", "nullable": true},
              {"name": "c d", "type": "character varying(9)", "nullable": true}],
            "primary_key": {"name": "mine", "columns": ["a"]},
            "unique": [{"name": "t_a_c d_key", "columns": ["a", "c d"]}, {"name": "t_c d_idx", "columns": ["c d"]}],
            "indexes": [{"name": "t_a_expr_idx", "columns": [{"column": "a", "descending": true}, "b->>x"]},
                        {"name": "t_a_expr_idx1", "columns": [{"column": "a", "descending": true}, "b->x->0"],
                         "filter": "a=gt.5&c d=is.null"},
                        {"name": "t_c d_idx1", "columns": [{"column": "c d", "descending": true}], "unique": true}],
            "checks": [{"name": "t_a_check", "check": "a=gt.0"}, {"name": "t_check", "check": "or=(a.gt.1,b.is.null)"},
                       {"name": "t_a_check1", "check": "a=lt.9"}, {"name": "named", "check": "a=neq.3"}],
            "foreign_keys": [
                {"name": "t_a_fkey", "columns": ["a"], "references": {"table": "clients", "columns": ["id"]},
                 "on_delete": "set null"},
                {"name": "t_a_fkey1", "columns": ["a"], "references": {"table": "t", "columns": ["a"]}}]}"#,
    );
}

#[test]
fn names_that_are_given_later_are_not_chosen_before() {
    let json =
        r#"{"columns": [{"name": "a", "type": "int"}], "unique": [["a"], {"name": "t_a_key", "columns": ["a"]}]}"#;
    let names: Vec<_> = schema_of(json).unwrap().indexes.into_iter().map(|index| index.name).collect();
    assert_eq!(names, ["t_a_key1", "t_a_key"]);
}

#[test]
fn defaults_are_values_of_their_type() {
    let column = |r#type: &str, default: &str| {
        format!(r#"{{"columns": [{{"name": "a", "type": "{type}", "default": {default}}}]}}"#)
    };
    let same = [
        ("integer", "7"),
        ("text", r#""a \"b\"""#),
        ("text", r#""""#),
        ("numeric", "1.50"),
        ("boolean", "false"),
        ("jsonb", r#"{"a": [1, null]}"#),
        ("jsonb", r#"{"literal": {"function": "now"}}"#),
        ("jsonb", r#"{"literal": {"literal": 1}}"#),
        ("uuid", r#"{"function": "uuidv7"}"#),
        ("date", r#"{"function": "now"}"#),
        ("integer[]", "[1,2]"),
        ("timestamp with time zone", r#""2026-01-02T03:04:05+00:00""#),
    ];
    for (r#type, default) in same {
        let expected = format!(
            r#"{{"name": "t", "columns": [{{"name": "a", "type": "{type}", "nullable": true, "default": {default}}}]}}"#
        );
        normal(&column(r#type, default), &expected);
    }
    let expected = r#"{"name": "t", "columns": [{"name": "a", "type": "integer", "nullable": true}]}"#;
    normal(&column("integer", "null"), expected);
    refused(&column("integer", r#""x""#), "22P02", "invalid input syntax for type integer: \"x\"");
    refused(&column("smallint", "40000"), "22003", "value \"40000\" is out of range for type smallint");
    refused(&column("integer", r#"{"function": "rm"}"#), "42883", "function rm does not exist");
    let message = "column \"a\" is of type integer but its default is of type uuid";
    refused(&column("integer", r#"{"function": "uuid"}"#), "42804", message);
}

#[test]
fn documents_that_are_not_understood_are_refused_with_the_place() {
    refused("", "42601", "the definition is not valid: it is empty");
    refused(
        r#"{"columns": [], "colums": []}"#,
        "42601",
        "the definition is not valid: there is no member `colums`; there is `name`, `columns`, `primary_key`, `unique`, \
         `indexes`, `foreign_keys`, `checks`, `comment`, `changes` (line 1, column 24)",
    );
    refused("{}", "42601", "the definition is not valid: the member `columns` is missing (line 1, column 2)");
    let deep = format!("{{\"columns\": {}", "[".repeat(100_000));
    assert_eq!(schema_of(&deep).unwrap_err().code, "42601");
}

#[test]
fn definitions_that_contradict_themselves_are_refused() {
    let with = |rest: &str| {
        format!(r#"{{"columns": [{{"name": "a", "type": "int"}}, {{"name": "b", "type": "text"}}], {rest}}}"#)
    };
    refused(r#"{"columns": []}"#, "42P16", "a table has at least one column");
    refused(
        r#"{"columns": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}"#,
        "42701",
        "column \"a\" of relation \"t\" already exists",
    );
    refused(r#"{"columns": [{"name": "", "type": "int"}]}"#, "42602", "the name of a column is empty: \"\"");
    refused(r#"{"columns": [{"name": "a", "type": "inet"}]}"#, "42704", "type \"inet\" does not exist");
    refused(&with(r#""primary_key": ["x"]"#), "42703", "column \"x\" named in key does not exist");
    refused(&with(r#""primary_key": []"#), "42601", "a primary key has at least one column");
    refused(&with(r#""unique": [["a", "a"]]"#), "42701", "column \"a\" appears twice in unique constraint");
    refused(&with(r#""indexes": [{"columns": ["x"]}]"#), "42703", "column \"x\" of relation \"t\" does not exist");
    refused(&with(r#""indexes": [{"columns": ["b->>x"]}]"#), "42883", "operator does not exist: text -> unknown");
    refused(
        &with(r#""indexes": [{"columns": ["a"], "filter": "x=eq.1"}]"#),
        "42703",
        "column \"x\" of relation \"t\" does not exist",
    );
    refused(
        &with(r#""checks": [{"check": "a"}]"#),
        "42601",
        "the filter is not valid: a, character 2: the text ends, expected \"=\"",
    );
    refused(
        &with(r#""checks": [{"name": "n", "check": "a=eq.1"}], "unique": [{"name": "n", "columns": ["a"]}]"#),
        "42710",
        "constraint \"n\" for relation \"t\" already exists",
    );
    refused(
        r#"{"columns": [{"name": "a", "type": "int", "nullable": true}], "primary_key": ["a"]}"#,
        "42601",
        "conflicting NULL/NOT NULL declarations for column \"a\" of table \"t\"",
    );
    refused(
        r#"{"columns": [{"name": "a", "type": "text", "identity": true}]}"#,
        "42P16",
        "column \"a\": identity column type must be smallint, integer, or bigint",
    );
    refused(
        r#"{"columns": [{"name": "a", "type": "serial"}, {"name": "b", "type": "serial"}]}"#,
        "42P16",
        "columns \"a\" and \"b\" are both an identity; a table has one",
    );
    refused(
        r#"{"columns": [{"name": "a", "type": "serial", "default": 1}]}"#,
        "42601",
        "both default and identity specified for column \"a\" of table \"t\"",
    );
    refused(r#"{"name": "u", "columns": []}"#, "42P16", "the definition is of table \"u\" and not of \"t\"");
}

#[test]
fn checks_and_filters_are_conditions_and_nothing_else() {
    for filter in
        ["order=a", "limit=1", "select=a", "x.a=eq.1", "having=(count().gt.1)", "", "a=fts.x", "or=(count().gt.1)"]
    {
        let json = format!(r#"{{"columns": [{{"name": "a", "type": "int"}}], "checks": [{{"check": "{filter}"}}]}}"#);
        let error = schema_of(&json).expect_err(filter);
        assert!(["42601", "42703"].contains(&error.code), "{filter}: {error}");
    }
}

#[test]
fn enums_have_values() {
    let column = |rest: &str| format!(r#"{{"columns": [{{"name": "a", {rest}}}]}}"#);
    normal(
        &column(r#""type": "text", "enum": ["x", "y"], "default": "y""#),
        r#"{"name": "t", "columns": [{"name": "a", "type": "text", "nullable": true, "enum": ["x", "y"], "default": "y"}]}"#,
    );
    refused(&column(r#""type": "text", "enum": []"#), "42P16", "the enum of column \"a\" has no value");
    refused(&column(r#""type": "text", "enum": ["x", "x"]"#), "42P16", "the enum of column \"a\" has \"x\" twice");
    let message = "column \"a\" has an enum and is of type integer; it must be text";
    refused(&column(r#""type": "int", "enum": ["1"]"#), "42P16", message);
    let message = "invalid input value for enum a: \"z\"";
    refused(&column(r#""type": "text", "enum": ["x"], "default": "z""#), "22P02", message);
}

#[test]
fn foreign_keys_match_a_unique_key() {
    let key = |r#type: &str, columns: &str, references: &str| {
        format!(
            r#"{{"columns": [{{"name": "a", "type": "{type}"}}, {{"name": "b", "type": "text"}}],
                "foreign_keys": [{{"columns": {columns}, "references": {references}}}]}}"#
        )
    };
    let target_columns = |json: &str| schema_of(json).unwrap().foreign_keys[0].target_columns.clone();
    assert_eq!(target_columns(&key("bigint", r#"["a"]"#, r#"{"table": "clients"}"#)), ["id"]);
    let both = key("varchar(3)", r#"["a", "b"]"#, r#"{"table": "clients", "columns": ["code", "region"]}"#);
    assert_eq!(target_columns(&both), ["code", "region"]);
    let message = "Could not find the table 'public.x' in the schema cache";
    refused(&key("int", r#"["a"]"#, r#"{"table": "x"}"#), code::NO_TABLE, message);
    let message = "there is no unique constraint matching given keys for referenced table \"clients\"";
    refused(&key("text", r#"["a"]"#, r#"{"table": "clients", "columns": ["code"]}"#), "42830", message);
    let message = "number of referencing and referenced columns for foreign key disagree";
    refused(&key("int", r#"["a", "b"]"#, r#"{"table": "clients"}"#), "42830", message);
    let message = "column \"x\" referenced in foreign key constraint does not exist";
    refused(&key("int", r#"["a"]"#, r#"{"table": "clients", "columns": ["x"]}"#), "42703", message);
    let error = schema_of(&key("text", r#"["a"]"#, r#"{"table": "clients"}"#)).unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        ("42804", "foreign key constraint \"t_a_fkey\" cannot be implemented")
    );
    let details = "Key columns \"a\" and \"id\" are of incompatible types: text and integer.";
    assert_eq!(error.details.as_deref(), Some(details));
    let own = r#"{"columns": [{"name": "a", "type": "int"}],
        "foreign_keys": [{"columns": ["a"], "references": {"table": "t"}}]}"#;
    refused(own, "42704", "there is no primary key for referenced table \"t\"");
}

#[test]
fn every_count_and_size_is_bounded() {
    let columns = |count: usize| {
        let columns: Vec<_> = (0..count).map(|place| format!(r#"{{"name": "c{place}", "type": "int"}}"#)).collect();
        format!(r#""columns": [{}]"#, columns.join(","))
    };
    let list = |count: usize, item: &str| vec![item; count].join(",");
    let names = |count: usize| (0..count).map(|place| format!("\"c{place}\"")).collect::<Vec<_>>().join(",");
    for (what, most, more) in [
        ("columns", columns(500), columns(501)),
        (
            "unique keys",
            format!("{}, \"unique\": [{}]", columns(1), list(64, r#"["c0"]"#)),
            format!("{}, \"unique\": [{}]", columns(1), list(65, r#"["c0"]"#)),
        ),
        (
            "checks",
            format!("{}, \"checks\": [{}]", columns(1), list(64, r#"{"check": "c0=eq.1"}"#)),
            format!("{}, \"checks\": [{}]", columns(1), list(65, r#"{"check": "c0=eq.1"}"#)),
        ),
        (
            "columns of a key",
            format!("{}, \"primary_key\": [{}]", columns(40), names(32)),
            format!("{}, \"primary_key\": [{}]", columns(40), names(33)),
        ),
        (
            "comments",
            format!("{}, \"comment\": \"{}\"", columns(1), "c".repeat(8_192)),
            format!("{}, \"comment\": \"{}\"", columns(1), "c".repeat(8_193)),
        ),
    ] {
        assert!(schema_of(&format!("{{{most}}}")).is_ok(), "{what}");
        assert_eq!(schema_of(&format!("{{{more}}}")).unwrap_err().code, "54000", "{what}");
    }
    let long = format!(r#"{{{}, "checks": [{{"check": "c0=eq.{}"}}]}}"#, columns(1), "1".repeat(9_000));
    assert_eq!(schema_of(&long).unwrap_err().code, "54000");
    let deep = format!(r#"{{{}, "checks": [{{"check": "{}c0.eq.1{}"}}]}}"#, columns(1), "and=(", ")");
    assert!(schema_of(&deep).is_ok());
    let deep = format!(
        r#"{{{}, "checks": [{{"check": "and=({}c0.eq.1{})"}}]}}"#,
        columns(1),
        "and(".repeat(1_000),
        ")".repeat(1_000)
    );
    assert_eq!(schema_of(&deep).unwrap_err().code, "42601");
}

#[test]
fn a_filter_whose_column_is_renamed_stays_as_deep_as_it_is() {
    let json = r#"{"columns": [{"name": "a", "type": "int"}, {"name": "b", "type": "text"}],
        "checks": [{"check": "a=gt.0&b=neq.x&y"}]}"#;
    let json = json.replace("neq.x&y", "neq.x=y");
    let mut filter = schema_of(&json).unwrap().checks[0].filter.clone();
    for _ in 0..100 {
        for (from, to) in [("a", "c d"), ("c d", "a")] {
            filter =
                crate::tables::schema::filter::renamed(&filter, &|name| (name == from).then(|| to.to_owned())).unwrap();
        }
    }
    assert_eq!(filter.text, "and=(a.gt.0,b.neq.\"x=y\")");
}

#[test]
fn a_schema_of_another_form_is_refused() {
    let schema = schema_of(r#"{"columns": [{"name": "a", "type": "int"}]}"#).unwrap();
    let bytes = stored::encode(&schema).unwrap();
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        stored::decode(&bytes).unwrap_err().code
    };
    assert_eq!(broken(&|bytes| bytes[0] = 2), code::DATA_CORRUPTED);
    assert_eq!(broken(&|bytes| bytes.truncate(9)), code::DATA_CORRUPTED);
    assert_eq!(broken(&|bytes| bytes.clear()), code::DATA_CORRUPTED);
    let mut indexed = schema;
    indexed.primary_key = Some(crate::tables::table::PrimaryKey { name: "p".to_owned(), columns: vec![1] });
    assert_eq!(stored::decode(&stored::encode(&indexed).unwrap()).unwrap_err().code, code::DATA_CORRUPTED);
}
