//! The change feed: events, lines and pages.

use std::task::Poll;
use std::time::Duration;

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use http_body_util::BodyExt as _;
use mantis_db::Limits;
use mantis_http::AppConfig;
use mantis_pool::Config;
use serde_json::Value;

use crate::harness::{Server, poll, read};

async fn follow(server: &Server, line: &str, headers: &[&str]) -> impl Stream<Item = String> + Unpin + use<> {
    let response = server.open(line, headers).await;
    assert_eq!(response.status(), 200);
    let text = |bytes: Result<bytes::Bytes, _>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    Box::pin(response.into_body().into_data_stream().map(text))
}

fn field<'t>(event: &'t str, name: &str) -> &'t str {
    event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default()
}

#[tokio::test]
async fn events_arrive_as_they_are_committed() {
    let server = Server::new();
    server.send("PUT /api/v1/kv/before", &[], "x").await;
    let mut events = follow(&server, "GET /api/v1/changes", &["accept: text/event-stream"]).await;
    let start = events.next().await.unwrap();
    assert!(start.starts_with("retry: 1000\nid: ") && start.ends_with("\n\n"), "{start:?}");
    assert!(matches!(poll(&mut events.next()).await, Poll::Pending), "nothing new yet");
    server.send("PUT /api/v1/kv/a", &[], "x").await;
    let put = events.next().await.unwrap();
    assert_eq!(field(&put, "event: "), "put");
    let data: Value = serde_json::from_str(field(&put, "data: ")).unwrap();
    assert_eq!((&data["key"], &data["version"], &data["previous_version"]), (&"a".into(), &"2".into(), &Value::Null));
    assert!(put.ends_with("\n\n"), "{put:?}");
    server.send("PUT /api/v1/kv/a", &[], "y").await;
    server.send("DELETE /api/v1/kv/a", &[], "").await;
    let both = events.next().await.unwrap();
    let (replaced, deleted) = both.split_once("\n\n").unwrap();
    let replaced_data: Value = serde_json::from_str(field(replaced, "data: ")).unwrap();
    assert_eq!((&replaced_data["previous_version"], field(deleted, "event: ")), (&"2".into(), "delete"));

    let headers = ["accept: text/event-stream", &*format!("last-event-id: {}", field(&put, "id: "))];
    let mut resumed = follow(&server, "GET /api/v1/changes?since=earliest", &headers).await;
    resumed.next().await.unwrap();
    assert_eq!(resumed.next().await.unwrap(), both, "the changes after the last id, and nothing else");
}

#[tokio::test]
async fn lines_and_filters() {
    let server = Server::new();
    for line in [
        "PUT /api/v1/kv/a",
        "PUT /api/v1/kv/user%2Fann",
        "PUT /api/v1/buckets/b/kv/user%2Fbob",
        "PUT /api/v1/kv/user%2Fcyd",
    ] {
        server.send(line, &["content-type: text/plain"], "v").await;
    }
    let lines = ["accept: application/x-ndjson"];
    for (query, keys) in [
        ("?since=earliest", vec!["a", "user/ann", "user/bob", "user/cyd"]),
        ("?since=0&prefix=user/", vec!["user/ann", "user/bob", "user/cyd"]),
        ("?since=earliest&bucket=b", vec!["user/bob"]),
        ("?since=earliest&bucket=default&prefix=user/", vec!["user/ann", "user/cyd"]),
    ] {
        let mut stream = follow(&server, &format!("GET /api/v1/changes{query}"), &lines).await;
        let piece = stream.next().await.unwrap();
        let found: Vec<_> =
            piece.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["key"].clone()).collect();
        assert_eq!(found, keys, "{query}");
    }
    let page = server.send("GET /api/v1/changes?since=earliest&values=true&bucket=b&wait=0", &[], "").await.json();
    assert_eq!((&page["changes"][0]["value"], &page["changes"][0]["media_type"]), (&"v".into(), &"text/plain".into()));
}

