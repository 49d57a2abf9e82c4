//! A plugin, called through `mantis-plugin`: the component `guest/fixtures/mirror` does the steps of a scenario in one call, so
//! that its transactions stay open from step to step.
//!
//! When a scenario lets time pass, or does something that plugins cannot, the guest gives a sign: it asks for [`SIGN_BYTES`] random bytes.
//! The test's source of randomness does the step then.

mod tables;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use base64::prelude::{BASE64_STANDARD, Engine};
use mantis_db::{Database, Random, SeededRandom, SessionManager};
use mantis_plugin::{HostConfig, PluginHost, PluginOptions};
use mantis_pool::Pool;
use serde_json::{Value, json};

pub(crate) use self::tables::{Types, rehearse};
use crate::absent;
use crate::answer::{Answer, BatchResult, Commit, Entry, Listed};
use crate::data::Data;
use crate::scenario::{BatchOperation, Condition, CursorFrom, Operation, Scan, Scenario, Set, Span, Step};
use crate::surface::{Place, Stage, Surface};
use crate::surfaces::db::{Player, prepare};

/// A request for this many random bytes asks for the next step that the guest cannot do.
const SIGN_BYTES: usize = 61;

/// The component, read once.
pub(crate) struct Guest {
    component: bytes::Bytes,
}

