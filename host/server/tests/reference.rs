//! The reference pages say what the program takes. `UPDATE=1 cargo test -p mantisdb reference` writes them anew.

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
        "# Command line\n\nWhat `mantisdb help` and `mantisdb help COMMAND` print. This page is written from the program.\n\n\
         With `--json`, `get`, `scan --values` and `watch` describe a value in the same words: `key`, `value` (text, or `{\"base64\": ..}` where the bytes\n\
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

/// The first page without the options of `serve`, which has a page of its own.
fn overview(command: clap::Command) -> String {
    command.mut_args(|argument| argument.hide(true)).render_long_help().to_string()
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
         `mantisdb serve` takes settings from flags, environment variables and a TOML file (`--config FILE` or `MANTISDB_CONFIG`). A flag\n\
         outranks a variable, a variable outranks the file, the file outranks the default. A name in the file that is no setting is an error\n\
         that shows its line. `mantisdb config` with the same flags prints what would hold. Sizes are in bytes and durations in milliseconds,\n\
         as the names say. This page is written from the program.\n\n\
         {}\n\
         Beside these, `--insecure-no-auth` (`MANTISDB_INSECURE_NO_AUTH=true`) consents to a listener that other machines can reach: there is\n\
         no authentication yet. It has no place in the file, so that it is never on by an oversight. A listener on a loopback address answers\n\
         only requests whose `Host` is a loopback name or one of `allowed_hosts`, because a page on the internet can send a browser to a\n\
         loopback address under a name of its own; another listener answers to any `Host`, or, with `allowed_hosts`, only to these.\n\n\
         The limit on connections is lowered to what the limit on open files leaves room for (`ulimit -Hn`, less 64); the program raises the\n\
         soft limit to the hard one itself, and its first lines of output say what holds.\n\n\
         A value can be sent where a body has room for it: raw it takes its own length, in base64 a third more. A server whose\n\
         `limits.body_bytes_max` is below its `limits.value_bytes_max` starts, and says so in a warning with the figure that would do.\n\n\
         ## The defaults as a file\n\n```toml\n{settings}```\n",
        mantisdb::settings::reference()
    );
    check("config.md", &text);
}