#[tokio::test]
async fn a_page_is_waited_for() {
    let server = Server::new();
    let first = server.send("GET /api/v1/changes?wait=0", &[], "").await.json();
    let cursor = first["cursor"].as_str().unwrap();
    assert_eq!(first["changes"], Value::Array(vec![]));
    let line = format!("GET /api/v1/changes?wait=30&since={cursor}");
    let mut waiting = Box::pin(server.send(&line, &[], ""));
    assert!(matches!(poll(&mut waiting).await, Poll::Pending));
    server.send("PUT /api/v1/kv/a", &[], "x").await;
    let page = waiting.await.json();
    assert_eq!(page["changes"][0]["key"], "a");
    let again = server.send(&line, &["accept: application/json"], "").await.json();
    assert_eq!(again, page, "the same cursor shows the same, at once");
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_sends_keep_alives() {
    let server = Server::new();
    let mut events = follow(&server, "GET /api/v1/changes?bucket=quiet", &["accept: text/event-stream"]).await;
    events.next().await.unwrap();
    server.send("PUT /api/v1/kv/elsewhere", &[], "x").await;
    let before = tokio::time::Instant::now();
    let pause = events.next().await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(15));
    assert!(pause.starts_with(": "), "{pause:?}");
    assert!(field(&pause, "id: ").ends_with("-1"), "the cursor moves on though nothing is shown: {pause:?}");

    let page = server.open("GET /api/v1/changes?wait=12", &[]).await;
    let body = read(page).await.body;
    assert!(body.starts_with(b"\n\n{"), "white space every five seconds: {body:?}");
    serde_json::from_slice::<Value>(&body).unwrap();
}

/// Writes to the default bucket, which a filter passes over.
fn write_elsewhere(server: &Server, commits: u32) {
    let mut session = server.database.session();
    for number in 0..commits {
        let mut kv = session.kv("default").unwrap();
        let set = kv.set(b"elsewhere", number.to_string().as_bytes()).now_or_never();
        set.unwrap().unwrap();
    }
}

