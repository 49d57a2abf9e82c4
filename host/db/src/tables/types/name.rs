//! Names of types: PostgreSQL's names and their short forms, with modifiers, and the spelling in which it shows them.

use std::fmt;

use super::{NumericModifier, Scalar, Type};
use crate::tables::{TableError, TableResult, code};

/// The longest name that is read, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// The longest `varchar(n)` and `char(n)`, in characters, as in PostgreSQL.
const LENGTH_MAX: i64 = 10_485_760;

/// Types of PostgreSQL that are none of ours, without modifiers.
const FOREIGN: &[&str] = &[
    "bit",
    "bit varying",
    "box",
    "char\"",
    "cidr",
    "circle",
    "citext",
    "cube",
    "datemultirange",
    "daterange",
    "geography",
    "geometry",
    "hstore",
    "inet",
    "int4multirange",
    "int4range",
    "int8multirange",
    "int8range",
    "interval",
    "jsonpath",
    "line",
    "lseg",
    "ltree",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "nummultirange",
    "numrange",
    "oid",
    "path",
    "pg_lsn",
    "point",
    "polygon",
    "record",
    "regclass",
    "time with time zone",
    "timetz",
    "tsmultirange",
    "tsquery",
    "tsrange",
    "tstzmultirange",
    "tstzrange",
    "tsvector",
    "txid_snapshot",
    "varbit",
    "vector",
    "xid",
    "xml",
];

impl Type {
    /// The type of a name, such as `int4`, `numeric(10,2)`, `timestamp with time zone` or `text[]`, in any case.
    ///
    /// # Errors
    /// 42704 where there is no such type, 22023 where its modifier is out of range.
    pub fn parse(text: &str) -> TableResult<Self> {
        let name = Name::parse(text)?;
        let scalar = name.scalar()?;
        Ok(Self { scalar, is_array: name.is_array })
    }

    /// The type of a column, and whether it numbers its rows: also `serial`, `bigserial` and `smallserial`.
    ///
    /// # Errors
    /// As [`Type::parse`].
    pub fn parse_column(text: &str) -> TableResult<(Self, bool)> {
        let scalar = match text.trim().to_ascii_lowercase().as_str() {
            "smallserial" | "serial2" => Scalar::SmallInt,
            "serial" | "serial4" => Scalar::Integer,
            "bigserial" | "serial8" => Scalar::BigInt,
            _ => return Ok((Self::parse(text)?, false)),
        };
        Ok((Self::scalar(scalar), true))
    }
}

/// A name taken apart: `words`, the numbers in parentheses, and whether brackets follow.
struct Name<'a> {
    text: &'a str,
    words: String,
    modifiers: Option<Vec<i64>>,
    is_array: bool,
}

