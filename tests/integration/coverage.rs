//! No error code is forgotten, and there are as many scenarios as documented.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mantis_db::{Code, tables};

use crate::scenario;

/// Codes that need a disk, while the scenarios run in memory: `host/store/tests/durability` has disks for them. And that of the memory in
/// sum, of which the scenarios leave enough: `host/http/tests/http/memory.rs`. Nor does a step interrupt another: `host/db/tests/it`.
const NOT_MET: [Code; 4] = [Code::DiskFull, Code::StorageFailed, Code::MemoryFull, Code::Interrupted];
/// Codes of tables that no step meets.
const NOT_IN_STEPS: &[(&str, &[&str])] = &[
    ("a disk that is full or fails: `host/store/tests/durability`", &["53100", "58030"]),
    ("stored bytes that are damaged, and errors of the program", &["XX000", "XX001"]),
    ("two changes of a table at once: `host/db/tests/it/tables/changes.rs`", &["55006"]),
    ("definitions inside a transaction, which HTTP refuses as requests: `host/db/tests/it/tables`", &["25001"]),
    (
        "requests that other surfaces cannot make: `host/http/tests` and `tests/clients`",
        &[
            "PGRST101", "PGRST103", "PGRST105", "PGRST106", "PGRST107", "PGRST114", "PGRST115", "PGRST116", "PGRST117",
            "PGRST122", "PGRST123", "PGRST124", "PGRST125", "PGRST128", "PGRST202", "P0001",
        ],
    ),
    ("arithmetic that no query has", &["22012"]),
    ("memory in sum, of which the scenarios leave enough: `host/http/tests/http/memory.rs`", &["53000"]),
];
/// Fewer would not cover what a store does.
const STEPS_MIN: usize = 60;

#[test]
fn the_number_of_steps_matches_the_documents() {
    let scenarios = scenario::all();
    let steps: usize = scenarios.iter().map(|scenario| scenario.steps.len()).sum();
    println!("{} scenarios, {steps} steps", scenarios.len());
    assert!(steps >= STEPS_MIN, "{steps} steps");
    let hundreds = steps / 100;
    let in_readme = format!("{} scenarios with more than {hundreds}00 steps", scenarios.len());
    let in_data_model = format!("more than {},{}00 steps", hundreds / 10, hundreds % 10);
    for (document, said) in [("README.md", in_readme), ("../docs/concepts/data-model.md", in_data_model)] {
        let text = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap();
        assert!(text.contains(&said), "{document} does not say: {said}");
    }
}

#[test]
fn every_code_of_the_database_occurs_in_a_scenario() {
    let scenarios = scenario::all();
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let met: BTreeSet<_> = steps.filter_map(|step| step.expect["error"].as_str().map(str::to_owned)).collect();
    let can_be_met = |code: &&Code| !NOT_MET.contains(code);
    let known: BTreeSet<_> = Code::ALL.iter().filter(can_be_met).map(|code| code.as_str().to_owned()).collect();
    let met: BTreeSet<_> = met.into_iter().filter(|code| !is_of_tables(code)).collect();
    assert_eq!(met, known, "codes that steps expect, and codes that exist");
}

fn is_of_tables(code: &str) -> bool {
    tables::code::ALL.iter().any(|(known, _)| *known == code)
}

#[test]
fn every_code_of_tables_occurs_in_a_scenario() {
    let scenarios = scenario::all();
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let met = steps.filter_map(|step| step.expect["error"].as_str()).filter(|code| is_of_tables(code));
    let excused = NOT_IN_STEPS.iter().flat_map(|(_, codes)| codes.iter().copied());
    let listed: Vec<_> = met.collect::<BTreeSet<_>>().into_iter().chain(excused).collect();
    let met: BTreeSet<_> = listed.iter().copied().collect();
    assert_eq!(met.len(), listed.len(), "a code that steps meet needs no excuse");
    assert_eq!(
        met,
        tables::code::ALL.iter().map(|(code, _)| *code).collect(),
        "codes met or excused, and those that exist"
    );
}