/// The next piece of a stream that must have one every 15 seconds, while ten commits a second are made elsewhere.
async fn next_beside_writes(server: &Server, events: &mut (impl Stream<Item = String> + Unpin)) -> String {
    let next = async {
        loop {
            tokio::select! {
                biased;
                piece = events.next() => return piece.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(100)) => write_elsewhere(server, 1),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(16), next).await.expect("a sign of life")
}

/// More commits than one call of the feed looks at.
const MORE_THAN_A_PAGE: u32 = 20_000;

#[tokio::test(start_paused = true)]
async fn a_filter_that_matches_nothing_does_not_silence_the_stream() {
    let server = Server::new();
    for (form, query) in [("text/event-stream", "?bucket=quiet"), ("text/event-stream", "?prefix=quiet")] {
        let mut events = follow(&server, &format!("GET /api/v1/changes{query}"), &[&format!("accept: {form}")]).await;
        let mut last = field(&events.next().await.unwrap(), "id: ").to_owned();
        for round in 1..=3 {
            let before = tokio::time::Instant::now();
            let pause = next_beside_writes(&server, &mut events).await;
            assert!(before.elapsed() >= Duration::from_secs(15) && pause.starts_with(": "), "{pause:?}");
            assert!(pause.ends_with("\n\n") && !pause.contains("data:"), "no event: {pause:?}");
            let id = field(&pause, "id: ");
            let version = |id: &str| id.rsplit('-').next().unwrap().parse::<u64>().unwrap();
            assert!(version(id) >= version(&last) + 100, "{form}, {round}: from {last} to {id}");
            id.clone_into(&mut last);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_counted_from_the_last_event_sent() {
    let server = Server::new();
    let mut events = follow(&server, "GET /api/v1/changes?bucket=b", &["accept: text/event-stream"]).await;
    events.next().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    server.send("PUT /api/v1/buckets/b/kv/a", &[], "x").await;
    write_elsewhere(&server, 5);
    let before = tokio::time::Instant::now();
    let shown = events.next().await.unwrap();
    assert!(field(&shown, "id: ").ends_with("-1"), "{shown:?}");
    let pause = events.next().await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(15));
    assert!(field(&pause, "id: ").ends_with("-6"), "after the changes excluded since the last one: {pause:?}");
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_a_quiet_stream_can_resume() {
    let mut limits = Limits::default();
    limits.feed_bytes_max = 64 * 1024;
    let server = Server::with(limits, AppConfig::default(), Config::default());
    let line = "GET /api/v1/changes?bucket=b";
    let mut events = follow(&server, line, &["accept: text/event-stream"]).await;
    let first = field(&events.next().await.unwrap(), "id: ").to_owned();
    let mut last = String::new();
    for _ in 0..4 * 60 {
        let pause = next_beside_writes(&server, &mut events).await;
        field(&pause, "id: ").clone_into(&mut last);
    }
    drop(events);
    let resume = async |id: &str| {
        let headers = ["accept: text/event-stream", &*format!("last-event-id: {id}")];
        server.open(line, &headers).await.status().as_u16()
    };
    assert_eq!(resume(&first).await, 410, "so much is no longer kept");
    write_elsewhere(&server, 10);
    server.send("PUT /api/v1/buckets/b/kv/a", &[], "x").await;
    assert_eq!(resume(&last).await, 200);
    let headers = ["accept: text/event-stream", &*format!("last-event-id: {last}")];
    let mut events = follow(&server, line, &headers).await;
    assert!(field(&events.next().await.unwrap(), "id: ").starts_with(&last));
    let put = events.next().await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(field(&put, "data: ")).unwrap()["key"], "a");
}

#[tokio::test(start_paused = true)]
async fn lines_include_the_cursor_on_request() {
    let server = Server::new();
    let lines = ["accept: application/x-ndjson"];
    let mut plain = follow(&server, "GET /api/v1/changes?bucket=b", &lines).await;
    assert!(matches!(poll(&mut plain.next()).await, Poll::Pending), "nothing but changes");
    let mut with_progress = follow(&server, "GET /api/v1/changes?bucket=b&progress=true", &lines).await;
    let cursor = |piece: &str| {
        let line: Value = serde_json::from_str(piece).unwrap();
        assert_eq!(line.as_object().unwrap().len(), 1, "{piece:?}");
        line["cursor"].as_str().unwrap().to_owned()
    };
    assert!(cursor(&with_progress.next().await.unwrap()).ends_with("-0"));
    write_elsewhere(&server, 3);
    let before = tokio::time::Instant::now();
    assert_eq!(plain.next().await.unwrap(), "\n");
    assert!(cursor(&with_progress.next().await.unwrap()).ends_with("-3"));
    assert_eq!(before.elapsed(), Duration::from_secs(15));

    let page = server.send("GET /api/v1/changes?bucket=b&since=0&wait=0&progress=true", &lines, "").await;
    let last: Value = serde_json::from_str(page.text()).unwrap();
    assert!(last["cursor"].as_str().unwrap().ends_with("-3") && last["more"] == false, "{last}");
    assert_eq!(server.send("GET /api/v1/changes?bucket=b&since=0&wait=0", &lines, "").await.text(), "");
}

#[tokio::test(start_paused = true)]
async fn a_page_reads_on_while_it_may_wait_and_otherwise_reports_more() {
    let server = Server::new();
    write_elsewhere(&server, MORE_THAN_A_PAGE);
    server.send("PUT /api/v1/buckets/b/kv/found", &[], "x").await;
    let before = tokio::time::Instant::now();
    let page = server.send("GET /api/v1/changes?bucket=b&since=earliest&wait=30", &[], "").await.json();
    assert_eq!((&page["changes"][0]["key"], &page["more"]), (&"found".into(), &false.into()), "{page}");
    assert_eq!(before.elapsed(), Duration::ZERO, "it is there");
    for (query, headers) in [("&wait=0", &[][..]), ("", &["accept: application/json"])] {
        let line = |since: &str| format!("GET /api/v1/changes?bucket=b&since={since}{query}");
        let first = server.send(&line("earliest"), headers, "").await.json();
        assert_eq!((&first["changes"], &first["more"]), (&Value::Array(vec![]), &true.into()), "{first}");
        let second = server.send(&line(first["cursor"].as_str().unwrap()), headers, "").await.json();
        assert_eq!(second, page, "the rest");
    }
    // More than a hundred changes are more than a page.
    for number in 0..101 {
        server.send(&format!("PUT /api/v1/buckets/c/kv/{number}"), &[], "x").await;
    }
    let since = page["cursor"].as_str().unwrap();
    let first = server.send(&format!("GET /api/v1/changes?since={since}&wait=0"), &[], "").await.json();
    assert_eq!((first["changes"].as_array().unwrap().len(), &first["more"]), (100, &true.into()));
    let since = first["cursor"].as_str().unwrap();
    let rest = server.send(&format!("GET /api/v1/changes?since={since}&wait=0"), &[], "").await.json();
    assert_eq!((rest["changes"].as_array().unwrap().len(), &rest["more"]), (1, &false.into()));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_waits_in_vain_ends_in_time_despite_other_writes() {
    let server = Server::new();
    write_elsewhere(&server, MORE_THAN_A_PAGE);
    let before = tokio::time::Instant::now();
    let page = server.open("GET /api/v1/changes?bucket=b&since=earliest&wait=30", &[]).await;
    let mut read = Box::pin(read(page));
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut read => break answer,
            () = tokio::time::sleep(Duration::from_millis(100)) => write_elsewhere(&server, 10),
        }
        assert!(before.elapsed() <= Duration::from_secs(31), "it waits for ever");
    };
    assert_eq!(before.elapsed(), Duration::from_secs(30));
    assert!(answer.body.starts_with(b"\n\n\n\n\n{"), "white space every five seconds: {:?}", answer.body);
    let page = answer.json();
    assert_eq!((&page["changes"], &page["more"]), (&Value::Array(vec![]), &false.into()));
    let version: u32 = page["cursor"].as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap();
    assert!(version >= MORE_THAN_A_PAGE + 2_900, "the cursor moves on: {page}");
}

/// A follower whose filter passes over much lets others have their turn, however much there is.
#[tokio::test]
async fn filtered_changes_are_read_in_bounded_parts() {
    const PAGES: u32 = 10;
    let server = Server::new();
    write_elsewhere(&server, 16_384 * PAGES);
    server.send("PUT /api/v1/buckets/b/kv/found", &[], "x").await;
    let mut events = follow(&server, "GET /api/v1/changes?bucket=b&since=earliest", &[]).await;
    events.next().await.unwrap();
    let mut turns = 0;
    let put = loop {
        tokio::select! {
            biased;
            put = events.next() => break put.unwrap(),
            () = tokio::task::yield_now() => turns += 1,
        }
    };
    assert_eq!(field(&put, "event: "), "put");
    assert!(turns >= PAGES / 2, "others had {turns} turns");
}

/// What the cursors of this server begin with, as its document says.
fn life(server: &Server) -> String {
    let document = server.app.openapi();
    let parameters = document["paths"]["/api/v1/changes"]["get"]["parameters"].as_array().unwrap();
    let since = parameters.iter().find(|parameter| parameter["name"] == "since").unwrap();
    since["schema"]["pattern"].as_str().unwrap()["^(now|earliest|0|".len()..][..16].to_owned()
}

#[tokio::test]
async fn invalid_requests_to_follow_are_refused() {
    let server = Server::new();
    let send = async |line: &str, headers: &[&str]| {
        server.send(&format!("GET /api/v1/changes{line}"), headers, "").await.outcome()
    };
    assert_eq!(send("?since=garbage", &[]).await, "400 cursor-invalid");
    assert_eq!(send("?since=0000000000000000-1", &[]).await, "410 compacted");
    assert_eq!(send(&format!("?since={}-0", life(&server)), &["accept: application/json"]).await, "200");
    assert_eq!(send(&format!("?since={}-1", life(&server)), &[]).await, "410 compacted", "ahead of the newest commit");
    assert_eq!(send(&format!("?since={}-0-1", life(&server)), &["accept: application/json"]).await, "200");
    assert_eq!(send("", &["last-event-id: 0000000000000000-1"]).await, "410 compacted");
    assert_eq!(send("", &["last-event-id: garbage"]).await, "400 cursor-invalid");
    assert_eq!(send("?bucket=UPPER", &[]).await, "400 bucket-name-invalid");
    assert_eq!(send("?wait=31", &[]).await, "400 parameter-invalid");
    assert_eq!(send("?table=t", &[]).await, "404 PGRST205");
    assert_eq!(send("?tables=t", &[]).await, "400 parameter-unknown");
    let schema = r#"{"columns": [{"name": "id", "type": "bigint"}], "primary_key": ["id"]}"#;
    let made = server.send("PUT /api/v1/schema/tables/t", &["content-type: application/json"], schema).await;
    assert_eq!(made.outcome(), "201");
    assert_eq!(
        send("?table=t&filters=eq.1", &[]).await,
        "400 42703",
        "the document's word for filters is no parameter"
    );
    assert_eq!(send("", &["accept: text/csv"]).await, "406 not-acceptable");
}

#[tokio::test]
async fn a_stream_that_falls_behind_ends_with_an_error() {
    let mut limits = Limits::default();
    limits.feed_bytes_max = 64 * 1024;
    let server = Server::with(limits, AppConfig::default(), Config::default());
    let mut events = follow(&server, "GET /api/v1/changes", &["accept: text/event-stream"]).await;
    events.next().await.unwrap();
    for _ in 0..100 {
        server.send("PUT /api/v1/kv/a", &[], vec![b'x'; 4_096]).await;
    }
    let last = events.next().await.unwrap();
    assert_eq!(field(&last, "event: "), "error", "{last:?}");
    assert_eq!(serde_json::from_str::<Value>(field(&last, "data: ")).unwrap()["code"], "compacted");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_server() {
    let server = Server::with_config(AppConfig { streams_max: 1, ..AppConfig::default() });
    let mut events = follow(&server, "GET /api/v1/changes", &[]).await;
    events.next().await.unwrap();
    assert_eq!(server.send("GET /api/v1/changes", &[], "").await.outcome(), "503 streams-too-many");
    server.app.shutting_down();
    assert_eq!(events.next().await, None);
    drop(events);
    assert_eq!(server.send("GET /api/v1/changes", &[], "").await.outcome(), "503 shutting-down");
}

/// A table that keeps old rows, and changes of it beside a key.
async fn with_orders() -> Server {
    let server = Server::new();
    let json = ["content-type: application/json"];
    let schema = r#"{"columns": [{"name": "id", "type": "int"}, {"name": "status", "type": "text"},
        {"name": "since", "type": "int"}, {"name": "data", "type": "jsonb"}], "primary_key": ["id"], "changes": "full"}"#;
    for (line, body) in [
        ("PUT /api/v1/schema/tables/orders", schema),
        ("POST /api/v1/tables/orders", r#"{"id": 1, "status": "open", "since": 5, "data": {"a": [1]}}"#),
        ("PATCH /api/v1/tables/orders?id=eq.1", r#"{"status": "paid"}"#),
        ("PATCH /api/v1/tables/orders?id=eq.1", r#"{"status": "sent"}"#),
        ("PUT /api/v1/kv/a?raw=true", "1"),
        ("DELETE /api/v1/tables/orders?id=eq.1", ""),
    ] {
        let answer = server.send(line, &json, body).await;
        assert!(answer.status.is_success(), "{line}: {answer:?}");
    }
    server
}

#[tokio::test]
async fn rows_that_matched_before_or_after_are_shown() {
    let server = with_orders().await;
    for (query, expected) in [
        ("table=orders&status=eq.paid&select=status", vec!["create", "update open>paid ft", "update paid>sent tf"]),
        (
            "table=orders&and=(since.eq.5,data-%3Ea-%3E%3E0.eq.1)&status=eq.open&select=status",
            vec!["create", "insert ->open ft", "update open>paid tf"],
        ),
        ("table=orders&id=neq.1", vec!["create"]),
        (
            "",
            vec!["create", "insert ->open ft", "update open>paid tt", "update paid>sent tt", "put", "delete sent>- tf"],
        ),
        ("prefix=a", vec!["put"]),
    ] {
        let line = format!("GET /api/v1/changes?wait=0&since=earliest&{query}");
        let page = server.send(&line, &[], "").await.json();
        let told = |change: &Value| {
            let kind = change["kind"].as_str().unwrap();
            if change["matches"].is_null() {
                return kind.to_owned();
            }
            assert_eq!(change["key"], serde_json::json!({"id": 1}));
            let status = |name: &str| change[name]["status"].as_str().unwrap_or("-").to_owned();
            let matches = |name: &str| if change["matches"][name] == true { 't' } else { 'f' };
            format!("{kind} {}>{} {}{}", status("old"), status("row"), matches("old"), matches("new"))
        };
        assert_eq!(page["changes"].as_array().unwrap().iter().map(told).collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test]
async fn events_of_rows_resume_and_say_what_happened() {
    let server = with_orders().await;
    let mut events =
        follow(&server, "GET /api/v1/changes?since=earliest&table=orders", &["accept: text/event-stream"]).await;
    events.next().await.unwrap();
    let all = events.next().await.unwrap();
    let kinds: Vec<_> =
        all.split("\n\n").map(|event| field(event, "event: ")).filter(|kind| !kind.is_empty()).collect();
    assert_eq!(kinds, ["create", "insert", "update", "update", "delete"]);
    let first = all.split("\n\n").nth(1).unwrap();
    let headers = ["accept: text/event-stream", &*format!("last-event-id: {}", field(first, "id: "))];
    let mut resumed = follow(&server, "GET /api/v1/changes?table=orders", &headers).await;
    resumed.next().await.unwrap();
    let rest = resumed.next().await.unwrap();
    assert!(all.ends_with(&rest) && rest.matches("event: ").count() == 3, "{rest}");
}

#[tokio::test]
async fn a_filter_that_cannot_be_followed_is_refused() {
    let server = with_orders().await;
    for (query, status, code) in [
        ("table=orders&no=eq.1", 400, "42703"),
        ("table=orders&status=1", 400, "PGRST100"),
        ("table=orders&select=id,clients(*)", 400, "PGRST127"),
        ("table=none", 404, "PGRST205"),
        ("table=orders&bucket=default", 400, "parameter-invalid"),
        ("status=eq.paid", 400, "parameter-unknown"),
        ("table=orders&wait=0&wait=0", 400, "parameter-repeated"),
    ] {
        let answer = server.send(&format!("GET /api/v1/changes?{query}"), &[], "").await;
        let found = (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned());
        assert_eq!(found, (status, code.to_owned()), "{query}");
    }
}

#[tokio::test]
async fn a_condition_on_a_large_row_holds_up_no_other_request() {
    let server = Server::new();
    let schema =
        r#"{"columns": [{"name": "id", "type": "integer"}, {"name": "t", "type": "text"}], "primary_key": ["id"]}"#;
    assert_eq!(
        server.send("PUT /api/v1/schema/tables/large", &["content-type: application/json"], schema).await.status,
        201
    );
    let row = format!(r#"{{"id": 1, "t": "{}"}}"#, "a".repeat(400_000));
    assert_eq!(server.send("POST /api/v1/tables/large", &["content-type: application/json"], row).await.status, 201);
    // Nearly the whole piece is compared at each place of the text.
    let pattern = format!("*_{}b*", "a".repeat(900));
    let line = format!("GET /api/v1/changes?table=large&since=earliest&wait=0&t=like.{pattern}&select=id");
    let order = std::cell::RefCell::new(Vec::new());
    let follow = async {
        let page = server.send(&line, &[], "").await;
        assert_eq!((page.status.as_u16(), page.json()["changes"].as_array().unwrap().len()), (200, 1));
        order.borrow_mut().push("feed");
    };
    let other = async {
        assert_eq!(server.send("GET /health", &[], "").await.status, 200);
        order.borrow_mut().push("other");
    };
    tokio::join!(follow, other);
    assert_eq!(*order.borrow(), ["other", "feed"]);
}
