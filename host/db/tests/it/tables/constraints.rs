//! Each constraint as data: what is refused, and in which words.

use mantis_db::tables::Resolution;

use super::support::{Tables, outcome};

const CLIENTS: &str = r#"{"columns":[
    {"name":"id","type":"integer","nullable":false},
    {"name":"email","type":"text"},
    {"name":"kind","type":"text","enum":["person","firm"]},
    {"name":"age","type":"smallint"}],
  "primary_key":["id"],"unique":[["email"]],
  "checks":[{"name":"b_old","check":"age=gte.18"},{"name":"a_young","check":"age=lt.150"}]}"#;

const ORDERS: &str = r#"{"columns":[
    {"name":"a","type":"integer","nullable":false},
    {"name":"b","type":"integer","nullable":false},
    {"name":"client","type":"integer"},
    {"name":"note","type":"varchar(3)"}],
  "primary_key":["a","b"],
  "foreign_keys":[{"columns":["client"],"references":{"table":"clients","columns":["id"]}}]}"#;

fn tables() -> Tables {
    let mut tables = Tables::new(&[("clients", CLIENTS), ("orders", ORDERS)]);
    tables.post("clients", r#"[{"id":1,"email":"a@b"},{"id":2,"email":null}]"#).unwrap();
    tables.post("orders", r#"[{"a":1,"b":1,"client":1},{"a":1,"b":2,"client":null}]"#).unwrap();
    tables
}

/// An insert, and what it answers.
#[track_caller]
fn inserts(target: &str, body: &str, expected: &str) {
    let mut tables = tables();
    let before = tables.get("clients?order=id") + &tables.get("orders?order=a,b");
    let answer = tables.post(target, body);
    let is_refused = answer.is_err();
    assert_eq!(outcome(answer), expected, "{target} {body}");
    if is_refused {
        assert_eq!(tables.get("clients?order=id") + &tables.get("orders?order=a,b"), before, "nothing is half done");
    }
    tables.check();
}

#[test]
fn an_insert_is_refused_in_the_words_of_postgresql() {
    inserts("clients", r#"{"id":3}"#, r#"[{"id":3,"email":null,"kind":null,"age":null}]"#);
    inserts(
        "clients",
        r#"[{"id":3},{"email":"x"}]"#,
        "23502 null value in column \"id\" of relation \"clients\" violates not-null constraint | \
         Failing row contains (null, x, null, null).",
    );
    inserts(
        "clients",
        r#"[{"id":3},{"id":1}]"#,
        "23505 duplicate key value violates unique constraint \"clients_pkey\" | Key (id)=(1) already exists.",
    );
    inserts(
        "orders",
        r#"[{"a":3,"b":1},{"a":1,"b":2}]"#,
        "23505 duplicate key value violates unique constraint \"orders_pkey\" | Key (a, b)=(1, 2) already exists.",
    );
    inserts(
        "clients",
        r#"{"id":3,"email":"a@b"}"#,
        "23505 duplicate key value violates unique constraint \"clients_email_key\" | Key (email)=(a@b) already exists.",
    );
    inserts(
        "clients",
        r#"[{"id":3,"email":"x"},{"id":4,"email":"x"}]"#,
        "23505 duplicate key value violates unique constraint \"clients_email_key\" | Key (email)=(x) already exists.",
    );
    inserts(
        "clients",
        r#"{"id":3,"age":200}"#,
        "23514 new row for relation \"clients\" violates check constraint \"a_young\" | \
         Failing row contains (3, null, null, 200).",
    );
    inserts(
        "clients",
        r#"{"id":3,"age":7}"#,
        "23514 new row for relation \"clients\" violates check constraint \"b_old\" | \
         Failing row contains (3, null, null, 7).",
    );
    inserts("clients", r#"{"id":3,"kind":"robot"}"#, "22P02 invalid input value for enum clients_kind: \"robot\"");
    inserts(
        "orders",
        r#"{"a":7,"b":1,"client":7}"#,
        "23503 insert or update on table \"orders\" violates foreign key constraint \"orders_client_fkey\" | \
         Key (client)=(7) is not present in table \"clients\".",
    );
    inserts("orders", r#"{"a":7,"b":1,"note":"four"}"#, "22001 value too long for type character varying(3)");
    inserts(
        "orders",
        r#"{"a":7,"b":1,"colour":1}"#,
        "PGRST204 Could not find the 'colour' column of 'orders' in the schema cache",
    );
}

#[test]
fn long_values_are_cut_in_the_details_of_a_failing_row() {
    let mut tables = Tables::new(&[(
        "t",
        r#"{"columns":[{"name":"a","type":"text"},{"name":"b","type":"integer","nullable":false}]}"#,
    )]);
    let body = format!(r#"{{"a":"{}","b":null}}"#, "ä".repeat(40));
    let error = tables.post("t", &body).unwrap_err();
    assert_eq!(error.details.as_deref().unwrap(), format!("Failing row contains ({}..., null).", "ä".repeat(32)));
}

#[test]
fn a_key_that_is_too_long_is_refused_with_its_index_and_size() {
    let mut tables = Tables::new(&[(
        "t",
        r#"{"columns":[{"name":"k","type":"text","nullable":false},{"name":"v","type":"text"}],
            "primary_key":["k"],"indexes":[{"columns":["v"]}]}"#,
    )]);
    let long = "x".repeat(5_000);
    for (body, index) in
        [(format!(r#"{{"k":"{long}"}}"#), "t_pkey"), (format!(r#"{{"k":"a","v":"{long}"}}"#), "t_v_idx")]
    {
        let error = tables.post("t", &body).unwrap_err();
        assert_eq!(error.code, "54000");
        assert!(error.message.contains(index) && error.message.contains("500"), "{error}");
    }
    assert_eq!(tables.get("t"), "[]");
}

#[test]
fn updates_and_deletes_are_refused_alike() {
    let mut tables = tables();
    for (target, body, expected) in [
        (
            "clients?id=eq.1",
            r#"{"id":null}"#,
            "23502 null value in column \"id\" of relation \"clients\" violates not-null constraint | \
             Failing row contains (null, a@b, null, null).",
        ),
        (
            "clients?id=eq.1",
            r#"{"id":9}"#,
            "23503 update or delete on table \"clients\" violates foreign key constraint \"orders_client_fkey\" on \
             table \"orders\" | Key (id)=(1) is still referenced from table \"orders\".",
        ),
        (
            "clients?id=eq.2",
            r#"{"id":1}"#,
            "23505 duplicate key value violates unique constraint \"clients_pkey\" | Key (id)=(1) already exists.",
        ),
        (
            "clients?id=eq.2",
            r#"{"email":"a@b"}"#,
            "23505 duplicate key value violates unique constraint \"clients_email_key\" | Key (email)=(a@b) already \
             exists.",
        ),
        (
            "orders?a=eq.1",
            r#"{"client":5}"#,
            "23503 insert or update on table \"orders\" violates foreign key constraint \"orders_client_fkey\" | \
             Key (client)=(5) is not present in table \"clients\".",
        ),
        ("clients?id=eq.1", r#"{"age":19}"#, r#"[{"id":1,"email":"a@b","kind":null,"age":19}]"#),
        ("clients?id=eq.2", r#"{"id":9}"#, r#"[{"id":9,"email":null,"kind":null,"age":null}]"#),
        ("clients?id=eq.77", r#"{"id":1}"#, "[]"),
        ("clients?id=eq.1", "{}", "[]"),
    ] {
        assert_eq!(outcome(tables.patch(target, body)), expected, "{target} {body}");
        tables.check();
    }
    assert_eq!(
        outcome(tables.delete("clients")),
        "23503 update or delete on table \"clients\" violates foreign key constraint \"orders_client_fkey\" on table \
         \"orders\" | Key (id)=(1) is still referenced from table \"orders\"."
    );
    assert_eq!(tables.delete("orders").unwrap().written.affected, 2);
    assert_eq!(tables.delete("clients").unwrap().written.affected, 2);
    assert_eq!(tables.check(), 0);
}

#[test]
fn rows_of_one_statement_are_parents_of_each_other() {
    let tree = r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"up","type":"bigint"}],
      "primary_key":["id"],
      "foreign_keys":[{"columns":["up"],"references":{"table":"tree","columns":["id"]}}]}"#;
    let mut tables = Tables::new(&[("tree", tree)]);
    tables.post("tree", r#"[{"id":2,"up":1},{"id":1,"up":2},{"id":3,"up":3}]"#).unwrap();
    assert!(tables.post("tree", r#"{"id":4,"up":5}"#).is_err());
    // The first row that misses its parent gets it, the second does not.
    let rows = r#"[{"id":4,"up":5},{"id":5,"up":null},{"id":6,"up":7}]"#;
    assert!(outcome(tables.post("tree", rows)).starts_with("23503"));
    assert!(tables.delete("tree?id=eq.1").is_err());
    assert_eq!(tables.delete("tree?id=lt.3").unwrap().written.affected, 2);
    assert_eq!(tables.delete("tree").unwrap().written.affected, 1);
    assert_eq!(tables.check(), 0);
}

#[test]
fn a_partial_unique_index_minds_only_its_rows() {
    let mut tables = Tables::new(&[(
        "t",
        r#"{"columns":[{"name":"id","type":"integer","nullable":false},{"name":"slug","type":"text"},
             {"name":"doc","type":"jsonb"},{"name":"live","type":"boolean"}],"primary_key":["id"],
            "indexes":[{"columns":["slug"],"unique":true,"filter":"live=is.true"},
                       {"columns":["doc->>n"],"unique":true}]}"#,
    )]);
    for (body, is_taken) in [
        (r#"{"id":1,"slug":"a","live":true,"doc":{"n":1}}"#, true),
        (r#"{"id":2,"slug":"a","live":false,"doc":{"m":1}}"#, true),
        (r#"{"id":3,"slug":"a","live":true}"#, false),
        (r#"{"id":4,"slug":"a","doc":{"m":1}}"#, true),
        (r#"{"id":5,"doc":{"n":"1"}}"#, false),
    ] {
        assert_eq!(tables.post("t", body).is_ok(), is_taken, "{body}");
        tables.check();
    }
    assert!(tables.patch("t?id=eq.2", r#"{"live":true}"#).is_err());
    tables.patch("t?id=eq.1", r#"{"live":null}"#).unwrap();
    tables.patch("t?id=eq.2", r#"{"live":true}"#).unwrap();
    tables.check();
}

#[test]
fn an_upsert_meets_rows_by_the_key_that_is_asked_for() {
    use Resolution::{Fail, Ignore, Merge};
    for (resolution, target, body, expected, inserted) in [
        (
            Merge,
            "clients",
            r#"[{"id":1,"age":20},{"id":3,"age":30}]"#,
            r#"[{"id":1,"email":"a@b","kind":null,"age":20},{"id":3,"email":null,"kind":null,"age":30}]"#,
            1,
        ),
        (
            Ignore,
            "clients",
            r#"[{"id":1,"age":20},{"id":3,"age":30},{"id":3,"age":31}]"#,
            r#"[{"id":3,"email":null,"kind":null,"age":30}]"#,
            1,
        ),
        (
            Merge,
            "clients?on_conflict=email",
            r#"[{"id":7,"email":"a@b","age":20}]"#,
            "23503 update or delete on table \"clients\" violates foreign key constraint \"orders_client_fkey\" on table \
          \"orders\" | Key (id)=(1) is still referenced from table \"orders\".",
            0,
        ),
        (
            Merge,
            "clients?on_conflict=email",
            r#"[{"id":1,"email":"a@b","age":20},{"id":8,"email":null}]"#,
            r#"[{"id":1,"email":"a@b","kind":null,"age":20},{"id":8,"email":null,"kind":null,"age":null}]"#,
            1,
        ),
        (
            Merge,
            "clients",
            r#"[{"id":3,"age":20},{"id":3,"age":30}]"#,
            "21000 ON CONFLICT DO UPDATE command cannot affect row a second time",
            0,
        ),
        (
            Merge,
            "clients?on_conflict=age",
            r#"{"id":3}"#,
            "42P10 there is no unique or exclusion constraint matching the ON CONFLICT specification",
            0,
        ),
        (Merge, "orders?on_conflict=b,a", r#"{"a":1,"b":1,"note":"n"}"#, r#"[{"a":1,"b":1,"client":1,"note":"n"}]"#, 0),
        (
            Merge,
            "orders?on_conflict=a",
            r#"{"a":1,"b":1,"note":"n"}"#,
            "42P10 there is no unique or exclusion constraint matching the ON CONFLICT specification",
            0,
        ),
        (
            Ignore,
            "clients",
            r#"{"id":9,"email":"a@b"}"#,
            "23505 duplicate key value violates unique constraint \"clients_email_key\" | Key (email)=(a@b) already exists.",
            0,
        ),
        (
            Fail,
            "clients?on_conflict=email",
            r#"{"id":9,"email":"a@b"}"#,
            "23505 duplicate key value violates unique constraint \"clients_email_key\" | Key (email)=(a@b) already exists.",
            0,
        ),
    ] {
        let mut tables = tables();
        let answer = tables.upsert(resolution, target, body);
        let counted = answer.as_ref().map_or(0, |answer| answer.written.inserted);
        assert_eq!(outcome(answer), expected, "{target} {body}");
        assert_eq!(counted, inserted, "{target} {body}");
        tables.check();
    }
}

#[test]
fn without_a_key_a_resolution_is_ignored() {
    let mut tables = Tables::new(&[("bag", r#"{"columns":[{"name":"a","type":"integer"}]}"#)]);
    for _ in 0..2 {
        let answer = tables.upsert(Resolution::Merge, "bag", r#"{"a":1}"#).unwrap();
        assert!(answer.written.resolution_ignored && answer.written.key.is_none());
    }
    assert_eq!(tables.get("bag"), r#"[{"a":1},{"a":1}]"#);
    tables.check();
}
