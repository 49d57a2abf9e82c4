//! The error of everything that is done with tables.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::Kind;

/// What went wrong with a table. Its parts are read as its fields. It is one pointer, because nearly every result here has room for one
/// and few have one: a result is passed on in a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError(Box<TableErrorParts>);

/// The parts of a [`TableError`], in the shape that PostgREST's clients read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableErrorParts {
    /// A SQLSTATE (`23505`) or PostgREST's own code (`PGRST204`): [`code`] lists those that occur.
    pub code: &'static str,
    /// What happened, for people, in PostgreSQL's words where it has some.
    pub message: String,
    /// Which value, row or constraint.
    pub details: Option<String>,
    /// Whether `details` is the text of a JSON value to be shown as such: the candidates of [`code::AMBIGUOUS_RELATIONSHIP`].
    pub details_are_json: bool,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What every operation on tables returns.
pub type TableResult<T> = std::result::Result<T, TableError>;

/// The codes of [`TableError`].
pub mod code {
    macro_rules! codes {
        ($($name:ident $code:literal $meaning:literal;)*) => {
            $(#[doc = $meaning] pub const $name: &str = $code;)*
            /// Every code with its meaning, in the order of the reference.
            pub const ALL: &[(&str, &str)] = &[$(($code, $meaning),)*];

            /// The meaning of a code; empty for one that is not listed.
            #[must_use]
            pub fn meaning(code: &str) -> &'static str {
                match code { $($code => $meaning,)* _ => "" }
            }
        };
    }
    codes! {
        PARSE "PGRST100" "A parameter does not follow the dialect's grammar.";
        CALL_METHOD "PGRST101" "GET and HEAD call only functions of plugins that write nothing.";
        BODY_INVALID "PGRST102" "The body is not valid.";
        RANGE_NOT_SATISFIABLE "PGRST103" "The rows asked for are beyond the last one.";
        SCHEMA_UNKNOWN "PGRST106" "A header names another schema than `public`.";
        MEDIA_UNAVAILABLE "PGRST107" "None of the media types asked for is available.";
        UPSERT_WINDOW "PGRST114" "A PUT, PATCH or DELETE with a limit or offset.";
        METHOD_UNSUPPORTED "PGRST117" "The method is not one that tables have.";
        PREFERENCES_INVALID "PGRST122" "A preference is not known, and handling is strict.";
        PATH_INVALID "PGRST125" "The path is not one of a table.";
        NOT_EMBEDDED "PGRST108" "A filter or order names a table that the select does not embed.";
        UPSERT_FILTERS "PGRST105" "The filters of a PUT are not `eq` on exactly the primary key.";
        UPSERT_KEYS "PGRST115" "The body of a PUT has another primary key than its filters.";
        RELATED_ORDER "PGRST118" "An order by an embedded table that is not to-one.";
        EMBED_FILTER "PGRST120" "A filter on an embed other than is.null and not.is.null.";
        AGGREGATES_OFF "PGRST123" "Aggregates are switched off.";
        MAX_AFFECTED "PGRST124" "More rows are affected than `max-affected` allows.";
        NOT_IMPLEMENTED "PGRST127" "A combination that is not implemented.";
        MAX_AFFECTED_CALL "PGRST128" "`max-affected` on a call of a function that does not return rows.";
        NO_RELATIONSHIP "PGRST200" "No foreign key joins the two tables.";
        AMBIGUOUS_RELATIONSHIP "PGRST201" "Several foreign keys join the two tables.";
        NO_FUNCTION "PGRST202" "No function of an installed plugin has this name and these arguments.";
        NO_COLUMN "PGRST204" "A column of the body or of `columns` does not exist.";
        NO_TABLE "PGRST205" "The table does not exist, or the grants do not show it.";
        NOT_SINGULAR "PGRST116" "The result does not have exactly one row.";
        NOT_SUPPORTED "0A000" "A change or conversion that is not supported.";
        CARDINALITY_VIOLATION "21000" "A statement that would change a row twice, or all rows without saying so.";
        STRING_TRUNCATION "22001" "A text is longer than its column allows.";
        NUMERIC_OUT_OF_RANGE "22003" "A number is out of its type's range.";
        INVALID_DATETIME "22007" "A date or time cannot be read.";
        DATETIME_OVERFLOW "22008" "A date or time is out of range.";
        DIVISION_BY_ZERO "22012" "A division by zero.";
        TIME_ZONE_OFFSET_INVALID "22009" "An offset from UTC is out of range.";
        PARAMETER_INVALID "22023" "A parameter such as a time zone or a length is not valid.";
        ESCAPE_INVALID "22025" "A pattern ends in its escape character.";
        CHARACTER_INVALID "22021" "A character that a text cannot hold.";
        TEXT_INVALID "22P02" "A text is not a value of its type.";
        JSON_CHARACTER_INVALID "22P05" "A character that a JSON text cannot hold.";
        REGEX_INVALID "2201B" "A regular expression is not valid.";
        ARRAY_SUBSCRIPT "2202E" "An array's sub-arrays differ in length.";
        NOT_NULL_VIOLATION "23502" "A column that is not nullable would be null.";
        FOREIGN_KEY_VIOLATION "23503" "A foreign key would have no parent.";
        UNIQUE_VIOLATION "23505" "A unique key would occur twice.";
        CHECK_VIOLATION "23514" "A check constraint fails.";
        ACTIVE_TRANSACTION "25001" "It belongs to no transaction, and one is open.";
        DEPENDENT_OBJECTS "2BP01" "Something else depends on it.";
        SERIALIZATION_FAILURE "40001" "Another commit came first; run the transaction again.";
        SYNTAX_ERROR "42601" "A definition is not well-formed.";
        INSUFFICIENT_PRIVILEGE "42501" "The grants do not allow it.";
        CANNOT_COERCE "42846" "There is no cast between the two types.";
        PARAMETER_UNDEFINED "42P02" "The query names an argument that was not given.";
        COLUMN_UNDEFINED "42703" "The column does not exist.";
        OBJECT_UNDEFINED "42704" "A type, index or constraint does not exist.";
        OPERATOR_UNDEFINED "42883" "The operator or function does not exist for the type.";
        DATATYPE_MISMATCH "42804" "A value has another type than its place.";
        GROUPING "42803" "A column is neither grouped nor aggregated.";
        COLUMN_DUPLICATE "42701" "A column occurs twice.";
        OBJECT_DUPLICATE "42710" "An index or constraint exists already.";
        TABLE_DUPLICATE "42P07" "The table exists already and differs.";
        NAME_INVALID "42602" "A name is empty or too long.";
        SEQUENCE_EXHAUSTED "2200H" "An identity column has no number left.";
        OBJECT_IN_USE "55006" "Another change of the table is under way.";
        SCHEMA_INVALID "42P16" "The definition of a table is not valid.";
        NO_CONFLICT_KEY "42P10" "No unique key has exactly these columns.";
        FOREIGN_KEY_INVALID "42830" "A foreign key does not match a unique key of its target.";
        INSUFFICIENT_RESOURCES "53000" "The memory for requests in flight is used up; nothing was written.";
        DISK_FULL "53100" "The disk is full; nothing was written.";
        OUT_OF_MEMORY "53200" "The store has reached its limit of bytes.";
        LIMIT_EXCEEDED "54000" "A limit of size, count or depth is exceeded.";
        QUERY_CANCELED "57014" "The query examined more rows or took longer than its limit.";
        SHUTDOWN "57P01" "The store takes no writes now.";
        RAISED "P0001" "A plugin's function returned an error that has no code of its own.";
        PRECONDITION_FAILED "PT412" "The row does not have the version that was asked for.";
        IO_ERROR "58030" "The disk failed, or the data directory was moved.";
        INTERNAL "XX000" "Something unexpected; the log says what.";
        DATA_CORRUPTED "XX001" "What is stored cannot be read.";
    }
}

