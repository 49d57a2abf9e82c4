//! HTTP: a server in this process on a port of its own, and a client that speaks to it over a connection.

pub(super) mod across;
pub(super) mod answers;
mod tables;

use std::collections::HashMap;
use std::net::Ipv4Addr;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use mantis_db::SessionManager;
use mantis_http::{App, AppConfig};
use mantis_plugin::{HostConfig, PluginHost};
use mantis_pool::Pool;
use mantisdb::{ConnectionLimits, serve};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::answers::{
    applied, bytes_of, commit, deleted_if, deleted_keys, entry, failed, found, json_of, list, number, read,
    tagged_commit, version, written,
};
use crate::absent;
use crate::answer::{Answer, Change, Commit, Listed};
use crate::data::Data;
use crate::scenario::{BatchOperation, Changes, Condition, CursorFrom, Operation, Scan, Scenario, Set, Span, Step};
use crate::surface::{Place, Stage, Surface};
use crate::surfaces::db::{Player, prepare};

/// Characters that a path contains unescaped, dots and slashes among them, so that nothing takes them for more than bytes.
const IN_PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
const IN_QUERY: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const TRANSACTION: HeaderName = HeaderName::from_static("mantisdb-transaction");
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

pub(crate) struct Http;

impl Surface for Http {
    const NAME: &'static str = "http";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        let stage = Stage::new(scenario, place);
        prepare(&stage, scenario).await;
        let server = Server::start(&stage).await;
        let mut client = Client::connect(&server, stage).await;
        let mut answers = Vec::new();
        for step in &scenario.steps {
            answers.push(client.play(step).await);
        }
        drop(client);
        server.stop().await;
        answers
    }
}

/// A server that listens.
pub(crate) struct Server {
    port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(stage: &Stage) -> Self {
        let sessions = mantis_pool::Config { min_idle: 0, max: 16, ..mantis_pool::Config::default() };
        let sessions = Pool::new(SessionManager::new(stage.database.clone()), sessions).unwrap();
        let plugins = HostConfig { instances_max: 1, guest_threads: 1, ..HostConfig::default() };
        let plugins = PluginHost::new(stage.database.clone(), sessions.clone(), plugins).unwrap();
        let app = App::new(stage.database.clone(), sessions, plugins, AppConfig::default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let _ = serve(listener, app, ConnectionLimits::default(), async { drop(stopped.await) }).await;
        });
        Self { port, stop, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

/// One connection, and the state of an HTTP client.
struct Client {
    connection: SendRequest<Full<Bytes>>,
    host: String,
    /// The ids of transactions by their names in the scenario, including ended ones.
    transactions: HashMap<String, String>,
    cursors: HashMap<String, String>,
    /// Does what HTTP lacks.
    beside: Player,
    stage: Stage,
}

type Answered = Response<Bytes>;

impl Client {
    async fn connect(server: &Server, stage: Stage) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).await.unwrap();
        let (connection, driver) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        let host = format!("127.0.0.1:{}", server.port);
        let (transactions, cursors) = (HashMap::new(), HashMap::new());
        Self { connection, host, transactions, cursors, beside: Player::new(stage.clone()), stage }
    }

    async fn play(&mut self, step: &Step) -> Answer {
        if let Some(what) = absent::lacking(Http::NAME, step) {
            assert!(step.transaction.is_none(), "{what} cannot be done beside a transaction");
            let answer = self.beside.play(step).await;
            // Cursors of the change feed are the same on all surfaces.
            let cursor = step.name.as_ref().and_then(|name| Some((name.clone(), self.beside.cursor(name)?)));
            self.cursors.extend(cursor.map(|(name, cursor)| (name, String::from_utf8(cursor).unwrap())));
            return answer;
        }
        match &step.operation {
            Operation::AdvanceClock { ms } => self.stage.advance_clock(*ms),
            Operation::CloseForWrites {} => self.stage.close_for_writes(),
            Operation::Begin {} => self.begin(step).await,
            Operation::Commit {} | Operation::CommitAgain {} => self.commit(step).await,
            Operation::Rollback {} => self.roll_back(step).await,
            Operation::Buckets {} => {
                let answer = self.send(step, Method::GET, "/api/v1/buckets", []).await;
                read(&answer, |body| {
                    Answer::Buckets(list(&body["buckets"], |bucket| {
                        (bucket["name"].as_str().unwrap().to_owned(), bucket["keys"].as_u64().unwrap())
                    }))
                })
            }
            Operation::DropBucket {} => {
                let path = format!("/api/v1/buckets/{}?drop=true", percent_encode(step.bucket.as_bytes(), &IN_QUERY));
                let answer = self.send(step, Method::DELETE, &path, []).await;
                deleted_keys(&answer)
            }
            Operation::Changes(asked) => self.changes(step, asked).await,
            Operation::Batch(batch) => self.on_batch(step, batch).await,
            Operation::RowChanges(asked) => self.row_changes(step, asked).await,
            operation if operation.defines_tables() => self.on_definition(step, operation).await,
            operation if operation.is_of_rows() => self.on_rows(step, operation).await,
            operation => self.on_bucket(step, operation).await,
        }
    }

