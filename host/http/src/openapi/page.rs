//! The document as a page without scripts: every operation and every error code.

use std::fmt::Write as _;

use crate::api::operation::{Operation, Route};
use crate::protocol::errors::{AnyCode, Code};
use crate::wire::html::{STYLE, escape, prose};

pub(crate) fn page<C>(routes: &[Route<C>], version: &str) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>MantisDB API</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style><main>\
         <h1>MantisDB API <small>{}</small></h1><p>For programs: <a href=\"/openapi.json\">openapi.json</a>.</p>",
        escape(version)
    );
    let mut tag = None;
    for route in routes {
        for operation in route.operations {
            if tag != Some(operation.tag) {
                tag = Some(operation.tag);
                let _ = write!(html, "<h2>{}</h2>", operation.tag.as_str());
            }
            write_operation(&mut html, route.path, operation);
        }
    }
    write_errors(&mut html);
    html.push_str("</main></html>");
    html
}

fn write_operation<C>(html: &mut String, path: &str, operation: &Operation<C>) {
    let method = &operation.method;
    let _ = write!(
        html,
        "<details><summary><span class=\"method\">{method}</span> <code>{}</code> {}</summary><p>{}</p><table>",
        escape(path),
        escape(operation.summary),
        prose(operation.description)
    );
    for parameter in operation.query {
        row(html, &format!("<code>?{}</code>", parameter.name), parameter.description);
    }
    for header in operation.headers {
        row(html, &format!("<code>{}:</code>", header.name), header.description);
    }
    if let Some(body) = &operation.body {
        let media: Vec<_> = body.content.iter().map(|content| content.media).collect();
        row(html, &format!("body <code>{}</code>", media.join("</code>, <code>")), body.description);
    }
    for answer in operation.answers {
        row(html, &answer.status.to_string(), answer.description);
    }
    for code in operation.problems {
        row(html, code.status().as_str(), &format!("`{}`: {}", code.as_str(), code.meaning()));
    }
    html.push_str("</table></details>");
}

fn write_errors(html: &mut String) {
    html.push_str("<h2>Error codes</h2><table>");
    let of_database = mantis_db::Code::ALL.iter().map(|&code| AnyCode::from(code));
    let of_http = Code::ALL.iter().map(|&code| AnyCode::from(code));
    let of_tables = mantis_db::tables::code::ALL.iter().map(|&(code, _)| AnyCode::Table(code));
    for code in of_database.chain(of_http).chain(of_tables) {
        let _ = write!(
            html,
            "<tr id=\"error-{name}\"><td><code>{name}</code><td>{}<td>{} {}",
            code.status().as_u16(),
            prose(code.meaning()),
            prose(code.remedy()),
            name = code.as_str()
        );
    }
    html.push_str("</table>");
}

fn row(html: &mut String, head: &str, text: &str) {
    let _ = write!(html, "<tr><th>{head}</th><td>{}</td></tr>", prose(text));
}
