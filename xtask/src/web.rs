//! `cargo xtask web`: the store as WebAssembly with its JavaScript glue, then what npm's tools make of `web/`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use wasm_bindgen_cli_support::Bindgen;

use crate::signature;

/// The input of `web/build.mjs`: of each build the glue as wasm-bindgen makes it.
const RAW: &str = "web/dist/raw";
/// The builds for pages, and the features of each: keys and values alone, with tables, and with all that tables can do.
const BUILDS: &[(&str, &str)] = &[("kv", ""), ("tables", "tables"), ("complete", "complete")];
/// The output folder of `cargo xtask guests`.
const COMPONENTS: &str = "guest/target/components";
/// The components that become plugins for pages.
const PLUGINS: &[&str] = &["counter", "leaderboard", "order-book"];
/// Those that the tests of `web/` run.
const FIXTURES: &[&str] = &[
    "always-conflict",
    "flood-logs",
    "hand-over-too-much",
    "hoard-handles",
    "mirror",
    "misuse-tables",
    "over-allocate",
    "procedures",
    "recurse",
    "tables",
    "tasks",
    "trap",
    "types",
];

pub(crate) fn run() -> Result<()> {
    let root = &Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("");
    let raw = root.join(RAW);
    // Files of an older build would be bundled silently.
    if raw.exists() {
        fs::remove_dir_all(&raw).with_context(|| format!("cannot empty {}", raw.display()))?;
    }
    for (name, features) in BUILDS {
        let wasm = compile(root, features)?;
        Bindgen::new()
            .input_path(&wasm)
            .web(true)?
            .typescript(true)
            .omit_default_module_path(true)
            // `web/build.mjs` finds by their names the functions that panic, and strips the names.
            .remove_name_section(false)
            .remove_producers_section(true)
            .generate(raw.join(name))
            .context("wasm-bindgen could not read the build; are its two crates the same release?")?;
    }
    for (folder, names) in [("plugins", PLUGINS), ("fixtures", FIXTURES)] {
        describe_plugins(&root.join(COMPONENTS), names, &raw.join(folder))?;
    }
    let web = root.join("web");
    if !is_installed(&web) {
        finish(command("npm", ["ci"], &web))?;
    }
    finish(command("node", ["build.mjs"], &web))
}

/// Compiles the store for the page, with these features.
fn compile(root: &Path, features: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = [
        "build",
        "--package",
        "mantis-web",
        "--profile",
        "web",
        "--target",
        "wasm32-unknown-unknown",
        "--features",
        features,
    ];
    let mut build = command(cargo, arguments, root);
    // With a target named, these reach no build script and no macro.
    build.env("CARGO_ENCODED_RUSTFLAGS", flags(root).join("\u{1f}"));
    finish(build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |named| root.join(named));
    Ok(target.join("wasm32-unknown-unknown/web/mantis_web.wasm"))
}

/// The caller's flags, and some that keep this machine's folders out of the panic messages, which pages download.
fn flags(root: &Path) -> Vec<String> {
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut flags: Vec<String> = given.split_whitespace().map(String::from).collect();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let registries = registries.into_iter().flatten().flatten().map(|registry| registry.path());
    flags.extend(registries.map(|registry| format!("--remap-path-prefix={}=crates", registry.display())));
    flags.push(format!("--remap-path-prefix={}=.", root.display()));
    flags
}

/// Puts each plugin's component next to the description of its functions.
fn describe_plugins(components: &Path, names: &[&str], plugins: &Path) -> Result<()> {
    fs::create_dir_all(plugins).with_context(|| format!("cannot make {}", plugins.display()))?;
    for name in names {
        let path = components.join(name).with_extension("wasm");
        let component = fs::read(&path)
            .with_context(|| format!("cannot read {}; `cargo xtask guests` makes it", path.display()))?;
        let description =
            signature::describe(name, &component).with_context(|| format!("{name} is no plugin for pages"))?;
        let place = plugins.join(name);
        fs::write(place.with_extension("wasm"), component)?;
        fs::write(place.with_extension("json"), serde_json::to_vec_pretty(&description)?)?;
    }
    Ok(())
}

/// Whether npm has installed what the lock file says. npm writes its own copy when it is done.
fn is_installed(web: &Path) -> bool {
    let time = |path: &str| fs::metadata(web.join(path)).and_then(|file| file.modified()).ok();
    match (time("node_modules/.package-lock.json"), time("package-lock.json")) {
        (Some(installed), Some(locked)) => installed >= locked,
        _ => false,
    }
}

fn command<'a>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = &'a str>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command
}

fn finish(mut command: Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}; is it installed?"))?;
    ensure!(status.success(), "{name} failed: {status}");
    Ok(())
}
