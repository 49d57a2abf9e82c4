//! Import and export.

use std::path::Path;

use crate::support::{Server, failure};

/// Imports bytes, exports the bucket, and compares. Returns the server for further questions.
#[track_caller]
fn check_round_trip(file: &[u8], import: &[&str]) -> Server {
    let server = Server::start(&[]);
    let arguments = [&["import", "--bucket", "b"], import].concat();
    let output = server.run_with(&arguments, file);
    assert!(output.status.success(), "{output:?}");
    let exported = server.run(&["export", "--bucket", "b", "--format", "imported"]).stdout;
    assert_eq!(String::from_utf8_lossy(&exported), String::from_utf8_lossy(file));
    assert_eq!(exported, file);
    server
}

#[test]
fn a_file_of_lines_is_exported_byte_for_byte() {
    let server = check_round_trip(b"zebra\napple\n\n\xff\x00binary\nw\xc3\xb6rter\r\napple\nno end", &["--bytes"]);
    assert_eq!(server.ok(&["scan", "--bucket", "b", "--prefix", "a"]), "apple\n");
    assert_eq!(server.ok(&["get", "--bucket", "b", "zebra"]), "zebra");
    check_round_trip(b"", &[]);
    check_round_trip(b"\n\none\n\n", &[]);
    check_round_trip(b"one", &[]);
    check_round_trip(b"one\rtwo\r\rthree\r\nfour\n\r\nfive\r", &[]);
}

#[test]
fn a_file_of_columns_is_exported_byte_for_byte() {
    let csv = b"name,id\r\n\"Smith, J\",2\n\"two\nlines\",10\r\nplain,1\n";
    let server = check_round_trip(csv, &["--format", "csv", "--key", "id"]);
    assert_eq!(server.ok(&["scan", "--bucket", "b"]), "1\n10\n2\n");
    assert_eq!(server.ok(&["get", "--bucket", "b", "10"]), "\"two\nlines\",10");
    check_round_trip(b"10FFFF;x\n0041;LATIN\n", &["--key", "1", "--delimiter", ";", "--no-header"]);
}

#[test]
fn json_objects_are_exported_byte_for_byte() {
    let lines = b"{\"id\": 2, \"b\": 1}\n{\"id\":\"10\"}\n";
    let server = check_round_trip(lines, &["--format", "ndjson", "--key", "id"]);
    assert_eq!(server.ok(&["get", "--bucket", "b", "2"]), "{\"id\": 2, \"b\": 1}");
}

#[test]
fn a_changed_record_is_exported_in_its_place() {
    let server = check_round_trip(b"id,v\nb,1\na,2\nc,3\n", &["--format", "csv", "--key", "id"]);
    server.ok(&["put", "--bucket", "b", "a", "a,changed"]);
    server.ok(&["delete", "--bucket", "b", "b"]);
    server.ok(&["put", "--bucket", "b", "new", "new,4"]);
    assert_eq!(server.ok(&["export", "--bucket", "b", "--format", "imported"]), "id,v\na,changed\nc,3\nnew,4\n");
    assert_eq!(server.ok(&["export", "--bucket", "b", "--format", "lines"]), "a,changed\nc,3\nnew,4\n");
    // Another import writes its own order; keys that it does not name follow in key order.
    let output = server.run_with(&["import", "--bucket", "b", "--format", "lines"], b"z\n");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.ok(&["export", "--bucket", "b", "--format", "imported"]), "z\na,changed\nc,3\nnew,4\n");
    server.ok(&["bucket", "drop", "b"]);
    assert_eq!(failure(&server.run(&["export", "--bucket", "b"])).0, 1);
    assert!(!server.ok(&["bucket", "list"]).contains("b.order"));
}

