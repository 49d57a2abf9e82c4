//! Memory in sum: whatever many clients do at once, the budget for what is in flight is kept, and given back.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full, StreamBody};
use mantis_db::Limits;
use mantis_http::AppConfig;
use mantis_pool::Config;

use crate::harness::{Answer, Server, poll, read, request};

const MIB: usize = 1 << 20;

fn server(in_flight_bytes_max: usize) -> Server {
    let mut limits = Limits::default();
    limits.in_flight_bytes_max = in_flight_bytes_max;
    Server::with(limits, AppConfig::default(), Config::default())
}

fn in_use(server: &Server) -> usize {
    server.database.in_flight().bytes_in_use()
}

/// What a database in memory keeps of a plugin ends with no request, and is not in flight.
#[tokio::test]
async fn installed_components_are_not_in_flight() {
    let server = server(64 * MIB);
    for number in 0..3 {
        // A custom section makes each another component, and large.
        let mut component = wat::parse_str(crate::plugins::COMPONENT).unwrap();
        let padding = vec![number; 1 << 20];
        // Section 0, of 2^20 + 2 bytes in LEB128, whose name has one byte.
        component.extend([0, 0x82, 0x80, 0x40, 1, b'p']);
        component.extend(padding);
        let put = server.send(&format!("PUT /api/v1/plugins/p{number}"), crate::plugins::WASM, component).await;
        assert_eq!(put.outcome(), "201", "{}", put.text());
        // The compiler's thread lets go of it a moment later.
        for _ in 0..500 {
            if in_use(&server) == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(in_use(&server), 0);
    }
    assert!(server.database.store().attachment_bytes_in_memory() > 3 << 20, "they are kept");
}

/// A body that announces a length, sends so many bytes, and then nothing more.
struct Unfinished {
    announced: u64,
    pieces: usize,
}

impl HttpBody for Unfinished {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.pieces == 0 {
            return Poll::Pending;
        }
        self.pieces -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; 64 << 10])))))
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.announced);
        hint
    }
}

/// Sends so many bodies of which the last byte never comes; the answers of those that are refused, and how many wait.
async fn unfinished(
    server: &Server,
    line: &str,
    headers: &[&str],
    count: usize,
    pieces: usize,
) -> (Vec<Answer>, usize) {
    let announced = 10 * MIB as u64;
    let mut waiting = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..count {
        let request = request(line, headers, Unfinished { announced, pieces });
        let mut answer = Box::pin(server.app.handle_with_body(request));
        match poll(&mut answer).await {
            Poll::Ready(response) => answers.push(read(response).await),
            Poll::Pending => waiting.push(answer),
        }
        assert!(in_use(server) <= server.database.in_flight().bytes_max());
    }
    (answers, waiting.len())
}

#[tokio::test]
async fn many_unfinished_bodies_share_one_budget() {
    let server = server(64 * MIB);
    // Nine tenths of a body of 10 MiB each.
    let (refused, waiting) = unfinished(&server, "PUT /api/v1/kv/a", &[], 300, 144).await;
    assert!((1..=7).contains(&waiting), "{waiting} bodies of 9 MiB are held");
    for answer in &refused {
        assert_eq!(answer.outcome(), "503 memory-full");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(in_use(&server), 0, "clients that are gone hold nothing");
    assert_eq!(server.database.in_flight().refused_total(), refused.len() as u64);
    let put = server.send("PUT /api/v1/kv/a", &[], vec![0; 10 * MIB]).await;
    assert_eq!(put.outcome(), "201");
    assert_eq!(in_use(&server), 0, "what is stored is not in flight");
}

#[tokio::test]
async fn a_length_that_is_only_announced_takes_no_memory() {
    let server = server(64 * MIB);
    let (refused, waiting) = unfinished(&server, "PUT /api/v1/kv/a", &[], 300, 0).await;
    assert_eq!((refused.len(), waiting), (0, 300));
}

#[tokio::test]
async fn components_and_rows_take_from_the_same_budget() {
    let server = server(64 * MIB);
    let wasm = &["content-type: application/wasm"];
    let (refused, waiting) = unfinished(&server, "PUT /api/v1/plugins/p", wasm, 120, 144).await;
    assert!((1..=7).contains(&waiting));
    assert!(refused.iter().all(|answer| answer.outcome() == "503 memory-full"));
    let json = &["content-type: application/json"];
    for path in ["/api/v1/tables/t", "/rest/v1/t"] {
        let (refused, waiting) = unfinished(&server, &format!("POST {path}"), json, 20, 144).await;
        assert!((1..=7).contains(&waiting));
        for answer in &refused {
            assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (503, Some("53000")), "{path}");
            assert_eq!(answer.header("retry-after"), Some("1"));
            let error = answer.json();
            assert_eq!(error.as_object().unwrap().len(), 4, "PostgREST's shape: {error}");
        }
    }
}

