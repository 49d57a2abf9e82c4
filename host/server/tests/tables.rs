//! The commands on tables.

use std::fs;
use std::io::Read as _;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::{Server, failure, pause, program};

/// A server with a table `films` of three rows.
fn with_films() -> Server {
    let server = Server::start(&[]);
    let columns = ["id:bigint", "title:text:not-null", "rating:numeric", "seen:date", "extra:jsonb"];
    let options = columns.iter().flat_map(|column| ["--column", column]);
    let arguments: Vec<_> = ["table", "create", "films", "--primary-key", "id"].into_iter().chain(options).collect();
    server.ok(&arguments);
    let rows =
        b"id,title,rating,seen,extra\n2,\"Two, too\",7.50,2024-02-29,\n1,One,,,\"{\"\"a\"\": [1]}\"\n10,\"\",9,,null\n";
    let output = server.run_with(&["table", "import", "films"], rows);
    assert!(output.status.success(), "{output:?}");
    assert!(failure(&output).1.starts_with("3 rows imported in "), "{output:?}");
    server
}

#[track_caller]
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_table_is_created_listed_described_and_dropped() {
    let server = Server::start(&[]);
    let schema = json!({
        "columns": [
            {"name": "id", "type": "bigint", "identity": true},
            {"name": "mail", "type": "text", "nullable": false, "comment": "where to\u{1b}[31m write"},
            {"name": "made", "type": "timestamptz", "default": {"function": "now"}}
        ],
        "primary_key": ["id"], "unique": [["mail"]],
        "indexes": [{"columns": [{"column": "made", "descending": true}], "filter": "id=gt.5"}],
        "checks": [{"check": "id=gt.0"}]
    });
    let create = ["table", "create", "people", "--file", "-"];
    let created = server.run_with(&create, schema.to_string().as_bytes());
    assert_eq!(failure(&created), (0, "table people created\n".to_owned()));
    let again = server.run_with(&create, schema.to_string().as_bytes());
    assert_eq!(failure(&again), (0, "table people exists with this schema\n".to_owned()));
    let (code, message) = failure(&server.run(&["table", "create", "people", "--column", "id:bigint"]));
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("(42P07)"), "{message}");

    server.ok(&["table", "create", "notes", "--column", "person:bigint", "--foreign-key", "person=people.id"]);
    let listed = server.ok(&["table", "list"]);
    assert_eq!(listed.lines().count(), 4, "{listed}");
    assert!(listed.contains("people        3  id"), "{listed}");
    let described = server.ok(&["table", "describe", "people"]);
    for part in [
        "id      bigint                    no    identity",
        "made    timestamp with time zone  yes   now()",
        r"where to\u{1b}[31m write",
        "primary key (id)",
        "(mail)",
        "(made desc) where id=gt.5",
        "id=gt.0",
    ] {
        assert!(described.contains(part), "{part:?} in {described}");
    }
    assert!(server.ok(&["table", "describe", "notes"]).contains("(person) references people (id)"));
    let document: Value = serde_json::from_str(&server.ok(&["table", "describe", "people", "--json"])).unwrap();
    let copied = server.run_with(&["table", "create", "people", "--file", "-"], document.to_string().as_bytes());
    assert!(failure(&copied).1.contains("exists with this schema"), "the document is a schema again: {copied:?}");

    assert_eq!(failure(&server.run(&["table", "drop", "people"])).0, 3, "notes references it");
    server.ok(&["table", "drop", "notes"]);
    server.ok(&["table", "drop", "people"]);
    for arguments in
        [&["table", "drop", "people"][..], &["table", "describe", "people"], &["table", "select", "people"]]
    {
        let (code, message) = failure(&server.run(arguments));
        assert_eq!(code, 1, "{arguments:?}: {message}");
        assert!(message.contains("hint: "), "{message}");
    }
}

