//! Plugins on tables: what they read, write and may not, and how it fails.

use mantis_db::tables::schema::TableDocument;
use mantis_db::{Access, Grants};
use mantis_plugin::{CallError, PluginLimits, PluginOptions};
use serde_json::{Value, json};

use crate::logs;
use crate::support::Fixture;

const CLIENTS: &str = r#"{
    "columns": [{"name": "id", "type": "bigint", "identity": true}, {"name": "name", "type": "text", "nullable": false}],
    "primary_key": ["id"], "unique": [["name"]]
}"#;
const INVOICES: &str = r#"{
    "columns": [
        {"name": "id", "type": "integer"}, {"name": "client_id", "type": "bigint"},
        {"name": "total", "type": "numeric(10,2)"}, {"name": "tags", "type": "text[]"}, {"name": "due", "type": "date"}
    ],
    "primary_key": ["id"],
    "checks": [{"name": "positive", "check": "total=gt.0"}],
    "foreign_keys": [{"columns": ["client_id"], "references": {"table": "clients", "columns": ["id"]}, "on_delete": "cascade"}]
}"#;
const SAMPLES: &str = r#"{
    "columns": [
        {"name": "id", "type": "bigint"}, {"name": "small", "type": "smallint"}, {"name": "normal", "type": "integer"},
        {"name": "real", "type": "real"}, {"name": "double", "type": "double precision"},
        {"name": "is it", "type": "boolean"}, {"name": "text", "type": "text"}, {"name": "bytes", "type": "bytea"},
        {"name": "numeric", "type": "numeric"}, {"name": "uuid", "type": "uuid"}, {"name": "date", "type": "date"},
        {"name": "time", "type": "time"}, {"name": "timestamp", "type": "timestamptz"}, {"name": "type", "type": "jsonb"},
        {"name": "array", "type": "text[]"}, {"name": "missing", "type": "integer"}
    ],
    "primary_key": ["id"]
}"#;
const COUNTERS: &str = r#"{
    "columns": [{"name": "name", "type": "text"}, {"name": "number", "type": "bigint"}], "primary_key": ["name"]
}"#;

async fn define(fixture: &Fixture, tables: &[(&str, &str)]) {
    for (name, document) in tables {
        let document = TableDocument::read(document.as_bytes()).unwrap();
        fixture.database.session().create_table(name, &document).await.unwrap();
    }
}

fn granting(text: &str) -> PluginOptions {
    PluginOptions::new(text.parse::<Grants>().unwrap())
}

/// Clients and their invoices, and a plugin that may do all with them.
async fn accounting() -> Fixture {
    let fixture = Fixture::new();
    define(&fixture, &[("clients", CLIENTS), ("invoices", INVOICES)]).await;
    fixture.install("tables", granting("table/clients:write,table/invoices:write")).await;
    for name in ["Ida", "Jon"] {
        fixture.call("tables/insert", insert("clients", json!(["name"]), json!([[text(name)]]))).await.unwrap();
    }
    let rows = json!([
        [integer(1), integer(1), numeric("10.00"), { "array": "{a,\"b c\"}" }],
        [integer(2), integer(1), numeric("20.50"), "null"],
        [integer(3), integer(2), numeric("5"), { "array": "{}" }],
        [integer(4), "null", integer(7), "null"]
    ]);
    let columns = json!(["id", "client_id", "total", "tags"]);
    fixture.call("tables/insert", insert("invoices", columns, rows)).await.unwrap();
    fixture
}

fn text(text: &str) -> Value {
    json!({ "text": text })
}

fn integer(number: i64) -> Value {
    json!({ "integer": number })
}

fn numeric(digits: &str) -> Value {
    json!({ "numeric": digits })
}

#[allow(clippy::needless_pass_by_value, reason = "values are written in place")]
fn insert(table: &str, columns: Value, rows: Value) -> Value {
    json!({ "name": table, "columns": columns, "rows": rows, "on-conflict": "fail", "conflict-columns": [] })
}