#[test]
fn the_format_of_an_export_depends_on_what_is_asked_alone() {
    let server = Server::start(&[]);
    server.ok(&["put", "--bucket", "b", "a", "1"]);
    let line = |text: &str| {
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        (line["key"].clone(), line["value"].clone())
    };
    let before = server.ok(&["export", "--bucket", "b"]);
    assert_eq!(line(&before), ("a".into(), "1".into()));
    let (code, message) = failure(&server.run(&["export", "--bucket", "b", "--format", "imported"]));
    assert!(code == 1 && message.contains("no file's order is recorded"), "{message}");
    // An import records an order, which changes nothing of what is written by default.
    assert!(server.run_with(&["import", "--bucket", "b"], b"z\nb\n").status.success());
    assert!(server.ok(&["export", "--bucket", "b"]).starts_with(&before));
    assert_eq!(server.ok(&["export", "--bucket", "b", "--format", "imported"]), "z\nb\n1\n");
    let directory = tempfile::tempdir().unwrap();
    for (name, first) in [("out.csv", "key,value"), ("out.txt", before.lines().next().unwrap())] {
        let path = directory.path().join(name);
        server.ok(&["export", "--bucket", "b", "--output", path.to_str().unwrap()]);
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(first), "{name}");
    }
    assert_eq!(failure(&server.run(&["export", "--format", "imported", "--prefix", "a"])).0, 2);
}

/// Text as UTF-16.
fn utf16(text: &str, is_big_endian: bool) -> Vec<u8> {
    let bytes = |unit: u16| if is_big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn utf_16_and_carriage_returns_alone_are_read_as_what_they_mean() {
    let server = Server::start(&[]);
    server.ok(&["table", "create", "t", "--column", "id:bigint", "--column", "name:text", "--primary-key", "id"]);
    let csv = "id,name\n1,Ada\n2,Zoë\n";
    let json = "{\"id\":1,\"name\":\"Ada\"}\n{\"id\":2,\"name\":\"Zoë\"}\n";
    let mut number = 0;
    for (format, text) in [("csv", csv), ("ndjson", json)] {
        let old = text.replace('\n', "\r");
        let windows = text.replace('\n', "\r\n");
        let marked = format!("\u{feff}{windows}");
        for file in [
            old.as_bytes().to_vec(),
            format!("\u{feff}{old}").into_bytes(),
            utf16(&marked, false),
            utf16(&marked, true),
            utf16(&windows, false),
            utf16(text, true),
            utf16(&old, false),
        ] {
            number += 1;
            let bucket = format!("b{number}");
            let import = ["import", "--bucket", &*bucket, "--format", format, "--key", "id"];
            let output = server.run_with(&import, &file);
            assert!(output.status.success(), "{format} {number}: {output:?}");
            assert_eq!(server.ok(&["scan", "--bucket", &bucket]), "1\n2\n", "{format} {number}");
            assert!(server.ok(&["get", "--bucket", &bucket, "2"]).contains("Zoë"), "{format} {number}");
            let table = ["table", "import", "t", "--format", format, "--upsert"];
            let output = server.run_with(&table, &file);
            assert!(output.status.success(), "{format} {number}: {output:?}");
            let shown = server.ok(&["table", "select", "t", "order=id", "--csv"]);
            assert_eq!(shown, csv, "{format} {number}");
        }
    }
    for broken in [&utf16("\u{feff}id,name\n1,x", false)[..23], b"\xff\xfe\0\0i\0\0\0", b"\xff\xfe\x3d\xd8,\0"] {
        let (code, message) = failure(&server.run_with(&["import", "--format", "csv", "--key", "id"], broken));
        assert!(code == 4 && (message.contains("UTF-16") || message.contains("UTF-32")), "{message}");
    }
}

#[test]
fn a_carriage_return_alone_ends_a_record_in_every_mixture() {
    let server = Server::start(&[]);
    for (number, (file, expected)) in
        [("id,name\r1,\"a\nb\"\r2,c\r", "1\n2\n"), ("id,name\r\n1,a\r2,b\n3,c\r\n", "1\n2\n3\n")]
            .into_iter()
            .enumerate()
    {
        let bucket = format!("b{number}");
        let output =
            server.run_with(&["import", "--bucket", &bucket, "--format", "csv", "--key", "id"], file.as_bytes());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(server.ok(&["scan", "--bucket", &bucket]), expected);
        assert_eq!(server.ok(&["export", "--bucket", &bucket, "--format", "imported"]), file);
        let output = server.run_with(&["table", "import", &bucket, "--create", "--primary-key", "id"], file.as_bytes());
        assert!(output.status.success(), "{output:?}");
        let ids: Vec<_> =
            server.ok(&["table", "select", &bucket, "select=id", "--csv"]).lines().skip(1).map(str::to_owned).collect();
        assert_eq!(ids.join("\n") + "\n", expected);
    }
    // Beyond what a file is judged by.
    let file = format!("{}\nx\ry\n", "z".repeat(100_000));
    assert!(
        server
            .run_with(&["import", "--bucket", "l", "--skip-duplicates"], file.replace('z', "zz\n").as_bytes())
            .status
            .success()
    );
    assert_eq!(server.ok(&["scan", "--bucket", "l"]), "x\ny\nzz\n");
}

#[test]
fn what_is_no_text_is_refused_before_anything_is_written() {
    let server = Server::start(&[]);
    let japanese = utf16("日本語\n中文\n", false);
    let utf32 = |text: &str, of: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| of(c.into())).collect::<Vec<_>>();
    for file in [
        &japanese[..],
        &utf32("id\n1\n", u32::to_le_bytes),
        &utf32("id\n1\n", u32::to_be_bytes),
        &utf32("\u{feff}id\n1\n", u32::to_le_bytes),
        &utf32("\u{feff}id\n1\n", u32::to_be_bytes),
        b"\x89PNG\r\n\x1a\n\0",
        b"\x7fELF\x02\x01\x01\0",
        b"caf\xe9\n",
    ] {
        for import in [&["import"][..], &["import", "--key", "id"], &["table", "import", "t", "--create"]] {
            let (code, message) = failure(&server.run_with(import, file));
            assert_eq!(code, if import.len() == 1 { 4 } else { code }, "{file:?} {import:?}: {message}");
            assert!(code != 0 && !message.contains("imported in"), "{file:?} {import:?}: {message}");
        }
    }
    assert_eq!(server.ok(&["scan"]), "");
    let (code, message) = failure(&server.run_with(&["import"], b"one\ntwo\0\n"));
    assert!(code == 4 && message.contains("line 2: byte 4 is zero"), "{message}");
}

