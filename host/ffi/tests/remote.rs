//! Servers that are not there, are something else, answer too much, too late or not at all: what a program is told, and what is sent again.
//! The servers are scripts: connection by connection, request by request. `tests/c` runs against a real one.

#![allow(unsafe_code, reason = "the functions are called as C calls them")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "a test")]
#![cfg(feature = "remote")]

use std::ffi::c_char;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ptr::{null, null_mut};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use mantisdb_c::status::*;
use mantisdb_c::types::flags::MANTIS_POOL_READ_ONLY;
use mantisdb_c::types::*;
use mantisdb_c::*;

/// What the server does with a request.
enum Step {
    Answer(String),
    /// Closes the connection without an answer.
    Close,
    /// Answers nothing, and waits until the client closes.
    Silence,
    /// Tells that the request came, and then the same.
    Tell(mpsc::Sender<()>),
}

/// A server that follows a script and then goes. Joining it gives the lines of the requests that came.
struct Script {
    url: String,
    thread: JoinHandle<Vec<String>>,
}

fn script(connections: Vec<Vec<Step>>) -> Script {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let mut lines = Vec::new();
        for steps in connections {
            let (mut stream, _) = listener.accept().unwrap();
            for step in steps {
                let Some(line) = read_request(&mut stream) else { break };
                lines.push(line);
                match step {
                    // A client that has seen enough closes.
                    Step::Answer(text) => drop(stream.write_all(text.as_bytes())),
                    Step::Close => break,
                    Step::Silence => drop(stream.read(&mut [0; 1])),
                    Step::Tell(told) => {
                        told.send(()).unwrap();
                        drop(stream.read(&mut [0; 1]));
                    }
                }
            }
        }
        lines
    });
    Script { url, thread }
}

/// Reads a request with its body, and returns its first line; none if the client has closed.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let (mut text, mut byte) = (Vec::new(), [0; 1]);
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    let text = String::from_utf8(text).unwrap().to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(text.lines().next()?.trim_end_matches(" http/1.1").to_owned())
}

/// An answer as a MantisDB server gives it.
fn answer(head: &str, body: &str) -> Step {
    let length = body.len();
    let media = if head.contains("content-type") { "" } else { "content-type: application/json\r\n" };
    Step::Answer(format!("HTTP/1.1 {head}\r\nx-request-id: 1\r\n{media}content-length: {length}\r\n\r\n{body}"))
}

const FOUND: &str = r#"{"results":[{"key":"k","success":true,"value":"v","version":"7","error":null,"media_type":"a/b","modified_at":"2026-01-01T00:00:00.000Z","expires_at":null}]}"#;

fn found() -> Step {
    answer("200 OK", FOUND)
}

fn stored() -> Step {
    answer("201 Created\r\nmantisdb-version: 9\r\nmantisdb-durable: true", "")
}

/// A pool of one connection, and that.
struct Client {
    pool: mantis_pool,
    conn: mantis_conn,
}

/// A result with the code of its error.
type Told = (Status, String);

fn told(call: impl FnOnce(*mut mantis_error) -> Status) -> Told {
    // SAFETY: every bit pattern is one.
    let mut error: mantis_error = unsafe { std::mem::zeroed() };
    error.size = u32::try_from(size_of::<mantis_error>()).unwrap();
    let status = call(&raw mut error);
    let code = error.code.iter().take_while(|&&byte| byte != 0).map(|byte| char::from(byte.to_ne_bytes()[0]));
    (status, if status < 0 { code.collect() } else { String::new() })
}

fn fails(status: Status, code: &str) -> Told {
    (status, code.to_owned())
}

