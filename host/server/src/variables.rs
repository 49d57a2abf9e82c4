//! Environment variables that the program does not know, although they look as if it should.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::{Command, CommandFactory};

use crate::cli::Cli;
use crate::client::text::printable;

const PREFIX: &str = "MANTISDB_";
/// How similar a name is to one that was probably meant, from 0 to 1.
const SIMILAR: f64 = 0.8;
const LETTERS_COUNT_MORE: f64 = 0.15;

/// A warning for each variable of this process's environment that begins with `MANTISDB_` and means nothing, with the name that was
/// probably meant. The server warns of all; other commands, which somebody else's environment often surrounds, only of those that
/// resemble one of their own.
#[must_use]
pub fn unknown(is_server: bool) -> Vec<String> {
    warnings(std::env::vars_os().map(|(name, _)| name), &Known::new(), is_server)
}

/// The variables that mean something.
struct Known {
    all: BTreeSet<String>,
    /// Those of commands that do not start the server.
    of_commands: BTreeSet<String>,
}

impl Known {
    fn new() -> Self {
        let (mut all, mut of_commands) = (BTreeSet::new(), BTreeSet::new());
        let command = Cli::command();
        collect(&command, &mut all);
        let others = command.get_subcommands().filter(|command| !matches!(command.get_name(), "serve" | "config"));
        others.for_each(|command| collect(command, &mut of_commands));
        Self { all, of_commands }
    }
}

fn collect(command: &Command, known: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(|argument| argument.get_env());
    known.extend(variables.map(|name| name.to_string_lossy().into_owned()));
    command.get_subcommands().for_each(|command| collect(command, known));
}

fn warnings(names: impl Iterator<Item = OsString>, known: &Known, is_server: bool) -> Vec<String> {
    let names: BTreeSet<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let is_unknown = |name: &&String| {
        name.to_ascii_uppercase().starts_with(PREFIX) && !known.all.contains(&name[..]) && !is_of_a_service(name)
    };
    let warning = |name: &String| {
        let upper = name.to_ascii_uppercase();
        // Words in another order are similar in one way, and letters of a short word in the other.
        let similarity = |known: &str| {
            let (name, known) = (&upper[PREFIX.len()..], &known[PREFIX.len()..]);
            let by_letters = strsim::normalized_damerau_levenshtein(name, known) + LETTERS_COUNT_MORE;
            strsim::jaro_winkler(name, known).max(by_letters)
        };
        let similar = known.all.iter().map(|known| (similarity(known), known));
        let nearest = similar
            .filter(|(similarity, _)| *similarity >= SIMILAR)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, nearest)| nearest);
        if !is_server && nearest.is_none_or(|nearest| !known.of_commands.contains(nearest)) {
            return None;
        }
        let name = printable(name);
        Some(match nearest {
            Some(nearest) => format!("the environment variable {name} means nothing; did you mean {nearest}?"),
            None => format!("the environment variable {name} means nothing; `mantisdb help serve` lists the settings"),
        })
    };
    names.iter().filter(is_unknown).filter_map(warning).collect()
}

/// Whether Kubernetes, or Docker's links, set the variable for a service called `mantisdb`, or `mantisdb-` and more.
fn is_of_a_service(name: &str) -> bool {
    let words: Vec<_> = name[PREFIX.len()..].split('_').collect();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_protocol = |word: &str| matches!(word, "TCP" | "UDP" | "SCTP");
    (0..words.len()).any(|at| match &words[at..] {
        ["SERVICE", "HOST"] | ["SERVICE", "PORT", ..] | ["PORT"] => true,
        ["PORT", number, protocol] | ["PORT", number, protocol, "PORT" | "PROTO" | "ADDR"] => {
            is_number(number) && is_protocol(protocol)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let found = warnings(std::iter::once(name.into()), &Known::new(), true);
        match expected {
            None => assert_eq!(found, [""; 0], "{name}"),
            Some(part) => assert!(found.len() == 1 && found[0].contains(part), "{name}: {found:?}"),
        }
    }

    #[test]
    fn a_misspelt_name_is_told_with_the_nearest() {
        check("MANTISDB_URL", None);
        check("MANTISDB_CONFIG", None);
        check("MANTISDB_DURABILITY", None);
        check("MANTIS_TORTURE", None);
        check("MY_MANTISDB_URL", None);
        check("MANTISDB_LISTN", Some("did you mean MANTISDB_LISTEN?"));
        check("MANTISDB_DURABILTY", Some("did you mean MANTISDB_DURABILITY?"));
        check("MANTISDB_BODY_MAX_BYTES", Some("did you mean MANTISDB_BODY_BYTES_MAX?"));
        check("mantisdb_listen", Some("MANTISDB_LISTEN"));
        for name in ["PORT", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_8080_TCP"] {
            check(&format!("MANTISDB_{name}"), None);
        }
        for name in ["PORT_8080_TCP_PORT", "PORT_8080_TCP_PROTO", "PORT_8080_TCP_ADDR", "PRIMARY_SERVICE_HOST"] {
            check(&format!("MANTISDB_{name}"), None);
        }
        check("MANTISDB_PORTS", Some("means nothing"));
        check("MANTISDB_PORT_8080", Some("means nothing"));
        check("MANTISDB_X\u{1b}[31m", Some("MANTISDB_X\\u{1b}[31m means nothing"));
        check("MANTISDB_QQQ", Some("means nothing; `mantisdb help serve`"));
    }

    #[test]
    fn commands_are_warned_of_their_own_variables_alone() {
        let of = |name: &str| warnings(std::iter::once(name.into()), &Known::new(), false).len();
        assert_eq!(of("MANTISDB_ULR"), 1);
        assert_eq!(of("MANTISDB_LISTN"), 0);
        assert_eq!(of("MANTISDB_QQQ"), 0);
        assert_eq!(of("MANTISDB_PORT"), 0);
    }
}
