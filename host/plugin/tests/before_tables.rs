//! Components that were built before tables run unmodified: `components/README.md`.

use std::path::Path;

use mantis_plugin::PluginOptions;
use serde_json::json;

use crate::support::{Fixture, writing};

async fn install(fixture: &Fixture, name: &str, options: PluginOptions) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/components").join(name).with_extension("wasm");
    let component = std::fs::read(path).unwrap();
    fixture.host.install(name, component.into(), options).await.unwrap().imports
}

#[tokio::test]
async fn a_procedure_from_before_tables_runs() {
    let fixture = Fixture::new();
    let imports = install(&fixture, "leaderboard", writing(&["leaderboard"])).await;
    assert!(imports.iter().all(|import| !import.contains("tables")), "{imports:?}");
    assert_eq!(fixture.call("leaderboard/submit", json!(["ada", 10])).await.unwrap(), json!(1));
    assert_eq!(fixture.call("leaderboard/submit", json!(["bob", 30])).await.unwrap(), json!(1));
    let top = json!([{ "player": "bob", "score": 30, "rank": 1 }, { "player": "ada", "score": 10, "rank": 2 }]);
    assert_eq!(fixture.call("leaderboard/top", json!([10])).await.unwrap(), top);
}

/// The interface of transactions has a function more than it knows.
#[tokio::test]
async fn a_task_from_before_tables_runs() {
    let fixture = Fixture::new();
    let imports = install(&fixture, "tasks", writing(&["tasks"])).await;
    assert!(imports.iter().any(|import| import.contains("transactions")), "{imports:?}");
    assert!(fixture.host.info("tasks").unwrap().own_transactions);
    fixture.set("tasks", "ada", "10").await;
    assert_eq!(fixture.call("tasks/move-amount", json!(["ada", "bob", 4])).await.unwrap(), json!(6));
    fixture.call("tasks/move-amount", json!(["ada", "bob", 7])).await.unwrap_err();
    assert_eq!(fixture.text("tasks", "bob").await.as_deref(), Some("4"));
}
