//! A date or time as a sequence of tokens, as PostgreSQL cuts it: blanks and commas separate, nothing has a meaning yet.

/// The longest text of a date or time, in bytes.
const TEXT_BYTES_MAX: usize = 128;
/// The most tokens of one.
const TOKENS_MAX: usize = 25;

/// A piece of the text, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Digits, perhaps with one point in or before them.
    Number(String),
    /// Digits or letters joined by `-`, `/` or `.`: a date, or the name of a zone.
    Date(String),
    /// Digits with colons.
    Time(String),
    /// A sign and digits: an offset from UTC.
    Offset(String),
    /// Letters.
    Word(String),
    /// A sign and letters: `-infinity`.
    SignedWord(String),
}

/// The tokens of a text; none where it has a character that no date has.
pub(super) fn tokens(text: &str) -> Option<Vec<Token>> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let mut lexer = Lexer { rest: &lower };
    let mut tokens = Vec::new();
    while lexer.skip_separators() {
        if tokens.len() == TOKENS_MAX {
            return None;
        }
        tokens.push(lexer.token()?);
    }
    Some(tokens)
}

struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    /// What is before the first character for which `is_part` does not hold, which is ASCII or the start of another character.
    fn take(&mut self, is_part: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|byte| !(byte.is_ascii() && is_part(byte))).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Goes to the next token, and says whether there is one.
    fn skip_separators(&mut self) -> bool {
        let is_separator = |byte: u8| byte.is_ascii_punctuation() && !matches!(byte, b'.' | b'+' | b'-');
        self.take(|byte| super::super::text::is_blank(byte) || is_separator(byte));
        !self.rest.is_empty()
    }

    /// The token here; none where no date has it.
    fn token(&mut self) -> Option<Token> {
        match self.peek()? {
            b'0'..=b'9' => Some(self.number()),
            b'.' => {
                let start = self.rest;
                self.rest = &self.rest[1..];
                let digits = self.take(|byte| byte.is_ascii_digit());
                Some(Token::Number(start[..=digits.len()].to_owned()))
            }
            b'a'..=b'z' => Some(self.word()),
            b'+' | b'-' => self.signed(),
            _ => None,
        }
    }

    fn number(&mut self) -> Token {
        let start = self.rest;
        let mut length = self.take(|byte| byte.is_ascii_digit()).len();
        match self.peek() {
            Some(b':') => {
                length += self.take(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.')).len();
                return Token::Time(start[..length].to_owned());
            }
            Some(delimiter @ (b'-' | b'/' | b'.')) => {
                self.rest = &self.rest[1..];
                length += 1;
                if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                    length += self.take(|byte| byte.is_ascii_alphanumeric() || byte == delimiter).len();
                    return Token::Date(start[..length].to_owned());
                }
                length += self.take(|byte| byte.is_ascii_digit()).len();
                if self.peek() == Some(delimiter) {
                    length += self.take(|byte| byte.is_ascii_digit() || byte == delimiter).len();
                    return Token::Date(start[..length].to_owned());
                }
                if delimiter == b'.' {
                    return Token::Number(start[..length].to_owned());
                }
                return Token::Date(start[..length].to_owned());
            }
            _ => {}
        }
        Token::Number(start[..length].to_owned())
    }

    fn word(&mut self) -> Token {
        let start = self.rest;
        let mut length = self.take(|byte| byte.is_ascii_alphabetic()).len();
        let is_joined = match self.peek() {
            Some(b'-' | b'/' | b'.') => true,
            // A zone by its rule, such as `est5edt`; but `t04:05` is a word and a time.
            Some(b'+' | b'0'..=b'9') => !super::words::is_known_word(&start[..length]),
            _ => false,
        };
        if is_joined {
            length += self
                .take(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'/' | b'_' | b'.' | b':'))
                .len();
            return Token::Date(start[..length].to_owned());
        }
        Token::Word(start[..length].to_owned())
    }

    fn signed(&mut self) -> Option<Token> {
        let sign = &self.rest[..1];
        self.rest = &self.rest[1..];
        self.take(super::super::text::is_blank);
        match self.peek()? {
            b'0'..=b'9' => {
                let digits = self.take(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b'-'));
                Some(Token::Offset(format!("{sign}{digits}")))
            }
            b'a'..=b'z' => {
                let word = self.take(|byte| byte.is_ascii_alphabetic());
                Some(Token::SignedWord(format!("{sign}{word}")))
            }
            _ => None,
        }
    }
}
