//! Concurrent histories through HTTP, with clients that do not wait and a server that is killed, checked by `mantis-isolation`.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use mantis_isolation::history::Isolation;
use mantis_isolation::numbers::Numbers;
use mantis_isolation::verdict::Total;
use mantis_isolation::workload::{Client, Connection, Expect, Failure, Found, Notes, Plan, Put, Result, Shared};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Server, pause};

/// The server's address: another port after each start.
type Address = Mutex<SocketAddr>;

/// A connection that is opened again when it is lost, and the open transaction.
struct Http<'a> {
    address: &'a Address,
    stream: Option<BufReader<TcpStream>>,
    transaction: Option<String>,
    numbers: Numbers,
}

struct Answer {
    status: u16,
    version: Option<u64>,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

fn version(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

impl<'a> Http<'a> {
    fn new(address: &'a Address, seed: u64) -> Self {
        Self { address, stream: None, transaction: None, numbers: Numbers::new(seed) }
    }

    /// Connects, as soon as there is a server.
    fn connect(&mut self) -> &mut BufReader<TcpStream> {
        let address = self.address;
        self.stream.get_or_insert_with(|| {
            for _ in 0..PATIENCE.as_millis() / 5 {
                let address = *address.lock().unwrap();
                if let Ok(stream) = TcpStream::connect(address) {
                    stream.set_nodelay(true).unwrap();
                    return BufReader::new(stream);
                }
                pause(5);
            }
            panic!("the server is not back");
        })
    }

    /// Sends a request and waits for its answer, sometimes only briefly.
    fn send(&mut self, line: &str, headers: &str, body: &str) -> Result<Answer> {
        let timeout = if self.numbers.chance(1) { Duration::from_millis(1) } else { PATIENCE };
        let transaction = self.transaction.as_ref().map(|id| format!("Mantisdb-Transaction: {id}\r\n"));
        let transaction = transaction.unwrap_or_default();
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\n{transaction}{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let stream = self.connect();
        stream.get_ref().set_read_timeout(Some(timeout)).unwrap();
        let answer = stream.get_mut().write_all(request.as_bytes()).and_then(|()| read_answer(stream));
        answer.map_err(|_| {
            self.stream = None;
            Failure::Unknown
        })
    }

    /// Like `send`; refused requests have had no effect.
    fn ask(&mut self, line: &str, headers: &str, body: &str) -> Result<Answer> {
        let answer = self.send(line, headers, body)?;
        if answer.status < 300 || answer.status == 404 {
            return Ok(answer);
        }
        let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
        Err(match (answer.status, &*code) {
            (412, _) | (409, "check-failed") => Failure::Refused,
            (409, "conflict") => Failure::Conflict,
            // It ended with its server, or the previous request was abandoned and is still being answered.
            (409, "transaction-not-open" | "transaction-busy") => Failure::Failed,
            _ => panic!("{line}: {} {}", answer.status, answer.body),
        })
    }

    fn read_batch(&mut self, operations: &[Value]) -> Result<Value> {
        let body = json!({ "operations": operations, "atomic": true }).to_string();
        Ok(self.ask("POST /api/v1/kv", "Content-Type: application/json\r\n", &body)?.json())
    }
}

fn read_answer(stream: &mut impl BufRead) -> std::io::Result<Answer> {
    let mut line = String::new();
    let mut next = |line: &mut String| {
        line.clear();
        match stream.read_line(line) {
            Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => read,
        }
    };
    next(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    let (mut length, mut version) = (0, None);
    loop {
        next(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match &*name.to_ascii_lowercase() {
            "content-length" => length = value.parse().unwrap(),
            "etag" => version = value.trim_matches(['"', 'v']).parse().ok(),
            "transfer-encoding" => panic!("the client reads no {value} bodies"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Answer { status, version, body: String::from_utf8(body).unwrap() })
}

impl Connection for Http<'_> {
    fn begin(&mut self, isolation: Isolation) -> Result<()> {
        let query = if isolation == Isolation::Snapshot { "?isolation=snapshot" } else { "" };
        let answer = self.ask(&format!("POST /api/v1/transactions{query}"), "", "")?;
        self.transaction = answer.json()["id"].as_str().map(str::to_owned);
        Ok(())
    }

    fn commit(&mut self) -> Result<Option<u64>> {
        let id = self.transaction.take().unwrap();
        let answer = self.ask(&format!("POST /api/v1/transactions/{id}/commit"), "", "")?;
        // Begun before the server was killed.
        if answer.status == 404 { Err(Failure::Failed) } else { Ok(version(&answer.json()["version"])) }
    }

    fn rollback(&mut self) {
        let id = self.transaction.take().unwrap();
        // Half of them are left for the server to roll back.
        if self.numbers.chance(50) {
            let _ = self.send(&format!("DELETE /api/v1/transactions/{id}"), "", "");
        }
    }

    fn get(&mut self, key: &str) -> Result<Option<Found>> {
        let answer = self.ask(&format!("GET /api/v1/kv/{key}"), "", "")?;
        Ok((answer.status != 404).then_some(Found { value: answer.body, version: answer.version }))
    }

    fn get_many(&mut self, keys: &[String]) -> Result<Vec<Option<Found>>> {
        let gets: Vec<_> = keys.iter().map(|key| json!({ "op": "get", "key": key })).collect();
        let answer = self.read_batch(&gets)?;
        let found = |result: &Value| {
            Some(Found { value: result["value"].as_str()?.to_owned(), version: version(&result["version"]) })
        };
        Ok(answer["results"].as_array().unwrap().iter().map(found).collect())
    }

    fn scan(&mut self, prefix: &str, limit: usize) -> Result<(Vec<(String, Found)>, bool)> {
        let answer = self.ask(&format!("GET /api/v1/kv?prefix={prefix}&limit={limit}&values=true"), "", "")?.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entries = answer["entries"].as_array().unwrap().iter();
        let found = |entry: &Value| Found { value: text(&entry["value"]), version: version(&entry["version"]) };
        Ok((entries.map(|entry| (text(&entry["key"]), found(entry))).collect(), answer["cursor"].is_null()))
    }

    fn put(&mut self, put: &Put) -> Result<Option<u64>> {
        let condition = match put.expect {
            Expect::Anything => String::new(),
            Expect::Absent => "If-None-Match: *\r\n".into(),
            Expect::Present => "If-Match: *\r\n".into(),
            Expect::Version(version) => format!("If-Match: \"v{version}\"\r\n"),
        };
        let headers = format!("Content-Type: text/plain\r\n{condition}");
        Ok(self.ask(&format!("PUT /api/v1/kv/{}", put.key), &headers, &put.value)?.version)
    }

    fn batch(&mut self, puts: &[Put]) -> Result<Option<u64>> {
        let set = |put: &Put| {
            let mut set = json!({ "op": "set", "key": put.key, "value": put.value });
            match put.expect {
                Expect::Anything => {}
                Expect::Absent => set["absent"] = true.into(),
                Expect::Present => set["absent"] = false.into(),
                Expect::Version(version) => set["if_version"] = version.to_string().into(),
            }
            set
        };
        let sets: Vec<_> = puts.iter().map(set).collect();
        Ok(version(&self.read_batch(&sets)?["version"]))
    }

    fn delete(&mut self, key: &str) -> Result<bool> {
        Ok(self.ask(&format!("DELETE /api/v1/kv/{key}"), "", "")?.status != 404)
    }

    fn add(&mut self, key: &str, by: i64) -> Result<(i64, Option<u64>)> {
        let body = json!({ "by": by }).to_string();
        let line = format!("POST /api/v1/kv/{key}/increment");
        let answer = self.ask(&line, "Content-Type: application/json\r\n", &body)?;
        Ok((answer.json().as_i64().unwrap(), answer.version))
    }

    fn pause(&mut self, numbers: &mut Numbers) {
        if numbers.chance(2) {
            pause(numbers.below(3) as u64);
        }
    }
}

fn start(data: &Path, durability: &str) -> Server {
    Server::start(&["--data", data.to_str().unwrap(), "--durability", durability, "--checkpoint-bytes", "20000"])
}

/// A server, and its data directory.
struct Kept<'a> {
    server: Server,
    data: &'a Path,
    durability: &'a str,
}

/// Runs clients with keys of their own; meanwhile the server is killed and restarted this many times. Returns how many of the kills hit
/// clients at work.
fn history(kept: &mut Kept<'_>, seed: u64, kills: usize) -> (Notes, usize) {
    let server = &mut kept.server;
    let mut numbers = Numbers::new(seed);
    let plan = Plan { prefix: format!("h{seed}/"), lists: 3 + numbers.below(8), registers: 4, steps: 30 + 60 * kills };
    let clients = 4 + numbers.below(5) as u64;
    let address = Mutex::new(server.address);
    let shared = Shared::default();
    let (mut notes, mut met) = (Notes::default(), 0);
    thread::scope(|scope| {
        let (address, plan, shared) = (&address, &plan, &shared);
        let run = |client| move || Client::new(Http::new(address, client), plan, shared, client).run();
        let running: Vec<_> = (0..clients).map(|client| scope.spawn(run(seed * 100 + client))).collect();
        for _ in 0..kills {
            pause(5 + numbers.below(60) as u64);
            met += usize::from(running.iter().any(|client| !client.is_finished()));
            server.child.kill().unwrap();
            server.child.wait().unwrap();
            *server = start(kept.data, kept.durability);
            *address.lock().unwrap() = server.address;
        }
        for client in running {
            notes.join(client.join().unwrap());
        }
    });
    notes.join(Client::new(Http::new(&address, seed), &plan, &shared, seed).look_at_all());
    (notes, met)
}

/// More by `MANTIS_TORTURE=20`.
#[test]
fn histories_through_http_have_no_anomaly() {
    let times: u64 = std::env::var("MANTIS_TORTURE").map_or(1, |times| times.parse().unwrap());
    let (mut total, mut kills) = (Total::default(), 0);
    // Under both, a kill takes no acknowledged write.
    for (place, durability) in ["always", "interval:20"].into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let mut kept = Kept { server: start(data, durability), data, durability };
        for seed in (0..60 * times).map(|seed| 1_000_000 * place as u64 + seed) {
            let (notes, met) = history(&mut kept, seed, if seed % 3 == 0 { 2 } else { 0 });
            kills += met;
            total.take(&notes).unwrap_or_else(|said| panic!("{durability}, seed {seed}: {said}"));
        }
    }
    println!("isolation: {total}, through HTTP with {kills} kills");
    // The promises of docs/concepts/isolation.md. Fast clients may finish before a kill.
    assert!(total.histories() >= 100 && total.operations() >= 80_000 && kills > 20, "too few: {total}, {kills} kills");
}
