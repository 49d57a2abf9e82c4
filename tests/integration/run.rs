//! Running the scenarios, comparing, and writing `target/transcripts`.

use std::path::PathBuf;

use serde_json::Value;

use crate::absent;
use crate::answer::{ABSENT, without_hashes};
use crate::scenario;
use crate::surface::Surface;
use crate::surfaces::db::Db;
use crate::surfaces::guest::Guest;
use crate::surfaces::http::Http;
use crate::surfaces::web::{Client, Page};

/// Runs every scenario on a surface, writes its transcript, and compares it with what the scenarios expect.
async fn check<S: Surface>(surface: &S) -> Value {
    let mut transcript = serde_json::Map::new();
    let mut wrong = Vec::new();
    for scenario in scenario::all().iter().filter(|scenario| absent::runs(S::NAME, scenario)) {
        let answers = surface.run(scenario).await;
        assert_eq!(answers.len(), scenario.steps.len(), "{}: {}: an answer for each step", S::NAME, scenario.name);
        let lines: Vec<_> = answers.iter().map(crate::answer::Answer::to_json).collect();
        for (number, (line, step)) in lines.iter().zip(&scenario.steps).enumerate() {
            let seen = |line: &Value| absent::seen(S::NAME, step, line);
            if *line != ABSENT && seen(&without_hashes(line)) != seen(&step.expect) {
                let (name, number, operation) = (&scenario.name, number + 1, step.operation_name());
                let expected = &step.expect;
                wrong
                    .push(format!("{name}, step {number}, {operation}:\n    expected {expected}\n    came     {line}"));
            }
        }
        assert!(transcript.insert(scenario.name.clone(), lines.into()).is_none(), "two scenarios {}", scenario.name);
    }
    let transcript = Value::Object(transcript);
    write(S::NAME, &transcript);
    assert!(wrong.is_empty(), "{}: {} steps went wrong\n{}", S::NAME, wrong.len(), wrong.join("\n"));
    transcript
}

fn write(surface: &str, transcript: &Value) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/transcripts");
    std::fs::create_dir_all(&folder).unwrap();
    let text = serde_json::to_string_pretty(transcript).unwrap();
    std::fs::write(folder.join(format!("{surface}.json")), text + "\n").unwrap();
}

/// Checks a surface, and that it says of every scenario that it runs what the crate says, to the last entry of long lists.
async fn check_same<S: Surface>(surface: &S) {
    let (crate_says, surface_says) = (check(&Db).await, check(surface).await);
    for scenario in scenario::all().iter().filter(|scenario| absent::runs(S::NAME, scenario)) {
        for (number, step) in scenario.steps.iter().enumerate() {
            let seen = |says: &Value| absent::seen(S::NAME, step, &says[&scenario.name][number]);
            if surface_says[&scenario.name][number] == ABSENT {
                continue;
            }
            assert_eq!(seen(&surface_says), seen(&crate_says), "{}, step {}", scenario.name, number + 1);
        }
    }
}

#[tokio::test]
async fn a_page_says_what_the_crate_says() {
    check_same(&Page::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_for_pages_says_what_the_crate_says() {
    check_same(&Client::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_says_what_the_crate_says() {
    check_same(&Http).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_say_what_the_crate_says() {
    check_same(&Guest::new()).await;
}

#[tokio::test]
async fn the_crate_runs_the_scenarios() {
    check(&Db).await;
}
