//! Sending a schema or a change of one.

use bytes::Bytes;
use hyper::Method;
use hyper::header::CONTENT_TYPE;

use crate::cli::ServerArgs;
use crate::client::Path;
use crate::command::context::{self, Output};
use crate::failure::Outcome;

/// Sends a schema or a change of one, and reports what became of it: `done`, unless the table was there with this schema already.
pub(super) async fn write(server: &ServerArgs, method: Method, name: &str, body: Bytes, done: &str) -> Outcome {
    let is_creation = method == Method::PUT;
    let headers = [(CONTENT_TYPE, "application/json")];
    let answer = context::client(server)?.request(method, &Path::schema(name), &headers, body).await?;
    if server.json {
        let mut output = Output::new();
        output.json_text(&answer.body)?;
        return output.flush();
    }
    let name = crate::client::text::printable(name);
    if is_creation && answer.status == 200 {
        eprintln!("table {name} exists with this schema");
    } else {
        eprintln!("table {name} {done}");
    }
    Ok(())
}