/// A query: its filter, arguments, select and order.
#[allow(clippy::needless_pass_by_value, reason = "values are written in place")]
fn query(filter: &str, arguments: Value, select: &str, order: &str) -> Value {
    json!({ "filter": filter, "arguments": arguments, "select": select, "order": order, "offset": 0 })
}

async fn select(fixture: &Fixture, table: &str, query: Value) -> Result<Value, CallError> {
    let rows = fixture.call("tables/select", json!([table, query])).await?;
    let packed = fixture.call("tables/select-packed", json!([table, query])).await?;
    assert_eq!(rows, packed, "both forms say the same");
    Ok(rows)
}

/// The case, the code and the message of the error that a call returned.
#[track_caller]
fn failure(outcome: Result<Value, CallError>) -> (String, String, String) {
    match outcome {
        Err(CallError::Plugin(error)) => {
            let (case, failure) = error.as_object().and_then(|error| error.iter().next()).expect("an error");
            let member = |name: &str| failure[name].as_str().unwrap_or_default().to_owned();
            (case.clone(), member("code"), member("message"))
        }
        outcome => panic!("{outcome:?}"),
    }
}

async fn check_rows(fixture: &Fixture, table: &str, query: Value, expected: Value) {
    let rows = select(fixture, table, query.clone()).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    assert_eq!(rows["rows"], expected, "{query}");
}

#[tokio::test]
async fn every_type_comes_back_as_it_was_given() {
    let fixture = Fixture::new();
    define(&fixture, &[("samples", SAMPLES)]).await;
    fixture.install("tables", granting("table/samples:write")).await;
    assert_eq!(fixture.call("tables/round-trip", json!([])).await.unwrap(), json!("equal"));
    let (case, code, message) = failure(fixture.call("tables/mismatch", json!([])).await);
    assert_eq!((&*case, &*code), ("invalid", "value-mismatch"));
    assert_eq!(message, "text: the value is a text, and not an integer");
}

#[tokio::test]
async fn queries_are_the_dialects() {
    let fixture = accounting().await;
    let ids = |ids: &[i64]| Value::Array(ids.iter().map(|id| json!([integer(*id)])).collect());
    let cases = [
        ("total=gt.$1", json!([integer(6)]), ids(&[1, 2, 4])),
        ("total=gt.$1", json!([text("6.5")]), ids(&[1, 2, 4])),
        ("total=gt.$1&client_id=eq.$2", json!([numeric("6"), integer(1)]), ids(&[1, 2])),
        ("or=(id.eq.$1,client_id.is.null)", json!([integer(3)]), ids(&[3, 4])),
        ("id=in.($1,$2,2)", json!([integer(1), integer(9)]), ids(&[1, 2])),
        ("id=in.$1", json!([{ "array": "{1,4}" }]), ids(&[1, 4])),
        ("tags=cs.$1", json!([{ "array": "{\"b c\"}" }]), ids(&[1])),
        // Null is equal to nothing, and not unequal to anything.
        ("client_id=eq.$1", json!(["null"]), ids(&[])),
        ("client_id=neq.$1", json!(["null"]), ids(&[])),
        ("client_id=isdistinct.$1", json!(["null"]), ids(&[1, 2, 3])),
        ("client_id=not.eq.$1", json!(["null"]), ids(&[])),
        // What looks like the language within an argument is text.
        ("clients.name=eq.$1&clients=not.is.null", json!([text("Ida),or(id.gt.0")]), ids(&[])),
        ("clients.name=eq.$1&clients=not.is.null", json!([text("Ida")]), ids(&[1, 2])),
        ("", json!([]), ids(&[1, 2, 3, 4])),
    ];
    for (filter, arguments, expected) in cases {
        let select = if filter.contains("clients.") { "id,clients()" } else { "id" };
        let asked = query(filter, arguments, select, "id");
        check_rows(&fixture, "invoices", asked.clone(), expected.clone()).await;
        let count = fixture.call("tables/count", json!(["invoices", asked])).await.unwrap();
        assert_eq!(count, json!(expected.as_array().unwrap().len()), "{asked}");
    }
}

