//! No error code is forgotten, and there are as many scenarios as documented.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mantis_db::{Code, tables};

use crate::scenario;

/// Codes that need a disk, while the scenarios run in memory: `host/store/tests/durability` has disks for them.
const NEED_A_DISK: [Code; 2] = [Code::DiskFull, Code::StorageFailed];
/// Fewer would not cover what a store does.
const STEPS_MIN: usize = 60;

#[test]
fn the_number_of_steps_matches_the_readme() {
    let scenarios = scenario::all();
    let steps: usize = scenarios.iter().map(|scenario| scenario.steps.len()).sum();
    println!("{} scenarios, {steps} steps", scenarios.len());
    assert!(steps >= STEPS_MIN, "{steps} steps");
    let readme = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let hundreds = steps / 100 * 100;
    let said = format!("{} scenarios with more than {hundreds} steps", scenarios.len());
    assert!(readme.contains(&said), "README.md does not say: {said}");
}

#[test]
fn every_code_of_the_database_occurs_in_a_scenario() {
    let scenarios = scenario::all();
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let met: BTreeSet<_> = steps.filter_map(|step| step.expect["error"].as_str().map(str::to_owned)).collect();
    let can_be_met = |code: &&Code| !NEED_A_DISK.contains(code);
    let known: BTreeSet<_> = Code::ALL.iter().filter(can_be_met).map(|code| code.as_str().to_owned()).collect();
    let of_tables =
        |code: &String| code == "precondition-failed" || tables::code::ALL.iter().any(|(known, _)| known == code);
    let met: BTreeSet<_> = met.into_iter().filter(|code| !of_tables(code)).collect();
    assert_eq!(met, known, "codes that steps expect, and codes that exist");
}
