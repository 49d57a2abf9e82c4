//! What one method of one path takes and answers, said once: requests are checked against it, and the OpenAPI document shows it.

use std::future::Future;
use std::pin::Pin;

use http::{Method, Response};

use crate::api::query::{Parameter, Role};
use crate::api::request::Request;
use crate::app::App;
use crate::protocol::body::Body;
use crate::protocol::errors::AnyCode;
use crate::protocol::problem::Result;

/// A future that a handler returns.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>>> + Send + 'a>>;
/// Answers a request.
pub(crate) type Handler = for<'a> fn(&'a App, &'a mut Request) -> Answering<'a>;
/// Answers a request that needs no waiting and no body; `None` leaves it to the handler.
pub(crate) type Now = fn(&App, &Request) -> Option<Result<Response<Body>>>;

/// One method of a path.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// Its name in the OpenAPI document, in camelCase.
    pub(crate) id: &'static str,
    pub(crate) tag: Tag,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) query: &'static [&'static Parameter],
    pub(crate) headers: &'static [&'static RequestHeader],
    pub(crate) body: Option<RequestContent>,
    pub(crate) answers: &'static [Answer],
    /// What can go wrong here besides what can go wrong anywhere.
    pub(crate) problems: &'static [AnyCode],
    pub(crate) now: Option<Now>,
    pub(crate) handler: Handler,
    /// How long an answer may take.
    pub(crate) patience: Patience,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as the configuration says.
    Configured,
    /// As long as the handler takes, which bounds itself.
    Own,
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
}

/// A header that a request may carry.
#[derive(Debug)]
pub(crate) struct RequestHeader {
    pub(crate) name: &'static str,
    /// A regular expression for what is not refused.
    pub(crate) pattern: Option<&'static str>,
    pub(crate) description: &'static str,
    pub(crate) role: Role,
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
    /// A JSON schema of the document's components, by name.
    Schema(&'static str),
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
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::KeyValue => "key-value",
            Self::Buckets => "buckets",
            Self::Transactions => "transactions",
            Self::Changes => "changes",
            Self::Plugins => "plugins",
        }
    }
}