#[tokio::test]
async fn rows_are_embedded_grouped_and_paged() {
    let fixture = accounting().await;
    let asked = query("invoices.total=gt.$1&invoices.order=id.desc", json!([integer(6)]), "name,invoices(id)", "name");
    let expected = json!([
        [text("Ida"), { "json": "[{\"id\":2},{\"id\":1}]" }],
        [text("Jon"), { "json": "[]" }]
    ]);
    check_rows(&fixture, "clients", asked, expected).await;
    let asked = query("having=(total.sum().gt.$1)", json!([integer(6)]), "client_id,total.sum()", "client_id");
    let expected = json!([[integer(1), numeric("30.50")], ["null", numeric("7.00")]]);
    check_rows(&fixture, "invoices", asked, expected).await;

    let mut page = query("", json!([]), "id", "id.desc");
    (page["limit"], page["offset"]) = (json!(2), json!(1));
    check_rows(&fixture, "invoices", page.clone(), json!([[integer(3)], [integer(2)]])).await;
    assert_eq!(fixture.call("tables/count", json!(["invoices", page])).await.unwrap(), json!(2));
    page["offset"] = json!(3);
    assert_eq!(fixture.call("tables/count", json!(["invoices", page])).await.unwrap(), json!(1));

    let explained =
        fixture.call("tables/explain", json!(["invoices", query("id=eq.$1", json!([integer(1)]), "", "")])).await;
    let explained = explained.unwrap();
    assert!(explained.as_str().unwrap().contains("Index Scan"), "{explained}");
}

#[tokio::test]
async fn a_row_is_read_by_its_key() {
    let fixture = accounting().await;
    let get = |table: &str, key: Value, select: &str| fixture.call("tables/get", json!([table, key, select]));
    let found = get("invoices", json!([integer(1)]), "total,clients(name)").await.unwrap();
    assert_eq!(found[0], json!([numeric("10.00"), { "json": "{\"name\":\"Ida\"}" }]));
    assert!(found[1].as_u64().unwrap() > 0, "its version: {found}");
    assert_eq!(get("invoices", json!([integer(9)]), "").await.unwrap(), json!(null));
    assert_eq!(get("invoices", json!(["null"]), "").await.unwrap(), json!(null));
    for (key, select, code) in [
        (json!([]), "", "42P10"),
        (json!([integer(1), integer(2)]), "", "42P10"),
        (json!([text("one")]), "", "22P02"),
        (json!([integer(1)]), "nothing", "42703"),
        (json!([integer(1)]), "id,,id", "PGRST100"),
    ] {
        assert_eq!(failure(get("invoices", key, select).await).1, code, "{select}");
    }
}

#[tokio::test]
async fn writes_return_what_they_wrote() {
    let fixture = accounting().await;
    let asked = json!({
        "name": "clients", "columns": ["id", "name"], "rows": [[integer(1), text("Ida B")], [integer(9), text("Kim")]],
        "on-conflict": "merge", "conflict-columns": ["id"], "returning": "id,name"
    });
    let changed = fixture.call("tables/insert", asked.clone()).await.unwrap();
    assert_eq!(changed["count"], json!(2));
    assert_eq!(changed["written"], json!({ "version": 0, "durable": false }), "the call's commit has them");
    assert_eq!(changed["returned"]["columns"], json!(["id", "name"]));
    assert_eq!(changed["returned"]["rows"], json!([[integer(1), text("Ida B")], [integer(9), text("Kim")]]));
    let mut ignoring = asked;
    (ignoring["on-conflict"], ignoring["returning"]) = (json!("ignore"), json!(null));
    let changed = fixture.call("tables/insert", ignoring).await.unwrap();
    assert_eq!((&changed["count"], &changed["returned"]), (&json!(0), &json!(null)));

    let asked = query("total=lt.$1", json!([integer(9)]), "id,total", "id.desc");
    let assign = json!([["total", { "double": 1.005 }], ["due", text("2026-02-28")]]);
    let changed = fixture.call("tables/update", json!(["invoices", asked, assign])).await.unwrap();
    assert_eq!(changed["returned"]["rows"], json!([[integer(4), numeric("1.01")], [integer(3), numeric("1.01")]]));
    // The oldest two but one.
    let mut asked = query("", json!([]), "id", "id");
    (asked["limit"], asked["offset"]) = (json!(2), json!(1));
    let changed = fixture.call("tables/update", json!(["invoices", asked, [["total", integer(3)]]])).await.unwrap();
    assert_eq!(changed["returned"]["rows"], json!([[integer(2)], [integer(3)]]));

    let rows = json!([[integer(1), numeric("8")], [integer(2), numeric("9")]]);
    let changed = fixture.call("tables/update-many", json!(["invoices", ["id", "total"], rows])).await.unwrap();
    assert_eq!(changed["count"], json!(2));
    let changed =
        fixture.call("tables/delete", json!(["invoices", query("id=lte.$1", json!([integer(2)]), "total", "id")]));
    assert_eq!(changed.await.unwrap()["returned"]["rows"], json!([[numeric("8.00")], [numeric("9.00")]]));
}

