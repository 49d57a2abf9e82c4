//! `mantisdb config`: the settings that `serve` would use.

use super::context::Output;
use crate::cli::ConfigArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::settings::{Settings, SettingsInput};

pub(super) fn run(args: ConfigArgs) -> Outcome {
    let settings = settings(args)?;
    let toml = toml::to_string(&settings).map_err(|error| Failure::new(Exit::Usage, error))?;
    let mut output = Output::new();
    output.bytes(toml.as_bytes())?;
    output.flush()
}

/// Flags and variables over the file over the defaults.
pub(super) fn settings(args: ConfigArgs) -> Outcome<Settings> {
    let file = match &args.config {
        Some(path) => SettingsInput::from_file(path).map_err(Failure::usage)?,
        None => SettingsInput::default(),
    };
    let settings = args.settings.or(file).resolve();
    settings.check().map_err(Failure::usage)?;
    Ok(settings)
}
