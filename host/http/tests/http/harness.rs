//! A server in memory whose clock the test moves, and requests in one line.
//!
//! Every answer is compared with the OpenAPI document: its status must be one that the operation lists, its media type and its headers
//! those that are listed for that status, and its body of the schema.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use mantis_db::disk::{Disk, MemoryDisk};
use mantis_db::{Database, DiskThreads, Durability, Limits, ManualClock, SeededRandom, SessionManager, StorageOptions};
use mantis_http::{App, AppConfig, Body};
use mantis_plugin::{HostConfig, PluginHost};
use mantis_pool::{Config, Pool};
use serde_json::{Value, json};

/// 2026-01-31T12:00:00Z.
pub(crate) const START_MS: u64 = 1_769_860_800_000;

pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) database: Database,
    pub(crate) clock: Arc<ManualClock>,
    document: Value,
    /// By the text of a schema.
    validators: Mutex<HashMap<String, Arc<jsonschema::Validator>>>,
    /// What writes the log, if the database has a disk.
    _threads: Option<DiskThreads>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), AppConfig::default(), Config::default())
    }

    pub(crate) fn with_config(config: AppConfig) -> Self {
        Self::with(Limits::default(), config, Config::default())
    }

    pub(crate) fn with(limits: Limits, config: AppConfig, pool: Config) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let database = Database::in_memory_with(limits, clock.clone(), Arc::new(SeededRandom::new(7))).unwrap();
        Self::over(database, clock, None, config, pool)
    }

    /// A server whose database keeps to `always` on a disk that is itself in memory.
    pub(crate) fn on_disk() -> Self {
        Self::on(Arc::new(MemoryDisk::new()), Durability::Always, true)
    }

    /// A server on this disk. Without threads nobody writes the log but who calls `flush`, and who
    /// commits under another policy than `always`.
    pub(crate) fn on(disk: Arc<dyn Disk>, durability: Durability, with_threads: bool) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let (random, storage) =
            (Arc::new(SeededRandom::new(7)), StorageOptions { durability, ..StorageOptions::default() });
        let opened = Database::open_with(Limits::default(), clock.clone(), random, disk, storage);
        let database = opened.unwrap().0;
        if !with_threads {
            database.store().drive_by_hand();
        }
        let threads = with_threads.then(|| DiskThreads::start(database.store(), Box::new(|_| {})).unwrap());
        Self::over(database, clock, threads, AppConfig::default(), Config::default())
    }

    fn over(
        database: Database,
        clock: Arc<ManualClock>,
        threads: Option<DiskThreads>,
        config: AppConfig,
        pool: Config,
    ) -> Self {
        crate::log::install();
        let sessions = Pool::new(SessionManager::new(database.clone()), pool).unwrap();
        let host = HostConfig { instances_max: 4, guest_threads: 1, ..HostConfig::default() };
        let plugins = PluginHost::new(database.clone(), sessions.clone(), host).unwrap();
        let app = App::new(database.clone(), sessions, plugins, config);
        let document = app.openapi();
        Self { app, database, clock, document, validators: Mutex::default(), _threads: threads }
    }

    /// Sends a request such as `GET /api/v1/kv/a`, with headers as `name: value`, and reads the answer.
    #[track_caller]
    pub(crate) fn send<B: Into<Bytes>>(
        &self,
        line: &str,
        headers: &[&str],
        body: B,
    ) -> impl Future<Output = Answer> + use<'_, B> {
        let request = request(line, headers, Full::new(body.into()));
        self.send_request(request)
    }

    #[track_caller]
    pub(crate) fn send_request<B>(&self, request: Request<B>) -> impl Future<Output = Answer> + use<'_, B>
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let caller = std::panic::Location::caller();
        async move {
            let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
            let response = self.app.handle_with_body(request).await;
            let answer = read(response).await;
            if let Err(complaint) = self.check_documented(&method, &path, &answer) {
                panic!("{caller}: {method} {path}: {complaint}");
            }
            answer
        }
    }

    /// Sends a request and leaves the body to be read as it comes.
    pub(crate) async fn open(&self, line: &str, headers: &[&str]) -> Response<Body> {
        self.app.handle_with_body(request(line, headers, Full::new(Bytes::new()))).await
    }

    fn check_documented(&self, method: &str, path: &str, answer: &Answer) -> Result<(), String> {
        assert!(answer.headers.contains_key("x-request-id"), "every answer has a name");
        let status = answer.status.as_u16();
        if matches!(method, "OPTIONS") || matches!(status, 405) {
            assert!(answer.headers.contains_key("allow") || status == 404 || status == 421 || status == 400);
            return Ok(());
        }
        let method = if method == "HEAD" { "get" } else { &method.to_ascii_lowercase() };
        let Some(operation) = operation(&self.document, method, path) else {
            return if status == 404 {
                Ok(())
            } else {
                Err(format!("{status} at a path that the document does not have"))
            };
        };
        let response = &operation["responses"][status.to_string()];
        if response.is_null() {
            return Err(format!("{status} is not among {:?}", operation["responses"].as_object().unwrap().keys()));
        }
        self.check_headers(response, answer)?;
        if answer.body.is_empty() {
            return Ok(());
        }
        // A client that prefers to see what it wrote is shown it with 201 as well, whose body the document leaves out: most have none.
        if status == 201 && answer.header("preference-applied").is_some() {
            return Ok(());
        }
        let media = answer.header("content-type").unwrap_or_default().to_owned();
        let documented = response["content"].as_object().ok_or("it has a body, and the document says none")?;
        let essence = media.split(';').next().unwrap_or_default();
        let of_type = documented.get(&media).or_else(|| documented.get(essence));
        let Some(documented) = of_type.or_else(|| documented.get("*/*")) else {
            return Err(format!("`{media}` is not among {:?}", documented.keys()));
        };
        let schema = &documented["schema"];
        // A part of JSON is none.
        if schema.is_null() || status == 206 || answer.headers.contains_key("content-encoding") {
            return Ok(());
        }
        match essence {
            "application/x-ndjson" => {
                let lines = answer.body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
                // The document describes the text, not its lines.
                lines.take(1_000).try_for_each(|line| {
                    serde_json::from_slice::<Value>(line).map(|_| ()).map_err(|error| format!("no JSON: {error}"))
                })
            }
            media if media == "application/json" || media.ends_with("+json") => self.check_json(schema, &answer.body),
            _ => Ok(()),
        }
    }

    /// The headers that are required are there, and those that are there are of their schema.
    fn check_headers(&self, response: &Value, answer: &Answer) -> Result<(), String> {
        for (name, documented) in response["headers"].as_object().into_iter().flatten() {
            let documented = match documented["$ref"].as_str() {
                Some(reference) => self.document.pointer(&reference[1..]).ok_or("a reference that leads nowhere")?,
                None => documented,
            };
            match answer.header(name) {
                None if documented["required"] == true => return Err(format!("the header `{name}` is missing")),
                None => {}
                Some(value) => {
                    let schema = &documented["schema"];
                    let value = if schema["type"] == "integer" {
                        value.parse::<i64>().map_or(json!(value), |n| json!(n))
                    } else {
                        json!(value)
                    };
                    self.check_value(schema, &value).map_err(|error| format!("`{name}`: {error}"))?;
                }
            }
        }
        Ok(())
    }

    fn check_json(&self, schema: &Value, json: &[u8]) -> Result<(), String> {
        let value = serde_json::from_slice(json).map_err(|error| format!("no JSON: {error}"))?;
        self.check_value(schema, &value)
    }

    fn check_value(&self, schema: &Value, value: &Value) -> Result<(), String> {
        if schema.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(());
        }
        let validator = Arc::clone(self.validators.lock().unwrap().entry(schema.to_string()).or_insert_with(|| {
            let root = json!({"allOf": [schema], "components": self.document["components"]});
            Arc::new(jsonschema::draft202012::new(&root).unwrap())
        }));
        match validator.iter_errors(value).next() {
            None => Ok(()),
            Some(error) => Err(format!("{} of {}: {error}", error.instance_path(), error.schema_path())),
        }
    }
}

