//! The interface for pages, in its two implementations: the build for pages in a browser (`page`), and the client for a server
//! (`client`), in Node. `tests/page/run.mjs` does the steps of both. A plugin in the page (`page-guest`) does them too.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use mantis_db::limits::JSON_INTEGER_MAX;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use crate::absent;
use crate::answer::{Answer, Rows, exact};
use crate::scenario::{GrantedAccess, Operation, Scenario, Step};
use crate::surface::{Place, START_MS, Stage, Surface};
use crate::surfaces::db::{Player, prepare};
use crate::surfaces::guest;
use crate::surfaces::http::Server;

/// A page with the data in it.
pub(crate) struct Page(Runner);

/// The client for pages, and a server in this process.
pub(crate) struct Client(Runner);

/// A plugin in a page: the component that `surfaces/guest` runs.
pub(crate) struct PageGuest(Runner);

impl Page {
    pub(crate) fn new() -> Self {
        Self(Runner::start("page"))
    }
}

impl Client {
    pub(crate) fn new() -> Self {
        Self(Runner::start("client"))
    }
}

impl PageGuest {
    pub(crate) fn new() -> Self {
        Self(Runner::start("page"))
    }
}

/// Opens a database in the page for a scenario.
async fn open_in_page(runner: &Runner, scenario: &Scenario, place: Place) {
    assert_eq!(place, Place::Memory, "a page has no disk");
    let store_bytes_max = scenario.limits.get("store_bytes_max");
    let of_tables =
        |step: &Step| step.operation.defines_tables() || step.operation.is_of_rows() || step.operation.is_across();
    let tables = scenario.steps.iter().chain(&scenario.before).any(of_tables);
    runner.open(&json!({ "now_ms": START_MS, "store_bytes_max": store_bytes_max, "tables": tables })).await;
}

/// Grants as the page names them.
fn granted(grants: &BTreeMap<String, GrantedAccess>) -> Value {
    let access = |access: &GrantedAccess| match access {
        GrantedAccess::Read => "read",
        GrantedAccess::Write => "write",
    };
    grants.iter().map(|(name, granted)| (name.clone(), Value::from(access(granted)))).collect::<Map<_, _>>().into()
}

impl Surface for PageGuest {
    const NAME: &'static str = "page-guest";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        let types = guest::rehearse(scenario, place).await;
        open_in_page(&self.0, scenario, place).await;
        for step in &scenario.before {
            self.0.play(step).await;
        }
        let beside = scenario.steps.iter().filter(|step| guest::is_beside(Self::NAME, step));
        let beside: Vec<_> = beside.map(|step| written(serde_json::to_value(step).unwrap())).collect();
        let grants = scenario.grants.as_ref().map_or_else(|| json!("all"), granted);
        let script = guest::script(Self::NAME, scenario, &types);
        let played = self.0.ask(json!({ "guest": { "steps": script, "beside": beside, "grants": grants } })).await;
        let answers = played["answers"].as_array().unwrap_or_else(|| panic!("{}: {played}", scenario.name));
        let mut beside = played["beside"].as_array().unwrap().iter().cloned();
        let answer = |((step, answer), types): ((&Step, &Value), &guest::Types)| match &step.operation {
            // What is done beside the plugin goes on after it; a feed or a definition then shows another time.
            Operation::AdvanceClock { .. } => Answer::Line(read(beside.next().unwrap())),
            _ if guest::is_beside(Self::NAME, step) => {
                beside.next();
                Answer::Absent
            }
            operation => guest::answer(operation, answer, types),
        };
        scenario.steps.iter().zip(answers).zip(&types).map(answer).collect()
    }
}

impl Surface for Page {
    const NAME: &'static str = "page";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        open_in_page(&self.0, scenario, place).await;
        let mut answers = Vec::new();
        for step in &scenario.steps {
            answers.push(match absent::lacking(Self::NAME, step) {
                Some(_) => Answer::Absent,
                None => self.0.play(step).await,
            });
        }
        answers
    }
}

impl Surface for Client {
    const NAME: &'static str = "client";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        play_over_http(&self.0, Self::NAME, scenario, place).await
    }
}

