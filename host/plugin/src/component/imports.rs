//! The imports of a component, all of which the host must offer.

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

/// The names of the interfaces that a component imports.
pub(crate) struct Imports(Vec<String>);

impl Imports {
    /// Reads them.
    ///
    /// # Errors
    /// [`Error::ImportUnknown`] for one that the host does not offer.
    pub(crate) fn read(component: &Component, engine: &Engine) -> Result<Self, Error> {
        let component_type = component.component_type();
        // A plugin's own interface of types is an import that nobody has to provide.
        let imports = component_type
            .imports(engine)
            .filter(|(name, item)| is_offered(name) || !holds_only_types(&item.ty, engine))
            .map(|(name, _)| name.to_owned());
        let imports: Vec<String> = imports.collect();
        match imports.iter().find(|import| !is_offered(import)) {
            None => Ok(Self(imports)),
            Some(import) => {
                let offered = OFFERED.map(|interface| format!("{PACKAGE}{interface}@{VERSION}")).join(", ");
                Err(Error::ImportUnknown { import: shortened(import), offered })
            }
        }
    }

    /// Whether the component can run transactions of its own.
    pub(crate) fn has_transactions(&self) -> bool {
        self.0.iter().any(|import| import.starts_with(TRANSACTIONS))
    }

    pub(crate) fn into_names(self) -> Vec<String> {
        self.0
    }
}

fn is_offered(import: &str) -> bool {
    let named = import.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@'));
    named.is_some_and(|(interface, version)| OFFERED.contains(&interface) && version.starts_with(COMPATIBLE))
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