#[tokio::test]
async fn a_body_without_a_length_is_counted_as_it_comes() {
    let server = server(4 * MIB);
    let pieces = |count: usize| {
        let piece = || Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; 100_000])));
        StreamBody::new(stream::iter((0..count).map(move |_| piece())))
    };
    let put = |count| server.send_request(request("PUT /api/v1/kv/a", &[], pieces(count)));
    assert_eq!(put(10).await.outcome(), "201");
    assert_eq!(put(100).await.outcome(), "503 memory-full");
    assert_eq!(in_use(&server), 0);
}

/// Opens so many answers without reading them; how many came, while all others were refused. Afterwards nothing is held.
async fn check_unread(server: &Server, line: &str, headers: &[&str], body: &str, count: usize) -> usize {
    let before = in_use(server);
    let mut unread = Vec::new();
    for _ in 0..count {
        let response =
            server.app.handle_with_body(request(line, headers, Full::new(Bytes::from(body.to_owned())))).await;
        match response.status().as_u16() {
            200 | 201 => unread.push(response),
            503 => {
                let answer = read(response).await;
                let code = answer.json()["code"].as_str().unwrap().to_owned();
                assert!(matches!(&*code, "memory-full" | "53000"), "{line}: {code}");
                assert_eq!(answer.header("retry-after"), Some("1"), "{line}");
            }
            status => panic!("{line}: {status}"),
        }
        assert!(in_use(server) <= server.database.in_flight().bytes_max(), "{line}");
    }
    let came = unread.len();
    assert!(in_use(server) > before, "{line}: an answer that is not read is held");
    if let Some(response) = unread.pop() {
        drop(response);
        let again = server.app.handle_with_body(request(line, headers, Full::new(Bytes::from(body.to_owned())))).await;
        assert!(again.status().is_success(), "{line}: what one gives back serves another");
        drop(again);
    }
    drop(unread);
    assert_eq!(in_use(server), before, "{line}");
    came
}

