//! Runs the scenarios, compares, and writes `target/transcripts`.

use std::path::PathBuf;

use serde_json::Value;

use crate::absent;
use crate::answer::{ABSENT, comparable, durable};
use crate::scenario;
use crate::surface::{Place, Surface};
use crate::surfaces::c::{C, CRemote};
use crate::surfaces::db::Db;
use crate::surfaces::go::{Go, GoCgo};
use crate::surfaces::guest::Guest;
use crate::surfaces::http::Http;
use crate::surfaces::python::{Python, PythonAwait};
use crate::surfaces::web::{Client, Page, PageGuest};

/// Runs every scenario on a surface, writes its transcript, and compares it with what the scenarios expect.
async fn check<S: Surface>(surface: &S, place: Place) -> Value {
    let mut transcript = serde_json::Map::new();
    let mut wrong = Vec::new();
    for scenario in scenario::all().iter().filter(|scenario| absent::runs(S::NAME, scenario)) {
        let answers = surface.run(scenario, place).await;
        assert_eq!(answers.len(), scenario.steps.len(), "{}: {}: an answer for each step", S::NAME, scenario.name);
        let lines: Vec<_> = answers.iter().map(crate::answer::Answer::to_json).collect();
        for (number, (line, step)) in lines.iter().zip(&scenario.steps).enumerate() {
            let seen = |line: &Value| absent::seen(S::NAME, line);
            let expected = match place {
                Place::Memory => step.expect.clone(),
                Place::Disk => durable(&step.expect),
            };
            if *line != ABSENT && seen(&comparable(line, &expected)) != seen(&expected) {
                let (name, number, operation) = (&scenario.name, number + 1, step.operation_name());
                wrong
                    .push(format!("{name}, step {number}, {operation}:\n    expected {expected}\n    came     {line}"));
            }
        }
        assert!(transcript.insert(scenario.name.clone(), lines.into()).is_none(), "two scenarios {}", scenario.name);
    }
    let transcript = Value::Object(transcript);
    write(S::NAME, place, &transcript);
    assert!(wrong.is_empty(), "{}: {} steps went wrong\n{}", S::NAME, wrong.len(), wrong.join("\n"));
    transcript
}

fn write(surface: &str, place: Place, transcript: &Value) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/transcripts");
    std::fs::create_dir_all(&folder).unwrap();
    let text = serde_json::to_string_pretty(transcript).unwrap();
    let ending = if place == Place::Disk { "-on-disk" } else { "" };
    std::fs::write(folder.join(format!("{surface}{ending}.json")), text + "\n").unwrap();
}

/// Checks a surface, which must answer every scenario that it runs like the crate, to the last entry of long lists.
async fn check_same<S: Surface>(surface: &S, place: Place) {
    let (crate_says, surface_says) = (check(&Db, place).await, check(surface, place).await);
    for scenario in scenario::all().iter().filter(|scenario| absent::runs(S::NAME, scenario)) {
        for number in 0..scenario.steps.len() {
            let seen = |says: &Value| absent::seen(S::NAME, &says[&scenario.name][number]);
            if surface_says[&scenario.name][number] == ABSENT {
                continue;
            }
            assert_eq!(seen(&surface_says), seen(&crate_says), "{}, step {}", scenario.name, number + 1);
        }
    }
}

#[tokio::test]
async fn a_page_answers_like_the_crate() {
    check_same(&Page::new(), Place::Memory).await;
}

#[tokio::test]
async fn plugins_in_a_page_answer_like_the_crate() {
    check_same(&PageGuest::new(), Place::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_for_pages_answers_like_the_crate() {
    let client = Client::new();
    check_same(&client, Place::Memory).await;
    check_same(&client, Place::Disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_answers_like_the_crate() {
    let client = Python::new();
    check_same(&client, Place::Memory).await;
    check_same(&client, Place::Disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_for_await_answers_like_the_crate() {
    check_same(&PythonAwait::new(), Place::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_package_answers_like_the_crate() {
    let go = Go::build();
    check_same(&go, Place::Memory).await;
    check_same(&go, Place::Disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_package_over_the_c_interface_answers_like_the_crate() {
    let go = GoCgo::build();
    check_same(&go, Place::Memory).await;
    check_same(&go, Place::Disk).await;
}

#[tokio::test]
async fn the_c_interface_answers_like_the_crate() {
    check_same(&C, Place::Memory).await;
    check_same(&C, Place::Disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_c_interface_over_a_server_answers_like_the_crate() {
    check_same(&CRemote, Place::Memory).await;
    check_same(&CRemote, Place::Disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_answers_like_the_crate() {
    check_same(&Http, Place::Memory).await;
    check_same(&Http, Place::Disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_answer_like_the_crate() {
    let guest = Guest::new();
    check_same(&guest, Place::Memory).await;
    check_same(&guest, Place::Disk).await;
}

#[tokio::test]
async fn the_crate_runs_the_scenarios() {
    check(&Db, Place::Memory).await;
    check(&Db, Place::Disk).await;
}
