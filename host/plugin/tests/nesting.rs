//! Components that nest too deeply for the compiler are refused before it sees them, and the host continues.

use std::fmt::Write as _;

use mantis_plugin::{Error, PluginOptions};

use crate::support::Fixture;

/// Levels that a component may have, itself included.
const LEVELS_MAX: usize = 100;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
// Sections of a component.
const MODULES: u8 = 1;
const CORE_TYPES: u8 = 3;
const COMPONENTS: u8 = 4;
const ALIASES: u8 = 6;
const TYPES: u8 = 7;
// What a type begins with.
const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;
const MODULE_TYPE: u8 = 0x50;
const LIST: u8 = 0x70;
const OPTION: u8 = 0x6b;

fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [COMPONENT, &sections.concat()].concat()
}

fn types(types: &[Vec<u8>]) -> Vec<u8> {
    section(TYPES, &[number(types.len()), types.concat()].concat())
}

/// Types within each other, of the kinds in turn; `innermost` is the only part of the last.
fn nested_types(kinds: &[u8], levels: usize, innermost: &[u8]) -> Vec<u8> {
    const PARTS: u8 = 1;
    const A_TYPE: u8 = 1;
    let mut bytes = Vec::new();
    for level in 1..=levels {
        bytes.extend([kinds[level % kinds.len()], PARTS]);
        bytes.extend_from_slice(if level < levels { &[A_TYPE] } else { innermost });
    }
    bytes
}

/// Components within each other, around `innermost`: that many and itself.
fn nested_components(levels: usize, mut innermost: Vec<u8>) -> Vec<u8> {
    for _ in 0..levels {
        innermost = component(&[section(COMPONENTS, &innermost)]);
    }
    innermost
}

/// Each case has this many levels, including the outermost component.
fn cases(levels: usize) -> Vec<(&'static str, Vec<u8>)> {
    let types_only = |kinds: &[u8]| component(&[types(&[nested_types(kinds, levels - 1, &[1, 0x40, 0, 1, 0])])]);
    let module_type = [0, MODULE_TYPE, 0];
    // To the first type of the outermost component.
    let alias = [&[3, 2][..], &number(levels - 1), &[0]].concat();
    let half = levels / 2;
    vec![
        ("instance types", types_only(&[INSTANCE_TYPE])),
        ("component types", types_only(&[COMPONENT_TYPE])),
        ("both in turn", types_only(&[INSTANCE_TYPE, COMPONENT_TYPE])),
        ("after others", {
            let small = nested_types(&[INSTANCE_TYPE], 2, &[1, 0x7d]);
            let deep = nested_types(&[INSTANCE_TYPE], levels - 1, &[1, 0x7d]);
            component(&[types(std::slice::from_ref(&small)), types(&[small.clone(), vec![LIST, 0x7d], deep, small])])
        }),
        ("a module's type in them", component(&[types(&[nested_types(&[COMPONENT_TYPE], levels - 2, &module_type)])])),
        ("components", nested_components(levels - 1, component(&[]))),
        ("a module in components", nested_components(levels - 2, component(&[section(MODULES, MODULE)]))),
        (
            "a module's type in components",
            nested_components(levels - 2, component(&[section(CORE_TYPES, &[1, MODULE_TYPE, 0])])),
        ),
        (
            "types in components",
            nested_components(
                half - 1,
                component(&[types(&[nested_types(&[INSTANCE_TYPE], levels - half, &[1, 0x7d])])]),
            ),
        ),
        ("aliases out of components", {
            let outermost = |inner: Vec<u8>| component(&[types(&[vec![LIST, 0x7d]]), section(COMPONENTS, &inner)]);
            let innermost = component(&[section(ALIASES, &[&[1], &alias[..]].concat())]);
            outermost(nested_components(levels - 2, innermost))
        }),
        ("aliases out of types", {
            let innermost = [&[2], &alias[..]].concat();
            component(&[types(&[vec![LIST, 0x7d], nested_types(&[INSTANCE_TYPE], levels - 1, &innermost)])])
        }),
    ]
}

async fn refusal(fixture: &Fixture, component: Vec<u8>) -> Error {
    fixture.host.install("deep", component.into(), PluginOptions::default()).await.unwrap_err()
}

#[tokio::test]
async fn components_that_nest_too_deeply_are_refused() {
    let fixture = Fixture::new();
    for levels in [LEVELS_MAX + 1, 5_600] {
        for (name, component) in cases(levels) {
            let bytes = component.len();
            let error = refusal(&fixture, component).await;
            assert!(
                matches!(error, Error::ComponentNested { max: LEVELS_MAX }),
                "{levels} levels of {name} in {bytes} bytes: {error}"
            );
        }
    }
    let error = refusal(&fixture, nested_components(LEVELS_MAX, component(&[]))).await.to_string();
    assert_eq!(error, "components, modules and types nest more than 100 deep in the component, which is the limit");
}

