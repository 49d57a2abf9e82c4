//! The Go package: without cgo, against a server in this process (`go`), and with cgo, over a database in its own (`go-cgo`).
//! `embed/go/internal/scenarios` does the steps.

use std::path::{Path, PathBuf};

use mantis_db::Grants;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::absent;
use crate::answer::Answer;
use crate::scenario::{Operation, Scenario};
use crate::surface::{Place, Stage, Surface, grants};
use crate::surfaces::db::{Player, prepare};
use crate::surfaces::http::Server;
use crate::surfaces::web::{Runner, sent};

/// A program that uses the package, built without cgo.
pub(crate) struct Go(Runner);

/// One that is built with cgo, and with the library for tests (`tests/ffi`) in place of the library.
pub(crate) struct GoCgo(Runner);

impl Go {
    pub(crate) fn build() -> Self {
        let mut build = build("scenarios");
        build.env("CGO_ENABLED", "0");
        Self(Runner::of(&mut built(build, "scenarios")))
    }
}

impl GoCgo {
    pub(crate) fn build() -> Self {
        let (root, library) = (root(), library());
        let mut build = build("scenarios-cgo");
        build.args(["-tags", "mantisdb_testing"]).env("CGO_ENABLED", "1");
        let headers =
            ["host/ffi/include", "tests/ffi/include"].map(|folder| format!("-I{}", root.join(folder).display()));
        build.env("CGO_CFLAGS", headers.join(" "));
        build.env("CGO_LDFLAGS", format!("-L{}", library.display()));
        // Cargo runs tests with a path on which the library itself is.
        Self(Runner::of(built(build, "scenarios-cgo").env("LD_LIBRARY_PATH", library)))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A folder in which the library for tests has the library's name. Cargo has built it beside this program.
fn library() -> PathBuf {
    let built = std::env::current_exe().unwrap().with_file_name("libmantisdb_c_testing.so");
    assert!(built.exists(), "there is no {}", built.display());
    let folder = root().join("target/ffi-testing");
    std::fs::create_dir_all(&folder).unwrap();
    let (link, new) = (folder.join("libmantisdb_c.so"), folder.join(format!("new-{}", std::process::id())));
    std::os::unix::fs::symlink(built, &new).unwrap();
    std::fs::rename(new, link).unwrap();
    folder
}

fn build(program: &str) -> std::process::Command {
    let mut build = std::process::Command::new("go");
    build.args(["build", "-o"]).arg(Path::new("../../target/go").join(program)).current_dir(root().join("embed/go"));
    build
}

/// The program, once it is built.
fn built(mut build: std::process::Command, program: &str) -> Command {
    let built = build.arg("./internal/scenarios").status();
    let built = built.unwrap_or_else(|error| panic!("go: {error}; scripts/setup.sh installs it"));
    assert!(built.success(), "the Go package does not build");
    Command::new(root().join("target/go").join(program))
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

impl Surface for GoCgo {
    const NAME: &'static str = "go-cgo";

    async fn run(&self, scenario: &Scenario, place: Place) -> Vec<Answer> {
        let stage = json!({ "is_on_disk": place == Place::Disk, "limits": scenario.limits });
        let before: Vec<Value> = scenario.before.iter().map(sent).collect();
        // Without grants a scenario is about something else, and connections have all of them.
        let granted = scenario.grants.as_ref().map(|_| text_of(&grants(scenario)));
        self.0.open(&json!({ "stage": stage, "before": before, "grants": granted })).await;
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

/// Grants as the C interface takes them.
pub(crate) fn text_of(grants: &Grants) -> String {
    if *grants == Grants::none() { String::new() } else { grants.to_string() }
}