fn open(url: &str, config: &mantis_pool_config) -> Result<mantis_pool, Told> {
    let mut pool = mantis_pool::default();
    let config = mantis_pool_config { size: u32::try_from(size_of::<mantis_pool_config>()).unwrap(), ..*config };
    // SAFETY: all pointers are to values that stay for the call.
    let told = told(|error| unsafe {
        mantis_pool_new(url.as_ptr().cast(), url.len(), &raw const config, &raw mut pool, error)
    });
    if told.0 == MANTIS_OK { Ok(pool) } else { Err(told) }
}

impl Client {
    fn of(url: &str) -> Self {
        Self::with(url, &mantis_pool_config::default())
    }

    fn with(url: &str, config: &mantis_pool_config) -> Self {
        let config = mantis_pool_config { max_connections: 1, min_connections: 0, ..*config };
        let pool = open(url, &config).unwrap();
        let mut conn = mantis_conn::default();
        // SAFETY: all pointers are to values that stay for the call.
        let status = unsafe { mantis_pool_acquire(pool, -1, mantis_token::default(), &raw mut conn, null_mut()) };
        assert_eq!(status, MANTIS_OK);
        Self { pool, conn }
    }

    fn get(&self) -> Told {
        // SAFETY: all pointers are to values that stay for the call.
        told(|error| unsafe {
            mantis_conn_get(self.conn, null(), 0, b"k".as_ptr().cast(), 1, null_mut(), 0, null_mut(), error)
        })
    }

    fn put(&self, key: &[u8]) -> Told {
        // SAFETY: all pointers are to values that stay for the call.
        told(|error| unsafe {
            let (key, key_len, value) = (key.as_ptr().cast(), key.len(), b"v".as_ptr().cast());
            mantis_conn_put(self.conn, null(), 0, key, key_len, value, 1, null(), null_mut(), error)
        })
    }

    fn increment(&self) -> Told {
        // SAFETY: all pointers are to values that stay for the call.
        told(|error| unsafe {
            mantis_conn_increment(self.conn, null(), 0, b"k".as_ptr().cast(), 1, 1, 0, null_mut(), error)
        })
    }

    fn begin(&self) -> Told {
        // SAFETY: the error stays for the call.
        told(|error| unsafe { mantis_conn_begin(self.conn, 0, error) })
    }

    fn commit(&self) -> Told {
        // SAFETY: the error stays for the call.
        told(|error| unsafe { mantis_conn_commit(self.conn, 0, null_mut(), error) })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: there are no pointers. One that was released is told as stale.
        unsafe {
            mantis_conn_release(self.conn, null_mut());
            assert_eq!(mantis_pool_destroy(self.pool, null_mut()), MANTIS_OK);
        }
    }
}

fn nothing() -> Told {
    (MANTIS_OK, String::new())
}

/// Runs work with a server that follows a script, and returns the requests that came.
fn with_script(connections: Vec<Vec<Step>>, work: impl FnOnce(&Client)) -> Vec<String> {
    let server = script(connections);
    let client = Client::of(&server.url);
    work(&client);
    drop(client);
    server.thread.join().unwrap()
}

#[test]
fn a_server_that_is_not_there_is_told_by_every_call() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::of(&format!("http://{address}"));
    assert_eq!(client.get(), fails(MANTIS_E_IO, "unreachable"));
    assert_eq!(client.put(b"k"), fails(MANTIS_E_IO, "unreachable"), "nothing was sent");
    assert_eq!(client.begin(), fails(MANTIS_E_IO, "unreachable"));
    let mut version = 0;
    // SAFETY: all pointers are to values that stay for the call.
    let waited = told(|error| unsafe {
        mantis_pool_wait_version(client.pool, 0, -1, mantis_token::default(), &raw mut version, error)
    });
    assert_eq!(waited, fails(MANTIS_E_IO, "unreachable"));
    // The pool's own figures are there all the same.
    let mut stats = mantis_stats { size: u32::try_from(size_of::<mantis_stats>()).unwrap(), ..mantis_stats::default() };
    // SAFETY: all pointers are to values that stay for the call.
    let asked = told(|error| unsafe { mantis_pool_stats(client.pool, &raw mut stats, error) });
    assert_eq!((asked, stats.active, stats.total), (fails(MANTIS_E_IO, "unreachable"), 1, 1));
}

