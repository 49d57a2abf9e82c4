//! The example plugins.

use mantis_plugin::CallError;
use serde_json::{Value, json};

use crate::support::Fixture;

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