    async fn on_bucket(&mut self, step: &Step, operation: &Operation) -> Answer {
        match operation {
            Operation::Get { key } => {
                let path = format!("{}?encoding=base64", path(step, key));
                let answer = self.send(step, Method::GET, &path, []).await;
                found(&answer, Answer::Value, |answer| {
                    BASE64_STANDARD.decode(json_of(answer)["value"].as_str().unwrap()).unwrap()
                })
            }
            Operation::GetEntry { key } => {
                let answer = self.send(step, Method::GET, &path(step, key), []).await;
                found(&answer, Answer::Entry, entry)
            }
            Operation::GetMany { keys } => {
                let operations: Vec<_> = keys.0.iter().map(|key| json!({ "op": "get", "key": bytes(key) })).collect();
                self.batch(step, operations, true, |body, _| {
                    Answer::Values(list(&body["results"], |result| {
                        Some(&result["value"]).filter(|value| !value.is_null()).map(bytes_of)
                    }))
                })
                .await
            }
            Operation::Set { key, value } => {
                let answer = self.send_body(step, Method::PUT, &path(step, key), Vec::new(), value.0.clone()).await;
                written(&answer)
            }
            Operation::SetWith(set) => self.set_with(step, set).await,
            Operation::Delete { key } => {
                let answer = self.send(step, Method::DELETE, &path(step, key), []).await;
                found(
                    &answer,
                    |deleted| Answer::Deleted { existed: deleted.is_some(), commit: commit(&answer) },
                    |_| (),
                )
            }
            Operation::DeleteIf { key, r#if } => {
                let answer = self.send(step, Method::DELETE, &path(step, key), condition(*r#if)).await;
                deleted_if(&answer, *r#if)
            }
            Operation::Increment { key, by } => {
                let path = format!("{}/increment", path(step, key));
                let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(JSON))];
                let answer =
                    self.send_body(step, Method::POST, &path, headers, json!({ "by": by }).to_string().into()).await;
                read(&answer, |number| Answer::Number {
                    number: number.as_i64().unwrap(),
                    commit: tagged_commit(&answer),
                })
            }
            Operation::Scan(scan) => self.scan(step, scan, true).await,
            Operation::ScanKeys(scan) => self.scan(step, scan, false).await,
            Operation::Count { span } => self.count(step, span).await,
            Operation::DeleteSpan { span: Span::Between { start, end } } => {
                let operation =
                    json!({ "op": "delete-span", "start": start.as_ref().map(bytes), "end": end.as_ref().map(bytes) });
                self.batch(step, vec![without_null(operation)], false, |body, commit| Answer::DeletedKeys {
                    count: body["results"][0]["deleted"].as_u64().unwrap(),
                    commit,
                })
                .await
            }
            Operation::DeleteSpan { span } => {
                let selection = match span {
                    Span::All => "all=true".to_owned(),
                    span => query_of(span).join("&"),
                };
                let answer = self.send(step, Method::DELETE, &format!("{}?{selection}", collection(step)), []).await;
                deleted_keys(&answer)
            }
            Operation::Apply { ops } => {
                let operations: Vec<_> = ops.0.iter().map(batch_operation).collect();
                self.batch(step, operations, true, |body, commit| applied(&ops.0, body, commit)).await
            }
            other => panic!("HTTP has no {other:?}"),
        }
    }

    async fn begin(&mut self, step: &Step) -> Answer {
        let outside = Step { transaction: None, ..step.clone() };
        let answer = self.send(&outside, Method::POST, "/api/v1/transactions", []).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        let id = json_of(&answer)["id"].as_str().unwrap().to_owned();
        self.transactions.insert(step.transaction.clone().unwrap(), id);
        Answer::Begun
    }

    async fn commit(&mut self, step: &Step) -> Answer {
        let (outside, path) = self.transaction(step);
        let answer = self.send(&outside, Method::POST, &format!("{path}/commit"), []).await;
        read(&answer, |body| {
            let commit = commit(&answer);
            let shown = json!({ "version": commit.version.to_string(), "durable": commit.durable });
            assert_eq!(body, &shown, "the body and the headers are of one commit");
            Answer::Committed(commit)
        })
    }

    async fn roll_back(&mut self, step: &Step) -> Answer {
        let (outside, path) = self.transaction(step);
        let answer = self.send(&outside, Method::DELETE, &path, []).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        Answer::RolledBack
    }

    /// The path of a step's transaction, and the step without it: the end of a transaction is not done inside it.
    fn transaction(&self, step: &Step) -> (Step, String) {
        let id = &self.transactions[step.transaction.as_ref().unwrap()];
        (Step { transaction: None, ..step.clone() }, format!("/api/v1/transactions/{id}"))
    }

    async fn set_with(&mut self, step: &Step, set: &Set) -> Answer {
        let mut query = vec!["raw=true".to_owned()];
        query.extend(set.ttl_ms.map(|ttl_ms| format!("ttl_ms={ttl_ms}")));
        let mut headers = condition(set.r#if);
        let media_type =
            set.media_type.as_ref().map(|media_type| HeaderValue::from_bytes(media_type.as_bytes()).unwrap());
        headers.extend(media_type.map(|media_type| (CONTENT_TYPE, media_type)));
        let path = format!("{}?{}", path(step, &set.key), query.join("&"));
        written(&self.send_body(step, Method::PUT, &path, headers, set.value.0.clone()).await)
    }

    async fn scan(&mut self, step: &Step, scan: &Scan, values: bool) -> Answer {
        let mut query = query_of(&scan.span);
        query.push(format!("limit={}&values={values}&reverse={}", scan.limit, scan.reverse));
        if let Some(from) = &scan.cursor {
            query.push(format!("cursor={}", self.cursor(from)));
        }
        let answer = self.send(step, Method::GET, &format!("{}?{}", collection(step), query.join("&")), []).await;
        if answer.status() != StatusCode::OK {
            return failed(&answer);
        }
        let body = json_of(&answer);
        let more = self.keep(step, body["cursor"].as_str());
        if values {
            let listed = |entry: &Value| Listed {
                key: bytes_of(&entry["key"]),
                value: bytes_of(&entry["value"]),
                version: version(&entry["version"]),
            };
            Answer::Page { entries: list(&body["entries"], listed), more }
        } else {
            Answer::KeyPage { keys: list(&body["keys"], bytes_of), more }
        }
    }

    /// Counts the lines of a listing.
    async fn count(&mut self, step: &Step, span: &Span) -> Answer {
        let path = format!("{}?{}", collection(step), query_of(span).join("&"));
        let answer = self.send(step, Method::GET, &path, [(ACCEPT, HeaderValue::from_static(NDJSON))]).await;
        if answer.status() != StatusCode::OK {
            return failed(&answer);
        }
        let lines = answer.body().split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let lines: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        match lines.last().and_then(|line| line["error"]["code"].as_str()) {
            Some(code) => Answer::Error(code.to_owned()),
            None => Answer::Count(lines.len() as u64),
        }
    }

    async fn changes(&mut self, step: &Step, asked: &Changes) -> Answer {
        let mut query = vec!["wait=0&values=true".to_owned()];
        let since = asked.since.as_ref().map_or_else(|| "earliest".to_owned(), |from| self.cursor(from));
        query.push(format!("since={since}"));
        query
            .extend(asked.of.as_ref().map(|bucket| format!("bucket={}", percent_encode(bucket.as_bytes(), &IN_QUERY))));
        query.extend(asked.prefix.as_ref().map(|prefix| format!("prefix={}", percent_encode(&prefix.0, &IN_QUERY))));
        let answer = self.send(step, Method::GET, &format!("/api/v1/changes?{}", query.join("&")), []).await;
        if answer.status() != StatusCode::OK {
            return failed(&answer);
        }
        let body = json_of(&answer);
        let cursor = body["cursor"].as_str().unwrap();
        self.keep(step, Some(cursor));
        if let Some(name) = &step.name {
            self.beside.remember(name, cursor);
        }
        let change = |change: &Value| Change {
            kind: change["kind"].as_str().unwrap().to_owned(),
            bucket: change["bucket"].as_str().unwrap().to_owned(),
            key: bytes_of(&change["key"]),
            value: change.get("value").map(bytes_of),
            version: number(&change["version"]),
            previous_version: Some(&change["previous_version"]).filter(|version| !version.is_null()).map(number),
        };
        // A page of a hundred ends where the feed does: no scenario makes more changes.
        Answer::Changes { changes: list(&body["changes"], change), at_end: true }
    }

    async fn batch(
        &mut self,
        step: &Step,
        operations: Vec<Value>,
        atomic: bool,
        shown: impl FnOnce(&Value, Commit) -> Answer,
    ) -> Answer {
        let body = json!({ "operations": operations, "atomic": atomic }).to_string();
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static(JSON))];
        let path = format!("{}?encoding=base64&details=true", collection(step));
        let answer = self.send_body(step, Method::POST, &path, headers, body.into()).await;
        let body = json_of(&answer);
        match body["code"].as_str() {
            Some("check-failed") => Answer::BatchRefused(list(&body["operations"], |operation| {
                let current = Some(&operation["version"]).filter(|version| !version.is_null()).map(number);
                (usize::try_from(operation["index"].as_u64().unwrap()).unwrap(), current)
            })),
            Some(_) => failed(&answer),
            None => shown(&body, commit(&answer)),
        }
    }

