//! The number of parts of a component once the components in it are linked, counted before the compiler links them.
//!
//! A component can be made of others, each as often as wanted: nine of them, each of which holds the one before it ten times, fit
//! into 700 bytes and would fill the machine's memory, because the compiler writes out every instance, and copies what is passed
//! between them. This walk takes the compiler's way and counts, but writes nothing out: an item that is passed on is a number here.
//!
//! | file | holds |
//! |---|---|
//! | `definition` | from bytes to the steps of each component's instantiation |
//! | `count` | from steps to the number of parts |
//! | `parts` | the budget of parts |
//!
//! It validates nothing else. At an invalid step the count ends, and the compiler reports the fault.

mod count;
mod definition;
mod parts;

use crate::Error;

use parts::Parts;

/// Counts the parts of a component.
///
/// # Errors
/// [`Error::RequirementsTooLarge`] above [`PARTS_MAX`](crate::limits::PARTS_MAX).
pub(super) fn check(component: &[u8]) -> Result<u64, Error> {
    let mut parts = Parts::new();
    if let Some(definitions) = definition::read(component, &mut parts)? {
        count::count(&definitions, &mut parts)?;
    }
    Ok(parts.spent())
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

    /// Components that each hold the one before `base` times.
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
    fn parts_count_once_for_each_link() {
        let parts = |base, exponent| check(&powers(base, exponent)).unwrap();
        for exponent in 3..10 {
            // The constant part cancels out of the difference.
            let growth = |exponent| parts(2, exponent + 1) - parts(2, exponent);
            let (before, after) = (growth(exponent), growth(exponent + 1));
            assert!((after * 100).div_ceil(before).abs_diff(200) < 20, "{before} and then {after}");
        }
        assert!(parts(3, 5) > 3_u64.pow(5));
    }

    #[test]
    fn too_many_parts_are_refused() {
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
        /// Any bytes are answered, without a panic.
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
    fn invalid_components_are_left_to_the_compiler() {
        for bytes in [&b""[..], b"\0asm\x0d\0\x01\0\x0b\x01", b"\0asm\x0d\0\x01\0\x05\x04\x01\0\x09\0"] {
            check(bytes).unwrap();
        }
    }
}