impl Guest {
    pub(crate) fn new() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../guest/target/components/mirror.wasm");
        let component = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests` first", path.display()));
        Self { component: component.into() }
    }
}

impl Surface for Guest {
    const NAME: &'static str = "guest";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        let types = rehearse(scenario, place).await;
        let signs = Arc::new(Signs::default());
        let stage = Stage::with_random(scenario, place, signs.clone());
        prepare(&stage, scenario).await;
        let beside = Beside::new(&stage, scenario);
        *signs.beside.lock().unwrap() = Some(beside);
        let host = host(&stage);
        let options = PluginOptions::new((*stage.grants).clone());
        host.install("mirror", self.component.clone(), options).await.unwrap();
        let answers = host.call("mirror", "run", json!([script(Self::NAME, scenario, &types)])).await;
        let answers = answers.unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
        let mut done_beside = signs.beside.lock().unwrap().take().unwrap().answers;
        let answers = answers.value.as_array().unwrap();
        assert_eq!(answers.len(), scenario.steps.len(), "{}", scenario.name);
        let answer = |((step, answer), types): ((&Step, &Value), &Types)| {
            let done = done_beside.remove(&std::ptr::from_ref(step).addr());
            done.unwrap_or_else(|| self::answer(&step.operation, answer, types))
        };
        scenario.steps.iter().zip(answers).zip(&types).map(answer).collect()
    }
}

fn host(stage: &Stage) -> PluginHost {
    let sessions = mantis_pool::Config { min_idle: 0, max: 4, ..mantis_pool::Config::default() };
    let sessions = Pool::new(SessionManager::new(stage.database.clone()), sessions).unwrap();
    let config = HostConfig {
        call_deadline_ms: 120_000,
        memory_bytes_max: 512 << 20,
        value_bytes_max: 256 << 20,
        transfer_bytes_max: 8 << 30,
        instances_max: 4,
        guest_threads: 2,
        ..HostConfig::default()
    };
    PluginHost::new(stage.database.clone(), sessions, config).unwrap()
}

/// A source of randomness that takes some requests for a sign.
struct Signs {
    random: SeededRandom,
    beside: Mutex<Option<Beside>>,
}

impl Default for Signs {
    fn default() -> Self {
        Self { random: SeededRandom::new(1), beside: Mutex::new(None) }
    }
}

impl Random for Signs {
    fn fill(&self, buffer: &mut [u8]) {
        if buffer.len() == SIGN_BYTES
            && let Some(beside) = &mut *self.beside.lock().unwrap()
        {
            beside.next();
        }
        self.random.fill(buffer);
    }
}

/// The steps that are done beside the guest, in order, and their outcomes by the step's address.
struct Beside {
    database: Database,
    player: Player,
    steps: VecDeque<(usize, Step)>,
    answers: HashMap<usize, Answer>,
}

impl Beside {
    fn new(stage: &Stage, scenario: &Scenario) -> Self {
        let steps = scenario.steps.iter().filter(|step| is_beside(Guest::NAME, step));
        let steps = steps.map(|step| (std::ptr::from_ref(step).addr(), step.clone())).collect();
        Self { database: stage.database.clone(), player: Player::new(stage.clone()), steps, answers: HashMap::new() }
    }

    fn next(&mut self) {
        let (address, step) = self.steps.pop_front().expect("a sign for each step beside");
        let answer = wait(self.player.play(&step), &self.database);
        self.answers.insert(address, answer);
    }
}

/// The outcome of a step, which waits for nothing but the log.
fn wait<T>(step: impl Future<Output = T>, database: &Database) -> T {
    let mut step = pin!(step);
    loop {
        match step.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => database.store().flush(),
        }
    }
}

/// Whether a step is done beside the component that runs on `surface`.
pub(crate) fn is_beside(surface: &str, step: &Step) -> bool {
    matches!(step.operation, Operation::AdvanceClock { .. } | Operation::CloseForWrites {})
        || absent::lacking(surface, step).is_some()
}

/// The scenario's steps in the component's form.
pub(crate) fn script(surface: &str, scenario: &Scenario, types: &[Types]) -> Value {
    let named = |name: &String| scenario.steps.iter().rposition(|step| step.name.as_ref() == Some(name)).unwrap();
    let by_name = |number: usize, name: &String| {
        // The last step of this name before the one that asks.
        scenario.steps[..number]
            .iter()
            .rposition(|step| step.name.as_ref() == Some(name))
            .unwrap_or_else(|| named(name))
    };
    let step = |(number, step): (usize, &Step)| {
        let operation = match &step.operation {
            _ if is_beside(surface, step) => json!("sign"),
            of_rows if of_rows.is_of_rows() => tables::operation(step, &types[number]),
            _ => operation(step, &|name| by_name(number, name)),
        };
        json!({ "operation": operation, "bucket": step.bucket, "transaction": step.transaction })
    };
    scenario.steps.iter().enumerate().map(step).collect()
}

fn operation(step: &Step, step_named: &dyn Fn(&String) -> usize) -> Value {
    match &step.operation {
        Operation::Get { key } => json!({ "get": data(key) }),
        Operation::GetEntry { key } => json!({ "get-entry": data(key) }),
        Operation::GetMany { keys } => json!({ "get-many": keys.0.iter().map(data).collect::<Vec<_>>() }),
        Operation::Set { key, value } => json!({ "set": [data(key), data(value)] }),
        Operation::SetWith(set) => json!({ "set-with": [data(&set.key), data(&set.value), set_options(set)] }),
        Operation::Delete { key } => json!({ "delete": data(key) }),
        Operation::DeleteIf { key, r#if } => json!({ "delete-if": [data(key), expect(*r#if)] }),
        Operation::Increment { key, by } => json!({ "increment": [data(key), by.to_string()] }),
        Operation::Scan(arguments) => json!({ "scan": scan(arguments, step_named) }),
        Operation::ScanKeys(arguments) => json!({ "scan-keys": scan(arguments, step_named) }),
        Operation::Count { span: counted } => json!({ "count": span(counted) }),
        Operation::DeleteSpan { span: deleted } => json!({ "apply": [{ "delete-span": span(deleted) }] }),
        Operation::Apply { ops } => json!({ "apply": ops.0.iter().map(batch_operation).collect::<Vec<_>>() }),
        Operation::Begin {} => json!("begin"),
        Operation::Commit {} => json!("commit"),
        Operation::Rollback {} => json!("rollback"),
        other => panic!("a plugin has no {other:?}"),
    }
}

/// Long data that repeats one byte is not sent.
fn data(data: &Data) -> Value {
    match crate::data::shown(&data.0) {
        Value::Object(shown) if shown.contains_key("repeat") => json!({ "repeated": shown["repeat"] }),
        _ => json!({ "bytes": bytes(data) }),
    }
}

fn bytes(data: &Data) -> Value {
    json!({ "base64": base64(&data.0) })
}

fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn scan(scan: &Scan, step_named: &dyn Fn(&String) -> usize) -> Value {
    let cursor = scan.cursor.as_ref().map(|from| match from {
        CursorFrom::Step(name) => json!({ "step": step_named(name) }),
        CursorFrom::MadeUp(made_up) => json!({ "bytes": bytes(made_up) }),
    });
    json!({ "span": span(&scan.span), "reverse": scan.reverse, "limit": scan.limit, "cursor": cursor })
}

fn span(span: &Span) -> Value {
    match span {
        Span::All => json!("all"),
        Span::Prefix(prefix) => json!({ "prefix": bytes(prefix) }),
        Span::Between { start, end } => json!({ "between": [start.as_ref().map(bytes), end.as_ref().map(bytes)] }),
    }
}

fn expect(condition: Condition) -> Value {
    match condition {
        Condition::Anything => json!("anything"),
        Condition::Absent => json!("absent"),
        Condition::Present => json!("present"),
        Condition::Version(version) => json!({ "version": version.to_string() }),
    }
}

fn set_options(set: &Set) -> Value {
    json!({ "media-type": set.media_type, "ttl-ms": set.ttl_ms, "expect": expect(set.r#if) })
}

fn batch_operation(operation: &BatchOperation) -> Value {
    match operation {
        BatchOperation::Get { key } => json!({ "get": data(key) }),
        BatchOperation::Set(set) => json!({ "set": [data(&set.key), data(&set.value), set_options(set)] }),
        BatchOperation::Delete { key, r#if } => json!({ "delete": [data(key), expect(*r#if)] }),
        BatchOperation::DeleteSpan { span: deleted } => json!({ "delete-span": span(deleted) }),
        BatchOperation::Increment { key, by } => json!({ "increment": [data(key), by.to_string()] }),
        BatchOperation::Check { key, r#if } => json!({ "check": [data(key), expect(*r#if)] }),
    }
}

/// The component's answer to a step.
pub(crate) fn answer(operation: &Operation, answer: &Value, types: &Types) -> Answer {
    tables::shown(answer, types).unwrap_or_else(|| shown(operation, answer))
}

fn shown(operation: &Operation, answer: &Value) -> Answer {
    let (case, payload) = case(answer);
    match case {
        "value" => Answer::Value((!payload.is_null()).then(|| data_of(payload))),
        "entry" => Answer::Entry(entry_of(payload)),
        "values" => Answer::Values(list(payload, bytes_of)),
        "written" if matches!(operation, Operation::Commit {}) => Answer::Committed(commit(payload)),
        "written" => Answer::Written(commit(payload)),
        "outcome" => match self::case(payload) {
            ("written", written) => Answer::Written(commit(written)),
            (_, current) => Answer::Refused { current: entry_of(current).map(|entry| entry.version) },
        },
        "deleted" => {
            Answer::Deleted { existed: payload["existed"].as_bool().unwrap(), commit: commit(&payload["written"]) }
        }
        "counted" => Answer::Number { number: signed(&payload["number"]), commit: commit(&payload["written"]) },
        "page" => {
            Answer::Page { entries: list(&payload["entries"], listed_of), more: payload["more"].as_bool().unwrap() }
        }
        "keys" => Answer::KeyPage {
            keys: list(&payload[0], |key| bytes_of(key).unwrap()),
            more: payload[1].as_bool().unwrap(),
        },
        "count" => Answer::Count(number(payload)),
        "applied" => applied_answer(operation, payload),
        "done" if matches!(operation, Operation::Begin {}) => Answer::Begun,
        "done" => Answer::RolledBack,
        "error" => Answer::Error(payload.as_str().unwrap().to_owned()),
        other => panic!("the mirror answered {other}"),
    }
}

fn commit(written: &Value) -> Commit {
    Commit { version: number(&written["version"]), durable: written["durable"].as_bool().unwrap() }
}

fn applied_answer(operation: &Operation, applied: &Value) -> Answer {
    match case(applied) {
        ("refused", refusals) => Answer::BatchRefused(list(refusals, |refusal| {
            let index = usize::try_from(number(&refusal["index"])).unwrap();
            (index, entry_of(&refusal["current"]).map(|entry| entry.version))
        })),
        (_, committed) => {
            let (commit, mut results) = (commit(&committed[0]), list(&committed[1], result_of));
            match (operation, &results[..]) {
                (Operation::DeleteSpan { .. }, [BatchResult::Deleted(count)]) => {
                    Answer::DeletedKeys { count: *count, commit }
                }
                _ => Answer::Applied { commit, results: std::mem::take(&mut results) },
            }
        }
    }
}

fn result_of(result: &Value) -> BatchResult {
    match case(result) {
        ("entry", entry) => BatchResult::Entry(entry_of(entry).map(|entry| (entry.value, entry.version))),
        ("done", _) => BatchResult::Done,
        ("deleted", count) => BatchResult::Deleted(number(count)),
        ("number", sum) => BatchResult::Number(signed(sum)),
        (other, _) => panic!("the mirror answered {other}"),
    }
}

fn entry_of(entry: &Value) -> Option<Entry> {
    (!entry.is_null()).then(|| Entry {
        value: bytes_of(&entry["value"]).unwrap(),
        media_type: entry["media-type"].as_str().unwrap().to_owned(),
        version: number(&entry["version"]),
        modified_ms: number(&entry["modified-at-ms"]),
        expires_at_ms: Some(&entry["expires-at-ms"]).filter(|time| !time.is_null()).map(number),
    })
}

fn listed_of(entry: &Value) -> Listed {
    let shown = entry_of(entry).unwrap();
    Listed { key: bytes_of(&entry["key"]).unwrap(), value: shown.value, version: shown.version }
}

/// A variant is an object with one field, or a text if its case has no payload.
fn case(variant: &Value) -> (&str, &Value) {
    match variant {
        Value::String(case) => (case, &Value::Null),
        Value::Object(fields) => fields.iter().next().map(|(case, payload)| (case.as_str(), payload)).unwrap(),
        other => panic!("{other} is no variant"),
    }
}

fn bytes_of(bytes: &Value) -> Option<Vec<u8>> {
    match bytes {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        other => Some(BASE64_STANDARD.decode(other["base64"].as_str().unwrap()).unwrap()),
    }
}

fn data_of(data: &Value) -> Vec<u8> {
    match case(data) {
        ("repeated", repeated) => {
            repeated[0].as_str().unwrap().repeat(usize::try_from(number(&repeated[1])).unwrap()).into()
        }
        (_, bytes) => bytes_of(bytes).unwrap(),
    }
}

fn list<T>(list: &Value, item: impl Fn(&Value) -> T) -> Vec<T> {
    list.as_array().unwrap().iter().map(item).collect()
}

/// Large numbers come as text.
fn number(number: &Value) -> u64 {
    number.as_u64().or_else(|| number.as_str()?.parse().ok()).unwrap()
}

fn signed(number: &Value) -> i64 {
    number.as_i64().or_else(|| number.as_str()?.parse().ok()).unwrap()
}
