//! The Go package, against a server in this process. `embed/go/internal/scenarios` does the steps.

use std::path::PathBuf;

use serde_json::json;
use tokio::process::Command;

use crate::absent;
use crate::answer::Answer;
use crate::scenario::{Operation, Scenario};
use crate::surface::{Place, Stage, Surface};
use crate::surfaces::db::{Player, prepare};
use crate::surfaces::http::Server;
use crate::surfaces::web::Runner;

/// A program that uses the package, built without cgo.
pub(crate) struct Go(Runner);

impl Go {
    pub(crate) fn build() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let program = root.join("target/go/scenarios");
        let built = std::process::Command::new("go")
            .args(["build", "-o", "../../target/go/scenarios", "./internal/scenarios"])
            .current_dir(root.join("embed/go"))
            .env("CGO_ENABLED", "0")
            .status()
            .unwrap_or_else(|error| panic!("go: {error}; scripts/setup.sh installs it"));
        assert!(built.success(), "the Go package does not build");
        Self(Runner::of(&mut Command::new(program)))
    }
}

impl Surface for Go {
    const NAME: &'static str = "go";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        let stage = Stage::new(scenario, place);
        prepare(&stage, scenario).await;
        let server = Server::start(&stage).await;
        self.0.open(&json!({ "location": format!("http://127.0.0.1:{}", server.port()) })).await;
        let mut beside = Player::new(stage.clone());
        let mut answers = Vec::new();
        for step in &scenario.steps {
            answers.push(match &step.operation {
                Operation::AdvanceClock { ms } => stage.advance_clock(*ms),
                Operation::CloseForWrites {} => stage.close_for_writes(),
                _ => match absent::lacking(Self::NAME, step) {
                    Some(what) => {
                        assert!(step.transaction.is_none(), "{what} cannot be done beside a transaction");
                        beside.play(step).await
                    }
                    None => self.0.play(step).await,
                },
            });
        }
        server.stop().await;
        answers
    }
}