#[tokio::test]
async fn a_version_guards_a_write() {
    let fixture = accounting().await;
    let found = fixture.call("tables/get", json!(["invoices", [integer(1)], "id"])).await.unwrap();
    let version = found[1].as_u64().unwrap();
    let one = query("id=eq.$1", json!([integer(1)]), "", "");
    let update =
        |version: u64| fixture.call("tables/update", json!(["invoices", one, [["total", integer(2)]], version]));
    let (case, code, _) = failure(update(version - 1).await);
    assert_eq!((&*case, &*code), ("constraint", "PT412"));
    update(version).await.unwrap();
    assert_eq!(failure(update(version).await).1, "PT412", "it has another version now");
    assert_eq!(failure(fixture.call("tables/delete", json!(["invoices", one, version])).await).1, "PT412");
}

#[tokio::test]
async fn failures_have_their_cases_and_codes() {
    let fixture = accounting().await;
    let rows = |columns: Value, row: Value| insert("invoices", columns, json!([row]));
    let cases = [
        (rows(json!(["id"]), json!([integer(1)])), "constraint", "23505"),
        (rows(json!(["id", "client_id"]), json!([integer(9), integer(9)])), "constraint", "23503"),
        (rows(json!(["id", "total"]), json!([integer(9), integer(0)])), "constraint", "23514"),
        (rows(json!(["total"]), json!([integer(1)])), "constraint", "23502"),
        (rows(json!(["id"]), json!([integer(i64::MAX)])), "invalid", "22003"),
        (rows(json!(["id"]), json!([numeric("x")])), "invalid", "22P02"),
        (rows(json!(["id"]), json!([{ "boolean": true }])), "invalid", "42804"),
        (rows(json!(["id"]), json!([{ "json": "1" }])), "invalid", "42804"),
        (rows(json!(["id", "tags"]), json!([integer(9), { "array": "{a" }])), "invalid", "22P02"),
        (rows(json!(["id", "total"]), json!([integer(9), { "double": 1e300 }])), "invalid", "22003"),
        (rows(json!(["nothing"]), json!([integer(1)])), "invalid", "PGRST204"),
        (rows(json!(["id", "id"]), json!([integer(1), integer(1)])), "invalid", "42701"),
        (rows(json!(["id"]), json!([])), "invalid", "42601"),
    ];
    for (arguments, case, code) in cases {
        let failed = failure(fixture.call("tables/insert", arguments.clone()).await);
        assert_eq!((&*failed.0, &*failed.1), (case, code), "{arguments}: {}", failed.2);
    }
    let queries = [
        (query("id=eq.x", json!([]), "", ""), "invalid", "22P02"),
        (query("id=eq.$2", json!([integer(1)]), "", ""), "invalid", "42P02"),
        (query("id", json!([]), "", ""), "invalid", "PGRST100"),
        (query("select=id", json!([]), "", ""), "invalid", "PGRST100"),
        (query("limit=1", json!([]), "", ""), "invalid", "PGRST100"),
        (query("", json!([]), "", "nothing"), "invalid", "42703"),
        (query("", json!([]), "nobody(id)", ""), "invalid", "PGRST200"),
        (query("total=like.$1", json!([text("1")]), "", ""), "invalid", "42883"),
    ];
    for (query, case, code) in queries {
        let failed = failure(select(&fixture, "invoices", query.clone()).await);
        assert_eq!((&*failed.0, &*failed.1), (case, code), "{query}: {}", failed.2);
    }
    let (_, _, message) = failure(fixture.call("tables/insert", rows(json!(["id"]), json!([integer(1)]))).await);
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], "duplicate key value violates unique constraint \"invoices_pkey\"");
    assert_eq!(lines[1], "DETAIL: Key (id)=(1) already exists.");
}

