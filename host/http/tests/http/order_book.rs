//! The example plugin on tables, `guest/examples/order-book`, over HTTP: what it writes, refuses, and does beside others.
//! `cargo xtask guests` builds it.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Answer, Server};
use crate::plugins::{JSON, WASM};

const GRANTS: &str = "table/accounts:write,table/orders:write,table/trades:write";

fn guest_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest")
}

/// A market in which Ada and Bob have cash and shares.
async fn market() -> Server {
    let server = Server::new();
    for table in ["accounts", "orders", "trades"] {
        let schema = guest_folder().join("examples/order-book/schema").join(table).with_extension("json");
        let schema = std::fs::read(schema).unwrap();
        let answer = server.send(&format!("PUT /api/v1/schema/tables/{table}"), JSON, schema).await;
        assert_eq!(answer.outcome(), "201", "{table}: {}", answer.text());
    }
    let path = guest_folder().join("target/components/order-book.wasm");
    let component =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()));
    let line = format!("PUT /api/v1/plugins/order-book?buckets={GRANTS}");
    let answer = server.send(&line, WASM, component).await;
    assert_eq!(answer.outcome(), "201", "{}", answer.text());
    let accounts = json!([
        {"name": "ada", "cash_cents": 100_000, "shares": 50},
        {"name": "bob", "cash_cents": 100_000, "shares": 50}
    ]);
    let answer = server.send("POST /api/v1/tables/accounts", JSON, accounts.to_string()).await;
    assert_eq!(answer.outcome(), "201", "{}", answer.text());
    server
}

async fn call(server: &Server, function: &str, arguments: Value) -> Answer {
    server.send(&format!("POST /api/v1/plugins/order-book/call/{function}"), JSON, arguments.to_string()).await
}

async fn place(server: &Server, account: &str, side: &str, price_cents: i64, quantity: i64) -> Answer {
    call(server, "place", json!([account, side, price_cents, quantity])).await
}

async fn rows(server: &Server, query: &str) -> Value {
    server.send(&format!("GET /api/v1/tables/{query}"), &[], "").await.json()
}

#[tokio::test]
async fn an_order_its_trades_and_both_accounts_are_one_commit() {
    let server = market().await;
    let answer = place(&server, "ada", "sell", 1_000, 10).await;
    assert_eq!(answer.json(), json!({ "order": 1, "trades": [], "remaining": 10 }));
    place(&server, "ada", "sell", 900, 5).await;
    let answer = place(&server, "bob", "buy", 1_100, 12).await;
    let trades = json!([
        { "against": 2, "price-cents": 900, "quantity": 5 },
        { "against": 1, "price-cents": 1_000, "quantity": 7 }
    ]);
    assert_eq!(answer.json(), json!({ "order": 3, "trades": trades, "remaining": 0 }));
    let version = answer.header("mantisdb-version").unwrap().to_owned();
    assert_eq!(
        rows(&server, "accounts?order=name").await,
        json!([
            { "name": "ada", "cash_cents": 100_000 + 4_500 + 7_000, "shares": 35 },
            { "name": "bob", "cash_cents": 100_000 - 4_500 - 7_000, "shares": 62 }
        ])
    );
    assert_eq!(rows(&server, "orders?select=id,remaining&order=id").await[0], json!({ "id": 1, "remaining": 3 }));
    assert_eq!(
        rows(&server, "trades?select=quantity,buyer:orders!trades_buy_order_fkey(account)&order=id").await,
        json!([
            { "quantity": 5, "buyer": { "account": "bob" } },
            { "quantity": 7, "buyer": { "account": "bob" } }
        ])
    );
    let book = call(&server, "book", json!([10])).await.json();
    assert_eq!(book, json!([{ "side": "sell", "price-cents": 1_000, "quantity": 3 }]));
    let one = server.send("GET /api/v1/tables/accounts/ada", &[], "").await;
    let tag = one.header("etag").unwrap();
    assert!(tag.starts_with(&format!("\"v{version}")), "the row's version is the call's commit: {tag} {version}");

    assert_eq!(call(&server, "cancel", json!([1])).await.json(), json!(3));
    assert_eq!(rows(&server, "accounts?name=eq.ada&select=shares").await, json!([{ "shares": 38 }]));
}

