//! Functions of plugins as PostgREST's clients call them.

use mantis_http::AppConfig;
use serde_json::{Value, json};

use crate::harness::{Server, check_table};
use crate::plugins::{JSON, WASM};

/// A component with functions of all kinds that a client can tell apart.
const COMPONENT: &str = r#"
(component
  (core module $code
    (memory (export "memory") 1)
    (data (i32.const 64) "idajonkim")
    ;; Where its name lies and how long it is, a score of 64 bits, a rank, and what aligns the next one.
    (data (i32.const 128) "\40\00\00\00\03\00\00\00\5a\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00")
    (data (i32.const 152) "\43\00\00\00\03\00\00\00\46\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00")
    (data (i32.const 176) "\46\00\00\00\03\00\00\00\46\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00")
    (data (i32.const 600) "E7too largeat most ten")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "standings") (param $n i32) (result i32)
      (i32.store (i32.const 0) (i32.const 128))
      (i32.store (i32.const 4) (select (local.get $n) (i32.const 3) (i32.lt_u (local.get $n) (i32.const 3))))
      (i32.const 0))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16))
    (func (export "sum") (param $at i32) (param $count i32) (result i64) (local $sum i64)
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $sum (i64.add (local.get $sum) (i64.load (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
      (local.get $sum))
    (func (export "maybe") (param i32 i32) (result i32)
      (i32.add (i32.mul (local.get 0) (i32.const 10)) (local.get 1)))
    (func (export "nothing"))
    (func (export "crash") unreachable)
    (func (export "refuse") (param $number i32) (result i32)
      (i32.store8 (i32.const 512) (i32.gt_u (local.get $number) (i32.const 10)))
      (if (i32.gt_u (local.get $number) (i32.const 10))
        (then
          (i32.store (i32.const 516) (i32.const 600)) (i32.store (i32.const 520) (i32.const 2))
          (i32.store (i32.const 524) (i32.const 602)) (i32.store (i32.const 528) (i32.const 9))
          (i32.store8 (i32.const 532) (i32.const 1))
          (i32.store (i32.const 536) (i32.const 611)) (i32.store (i32.const 540) (i32.const 11)))
        (else (i32.store (i32.const 516) (local.get $number))))
      (i32.const 512)))
  (core instance $it (instantiate $code))
  (alias core export $it "memory" (core memory $memory))
  (alias core export $it "realloc" (core func $realloc))
  (type $standing' (record (field "player-name" string) (field "score" s64) (field "rank" u32)))
  (export $standing "standing" (type $standing'))
  (type $refusal' (record (field "code" string) (field "message" string) (field "details" (option string))))
  (export $refusal "refusal" (type $refusal'))
  (func (export "top-standings") (param "n" u32) (result (list $standing))
    (canon lift (core func $it "standings") (memory $memory)))
  (func (export "echo") (param "first-text" string) (result string)
    (canon lift (core func $it "echo") (memory $memory) (realloc $realloc)))
  (func (export "sum") (param "numbers" (list s64)) (result s64)
    (canon lift (core func $it "sum") (memory $memory) (realloc $realloc)))
  (func (export "maybe") (param "flag" (option bool)) (result u32) (canon lift (core func $it "maybe")))
  (func (export "nothing") (canon lift (core func $it "nothing")))
  (func (export "crash") (canon lift (core func $it "crash")))
  (func (export "refuse") (param "number" u32) (result (result u32 (error $refusal)))
    (canon lift (core func $it "refuse") (memory $memory))))
"#;

const ALL: &str = r#"[{"player-name":"ida","score":90,"rank":1},{"player-name":"jon","score":70,"rank":2},{"player-name":"kim","score":70,"rank":2}]"#;

/// The plugin `game`, which writes nothing, and the same as `loud`, which may write.
async fn server() -> Server {
    let server = Server::new();
    let component = wat::parse_str(COMPONENT).unwrap();
    for line in ["PUT /api/v1/plugins/game?buckets=scores:read", "PUT /api/v1/plugins/loud?buckets=scores:write"] {
        let answer = server.send(line, WASM, component.clone()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    server
}

#[tokio::test]
async fn a_list_of_records_is_rows() {
    let server = server().await;
    let get = async |query: &str, expected: &str| {
        check_table(
            &server,
            &format!("GET /rest/v1/rpc/game.top_standings?n=3{query}"),
            &[],
            "",
            &format!("200 {expected}"),
        )
        .await
    };
    get("", ALL).await;
    get("&select=name:player-name,score::text&rank=eq.1", r#"[{"name":"ida","score":"90"}]"#).await;
    get("&or=(score.gt.80,player-name.like.k*)&select=player-name", r#"[{"player-name":"ida"},{"player-name":"kim"}]"#)
        .await;
    get(
        "&order=score,player-name.desc&limit=2&offset=1&select=player-name",
        r#"[{"player-name":"jon"},{"player-name":"ida"}]"#,
    )
    .await;
    get("&select=score.sum(),count()", r#"[{"sum":230,"count":3}]"#).await;
    get("&select=rank,count()&order=rank.desc", r#"[{"rank":2,"count":2},{"rank":1,"count":1}]"#).await;
    // As numbers and not as texts: 90 is more than 9.
    get("&score=gte.9&select=rank&limit=1", r#"[{"rank":1}]"#).await;
    for (query, expected) in [
        ("&score=eq.many", "400 22P02"),
        ("&select=colour", "400 42703"),
        ("&select=*,writers(*)", "400 PGRST200"),
        ("&score=like.9*", "404 42883"),
        ("&offset=4", "200 []"),
    ] {
        check_table(&server, &format!("GET /rest/v1/rpc/game.top-standings?n=3{query}"), &[], "", expected).await;
    }
    let body = r#"{"n": 3}"#;
    let post = async |query: &str, headers: &[&str], expected: &str| {
        let headers = [JSON, headers].concat();
        check_table(&server, &format!("POST /rest/v1/rpc/game.top-standings{query}"), &headers, body, expected).await
    };
    let form = ["content-type: application/x-www-form-urlencoded"];
    let answer = check_table(&server, "POST /rest/v1/rpc/game.top-standings", &form, body, "400 PGRST102").await;
    assert!(answer.json()["hint"].as_str().is_some_and(|hint| hint.contains("application/json")), "{}", answer.text());
    let answer = post("?limit=2&select=rank", &["prefer: count=exact"], r#"206 [{"rank":1},{"rank":2}]"#).await;
    assert_eq!(answer.header("content-range"), Some("0-1/3"));
    assert_eq!(answer.header("preference-applied"), Some("count=exact"));
    post("?offset=9", &["prefer: count=planned"], "416 PGRST103").await;
    post("?rank=eq.1&select=score", &["accept: application/vnd.pgrst.object+json"], r#"200 {"score":90}"#).await;
    post("?rank=eq.2", &["accept: application/vnd.pgrst.object+json"], "406 PGRST116").await;
    post("?rank=eq.1", &["accept: text/csv"], "200 player-name,score,rank\nida,90,1").await;
    post("?rank=eq.2&select=score", &["accept: application/x-ndjson"], "200 {\"score\":70}\n{\"score\":70}\n").await;
    post("", &["accept: application/vnd.pgrst.plan+json"], "406 PGRST107").await;
    post("", &["prefer: handling=strict, max-affected=2"], "400 PGRST124").await;
    let answer = post("", &["prefer: return=minimal, count=exact"], "204 ").await;
    assert_eq!(answer.header("content-range"), Some("0-2/3"));
    let answer = check_table(
        &server,
        "GET /rest/v1/rpc/game.top-standings?n=3",
        &["range: 1-1"],
        "",
        r#"200 [{"player-name":"jon","score":70,"rank":2}]"#,
    )
    .await;
    assert_eq!(answer.header("content-range"), Some("1-1/*"));
    let answer = check_table(
        &server,
        "HEAD /rest/v1/rpc/game.top-standings?n=3&score=lt.80",
        &["prefer: count=exact"],
        "",
        "200 ",
    )
    .await;
    assert_eq!(answer.header("content-range"), Some("0-1/2"));
}

#[tokio::test]
async fn any_other_result_is_its_json() {
    let server = server().await;
    for (line, body, expected) in [
        ("POST /rest/v1/rpc/game.echo", r#"{"first_text": "a\"b"}"#, r#"200 "a\"b""#),
        ("POST /rest/v1/rpc/game.echo", r#"{"first-text": "x"}"#, r#"200 "x""#),
        ("GET /rest/v1/rpc/game.echo?first_text=null", "", r#"200 "null""#),
        ("GET /rest/v1/rpc/game.sum?numbers={1,2,-5}", "", "200 -2"),
        ("GET /rest/v1/rpc/game.sum?numbers=[1,2]", "", "200 3"),
        ("GET /rest/v1/rpc/game.sum?numbers=1&numbers=7", "", "200 8"),
        ("GET /rest/v1/rpc/game.sum?numbers={}", "", "200 0"),
        ("POST /rest/v1/rpc/game.sum", r#"{"numbers": [1, "2"]}"#, "200 3"),
        ("POST /rest/v1/rpc/game.sum", r#"{"numbers": [1.0, 2e0]}"#, "200 3"),
        ("POST /rest/v1/rpc/game.sum", r#"{"numbers": [1, 2.0000000000000000001]}"#, "400 22P02"),
        ("GET /rest/v1/rpc/game.sum?numbers=[1,2.0000000000000000001]", "", "400 22P02"),
        ("GET /rest/v1/rpc/game.sum?numbers={1,2.0000000000000000001}", "", "400 22P02"),
        ("GET /rest/v1/rpc/game.maybe?flag=true", "", "200 11"),
        ("GET /rest/v1/rpc/game.maybe?flag=null", "", "200 0"),
        ("GET /rest/v1/rpc/game.maybe", "", "200 0"),
        ("POST /rest/v1/rpc/game.maybe", "", "200 0"),
        ("POST /rest/v1/rpc/game.nothing", "{}", "204 "),
        ("POST /rest/v1/rpc/game.refuse", r#"{"number": 3}"#, "200 3"),
        ("POST /rest/v1/rpc/game.sum?select=a", r#"{"numbers": []}"#, "400 PGRST127"),
        ("POST /rest/v1/rpc/game.sum?limit=1", r#"{"numbers": []}"#, "400 PGRST127"),
    ] {
        check_table(&server, line, &[], body, expected).await;
    }
    let form = &["content-type: application/x-www-form-urlencoded"];
    check_table(&server, "POST /rest/v1/rpc/game.sum", form, "numbers={1,2}", "200 3").await;
    let body = r#"{"numbers": [1]}"#;
    let answer = check_table(&server, "POST /rest/v1/rpc/game.sum", &["prefer: count=exact"], body, "200 1").await;
    assert_eq!(answer.header("content-range"), Some("0-0/1"));
    check_table(&server, "POST /rest/v1/rpc/game.sum", &["accept: application/vnd.pgrst.object+json"], body, "200 1")
        .await;
    for accept in ["accept: text/csv", "accept: application/vnd.mantisdb.rows"] {
        check_table(&server, "POST /rest/v1/rpc/game.sum", &[accept], body, "406 PGRST107").await;
    }
    let strict = &["prefer: handling=strict, max-affected=1"];
    check_table(&server, "POST /rest/v1/rpc/game.sum", strict, body, "400 PGRST128").await;
}

#[tokio::test]
async fn a_function_is_known_by_its_name_and_its_arguments() {
    let server = server().await;
    for (line, body, message, hint) in [
        ("POST /rest/v1/rpc/game.top", r#"{"n": 3}"#, "game.top(n)", None),
        ("POST /rest/v1/rpc/game.ecko", "{}", "game.ecko without parameters", Some("game.echo")),
        ("POST /rest/v1/rpc/top_standings", r#"{"n": 3}"#, "top_standings(n)", Some("game.top-standings")),
        ("POST /rest/v1/rpc/nobody", r#"{"b": 1, "a": 2}"#, "nobody(a, b)", None),
        ("POST /rest/v1/rpc/game.echo", "", "game.echo without parameters", Some("game.echo(first-text)")),
        ("POST /rest/v1/rpc/game.echo", r#"{"text": ""}"#, "game.echo(text)", Some("game.echo(first-text)")),
        (
            "POST /rest/v1/rpc/game.echo",
            r#"{"first_text": "", "first-text": ""}"#,
            "game.echo(first-text, first_text)",
            Some("game.echo(first-text)"),
        ),
        ("GET /rest/v1/rpc/game.top_standings?m=3", "", "game.top_standings(m)", Some("game.top-standings(n)")),
        ("GET /rest/v1/rpc/game.top_standings?n=3&m=3", "", "game.top_standings(m, n)", Some("game.top-standings(n)")),
        (
            "GET /rest/v1/rpc/game.echo?first-text=a&score=gt.3",
            "",
            "game.echo(first-text, score)",
            Some("game.echo(first-text)"),
        ),
    ] {
        let answer = check_table(&server, line, &[], body, "404 PGRST202").await;
        let error = answer.json();
        assert_eq!(error["message"], format!("Could not find the function public.{message} in the schema cache"));
        let hint = hint.map(|hint| format!("Perhaps you meant to call the function public.{hint}"));
        assert_eq!(error["hint"], json!(hint), "{line}");
    }
    for (line, body, expected) in [
        ("POST /rest/v1/rpc/game.top-standings", r#"{"n": "many"}"#, "400 22P02"),
        ("GET /rest/v1/rpc/game.top-standings?n=-1", "", "400 22P02"),
        ("GET /rest/v1/rpc/game.sum?numbers={1", "", "400 22P02"),
        ("GET /rest/v1/rpc/game.sum?numbers={{1},{2}}", "", "400 22P02"),
        ("POST /rest/v1/rpc/game.sum", "[1]", "400 PGRST102"),
        ("POST /rest/v1/rpc/game.sum", "{", "400 PGRST102"),
        ("POST /rest/v1/rpc/game.crash", "", "502 plugin-trap"),
        ("PUT /rest/v1/rpc/game.crash", "", "405 PGRST101"),
        ("POST /rest/v1/rpc/game.crash/more", "", "404 PGRST125"),
    ] {
        check_table(&server, line, &[], body, expected).await;
    }
    let body = r#"{"n": 3, "comment": "left out"}"#;
    check_table(
        &server,
        "POST /rest/v1/rpc/game.top-standings?columns=n&select=count()",
        &[],
        body,
        r#"200 [{"count":3}]"#,
    )
    .await;
}

#[tokio::test]
async fn an_error_of_a_plugin_keeps_its_members() {
    let server = server().await;
    let answer = check_table(&server, "POST /rest/v1/rpc/game.refuse", JSON, r#"{"number": 11}"#, "400 E7").await;
    let expected = json!({"code": "E7", "message": "too large", "details": "at most ten", "hint": null});
    assert_eq!(answer.json(), expected);
    let headers = &["accept: application/problem+json"];
    let answer = server.send("POST /rest/v1/rpc/game.refuse", headers, r#"{"number": 11}"#).await;
    assert_eq!(answer.outcome(), "400 E7");
}

#[tokio::test]
async fn get_calls_only_plugins_that_write_nothing() {
    let server = server().await;
    for method in ["GET", "HEAD"] {
        let answer =
            check_table(&server, &format!("{method} /rest/v1/rpc/loud.sum?numbers={{1}}"), &[], "", "405 PGRST101")
                .await;
        assert_eq!(answer.header("allow"), Some("OPTIONS,POST"));
    }
    let answer = check_table(&server, "POST /rest/v1/rpc/loud.sum", JSON, r#"{"numbers": [4]}"#, "200 4").await;
    assert_eq!(answer.header("mantisdb-durable"), Some("false"), "the newest commit is the installation of a plugin");
    for (line, allow) in
        [("OPTIONS /rest/v1/rpc/loud.sum", "OPTIONS,POST"), ("OPTIONS /rest/v1/rpc/game.sum", "OPTIONS,GET,HEAD,POST")]
    {
        let answer = check_table(&server, line, &[], "", "200 ").await;
        assert_eq!(answer.header("allow"), Some(allow));
    }
    check_table(&server, "OPTIONS /rest/v1/rpc/game.other", &[], "", "404 PGRST202").await;
    let documented = server.app.openapi();
    assert!(documented["paths"]["/rest/v1/rpc/{routine}"]["post"] != Value::Null);
}

#[tokio::test]
async fn functions_are_among_the_typescript_types() {
    let types = server().await.send("GET /api/v1/schema/types.ts", &[], "").await;
    for part in [
        r#""game.top-standings": { Args: { "n": number }; Returns: { "player-name": string; "score": number; "rank": number }[] }"#,
        r#""game.echo": { Args: { "first_text": string }; Returns: string }"#,
        r#""game.maybe": { Args: { "flag"?: boolean | null }; Returns: number }"#,
        r#""loud.nothing": { Args: never; Returns: undefined }"#,
    ] {
        assert!(types.text().contains(part), "{part}\n{}", types.text());
    }
}

/// Each client of Supabase reads an error's message from members of its own.
#[tokio::test]
async fn services_that_are_not_here_say_so_to_their_clients() {
    let origin = AppConfig { cors_origins: vec!["https://example.com".to_owned()], ..AppConfig::default() };
    let server = Server::with_config(origin);
    for (line, members) in [
        ("POST /auth/v1/token?grant_type=password", &["code", "error_code", "msg"][..]),
        ("POST /storage/v1/object/list/avatars", &["error", "message", "statusCode"]),
        ("GET /realtime/v1/websocket", &["error", "message"]),
        ("POST /functions/v1/hello", &["code", "message"]),
        ("POST /graphql/v1", &["data", "errors"]),
    ] {
        let answer = server.send(line, &["origin: https://example.com"], "").await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json().as_object().unwrap().keys().collect::<Vec<_>>(), members, "{line}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://example.com"), "{line}");
        let (_, path) = line.split_once(' ').unwrap();
        let preflight = ["origin: https://example.com", "access-control-request-method: POST"];
        let answer = server.send(&format!("OPTIONS {path}"), &preflight, "").await;
        assert_eq!(answer.status, 204, "{line}");
        let problem = server.send(line, &["accept: application/problem+json"], "").await;
        assert_eq!(problem.outcome(), "404 route-not-found");
    }
}