/// A statement that fails undoes itself, and not what the call wrote before and after.
#[tokio::test]
async fn a_call_goes_on_after_an_error() {
    let fixture = Fixture::new();
    define(&fixture, &[("counters", COUNTERS)]).await;
    fixture.install("tables", granting("table/counters:write")).await;
    assert_eq!(fixture.call("tables/go-on-after-an-error", json!(["first"])).await.unwrap(), json!("23505"));
    check_rows(&fixture, "counters", query("", json!([]), "name", "name"), json!([[text("first")], [text("last")]]))
        .await;
}

#[tokio::test]
async fn grants_decide_which_tables_a_plugin_sees() {
    let fixture = accounting().await;
    let ask = async |function: &str, table: &str, select: &str| {
        let arguments = match function {
            "insert" => insert(table, json!(["id"]), json!([[integer(77)]])),
            "update" => json!([table, query("id=eq.1", json!([]), select, ""), [["id", integer(1)]]]),
            "delete" => json!([table, query("id=eq.77", json!([]), select, "")]),
            _ => json!([table, query("id=eq.1", json!([]), select, "")]),
        };
        match fixture.call(&format!("tables/{function}"), arguments).await {
            Ok(_) => String::new(),
            outcome => {
                let (case, code, _) = failure(outcome);
                format!("{case} {code}")
            }
        }
    };
    fixture.install("tables", granting("table/invoices:read")).await;
    for (function, table, select, expected) in [
        ("select", "invoices", "id", ""),
        ("insert", "invoices", "", "access-denied 42501"),
        ("update", "invoices", "", "access-denied 42501"),
        ("delete", "invoices", "", "access-denied 42501"),
        // One that is not granted and one that does not exist look alike.
        ("select", "clients", "", "not-found PGRST205"),
        ("select", "nowhere", "", "not-found PGRST205"),
        ("insert", "clients", "", "not-found PGRST205"),
        ("select", "", "", "not-found PGRST205"),
        // Also within a row.
        ("select", "invoices", "id,clients(name)", "invalid PGRST200"),
        ("select", "invoices", "id,nowhere(name)", "invalid PGRST200"),
    ] {
        assert_eq!(ask(function, table, select).await, expected, "{function} {table} {select}");
    }
    let open = |name: &'static str| fixture.call("tables/open", json!([name]));
    let (denied, absent) = (failure(open("clients").await), failure(open("clientz").await));
    assert_eq!(denied.2.replace("clients", "clientz"), absent.2, "the text tells nothing either");

    // Foreign keys are checked and followed with the rights of the tables themselves.
    fixture.install("tables", granting("table/invoices:write")).await;
    let row =
        |id: i64, client: i64| insert("invoices", json!(["id", "client_id"]), json!([[integer(id), integer(client)]]));
    fixture.call("tables/insert", row(5, 2)).await.unwrap();
    assert_eq!(failure(fixture.call("tables/insert", row(6, 9)).await).1, "23503");
    fixture.install("tables", granting("table/clients:write")).await;
    assert_eq!(ask("select", "clients", "id,invoices(id)").await, "invalid PGRST200");
    let gone = json!(["clients", query("id=eq.2", json!([]), "", "")]);
    fixture.call("tables/delete", gone).await.unwrap();
    fixture.install("tables", granting("table/invoices:read")).await;
    check_rows(&fixture, "invoices", query("client_id=eq.2", json!([]), "id", ""), json!([])).await;

    fixture.install("tables", PluginOptions::new(Grants::none().bucket("invoices", Access::Write))).await;
    assert_eq!(ask("select", "invoices", "").await, "not-found PGRST205", "a bucket of the same name is another thing");
}