    fn cursor(&self, from: &CursorFrom) -> String {
        match from {
            CursorFrom::Step(name) => {
                self.cursors.get(name).unwrap_or_else(|| panic!("no cursor of step {name}")).clone()
            }
            CursorFrom::MadeUp(bytes) => percent_encode(&bytes.0, &IN_QUERY).to_string(),
        }
    }

    fn keep(&mut self, step: &Step, cursor: Option<&str>) -> bool {
        self.cursors.extend(step.name.clone().zip(cursor.map(str::to_owned)));
        cursor.is_some()
    }

    async fn send(
        &mut self,
        step: &Step,
        method: Method,
        path: &str,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Answered {
        self.send_body(step, method, path, headers.into_iter().collect(), Vec::new()).await
    }

    async fn send_body(
        &mut self,
        step: &Step,
        method: Method,
        path: &str,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Vec<u8>,
    ) -> Answered {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        request.headers_mut().extend(headers);
        request.headers_mut().insert(HOST, HeaderValue::from_str(&self.host).unwrap());
        if let Some(name) = &step.transaction {
            request.headers_mut().insert(TRANSACTION, HeaderValue::from_str(&self.transactions[name]).unwrap());
        }
        self.connection.ready().await.unwrap();
        let (head, body) = self.connection.send_request(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }
}

fn collection(step: &Step) -> String {
    match step.bucket.as_str() {
        "default" => "/api/v1/kv".to_owned(),
        bucket => format!("/api/v1/buckets/{}/kv", percent_encode(bucket.as_bytes(), &IN_QUERY)),
    }
}

fn path(step: &Step, key: &Data) -> String {
    format!("{}/{}", collection(step), percent_encode(&key.0, &IN_PATH))
}

fn query_of(span: &Span) -> Vec<String> {
    let parameter = |name, bytes: &Data| format!("{name}={}", percent_encode(&bytes.0, &IN_QUERY));
    match span {
        Span::All => Vec::new(),
        Span::Prefix(prefix) => vec![parameter("prefix", prefix)],
        Span::Between { start, end } => {
            let start = start.as_ref().map(|start| parameter("start", start));
            start.into_iter().chain(end.as_ref().map(|end| parameter("end", end))).collect()
        }
    }
}

fn condition(condition: Condition) -> Vec<(HeaderName, HeaderValue)> {
    match condition {
        Condition::Anything => Vec::new(),
        Condition::Absent => vec![(IF_NONE_MATCH, HeaderValue::from_static("*"))],
        Condition::Present => vec![(IF_MATCH, HeaderValue::from_static("*"))],
        Condition::Version(version) => vec![(IF_MATCH, HeaderValue::from_str(&format!("\"v{version}\"")).unwrap())],
    }
}

fn batch_operation(operation: &BatchOperation) -> Value {
    let condition = |condition: Condition| match condition {
        Condition::Anything => (None, None),
        Condition::Absent => (Some(true), None),
        Condition::Present => (Some(false), None),
        Condition::Version(version) => (None, Some(version.to_string())),
    };
    without_null(match operation {
        BatchOperation::Get { key } => json!({ "op": "get", "key": bytes(key) }),
        BatchOperation::Set(set) => {
            let (absent, if_version) = condition(set.r#if);
            json!({ "op": "set", "key": bytes(&set.key), "value": bytes(&set.value), "media_type": set.media_type,
                    "ttl_ms": set.ttl_ms, "absent": absent, "if_version": if_version })
        }
        BatchOperation::Delete { key, r#if } => {
            let (absent, if_version) = condition(*r#if);
            json!({ "op": "delete", "key": bytes(key), "absent": absent, "if_version": if_version })
        }
        BatchOperation::Check { key, r#if } => {
            let (absent, if_version) = condition(*r#if);
            json!({ "op": "check", "key": bytes(key), "absent": absent, "if_version": if_version })
        }
        BatchOperation::Increment { key, by } => json!({ "op": "increment", "key": bytes(key), "by": by }),
        BatchOperation::DeleteSpan { span } => match span {
            Span::All => json!({ "op": "delete-span" }),
            Span::Prefix(prefix) => json!({ "op": "delete-span", "prefix": bytes(prefix) }),
            Span::Between { start, end } => {
                json!({ "op": "delete-span", "start": start.as_ref().map(bytes), "end": end.as_ref().map(bytes) })
            }
        },
    })
}

/// An absent field is left out.
fn without_null(fields: Value) -> Value {
    let Value::Object(fields) = fields else { return fields };
    fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn bytes(data: &Data) -> Value {
    json!({ "base64": BASE64_STANDARD.encode(&data.0) })
}
