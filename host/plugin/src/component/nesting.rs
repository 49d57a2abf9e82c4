//! The nesting depth of a component, counted before the compiler sees it.
//!
//! The compiler's reader calls itself for each component or instance type within another: a small file that nests a few thousand
//! of them overflows any stack, which no handler survives. This walk keeps its place in a list instead. It reads the flat parts with
//! the same release of the same reader, so that both read the same bytes in the same way: the compiler could not read what the walk
//! cannot read.

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternName, ComponentImport, ComponentType, ComponentTypeRef, CoreType,
    FromReader, FunctionBody, Operator, Parser, Payload, SectionLimited,
};

use crate::Error;
use crate::limits::{BLOCKS_MAX, NESTING_MAX};
use crate::text::shortened;

// The first byte of a type.
const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;
// The first byte of a part of a component or instance type.
const CORE_TYPE: u8 = 0x00;
const TYPE: u8 = 0x01;
const ALIAS: u8 = 0x02;
const IMPORT: u8 = 0x03;
const EXPORT: u8 = 0x04;

/// Counts the levels of a component. Refuses one that has more than [`NESTING_MAX`], and one that cannot be read so far. Takes
/// time in proportion to the component's size.
pub(super) fn check(component: &[u8]) -> Result<usize, Error> {
    let mut levels = Levels { now: 1, most: 1 };
    for payload in Parser::new(0).parse_all(component) {
        match readable(payload)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => levels.enter()?,
            Payload::End(_) => levels.leave(),
            Payload::CoreTypeSection(section) => {
                for core_type in section {
                    levels.pass(&readable(core_type)?)?;
                }
            }
            Payload::CodeSectionEntry(function) => check_blocks(&function)?,
            Payload::ComponentTypeSection(section) => Types::new(component, &section, &mut levels).check()?,
            _ => {}
        }
    }
    Ok(levels.most)
}

fn readable<T>(read: wasmparser::Result<T>) -> Result<T, Error> {
    read.map_err(|error| Error::ComponentInvalid(shortened(&error.to_string())))
}

fn check_blocks(function: &FunctionBody<'_>) -> Result<(), Error> {
    let mut open = 0_usize;
    for operator in readable(function.get_operators_reader())? {
        match readable(operator)? {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                open += 1;
            }
            Operator::End => open = open.saturating_sub(1),
            _ => {}
        }
        if open > BLOCKS_MAX {
            let reason = format!("a function in it nests blocks more than {BLOCKS_MAX} deep");
            return Err(Error::RequirementsTooLarge(reason));
        }
    }
    Ok(())
}

struct Levels {
    now: usize,
    most: usize,
}

impl Levels {
    fn enter(&mut self) -> Result<(), Error> {
        self.now += 1;
        self.most = self.most.max(self.now);
        if self.now > NESTING_MAX { Err(Error::ComponentNested { max: NESTING_MAX }) } else { Ok(()) }
    }

    fn leave(&mut self) {
        self.now -= 1;
    }

    /// A module's type is a level, and has none below it.
    fn pass(&mut self, core_type: &CoreType<'_>) -> Result<(), Error> {
        if let CoreType::Module(_) = core_type {
            self.enter()?;
            self.leave();
        }
        Ok(())
    }
}

/// A component or instance type that has been read in part.
struct Open {
    parts_left: u32,
    may_import: bool,
}

/// The types of one section.
struct Types<'c, 'l> {
    reader: BinaryReader<'c>,
    levels: &'l mut Levels,
    open: Vec<Open>,
}

impl<'c, 'l> Types<'c, 'l> {
    fn new(component: &'c [u8], section: &SectionLimited<'c, ComponentType<'c>>, levels: &'l mut Levels) -> Self {
        let range = section.range();
        Self { reader: BinaryReader::new(&component[range.clone()], range.start), levels, open: Vec::new() }
    }

    fn check(&mut self) -> Result<(), Error> {
        for _ in 0..self.flat::<u32>()? {
            self.begin()?;
            while let Some(open) = self.open.last_mut() {
                if open.parts_left > 0 {
                    open.parts_left -= 1;
                    let may_import = open.may_import;
                    self.part(may_import)?;
                } else {
                    self.open.pop();
                    self.levels.leave();
                }
            }
        }
        Ok(())
    }

    /// Reads a flat type whole, and the beginning of any other.
    fn begin(&mut self) -> Result<(), Error> {
        let mut ahead = self.reader.clone();
        let first = readable(ahead.read_u8())?;
        if !matches!(first, COMPONENT_TYPE | INSTANCE_TYPE) {
            return self.flat::<ComponentType<'_>>().map(drop);
        }
        self.reader = ahead;
        self.levels.enter()?;
        let parts_left = self.flat()?;
        self.open.push(Open { parts_left, may_import: first == COMPONENT_TYPE });
        Ok(())
    }

    /// Reads a part of the innermost type that is open.
    fn part(&mut self, may_import: bool) -> Result<(), Error> {
        match readable(self.reader.read_u8())? {
            CORE_TYPE => {
                let core_type = self.flat()?;
                self.levels.pass(&core_type)
            }
            TYPE => self.begin(),
            ALIAS => self.flat::<ComponentAlias<'_>>().map(drop),
            IMPORT if may_import => self.flat::<ComponentImport<'_>>().map(drop),
            EXPORT => {
                self.flat::<ComponentExternName<'_>>()?;
                self.flat::<ComponentTypeRef>().map(drop)
            }
            other => Err(Error::ComponentInvalid(format!("0x{other:02x} begins no part of a component's type"))),
        }
    }