#[test]
fn an_export_can_be_piped_into_an_import() {
    let server = Server::start(&[]);
    server.ok(&["put", "--bucket", "a", "k", "v"]);
    server.ok(&["put", "--bucket", "a", "-e", r"\xff", "w"]);
    let exported = server.run(&["export", "--bucket", "a"]).stdout;
    assert!(server.run_with(&["import", "--bucket", "b"], &exported).status.success());
    let values = |bucket: &str| server.ok(&["scan", "--values", "--bucket", bucket]);
    assert_eq!(values("b"), values("a"));
    let directory = tempfile::tempdir().unwrap();
    for name in ["a.NDJSON", "a.ndjson.gz", "a.NDJSON.zst", "a.ndjson"] {
        let file = directory.path().join(name);
        let file = file.to_str().unwrap();
        server.ok(&["export", "--bucket", "a", "-o", file]);
        let bucket = name.replace('.', "-").to_lowercase();
        server.ok(&["import", file, "--bucket", &bucket]);
        assert_eq!(values(&bucket), values("a"), "{name}");
    }
    let tabs = directory.path().join("a.TSV");
    server.ok(&["export", "--bucket", "b", "--prefix", "k", "-o", tabs.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&tabs).unwrap(), "key\tvalue\nk\tv\n");
    server.ok(&["table", "import", "t", "--create", tabs.to_str().unwrap()]);
    let rows = directory.path().join("rows.tsv.gz");
    server.ok(&["table", "export", "t", "-o", rows.to_str().unwrap()]);
    server.ok(&["table", "import", "u", "--create", rows.to_str().unwrap()]);
    assert_eq!(server.ok(&["table", "select", "u", "--csv"]), "key,value\nk,v\n");
    let (code, message) = failure(&server.run(&["export", "-o", directory.path().join("a.csv.xz").to_str().unwrap()]));
    assert!(code == 2 && message.contains("xz"), "{message}");
}

#[test]
fn an_import_that_fails_in_the_middle_says_what_is_stored() {
    let server = Server::start(&[]);
    let mut lines = (0..50_000).map(|number| format!("{number:0>400}")).collect::<Vec<_>>().join("\n") + "\n";
    lines.push('\0');
    let (code, message) = failure(&server.run_with(&["import", "--no-order"], lines.as_bytes()));
    let count = server.ok(&["scan"]).lines().count();
    assert!(code == 4 && count > 0, "{count}: {message}");
    assert!(message.contains("line 50001: byte 1 is zero"), "{message}");
    assert!(message.contains(&format!("{count} records were stored before")), "{count}: {message}");
    assert!(!message.contains("nothing was written"), "{message}");
}

