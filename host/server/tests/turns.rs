//! Over HTTP, a transaction that has lost repeatedly gets a turn: others wait while it lasts.

use std::io::Write;

use crate::support::{Server, read_answer};

fn send(server: &Server, request: &str, transaction: Option<&str>, body: &str) -> String {
    let header = transaction.map_or(String::new(), |id| format!("Mantisdb-Transaction: {id}\r\n"));
    let length = body.len();
    server.exchange(
        format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{header}\r\n{body}")
            .as_bytes(),
    )
}

/// The text of a member of an answer's JSON.
#[track_caller]
fn member(answer: &str, name: &str) -> String {
    let from = answer.split_once(&format!("\"{name}\":\"")).unwrap_or_else(|| panic!("no {name} in {answer}")).1;
    from.split('"').next().unwrap().to_owned()
}

#[track_caller]
fn begin(server: &Server, token: Option<&str>) -> String {
    let query = token.map_or(String::new(), |token| format!("?retry={token}"));
    member(&send(server, &format!("POST /api/v1/transactions{query}"), None, ""), "id")
}

/// Reads and writes `hot` in a transaction.
fn work(server: &Server, id: &str) {
    assert!(send(server, "GET /api/v1/kv/hot", Some(id), "").starts_with("HTTP/1.1 200"));
    assert!(send(server, "PUT /api/v1/kv/hot", Some(id), "mine").starts_with("HTTP/1.1 204"));
}

/// Loses three times, begins again, works, lets another client write the same key, and then commits; after the other's answer if the turn
/// stalls. Returns whether it committed.
fn come_again(server: &Server, stalls: bool) -> bool {
    let mut token = None;
    for _ in 0..3 {
        let id = begin(server, token.as_deref());
        work(server, &id);
        send(server, "PUT /api/v1/kv/hot", None, "theirs");
        let answer = send(server, &format!("POST /api/v1/transactions/{id}/commit"), None, "");
        assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
        token = Some(member(&answer, "retry_token"));
    }
    let id = begin(server, token.as_deref());
    work(server, &id);
    let mut disturbing = server.connect();
    disturbing.write_all(b"PUT /api/v1/kv/hot HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\ntheirs").unwrap();
    let mut answered = None;
    if stalls {
        answered = Some(read_answer(&mut disturbing));
    }
    let commit = send(server, &format!("POST /api/v1/transactions/{id}/commit"), None, "");
    let answered = answered.unwrap_or_else(|| read_answer(&mut disturbing));
    assert!(answered.starts_with("HTTP/1.1 204"), "{answered}");
    assert!(
        send(server, "GET /api/v1/kv/hot", None, "").ends_with("theirs"),
        "it came later, or made the turn's holder lose"
    );
    commit.starts_with("HTTP/1.1 200")
}

#[test]
fn a_turn_delays_others_until_its_commit_or_its_end() {
    let server = Server::start(&["--memory"]);
    send(&server, "PUT /api/v1/kv/hot", None, "theirs");
    assert!(!come_again(&server, true));
    // On a machine that is busy for 100 ms a turn passes unused.
    assert!((0..20).any(|_| come_again(&server, false)));
}