/// Bytes of a message, of details, of a hint: what a request has sent is repeated in part.
const TEXT_BYTES_MAX: usize = 1_000;

/// Characters of a parameter that stand before and after the place where it is wrong.
const AROUND_MAX: usize = 100;

/// A text, or its two ends.
fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let half = TEXT_BYTES_MAX / 2;
        text.replace_range(text.floor_char_boundary(half)..text.ceil_char_boundary(text.len() - half), "…");
    }
    text
}

/// The part of a text around a place in it.
fn around(text: &str, offset: usize) -> String {
    let start = text[..offset].char_indices().rev().nth(AROUND_MAX - 1).map_or(0, |(at, _)| at);
    let end = text[offset..].char_indices().nth(AROUND_MAX).map_or(text.len(), |(at, _)| offset + at);
    let cut = |is_cut: bool| if is_cut { "…" } else { "" };
    format!("{}{}{}", cut(start > 0), &text[start..end], cut(end < text.len()))
}

impl TableError {
    /// An error with a code of [`code`] and a message.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self::of(code, message.into())
    }

    // One copy for all kinds of messages.
    #[inline(never)]
    fn of(code: &'static str, message: String) -> Self {
        let message = bounded(message);
        Self(Box::new(TableErrorParts { code, message, details: None, details_are_json: false, hint: None }))
    }

    /// Its parts by value.
    #[must_use]
    pub fn into_parts(self) -> TableErrorParts {
        *self.0
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(bounded(details.into()));
        self
    }

    /// The same with details that are a JSON value.
    #[must_use]
    pub fn with_json_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self.details_are_json = true;
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(bounded(hint.into()));
        self
    }
}

impl TableError {
    /// The answer must have exactly one row, and has so many.
    #[must_use]
    pub fn not_singular(rows: u64) -> Self {
        Self::new(code::NOT_SINGULAR, "Cannot coerce the result to a single JSON object")
            .with_details(format!("The result contains {rows} rows"))
    }
}

