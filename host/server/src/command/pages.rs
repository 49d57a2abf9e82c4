//! `mantisdb completions` and `mantisdb man`: from the same definitions as the help.

use std::path::Path;

use clap::{Command, CommandFactory};

use super::context::Output;
use crate::cli::{Cli, ManArgs};
use crate::failure::{Failure, Outcome};

pub(super) fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mantisdb", &mut script);
    let mut output = Output::new();
    output.bytes(&script)?;
    output.flush()
}

pub(super) fn man(args: &ManArgs) -> Outcome {
    let mut program = Cli::command();
    program.build();
    if let Some(directory) = &args.all {
        std::fs::create_dir_all(directory).map_err(|error| Failure::file("create", directory, &error))?;
        return write_all(&program, directory);
    }
    let mut command = &program;
    for name in &args.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            Failure::usage(format!("there is no command {:?}", args.command.join(" ")))
                .hint("`mantisdb help` lists the commands")
        })?;
    }
    let mut output = Output::new();
    output.bytes(&page(command)?)?;
    output.flush()
}

fn write_all(command: &Command, directory: &Path) -> Outcome {
    let path = directory.join(format!("{}.1", name_of(command)));
    std::fs::write(&path, page(command)?).map_err(|error| Failure::file("write", &path, &error))?;
    let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    commands.into_iter().try_for_each(|command| write_all(command, directory))
}

/// The page of a command, in roff.
fn page(command: &Command) -> Outcome<Vec<u8>> {
    let mut roff = Vec::new();
    let named = command.clone().display_name(name_of(command));
    clap_mangen::Man::new(named).render(&mut roff).map_err(|error| Failure::stream(&error))?;
    Ok(roff)
}

fn name_of(command: &Command) -> String {
    command.get_bin_name().unwrap_or("mantisdb").replace(' ', "-")
}