#[test]
fn a_bucket_that_does_not_exist_is_no_empty_one() {
    let server = Server::start(&[]);
    for arguments in [&["scan"][..], &["export"], &["delete", "--all"], &["delete", "--prefix", "a"]] {
        let named = [arguments, &["--bucket", "nosuch"]].concat();
        let (code, message) = failure(&server.run(&named));
        assert!(code == 1 && message.contains("there is no bucket \"nosuch\""), "{arguments:?}: {message}");
        assert_eq!(failure(&server.run(arguments)).0, 0, "{arguments:?}: the default one is there");
    }
}

#[test]
fn a_table_that_nothing_was_imported_into_is_not_left_behind() {
    let server = Server::start(&[]);
    let create = ["table", "import", "t", "--create", "--primary-key", "id"];
    let (code, message) = failure(&server.run_with(&create, b"id,v\n1,\xff\n"));
    assert!(code == 4 && message.contains("dropped again"), "{message}");
    assert_eq!(failure(&server.run(&["table", "describe", "t"])).0, 1);
    let output = server.run_with(&create, b"id,v\n1,1e400\n2,2.5e3\n");
    assert!(output.status.success(), "{output:?}");
    // One that was there stays.
    assert_ne!(failure(&server.run_with(&create, b"id,v\n1,1e400\n")).0, 0);
    server.ok(&["table", "describe", "t"]);
}

/// Passes one exchange on as a proxy of HTTP/1.0 does that loses the server: without a length, and without the last bytes.
fn cut_by_a_proxy(server: &Server, bytes_lost: usize) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let address = server.address;
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut client, _) = listener.accept().unwrap();
        let mut request = vec![0; 8_192];
        let count = client.read(&mut request).unwrap();
        let request = String::from_utf8_lossy(&request[..count]).replace("HTTP/1.1", "HTTP/1.0");
        let mut upstream = std::net::TcpStream::connect(address).unwrap();
        upstream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&answer[..end - 2]).replace("HTTP/1.1", "HTTP/1.0");
        let kept = head.split_inclusive("\r\n").filter(|line| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("content-length") && !line.starts_with("transfer-encoding")
        });
        let head: String = kept.collect();
        client.write_all(head.as_bytes()).unwrap();
        client.write_all(b"\r\n").unwrap();
        client.write_all(&answer[end..answer.len() - bytes_lost]).unwrap();
    });
    url
}

#[test]
fn an_answer_that_was_cut_is_not_taken_for_a_whole_one() {
    let server = Server::start(&[]);
    server.ok(&["put", "a", "long value"]);
    server.ok(&["table", "create", "t", "--column", "id:bigint", "--column", "name:text", "--primary-key", "id"]);
    assert!(server.run_with(&["table", "import", "t"], b"id,name\n1,Ada\n2,Grace\n").status.success());
    for arguments in [
        &["table", "select", "t", "--csv"][..],
        &["table", "select", "t", "--json"],
        &["table", "select", "t"],
        &["get", "a"],
        &["get", "a", "--json"],
        &["scan"],
        &["scan", "--values", "--json"],
        &["export"],
        &["export", "--format", "csv"],
        &["stats", "--json"],
        &["backup", "-"],
    ] {
        for bytes_lost in [1, 5] {
            let url = cut_by_a_proxy(&server, bytes_lost);
            let (code, message) = failure(&server.run(&[arguments, &["--url", &url]].concat()));
            assert_eq!(code, 3, "{arguments:?}, {bytes_lost} lost: {message}");
        }
    }
}

#[test]
fn numbers_as_keys_keep_their_text() {
    let server = Server::start(&[]);
    let numbers = ["0.10", "0.1", "100", "123456789012345678901", "123456789012345678902", "1e2"];
    let lines = numbers.map(|number| format!("{{\"id\": {number}}}")).join("\n");
    let output = server.run_with(&["import", "--format", "ndjson", "--key", "id"], lines.as_bytes());
    assert!(output.status.success(), "{output:?}");
    let mut sorted = numbers;
    sorted.sort_unstable();
    assert_eq!(server.ok(&["scan"]).lines().collect::<Vec<_>>(), sorted);
}

