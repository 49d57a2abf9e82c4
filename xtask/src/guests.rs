//! `cargo xtask guests`: builds the workspace in `guest/` and the project beside it, and turns each module into a component.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";

/// Folders of `guest/` whose folders are guests, named as their packages.
const KINDS: [&str; 3] = ["examples", "faults", "fixtures"];
/// A guest outside of the workspace, as other people's are.
const OUTSIDE: &str = "outside";

pub(crate) fn run() -> Result<()> {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("guest");
    build(&guest, &guest)?;
    build(&guest, &guest.join(OUTSIDE))?;
    let components = guest.join("target/components");
    fs::create_dir_all(&components).with_context(|| format!("cannot make {}", components.display()))?;
    let names = guests(&guest)?;
    for name in &names {
        let file = format!("{}.wasm", name.replace('-', "_"));
        let module = guest.join("target").join(TARGET).join("release").join(file);
        let bytes = encode(&module).with_context(|| format!("cannot make a component of {}", module.display()))?;
        let component = components.join(format!("{name}.wasm"));
        println!("{:>8} bytes  {}", bytes.len(), component.display());
        // Renamed into place, so that a test that runs meanwhile never reads half a component.
        let unfinished = component.with_extension("unfinished");
        fs::write(&unfinished, bytes).with_context(|| format!("cannot write {}", unfinished.display()))?;
        fs::rename(&unfinished, &component).with_context(|| format!("cannot write {}", component.display()))?;
    }
    remove_others(&components, &names)
}

/// Makes a component of one module.
pub(crate) fn component(module: &Path, component: &Path) -> Result<()> {
    let bytes = encode(module).with_context(|| format!("cannot make a component of {}", module.display()))?;
    fs::write(component, bytes).with_context(|| format!("cannot write {}", component.display()))
}

fn build(guest: &Path, workspace: &Path) -> Result<()> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--target", TARGET, "--target-dir"])
        .arg(guest.join("target"))
        .current_dir(workspace)
        // The host's flags and target folder must not apply to the guests.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the guests do not build; `rustup target add {TARGET}` if the target is missing");
    Ok(())
}

fn guests(guest: &Path) -> Result<Vec<String>> {
    let mut names = vec![OUTSIDE.to_owned()];
    for kind in KINDS {
        let folder = guest.join(kind);
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.join("Cargo.toml").exists() {
                names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Output of an earlier build for removed guests must not remain.
fn remove_others(components: &Path, names: &[String]) -> Result<()> {
    for entry in fs::read_dir(components)? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if !names.iter().any(|name| *name == stem) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The bindings put a description of their world into the module, from which the encoder reads it.
fn encode(module: &Path) -> Result<Vec<u8>> {
    let module = fs::read(module)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}
