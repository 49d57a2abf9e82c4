//! From definitions to the number of parts: instantiates every component on paper.

use std::collections::HashMap;

use super::definition::{Definition, Kind, Named, Step};
use super::parts::Parts;
use crate::Error;

/// An item that can be passed on.
#[derive(Clone, Copy)]
enum Item {
    Component(Closure),
    /// By its index among the instances.
    Instance(usize),
    Other,
}

/// A component and the scope that it takes items from.
#[derive(Clone, Copy)]
struct Closure {
    /// None when the host passes it: then nothing is known about it.
    definition: Option<usize>,
    scope: usize,
    parts: u64,
}

/// The components that one instantiation knows, and the scope around it.
struct Scope {
    components: Vec<Closure>,
    around: Option<usize>,
}

#[derive(Default)]
struct Instance<'c> {
    items: HashMap<&'c str, Item>,
    parts: u64,
}

/// An instance that the host passes: nothing is known about it.
const UNKNOWN: usize = 0;
/// A component that the host passes.
const UNKNOWN_COMPONENT: Closure = Closure { definition: None, scope: 0, parts: 1 };

/// An instantiation under way.
struct Frame<'c> {
    definition: usize,
    next: usize,
    scope: usize,
    arguments: HashMap<&'c str, Item>,
    instances: Vec<usize>,
    exports: Vec<(&'c str, Item)>,
}

/// Counts a component's parts as often as they are linked. The count ends at a step that is invalid.
pub(super) fn count(definitions: &[Definition<'_>], parts: &mut Parts) -> Result<(), Error> {
    Linker { definitions, parts, scopes: Vec::new(), instances: vec![Instance::default()] }.run()
}

/// Goes through the instantiations as the compiler does, but links nothing.
struct Linker<'d, 'c> {
    definitions: &'d [Definition<'c>],
    parts: &'d mut Parts,
    scopes: Vec<Scope>,
    instances: Vec<Instance<'c>>,
}