#[test]
fn a_description_shows_enums_and_every_digit_of_a_default() {
    let server = Server::start(&[]);
    let schema = r#"{"columns": [
        {"name": "kind", "type": "text", "enum": ["new", "paid, late"], "default": "new"},
        {"name": "rate", "type": "numeric", "default": 0.12345678901234567890123}]}"#;
    let created = server.run_with(&["table", "create", "rates", "--file", "-"], schema.as_bytes());
    assert_eq!(failure(&created).0, 0, "{created:?}");
    let described = server.ok(&["table", "describe", "rates"]);
    assert!(described.contains(r#"enum kind "new", "paid, late""#), "{described}");
    assert!(described.contains("0.12345678901234567890123"), "{described}");
    let json = server.ok(&["table", "describe", "rates", "--json"]);
    assert!(json.contains(r#""default":0.12345678901234567890123"#) && json.lines().count() == 1, "{json}");
    assert!(server.ok(&["table", "list", "--json"]).contains("0.12345678901234567890123"));
    let types: Value = serde_json::from_str(&server.ok(&["table", "types", "--json"])).unwrap();
    assert!(types["types"].as_str().is_some_and(|types| types.contains("rates")), "{types}");
}

#[test]
fn rows_are_shown_as_a_table_as_csv_and_as_json() {
    let server = with_films();
    let shown = server.run(&["table", "select", "films", "order=id", "select=id,title,rating,extra&id=lt.5"]);
    assert_eq!(failure(&shown), (0, "2 rows\n".to_owned()));
    let expected = "id  title     rating  extra\n--  --------  ------  ----------\n 1  One         null  {\"a\": [1]}\n 2  Two, too    7.50  null\n";
    assert_eq!(String::from_utf8(shown.stdout).unwrap(), expected);
    let csv = server.ok(&["table", "select", "films", "select=id,title,rating", "order=id.desc", "--csv"]);
    assert_eq!(csv, "id,title,rating\n10,\"\",9\n2,\"Two, too\",7.50\n1,One,\n");
    let json = server.ok(&["table", "select", "films", "select=id", "order=id", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), json!([{"id": 1}, {"id": 2}, {"id": 10}]));
    let none = server.run(&["table", "select", "films", "id=eq.99"]);
    assert_eq!((none.stdout.len(), failure(&none).1), (0, "0 rows\n".to_owned()));
    assert_eq!(server.ok(&["table", "select", "films", "title=eq.Two, too", "select=id", "--csv"]), "id\n2\n");

    assert_eq!(failure(&server.run(&["table", "select", "films", "id"])).0, 2);
    let (code, message) = failure(&server.run(&["table", "select", "films", "x=eq.1"]));
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("column films.x does not exist (42703)"), "{message}");
    let (_, message) = failure(&server.run(&["table", "select", "films", "id=eq.a%1Bb"]));
    assert!(message.contains(r"\u{1b}") && !message.contains('\u{1b}'), "{message:?}");
    let failed: Value = serde_json::from_str(&failure(&server.run(&["table", "select", "no", "--json"])).1).unwrap();
    assert_eq!((&failed["code"], &failed["exit_code"]), (&json!("PGRST205"), &json!(1)));
}

#[test]
fn what_is_exported_is_imported_again_in_every_format() {
    let server = with_films();
    server.run_with(&["table", "import", "films"], b"id,title\n11,\"a \\\\ \"\"b\"\"\nc\"\n12,\" x\"\n");
    let schema = server.ok(&["table", "describe", "films", "--json"]).replace("films", "copy");
    let all = server.ok(&["table", "export", "films"]);
    assert_eq!(lines(&all).len(), 5);
    for format in ["csv", "ndjson", "json"] {
        let exported = server.run(&["table", "export", "films", "--format", format]).stdout;
        server.run_with(&["table", "create", "copy", "--file", "-"], schema.as_bytes());
        let output = server.run_with(&["table", "import", "copy", "--format", format], &exported);
        assert!(output.status.success(), "{format}: {output:?}");
        assert_eq!(server.ok(&["table", "export", "copy"]), all, "{format}");
        server.ok(&["table", "drop", "copy"]);
    }
    let query = ["table", "export", "films", "--query", "select=id&order=id.desc&limit=2&offset=1"];
    assert_eq!(server.ok(&query), "{\"id\":11}\n{\"id\":10}\n");
    let nothing = ["table", "export", "films", "--query", "id=eq.99"];
    assert_eq!(server.ok(&nothing), "");
    assert_eq!(server.ok(&[&nothing[..], &["--format", "json"]].concat()), "[]\n");
    assert_eq!(server.ok(&[&nothing[..], &["--format", "csv"]].concat()), "id,title,rating,seen,extra\n");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("films.csv").to_str().unwrap().to_owned();
    let export = ["table", "export", "films", "--output", &path];
    assert!(failure(&server.run(&export)).1.starts_with("5 rows exported, "));
    assert!(fs::read_to_string(&path).unwrap().starts_with("id,title,rating,seen,extra\n1,One,"));
    assert_eq!(failure(&server.run(&export)).0, 4, "the file is there");
    server.ok(&[&export[..], &["--force"]].concat());
}

/// More rows than a page, by a key of two columns whose texts want quotes, and under a cap on pages.
#[test]
fn an_export_reads_every_page() {
    let server = Server::start(&["--tables-max-rows", "700"]);
    let columns = ["--column", "a b:text", "--column", "n:bigint", "--primary-key", "a b,n"];
    server.ok(&[&["table", "create", "many"], &columns[..]].concat());
    let row = |number: u64| format!("\"x\\,({}\"\"\",{number}\n", number % 3);
    let rows: String = (0..3_000).map(row).collect();
    let output = server.run_with(&["table", "import", "many", "--columns", "a b,n"], rows.as_bytes());
    assert!(output.status.success(), "{output:?}");
    for query in ["", "n=gte.0&order=n", "select=n"] {
        let exported = lines(&server.ok(&["table", "export", "many", "--query", query]));
        let mut numbers: Vec<_> = exported.iter().map(|row| row["n"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..3_000), "{query}");
    }
    assert_eq!(server.ok(&["table", "export", "many", "--format", "csv"]).lines().count(), 3_001);
    for (query, numbers) in [
        ("select=n&order=n&limit=1500&offset=1200", 1_200..2_700),
        ("select=n&order=n&limit=700&offset=2000", 2_000..2_700),
        ("select=n&order=n&limit=700&offset=2990", 2_990..3_000),
        ("select=n&order=n&n=lt.20&offset=30", 0..0),
    ] {
        let exported = lines(&server.ok(&["table", "export", "many", "--query", query]));
        assert!(exported.iter().map(|row| row["n"].as_u64().unwrap()).eq(numbers), "{query}");
    }
}

/// A table `many` of 30,000 rows, more than a pipe and a page hold.
fn import_many(server: &Server, text_bytes: usize) {
    server.ok(&["table", "create", "many", "--column", "n:bigint", "--column", "text:text", "--primary-key", "n"]);
    let row = |number: u64| format!("{number},{}\n", "x".repeat(text_bytes));
    let rows: String = (0..30_000).map(row).collect();
    let output = server.run_with(&["table", "import", "many", "--columns", "n,text"], rows.as_bytes());
    assert!(output.status.success(), "{output:?}");
}

/// The snapshot ends while nobody takes the rows; what is read goes on in another one, by key, and is said to be of both.
#[test]
fn an_export_goes_on_after_its_snapshot_has_ended() {
    let server = Server::start(&["--transaction-idle-ms", "100"]);
    import_many(&server, 50);
    let (code, stdout, stderr) = stalled_export(&server, &["table", "export", "many"]);
    let exported = lines(&stdout);
    assert!(exported.iter().map(|row| row["n"].as_u64().unwrap()).eq(0..30_000), "{stderr}");
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.starts_with("note: the rows are of "), "{stderr}");

    // Of any other query there is one snapshot, which lasts while the rows are taken.
    for (query, format, lines_count) in
        [("order=n.desc", "ndjson", 30_000), ("select=n,text", "csv", 30_001), ("limit=20000&offset=5", "csv", 20_001)]
    {
        let arguments = ["table", "export", "many", "--query", query, "--format", format];
        let (code, stdout, stderr) = stalled_export(&server, &arguments);
        assert_eq!((code, stdout.lines().count()), (0, lines_count), "{query}: {stderr}");
        assert!(!stderr.contains("moments"), "{query}: {stderr}");
    }
}

/// Quoted line ends and quotes stand where pieces of the answer may end.
#[test]
fn an_export_of_a_query_is_what_was_imported() {
    let server = Server::start(&[]);
    server.ok(&["table", "create", "texts", "--column", "n:bigint", "--column", "text:text", "--primary-key", "n"]);
    let text = |number: u64| {
        format!("a \"\"quoted\"\"\nline, {number} \\ {}", "x\n".repeat(usize::try_from(number % 97).unwrap()))
    };
    let row = |number: u64| format!("{number},\"{}\"\n", text(number));
    let rows: String = (0..40_000).map(row).collect();
    let output = server.run_with(&["table", "import", "texts", "--columns", "n,text"], rows.as_bytes());
    assert!(output.status.success(), "{output:?}");
    let exported = server.ok(&["table", "export", "texts", "--query", "order=n", "--format", "csv"]);
    assert!(exported == format!("n,text\n{rows}"), "{} bytes of {}", exported.len(), rows.len());
    assert_eq!(server.ok(&["table", "export", "texts", "--query", "select=n&n=lt.0", "--format", "csv"]), "");
}

/// Under a cap an answer is without the rows behind it. A snapshot that is gone cannot be asked for them.
#[test]
fn an_export_that_a_cap_and_an_ended_snapshot_leave_without_rows_fails() {
    let server = Server::start(&["--transaction-idle-ms", "100", "--tables-max-rows", "20000"]);
    import_many(&server, 50);
    let (code, _, stderr) = stalled_export(&server, &["table", "export", "many", "--query", "order=n"]);
    assert_eq!(code, 3, "by offset rows would be left out: {stderr}");
    assert!(stderr.contains("hint: this server caps the rows of an answer"), "{stderr}");
}

#[test]
fn an_export_from_a_server_that_dies_in_the_middle_looks_incomplete() {
    let server = Server::start(&[]);
    // More than the sockets of a connection hold.
    import_many(&server, 1_000);
    let begin = |query| {
        let mut child = export_begun(&server, &["table", "export", "many", "--query", query, "--format", "json"]);
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        (query, child)
    };
    let exports = ["", "order=n.desc", "select=n,text"].map(begin);
    drop(server);
    for (query, child) in exports {
        let output = child.wait_with_output().unwrap();
        let (code, stderr) = failure(&output);
        assert_eq!(code, 3, "{query}: {stderr}");
        assert!(stderr.contains("error: ") && !output.stdout.ends_with(b"]\n"), "{query}: {stderr}");
    }
}

/// Pieces of an answer may be line ends alone: nulls of a single column.
#[test]
fn an_export_of_nulls_has_a_line_for_each() {
    let server = Server::start(&[]);
    server.ok(&["table", "create", "nulls", "--column", "n:bigint", "--column", "a:bigint", "--primary-key", "n"]);
    let row = |number: u64| format!("{number},\n");
    let rows: String = (0..50_000).map(row).collect();
    let output = server.run_with(&["table", "import", "nulls", "--columns", "n,a"], rows.as_bytes());
    assert!(output.status.success(), "{output:?}");
    let exported = server.ok(&["table", "export", "nulls", "--query", "select=a&order=n", "--format", "csv"]);
    assert!(exported == format!("a\n{}", "\n".repeat(50_000)), "{} bytes", exported.len());
}

/// Runs an export whose output is not read until the server has no transaction open. Its exit code and outputs.
fn stalled_export(server: &Server, arguments: &[&str]) -> (i32, String, String) {
    let mut child = export_begun(server, arguments);
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let is_open = || {
        let stats: Value = serde_json::from_str(&server.ok(&["stats", "--json"])).unwrap();
        stats["http"]["transactions_open"].as_u64().unwrap() > 0
    };
    while is_open() {
        pause(20);
    }
    let output = child.wait_with_output().unwrap();
    let stdout = [&first[..], &output.stdout].concat();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&stdout), text(&output.stderr))
}

