//! Supabase's services that are not here: accounts, files, channels, functions at the edge, GraphQL. Their clients read an error's message
//! from members of its own for each, and show it to people; so a 404 has these members.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::protocol::body::Body;
use crate::protocol::respond;

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Auth,
    Storage,
    Realtime,
    Functions,
    GraphQl,
}

/// The first part of the path of each, as supabase-js makes it.
const PREFIXES: &[(&str, Service)] = &[
    ("/auth/v1", Service::Auth),
    ("/storage/v1", Service::Storage),
    ("/realtime/v1", Service::Realtime),
    ("/functions/v1", Service::Functions),
    ("/graphql/v1", Service::GraphQl),
];

/// The methods by which clients call them.
pub(crate) const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

impl Service {
    /// The service at a path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        let is_at =
            |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        PREFIXES.iter().find(|(prefix, _)| is_at(prefix)).map(|&(_, service)| service)
    }

    /// 404 in the shape that the service's client reads.
    pub(crate) fn absent(self) -> Response<Body> {
        let body = Bytes::from(self.body().to_string());
        respond::bytes(StatusCode::NOT_FOUND, "application/json; charset=utf-8", body)
    }

    fn body(self) -> Value {
        match self {
            // auth-js takes the code from `error_code`, as long as no version of the API is named in a header.
            Self::Auth => json!({
                "code": 404,
                "error_code": "not_found",
                "msg": "MantisDB has no accounts: /auth/v1 is not there. Only /rest/v1 is.",
            }),
            Self::Storage => json!({
                "statusCode": "404",
                "error": "not_found",
                "message": "MantisDB has no file storage: /storage/v1 is not there. Keys of a bucket hold files: /api/v1/buckets.",
            }),
            Self::Realtime => {
                let message = "MantisDB has no channels: /realtime/v1 is not there. /api/v1/changes streams changes.";
                json!({"error": message, "message": message})
            }
            Self::Functions => json!({
                "code": "NOT_FOUND",
                "message": "MantisDB has no functions at the edge: /functions/v1 is not there. rpc('plugin.function') calls a plugin.",
            }),
            Self::GraphQl => json!({
                "data": null,
                "errors": [{"message": "MantisDB has no GraphQL: /graphql/v1 is not there. Use /rest/v1."}],
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_whole_part_of_a_path() {
        for (path, expected) in [
            ("/auth/v1", Some(Service::Auth)),
            ("/auth/v1/token", Some(Service::Auth)),
            ("/auth/v10", None),
            ("/storage/v1/object/list/a", Some(Service::Storage)),
            ("/rest/v1/auth", None),
            ("/api/v1/auth/v1", None),
        ] {
            assert_eq!(Service::at(path), expected, "{path}");
        }
    }
}
