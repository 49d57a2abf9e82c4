//! A client: it notes its intent, sends the request, notes the answer, and checks the answer against its notes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Value, json};

use super::book::{Book, Done, Effect, Held, Line, Recorded};
use super::{CLIENTS, Numbers, ms_of, now_ms};
use crate::support::PATIENCE;

/// Keys that each client writes repeatedly.
const KEYS: u64 = 24;

const TEXT: &str = "Content-Type: text/plain\r\n";
pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

/// One connection, one request at a time.
pub(crate) struct Connection {
    stream: TcpStream,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.head))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(crate) fn version(&self) -> u64 {
        // `"v7"` and `"v7-json"` are of version 7.
        let number =
            |tag: &str| tag.trim_matches('"').split('-').next().unwrap().trim_start_matches('v').parse().unwrap();
        self.header("etag").map_or(0, number)
    }

    #[track_caller]
    pub(crate) fn must_be(&self, good: &[u16]) {
        assert!(good.contains(&self.status), "{} {}", self.head, String::from_utf8_lossy(&self.body));
    }
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
        let length = body.len();
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        assert!(answer.header("transfer-encoding").is_none(), "{}", answer.head);
        answer.body = vec![0; length];
        self.stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// The answer to a GET that must succeed.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Value {
        let answer = self.send("GET", path, "Accept: application/json\r\n", "").unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }
}

/// A client's next request.
#[derive(Clone, Copy)]
enum Deed {
    Put,
    PutUntil { ttl_ms: u64 },
    Batch,
    Delete,
    Increment,
    Transaction,
}

/// Works until the server is gone.
pub(super) fn work(address: SocketAddr, path: &Path, client: usize, cycle: u64) {
    let mut numbers = Numbers(cycle * CLIENTS as u64 + client as u64);
    let mut book = Book::open(path);
    let mut recorded = Recorded { held: Recorded::read(path).held, ..Recorded::default() };
    let Ok(mut connection) = Connection::new(address) else { return };
    for number in 0.. {
        let key = |numbers: &mut Numbers| format!("c{client}-{:02}", numbers.below(KEYS));
        let value = |part: &str| format!("{cycle}-{number}-{part}-{}", "x".repeat(60 + (number % 7) * 40));
        let put = |key: String, part: &str| (key, Some(Held::lasting(value(part))));
        let until = |key: String, ttl_ms: u64| {
            let expires_ms = Some(now_ms() + ttl_ms..=u64::MAX);
            (key, Some(Held { expires_ms, ..Held::lasting(value("ttl")) }))
        };
        let some = key(&mut numbers);
        let (deed, effects) = match numbers.below(12) {
            0..4 => (Deed::Put, vec![put(some, "put")]),
            4 => {
                let ttl_ms = [1, 300, 86_400_000][numbers.below(3) as usize];
                (Deed::PutUntil { ttl_ms }, vec![until(some, ttl_ms)])
            }
            // Nobody writes it again: only its deadline can end it.
            5 => {
                let ttl_ms = 1_000 + numbers.below(2_000);
                (Deed::PutUntil { ttl_ms }, vec![until(format!("c{client}-once-{cycle}-{number}"), ttl_ms)])
            }
            6 | 7 => (Deed::Batch, (0..3).map(|_| put(key(&mut numbers), "batch")).collect()),
            8 | 9 => (Deed::Delete, vec![(some, None)]),
            10 => {
                let counter = format!("c{client}-counter");
                let sum = recorded.held.get(&counter).map_or(0, |held| held.value.parse::<u64>().unwrap()) + 1;
                (Deed::Increment, vec![(counter, Some(Held::lasting(sum.to_string())))])
            }
            _ => (Deed::Transaction, (0..2).map(|_| put(key(&mut numbers), "transaction")).collect()),
        };
        // Of several writes to a key in one commit the last one stays.
        let effects: Vec<_> = effects.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect();
        book.note(&Line::Intent(effects.clone()));
        let Ok(done) = perform(&mut connection, deed, &effects, &recorded.held) else { return };
        match done {
            Some(done) => {
                recorded.apply(&effects, Some(&done));
                book.note(&Line::Done(done));
            }
            None => book.note(&Line::Refused),
        }
    }
}

