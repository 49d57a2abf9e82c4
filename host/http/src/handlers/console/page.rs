//! What the pages share.

use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, Response};

use crate::api::request::Request;
use crate::handlers::service::docs;
use crate::protocol::body::Body;
use crate::protocol::problem::Result;
use crate::wire::html::{STYLE, escape};

/// What the pages may do: show themselves, and send their form to this server.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// A page. `title` is text, `content` is HTML. With `refresh_s` the browser loads it again after that many seconds.
pub(super) fn page(request: &Request, title: &str, refresh_s: Option<u32>, content: &str) -> Result<Response<Body>> {
    let refresh =
        refresh_s.map_or_else(String::new, |seconds| format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">"));
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\">{refresh}<style>{STYLE}</style><main>{content}</main></html>"
    );
    let mut response = docs::page(request, html)?;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

/// The host that the commands of a page name, as HTML.
pub(super) fn host(request: &Request) -> String {
    escape(request.header(http::header::HOST).unwrap_or("localhost:8080"))
}
