//! That no error code is forgotten.

use std::collections::BTreeSet;

use mantis_db::Code;

use crate::scenario;

/// Codes that no scenario can show, and why.
const WITHOUT_SCENARIO: &[(Code, &str)] = &[(
    Code::TransactionOpen,
    "only a session can begin twice, and the scenarios name their transactions; host/db/tests/it/sessions.rs has it",
)];

#[test]
fn every_code_has_a_scenario_or_a_reason() {
    let scenarios = scenario::all();
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let shown: BTreeSet<_> = steps.filter_map(|step| step.expect["error"].as_str().map(str::to_owned)).collect();
    for code in Code::ALL {
        let reason = WITHOUT_SCENARIO.iter().find(|(without, _)| without == code);
        let is_shown = shown.contains(code.as_str());
        assert!(is_shown || reason.is_some(), "no scenario shows {}", code.as_str());
        assert!(!(is_shown && reason.is_some()), "{} has a scenario and a reason to have none", code.as_str());
    }
    let known: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str().to_owned()).collect();
    assert_eq!(shown.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "codes that do not exist");
}