/// Sends the intended request; `None` if nothing was applied.
fn perform(
    connection: &mut Connection,
    deed: Deed,
    effects: &[Effect],
    before: &BTreeMap<String, Held>,
) -> io::Result<Option<Done>> {
    let (key, held) = &effects[0];
    let value_of = |held: &Option<Held>| held.as_ref().unwrap().value.clone();
    let lasting = |version| Done { version, expires_ms: None };
    let asked_at_ms = now_ms();
    Ok(match deed {
        Deed::Put => {
            let answer = connection.send("PUT", &format!("/kv/{key}"), TEXT, &value_of(held))?;
            answer.must_be(&[201, 204]);
            check_presence(key, before.get(key), answer.status == 204, asked_at_ms);
            Some(lasting(answer.version()))
        }
        Deed::PutUntil { ttl_ms } => {
            let headers = format!("{TEXT}Prefer: return=representation\r\n");
            let answer = connection.send("PUT", &format!("/kv/{key}?ttl_ms={ttl_ms}"), &headers, &value_of(held))?;
            answer.must_be(&[200, 201]);
            check_presence(key, before.get(key), answer.status == 200, asked_at_ms);
            let expires_ms = Some(deadline(&answer, ttl_ms, asked_at_ms));
            Some(Done { version: answer.version(), expires_ms })
        }
        Deed::Batch => {
            let operations: Vec<_> =
                effects.iter().map(|(key, held)| json!({ "op": "set", "key": key, "value": value_of(held) })).collect();
            let body = json!({ "operations": operations, "atomic": true }).to_string();
            let answer = connection.send("POST", "/kv", JSON, &body)?;
            answer.must_be(&[200]);
            Some(lasting(answer.json()["version"].as_str().unwrap().parse().unwrap()))
        }
        Deed::Delete => {
            let answer = connection.send("DELETE", &format!("/kv/{key}"), "", "")?;
            answer.must_be(&[204, 404]);
            check_presence(key, before.get(key), answer.status == 204, asked_at_ms);
            Some(lasting(0))
        }
        Deed::Increment => {
            let answer = connection.send("POST", &format!("/kv/{key}/increment"), JSON, r#"{"by":1}"#)?;
            answer.must_be(&[200]);
            assert_eq!(String::from_utf8_lossy(&answer.body), value_of(held), "an increment was lost or done twice");
            Some(lasting(answer.version()))
        }
        Deed::Transaction => transact(connection, effects)?.map(lasting),
    })
}

/// Writes in a transaction; the commit's version, `None` if it was refused.
fn transact(connection: &mut Connection, effects: &[Effect]) -> io::Result<Option<u64>> {
    let begun = connection.send("POST", "/transactions", "", "")?;
    begun.must_be(&[201]);
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    for (key, held) in effects {
        let headers = format!("{TEXT}Mantisdb-Transaction: {id}\r\n");
        let put = connection.send("PUT", &format!("/kv/{key}"), &headers, &held.as_ref().unwrap().value)?;
        put.must_be(&[201, 204]);
    }
    let committed = connection.send("POST", &format!("/transactions/{id}/commit"), "", "")?;
    committed.must_be(&[200, 409]);
    Ok((committed.status == 200).then(|| committed.json()["version"].as_str().unwrap().parse().unwrap()))
}

/// The answer says whether the key held a value; the notes have to allow that.
#[track_caller]
fn check_presence(key: &str, held: Option<&Held>, was_there: bool, asked_at_ms: u64) {
    let is_right = match held {
        Some(held) if was_there => held.may_be_there_at(asked_at_ms),
        Some(held) => held.may_be_gone_at(now_ms()),
        None => !was_there,
    };
    assert!(is_right, "{key} was {} before, and is {held:?}", if was_there { "there" } else { "absent" });
}

/// The answered deadline, which is a time to live after the commit, and so after the request.
#[track_caller]
fn deadline(answer: &Answer, ttl_ms: u64, asked_at_ms: u64) -> RangeInclusive<u64> {
    let answered_at_ms = now_ms();
    let expires_at_ms = ms_of(&answer.json()["expires_at"]).unwrap();
    let possible = asked_at_ms + ttl_ms..=answered_at_ms + ttl_ms;
    assert!(possible.contains(&expires_at_ms), "{expires_at_ms} is not within {possible:?}: {}", answer.head);
    // A key that expired before its answer was made is shown with a deadline counted from then.
    if answered_at_ms < asked_at_ms + ttl_ms { expires_at_ms..=expires_at_ms } else { possible }
}