fn export_begun(server: &Server, arguments: &[&str]) -> Child {
    let mut command = program();
    command.args(arguments).env("MANTISDB_URL", &server.url).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn types_are_inferred_and_shown() {
    let server = Server::start(&[]);
    let csv = b"id,zip,price,ok,day,at,note\n1,007,1.50,true,2024-01-31,2024-01-31T10:00:00Z,\n2,123,2,false,,,x\n";
    let output = server.run_with(&["table", "import", "t", "--create", "--primary-key", "id"], csv);
    let (code, message) = failure(&output);
    assert_eq!(code, 0, "{message}");
    for part in [
        "types inferred from all 2 rows:",
        "zip     text\n",
        "price   numeric",
        "ok      boolean",
        "day     date",
        "at      timestamptz",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    let rows = server.ok(&["table", "export", "t"]);
    assert_eq!(lines(&rows)[0]["zip"], "007");
    assert_eq!((&lines(&rows)[1]["day"], &lines(&rows)[0]["note"]), (&Value::Null, &json!("")));

    let ndjson = b"{\"a\": 1, \"b\": {\"c\": []}}\n{\"a\": 2.5, \"d\": \"x\"}\n";
    let import = ["table", "import", "u", "--create", "--format", "ndjson", "--json"];
    let report: Value = serde_json::from_slice(&server.run_with(&import, ndjson).stdout).unwrap();
    assert_eq!(report["rows"], 2, "{report}");
    let types: Vec<_> =
        report["inferred"]["columns"].as_array().unwrap().iter().map(|column| &column["type"]).collect();
    assert_eq!(types, ["numeric", "jsonb", "text"]);

    let (code, message) = failure(&server.run_with(&["table", "import", "u", "--create"], b"other\n1\n"));
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("42P07") && message.contains("without --create"), "{message}");
    let (code, message) =
        failure(&server.run_with(&["table", "import", "v", "--create", "--primary-key", "x"], b"a\n1\n"));
    assert_eq!(code, 2, "{message}");
    assert_eq!(failure(&server.run_with(&["table", "import", "v", "--create"], b"")).0, 4);
}

#[test]
fn rows_that_do_not_fit_stop_the_import_with_their_line() {
    let server = with_films();
    for (rows, line, code, kept) in [
        ("id,title\n20,a\n21,b\nx,c\n22,d\n", "line 4: ", "22P02", 2),
        ("id,title\n30,a\n1,b\n31,c\n", "line 3: ", "23505", 1),
        ("id,title\n40,\"a\nb\"\n41\n42,c\n", "line 4: the row has 1 columns", "", 1),
        ("id,title,rating\n50,a,1\n51,b,\n52,c,much\n", "line 4: ", "22P02", 2),
    ] {
        let before = server.ok(&["table", "export", "films"]).lines().count();
        let (exit, message) = failure(&server.run_with(&["table", "import", "films"], rows.as_bytes()));
        assert_eq!(exit, if code.is_empty() { 4 } else { 3 }, "{message}");
        assert!(message.contains(line) && message.contains(code), "{message}");
        assert!(message.contains("--rejects"), "{message}");
        assert_eq!(server.ok(&["table", "export", "films"]).lines().count(), before + kept, "{rows}");
    }
    let (code, message) = failure(&server.run_with(&["table", "import", "films"], b"id,name\n1,a\n"));
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("no column \"name\"") && message.contains("nothing was written"), "{message}");
    assert_eq!(failure(&server.run_with(&["table", "import", "nothing"], b"a\n1\n")).0, 1);
    assert_eq!(failure(&server.run(&["table", "import", "films", "/no/such/file"])).0, 4);
    assert_eq!(failure(&server.run(&["table", "import", "films", "--format", "json", "--null", "x"])).0, 2);
}

