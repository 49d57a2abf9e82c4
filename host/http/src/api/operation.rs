//! A route and its operations: requests are checked against them, and the OpenAPI document is generated from them.

use std::future::Future;
use std::pin::Pin;

use http::{Method, Response};

use crate::api::description::{Answer, Parameter, RequestContent, RequestHeader, Tag};
use crate::api::request::Request;
use crate::protocol::body::Body;
use crate::protocol::errors::AnyCode;
use crate::protocol::problem::Result;

/// A future that a handler returns.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>>> + Send + 'a>>;
/// Answers a request.
pub(crate) type Handler<C> = for<'a> fn(&'a C, &'a mut Request) -> Answering<'a>;
/// Answers a request that needs no waiting and no body; `None` leaves it to the handler.
pub(crate) type Now<C> = fn(&C, &Request) -> Option<Result<Response<Body>>>;

/// A path and its operations.
#[derive(Debug)]
pub(crate) struct Route<C: 'static> {
    /// The path as in the OpenAPI document. `{key}` takes the rest of the path, slashes included.
    pub(crate) path: &'static str,
    pub(crate) operations: &'static [&'static Operation<C>],
    /// Tells the operations' ids from those of another path that shares them.
    pub(crate) id_suffix: &'static str,
}

/// One method of a path, whose handler works in the context `C`.
#[derive(Debug)]
pub(crate) struct Operation<C> {
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
    /// Problems besides those of any request.
    pub(crate) problems: &'static [AnyCode],
    pub(crate) now: Option<Now<C>>,
    pub(crate) handler: Handler<C>,
    pub(crate) timeout: TimeoutPolicy,
}

#[cfg(test)]
impl Operation<()> {
    /// An operation that answers 200, for tests.
    pub(crate) const TEST: Self = Self {
        method: Method::GET,
        id: "test",
        tag: Tag::Service,
        summary: "",
        description: "",
        query: &[],
        headers: &[],
        body: None,
        answers: &[],
        problems: &[],
        now: None,
        handler: |(), _| Box::pin(async { Ok(crate::protocol::respond::empty(http::StatusCode::OK)) }),
        timeout: TimeoutPolicy::Own,
    };
}

/// How long a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeoutPolicy {
    /// As configured.
    Configured,
    /// The handler bounds its own time.
    Own,
}

impl<C> Route<C> {
    /// The names of the path's parameters, in their order.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    /// The ids of its operations, in their order.
    pub(crate) fn operation_ids(&self) -> impl Iterator<Item = String> {
        self.operations.iter().map(|operation| format!("{}{}", operation.id, self.id_suffix))
    }
}