#[test]
fn what_is_no_mantisdb_server_is_named_so() {
    use std::fmt::Write as _;

    let page = "<html>It works!</html>";
    let plain = |head: &str| Step::Answer(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{page}", page.len()));
    let mut headers = String::new();
    for number in 0..20_000 {
        write!(headers, "x-{number}: a long value that fills the head\r\n").unwrap();
    }
    let others = [
        Step::Answer("SSH-2.0-OpenSSH_9.2\r\n".to_owned()),
        plain("200 OK"),
        plain("404 Not Found"),
        plain("302 Found\r\nlocation: /elsewhere"),
        Step::Answer(format!("HTTP/1.1 200 OK\r\n{headers}\r\n")),
        // Its end is only that of the connection.
        Step::Answer("HTTP/1.0 200 OK\r\nx-request-id: 1\r\n\r\n{}".to_owned()),
    ];
    for other in others {
        with_script(vec![vec![other]], |client| assert_eq!(client.get(), fails(MANTIS_E_IO, "not-mantisdb")));
    }
    // Of a write it is not known whether somebody behind it did it.
    for other in [plain("502 Bad Gateway"), plain("200 OK"), Step::Answer("SSH-2.0-OpenSSH_9.2\r\n".to_owned())] {
        with_script(vec![vec![other]], |client| {
            assert_eq!(client.put(b"k"), fails(MANTIS_E_OUTCOME_UNKNOWN, "outcome-unknown"));
        });
    }
    with_script(vec![vec![plain("404 Not Found")]], |client| {
        assert_eq!(client.put(b"k"), fails(MANTIS_E_IO, "not-mantisdb"));
    });
}

#[test]
fn a_server_of_another_release_is_named_so() {
    let problem = r#"{"code":"route-not-found","title":"There is nothing here.","status":404}"#;
    with_script(vec![vec![answer("404 Not Found", problem)]], |client| {
        assert_eq!(client.get(), fails(MANTIS_E_IO, "server-incompatible"));
    });
    for body in ["{\"results\":[]}", "{\"results\":3}", "{}", "nonsense"] {
        with_script(vec![vec![answer("200 OK", body)]], |client| {
            assert_eq!(client.get(), fails(MANTIS_E_IO, "answer-malformed"), "{body}");
        });
    }
    // What it says more is passed over.
    let more = FOUND.replace("\"success\"", "\"colour\":[1,{}],\"success\"");
    with_script(vec![vec![answer("200 OK", &more)]], |client| assert_eq!(client.get(), nothing()));
}

#[test]
fn codes_of_the_server_are_passed_on() {
    let problem = |code: &str| format!("{{\"code\":\"{code}\",\"title\":\"t\",\"detail\":\"d\"}}");
    let cases = [
        ("422 Unprocessable Content", "key-empty", MANTIS_E_INVALID),
        ("409 Conflict", "conflict", MANTIS_E_CONFLICT),
        ("503 Service Unavailable", "read-only", MANTIS_E_READ_ONLY),
        ("503 Service Unavailable", "storage-failed", MANTIS_E_OUTCOME_UNKNOWN),
        ("503 Service Unavailable", "overloaded", MANTIS_E_LIMIT),
        ("503 Service Unavailable", "shutting-down", MANTIS_E_OTHER),
        ("503 Service Unavailable", "request-timeout", MANTIS_E_OUTCOME_UNKNOWN),
        ("418 I'm a teapot", "of-a-later-release", MANTIS_E_INVALID),
        ("507 Insufficient Storage", "disk-full", MANTIS_E_LIMIT),
    ];
    for (head, code, status) in cases {
        with_script(vec![vec![answer(head, &problem(code))]], |client| {
            assert_eq!(client.put(b"k"), fails(status, code));
        });
    }
}

#[test]
fn answers_are_bounded() {
    let config = mantis_pool_config { answer_bytes_max: 1_000, ..mantis_pool_config::default() };
    let huge = "x".repeat(100_000);
    let answers = [
        "HTTP/1.1 200 OK\r\nx-request-id: 1\r\ncontent-length: 99999999999999\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nx-request-id: 1\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{huge}", huge.len()),
    ];
    for text in answers {
        let server = script(vec![vec![Step::Answer(text)]]);
        let client = Client::with(&server.url, &config);
        assert_eq!(client.get(), fails(MANTIS_E_LIMIT, "answer-too-large"));
    }
}