#[test]
fn rejected_rows_are_kept_and_the_others_go_in() {
    let server = with_films();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rejects.ndjson").to_str().unwrap().to_owned();
    let mut rows: Vec<_> = (100..3_000).map(|id| format!("{id},t{id}")).collect();
    rows[5] = "x,bad".to_owned();
    rows[1_500] = "1,there".to_owned();
    rows[2_000] = "one".to_owned();
    let file = format!("id,title\n{}\n", rows.join("\n"));
    let import = ["table", "import", "films", "--rejects", &path];
    let (code, message) = failure(&server.run_with(&import, file.as_bytes()));
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("2897 rows imported") && message.contains("3 rows not imported"), "{message}");
    let kept = lines(&fs::read_to_string(&path).unwrap());
    let shown: Vec<_> =
        kept.iter().map(|row| (row["line"].as_u64().unwrap(), row["code"].as_str(), &row["row"])).collect();
    let expected =
        [(7, Some("22P02"), &json!("x,bad")), (1_502, Some("23505"), &json!("1,there")), (2_002, None, &json!("one"))];
    assert_eq!(shown, expected);
    assert_eq!(failure(&server.run_with(&import, b"id,title\n")).0, 4, "the file is there");
    fs::remove_file(&path).unwrap();
    assert_eq!(failure(&server.run_with(&import, b"id,title\n9,nine\n")).0, 0);
    assert!(!fs::exists(&path).unwrap(), "a file of no rows goes");
}