#[tokio::test]
async fn unread_answers_share_the_budget() {
    let server = server(16 * MIB);
    for key in 0..4 {
        server.send(&format!("PUT /api/v1/kv/{key}"), &[], vec![b'x'; MIB]).await;
    }
    let json = &["content-type: application/json"];
    let gets: Vec<_> = (0..4).map(|key| format!(r#"{{"op":"get","key":"{key}"}}"#)).collect();
    let batch = format!(r#"{{"operations":[{}]}}"#, gets.join(","));
    let page = check_unread(&server, "GET /api/v1/kv?values=true", &[], "", 100).await;
    assert!((2..=15).contains(&page), "{page} pages of a MiB and more");
    let lines = &["accept: application/x-ndjson"];
    let streams = check_unread(&server, "GET /api/v1/kv?values=true", lines, "", 100).await;
    assert!((2..=15).contains(&streams), "{streams} streams whose pieces have a MiB");
    let batches = check_unread(&server, "POST /api/v1/kv", json, &batch, 20).await;
    assert!((1..=3).contains(&batches), "{batches} answers of 4 MiB");
    let gets: Vec<_> = (0..4).map(|key| format!(r#"{{"op":"get","key":"{key}"}}"#)).collect();
    let batch = format!(r#"{{"operations":[{}]}}"#, gets.join(","));
    let batches = check_unread(&server, "POST /api/v1/batch", json, &batch, 20).await;
    assert!((1..=3).contains(&batches), "{batches} answers of 4 MiB");
    for accept in ["text/event-stream", "application/x-ndjson", "application/json"] {
        let accept = format!("accept: {accept}");
        let feeds = check_unread(&server, "GET /api/v1/changes?since=earliest&values=true", &[&accept], "", 40).await;
        assert!((2..=15).contains(&feeds), "{accept}: {feeds} feeds that hold a page and a piece of a MiB each");
    }
    let backups = check_unread(&server, "GET /api/v1/backup", &[], "", 40).await;
    assert!((2..=16).contains(&backups), "{backups} backups");
    // Values that are small as bytes.
    server.send("PUT /api/v1/kv/small", &[], vec![255; 30 << 10]).await;
    let values = check_unread(&server, "GET /api/v1/kv/small", &["accept: application/json"], "", 400).await;
    assert!((2..=140).contains(&values), "{values} values of 120 KiB as numbers");
    let shown = &["prefer: return=representation", "accept: application/json"];
    let response =
        server.app.handle_with_body(request("PUT /api/v1/kv/small", shown, Full::new(vec![255; 16 << 10].into())));
    let response = response.await;
    assert!(in_use(&server) >= 64 << 10, "the value as numbers");
    drop(response);
    assert_eq!(in_use(&server), 0);
}

/// Definitions of some hundred KiB, of tables and of functions, in every form that they are shown in.
#[tokio::test]
async fn unread_definitions_share_the_budget() {
    let server = server(16 * MIB);
    let json = &["content-type: application/json"];
    let values = (0..1_000).map(|value| format!("\"value {value:050}\"")).collect::<Vec<_>>().join(",");
    let kinds = (0..4)
        .map(|at| format!(r#",{{"name":"kind{at}","type":"text","enum":[{values}]}}"#))
        .collect::<Vec<_>>()
        .concat();
    let comment = "c".repeat(8_000);
    let columns = format!(r#"{{"name":"id","type":"int8"}}{kinds}"#);
    let table = format!(r#"{{"columns":[{columns}],"primary_key":["id"],"comment":"{comment}"}}"#);
    for name in ["a", "b", "c", "d"] {
        let made = server.send(&format!("PUT /api/v1/schema/tables/{name}"), json, table.clone()).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }
    for bucket in 0..500 {
        assert_eq!(server.send(&format!("PUT /api/v1/buckets/bucket-{bucket}/kv/a"), &[], "").await.status, 201);
    }
    assert_eq!(in_use(&server), 0);
    let lines = [
        ("GET /api/v1/schema/tables", &[][..], "", 100, 2..=20),
        ("GET /api/v1/schema/tables/a", &[], "", 200, 2..=80),
        ("PUT /api/v1/schema/tables/a", json, &*table, 200, 2..=80),
        ("PATCH /api/v1/schema/tables/a", json, "{}", 200, 2..=80),
        ("GET /api/v1/schema/types.ts", &[], "", 200, 2..=80),
        ("GET /?table=a", &[], "", 200, 2..=80),
        ("GET /", &[], "", 1_000, 2..=600),
        ("GET /api/v1/buckets", &[], "", 2_000, 2..=900),
    ];
    for (line, headers, body, count, expected) in lines {
        let came = check_unread(&server, line, headers, body, count).await;
        assert!(expected.contains(&came), "{line}: {came}");
    }
    // A component whose functions make a long list.
    let functions = (0..900)
        .map(|at| {
            format!("(func (export \"function-of-a-long-name-{at}\") (result u32) (canon lift (core func $i \"f\")))")
        })
        .collect::<Vec<_>>()
        .concat();
    let component = wat::parse_str(format!(
        "(component (core module $m (func (export \"f\") (result i32) i32.const 1)) (core instance $i (instantiate $m)) {functions})"
    ));
    let put = server.send("PUT /api/v1/plugins/p", crate::plugins::WASM, component.unwrap()).await;
    assert_eq!(put.outcome(), "201", "{}", put.text());
    for line in ["GET /api/v1/plugins", "GET /api/v1/plugins/p", "GET /api/v1/schema/types.ts"] {
        let came = check_unread(&server, line, &[], "", 400).await;
        assert!((2..=399).contains(&came), "{line}: {came}");
    }
}

/// Operators see how the server does while its memory is used up, though not in any number of answers that nobody reads.
#[tokio::test]
async fn statistics_are_answered_where_there_is_no_memory() {
    let server = server(4 * MIB);
    let all = server.database.in_flight().take(4 * MIB).unwrap();
    let mut unread = Vec::new();
    let refused = loop {
        let response = server.open("GET /metrics", &[]).await;
        if response.status() != 200 {
            break read(response).await;
        }
        unread.push(response);
        assert!(unread.len() < 2_000);
    };
    assert!(!unread.is_empty());
    assert_eq!(refused.outcome(), "503 memory-full");
    drop(unread);
    for line in ["GET /metrics", "GET /stats"] {
        assert_eq!(server.send(line, &[], "").await.status, 200, "{line}");
    }
    drop(all);
}

/// The JSON form of a large value is measured and made in steps with a pause after each.
#[tokio::test]
async fn a_large_value_in_json_pauses() {
    const MEASURED: usize = 256 << 10;
    let server = server(64 * MIB);
    server.send("PUT /api/v1/kv/a", &["content-type: text/plain"], vec![b'x'; 4 * MIB]).await;
    for (query, measured) in [("", true), ("?encoding=utf8", true), ("?encoding=base64", false)] {
        let line = format!("/api/v1/kv/a{query}");
        let json = &["accept: application/vnd.mantisdb.entry+json"];
        let head = request(&format!("HEAD {line}"), json, Full::new(Bytes::new()));
        let mut answer = Box::pin(server.app.handle_with_body(head));
        let mut pauses = 0;
        while poll(&mut answer).await.is_pending() {
            pauses += 1;
        }
        assert!(!measured || pauses >= 4 * MIB / MEASURED / 2, "HEAD {line}: {pauses} pauses");
        let mut body = server.open(&format!("GET {line}"), json).await.into_body();
        let (mut pauses, mut pieces) = (0, 0);
        loop {
            let mut frame = Box::pin(http_body_util::BodyExt::frame(&mut body));
            match poll(&mut frame).await {
                Poll::Ready(Some(frame)) => drop(frame.unwrap()),
                Poll::Ready(None) => break,
                Poll::Pending => {
                    pauses += 1;
                    continue;
                }
            }
            pieces += 1;
        }
        assert!(pieces > 4 * MIB / (16 << 10) && pauses >= pieces, "GET {line}: {pauses} pauses, {pieces} pieces");
    }
}

/// What waits for its next piece holds that of the last, and a value that the budget has no room for ends the stream.
#[tokio::test]
async fn a_feed_in_the_middle_takes_from_the_budget() {
    let server = server(4 * MIB);
    for accept in ["text/event-stream", "application/x-ndjson"] {
        let response = server.open("GET /api/v1/changes?values=true", &[&format!("accept: {accept}")]).await;
        let mut body = response.into_body();
        server.send("PUT /api/v1/kv/a", &["content-type: text/plain"], vec![b'x'; MIB]).await;
        let mut sent = 0;
        while sent < MIB {
            sent += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        }
        let put = server.send("PUT /api/v1/kv/a", &["content-type: text/plain"], vec![0; MIB]).await;
        assert_eq!(put.outcome(), "204");
        // As JSON it has six times as many bytes. The stream breaks off, and the client may go on from its cursor.
        while body.frame().await.expect("it does not end as if it were complete").is_ok() {}
        drop(body);
        assert_eq!(in_use(&server), 0);
    }
}

#[tokio::test]
async fn unread_rows_share_the_budget() {
    let server = server(16 * MIB);
    let json = &["content-type: application/json"];
    let table = r#"{"columns":[{"name":"id","type":"int8"},{"name":"text","type":"text"}],"primary_key":["id"]}"#;
    let made = server.send("PUT /api/v1/schema/tables/t", json, table).await;
    assert_eq!(made.status, 201, "{}", made.text());
    for id in 0..8 {
        let row = format!(r#"{{"id":{id},"text":"{}"}}"#, "x".repeat(200 << 10));
        let inserted = server.send("POST /api/v1/tables/t", json, row).await;
        assert_eq!(inserted.status, 201, "{}", inserted.text());
    }
    let rows = check_unread(&server, "GET /api/v1/tables/t?limit=4", &[], "", 100).await;
    assert!((2..=20).contains(&rows), "{rows} answers of 800 KiB");
    let rows = check_unread(&server, "GET /rest/v1/t?limit=4", &["accept: text/csv"], "", 100).await;
    assert!((2..=20).contains(&rows), "{rows} answers of 800 KiB");
    let streams = check_unread(&server, "GET /rest/v1/t", &[], "", 100).await;
    assert!((2..=40).contains(&streams), "{streams} answers in pieces");
    let feeds = check_unread(&server, "GET /api/v1/changes?since=earliest&table=t", &[], "", 40).await;
    assert!((2..=20).contains(&feeds), "{feeds} feeds of rows");
    let feeds = check_unread(&server, "GET /api/v1/changes?since=earliest&wait=0", &[], "", 40).await;
    assert!((2..=20).contains(&feeds), "{feeds} pages of rows");
    // Written and shown, and none of it is left where it is refused.
    let written = &["content-type: application/json", "prefer: return=representation"];
    let row = format!(r#"{{"text":"{}"}}"#, "y".repeat(3 * MIB));
    let shown = check_unread(&server, "PATCH /rest/v1/t?id=eq.1", written, &row, 20).await;
    assert!((1..=5).contains(&shown), "{shown} rows of 3 MiB");
}

#[tokio::test]
async fn a_large_value_in_json_is_made_while_it_is_read() {
    let server = server(32 * MIB);
    let value: Vec<u8> = (0..=255).cycle().take(10 * MIB).collect();
    server.send("PUT /api/v1/kv/a", &[], value.clone()).await;
    for (query, headers) in
        [("", &["accept: application/json"][..]), ("?encoding=base64", &[]), ("?encoding=utf8", &[])]
    {
        let line = format!("/api/v1/kv/a{query}");
        let mut unread = Vec::new();
        for _ in 0..100 {
            let response = server.open(&format!("GET {line}"), headers).await;
            assert_eq!(response.status(), 200);
            unread.push(response);
        }
        assert!(in_use(&server) < 20 * MIB, "100 answers of 13 MiB and more");
        let head = server.send(&format!("HEAD {line}"), headers, "").await;
        let answer = read(unread.swap_remove(0)).await;
        assert_eq!(head.header("content-length").unwrap(), answer.body.len().to_string(), "{line}");
        let json = answer.json();
        match (&json["value"], query) {
            (serde_json::Value::Array(numbers), "") => {
                assert!(
                    numbers.iter().map(|number| number.as_u64().unwrap()).eq(value.iter().map(|&byte| u64::from(byte)))
                );
            }
            (shown, _) => {
                let text = shown.as_str().or_else(|| shown["base64"].as_str()).unwrap();
                assert!(base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap() == value);
            }
        }
        drop((answer, unread));
        assert_eq!(in_use(&server), 0);
    }
}

#[tokio::test]
async fn uncommitted_writes_share_the_budget() {
    let server = server(16 * MIB);
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..30 {
        let begun = server.send("POST /api/v1/transactions", &[], "").await;
        let id = begun.json()["id"].as_str().unwrap().to_owned();
        let header = format!("mantisdb-transaction: {id}");
        let put = server.send("PUT /api/v1/kv/a", &[&header], vec![b'x'; MIB]).await;
        match &*put.outcome() {
            "201" => {}
            "503 memory-full" => refused += 1,
            other => panic!("{other}"),
        }
        open.push(id);
    }
    assert!((10..30).contains(&refused), "{refused} of 30 MiB are refused");
    assert!(in_use(&server) > 8 * MIB);
    for id in open {
        let ended = server.send(&format!("DELETE /api/v1/transactions/{id}"), &[], "").await;
        assert_eq!(ended.outcome(), "204");
    }
    assert_eq!(in_use(&server), 0);
    assert_eq!(server.send("PUT /api/v1/kv/a", &[], vec![b'x'; MIB]).await.outcome(), "201");
}

/// Compression reads its input in small steps with a pause after each, also where nearly nothing comes out.
#[tokio::test]
async fn compression_of_what_shrinks_well_pauses() {
    let server = server(64 * MIB);
    server.send("PUT /api/v1/kv/a", &["content-type: text/plain"], vec![b'x'; 4 * MIB]).await;
    for coding in ["gzip", "br", "zstd"] {
        let response = server.open("GET /api/v1/kv/a", &[&format!("accept-encoding: {coding}")]).await;
        assert_eq!(response.headers()["content-encoding"], coding);
        let mut body = response.into_body();
        let mut pauses = 0;
        loop {
            let mut frame = Box::pin(http_body_util::BodyExt::frame(&mut body));
            match poll(&mut frame).await {
                Poll::Ready(Some(frame)) => drop(frame.unwrap()),
                Poll::Ready(None) => break,
                Poll::Pending => pauses += 1,
            }
        }
        assert!(pauses >= 4 * MIB / (64 << 10), "{coding}: {pauses} pauses in 4 MiB");
    }
}