#[tokio::test]
async fn components_at_the_nesting_limit_are_compiled() {
    let fixture = Fixture::new();
    for (name, component) in cases(LEVELS_MAX) {
        let error = refusal(&fixture, component).await;
        assert!(matches!(error, Error::NothingToCall(_)), "{name}: {error}");
    }
}

/// A type may nest by naming others as well. Each of these nests far deeper than its bytes do.
#[tokio::test]
async fn chains_of_types_are_answered() {
    const COUNT: usize = 20_000;
    // A number as an index: the sixth bit of its last byte is a sign.
    let index = |mut index: usize| {
        let mut bytes = Vec::new();
        while index > 0x3f {
            bytes.push(u8::try_from(index & 0x7f).unwrap() | 0x80);
            index >>= 7;
        }
        bytes.push(u8::try_from(index).unwrap());
        bytes
    };
    let values = |kind: u8| (0..COUNT).map(|place| [&[kind][..], &index(place)].concat()).collect::<Vec<_>>();
    // Each exports one of the type before it, by an alias.
    let holders = |kind: u8, sort: u8| {
        let holder = |place| [&[kind, 2, 2, 3, 2, 1][..], &number(place), &[4, 0, 1, b'a', sort, 0]].concat();
        (0..COUNT).map(holder).collect::<Vec<_>>()
    };
    let chain = |first: &[u8], links: Vec<Vec<u8>>| component(&[types(&[vec![first.to_vec()], links].concat())]);
    let fixture = Fixture::new();
    for (name, component) in [
        ("lists", chain(&[LIST, 0x7d], values(LIST))),
        ("options", chain(&[OPTION, 0x7d], values(OPTION))),
        ("instances", chain(&[INSTANCE_TYPE, 0], holders(INSTANCE_TYPE, 5))),
        ("components", chain(&[COMPONENT_TYPE, 0], holders(COMPONENT_TYPE, 4))),
    ] {
        let error = refusal(&fixture, component).await;
        assert!(matches!(error, Error::ComponentInvalid(_)), "{name}: {error}");
    }
}

/// Code may nest, too.
#[tokio::test]
async fn functions_nest_as_deep_as_the_compiler_can_take() {
    const BLOCKS_MAX: usize = 5_000;
    const OPERANDS: usize = 20_000;
    const BLOCK: [u8; 2] = [0x02, 0x40];
    const LOOP: [u8; 2] = [0x03, 0x40];
    const CONDITION: [u8; 4] = [0x20, 0, 0x04, 0x40];
    const END: u8 = 0x0b;
    let module = |body: &[u8]| {
        let body = [&[0], body, &[END]].concat();
        let code = [&[1][..], &number(body.len()), &body].concat();
        // From a number to a number.
        let sections = [section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f]), section(3, &[1, 0]), section(10, &code)];
        component(&[section(MODULES, &[MODULE, &sections.concat()].concat())])
    };
    let nested = |begin: &[u8], count| [begin.repeat(count), vec![END; count], vec![0x20, 0]].concat();
    let fixture = Fixture::new();
    for (name, body) in [
        ("blocks", nested(&BLOCK, BLOCKS_MAX)),
        ("conditions", nested(&CONDITION, BLOCKS_MAX)),
        ("operands", [[0x20, 0].repeat(OPERANDS + 1), vec![0x6c; OPERANDS]].concat()),
        ("one sum", [vec![0x20, 0], [0x20, 0, 0x6c, 0x41, 3, 0x6a].repeat(OPERANDS)].concat()),
    ] {
        let error = refusal(&fixture, module(&body)).await;
        assert!(matches!(error, Error::NothingToCall(_)), "{name}: {error}");
    }
    for begin in [&BLOCK[..], &LOOP, &CONDITION] {
        let error = refusal(&fixture, module(&nested(begin, BLOCKS_MAX + 1))).await.to_string();
        assert!(error.ends_with("a function in it nests blocks more than 5000 deep"), "{error}");
    }
}

/// Components that are made of each other come to more than they have bytes. This one would take 20 GB.
#[tokio::test]
async fn components_that_multiply_when_linked_are_refused() {
    let mut text = String::from("(component (component $c0 (core module $m) (core instance (instantiate $m)))");
    for level in 0..8 {
        let instances = "(instance (instantiate $x))".repeat(10);
        write!(text, "(component $c{} (alias outer 1 {level} (component $x)) {instances})", level + 1).unwrap();
    }
    let component = wat::parse_str(text + "(instance (instantiate $c8)))").unwrap();
    assert!(component.len() < 1_000);
    let error = refusal(&Fixture::new(), component).await.to_string();
    assert!(error.ends_with("the components in it are linked from more than 1000000 parts"), "{error}");
}