#[test]
fn answers_that_do_not_come_in_time_are_given_up() {
    let config = mantis_pool_config { request_timeout_ms: 50, ..mantis_pool_config::default() };
    let half = || Step::Answer("HTTP/1.1 200 OK\r\nx-request-id: 1\r\ncontent-length: 1000\r\n\r\n{".to_owned());
    for (first, second) in [(Step::Silence, Step::Silence), (half(), half())] {
        let server = script(vec![vec![first, Step::Silence]]);
        let client = Client::with(&server.url, &config);
        assert_eq!(client.get(), fails(MANTIS_E_IO, "answer-late"));
        let server = script(vec![vec![second, Step::Silence]]);
        let client = Client::with(&server.url, &config);
        assert_eq!(client.put(b"k"), fails(MANTIS_E_OUTCOME_UNKNOWN, "outcome-unknown"));
    }
}

#[test]
fn a_safe_request_is_sent_again_over_a_new_connection_and_a_write_is_not() {
    // The server closes a kept connection when the next request comes.
    let seen = with_script(vec![vec![found(), Step::Close], vec![found()]], |client| {
        assert_eq!((client.get(), client.get()), (nothing(), nothing()));
    });
    assert_eq!(seen.len(), 3);
    let seen = with_script(vec![vec![stored(), Step::Close], vec![stored()]], |client| {
        assert_eq!(client.put(b"a/b"), nothing());
        assert_eq!(client.put(b"a/b"), fails(MANTIS_E_OUTCOME_UNKNOWN, "outcome-unknown"));
        assert_eq!(client.put(b"a/b"), nothing(), "the next call connects again");
    });
    assert_eq!(seen, ["put /api/v1/kv/a%2fb?raw=true"; 3]);
    // Over a new connection there is no second attempt.
    let seen = with_script(vec![vec![Step::Close]], |client| {
        assert_eq!(client.get(), fails(MANTIS_E_IO, "unreachable"));
    });
    assert_eq!(seen.len(), 1);
    // Nor for a part of an answer.
    let half = Step::Answer("HTTP/1.1 200 OK\r\nx-request-id: 1\r\ncontent-length: 1000\r\n\r\n{".to_owned());
    with_script(vec![vec![half]], |client| assert_eq!(client.get(), fails(MANTIS_E_IO, "unreachable")));
}