    fn flat<T: FromReader<'c>>(&mut self) -> Result<T, Error> {
        readable(self.reader.read())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    /// A component, a module, or a type, and what is in it.
    #[derive(Debug, Clone)]
    enum Tree {
        Component(Vec<Tree>),
        Module,
        ComponentType(Vec<Tree>),
        InstanceType(Vec<Tree>),
        ModuleType,
        FunctionType,
        Alias,
    }

    impl Tree {
        fn levels(&self) -> usize {
            let below = |parts: &[Self]| parts.iter().map(Self::levels).max().unwrap_or(0);
            match self {
                Self::Component(parts) | Self::ComponentType(parts) | Self::InstanceType(parts) => 1 + below(parts),
                Self::Module | Self::ModuleType => 1,
                Self::FunctionType | Self::Alias => 0,
            }
        }

        /// As a section of a component.
        fn section(&self) -> Vec<u8> {
            let (id, content) = match self {
                Self::Component(parts) => {
                    let sections: Vec<_> = parts.iter().map(Self::section).collect();
                    (4, [COMPONENT, &sections.concat()].concat())
                }
                Self::Module => (1, MODULE.to_vec()),
                Self::ModuleType => (3, [&[1], &self.type_bytes()[..]].concat()),
                Self::Alias => (6, vec![1, 3, 2, 0, 0]),
                _ => (7, [&[1], &self.type_bytes()[..]].concat()),
            };
            [&[id][..], &number(content.len()), &content].concat()
        }

        fn type_bytes(&self) -> Vec<u8> {
            let parts = |kind: u8, parts: &[Self]| {
                let bytes: Vec<_> = parts.iter().map(Self::part).collect();
                [&[kind][..], &number(parts.len()), &bytes.concat()].concat()
            };
            match self {
                Self::ComponentType(within) => parts(COMPONENT_TYPE, within),
                Self::InstanceType(within) => parts(INSTANCE_TYPE, within),
                Self::ModuleType => vec![0x50, 1, 1, 0x60, 0, 0],
                // In place of what cannot be in a type.
                _ => vec![0x40, 1, 1, b'x', 0x7d, 1, 0],
            }
        }

        /// As a part of a type.
        fn part(&self) -> Vec<u8> {
            match self {
                Self::ModuleType => [&[CORE_TYPE], &self.type_bytes()[..]].concat(),
                Self::Alias => vec![ALIAS, 3, 2, 0, 0],
                _ => [&[TYPE], &self.type_bytes()[..]].concat(),
            }
        }
    }

    fn number(mut number: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        bytes.push(number.to_le_bytes()[0]);
        bytes
    }

    fn type_tree() -> impl Strategy<Value = Tree> {
        let flat = prop_oneof![Just(Tree::ModuleType), Just(Tree::FunctionType), Just(Tree::Alias)];
        flat.prop_recursive(8, 64, 4, |inner| {
            let parts = vec(inner, 0..4);
            prop_oneof![parts.clone().prop_map(Tree::InstanceType), parts.prop_map(Tree::ComponentType)]
        })
    }

    fn tree() -> impl Strategy<Value = Tree> {
        let in_component = prop_oneof![Just(Tree::Module), type_tree()];
        in_component.prop_recursive(6, 64, 4, |inner| vec(inner, 0..4).prop_map(Tree::Component))
    }

    fn guest(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/target/components");
        std::fs::read(folder.join(name).with_extension("wasm")).expect("`cargo xtask guests` has been run")
    }

    proptest! {
        #[test]
        fn levels_are_counted(parts in vec(tree(), 0..4)) {
            let whole = Tree::Component(parts.clone());
            let sections: Vec<_> = parts.iter().map(Tree::section).collect();
            let component = [COMPONENT, &sections.concat()].concat();
            prop_assert_eq!(check(&component).unwrap(), whole.levels());
        }

        /// Any bytes are answered, without a panic.
        #[test]
        fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..300), id in 0_u8..13) {
            let _ = check(&bytes);
            let _ = check(&[COMPONENT, &bytes].concat());
            let _ = check(&[COMPONENT, &[id], &number(bytes.len()), &bytes].concat());
        }

        #[test]
        fn bytes_of_types_are_answered(bytes in vec(prop_oneof![0_u8..5, 0x3f_u8..0x44, 0x50_u8..0x80, any::<u8>()], 0..300)) {
            let _ = check(&[COMPONENT, &[7], &number(bytes.len()), &bytes].concat());
        }

        #[test]
        fn damaged_components_are_answered(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), length in any::<prop::sample::Index>()) {
            let mut component = guest("always-conflict");
            for (place, byte) in changes {
                let place = place.index(component.len());
                component[place] = byte;
            }
            let _ = check(&component);
            component.truncate(length.index(component.len()));
            let _ = check(&component);
        }
    }

    #[test]
    fn real_components_are_far_from_the_limit() {
        for name in ["counter", "leaderboard", "mirror", "tasks", "types"] {
            let levels = check(&guest(name)).unwrap();
            println!("{name}: {levels} levels");
            assert!(levels <= 5, "{name} has {levels} levels; then the limit and its doc may be too low");
        }
    }

    /// Another release might read the same bytes as something else.
    #[test]
    fn the_reader_is_the_compilers() {
        let lock = include_str!("../../../../Cargo.lock");
        let used_by = |package: &str| {
            let entry =
                lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{package}\"\n"))).unwrap();
            entry.lines().find(|line| line.starts_with(" \"wasmparser")).map(str::to_owned)
        };
        assert!(used_by("wasmtime-environ").is_some(), "the compiler has a reader");
        assert_eq!(used_by("mantis-plugin"), used_by("wasmtime-environ"));
    }
}
