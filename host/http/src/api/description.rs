//! The parts of an operation's description: parameters, headers, bodies, responses.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::protocol::errors::AnyCode;
use crate::protocol::media;

/// A parameter of a path, written `{name}` in its route.
#[derive(Debug)]
pub(crate) struct PathParameter {
    pub(crate) name: &'static str,
    /// What it has to match; any text that is not empty without one.
    pub(crate) pattern: Option<Pattern>,
    pub(crate) description: &'static str,
}

/// A parameter of the query.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) description: &'static str,
    pub(crate) role: Role,
}

/// How the OpenAPI document shows a parameter or header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It may be omitted.
    Optional,
    /// It must be given.
    Required,
}

/// What a parameter takes.
#[derive(Debug)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A decimal number, with the code for one that is out of range.
    Integer { min: u64, max: u64, default: Option<u64>, out_of_range: AnyCode },
    /// How many entries to answer with: in a page at most as many as the database's limits say, which the handler checks, and as many as
    /// one likes in a stream.
    PageLimit,
    /// A decimal number for a limit of a plugin, by its name. Its range is the host's to check, and the document shows it.
    PluginLimit,
    /// The percent-encoded bytes of a key or of its beginning, no longer than the database's limits let keys be. Too few are for the
    /// handler to refuse, which knows why.
    Key { bytes_min: usize },
    /// Parameters of any name, any number of times, which the handler reads from the request's head.
    Dialect,
    /// Parameters of any other name, any number of times, which the handler reads from the request's head, where the text parameter `with` is
    /// given.
    Filters { with: &'static str },
    /// Text that must not be empty.
    Text { pattern: Pattern, bytes_max: usize },
}

/// A regular expression for texts that are not refused. The document writes it out, with the bounds in force.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// The name of a bucket.
    BucketName,
    /// The name of a plugin.
    PluginName,
    /// Buckets and what a plugin may do with them.
    Grants,
    /// A place in the change feed.
    FeedPlace,
    /// This one.
    Fixed(&'static str),
}

/// A chapter of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Service,
    KeyValue,
    Buckets,
    Transactions,
    Changes,
    Plugins,
    Tables,
    Schemas,
}

/// A header that a request may carry.
#[derive(Debug)]
pub(crate) struct RequestHeader {
    pub(crate) name: &'static str,
    /// A regular expression for what is not refused.
    pub(crate) pattern: Option<&'static str>,
    pub(crate) example: &'static str,
    pub(crate) description: &'static str,
}

/// The body that a request takes.
#[derive(Debug)]
pub(crate) struct RequestContent {
    pub(crate) required: bool,
    pub(crate) content: &'static [Content],
    pub(crate) description: &'static str,
}

/// A media type and what is in it.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) media: &'static str,
    pub(crate) shape: Shape,
}

/// What a body holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// JSON of a type that has a schema.
    Schema(fn(&mut SchemaGenerator) -> Schema),
    /// Any JSON.
    Json,
    /// Bytes without a schema.
    Bytes,
    /// Text without a schema.
    Text,
}

/// An answer that is no problem.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) description: &'static str,
    pub(crate) content: &'static [Content],
    pub(crate) headers: &'static [&'static AnswerHeader],
}

/// A header that an answer carries.
#[derive(Debug)]
pub(crate) struct AnswerHeader {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) pattern: Option<&'static str>,
    pub(crate) description: &'static str,
}

impl Tag {
    /// Whether errors have the shape of PostgREST's.
    pub(crate) fn speaks_dialect(self) -> bool {
        self == Self::Tables
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::KeyValue => "key-value",
            Self::Buckets => "buckets",
            Self::Transactions => "transactions",
            Self::Changes => "changes",
            Self::Plugins => "plugins",
            Self::Tables => "tables",
            Self::Schemas => "schemas",
        }
    }
}

/// JSON of a type.
pub(crate) const fn json_content<T: JsonSchema>() -> Content {
    Content { media: media::JSON, shape: Shape::Schema(SchemaGenerator::subschema_for::<T>) }
}

pub(crate) const fn no_content(
    status: u16,
    description: &'static str,
    headers: &'static [&'static AnswerHeader],
) -> Answer {
    Answer { status, description, content: &[], headers }
}