#[test]
fn an_export_by_key_can_be_imported() {
    let server = Server::start(&[]);
    server.ok(&["put", "a", "1\n2"]);
    server.ok(&["put", "-e", r"\xff", "x,\"y\""]);
    server.ok(&["put", "soon", "gone", "--ttl", "1000"]);
    for format in ["ndjson", "csv"] {
        let exported = server.run(&["export", "--format", format]).stdout;
        let import = ["import", "--bucket", format, "--format", format];
        let columns: &[&str] = if format == "csv" { &["--key", "key", "--value", "value", "--bytes"] } else { &[] };
        let output = server.run_with(&[&import, columns].concat(), &exported);
        assert!(output.status.success(), "{output:?}");
        let again = server.run(&["export", "--bucket", format, "--format", "csv"]).stdout;
        assert_eq!(again, server.run(&["export", "--format", "csv"]).stdout);
    }
    let shown: serde_json::Value =
        serde_json::from_str(&server.ok(&["get", "--bucket", "ndjson", "soon", "--json"])).unwrap();
    assert!(shown["expires_at"].is_string(), "{shown}");
}

#[test]
fn problems_are_named_with_their_lines() {
    let server = Server::start(&["--key-bytes-max", "100"]);
    let (long, longer) = ("x".repeat(101), "x".repeat(5_000));
    let file = format!("k,v\na,1\n,2\na,3\nb\n{long},4\nc,5\n{longer},6\n");
    let import = ["import", "--bucket", "p", "--format", "csv", "--key", "k", "--value", "v"];
    let (code, message) = failure(&server.run_with(&import, file.as_bytes()));
    assert_eq!(code, 3, "{message}");
    for part in [
        "line 3: the column \"k\" is empty",
        "line 4: duplicate key: line 2 has it",
        "line 5: ",
        "line 6: ",
        "key-too-long",
    ] {
        assert!(message.contains(part), "{message} names {part:?}");
    }
    assert!(message.contains("5 records not imported"), "{message}");
    assert_eq!(server.ok(&["scan", "--bucket", "p", "--values"]), "a\t1\nc\t5\n");

    let skip = [&import[..], &["--skip-duplicates"]].concat();
    assert_eq!(failure(&server.run_with(&skip, b"k,v\na,1\na,2\n")).0, 0);
    let (code, message) = failure(&server.run_with(&["import", "--format", "ndjson"], b"{\"key\":\"a\"}\nnonsense\n"));
    assert_eq!(code, 4);
    assert!(message.contains("line 1: ") && message.contains("line 2: "), "{message}");
}

#[test]
fn wrong_combinations_are_usage_errors() {
    let server = Server::start(&[]);
    for arguments in [
        &["import", "--format", "csv"][..],
        &["import", "--format", "lines", "--key", "1"],
        &["import", "--format", "ndjson", "--delimiter", ";"],
        &["import", "--key", "name", "--no-header"],
        &["import", "--key", "1", "--delimiter", "::"],
    ] {
        let (code, message) = failure(&server.run_with(arguments, b"a\n"));
        assert_eq!(code, 2, "{arguments:?}: {message}");
    }
    assert_eq!(failure(&server.run(&["import", "/no/such/file"])).0, 4);
}

#[test]
fn a_batch_too_large_for_the_server_is_split() {
    let server = Server::start(&["--body-bytes-max", "2000"]);
    let file: Vec<_> = (0..500).map(|number| format!("line number {number}")).collect();
    let file = file.join("\n");
    let output = server.run_with(&["import", "--no-order"], file.as_bytes());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.ok(&["scan"]).lines().count(), 500);
}

#[test]
fn large_and_binary_values_are_imported() {
    let server = Server::start(&[]);
    let line = vec![b'v'; 2 << 20];
    let file = [b"k,v\nbig,", &line[..], b"\nsmall,\xfe\xff\n"].concat();
    let output = server.run_with(&["import", "--format", "csv", "--key", "k", "--bytes"], &file);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.run(&["export", "--format", "imported"]).stdout, file);
}

