//! From bytes to definitions: the steps of each component's instantiation.

use wasmparser::{
    ComponentAlias, ComponentExport, ComponentExternalKind, ComponentImport, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Parser, Payload,
};

use super::parts::Parts;
use crate::Error;

/// One step of a component's instantiation, as far as it counts.
pub(super) enum Step<'c> {
    /// Parts that link nothing, by their number.
    Plain(u64),
    Import(&'c str, Kind),
    Define(usize),
    Outer {
        count: usize,
        index: usize,
    },
    From {
        kind: Kind,
        instance: usize,
        name: &'c str,
    },
    Instantiate {
        component: usize,
        arguments: Vec<Named<'c>>,
    },
    Gather(Vec<Named<'c>>),
    Export(Named<'c>),
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Component,
    Instance,
    Other,
}

/// An item of an index space under a name.
#[derive(Clone, Copy)]
pub(super) struct Named<'c> {
    pub(super) name: &'c str,
    pub(super) kind: Kind,
    pub(super) index: usize,
}

/// A component as its bytes define it.
#[derive(Default)]
pub(super) struct Definition<'c> {
    pub(super) steps: Vec<Step<'c>>,
    /// The components that it takes from around it: how far out, and their index there.
    pub(super) captures: Vec<(usize, usize)>,
    pub(super) exports: u64,
}

/// Reads a component, the outermost definition first. `None` when it cannot be read to its end.
pub(super) fn read<'c>(component: &'c [u8], parts: &mut Parts) -> Result<Option<Vec<Definition<'c>>>, Error> {
    let mut reader = Reader { definitions: vec![Definition::default()], open: vec![Some(0)] };
    Ok(reader.read(component, parts)?.then_some(reader.definitions))
}

/// Reads a component's bytes into definitions.
struct Reader<'c> {
    /// All components, in the order in which they begin: the outermost is the first.
    definitions: Vec<Definition<'c>>,
    /// The components around the current place, the innermost last. None is a module.
    open: Vec<Option<usize>>,
}

impl<'c> Reader<'c> {
    /// False when the component cannot be read to its end.
    fn read(&mut self, component: &'c [u8], parts: &mut Parts) -> Result<bool, Error> {
        for payload in Parser::new(0).parse_all(component) {
            let Ok(payload) = payload else { return Ok(false) };
            if let Payload::End(_) = payload {
                self.open.pop();
            } else if let Some(&Some(place)) = self.open.last()
                && self.section(place, payload, parts)?.is_none()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// None when the section cannot be read.
    fn section(&mut self, place: usize, payload: Payload<'c>, parts: &mut Parts) -> Result<Option<()>, Error> {
        match payload {
            Payload::ModuleSection { .. } => {
                self.add(place, Step::Plain(1), parts)?;
                self.open.push(None);
            }
            Payload::ComponentSection { .. } => {
                let inner = self.definitions.len();
                self.add(place, Step::Define(inner), parts)?;
                self.definitions.push(Definition::default());
                self.open.push(Some(inner));
            }
            Payload::InstanceSection(section) => self.add(place, Step::Plain(section.count().into()), parts)?,
            Payload::ComponentCanonicalSection(section) => {
                self.add(place, Step::Plain(section.count().into()), parts)?;
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let Ok(import) = import else { return Ok(None) };
                    self.add(place, import_step(&import), parts)?;
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    let Ok(instance) = instance else { return Ok(None) };
                    let step = instance_step(instance);
                    if let Step::Gather(names) | Step::Instantiate { arguments: names, .. } = &step {
                        parts.spend(names.len() as u64)?;
                    }
                    self.add(place, step, parts)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let Ok(export) = export else { return Ok(None) };
                    self.definitions[place].exports += 1;
                    self.add(place, Step::Export(named(&export)), parts)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    let Ok(alias) = alias else { return Ok(None) };
                    let step = self.alias_step(&alias, parts)?;
                    self.add(place, step, parts)?;
                }
            }
            _ => {}
        }
        Ok(Some(()))
    }

    fn add(&mut self, place: usize, step: Step<'c>, parts: &mut Parts) -> Result<(), Error> {
        parts.spend(1)?;
        self.definitions[place].steps.push(step);
        Ok(())
    }

    fn alias_step(&mut self, alias: &ComponentAlias<'c>, parts: &mut Parts) -> Result<Step<'c>, Error> {
        Ok(match *alias {
            ComponentAlias::InstanceExport { kind, instance_index, name } => {
                Step::From { kind: kind_of(kind), instance: instance_index as usize, name }
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                let (count, index) = (count as usize, index as usize);
                // Each component on the way out takes it along.
                for (inwards, around) in self.open.iter().rev().flatten().take(count).enumerate() {
                    parts.spend(1)?;
                    self.definitions[*around].captures.push((count - inwards, index));
                }
                Step::Outer { count, index }
            }
            _ => Step::Plain(1),
        })
    }
}

fn import_step<'c>(import: &ComponentImport<'c>) -> Step<'c> {
    let kind = match import.ty {
        ComponentTypeRef::Component(_) => Kind::Component,
        ComponentTypeRef::Instance(_) => Kind::Instance,
        _ => Kind::Other,
    };
    Step::Import(import.name.name, kind)
}

fn instance_step(instance: ComponentInstance<'_>) -> Step<'_> {
    match instance {
        ComponentInstance::Instantiate { component_index, args } => Step::Instantiate {
            component: component_index as usize,
            arguments: args
                .iter()
                .map(|argument| Named {
                    name: argument.name,
                    kind: kind_of(argument.kind),
                    index: argument.index as usize,
                })
                .collect(),
        },
        ComponentInstance::FromExports(exports) => Step::Gather(exports.iter().map(named).collect()),
    }
}

fn named<'c>(export: &ComponentExport<'c>) -> Named<'c> {
    Named { name: export.name.name, kind: kind_of(export.kind), index: export.index as usize }
}

fn kind_of(kind: ComponentExternalKind) -> Kind {
    match kind {
        ComponentExternalKind::Component => Kind::Component,
        ComponentExternalKind::Instance => Kind::Instance,
        _ => Kind::Other,
    }
}
