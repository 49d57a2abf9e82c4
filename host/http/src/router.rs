//! From a path and a method to an operation, by the table of routes.

use std::ops::Range;

use http::header::ALLOW;
use http::{HeaderValue, Method};

use crate::api::operation::Operation;
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};
use crate::routes::{ROUTES, Route};

/// A parameter that takes the rest of the path, slashes included.
const REST: &str = "{key}";

/// The routes, ready to be matched.
#[derive(Debug)]
pub(crate) struct Router {
    places: matchit::Router<Place>,
}

/// What lies at one path.
#[derive(Debug, Clone)]
struct Place {
    route: &'static Route,
    first_index: usize,
    /// A route whose path is this one's and an ending: the ending would otherwise be part of the key, so it counts only for the
    /// methods of that route.
    ending: Option<Ending>,
    allow: HeaderValue,
}

#[derive(Debug, Clone)]
struct Ending {
    text: &'static str,
    route: &'static Route,
    first_index: usize,
    allow: HeaderValue,
}

/// An operation and the parts of the path that belong to it.
#[derive(Debug, Clone)]
pub(crate) struct Matched {
    pub(crate) operation: &'static Operation,
    /// Its place among all operations, for counting.
    pub(crate) index: usize,
    pub(crate) captures: Captures,
}

/// Where the path's parameters stand in the raw path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Captures([Option<(&'static str, Range<usize>)>; 2]);

impl Captures {
    pub(crate) fn get<'p>(&self, path: &'p str, name: &str) -> &'p str {
        let found = self.0.iter().flatten().find(|(own, _)| *own == name);
        found.and_then(|(_, range)| path.get(range.clone())).unwrap_or_default()
    }
}

impl Router {
    pub(crate) fn new() -> Self {
        let mut places = matchit::Router::new();
        let mut first_index = 0;
        let mut numbered = Vec::with_capacity(ROUTES.len());
        for route in ROUTES {
            numbered.push((route, first_index));
            first_index += route.operations.len();
        }
        for &(route, first_index) in numbered.iter().filter(|(route, _)| ending(route).is_none()) {
            let ending = numbered.iter().find_map(|&(other, first_index)| {
                let text = other.path.strip_prefix(route.path).filter(|text| ending(other) == Some(text))?;
                let allow = allow(&[route, other]);
                Some(Ending { text, route: other, first_index, allow })
            });
            let place = Place { route, first_index, ending, allow: allow(&[route]) };
            let mut insert = |pattern: &str| {
                // The table is fixed, and a test builds this router.
                #[allow(clippy::expect_used, reason = "a path that cannot be routed is a mistake in the table")]
                places.insert(pattern, place.clone()).expect("the table's paths do not collide");
            };
            if let Some(before) = route.path.strip_suffix(REST) {
                insert(&format!("{before}{{*key}}"));
                // An empty key is answered by the handlers, not taken for another path.
                insert(before);
            } else {
                insert(route.path);
            }
        }
        Self { places }
    }

    /// How many operations there are.
    pub(crate) fn operations() -> usize {
        ROUTES.iter().map(|route| route.operations.len()).sum()
    }

    pub(crate) fn find(&self, method: &Method, path: &str) -> Result<Matched> {
        let found = self.places.at(path).map_err(|_| Problem::new(Code::RouteNotFound))?;
        let mut captures = Captures::default();
        for ((name, value), place) in found.params.iter().zip(&mut captures.0) {
            let start = value.as_ptr() as usize - path.as_ptr() as usize;
            *place = known_name(name).map(|name| (name, start..start + value.len()));
        }
        let place = found.value;
        let mut allow = &place.allow;
        if let Some(ending) = &place.ending
            && path.ends_with(ending.text)
        {
            allow = &ending.allow;
            if let Some((operation, offset)) = by_method(ending.route, method) {
                for (name, range) in captures.0.iter_mut().flatten() {
                    if *name == "key" {
                        range.end = (range.end - ending.text.len()).max(range.start);
                    }
                }
                return Ok(Matched { operation, index: ending.first_index + offset, captures });
            }
        }
        match by_method(place.route, method) {
            Some((operation, offset)) => Ok(Matched { operation, index: place.first_index + offset, captures }),
            None => Err(Problem::new(Code::MethodNotAllowed).header(ALLOW, allow.clone())),
        }
    }

    /// The methods of a path, as `Allow` shows them.
    pub(crate) fn allow(&self, path: &str) -> Result<HeaderValue> {
        let found = self.places.at(path).map_err(|_| Problem::new(Code::RouteNotFound))?;
        let place = found.value;
        Ok(match &place.ending {
            Some(ending) if path.ends_with(ending.text) => ending.allow.clone(),
            _ => place.allow.clone(),
        })
    }
}

/// What follows the rest of the path in a route, as in `/increment`.
fn ending(route: &Route) -> Option<&'static str> {
    let (_, after) = route.path.split_once(REST)?;
    Some(after).filter(|after| !after.is_empty())
}

fn by_method(route: &'static Route, method: &Method) -> Option<(&'static Operation, usize)> {
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let offset = route.operations.iter().position(|operation| operation.method == *wanted)?;
    Some((route.operations[offset], offset))
}

fn allow(routes: &[&Route]) -> HeaderValue {
    let mut methods = Vec::new();
    for operation in routes.iter().flat_map(|route| route.operations) {
        methods.push(operation.method.as_str());
        if operation.method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

fn known_name(name: &str) -> Option<&'static str> {
    ["key", "bucket", "id", "name", "function"].into_iter().find(|known| *known == name)
}
