//! From a path and a method to an operation, by a table of routes.

use http::header::ALLOW;
use http::{HeaderValue, Method};

use crate::api::captures::Captures;
use crate::api::common::PATH_PARAMETERS;
use crate::api::description::PathParameter;
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
    parameters: Vec<&'static str>,
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
    /// A router of these routes.
    ///
    /// # Panics
    ///
    /// On a mistake in the table: paths that collide, a parameter that is not described in `api/common.rs`, is named twice, or is not
    /// found in a path where the route has it.
    pub(crate) fn new(routes: &'static [Route<C>]) -> Self {
        let mut router = Self { paths: matchit::Router::new(), places: Vec::new() };
        let mut first_index = 0;
        let mut numbered = Vec::with_capacity(routes.len());
        for route in routes {
            described_parameters(route).for_each(drop);
            numbered.push((route, first_index));
            first_index += route.operations.len();
        }
        for &(route, first_index) in numbered.iter().filter(|(route, _)| ending(route).is_none()) {
            let ending = numbered.iter().find_map(|&(other, first_index)| {
                let text = other.path.strip_prefix(route.path).filter(|text| ending(other) == Some(text))?;
                let allow = allow(&[route, other]);
                Some(Ending { text, route: other, first_index, allow })
            });
            let parameters = route.parameters().collect();
            router.insert(Place { route, parameters, first_index, ending, allow: allow(&[route]) });
        }
        for route in routes {
            router.check(route);
        }
        router
    }

    /// Checks that a path leads to its operations, with all its parameters.
    fn check(&self, route: &'static Route<C>) {
        let path = route.path;
        let sample = path.replace(['{', '}'], "");
        let parameters: Vec<_> = described_parameters(route).collect();
        for operation in route.operations {
            let found = self.find(&operation.method, &sample).ok();
            let Some(found) = found.filter(|found| std::ptr::eq(found.operation, *operation)) else {
                panic!("{path} does not lead to its operations");
            };
            assert_eq!(found.captures.len(), parameters.len(), "{path} has other parameters than its route");
            for parameter in &parameters {
                assert_eq!(
                    found.captures.get(&sample, parameter),
                    parameter.name,
                    "a parameter of {path} is not found"
                );
            }
        }
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
            // An empty key is the handlers' error, not another path.
            insert(before);
        } else {
            insert(place.route.path);
        }
        self.places.push(place);
    }

    pub(crate) fn find(&self, method: &Method, path: &str) -> Result<Matched<C>> {
        let found = self.paths.at(path).map_err(|_| Problem::new(Code::RouteNotFound))?;
        let place = &self.places[*found.value];
        let mut captures = Captures::default();
        for (&name, (_, value)) in place.parameters.iter().zip(found.params.iter()) {
            let start = value.as_ptr() as usize - path.as_ptr() as usize;
            captures.push(name, start..start + value.len());
        }
        let mut allow = &place.allow;
        if let Some(ending) = &place.ending
            && path.ends_with(ending.text)
        {
            allow = &ending.allow;
            if let Some((operation, offset)) = by_method(ending.route, method) {
                // The ending follows the key, which is the last parameter.
                captures.shorten_last(ending.text.len());
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

/// The parameters of a route's path, each of which is described and named once.
fn described_parameters<C>(route: &Route<C>) -> impl Iterator<Item = &'static PathParameter> {
    let path = route.path;
    route.parameters().map(move |name| {
        assert_eq!(path.matches(&format!("{{{name}}}")).count(), 1, "{path} names `{name}` twice");
        let described = PATH_PARAMETERS.iter().find(|parameter| parameter.name == name);
        *described.unwrap_or_else(|| panic!("the parameter `{name}` of {path} is not described"))
    })
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
        if operation.method == Method::OPTIONS {
            continue;
        }
        methods.push(operation.method.as_str());
        if operation.method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::common::{BUCKET, FUNCTION, KEY, PLUGIN, TRANSACTION_ID};

    static OPERATION: Operation<()> = Operation::TEST;

    static OPERATIONS: [&Operation<()>; 1] = [&OPERATION];

    const fn route(path: &'static str) -> Route<()> {
        Route { path, operations: &OPERATIONS, id_suffix: "" }
    }

    #[test]
    fn a_path_has_any_number_of_parameters() {
        static ROUTES: [Route<()>; 1] = [route("/{bucket}/a/{name}/{function}/b/{id}/{key}")];
        let path = "/one/a/two/three/b/four/five/six";
        let Ok(found) = Router::new(&ROUTES).find(&Method::GET, path) else { panic!("the path is routed") };
        let parameters = [&BUCKET, &PLUGIN, &FUNCTION, &TRANSACTION_ID, &KEY];
        let captured = parameters.map(|parameter| found.captures.get(path, parameter));
        assert_eq!(captured, ["one", "two", "three", "four", "five/six"]);
    }

    #[test]
    #[should_panic(expected = "`color` of /{color} is not described")]
    fn a_parameter_that_is_not_described_is_refused() {
        static ROUTES: [Route<()>; 1] = [route("/{color}")];
        Router::new(&ROUTES);
    }

    #[test]
    #[should_panic(expected = "names `name` twice")]
    fn a_parameter_that_is_named_twice_is_refused() {
        static ROUTES: [Route<()>; 1] = [route("/{name}/{name}")];
        Router::new(&ROUTES);
    }
}
