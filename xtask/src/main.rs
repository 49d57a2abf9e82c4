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
  component MODULE COMPONENT [WORLD WIT...]
           make a component of a module that was built elsewhere: of a world in the last of these folders where the module does not
           name its world itself
  rooms    check that imports go one way: between crates, folders and files
  web      build web/ for pages: web/dist and web/demo/dist. Needs the guests and npm";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        Some("guests") => guests::run(),
        Some("component") => match (arguments.next(), arguments.next()) {
            (Some(module), Some(component)) => {
                let (world, wit) = (arguments.next(), arguments.map(Into::into).collect::<Vec<_>>());
                if world.is_some() && wit.is_empty() {
                    return usage();
                }
                let world = world.as_deref().map(|world| (world, &*wit));
                guests::component(module.as_ref(), component.as_ref(), world)
            }
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