/// A value of the default limit is imported and exported by every command, also if each byte takes six in JSON.
#[test]
fn the_largest_values_are_imported_and_exported() {
    let server = Server::start(&["--request-timeout-ms", "300000", "--body-timeout-ms", "300000"]);
    let size = 16 << 20;
    for (name, byte) in [("text", b'v'), ("controls", 1), ("bytes", 0xff)] {
        let value = vec![byte; size];
        let put = server.run_with(&["put", "--bucket", name, "key"], &value);
        assert!(put.status.success(), "{name}: {}", String::from_utf8_lossy(&put.stderr));
        assert!(server.run(&["get", "--bucket", name, "key"]).stdout == value, "{name}");
        let exported = server.run(&["export", "--bucket", name]);
        assert!(exported.status.success(), "{name}: {}", String::from_utf8_lossy(&exported.stderr));
        let again = format!("{name}-again");
        let import = ["import", "--bucket", &*again, "--format", "ndjson", "--no-order"];
        let output = server.run_with(&import, &exported.stdout);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(server.run(&["get", "--bucket", &again, "key"]).stdout == value, "{name}");
        server.ok(&["bucket", "drop", name]);
    }
    let (code, message) = failure(&server.run_with(&["put", "key"], &vec![b'v'; size + 1]));
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("value-too-large"), "{message}");
}

/// An export asks for many values at once, and the size of that answer is bounded.
#[test]
fn an_export_omits_no_large_value() {
    let server = Server::start(&[]);
    assert!(server.run_with(&["import", "--format", "csv", "--key", "k"], b"k,v\na,1\nb,2\n").status.success());
    let value = vec![b'v'; 10 << 20];
    for key in ["b", "c", "d", "e", "f", "g", "h", "i"] {
        assert!(server.run_with(&["put", key], &value).status.success());
    }
    let exported = server.run(&["export", "--format", "imported"]);
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    let expected = 8 + 8 * (value.len() + 1);
    assert_eq!(exported.stdout.len(), expected, "every value is there");
}