/// Plays the steps with a client of another process, and beside it those that its surface lacks.
pub(crate) async fn play_over_http(
    runner: &Runner,
    surface: &'static str,
    scenario: &Scenario,
    place: Place,
) -> Vec<Answer> {
    let stage = Stage::new(scenario, place);
    prepare(&stage, scenario).await;
    let server = Server::start(&stage).await;
    runner.open(&json!({ "url": format!("http://127.0.0.1:{}", server.port()) })).await;
    let mut beside = Player::new(stage.clone());
    let mut answers = Vec::new();
    for step in &scenario.steps {
        answers.push(match &step.operation {
            Operation::AdvanceClock { ms } => stage.advance_clock(*ms),
            Operation::CloseForWrites {} => stage.close_for_writes(),
            _ => match absent::lacking(surface, step) {
                Some(what) => {
                    assert!(step.transaction.is_none(), "{what} cannot be done beside a transaction");
                    beside.play(step).await
                }
                None => runner.play(step).await,
            },
        });
    }
    server.stop().await;
    answers
}

/// A process that does a step for each line.
pub(crate) struct Runner(Mutex<Process>);

struct Process {
    /// Ends with the runner.
    _child: Child,
    steps: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Runner {
    fn start(surface: &str) -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("page/run.mjs");
        Self::of(Command::new("node").arg(script).arg(surface))
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let steps = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self(Mutex::new(Process { _child: child, steps, answers }))
    }

    pub(super) async fn open(&self, options: &Value) {
        assert_eq!(self.ask(json!({ "open": options })).await, "open");
    }

    pub(super) async fn play(&self, step: &Step) -> Answer {
        Answer::Line(read(self.ask(json!({ "step": sent(step) })).await))
    }

    async fn ask(&self, question: Value) -> Value {
        let mut process = self.0.lock().await;
        process.steps.write_all(format!("{question}\n").as_bytes()).await.unwrap();
        let answer = process.answers.next_line().await.unwrap();
        let answer =
            answer.expect("the player ended; its errors are above (`cargo xtask web` builds what that of pages needs)");
        serde_json::from_str(&answer).unwrap()
    }
}

/// A step as a process takes it.
pub(super) fn sent(step: &Step) -> Value {
    let mut line = written(serde_json::to_value(step).unwrap());
    line["awaited"] = awaited(step).into();
    line
}

/// The changes that a step is to wait for: a feed has no end that a reader could see.
fn awaited(step: &Step) -> u64 {
    let changes = &step.expect["changes"];
    let listed = || changes.as_array().map_or(0, |changes| changes.len() as u64);
    changes["length"].as_u64().unwrap_or_else(listed)
}

/// Numbers that JavaScript's JSON would round are written as text.
fn written(value: Value) -> Value {
    match value {
        Value::Number(number) if is_past_exact(&number) => json!({ "integer": number.to_string() }),
        other => within(other, written),
    }
}

fn read(value: Value) -> Value {
    match &value {
        // Rows come as their text, with all digits of their numbers.
        Value::Object(fields) if fields.contains_key("rows_json") || fields.contains_key("row_json") => {
            with_rows(fields.clone())
        }
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("exact") => {
            let json: Box<RawValue> = serde_json::from_str(fields["exact"].as_str().unwrap()).unwrap();
            exact(&json)
        }
        Value::Object(fields) if fields.contains_key("integer") => {
            serde_json::from_str(fields["integer"].as_str().unwrap()).unwrap()
        }
        _ => within(value, read),
    }
}

fn with_rows(mut fields: Map<String, Value>) -> Value {
    let one = fields.remove("row_json").map(|text| Rows::read_one(text.as_str().unwrap().as_bytes()));
    let many = fields.remove("rows_json").map(|text| Rows::read(text.as_str().unwrap().as_bytes()));
    let is_one = one.is_some();
    let Rows { columns, mut rows } = one.or(many).unwrap();
    if !columns.is_empty() {
        fields.insert("columns".to_owned(), columns.into());
    }
    if is_one {
        fields.insert("row".to_owned(), rows.remove(0));
    } else {
        fields.insert("rows".to_owned(), rows.into());
    }
    Value::Object(fields)
}

fn within(value: Value, change: fn(Value) -> Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(change).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, change(value))).collect(),
        other => other,
    }
}

fn is_past_exact(number: &serde_json::Number) -> bool {
    number.as_i64().map_or_else(|| number.as_u64().unwrap_or(0), i64::unsigned_abs) > JSON_INTEGER_MAX
}
