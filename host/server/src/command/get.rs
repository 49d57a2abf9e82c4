//! `mantisdb get`: a key's value.

use hyper::header::CONTENT_TYPE;
use serde::Serialize;

use super::context::{self, Output};
use crate::cli::GetArgs;
use crate::client::Path;
use crate::client::text::JsonBytes;
use crate::failure::Outcome;

#[derive(Serialize)]
struct Shown {
    key: JsonBytes,
    value: JsonBytes,
    content_type: String,
    version: Option<String>,
    expires: Option<String>,
}

pub(super) async fn run(args: GetArgs) -> Outcome {
    let key = context::whole_key(&args.key, &args.form)?;
    // `raw`: the value's bytes, also where they are JSON.
    let path = Path::key(&args.bucket.bucket, &key).with("raw", Some(b"true"));
    let answer = context::client(&args.server)?.get(&path).await?;
    let mut output = Output::new();
    if args.server.json {
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        output.json(&Shown {
            key: JsonBytes(key),
            value: JsonBytes(answer.body.to_vec()),
            content_type: header(CONTENT_TYPE.as_str()).unwrap_or_default(),
            version: answer.version().map(|version| version.to_string()),
            expires: header("mantisdb-expires"),
        })?;
    } else {
        output.bytes(&answer.body)?;
        // The next prompt should begin a line; a file or a pipe gets the value's bytes and no other.
        if Output::is_terminal() && !answer.body.ends_with(b"\n") {
            output.bytes(b"\n")?;
        }
    }
    output.flush()
}