#[test]
fn an_export_replaces_a_file_at_the_end_and_only_with_force() {
    let server = Server::start(&[]);
    server.ok(&["put", "a", "1"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    std::fs::write(&path, "before").unwrap();
    let name = path.to_str().unwrap();
    assert_eq!(failure(&server.run(&["export", "--bucket", "BAD", "--force", "-o", name])).0, 3);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    let (code, message) = failure(&server.run(&["export", "--output", name]));
    assert_eq!(code, 4);
    assert!(message.contains("exists") && message.contains("hint: ") && message.contains("--force"), "{message}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    server.ok(&["export", "--format", "csv", "--output", name, "--force"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "key,value\na,1\n");
    server.ok(&["export", "--output", directory.path().join("new").to_str().unwrap()]);
    std::fs::remove_file(directory.path().join("new")).unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// Debian's packages wamerican and unicode-data; `scripts/setup.sh` installs them.
#[test]
fn real_files_are_exported_byte_for_byte() {
    for (path, arguments) in [
        ("/usr/share/dict/american-english", &[][..]),
        ("/usr/share/unicode/UnicodeData.txt", &["--format", "csv", "--delimiter", ";", "--no-header", "--key", "1"]),
    ] {
        assert!(Path::new(path).exists(), "{path} is missing; run scripts/setup.sh");
        let server = Server::start(&[]);
        server.ok(&[&["import", path], arguments].concat());
        assert!(server.run(&["export", "--format", "imported"]).stdout == std::fs::read(path).unwrap(), "{path}");
        assert!(!server.ok(&["scan", "--prefix", "00", "--limit", "3"]).is_empty() || arguments.is_empty());
    }
}

#[test]
fn a_bucket_that_only_resembles_an_order_is_left_alone() {
    let server = Server::start(&[]);
    let import =
        |bucket: &str, more: &[&str]| server.run_with(&[&["import", "--bucket", bucket], more].concat(), b"z\n");
    for key in ["mine", "00000000", "import"] {
        server.ok(&["put", "--bucket", "a.order", key, "mine"]);
        let (code, message) = failure(&import("a", &[]));
        assert_eq!(code, 4, "{message}");
        assert!(
            message.contains("a.order") && message.contains("hint: ") && message.contains("--no-order"),
            "{message}"
        );
        assert_eq!(failure(&server.run(&["scan", "--bucket", "a"])).0, 1, "nothing is imported");
        assert_eq!(server.ok(&["scan", "--bucket", "a.order", "--values"]), format!("{key}\tmine\n"));
        assert!(import("a", &["--no-order"]).status.success());
        assert_eq!(server.ok(&["export", "--bucket", "a", "--format", "lines"]), "z\n");
        server.ok(&["bucket", "drop", "a"]);
        assert_eq!(server.ok(&["scan", "--bucket", "a.order", "--values"]), format!("{key}\tmine\n"));
        server.ok(&["bucket", "drop", "a.order"]);
    }

    // An order with a key that somebody else has put there is theirs, too.
    assert!(import("b", &[]).status.success());
    server.ok(&["put", "--bucket", "b.order", "mine", "mine"]);
    assert_eq!(failure(&import("b", &[])).0, 4);
    server.ok(&["bucket", "drop", "b"]);
    assert_eq!(server.ok(&["get", "--bucket", "b.order", "mine"]), "mine");
}

#[test]
fn a_name_too_long_for_its_order_is_refused_before_any_write() {
    let server = Server::start(&[]);
    let long = "n".repeat(58);
    let (code, message) = failure(&server.run_with(&["import", "--bucket", &long], b"a\n"));
    assert_eq!(code, 2);
    assert!(message.contains("too long") && message.contains("--no-order"), "{message}");
    assert!(!server.ok(&["bucket", "list"]).contains(&long));
    assert!(server.run_with(&["import", "--bucket", &long, "--no-order"], b"a\n").status.success());
    assert_eq!(server.ok(&["scan", "--bucket", &long]), "a\n");
    server.ok(&["bucket", "drop", &long]);
}

#[test]
fn a_file_without_a_record_changes_nothing() {
    let server = Server::start(&["--key-bytes-max", "100"]);
    let before = server.ok(&["bucket", "list"]);
    let csv = ["import", "--bucket", "b", "--format", "csv", "--key", "id"];
    let too_long = format!("{}\n", "k".repeat(101));
    for (arguments, file) in [
        (&csv[..3], ""),
        (&csv[..3], "\n\n"),
        (&csv[..], "id,name\n"),
        (&csv[..], "id,name\n,Ada\n"),
        (&csv[..3], &too_long),
    ] {
        server.run_with(arguments, file.as_bytes());
        assert_eq!(server.ok(&["bucket", "list"]), before, "{arguments:?} {file:?}");
    }
    assert!(server.run_with(&csv[..3], b"z\na\n").status.success());
    assert!(server.run_with(&csv[..3], b"").status.success());
    assert_eq!(
        server.ok(&["export", "--bucket", "b", "--format", "imported"]),
        "z\na\n",
        "the order is that of the file before"
    );
}

#[test]
fn a_missing_column_stops_the_import() {
    let server = Server::start(&[]);
    let before = server.ok(&["bucket", "list"]);
    for columns in [&["--key", "nonsense"][..], &["--key", "id", "--value", "nonsense"]] {
        let arguments = [&["import", "--bucket", "b", "--format", "csv"], columns].concat();
        let (code, message) = failure(&server.run_with(&arguments, b"\nid,name\n1,Ada\n"));
        assert_eq!(code, 2, "{message}");
        assert!(message.contains("no column \"nonsense\"; the columns are id, name"), "{message}");
        assert_eq!(server.ok(&["bucket", "list"]), before);
    }
}

#[test]
fn a_byte_order_mark_is_not_part_of_a_record() {
    let csv = b"\xef\xbb\xbfid,name\r\n2,Ada\r\n1,Bob\r\n";
    let server = check_round_trip(csv, &["--format", "csv", "--key", "id"]);
    assert_eq!(server.ok(&["export", "--bucket", "b", "--format", "lines"]), "1,Bob\n2,Ada\n");
    let server = check_round_trip(b"\xef\xbb\xbfzebra\napple\n", &[]);
    assert_eq!(server.ok(&["scan", "--bucket", "b"]), "apple\nzebra\n");
    let server = check_round_trip(b"\xef\xbb\xbf{\"id\":2}\n", &["--format", "ndjson", "--key", "id"]);
    assert_eq!(server.ok(&["get", "--bucket", "b", "2"]), "{\"id\":2}");
}

#[test]
fn media_types_are_imported() {
    let server = Server::start(&[]);
    server.ok(&["put", "page", "<p>", "--media-type", "text/html", "--ttl", "1000"]);
    let listed = server.ok(&["scan", "--values", "--json"]);
    assert!(server.run_with(&["import", "--bucket", "b", "--format", "ndjson"], listed.as_bytes()).status.success());
    let shown: serde_json::Value =
        serde_json::from_str(&server.ok(&["get", "--bucket", "b", "page", "--json"])).unwrap();
    assert_eq!((&shown["media_type"], &shown["value"]), (&"text/html".into(), &"<p>".into()), "{shown}");
    assert!(shown["expires_at"].is_string(), "{shown}");
}
