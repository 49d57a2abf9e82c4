//! The reference pages match the program. `UPDATE=1 cargo test -p mantisdb reference` rewrites them.

use std::fmt::Write;
use std::path::PathBuf;

use clap::CommandFactory;
use mantisdb::cli::Cli;

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name)
}

#[track_caller]
fn check(name: &str, expected: &str) {
    let path = page(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} is out of date: run `UPDATE=1 cargo test -p mantisdb reference`", path.display());
}

#[test]
fn cli() {
    let mut text = String::from(
        "# Command line\n\nWhat `mantisdb help` and `mantisdb help COMMAND` print. This page is generated from the program.\n\n\
         With `--json`, `get`, `scan --values` and `watch` use the same names for a value's parts: `key`, `value` (text, or `{\"base64\": ..}` where the bytes\n\
         are not UTF-8), `version`, `expires_at`, `media_type`, and `modified_at`, which `get` has to the second. A change has `kind`, `bucket`, `time` and\n\
         `cursor` beside these, and no `modified_at`: that is its `time`.\n",
    );
    let mut command = Cli::command().term_width(100);
    command.build();
    let pages: Vec<_> = std::iter::once(&command).chain(leaves(&command)).cloned().collect();
    for (place, mut page) in pages.into_iter().enumerate() {
        let name = page.get_bin_name().unwrap_or("mantisdb").to_owned();
        let help = if place == 0 { overview(page) } else { page.render_long_help().to_string() };
        let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
        writeln!(text, "\n## {name}\n\n```text\n{}\n```", lines.join("\n")).unwrap();
    }
    check("cli.md", &text);
}

/// The first page without the options of `serve`, which has its own page; its usage line still lists them.
fn overview(mut command: clap::Command) -> String {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    command.mut_args(|argument| argument.hide(true)).override_usage(usage).render_long_help().to_string()
}

/// The commands that do something.
fn leaves(command: &clap::Command) -> Vec<&clap::Command> {
    let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    commands.flat_map(|command| if command.has_subcommands() { leaves(command) } else { vec![command] }).collect()
}

#[test]
fn config() {
    let settings = toml::to_string(&mantisdb::settings::Settings::default()).unwrap();
    let text = format!(
        "# Configuration\n\n\
         `mantisdb serve` takes settings from flags, environment variables and a TOML file (`--config FILE` or `MANTISDB_CONFIG`). Flags\n\
         take precedence over variables, variables over the file, and the file over the defaults. An unknown name in the file is an error that\n\
         shows its line. `mantisdb config` with the same flags prints the effective settings. A number is of bytes or milliseconds, as the\n\
         name says. Everywhere a size may have a unit (`64MiB`, `1.5GB`; `k`, `M`, `G` alone are powers of 1024) and so may a time (`500ms`,\n\
         `1h30m`); in the file such a value is a string. A variable that begins with `MANTISDB_` and means nothing is a warning.\n\
         This page is generated from the program.\n\n\
         {}\n\
         Beside these, `--insecure-no-auth` (`MANTISDB_INSECURE_NO_AUTH=true`) allows a listener that other machines can reach: there is\n\
         no authentication yet. It cannot be set in the file, so that it is never on by oversight. A listener on a loopback address answers\n\
         only requests whose `Host` is a loopback name or one of `allowed_hosts`, because a page on the internet can make a browser send\n\
         requests to a loopback address under the page's own name (DNS rebinding); any other listener accepts every `Host`, or, with\n\
         `allowed_hosts`, only these.\n\n\
         The limit on connections is lowered to what the limit on open files allows (`ulimit -Hn`, less 64); the program raises the soft limit\n\
         to the hard one itself, and prints the effective limits at startup.\n\n\
         A value can be sent if it fits into a body: raw it takes its own length, in base64 a third more. A server whose\n\
         `limits.body_bytes_max` is below its `limits.value_bytes_max` starts, and warns with the limit that would be enough.\n\n\
         ## The defaults as a file\n\n```toml\n{settings}```\n",
        mantisdb::settings::reference()
    );
    check("config.md", &text);
}
