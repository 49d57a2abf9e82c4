//! `cargo xtask guests`: builds the workspace in `guest/` and the projects beside it, and turns each module into a component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

const TARGET: &str = "wasm32-unknown-unknown";
/// The target whose standard library imports WASI. Its linker makes components.
const WASI_TARGET: &str = "wasm32-wasip2";

/// Folders of `guest/` whose folders are guests, named as their packages.
const KINDS: [&str; 3] = ["examples", "faults", "fixtures"];
/// A guest outside of the workspace, as other people's are.
const OUTSIDE: &str = "outside";
/// A guest for the other target.
const WASI: &str = "wasi";
/// A guest in C, built by clang.
const FREESTANDING: &str = "freestanding";

pub(crate) fn run() -> Result<()> {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("guest");
    build(&guest, &guest, TARGET)?;
    build(&guest, &guest.join(OUTSIDE), TARGET)?;
    build(&guest, &guest.join(WASI), WASI_TARGET)?;
    let c_module = build_c(&guest)?;
    let components = guest.join("target/components");
    fs::create_dir_all(&components).with_context(|| format!("cannot make {}", components.display()))?;
    let mut names = guests(&guest)?;
    names.extend(c_module.is_some().then(|| FREESTANDING.to_owned()));
    for name in &names {
        let file = format!("{}.wasm", name.replace('-', "_"));
        let built = |target: &str| guest.join("target").join(target).join("release").join(&file);
        let bytes = if let Some(module) = c_module.as_deref().filter(|_| name == FREESTANDING) {
            let folder = guest.join(FREESTANDING);
            encode(
                module,
                Some(&World { name: FREESTANDING, wit: &[guest.with_file_name("wit"), folder.join("wit")] }),
            )?
        } else if name == WASI {
            let component = built(WASI_TARGET);
            fs::read(&component).with_context(|| format!("cannot read {}", component.display()))?
        } else {
            let module = built(TARGET);
            encode(&module, None).with_context(|| format!("cannot make a component of {}", module.display()))?
        };
        let component = components.join(format!("{name}.wasm"));
        println!("{:>8} bytes  {}", bytes.len(), component.display());
        // Renamed into place, so that a test that runs meanwhile never reads half a component.
        let unfinished = component.with_extension("unfinished");
        fs::write(&unfinished, bytes).with_context(|| format!("cannot write {}", unfinished.display()))?;
        fs::rename(&unfinished, &component).with_context(|| format!("cannot write {}", component.display()))?;
    }
    remove_others(&components, &names)
}

/// Makes a component of one module, of the world of that name where the module does not say itself which world it is for. The world is
/// in the last of some folders of WIT, each of which may use those before it.
pub(crate) fn component(module: &Path, component: &Path, world: Option<(&str, &[PathBuf])>) -> Result<()> {
    let world = world.map(|(name, wit)| World { name, wit });
    let bytes =
        encode(module, world.as_ref()).with_context(|| format!("cannot make a component of {}", module.display()))?;
    fs::write(component, bytes).with_context(|| format!("cannot write {}", component.display()))
}

fn build(guest: &Path, workspace: &Path, target: &str) -> Result<()> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--target", target, "--target-dir"])
        .arg(guest.join("target"))
        .current_dir(workspace)
        // The host's flags and target folder must not apply to the guests.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the guests do not build; `rustup target add {target}` if the target is missing");
    Ok(())
}

fn guests(guest: &Path) -> Result<Vec<String>> {
    let mut names = vec![OUTSIDE.to_owned(), WASI.to_owned()];
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

/// Builds the guest in C to a module. None without clang: only a test needs it.
fn build_c(guest: &Path) -> Result<Option<PathBuf>> {
    let source = guest.join(FREESTANDING).join(FREESTANDING).with_extension("c");
    let module = guest.join("target").join(FREESTANDING).with_extension("wasm");
    let object = module.with_extension("o");
    let compiled = Command::new("clang")
        .args(["--target=wasm32", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-c", "-o"])
        .args([&object, &source])
        .status();
    match compiled {
        Ok(status) => ensure!(status.success(), "{} does not compile", source.display()),
        Err(error) => {
            println!("guest/{FREESTANDING} is not built: cannot run clang: {error}");
            return Ok(None);
        }
    }
    let linked = Command::new(linker(guest)?)
        .args(["-flavor", "wasm", "--no-entry", "--strip-all", "-o"])
        .args([&module, &object])
        .status()
        .context("cannot run rust-lld")?;
    ensure!(linked.success(), "{} is not linked", object.display());
    Ok(Some(module))
}

/// The linker that comes with the compiler.
fn linker(guest: &Path) -> Result<PathBuf> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir"])
        .current_dir(guest)
        .output()
        .context("cannot run rustc")?;
    let libraries = PathBuf::from(String::from_utf8(output.stdout)?.trim_end());
    Ok(libraries.with_file_name("bin").join("rust-lld"))
}

/// What a module is to be a component of.
struct World<'a> {
    name: &'a str,
    /// Folders, each of which may use those before it. The last one has the world.
    wit: &'a [PathBuf],
}

/// Bindings that are generated put a description of their world into the module, from which the encoder reads it. To others it is
/// added.
fn encode(module: &Path, world: Option<&World<'_>>) -> Result<Vec<u8>> {
    let mut module = fs::read(module)?;
    if let Some(World { name, wit }) = world {
        let mut resolve = Resolve::default();
        let mut package = None;
        for folder in *wit {
            package = Some(resolve.push_path(folder).with_context(|| format!("cannot read {}", folder.display()))?.0);
        }
        let world = resolve.select_world(package.as_slice(), Some(name))?;
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    }
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}