#[tokio::test]
async fn what_is_refused_writes_nothing() {
    let server = market().await;
    place(&server, "ada", "sell", 1_000, 10).await;
    let before = (rows(&server, "accounts").await, rows(&server, "orders").await);
    for (arguments, code) in [
        (json!(["bob", "buy", 0, 1]), "number-out-of-range"),
        (json!(["nobody", "buy", 1, 1]), "account-unknown"),
        // The constraints of the tables: too little cash, too few shares.
        (json!(["bob", "buy", 10_001, 10]), "23514"),
        (json!(["bob", "sell", 1, 51]), "23514"),
    ] {
        let answer = call(&server, "place", arguments.clone()).await;
        assert!(answer.status.is_client_error(), "{arguments}: {}", answer.text());
        assert!(answer.text().contains(code), "{arguments}: {}", answer.text());
    }
    assert!(call(&server, "cancel", json!([77])).await.text().contains("order-not-open"));
    assert_eq!((rows(&server, "accounts").await, rows(&server, "orders").await), before);
    assert_eq!(rows(&server, "trades").await, json!([]));
}

/// What the grants of a plugin do not allow, none of its functions does, by whichever path they are called.
#[tokio::test]
async fn grants_hold_for_functions_that_are_called_as_procedures() {
    let server = market().await;
    let body = json!({"account": "ada", "side": "sell", "price-cents": 10, "quantity": 1}).to_string();
    let path = guest_folder().join("target/components/order-book.wasm");
    let component = std::fs::read(&path).unwrap();
    for (grants, code) in [
        ("table/accounts:read,table/orders:write,table/trades:write", "42501"),
        ("table/*:read", "42501"),
        ("table/accounts:write,table/trades:write", "PGRST205"),
    ] {
        let line = format!("PUT /api/v1/plugins/order-book?buckets={grants}");
        let answer = server.send(&line, WASM, component.clone()).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        let answer = server.send("POST /rest/v1/rpc/order-book.place", JSON, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (400, Some(code)), "{grants}");
        assert_eq!(rows(&server, "orders").await, json!([]), "{grants}");
        assert_eq!(rows(&server, "accounts?name=eq.ada&select=shares").await, json!([{"shares": 50}]), "{grants}");
    }
}

#[tokio::test]
async fn a_constraint_that_a_function_meets_is_told_with_its_details() {
    let server = market().await;
    let body = json!({"account": "bob", "side": "sell", "price-cents": 1, "quantity": 51}).to_string();
    let answer = server.send("POST /rest/v1/rpc/order-book.place", JSON, body).await.json();
    assert_eq!(answer["code"], "23514", "{answer}");
    assert!(answer["message"].as_str().is_some_and(|message| !message.contains('\n')), "{answer}");
    assert!(answer["details"].as_str().is_some_and(|details| details.starts_with("Failing row contains")), "{answer}");
}

/// Orders that meet the same ones conflict, and are placed one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn orders_at_the_same_time_trade_each_share_once() {
    let server = std::sync::Arc::new(market().await);
    place(&server, "ada", "sell", 100, 40).await;
    let buying: Vec<_> = (0..8)
        .map(|_| {
            let server = std::sync::Arc::clone(&server);
            tokio::spawn(async move {
                for _ in 0..5 {
                    loop {
                        let answer = place(&server, "bob", "buy", 100, 1).await;
                        if answer.status.is_success() {
                            assert_eq!(answer.json()["remaining"], 0, "{}", answer.text());
                            break;
                        }
                        // Lost too often, or the queue was full: as the answer says, try again.
                        assert!(matches!(answer.status.as_u16(), 409 | 503), "{}", answer.text());
                    }
                }
            })
        })
        .collect();
    for buying in buying {
        buying.await.unwrap();
    }
    assert_eq!(
        rows(&server, "accounts?order=name").await,
        json!([
            { "name": "ada", "cash_cents": 104_000, "shares": 10 },
            { "name": "bob", "cash_cents": 96_000, "shares": 90 }
        ])
    );
    let trades = rows(&server, "trades?select=quantity.sum(),count()").await;
    assert_eq!(trades, json!([{ "sum": 40, "count": 40 }]));
}