/// The operation at a path: a literal segment before a parameter, and `{key}` takes the rest.
fn operation<'d>(document: &'d Value, method: &str, path: &str) -> Option<&'d Value> {
    let paths = document["paths"].as_object().unwrap();
    let fits = |template: &str| {
        if let Some(prefix) = template.strip_suffix("{key}") {
            return matches_prefix(prefix, path);
        }
        if let Some((prefix, ending)) = template.split_once("{key}") {
            return path.ends_with(ending) && matches_prefix(prefix, path);
        }
        let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        template.len() == path.len() && template.iter().zip(&path).all(|(a, b)| a == b || a.starts_with('{'))
    };
    let specificity = |template: &str| (template.contains("{key}/"), !template.contains('{'), template.len());
    let best = paths.keys().filter(|template| fits(template)).max_by_key(|template| specificity(template))?;
    paths[best].get(method)
}

fn matches_prefix(prefix: &str, path: &str) -> bool {
    let segments = prefix.matches('/').count();
    let Some((end, _)) = path.match_indices('/').nth(segments - 1) else { return false };
    prefix.split('/').zip(path[..=end].split('/')).all(|(a, b)| a == b || a.starts_with('{'))
}

pub(crate) fn request<B>(line: &str, headers: &[&str], body: B) -> Request<B> {
    let (method, uri) = line.split_once(' ').expect("METHOD /path");
    let mut builder = Request::builder().method(method).uri(uri);
    if !headers.iter().any(|header| header.starts_with("host:")) {
        builder = builder.header("host", "localhost:8080");
    }
    for header in headers {
        let (name, value) = header.split_once(':').expect("name: value");
        builder = builder.header(name, value.trim());
    }
    builder.body(body).unwrap()
}

/// Lets a future go as far as it comes.
pub(crate) async fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}

pub(crate) async fn read(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The status, and the code if it is a problem: `404 key-not-found`.
    pub(crate) fn outcome(&self) -> String {
        let status = self.status.as_u16();
        if self.header("content-type") != Some("application/problem+json") {
            return status.to_string();
        }
        let problem = self.json();
        for member in ["type", "title", "detail", "request_id"] {
            assert!(problem[member].is_string(), "{member} is missing: {problem}");
        }
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id").unwrap());
        format!("{status} {}", problem["code"].as_str().unwrap())
    }
}

/// The status and the body; of an error its code, after all four members and the header were found.
pub(crate) fn table_outcome(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    if status < 300 {
        return format!("{status} {}", answer.text());
    }
    let code = answer.header("proxy-status").expect("an error's header").strip_prefix("MantisDB; error=").unwrap();
    if !answer.body.is_empty() {
        let error = answer.json();
        let members: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["code", "details", "hint", "message"], "{error}");
        assert_eq!(error["code"], code);
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    }
    format!("{status} {code}")
}

/// Sends a request about tables, whose answer must be `expected`: the status with the body, or with an error's code.
pub(crate) async fn check_table(server: &Server, line: &str, headers: &[&str], body: &str, expected: &str) -> Answer {
    let answer = server.send(line, headers, body.to_owned()).await;
    assert_eq!(table_outcome(&answer), expected, "{line} {headers:?} {}", answer.text());
    answer
}
