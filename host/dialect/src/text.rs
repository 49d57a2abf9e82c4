//! The text that is parsed, what a query may still use up, and how a parser fails.

use std::cell::Cell;

use winnow::error::{AddContext, ErrMode, ParserError};
use winnow::stream::{Offset, Stateful, Stream};
use winnow::token::{literal, take_while};
use winnow::{ModalResult, Parser as _};

use crate::error::ErrorKind;

/// The rest of a text.
pub(crate) type Input<'t> = Stateful<&'t str, &'t Budget>;

/// What a parser returns.
pub(crate) type Parsed<T> = ModalResult<T, Failure>;

/// What the rest of a query may use up.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) nodes_max: usize,
    pub(crate) depth_max: usize,
    /// Whether `$1` is an argument.
    pub(crate) has_arguments: bool,
    nodes: Cell<usize>,
    depth: Cell<usize>,
}

impl Budget {
    pub(crate) fn new(nodes_max: usize, depth_max: usize, has_arguments: bool) -> Self {
        Self { nodes_max, depth_max, has_arguments, nodes: Cell::new(0), depth: Cell::new(0) }
    }

    /// Counts one more part of the query.
    pub(crate) fn take_node(&self) -> Parsed<()> {
        if self.nodes.get() >= self.nodes_max {
            return Err(fatal(ErrorKind::TooLarge { nodes_max: self.nodes_max }));
        }
        self.nodes.set(self.nodes.get() + 1);
        Ok(())
    }

    /// Runs `inside`, one level of parentheses deeper.
    pub(crate) fn deeper<T>(&self, inside: impl FnOnce() -> Parsed<T>) -> Parsed<T> {
        if self.depth.get() >= self.depth_max {
            return Err(fatal(ErrorKind::TooDeep { depth_max: self.depth_max }));
        }
        self.depth.set(self.depth.get() + 1);
        let outcome = inside();
        self.depth.set(self.depth.get() - 1);
        outcome
    }
}

/// How a parser fails. Where is known from how far the input was read.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    expected: Vec<&'static str>,
    kind: Option<ErrorKind>,
}

impl Failure {
    pub(crate) fn into_kind(self) -> ErrorKind {
        self.kind.unwrap_or_else(|| {
            let mut expected: Vec<String> = Vec::new();
            for one in self.expected {
                if expected.iter().all(|other| other != one) {
                    expected.push(one.to_owned());
                }
            }
            ErrorKind::Syntax { expected }
        })
    }
}

impl<I: Stream> ParserError<I> for Failure {
    type Inner = Self;

    fn from_input(_: &I) -> Self {
        Self::default()
    }

    fn into_inner(self) -> Result<Self::Inner, Self> {
        Ok(self)
    }

    fn or(mut self, other: Self) -> Self {
        self.expected.extend(other.expected);
        self.kind = self.kind.or(other.kind);
        self
    }
}

impl<I: Stream> AddContext<I, &'static str> for Failure {
    /// What a parser was to find is of interest only where it found nothing of it.
    fn add_context(mut self, input: &I, start: &<I as Stream>::Checkpoint, expected: &'static str) -> Self {
        if input.checkpoint().offset_from(start) == 0 {
            self.expected.push(expected);
        }
        self
    }
}

/// A failure that ends parsing.
pub(crate) fn fatal(kind: ErrorKind) -> ErrMode<Failure> {
    ErrMode::Cut(Failure { expected: Vec::new(), kind: Some(kind) })
}

/// Fails here for good, for want of any of `expected`.
pub(crate) fn fail<T>(expected: &[&'static str]) -> Parsed<T> {
    Err(ErrMode::Cut(Failure { expected: expected.to_vec(), kind: None }))
}

/// Passes over spaces.
pub(crate) fn spaces(input: &mut Input<'_>) -> Parsed<()> {
    take_while(0.., ' ').void().parse_next(input)
}

/// Takes `text` if it comes next.
pub(crate) fn takes(input: &mut Input<'_>, text: &'static str) -> bool {
    let taken: Parsed<&str> = literal(text).parse_next(input);
    taken.is_ok()
}

/// Takes `text`, which has to come next; `expected` is how it is called where it does not.
pub(crate) fn expect(input: &mut Input<'_>, text: &'static str, expected: &'static str) -> Parsed<()> {
    if takes(input, text) { Ok(()) } else { fail(&[expected]) }
}

/// What is left of the text.
pub(crate) fn rest<'t>(input: &Input<'t>) -> &'t str {
    input.input
}

/// The character that comes next.
pub(crate) fn next(input: &Input<'_>) -> Option<char> {
    rest(input).chars().next()
}

/// One or more of `item`, between commas with spaces around them.
pub(crate) fn list<'t, T>(input: &mut Input<'t>, mut item: impl FnMut(&mut Input<'t>) -> Parsed<T>) -> Parsed<Vec<T>> {
    let mut items = Vec::new();
    loop {
        spaces(input)?;
        input.state.take_node()?;
        items.push(item(input)?);
        spaces(input)?;
        if !takes(input, ",") {
            return Ok(items);
        }
    }
}

/// Passes over `bytes`, which end between characters.
pub(crate) fn skip(input: &mut Input<'_>, bytes: usize) {
    input.input = &input.input[bytes..];
}
