//! Environment variables that the program does not know, although they look as if it should.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::{Command, CommandFactory};

use crate::cli::Cli;

const PREFIX: &str = "MANTISDB_";
/// How similar a name is to one that was probably meant, from 0 to 1.
const SIMILAR: f64 = 0.8;
const LETTERS_COUNT_MORE: f64 = 0.15;

/// A warning for each variable of this process's environment that begins with `MANTISDB_` and means nothing, with the name that was
/// probably meant.
#[must_use]
pub fn unknown() -> Vec<String> {
    let mut known = BTreeSet::new();
    collect(&Cli::command(), &mut known);
    warnings(std::env::vars_os().map(|(name, _)| name), &known)
}

fn collect(command: &Command, known: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(|argument| argument.get_env());
    known.extend(variables.map(|name| name.to_string_lossy().into_owned()));
    command.get_subcommands().for_each(|command| collect(command, known));
}

fn warnings(names: impl Iterator<Item = OsString>, known: &BTreeSet<String>) -> Vec<String> {
    let names: BTreeSet<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let is_unknown = |name: &&String| name.to_ascii_uppercase().starts_with(PREFIX) && !known.contains(&name[..]);
    let warning = |name: &String| {
        let upper = name.to_ascii_uppercase();
        // Words in another order are similar in one way, and letters of a short word in the other.
        let similarity = |known: &str| {
            let (name, known) = (&upper[PREFIX.len()..], &known[PREFIX.len()..]);
            let by_letters = strsim::normalized_damerau_levenshtein(name, known) + LETTERS_COUNT_MORE;
            strsim::jaro_winkler(name, known).max(by_letters)
        };
        let nearest = known
            .iter()
            .map(|known| (similarity(known), known))
            .filter(|(similarity, _)| *similarity >= SIMILAR)
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        match nearest {
            Some((_, nearest)) => format!("the environment variable {name} means nothing; did you mean {nearest}?"),
            None => format!("the environment variable {name} means nothing; `mantisdb help serve` lists the settings"),
        }
    };
    names.iter().filter(is_unknown).map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let mut known = BTreeSet::new();
        collect(&Cli::command(), &mut known);
        let found = warnings(std::iter::once(name.into()), &known);
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
        check("MANTISDB_QQQ", Some("means nothing; `mantisdb help serve`"));
    }
}