#[test]
fn an_upsert_replaces_what_is_there() {
    let server = with_films();
    let rows = b"id,title\n1,first\n1,second\n60,new\n";
    assert_eq!(failure(&server.run_with(&["table", "import", "films", "--upsert"], rows)).0, 0);
    let shown = server.ok(&["table", "select", "films", "id=in.(1,60)", "select=title,extra", "order=id", "--json"]);
    let expected = json!([{"title": "second", "extra": {"a": [1]}}, {"title": "new", "extra": null}]);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), expected);
}

#[test]
fn a_batch_of_rows_that_is_too_large_goes_in_parts() {
    let server = Server::start(&["--body-bytes-max", "2000"]);
    let row = |number| format!("{{\"id\":{number},\"text\":\"row number {number}\"}}");
    let rows = (0..500).map(row).collect::<Vec<_>>().join("\n");
    let output = server.run_with(&["table", "import", "t", "--create", "--format", "ndjson"], rows.as_bytes());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.ok(&["table", "export", "t"]).lines().count(), 500);
}

/// Debian's packages `unicode-data` and `iso-codes`; what is not installed is not there to be imported.
#[test]
fn real_files_become_tables() {
    let server = Server::start(&[]);
    let (countries, characters) = ("/usr/share/iso-codes/json/iso_3166-1.json", "/usr/share/unicode/UnicodeData.txt");
    if fs::exists(countries).unwrap() {
        server.ok(&["table", "import", "countries", countries, "--create", "--primary-key", "alpha_2"]);
        let shown =
            server.ok(&["table", "select", "countries", "alpha_2=eq.AT", "select=alpha_3,name,numeric", "--csv"]);
        assert_eq!(shown, "alpha_3,name,numeric\nAUT,Austria,040\n");
    }
    if fs::exists(characters).unwrap() {
        let names = "code,name,category,combining,bidi,decomposition,decimal,digit,numeric,mirrored,old_name,comment,upper,lower,title";
        let import = ["table", "import", "characters", characters, "--delimiter", ";", "--columns", names];
        server.ok(&[&import[..], &["--create", "--primary-key", "code"]].concat());
        let exported = server.ok(&["table", "export", "characters", "--format", "csv"]);
        assert_eq!(exported.lines().count(), fs::read_to_string(characters).unwrap().lines().count() + 1);
        let shown = server.ok(&["table", "select", "characters", "name=eq.CRAB", "select=code,combining", "--csv"]);
        assert_eq!(shown, "code,combining\n1F980,0\n");
    }
}

#[test]
fn rows_are_watched_as_they_are_written() {
    let server = Server::start(&[]);
    let long = "12345678901234567890.10";
    let default = format!("n:numeric:default={long}");
    server.ok(&["table", "create", "exact", "--column", &default, "--column", "id:int", "--primary-key", "id"]);
    let output = server.run_with(&["table", "import", "exact"], b"id,n\n1,0.30000000000000000000\n");
    assert!(output.status.success(), "{output:?}");
    let watch = ["watch", "--table", "exact", "--filter", "id=eq.1", "--since", "earliest", "--limit", "2"];
    let watched = server.ok(&watch);
    let row = r#"{"n":0.30000000000000000000,"id":1}"#;
    assert_eq!(watched, format!("create\texact\ninsert\texact\t{{\"id\":1}}\t{row}\n"));
    let watched = server.ok(&[&watch[..], &["--json"]].concat());
    assert!(watched.contains(row) && watched.contains(long), "{watched}");
}

#[test]
fn a_table_without_a_schema_is_told_of_both_ways_to_give_one() {
    let (code, message) = failure(&Server::start(&[]).run(&["table", "create", "nothing"]));
    assert!(code == 2 && message.contains("--file") && message.contains("--column"), "{message}");
}
