//! The example plugins.

use mantis_db::tables::schema::TableDocument;
use mantis_db::tables::{Input, RowBatch, WriteOptions};
use mantis_db::{Access, Grants};
use mantis_plugin::{CallError, PluginOptions};
use serde_json::{Value, json};

use crate::support::{Fixture, guest_folder};

/// Calls in a row, each with its answer; `Err` is the plugin's own error.
#[track_caller]
fn check(fixture: &Fixture, calls: &[(&str, Value, Result<Value, Value>)]) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        for (function, arguments, expected) in calls {
            let got = match fixture.call(function, arguments.clone()).await {
                Ok(value) => Ok(value),
                Err(CallError::Plugin(error)) => Err(error),
                Err(error) => panic!("{function}{arguments} at {place}: {error}"),
            };
            assert_eq!(&got, expected, "{function}{arguments} at {place}");
        }
    }
}

#[tokio::test]
async fn counter_counts() {
    let fixture = Fixture::with_guest("counter", &["counters"]).await;
    check(
        &fixture,
        &[
            ("counter/value", json!(["visits"]), Ok(json!(0))),
            ("counter/increment", json!(["visits", 5]), Ok(json!(5))),
            ("counter/increment", json!({ "by": -2, "name": "visits" }), Ok(json!(3))),
            ("counter/value", json!(["visits"]), Ok(json!(3))),
            ("counter/reset", json!(["visits"]), Ok(json!(3))),
            ("counter/value", json!(["visits"]), Ok(json!(0))),
            (
                "counter/increment",
                json!(["", 1]),
                Err(json!({ "invalid": { "code": "key-empty", "message": "A key has at least one byte." } })),
            ),
        ],
    )
    .await;
    assert_eq!(fixture.text("counters", "visits").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn leaderboard_ranks() {
    let fixture = Fixture::with_guest("leaderboard", &["leaderboard"]).await;
    let standing = |player: &str, score: i64, rank: u32| json!({ "player": player, "score": score, "rank": rank });
    check(
        &fixture,
        &[
            ("leaderboard/top", json!([10]), Ok(json!([]))),
            ("leaderboard/submit", json!(["ada", 10]), Ok(json!(1))),
            ("leaderboard/submit", json!(["bob", 30]), Ok(json!(1))),
            ("leaderboard/submit", json!(["cyd", 20]), Ok(json!(2))),
            ("leaderboard/submit", json!(["dan", -5]), Ok(json!(4))),
            ("leaderboard/submit", json!(["eve", 20]), Ok(json!(2))),
            // Only the best score counts.
            ("leaderboard/submit", json!(["bob", 1]), Ok(json!(1))),
            ("leaderboard/submit", json!(["ada", 25]), Ok(json!(2))),
            (
                "leaderboard/top",
                json!({ "n": 4 }),
                Ok(json!([
                    standing("bob", 30, 1),
                    standing("ada", 25, 2),
                    standing("cyd", 20, 3),
                    standing("eve", 20, 3)
                ])),
            ),
            ("leaderboard/standing-of", json!(["dan"]), Ok(standing("dan", -5, 5))),
            ("leaderboard/standing-of", json!(["nobody"]), Ok(json!(null))),
            ("leaderboard/submit", json!(["", 1]), Err(json!("a player's name has 1 to 64 bytes"))),
            ("leaderboard/top", json!([1001]), Err(json!("at most 1000 standings are shown"))),
        ],
    )
    .await;
}

/// The board is larger than a page of a scan, and the order is that of the numbers.
#[tokio::test]
async fn leaderboard_orders_many() {
    let fixture = Fixture::with_guest("leaderboard", &["leaderboard"]).await;
    for number in 0..300_i64 {
        let score = (number * 7_919) % 300 - 150;
        fixture.call("leaderboard/submit", json!([format!("p{number}"), score])).await.unwrap();
    }
    let top = fixture.call("leaderboard/top", json!([1000])).await.unwrap();
    let scores: Vec<_> = top.as_array().unwrap().iter().map(|standing| standing["score"].as_i64().unwrap()).collect();
    assert_eq!(scores, (-150..150).rev().collect::<Vec<_>>());
}

/// A market with two accounts.
async fn market() -> Fixture {
    let fixture = Fixture::new();
    let schema = guest_folder().join("examples/order-book/schema");
    for table in ["accounts", "orders", "trades"] {
        let document = std::fs::read(schema.join(table).with_extension("json")).unwrap();
        let document = TableDocument::read(&document).unwrap();
        fixture.database.session().create_table(table, &document).await.unwrap();
    }
    let rows = [["ada", "0", "10"], ["bob", "5000", "0"]].map(|row| row.map(|text| Input::Text(text.into())));
    let columns = vec!["name".into(), "cash_cents".into(), "shares".into()];
    let batch = RowBatch::of_rows(columns, rows).unwrap();
    let mut session = fixture.database.session();
    let mut accounts = session.rows("accounts", fixture.database.environment_utc());
    accounts.insert(&mantis_db::tables::Query::default(), &batch, &WriteOptions::default(), None).await.unwrap();
    let tables = ["accounts", "orders", "trades"];
    let grants = tables.iter().fold(Grants::none(), |grants, table| grants.table(*table, Access::Write));
    fixture.install("order-book", PluginOptions::new(grants)).await;
    fixture
}

#[tokio::test]
async fn order_book_trades_the_best_price_first_and_the_oldest_of_it() {
    let fixture = market().await;
    let placed = |order: i64, trades: Value, remaining: i64| {
        Ok(json!({ "order": order, "trades": trades, "remaining": remaining }))
    };
    let trade = |against: i64, price: i64, quantity: i64| json!({ "against": against, "price-cents": price, "quantity": quantity });
    let level =
        |side: &str, price: i64, quantity: i64| json!({ "side": side, "price-cents": price, "quantity": quantity });
    check(
        &fixture,
        &[
            ("order-book/place", json!(["ada", "sell", 300, 2]), placed(1, json!([]), 2)),
            ("order-book/place", json!(["ada", "sell", 200, 3]), placed(2, json!([]), 3)),
            ("order-book/place", json!(["ada", "sell", 200, 1]), placed(3, json!([]), 1)),
            ("order-book/book", json!([10]), Ok(json!([level("sell", 200, 4), level("sell", 300, 2)]))),
            (
                "order-book/place",
                json!(["bob", "buy", 250, 6]),
                placed(4, json!([trade(2, 200, 3), trade(3, 200, 1)]), 2),
            ),
            ("order-book/book", json!([10]), Ok(json!([level("sell", 300, 2), level("buy", 250, 2)]))),
            ("order-book/place", json!(["ada", "sell", 100, 1]), placed(5, json!([trade(4, 250, 1)]), 0)),
            ("order-book/cancel", json!([4]), Ok(json!(1))),
            (
                "order-book/cancel",
                json!([4]),
                Err(json!({ "invalid": { "code": "order-not-open", "message": "4 is no open order" } })),
            ),
            ("order-book/book", json!([1]), Ok(json!([level("sell", 300, 2)]))),
        ],
    )
    .await;
}

/// A project outside of this repository: a workspace of its own, the SDK under another name, and only its own WIT.
#[tokio::test]
async fn the_sdk_serves_a_project_of_its_own() {
    let fixture = Fixture::with_guest("outside", &["outside"]).await;
    assert_eq!(fixture.call("outside/visit", json!(["home"])).await.unwrap(), json!(1));
    assert_eq!(fixture.call("outside/visit", json!(["home"])).await.unwrap(), json!(2));
    for kind in ["not-found", "access-denied", "invalid", "limit", "constraint", "read-only", "other"] {
        let outcome = fixture.call("outside/fail", json!([kind])).await;
        let expected = json!({ kind: { "code": "on-purpose", "message": kind } });
        assert!(matches!(&outcome, Err(CallError::Plugin(error)) if *error == expected), "{kind}: {outcome:?}");
    }
    assert!(matches!(fixture.call("outside/fail", json!(["conflict"])).await, Err(CallError::Conflict { .. })));
}