/// The call that lost is run again; so is one that lost several times.
#[tokio::test]
async fn a_conflict_runs_the_call_again() {
    let fixture = Fixture::new();
    define(&fixture, &[("counters", COUNTERS)]).await;
    fixture.install_as("tables-lose", "tables", granting("table/counters:write")).await;
    let (database, times) = (fixture.database.clone(), std::sync::atomic::AtomicU32::new(0));
    logs::on_line("tables-lose", move |_| {
        if times.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2 {
            increment(&database);
        }
    });
    assert_eq!(fixture.call("tables-lose/read-then-write", json!(["a"])).await.unwrap(), json!(21));
    assert_eq!(fixture.host.stats().total.conflicts_retried, 2);
}

/// Adds ten to the counter `a` in a commit of its own.
fn increment(database: &mantis_db::Database) {
    use mantis_db::tables::types::Value;
    use mantis_db::tables::{Input, Resolution, RowBatch, WriteOptions};
    let mut session = database.session();
    let work = async {
        let mut rows = session.rows("counters", database.environment_utc());
        let before = rows.get(&[Value::Text("a".into())]).await.unwrap();
        let number = match before.as_deref() {
            Some([_, Value::Integer(number)]) => *number,
            _ => 0,
        };
        let row = [Input::Text("a".into()), Input::Value(Value::Integer(number + 10))];
        let batch = RowBatch::of_rows(vec!["name".into(), "number".into()], [row]).unwrap();
        let options = WriteOptions { resolution: Resolution::Merge, ..WriteOptions::default() };
        rows.insert(&mantis_db::tables::Query::default(), &batch, &options, None).await.unwrap()
    };
    let mut work = std::pin::pin!(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(work.as_mut().poll(&mut context).is_ready(), "the embedded engine never waits");
}

#[tokio::test]
async fn a_transaction_by_hand_has_tables() {
    let fixture = Fixture::new();
    define(&fixture, &[("tasks", r#"{"columns": [{"name": "id", "type": "bigint"}], "primary_key": ["id"]}"#)]).await;
    fixture.install("tasks", granting("table/tasks:write")).await;
    assert_eq!(fixture.call("tasks/insert-row", json!([1, false])).await.unwrap(), json!([1, 0]));
    assert_eq!(fixture.call("tasks/insert-row", json!([1, true])).await.unwrap(), json!([1, 0]));
    assert_eq!(fixture.call("tasks/insert-row", json!([2, true])).await.unwrap(), json!([2, 1]));
    assert_eq!(failure(fixture.call("tasks/insert-row", json!([2, true])).await).1, "23505");
    assert_eq!(failure(fixture.call("tasks/use-table-after-commit", json!([])).await).1, "transaction-not-open");
}

/// A plugin's own limit on what passes bounds an answer before it is made.
#[tokio::test]
async fn an_answer_is_no_larger_than_may_pass() {
    let fixture = accounting().await;
    let options = granting("table/invoices:read");
    let limits = PluginLimits { transfer_bytes_max: Some(400), ..PluginLimits::default() };
    fixture.install("tables", options.limits(limits)).await;
    let one = select(&fixture, "invoices", query("id=eq.1", json!([]), "id,total", "")).await.unwrap();
    assert_eq!(one["rows"], json!([[integer(1), numeric("10.00")]]));
    let (case, code, _) =
        failure(select(&fixture, "invoices", query("", json!([]), "id,total,a:total,b:total", "")).await);
    assert_eq!((&*case, &*code), ("limit", "54000"));
}
