//! Parses the command line with clap, and makes its errors name the argument or variable at fault.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Parser};

use crate::cli::Cli;
use crate::failure::{Exit, Failure};

/// Reads the process's command line.
///
/// # Errors
/// The exit code, when it is invalid or asks for help; the message has been printed.
pub fn read() -> Result<Cli, ExitCode> {
    let given: Vec<_> = std::env::args_os().collect();
    let cli = Cli::try_parse_from(&given).and_then(|cli| without_conflict(cli, &given));
    cli.map_err(|error| end(error, &given))
}

/// Refuses `--memory` beside the options of a store on disk. Their environment variables are no conflict: a flag goes before them.
fn without_conflict(cli: Cli, given: &[OsString]) -> Result<Cli, clap::Error> {
    let serve = match &cli.command {
        None => &cli.serve,
        Some(crate::cli::Command::Serve(serve)) => serve,
        Some(_) => return Ok(cli),
    };
    match ["--data", "--durability"].into_iter().find(|option| serve.memory && is_given(given, option)) {
        None => Ok(cli),
        Some(option) => {
            let message = format!("the argument '--memory' cannot be used with '{option}'");
            let mut command = Cli::command();
            command.build();
            Err(command.error(ErrorKind::ArgumentConflict, message))
        }
    }
}

fn end(mut error: clap::Error, given: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        // A closed standard output is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let commands = commands(given);
    if let Some(variable) = variable_to_blame(&error, &commands, given) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    let (name, table) = (tip_for_another_name(&error, &commands), tip_for_a_table(&error, &commands));
    let named = match (name, table) {
        (Some(name), Some(table)) => Some(format!("{name}; {table}")),
        (name, table) => name.or(table),
    };
    let tip = tip_for_a_directory(&error, &commands, given).or(named);
    if let Some(tip) = &tip {
        // clap's own, of what is spelt alike.
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    // clap's own usage lists options that a variable gave as required.
    if let Some(command) = commands.last()
        && error.get(ContextKind::Usage).is_some()
    {
        error.insert(ContextKind::Usage, ContextValue::StyledStr(command.clone().render_usage()));
    }
    if before_dashes(given).any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Failure::usage(message).hint(tip.as_deref().unwrap_or("try --help")).report(true);
    } else {
        let _ = error.print();
    }
    ExitCode::from(Exit::Usage as u8)
}

/// The arguments that can be options.
fn before_dashes(given: &[OsString]) -> impl Iterator<Item = &OsString> {
    given.iter().skip(1).take_while(|argument| *argument != "--")
}

/// Whether an option (`--data`) is on the command line.
fn is_given(given: &[OsString], option: &str) -> bool {
    before_dashes(given)
        .filter_map(|argument| argument.to_str())
        .any(|argument| argument.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}

/// The program's command, and the subcommands given, from the outermost.
fn commands(given: &[OsString]) -> Vec<Command> {
    let mut command = Cli::command();
    command.build();
    let mut commands = vec![command];
    for argument in before_dashes(given) {
        if let Some(inner) = commands.last().and_then(|command| command.find_subcommand(argument)).cloned() {
            commands.push(inner);
        }
    }
    commands
}

/// The tip for a directory that was given without its option.
fn tip_for_a_directory(error: &clap::Error, commands: &[Command], given: &[OsString]) -> Option<String> {
    let (Some(ContextValue::String(directory)), ErrorKind::UnknownArgument) =
        (error.get(ContextKind::InvalidArg), error.kind())
    else {
        return None;
    };
    let takes_data = commands.last()?.get_arguments().any(|argument| argument.get_long() == Some("data"));
    (takes_data && !is_given(given, "--data") && !directory.starts_with('-'))
        .then(|| format!("pass the data directory as '--data {directory}'"))
}

/// The tip for what only tables have: `import --table X`, `select X`.
fn tip_for_a_table(error: &clap::Error, commands: &[Command]) -> Option<String> {
    let table = commands.first()?.find_subcommand("table")?;
    match (error.kind(), error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(argument)), _) if argument.starts_with("--table") => {
            let name = commands.get(1)?.get_name();
            table.find_subcommand(name).map(|_| format!("rows of a table: 'mantisdb table {name} TABLE'"))
        }
        (ErrorKind::InvalidSubcommand, _, Some(ContextValue::String(name))) => {
            table.find_subcommand(name).map(|_| format!("for tables: 'mantisdb table {name}'"))
        }
        // Without a command the words belong to `serve`, which takes none.
        (ErrorKind::UnknownArgument, Some(ContextValue::String(name)), _) if commands.len() == 1 => {
            table.find_subcommand(name).map(|_| format!("for tables: 'mantisdb table {name}'"))
        }
        _ => None,
    }
}

/// The commands that other programs call otherwise.
const OTHER_NAMES: [(&[&str], &str); 5] = [
    (&["set", "write", "store", "insert"], "put KEY VALUE"),
    (&["list", "ls", "keys", "dir"], "scan"),
    (&["del", "rm", "unset", "remove"], "delete KEY"),
    (&["read", "show", "cat"], "get KEY"),
    (&["start", "run", "server"], "serve"),
];

/// The tip for a command under the name that it has elsewhere.
fn tip_for_another_name(error: &clap::Error, commands: &[Command]) -> Option<String> {
    let context = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let Some(ContextValue::String(name)) = error.get(context) else { return None };
    let (_, command) = OTHER_NAMES.iter().find(|(names, _)| commands.len() == 1 && names.contains(&name.as_str()))?;
    Some(format!("here it is 'mantisdb {command}'"))
}

/// The environment variable that gave the invalid value, if one did.
fn variable_to_blame(error: &clap::Error, commands: &[Command], given: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let option = argument.split(' ').next()?;
    let flag = option.strip_prefix("--")?;
    let mut arguments = commands.iter().flat_map(Command::get_arguments);
    let variable = arguments.find(|argument| argument.get_long() == Some(flag))?.get_env()?;
    (!is_given(given, option) && std::env::var_os(variable).is_some()).then(|| variable.to_string_lossy().into_owned())
}
