//! `like` and `ilike`.

use crate::tables::types::steps::Steps;
use crate::tables::{TableError, TableResult, code};

/// The longest piece of a pattern between two `%` that has a `_`: it is tried at each place of a text.
const PIECE_CHARACTERS_MAX: usize = 1000;

/// A pattern in which `%` stands for any characters and `_` for one; `\` takes the special meaning from what follows. A match takes
/// time linear in the text, times 1,000 for a pattern with `_`, whose steps are counted.
#[derive(Debug, Clone)]
pub struct Like {
    ignores_case: bool,
    /// The characters before the first that is any.
    prefix: String,
    /// What is between the `%`, at least one.
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    /// These characters.
    Plain(String),
    /// These characters; none is any.
    Wild(Vec<Option<char>>),
}

impl Like {
    /// Reads a pattern.
    ///
    /// # Errors
    /// 22025 where it ends in `\`, 54000 where a piece with `_` is too long.
    pub fn new(pattern: &str, ignore_case: bool) -> TableResult<Self> {
        Self::read(pattern.chars(), ignore_case)
    }

    /// Reads a pattern of the dialect, where `*` is the same as `%`.
    ///
    /// # Errors
    /// As [`Like::new`].
    pub fn from_dialect(pattern: &str, ignore_case: bool) -> TableResult<Self> {
        Self::read(pattern.chars().map(|character| if character == '*' { '%' } else { character }), ignore_case)
    }

    fn read(mut characters: impl Iterator<Item = char>, ignores_case: bool) -> TableResult<Self> {
        let mut pieces = vec![Vec::new()];
        while let Some(character) = characters.next() {
            let literal = match character {
                '%' => {
                    pieces.push(Vec::new());
                    continue;
                }
                '_' => None,
                '\\' => Some(characters.next().ok_or_else(|| {
                    TableError::new(code::ESCAPE_INVALID, "LIKE pattern must not end with escape character")
                })?),
                other => Some(other),
            };
            let literal = literal.map(|literal| if ignores_case { folded(literal) } else { literal });
            if let Some(piece) = pieces.last_mut() {
                piece.push(literal);
            }
        }
        let last = pieces.len() - 1;
        let prefix = pieces[0].iter().map_while(|literal| *literal).collect();
        let pieces = pieces.into_iter().enumerate().map(|(at, piece)| {
            if piece.iter().all(Option::is_some) {
                return Ok(Piece::Plain(piece.into_iter().flatten().collect()));
            }
            if at > 0 && at < last && piece.len() > PIECE_CHARACTERS_MAX {
                return Err(TableError::new(code::LIMIT_EXCEEDED, "the pattern is too long")
                    .with_hint(format!("Between two % a pattern with _ may have {PIECE_CHARACTERS_MAX} characters.")));
            }
            Ok(Piece::Wild(piece))
        });
        Ok(Self { ignores_case, prefix, pieces: pieces.collect::<TableResult<_>>()? })
    }

    /// Whether the whole text matches.
    ///
    /// # Errors
    /// That of `steps`.
    pub fn matches(&self, text: &str, steps: &Steps<'_>) -> TableResult<bool> {
        if !self.ignores_case {
            return self.matches_folded(text, steps);
        }
        if text.is_ascii() {
            return self.matches_folded(&text.to_ascii_lowercase(), steps);
        }
        self.matches_folded(&text.chars().map(folded).collect::<String>(), steps)
    }

    fn matches_folded(&self, text: &str, steps: &Steps<'_>) -> TableResult<bool> {
        let Some((first, others)) = self.pieces.split_first() else { return Ok(text.is_empty()) };
        let Some(mut rest) = first.strip_start(text) else { return Ok(false) };
        let Some((last, middle)) = others.split_last() else { return Ok(rest.is_empty()) };
        for piece in middle {
            match piece.strip_first(rest, steps)? {
                Some(after) => rest = after,
                None => return Ok(false),
            }
        }
        Ok(last.ends(rest))
    }

    /// What every match begins with, where that is anything: for a range of an index. None where case is ignored.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        (!self.ignores_case && !self.prefix.is_empty()).then_some(&self.prefix)
    }

    /// Whether [`prefix`](Self::prefix), or the empty text where there is none, is the only one that matches.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.ignores_case && matches!(self.pieces.as_slice(), [Piece::Plain(_)])
    }
}

/// The lower case of a character, where that is one character.
fn folded(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) => lower,
        _ => character,
    }
}

impl Piece {
    /// What is left of a text that begins with this piece.
    fn strip_start<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Plain(plain) => text.strip_prefix(plain.as_str()),
            Self::Wild(piece) => {
                let mut characters = text.chars();
                let matches = piece
                    .iter()
                    .all(|wanted| characters.next().is_some_and(|own| wanted.is_none_or(|wanted| wanted == own)));
                matches.then_some(characters.as_str())
            }
        }
    }

    /// What is left after the first place where this piece is.
    fn strip_first<'t>(&self, text: &'t str, steps: &Steps<'_>) -> TableResult<Option<&'t str>> {
        let piece = match self {
            Self::Plain(plain) => return Ok(text.find(plain.as_str()).map(|at| &text[at + plain.len()..])),
            Self::Wild(piece) => piece,
        };
        for (at, _) in text.char_indices() {
            steps.take(piece.len())?;
            if let Some(after) = self.strip_start(&text[at..]) {
                return Ok(Some(after));
            }
        }
        Ok(None)
    }

    /// Whether a text ends with this piece.
    fn ends(&self, text: &str) -> bool {
        match self {
            Self::Plain(plain) => text.ends_with(plain.as_str()),
            Self::Wild(piece) => {
                let mut characters = text.chars().rev();
                piece
                    .iter()
                    .rev()
                    .all(|wanted| characters.next().is_some_and(|own| wanted.is_none_or(|wanted| wanted == own)))
            }
        }
    }
}
