//! How much a component comes to when the components in it are linked, counted before the compiler does it.
//!
//! Components can be made of others, each as often as wanted: nine of them, each of which holds the one before it ten times, fit into 700
//! bytes and would fill the machine's memory, because the compiler writes out every one, and copies what is passed between them. This
//! goes the same way and counts, but writes nothing out: what is passed is a number here.
//!
//! Nothing is checked beside that. Where a component makes no sense, the count ends, and the compiler says so.

use std::collections::HashMap;

use wasmparser::{
    ComponentAlias, ComponentExport, ComponentExternalKind, ComponentImport, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Parser, Payload,
};

use crate::Error;

/// Parts that are linked, and copied while they are. What tools of today make has some
/// hundreds, and 5,000 with Python and all of WASI.
const PARTS_MAX: u64 = 1_000_000;

/// What a component does when it is instantiated, as far as it counts.
enum Step<'c> {
    /// So many parts that link nothing.
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
enum Kind {
    Component,
    Instance,
    Other,
}

#[derive(Clone, Copy)]
struct Named<'c> {
    name: &'c str,
    kind: Kind,
    index: usize,
}

#[derive(Default)]
struct Definition<'c> {
    steps: Vec<Step<'c>>,
    /// What it takes from components around it: how far out, and which.
    captures: Vec<(usize, usize)>,
    exports: u64,
}

/// How many parts a component comes to. Refuses one that comes to more than [`PARTS_MAX`]; what cannot be read is left to the compiler.
pub(crate) fn check(component: &[u8]) -> Result<u64, Error> {
    let mut parts = Parts { left: PARTS_MAX };
    let mut reader = Reader { definitions: vec![Definition::default()], open: vec![Some(0)] };
    if reader.read(component, &mut parts)? {
        let instances = vec![Instance::default()];
        Linker { definitions: &reader.definitions, parts: &mut parts, scopes: Vec::new(), instances }.run()?;
    }
    Ok(PARTS_MAX - parts.left)
}

struct Parts {
    left: u64,
}

impl Parts {
    fn spend(&mut self, parts: u64) -> Result<(), Error> {
        let left = self.left.checked_sub(parts);
        self.left = left.ok_or_else(|| {
            Error::RequirementsTooLarge(format!("the components in it are linked from more than {PARTS_MAX} parts"))
        })?;
        Ok(())
    }
}

struct Reader<'c> {
    /// All components in the order of their beginnings: the outermost is the first.
    definitions: Vec<Definition<'c>>,
    /// Those around the current place, the innermost last. None is a module.
    open: Vec<Option<usize>>,
}

impl<'c> Reader<'c> {
    /// Whether it could be read to its end.
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

    /// None where it cannot be read.
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

/// What can be passed on.
#[derive(Clone, Copy)]
enum Item {
    Component(Closure),
    /// By its place among the instances.
    Instance(usize),
    Other,
}

/// A component with what it takes from around it.
#[derive(Clone, Copy)]
struct Closure {
    /// None when the host passes it, of which nothing is known.
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

/// The instance of which nothing is known: the host passes it.
const UNKNOWN: usize = 0;
/// The same as a component.
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
                    Some(Done::Went) => {}
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

    /// None where it makes no sense.
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
                    // One out of it is here.
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
        Ok(Some(Done::Went))
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

/// What a step came to.
enum Done<'c> {
    Went,
    Begun(Frame<'c>),
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(format!("(component {text})")).unwrap()
    }

    /// Components each of which holds the one before it so many times.
    fn powers(base: usize, exponent: usize) -> Vec<u8> {
        let mut text = String::from("(component $c0 (core module $m) (core instance (instantiate $m)))");
        for level in 0..exponent {
            let instances = "(instance (instantiate $x))".repeat(base);
            write!(text, "(component $c{} (alias outer 1 {level} (component $x)) {instances})", level + 1).unwrap();
        }
        write!(text, "(instance (instantiate $c{exponent}))").unwrap();
        component(&text)
    }

    #[test]
    fn parts_are_counted_as_often_as_they_are_linked() {
        let parts = |base, exponent| check(&powers(base, exponent)).unwrap();
        for exponent in 3..10 {
            // What is constant falls out of the difference.
            let growth = |exponent| parts(2, exponent + 1) - parts(2, exponent);
            let (before, after) = (growth(exponent), growth(exponent + 1));
            assert!((after * 100).div_ceil(before).abs_diff(200) < 20, "{before} and then {after}");
        }
        assert!(parts(3, 5) > 3_u64.pow(5));
    }

    #[test]
    fn what_comes_to_too_much_is_refused() {
        let passed_on = {
            // A component that is an argument, and is instantiated where it arrives.
            let mut text = String::from("(component $c0)");
            for level in 0..24 {
                write!(
                    text,
                    "(component $twice{level} (import \"c\" (component $c)) (instance (instantiate $c)) (instance (instantiate $c)))
                     (component $c{} (alias outer 1 $twice{level} (component $t)) (alias outer 1 $c{level} (component $c))
                         (instance (instantiate $t (with \"c\" (component $c)))))",
                    level + 1
                )
                .unwrap();
            }
            component(&(text + "(instance (instantiate $c24))"))
        };
        let captured = {
            let mut text = String::from("(component $c0) (component $c1)");
            for level in 0..40 {
                let (one, two, this) = (level, level + 1, level + 2);
                write!(
                    text,
                    "(component $c{this} (alias outer 1 $c{one} (component)) (alias outer 1 $c{two} (component)))"
                )
                .unwrap();
            }
            component(&text)
        };
        let copied = {
            let exports: String = (0..2_000).fold(String::new(), |mut text, number| {
                write!(text, "(export \"e{number}\" (instance $empty))").unwrap();
                text
            });
            let copies = "(instance (export \"a\" (instance $many)))".repeat(900);
            component(&format!("(instance $empty) (instance $many {exports}) {copies}"))
        };
        let exported = {
            let exports: String = (0..2_000).fold(String::new(), |mut text, number| {
                write!(text, "(export \"e{number}\" (type $t))").unwrap();
                text
            });
            let never = "(instance (instantiate $many))".repeat(900);
            component(&format!(
                "(component $many (type $t u8) {exports})
                 (component (alias outer 1 $many (component $many)) {never})"
            ))
        };
        for (name, component) in [
            ("instances", powers(10, 7)),
            ("instances of arguments", passed_on),
            ("captured components", captured),
            ("copied instances", copied),
            ("exports", exported),
        ] {
            let error = check(&component).expect_err(name);
            assert!(matches!(error, Error::RequirementsTooLarge(_)), "{name}: {error}");
        }
    }

    proptest! {
        /// Whatever the bytes are, there is an answer.
        #[test]
        fn damaged_components_are_answered(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)) {
            let mut component = powers(3, 4);
            for (place, byte) in changes {
                let place = place.index(component.len() - 8);
                component[8 + place] = byte;
            }
            let _ = check(&component);
        }
    }

    #[test]
    fn what_makes_no_sense_is_left_to_the_compiler() {
        for bytes in [&b""[..], b"\0asm\x0d\0\x01\0\x0b\x01", b"\0asm\x0d\0\x01\0\x05\x04\x01\0\x09\0"] {
            check(bytes).unwrap();
        }
    }
}