#[test]
fn a_request_that_waits_for_a_commit_is_closed_when_nobody_waits() {
    let page = answer("200 OK", r#"{"changes":[],"cursor":"00112233445566ff-7","more":false}"#);
    let figures =
        answer("200 OK", r#"{"store":{"version":7,"keys":1,"key_bytes":1,"value_bytes":1,"snapshots":0,"disk":null}}"#);
    let (third, came) = mpsc::channel();
    let server = script(vec![vec![page, figures, Step::Tell(third)]]);
    let client = Client::of(&server.url);
    let (pool, mut token) = (client.pool, mantis_token::default());
    // SAFETY: the token stays for the call.
    assert_eq!(unsafe { mantis_token_new(&raw mut token, null_mut()) }, MANTIS_OK);
    let waiter = thread::spawn(move || {
        // SAFETY: the error stays for the call.
        told(|error| unsafe { mantis_pool_wait_version(pool, 7, -1, token, null_mut(), error) })
    });
    came.recv().unwrap();
    // SAFETY: there are no pointers.
    assert_eq!(unsafe { mantis_token_cancel(token, null_mut()) }, MANTIS_OK);
    assert_eq!(waiter.join().unwrap(), fails(MANTIS_E_CANCELED, "canceled"));
    // The script ends when the last connection is closed, while the pool is open.
    let seen = server.thread.join().unwrap();
    assert_eq!(seen[..2], ["get /api/v1/changes?since=now", "get /stats"]);
    assert_eq!(seen[2], "get /api/v1/changes?since=00112233445566ff-7&wait=30");
}

fn begun() -> Step {
    answer("201 Created", r#"{"id":"00112233445566778899aabbccddeeff","expires_at":"2026-01-01T00:00:30.000Z"}"#)
}

#[test]
fn a_commit_whose_answer_is_lost_may_have_happened() {
    let committed = answer("200 OK\r\nmantisdb-version: 9\r\nmantisdb-durable: true", "{}");
    let seen = with_script(vec![vec![begun(), Step::Close], vec![begun(), committed]], |client| {
        assert_eq!(client.begin(), nothing());
        assert_eq!(client.commit(), fails(MANTIS_E_OUTCOME_UNKNOWN, "outcome-unknown"));
        assert_eq!(client.commit(), fails(MANTIS_E_INVALID, "transaction-not-open"));
        assert_eq!((client.begin(), client.commit()), (nothing(), nothing()));
    });
    let commit = "post /api/v1/transactions/00112233445566778899aabbccddeeff/commit";
    assert_eq!(seen, ["post /api/v1/transactions", commit, "post /api/v1/transactions", commit]);
}

#[test]
fn a_write_in_a_transaction_is_not_sent_twice_and_not_written_before_the_commit() {
    let rolled_back = answer("204 No Content", "");
    let seen = with_script(vec![vec![begun(), Step::Close], vec![rolled_back]], |client| {
        assert_eq!(client.begin(), nothing());
        assert_eq!(client.increment(), fails(MANTIS_E_IO, "unreachable"));
        // The release rolls back.
        // SAFETY: there are no pointers.
        assert_eq!(unsafe { mantis_conn_release(client.conn, null_mut()) }, MANTIS_OK);
    });
    assert_eq!(seen[2], "delete /api/v1/transactions/00112233445566778899aabbccddeeff");
}

#[test]
fn a_transaction_in_which_the_answer_to_a_write_is_lost_can_only_be_rolled_back() {
    let config = mantis_pool_config { request_timeout_ms: 200, ..mantis_pool_config::default() };
    let half = Step::Answer("HTTP/1.1 200 OK\r\nx-request-id: 1\r\ncontent-length: 1000\r\n\r\n{".to_owned());
    let lost = [
        (Step::Close, "unreachable"),
        (Step::Silence, "answer-late"),
        (half, "answer-late"),
        (answer("200 OK", "nonsense"), "answer-malformed"),
        (answer("200 OK\r\ncontent-type: text/html", FOUND), "answer-malformed"),
        (Step::Answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned()), "not-mantisdb"),
    ];
    for (step, code) in lost {
        let stays = matches!(code, "answer-malformed" | "not-mantisdb");
        let rolled_back = || answer("204 No Content", "");
        let connections = if stays {
            vec![vec![begun(), step, rolled_back()]]
        } else {
            vec![vec![begun(), step, Step::Silence], vec![rolled_back()]]
        };
        let server = script(connections);
        let client = Client::with(&server.url, &config);
        assert_eq!(client.begin(), nothing());
        assert_eq!(client.increment(), fails(MANTIS_E_IO, code));
        assert_eq!(client.increment(), fails(MANTIS_E_INVALID, "transaction-not-open"), "{code}");
        assert_eq!(client.get(), fails(MANTIS_E_INVALID, "transaction-not-open"), "{code}");
        assert_eq!(client.commit(), fails(MANTIS_E_INVALID, "transaction-not-open"), "{code}");
        drop(client);
        let seen = server.thread.join().unwrap();
        assert_eq!(seen.last().unwrap(), "delete /api/v1/transactions/00112233445566778899aabbccddeeff", "{code}");
    }
    // A read that is lost, and a write that is refused, leave it as it was.
    let refused = answer("422 Unprocessable Content", r#"{"code":"value-not-integer","title":"t"}"#);
    let committed = answer("200 OK\r\nmantisdb-version: 9", "{}");
    let nonsense = answer("200 OK", "nonsense");
    with_script(vec![vec![begun(), nonsense, refused, committed, begun(), stored()]], |client| {
        assert_eq!((client.begin(), client.get()), (nothing(), fails(MANTIS_E_IO, "answer-malformed")));
        assert_eq!(client.increment().1, "value-not-integer");
        assert_eq!((client.commit(), client.begin()), (nothing(), nothing()));
        assert_eq!(client.put(b"k"), nothing());
    });
}

#[test]
fn a_write_whose_answer_cannot_be_read_may_have_happened() {
    let counted = r#"{"results":[{"value":"7"}]}"#;
    let answers = [
        answer("200 OK", "<html>"),
        answer("200 OK", ""),
        answer("200 OK", r#"{"results":[{}]}"#),
        answer("200 OK", r#"{"results":[{"value":"7"},{}]}"#),
        answer("200 OK\r\ncontent-encoding: gzip", counted),
        answer("200 OK\r\ncontent-type: text/html", counted),
        answer("204 No Content", ""),
    ];
    for step in answers {
        with_script(vec![vec![step]], |client| {
            assert_eq!(client.increment(), fails(MANTIS_E_OUTCOME_UNKNOWN, "outcome-unknown"));
        });
    }
    let plain = "200 OK\r\ncontent-encoding: identity\r\ncontent-type: Application/JSON; charset=utf-8";
    with_script(vec![vec![answer(plain, counted)]], |client| assert_eq!(client.increment(), nothing()));
    let named = "200 OK\r\ncontent-type: application/vnd.pgrst.object+json";
    with_script(vec![vec![answer(named, counted)]], |client| assert_eq!(client.increment(), nothing()));
}

#[test]
fn an_answer_of_another_form_than_asked_for_is_refused() {
    let heads = ["200 OK\r\ncontent-type: text/html", "200 OK\r\ncontent-encoding: gzip", "204 No Content"];
    for head in heads {
        let body = if head.starts_with("204") { "" } else { FOUND };
        with_script(vec![vec![answer(head, body)]], |client| {
            assert_eq!(client.get(), fails(MANTIS_E_IO, "answer-malformed"), "{head}");
        });
    }
}

#[test]
fn a_backup_that_is_not_whole_is_removed() {
    let path = std::env::temp_dir().join(format!("mantisdb-remote-backup-{}", std::process::id()));
    let name = path.to_str().unwrap();
    let heads = ["200 OK\r\ncontent-type: application/vnd.mantisdb.backup", "200 OK\r\ncontent-type: text/html"];
    for (head, body) in heads.into_iter().flat_map(|head| [(head, "nonsense"), (head, "")]) {
        with_script(vec![vec![answer(head, body)]], |client| {
            // SAFETY: all pointers are to values that stay for the call.
            let told = told(|error| unsafe {
                mantis_pool_backup(client.pool, name.as_ptr().cast(), name.len(), null_mut(), error)
            });
            assert_eq!(told, fails(MANTIS_E_IO, "answer-malformed"), "{head}");
            assert!(!path.exists());
        });
    }
}

#[test]
fn a_list_stops_at_what_was_asked_for() {
    // Read whole, these entries take a hundred times the bytes of their text.
    let many = vec!["{}"; 500_000].join(",");
    let results = format!("{{\"results\":[{many}]}}");
    with_script(vec![vec![answer("200 OK", &results)]], |client| {
        // SAFETY: every bit pattern is one.
        let mut error: mantis_error = unsafe { std::mem::zeroed() };
        error.size = u32::try_from(size_of::<mantis_error>()).unwrap();
        // SAFETY: all pointers are to values that stay for the call.
        let status = unsafe {
            mantis_conn_get(client.conn, null(), 0, b"k".as_ptr().cast(), 1, null_mut(), 0, null_mut(), &raw mut error)
        };
        let message: Vec<u8> =
            error.message.iter().take_while(|&&byte| byte != 0).map(|byte| byte.to_ne_bytes()[0]).collect();
        let message = String::from_utf8(message).unwrap();
        assert_eq!(status, MANTIS_E_IO);
        assert!(message.contains("a list has more than 1 items"), "{message}");
    });
    let refused = format!("{{\"code\":\"check-failed\",\"title\":\"t\",\"operations\":[{many}]}}");
    with_script(vec![vec![answer("409 Conflict", &refused)]], |client| {
        assert_eq!(client.increment(), fails(MANTIS_E_IO, "answer-malformed"));
    });
}

#[test]
fn a_conflict_names_the_transaction_that_lost_to_the_next_one() {
    let token = "ffeeddccbbaa99887766554433221100";
    let conflict =
        answer("409 Conflict", &format!("{{\"code\":\"conflict\",\"title\":\"t\",\"retry_token\":\"{token}\"}}"));
    let seen = with_script(vec![vec![begun(), conflict, begun(), Step::Close]], |client| {
        assert_eq!(client.begin(), nothing());
        assert_eq!(client.commit(), fails(MANTIS_E_CONFLICT, "conflict"));
        // SAFETY: there are no pointers.
        assert_eq!(unsafe { mantis_conn_begin(client.conn, 2, null_mut()) }, MANTIS_OK);
        assert_eq!(client.commit().0, MANTIS_E_OUTCOME_UNKNOWN);
    });
    assert_eq!(seen[2], format!("post /api/v1/transactions?retry={token}"));
}

#[test]
fn what_servers_do_not_have_is_refused_by_one_code() {
    let server = script(Vec::new());
    let client = Client::of(&server.url);
    let unsupported = || fails(MANTIS_E_OTHER, "unsupported-remote");
    let mut savepoint = 0;
    let grants: *const c_char = c"scores:read".as_ptr();
    // SAFETY: all pointers are to values that stay for the call.
    unsafe {
        assert_eq!(told(|error| mantis_conn_savepoint(client.conn, &raw mut savepoint, error)), unsupported());
        assert_eq!(told(|error| mantis_conn_rollback_to(client.conn, 1, error)), unsupported());
        assert_eq!(told(|error| mantis_conn_release_savepoint(client.conn, 1, error)), unsupported());
        assert_eq!(told(|error| mantis_conn_set_grants(client.conn, grants, 11, error)), unsupported());
    }
    let defaults = mantis_pool_config::default();
    let read_only = mantis_pool_config { flags: MANTIS_POOL_READ_ONLY, ..defaults };
    assert_eq!(open(&server.url, &read_only).unwrap_err(), unsupported());
    assert_eq!(open("https://127.0.0.1:1", &defaults).unwrap_err(), fails(MANTIS_E_OPEN, "tls-unsupported"));
    assert_eq!(open("http://me@127.0.0.1:1", &defaults).unwrap_err(), fails(MANTIS_E_OPEN, "url-invalid"));
    let no_time = mantis_pool_config { request_timeout_ms: 0, ..defaults };
    assert_eq!(open(&server.url, &no_time).unwrap_err(), fails(MANTIS_E_MISUSE, "misuse"));
}
