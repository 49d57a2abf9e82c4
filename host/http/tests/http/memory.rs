//! Memory in sum: whatever many clients do at once, the budget for what is in flight is kept, and given back.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::StreamBody;
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
