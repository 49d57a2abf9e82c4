//! Builds that are not crates of the workspace, and checks of the repository.
//!
//! One file per subcommand.

mod guests;
mod rooms;
mod signature;
mod web;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  guests   build guest/ into components: guest/target/components/NAME.wasm
  component MODULE COMPONENT
           make a component of a module that was built elsewhere
  rooms    check that imports go one way: between crates, folders and files
  web      build web/ for pages: web/dist and web/demo/dist. Needs the guests and npm";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        Some("guests") => guests::run(),
        Some("component") => match (arguments.next(), arguments.next()) {
            (Some(module), Some(component)) => guests::component(module.as_ref(), component.as_ref()),
            _ => return usage(),
        },
        Some("rooms") => rooms::run(),
        Some("web") => web::run(),
        _ => return usage(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
