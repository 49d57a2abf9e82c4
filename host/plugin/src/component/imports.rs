//! The imports of a component, all of which the host must offer.
//!
//! They are read from the component's bytes before it is compiled, because that may take minutes, and from the compiled component
//! once more, as the engine sees them.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, ComponentType, ComponentTypeRef,
    InstanceTypeDeclaration, Parser, Payload, TypeBounds,
};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::Error;
use crate::text::shortened;

const PACKAGE: &str = "mantis:db/";
const TRANSACTIONS: &str = "mantis:db/transactions@";
/// The interfaces of the package that the host offers.
const OFFERED: [&str; 5] = ["kv", "system", "tables", "transactions", "types"];
/// The version of the package that the host offers. Before 1.0, versions with the same minor number are compatible: wasmtime links an
/// import of one to what is offered as another.
const VERSION: &str = "0.1.0";
const COMPATIBLE: &str = "0.1.";
/// The interfaces of WASI that the host offers. Standard libraries import them, and none of them grants anything.
const WASI: [&str; 28] = [
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "clocks/monotonic-clock",
    "clocks/timezone",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
    "sockets/instance-network",
    "sockets/ip-name-lookup",
    "sockets/network",
    "sockets/tcp",
    "sockets/tcp-create-socket",
    "sockets/udp",
    "sockets/udp-create-socket",
];
/// The versions of them that the host offers. Functions that a later one adds are traps.
const WASI_VERSION: &str = "0.2.";
/// Missing imports that an error names. Components with all of WASI have about 30.
const NAMED_MAX: usize = 64;

/// The names of the interfaces that a component imports.
pub(crate) struct Imports(Vec<String>);

