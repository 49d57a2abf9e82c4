//! From a path and a method to an operation, by a table of routes.

use http::header::ALLOW;
use http::{HeaderValue, Method};

use crate::api::captures::Captures;
use crate::api::operation::{Operation, Route};
use crate::protocol::errors::Code;
use crate::protocol::problem::{Problem, Result};

/// A parameter that takes the rest of the path, slashes included.
const REST: &str = "{key}";

/// The routes, ready to be matched.
#[derive(Debug)]
pub(crate) struct Router<C: 'static> {
    /// Positions in `places`.
    paths: matchit::Router<usize>,
    places: Vec<Place<C>>,
}

/// What lies at one path.
#[derive(Debug)]
struct Place<C: 'static> {
    route: &'static Route<C>,
    first_index: usize,
    /// A route whose path is this one's and an ending: the ending would otherwise be part of the key, so it counts only for the
    /// methods of that route.
    ending: Option<Ending<C>>,
    allow: HeaderValue,
}

#[derive(Debug)]
struct Ending<C: 'static> {
    text: &'static str,
    route: &'static Route<C>,
    first_index: usize,
    allow: HeaderValue,
}

/// An operation and the parts of the path that belong to it.
#[derive(Debug)]
pub(crate) struct Matched<C: 'static> {
    pub(crate) operation: &'static Operation<C>,
    /// Its place among all operations, for counting.
    pub(crate) index: usize,
    pub(crate) captures: Captures,
}

impl<C> Router<C> {
    pub(crate) fn new(routes: &'static [Route<C>]) -> Self {
        let mut router = Self { paths: matchit::Router::new(), places: Vec::new() };
        let mut first_index = 0;
        let mut numbered = Vec::with_capacity(routes.len());
        for route in routes {
            numbered.push((route, first_index));
            first_index += route.operations.len();
        }
        for &(route, first_index) in numbered.iter().filter(|(route, _)| ending(route).is_none()) {
            let ending = numbered.iter().find_map(|&(other, first_index)| {
                let text = other.path.strip_prefix(route.path).filter(|text| ending(other) == Some(text))?;
                let allow = allow(&[route, other]);
                Some(Ending { text, route: other, first_index, allow })
            });
            router.insert(Place { route, first_index, ending, allow: allow(&[route]) });
        }
        router
    }

    fn insert(&mut self, place: Place<C>) {
        let index = self.places.len();
        let mut insert = |pattern: &str| {
            // The table is fixed, and a test builds this router.
            #[allow(clippy::expect_used, reason = "a path that cannot be routed is a mistake in the table")]
            self.paths.insert(pattern, index).expect("the table's paths do not collide");
        };
        if let Some(before) = place.route.path.strip_suffix(REST) {
            insert(&format!("{before}{{*key}}"));
            // An empty key is answered by the handlers, not taken for another path.
            insert(before);
        } else {
            insert(place.route.path);
        }
        self.places.push(place);
    }

    pub(crate) fn find(&self, method: &Method, path: &str) -> Result<Matched<C>> {
        let found = self.paths.at(path).map_err(|_| Problem::new(Code::RouteNotFound))?;
        let mut captures = Captures::default();
        for ((name, value), place) in found.params.iter().zip(&mut captures.0) {
            let start = value.as_ptr() as usize - path.as_ptr() as usize;
            *place = known_name(name).map(|name| (name, start..start + value.len()));
        }
        let place = &self.places[*found.value];
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
        let found = self.paths.at(path).map_err(|_| Problem::new(Code::RouteNotFound))?;
        let place = &self.places[*found.value];
        Ok(match &place.ending {
            Some(ending) if path.ends_with(ending.text) => ending.allow.clone(),
            _ => place.allow.clone(),
        })
    }
}

/// What follows the rest of the path in a route, as in `/increment`.
fn ending<C>(route: &Route<C>) -> Option<&'static str> {
    let (_, after) = route.path.split_once(REST)?;
    Some(after).filter(|after| !after.is_empty())
}

fn by_method<C>(route: &'static Route<C>, method: &Method) -> Option<(&'static Operation<C>, usize)> {
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let offset = route.operations.iter().position(|operation| operation.method == *wanted)?;
    Some((route.operations[offset], offset))
}

fn allow<C>(routes: &[&Route<C>]) -> HeaderValue {
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