impl<'a> Name<'a> {
    fn parse(text: &'a str) -> TableResult<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > NAME_BYTES_MAX {
            return Err(undefined(&text.chars().take(NAME_BYTES_MAX).collect::<String>()));
        }
        let lower = text.to_ascii_lowercase();
        let (mut rest, mut is_array) = (lower.as_str(), false);
        while let Some(before) = rest.strip_suffix(']') {
            let open = before.rfind('[').ok_or_else(|| undefined(text))?;
            if !before[open + 1..].trim().bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(undefined(text));
            }
            (rest, is_array) = (before[..open].trim_end(), true);
        }
        if !is_array && let Some(before) = rest.strip_suffix(" array") {
            (rest, is_array) = (before.trim_end(), true);
        }
        let (words, modifiers) = match rest.split_once('(') {
            None => (rest.to_owned(), None),
            Some((before, inside)) => {
                let (inside, after) = inside.split_once(')').ok_or_else(|| undefined(text))?;
                let modifiers = inside.split(',').map(|number| number.trim().parse::<i64>());
                let modifiers = modifiers.collect::<Result<Vec<_>, _>>().map_err(|_| undefined(text))?;
                (format!("{before} {after}"), Some(modifiers))
            }
        };
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = words.strip_prefix("pg_catalog.").unwrap_or(&words).to_owned();
        Ok(Self { text, words, modifiers, is_array })
    }

    fn scalar(&self) -> TableResult<Scalar> {
        let scalar = match self.words.as_str() {
            "bool" | "boolean" => Scalar::Boolean,
            "int2" | "smallint" => Scalar::SmallInt,
            "int" | "int4" | "integer" => Scalar::Integer,
            "int8" | "bigint" => Scalar::BigInt,
            "float4" | "real" => Scalar::Real,
            "float8" | "double precision" => Scalar::Double,
            "text" => Scalar::Text,
            "bytea" => Scalar::Bytea,
            "date" => Scalar::Date,
            "uuid" => Scalar::Uuid,
            "json" | "jsonb" => Scalar::Jsonb,
            "float" => return self.float(),
            "numeric" | "decimal" | "dec" => return self.numeric(),
            "varchar" | "character varying" | "char varying" => {
                return Ok(Scalar::Varchar(self.length("varchar")?));
            }
            "char" | "character" => return Ok(Scalar::Char(self.length("char")?.unwrap_or(1))),
            "bpchar" => return Ok(Scalar::Char(self.length("char")?.unwrap_or(0))),
            "time" | "time without time zone" => return self.microseconds(Scalar::Time),
            "timestamp" | "timestamp without time zone" => return self.microseconds(Scalar::Timestamp),
            "timestamptz" | "timestamp with time zone" => return self.microseconds(Scalar::TimestampTz),
            words => return Err(self.not_ours(words)),
        };
        if self.modifiers.is_some() {
            return Err(TableError::new(
                code::SYNTAX_ERROR,
                format!("type modifier is not allowed for type \"{}\"", self.words),
            ));
        }
        Ok(scalar)
    }

    fn not_ours(&self, words: &str) -> TableError {
        let error = undefined(self.text);
        if FOREIGN.contains(&words) || words.starts_with("interval") || words.starts_with("bit") {
            return error.with_hint(format!(
                "PostgreSQL's {words} is none of the types here; text or jsonb can hold its values."
            ));
        }
        if words.ends_with("serial") || words.starts_with("serial") {
            return error.with_hint("A serial is a column's type: integer or bigint whose rows are numbered.");
        }
        error
    }

    fn float(&self) -> TableResult<Scalar> {
        match self.modifiers.as_deref() {
            None | Some([(25..=53)]) => Ok(Scalar::Double),
            Some([(1..=24)]) => Ok(Scalar::Real),
            Some([(..=0)]) => Err(invalid("precision for type float must be at least 1 bit")),
            Some([_]) => Err(invalid("precision for type float must be less than 54 bits")),
            Some(_) => Err(invalid("invalid type modifier")),
        }
    }

    fn numeric(&self) -> TableResult<Scalar> {
        let (precision, scale) = match self.modifiers.as_deref() {
            None => return Ok(Scalar::Numeric(None)),
            Some([precision]) => (*precision, 0),
            Some([precision, scale]) => (*precision, *scale),
            Some(_) => return Err(invalid("invalid NUMERIC type modifier")),
        };
        if !(1..=1000).contains(&precision) {
            return Err(invalid(format!("NUMERIC precision {precision} must be between 1 and 1000")));
        }
        match (u16::try_from(precision), i16::try_from(scale)) {
            (Ok(precision), Ok(scale @ -1000..=1000)) => {
                Ok(Scalar::Numeric(Some(NumericModifier { precision, scale })))
            }
            _ => Err(invalid(format!("NUMERIC scale {scale} must be between -1000 and 1000"))),
        }
    }

    fn length(&self, name: &str) -> TableResult<Option<u32>> {
        match self.modifiers.as_deref() {
            None => Ok(None),
            Some([(..=0)]) => Err(invalid(format!("length for type {name} must be at least 1"))),
            Some([length @ (..=LENGTH_MAX)]) => Ok(u32::try_from(*length).ok()),
            Some([_]) => Err(invalid(format!("length for type {name} cannot exceed {LENGTH_MAX}"))),
            Some(_) => Err(invalid("invalid type modifier")),
        }
    }

    /// All times have microseconds.
    fn microseconds(&self, scalar: Scalar) -> TableResult<Scalar> {
        match self.modifiers.as_deref() {
            None | Some([6]) => Ok(scalar),
            Some(_) => {
                Err(undefined(self.text).with_hint("Times have microseconds: leave the precision out, or write 6."))
            }
        }
    }
}

fn undefined(name: &str) -> TableError {
    TableError::new(code::OBJECT_UNDEFINED, format!("type \"{name}\" does not exist"))
}

fn invalid(message: impl Into<String>) -> TableError {
    TableError::new(code::PARAMETER_INVALID, message)
}

impl fmt::Display for Type {
    /// As PostgreSQL's `format_type`: `character varying(10)`, `integer[]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scalar.fmt(f)?;
        if self.is_array { f.write_str("[]") } else { Ok(()) }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Numeric(Some(NumericModifier { precision, scale })) => write!(f, "numeric({precision},{scale})"),
            Self::Varchar(Some(length)) => write!(f, "character varying({length})"),
            Self::Char(length @ 1..) => write!(f, "character({length})"),
            _ => f.write_str(self.base_name()),
        }
    }
}

impl Scalar {
    /// The name without its modifier, as error messages have it.
    #[must_use]
    pub fn base_name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::SmallInt => "smallint",
            Self::Integer => "integer",
            Self::BigInt => "bigint",
            Self::Real => "real",
            Self::Double => "double precision",
            Self::Numeric(_) => "numeric",
            Self::Text => "text",
            Self::Varchar(_) => "character varying",
            Self::Char(0) => "bpchar",
            Self::Char(_) => "character",
            Self::Bytea => "bytea",
            Self::Date => "date",
            Self::Time => "time without time zone",
            Self::Timestamp => "timestamp without time zone",
            Self::TimestampTz => "timestamp with time zone",
            Self::Uuid => "uuid",
            Self::Jsonb => "jsonb",
        }
    }
}