impl Imports {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::ImportUnknown`] for those that the host does not offer.
    pub(crate) fn read(component: &Component, engine: &Engine) -> Result<Self, Error> {
        let component_type = component.component_type();
        // A plugin's own interface of types is an import that nobody has to provide.
        let imports = component_type
            .imports(engine)
            .filter(|(name, item)| is_offered(name) || !holds_only_types(&item.ty, engine))
            .map(|(name, _)| name.to_owned());
        let imports: Vec<String> = imports.collect();
        refuse_missing(imports.iter().map(String::as_str).filter(|import| !is_offered(import)))?;
        Ok(Self(imports))
    }

    /// Whether the component can run transactions of its own.
    pub(crate) fn has_transactions(&self) -> bool {
        self.0.iter().any(|import| import.starts_with(TRANSACTIONS))
    }

    /// Whether the component imports anything of WASI.
    pub(crate) fn has_wasi(&self) -> bool {
        self.0.iter().any(|import| wasi_interface(import).is_some())
    }

    pub(crate) fn into_names(self) -> Vec<String> {
        self.0
    }
}

/// Checks the imports of a component that is not compiled yet. What cannot be read is left to the compiler, which reports it.
///
/// # Errors
/// [`Error::ImportUnknown`] for those that the host does not offer.
pub(super) fn check(component: &[u8]) -> Result<(), Error> {
    let imports = needed(component).unwrap_or_default();
    refuse_missing(imports.into_iter().filter(|import| !is_offered(import)))
}

/// The imports that somebody has to provide; none where the component cannot be read.
fn needed(component: &[u8]) -> Option<Vec<&str>> {
    let mut imports = Vec::new();
    // Whether each type of the outermost component is an instance of types alone. Only such an import needs no provider.
    let mut types_alone = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            Payload::ComponentTypeSection(section) => {
                for defined in section {
                    types_alone.push(defines_only_types(&defined.ok()?));
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    if is_type(&alias.ok()?) {
                        types_alone.push(false);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    if export.ok()?.kind == ComponentExternalKind::Type {
                        types_alone.push(false);
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.ok()?;
                    if matches!(import.ty, ComponentTypeRef::Type(_)) {
                        types_alone.push(false);
                    }
                    match import.ty {
                        ComponentTypeRef::Type(TypeBounds::Eq(_)) => {}
                        ComponentTypeRef::Instance(place)
                            if types_alone.get(place as usize).copied().unwrap_or(false) => {}
                        _ => imports.push(import.name.name),
                    }
                }
            }
            _ => {}
        }
    }
    Some(imports)
}

fn is_type(alias: &ComponentAlias<'_>) -> bool {
    matches!(
        alias,
        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Type, .. }
            | ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, .. }
    )
}

fn defines_only_types(defined: &ComponentType<'_>) -> bool {
    let ComponentType::Instance(declarations) = defined else { return false };
    declarations.iter().all(|declaration| match declaration {
        InstanceTypeDeclaration::Export { ty, .. } => matches!(ty, ComponentTypeRef::Type(TypeBounds::Eq(_))),
        _ => true,
    })
}

/// Fails where there are any, and names them all, with what to do.
fn refuse_missing<'i>(missing: impl Iterator<Item = &'i str>) -> Result<(), Error> {
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = missing.iter().take(NAMED_MAX).map(|import| format!("`{}`", shortened(import))).collect();
    let more = missing.len().saturating_sub(NAMED_MAX);
    let imports = match (named.split_last(), more) {
        (Some((last, [])), 0) => last.clone(),
        (Some((last, others)), 0) => format!("{} and {last}", others.join(", ")),
        _ => format!("{} and {more} more", named.join(", ")),
    };
    let mut advice: Vec<&str> = missing.iter().map(|import| advice(import)).collect();
    advice.sort_unstable();
    advice.dedup();
    Err(Error::ImportUnknown {
        imports,
        offered: format!(
            "{} and of WASI {WASI_VERSION}x cli, clocks, filesystem, io, random and sockets",
            OFFERED.map(|interface| format!("{PACKAGE}{interface}@{VERSION}")).join(", ")
        ),
        advice: advice.join("; "),
    })
}

/// What to do about an import that the host does not offer.
fn advice(import: &str) -> &'static str {
    if import.starts_with("wasi:") {
        "build it for WASI 0.2 without HTTP: in Rust with the target wasm32-wasip2, in JavaScript with `--disable http --disable \
         fetch-event`; or without WASI: in Rust with the target wasm32-unknown-unknown, in JavaScript with `--disable all`, in Python \
         with `--stub-wasi`, in C without the C library"
    } else if import.starts_with(PACKAGE) {
        "build it with the WIT files of this server's version"
    } else {
        "compose it with a component that provides the others, as with `wac plug`"
    }
}

fn is_offered(import: &str) -> bool {
    let named = import.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@'));
    named.is_some_and(|(interface, version)| OFFERED.contains(&interface) && version.starts_with(COMPATIBLE))
        || wasi_interface(import).is_some()
}

/// The interface of WASI that an import names, without its version, if the host offers it.
pub(crate) fn wasi_interface(import: &str) -> Option<&'static str> {
    let (interface, version) = import.strip_prefix("wasi:")?.split_once('@')?;
    let patch = version.strip_prefix(WASI_VERSION)?;
    let is_release = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    WASI.into_iter().find(|offered| is_release && *offered == interface)
}

fn holds_only_types(item: &ComponentItem, engine: &Engine) -> bool {
    match item {
        ComponentItem::Type(_) => true,
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(engine).all(|(_, item)| matches!(item.ty, ComponentItem::Type(_)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_needed(text: &str, expected: &[&str]) {
        let component = wat::parse_str(format!("(component {text})")).unwrap();
        assert_eq!(needed(&component).unwrap(), expected, "{text}");
    }

    #[test]
    fn imports_are_read_before_compiling() {
        check_needed("", &[]);
        check_needed(r#"(import "a:b/c@1.0.0" (instance (export "f" (func))))"#, &["a:b/c@1.0.0"]);
        check_needed(r#"(import "f" (func)) (import "g" (func))"#, &["f", "g"]);
        check_needed(r#"(import "a:b/types" (instance (type u8) (export "t" (type (eq 0)))))"#, &[]);
        // What others in it import is provided there.
        check_needed(r#"(component (import "inner" (func))) (core module (import "m" "f" (func)))"#, &[]);
        // Types of every kind count as places.
        check_needed(
            r#"(type u8) (import "r" (type (sub resource))) (type $t (instance (export "f" (func)))) (import "a:b/c" (instance (type $t)))"#,
            &["r", "a:b/c"],
        );
    }

    #[test]
    fn wasi_is_offered_in_releases_of_one_version() {
        for offered in ["wasi:cli/stdout@0.2.0", "wasi:io/poll@0.2.12", "wasi:filesystem/types@0.2.9"] {
            assert!(is_offered(offered), "{offered}");
        }
        for refused in [
            "wasi:cli/stdout@0.3.0",
            "wasi:cli/stdout@0.2.",
            "wasi:cli/stdout@0.2.0-rc-2023-11-10",
            "wasi:cli/stdout",
            "wasi:http/types@0.2.0",
            "wasi:cli/run@0.2.0",
        ] {
            assert!(!is_offered(refused), "{refused}");
        }
    }

    #[test]
    fn every_missing_import_is_named_with_what_to_do() {
        let missing = ["wasi:http/types@0.2.0", "wasi:cli/exit@0.3.0", "mantis:db/kv@0.2.0", "other"];
        let text = refuse_missing(missing.into_iter()).unwrap_err().to_string();
        for part in [
            "`wasi:http/types@0.2.0`, `wasi:cli/exit@0.3.0`, `mantis:db/kv@0.2.0` and `other`",
            "--stub-wasi",
            "wac plug",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let many: Vec<_> = (0..100).map(|number| format!("import-{number}")).collect();
        let text = refuse_missing(many.iter().map(String::as_str)).unwrap_err().to_string();
        assert!(text.contains("`import-63` and 36 more"), "{text}");
    }
}
