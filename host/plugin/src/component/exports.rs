//! The exports of a component: the functions that can be called, and those that cannot.

use std::collections::HashMap;

use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex};

use super::signature::{FunctionInfo, Reader};
use crate::Error;
use crate::limits::FUNCTIONS_MAX;
use crate::text::shortened;

/// An export that cannot be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedFunction {
    /// Its name, in the form of [`FunctionInfo::name`].
    pub name: String,
    /// The reason why it cannot be called.
    pub reason: String,
}

/// The exports of a component, in its order.
pub(crate) struct Exports {
    pub(crate) functions: Vec<FunctionInfo>,
    /// The place of each function in the component.
    pub(crate) places: Vec<ComponentExportIndex>,
    pub(crate) skipped: Vec<SkippedFunction>,
    reader: Reader,
}

impl Exports {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::NothingToCall`], and [`Error::RequirementsTooLarge`] for too many functions.
    pub(crate) fn read(component: &Component, engine: &Engine) -> Result<Self, Error> {
        let mut exports =
            Self { reader: Reader::new(), functions: Vec::new(), places: Vec::new(), skipped: Vec::new() };
        let component_type = component.component_type();
        let items: Vec<_> = component_type.exports(engine).take(FUNCTIONS_MAX + 1).collect();
        if items.len() > FUNCTIONS_MAX {
            return Err(too_many());
        }
        let mut interfaces_of: HashMap<&str, usize> = HashMap::new();
        for (name, item) in &items {
            if matches!(item.ty, ComponentItem::ComponentInstance(_)) {
                *interfaces_of.entry(short_name(name)).or_default() += 1;
            }
        }
        for (name, item) in &items {
            match &item.ty {
                ComponentItem::ComponentFunc(function) => {
                    exports.add((*name).into(), function, component.get_export_index(None, name))?;
                }
                ComponentItem::ComponentInstance(interface) => {
                    let place = component.get_export_index(None, name);
                    let is_known_by_short_name = interfaces_of.get(short_name(name)) == Some(&1);
                    let shown = if is_known_by_short_name { short_name(name) } else { name };
                    for (function_name, item) in interface.exports(engine) {
                        let ComponentItem::ComponentFunc(function) = item.ty else { continue };
                        let function_place = component.get_export_index(place.as_ref(), function_name);
                        exports.add(format!("{shown}.{function_name}"), &function, function_place)?;
                    }
                }
                _ => {}
            }
        }
        if exports.functions.is_empty() { Err(exports.nothing_to_call()) } else { Ok(exports) }
    }

    fn add(
        &mut self,
        name: String,
        function: &ComponentFunc,
        place: Option<ComponentExportIndex>,
    ) -> Result<(), Error> {
        if self.functions.len() + self.skipped.len() >= FUNCTIONS_MAX {
            return Err(too_many());
        }
        if belongs_to_toolchain(&name, function) {
            self.skipped
                .push(SkippedFunction { name, reason: "the component's toolchain used it at the build".into() });
            return Ok(());
        }
        match (FunctionInfo::read(name.clone(), function, &mut self.reader), place) {
            (Ok(info), Some(place)) => {
                self.functions.push(info);
                self.places.push(place);
            }
            (Ok(_), None) => self.skipped.push(SkippedFunction { name, reason: "it cannot be found".into() }),
            (Err(reason), _) => self.skipped.push(SkippedFunction { name, reason }),
        }
        Ok(())
    }

    fn nothing_to_call(&self) -> Error {
        let reasons: Vec<_> =
            self.skipped.iter().map(|skipped| format!("{}: {}", skipped.name, skipped.reason)).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
        Error::NothingToCall(shortened(&reasons))
    }
}

/// Whether a function is one by which a toolchain took the program into the component: componentize-py's `exports.init` (before 0.14
/// `init`), and componentize-qjs' `init`. A plugin's own `init` has other parameters.
fn belongs_to_toolchain(name: &str, function: &ComponentFunc) -> bool {
    const TAKEN: [[&str; 2]; 2] = [["app-name", "symbols"], ["shim", "script"]];
    let is_init = name == "init" || name == "exports.init";
    is_init && TAKEN.iter().any(|taken| function.params().take(2).map(|(name, _)| name).eq(taken.iter().copied()))
}

fn too_many() -> Error {
    Error::RequirementsTooLarge(format!("it exports more than {FUNCTIONS_MAX} functions and interfaces"))
}

/// `math` of `examples:tools/math@1.0.0`.
fn short_name(interface: &str) -> &str {
    let unversioned = interface.split('@').next().unwrap_or(interface);
    unversioned.rsplit('/').next().unwrap_or(unversioned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_known_by_its_last_name() {
        for (full, short) in [("examples:tools/math@1.0.0", "math"), ("examples:tools/math", "math"), ("math", "math")]
        {
            assert_eq!(short_name(full), short, "{full}");
        }
    }
}
