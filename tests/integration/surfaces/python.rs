//! The Python client for servers, `embed/python`, in a process of its own and a server in this one. `tests/python/run.py` does the
//! steps with `Client` (`python`) and with `AsyncClient` (`python-await`).

use std::path::PathBuf;

use tokio::process::Command;

use crate::answer::Answer;
use crate::scenario::Scenario;
use crate::surface::{Place, Surface};
use crate::surfaces::web::{Runner, play_over_http};

/// The client that waits.
pub(crate) struct Python(Runner);

/// The client for `await`.
pub(crate) struct PythonAwait(Runner);

impl Python {
    pub(crate) fn new() -> Self {
        Self(start("threads"))
    }
}

impl PythonAwait {
    pub(crate) fn new() -> Self {
        Self(start("await"))
    }
}

impl Surface for Python {
    const NAME: &'static str = "python";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        play_over_http(&self.0, Self::NAME, scenario, place).await
    }
}

impl Surface for PythonAwait {
    const NAME: &'static str = "python-await";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        play_over_http(&self.0, Self::NAME, scenario, place).await
    }
}

/// `scripts/setup.sh` makes the environment, with the packages that the client needs.
fn start(client: &str) -> Runner {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/python/bin/python");
    Runner::of(Command::new(python).arg(tests.join("python/run.py")).arg(client))
}
