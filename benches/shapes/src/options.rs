//! The command line.

/// What to run, and how large.
#[derive(Debug)]
pub(crate) struct Options {
    /// Keys in each map.
    pub(crate) keys: u64,
    /// Passes over all candidates; every second one runs in reverse order.
    pub(crate) rounds: usize,
    /// Operations of each kind in one pass.
    pub(crate) operations: u64,
    /// The processor to stay on while measuring.
    pub(crate) core: usize,
    /// Run candidates whose name ends with one of these; all when empty.
    pub(crate) only: Vec<String>,
    /// Look for lost reads instead of measuring.
    pub(crate) check: bool,
}

const USAGE: &str = "usage: shapes [--keys N] [--rounds N] [--operations N] [--core N] [--only NAME;NAME] [--check]";

impl Options {
    /// Parses the arguments after the program's name.
    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Self { keys: 1_000_000, rounds: 6, operations: 100_000, core: 0, only: Vec::new(), check: false };
        while let Some(flag) = arguments.next() {
            if flag == "--check" {
                options.check = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{flag} needs a value\n{USAGE}"))?;
            match flag.as_str() {
                "--keys" => options.keys = at_least_one(&flag, &value)?,
                "--operations" => options.operations = at_least_one(&flag, &value)?,
                "--rounds" => options.rounds = usize::try_from(at_least_one(&flag, &value)?).unwrap_or(usize::MAX),
                "--core" => options.core = value.parse().map_err(|_| format!("--core needs a number\n{USAGE}"))?,
                "--only" => options.only = value.split(';').map(|name| name.trim().to_owned()).collect(),
                _ => return Err(format!("unknown option {flag}\n{USAGE}")),
            }
        }
        Ok(options)
    }

    /// Whether `--only` selects the candidate.
    pub(crate) fn selects(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.ends_with(part.as_str()))
    }
}

fn at_least_one(flag: &str, value: &str) -> Result<u64, String> {
    match value.replace('_', "").parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{flag} needs a number from 1, got {value:?}\n{USAGE}")),
    }
}