impl<'c> Linker<'_, 'c> {
    fn run(&mut self) -> Result<(), Error> {
        // The compiler keeps the exports of each instantiation, also where it is never carried out.
        let exports = self.definitions.iter().map(|definition| definition.exports).max().unwrap_or(0);
        let is_instantiation = |step: &&Step<'_>| matches!(step, Step::Instantiate { .. });
        let steps = self.definitions.iter().flat_map(|definition| &definition.steps);
        self.parts.spend(exports.saturating_mul(steps.filter(is_instantiation).count() as u64))?;

        let mut frames = vec![self.frame(0, None, HashMap::new())];
        while let Some(frame) = frames.last_mut() {
            let definitions = self.definitions;
            if let Some(step) = definitions[frame.definition].steps.get(frame.next) {
                frame.next += 1;
                self.parts.spend(1)?;
                match self.step(frame, step)? {
                    Some(Done::Begun(begun)) => frames.push(begun),
                    Some(Done::Finished) => {}
                    None => return Ok(()),
                }
                continue;
            }
            let instance = self.instance(std::mem::take(&mut frame.exports))?;
            frames.pop();
            if let Some(frame) = frames.last_mut() {
                frame.instances.push(instance);
            }
        }
        Ok(())
    }

    fn frame(&mut self, definition: usize, around: Option<usize>, arguments: HashMap<&'c str, Item>) -> Frame<'c> {
        self.scopes.push(Scope { components: Vec::new(), around });
        let scope = self.scopes.len() - 1;
        Frame { definition, next: 0, scope, arguments, instances: Vec::new(), exports: Vec::new() }
    }

    /// None when the step is invalid.
    fn step(&mut self, frame: &mut Frame<'c>, step: &Step<'c>) -> Result<Option<Done<'c>>, Error> {
        match step {
            Step::Plain(parts) => self.parts.spend(*parts)?,
            Step::Import(name, kind) => {
                let passed = frame.arguments.get(name).copied();
                self.add(frame, *kind, passed)?;
            }
            Step::Define(definition) => {
                let mut parts = 1_u64;
                for &(count, index) in &self.definitions[*definition].captures {
                    // One level out of the definition is this scope.
                    let Some(captured) = self.outer(frame.scope, count - 1, index) else { return Ok(None) };
                    parts = parts.saturating_add(captured.parts);
                }
                let closure = Closure { definition: Some(*definition), scope: frame.scope, parts };
                self.add(frame, Kind::Component, Some(Item::Component(closure)))?;
            }
            Step::Outer { count, index } => {
                let Some(found) = self.outer(frame.scope, *count, *index) else { return Ok(None) };
                self.add(frame, Kind::Component, Some(Item::Component(found)))?;
            }
            Step::From { kind, instance, name } => {
                let Some(&instance) = frame.instances.get(*instance) else { return Ok(None) };
                let found = self.instances[instance].items.get(name).copied();
                self.add(frame, *kind, found)?;
            }
            Step::Instantiate { component, arguments } => {
                let component = self.scopes[frame.scope].components.get(*component).copied();
                let Some(component) = component else { return Ok(None) };
                self.parts.spend(component.parts)?;
                let Some(arguments) = self.items(frame, arguments)? else { return Ok(None) };
                if let Some(definition) = component.definition {
                    let arguments = arguments.into_iter().collect();
                    return Ok(Some(Done::Begun(self.frame(definition, Some(component.scope), arguments))));
                }
                frame.instances.push(UNKNOWN);
            }
            Step::Gather(exports) => {
                let Some(items) = self.items(frame, exports)? else { return Ok(None) };
                let instance = self.instance(items)?;
                frame.instances.push(instance);
            }
            Step::Export(export) => {
                let Some(item) = self.item(frame, *export) else { return Ok(None) };
                frame.exports.push((export.name, item));
                self.add(frame, export.kind, Some(item))?;
            }
        }
        Ok(Some(Done::Finished))
    }

    /// A component of a scope further out.
    fn outer(&self, scope: usize, count: usize, index: usize) -> Option<Closure> {
        let mut scope = &self.scopes[scope];
        for _ in 0..count {
            scope = &self.scopes[scope.around?];
        }
        scope.components.get(index).copied()
    }

    /// Gives a copy of an item the next index of its kind.
    fn add(&mut self, frame: &mut Frame<'c>, kind: Kind, item: Option<Item>) -> Result<(), Error> {
        let size = item.map_or(1, |item| self.size(item));
        self.parts.spend(size)?;
        match (kind, item) {
            (Kind::Component, Some(Item::Component(closure))) => self.scopes[frame.scope].components.push(closure),
            (Kind::Component, _) => self.scopes[frame.scope].components.push(UNKNOWN_COMPONENT),
            (Kind::Instance, Some(Item::Instance(instance))) => frame.instances.push(instance),
            (Kind::Instance, _) => frame.instances.push(UNKNOWN),
            (Kind::Other, _) => {}
        }
        Ok(())
    }

    fn size(&self, item: Item) -> u64 {
        match item {
            Item::Component(closure) => closure.parts,
            Item::Instance(instance) => self.instances[instance].parts.max(1),
            Item::Other => 1,
        }
    }

    fn item(&self, frame: &Frame<'c>, named: Named<'c>) -> Option<Item> {
        match named.kind {
            Kind::Component => self.scopes[frame.scope].components.get(named.index).copied().map(Item::Component),
            Kind::Instance => frame.instances.get(named.index).copied().map(Item::Instance),
            Kind::Other => Some(Item::Other),
        }
    }

    /// Copies of items under their names.
    fn items(&mut self, frame: &Frame<'c>, names: &[Named<'c>]) -> Result<Option<Vec<(&'c str, Item)>>, Error> {
        let mut items = Vec::new();
        for named in names {
            let Some(item) = self.item(frame, *named) else { return Ok(None) };
            let size = self.size(item);
            self.parts.spend(size)?;
            items.push((named.name, item));
        }
        Ok(Some(items))
    }

    fn instance(&mut self, items: Vec<(&'c str, Item)>) -> Result<usize, Error> {
        let parts = items.iter().fold(1_u64, |sum, (_, item)| sum.saturating_add(self.size(*item)));
        self.parts.spend(parts)?;
        self.instances.push(Instance { items: items.into_iter().collect(), parts });
        Ok(self.instances.len() - 1)
    }
}

/// The result of a step.
enum Done<'c> {
    Finished,
    Begun(Frame<'c>),
}