impl TableError {
    /// The message, with the details and the hint as lines of their own, as psql shows them.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let mut lines = self.message.clone();
        for (label, line) in [("\nDETAIL: ", &self.details), ("\nHINT: ", &self.hint)] {
            if let Some(line) = line {
                lines.push_str(label);
                lines.push_str(line);
            }
        }
        lines
    }

    /// The kind of the error, by its code: what a program does about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.code {
            code::NO_TABLE => Kind::NotFound,
            code::INSUFFICIENT_PRIVILEGE => Kind::AccessDenied,
            code::PRECONDITION_FAILED => Kind::Constraint,
            code::SERIALIZATION_FAILURE => Kind::Conflict,
            code::QUERY_CANCELED => Kind::Limit,
            code::SHUTDOWN | code::IO_ERROR => Kind::ReadOnly,
            code if code.starts_with("23") => Kind::Constraint,
            code if code.starts_with("53") || code.starts_with("54") => Kind::Limit,
            code if code.starts_with("XX") => Kind::Other,
            _ => Kind::Invalid,
        }
    }
}

impl Deref for TableError {
    type Target = TableErrorParts;

    fn deref(&self) -> &TableErrorParts {
        &self.0
    }
}

impl DerefMut for TableError {
    fn deref_mut(&mut self) -> &mut TableErrorParts {
        &mut self.0
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for TableError {}

impl From<crate::Error> for TableError {
    fn from(error: crate::Error) -> Self {
        use crate::Code;
        let code = match error.code() {
            Code::Conflict | Code::TransactionTooOld => code::SERIALIZATION_FAILURE,
            Code::TransactionTooLarge | Code::KeyTooLong | Code::ValueTooLarge => code::LIMIT_EXCEEDED,
            Code::AccessDenied => code::INSUFFICIENT_PRIVILEGE,
            Code::MemoryFull => code::INSUFFICIENT_RESOURCES,
            Code::StoreFull => code::OUT_OF_MEMORY,
            Code::DiskFull => code::DISK_FULL,
            Code::ReadOnly => code::SHUTDOWN,
            Code::StorageFailed => code::IO_ERROR,
            _ => code::INTERNAL,
        };
        Self::new(code, error.message())
    }
}

impl From<mantis_dialect::ParseError> for TableError {
    fn from(error: mantis_dialect::ParseError) -> Self {
        use mantis_dialect::ErrorKind;
        let (parameter, column) = (error.parameter(), error.column());
        let parameter = around(parameter, 0);
        let text = around(error.text(), error.offset());
        let parse =
            || Self::new(code::PARSE, format!("\"failed to parse {parameter} ({text})\" (line 1, column {column})"));
        match error.kind() {
            ErrorKind::Negative => Self::new(code::RANGE_NOT_SATISFIABLE, "Requested range not satisfiable")
                .with_details(format!("{parameter} should be greater than or equal to zero.")),
            ErrorKind::TooDeep { .. } | ErrorKind::TooLarge { .. } | ErrorKind::TooLong { .. } => {
                Self::new(code::LIMIT_EXCEEDED, error.to_string()).with_hint("Ask for less in one request.")
            }
            ErrorKind::NoArgument { written } => {
                Self::new(code::PARAMETER_UNDEFINED, format!("there is no parameter {written}"))
                    .with_details(error.to_string())
                    .with_hint("A text that begins with $ is given as an argument.")
            }
            ErrorKind::Unsupported { what } => parse().with_details(format!("{what} is not supported")),
            _ => parse().with_details(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use mantis_dialect::Parser;

    use super::*;

    #[track_caller]
    fn check(name: &str, value: &str, message: &str) {
        let error = TableError::from(Parser::default().query([(name, value)]).unwrap_err());
        assert_eq!((error.code, &*error.message), (code::PARSE, message));
        assert!(error.details.as_ref().is_some_and(|details| details.len() <= TEXT_BYTES_MAX + 3), "{error:?}");
    }

    #[test]
    fn a_long_parameter_is_repeated_around_the_place_where_it_is_wrong() {
        check("select", "a,,b", "\"failed to parse select (a,,b)\" (line 1, column 3)");
        let (before, after) = ("é,".repeat(5_000), ",é".repeat(5_000));
        let shown = format!("…{},x{}…", "é,".repeat(50), &after[..147]);
        check(
            "select",
            &format!("{before},x{after}"),
            &format!("\"failed to parse select ({shown})\" (line 1, column 10001)"),
        );
        let name = "x".repeat(10_000);
        let shown = format!("{}…", "x".repeat(100));
        check(&name, "none", &format!("\"failed to parse {shown} (none)\" (line 1, column 1)"));
    }

    #[test]
    fn no_text_of_an_error_is_long() {
        let long = "日本".repeat(100_000);
        let error = TableError::new(code::NO_TABLE, format!("no {long}!")).with_details(&*long).with_hint(&*long);
        for text in [&error.message, error.details.as_ref().unwrap(), error.hint.as_ref().unwrap()] {
            assert!(text.len() <= TEXT_BYTES_MAX + 3 && text.contains('…'), "{} bytes", text.len());
        }
        assert!(error.message.starts_with("no 日") && error.message.ends_with("本!"));
    }
}
