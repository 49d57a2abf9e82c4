//! What the pages share.

use bytes::Bytes;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, Response};

use crate::api::blocking::text;
use crate::api::request::Request;
use crate::handlers::service::docs;
use crate::protocol::body::Body;
use crate::protocol::memory::Text;
use crate::protocol::problem::Result;
use crate::wire::html::{STYLE, escape};

/// What the pages may do: show themselves, and send their form to this server.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// A page. `title` is text; `write` makes HTML of the parts. With `refresh_s` the browser loads it again after that many seconds.
pub(super) async fn page<T: Send + Sync + 'static>(
    request: &Request,
    title: &str,
    refresh_s: Option<u32>,
    parts: T,
    write: impl Fn(&T, &mut Text) -> Result<()> + Send + 'static,
) -> Result<Response<Body>> {
    let refresh =
        refresh_s.map_or_else(String::new, |seconds| format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">"));
    let title = escape(title);
    let html = text(&request.in_flight, parts, move |parts, html| {
        write!(
            html,
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
             <meta name=\"viewport\" content=\"width=device-width\">{refresh}<style>{STYLE}</style><main>"
        )?;
        write(parts, html)?;
        html.push(b"</main></html>")
    });
    respond(request, html.await?)
}

fn respond(request: &Request, html: Bytes) -> Result<Response<Body>> {
    let mut response = docs::page(request, html)?;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

/// The host that the commands of a page name, as HTML.
pub(super) fn host(request: &Request) -> String {
    escape(request.header(http::header::HOST).unwrap_or("localhost:8080"))
}
