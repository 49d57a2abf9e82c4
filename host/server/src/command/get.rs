//! `mantisdb get`: a key's value.

use hyper::header::{CONTENT_TYPE, LAST_MODIFIED};
use serde::Serialize;

use super::context::{self, Output};
use crate::cli::GetArgs;
use crate::client::text::JsonBytes;
use crate::client::{ClientError, Path};
use crate::failure::Outcome;

#[derive(Serialize)]
struct Shown {
    key: JsonBytes,
    value: JsonBytes,
    version: String,
    expires_at: Option<String>,
    media_type: String,
    modified_at: Option<String>,
}

pub(super) async fn run(args: GetArgs) -> Outcome {
    let key = context::whole_key(&args.key, &args.form)?;
    // `raw`: the value's bytes, also where they are JSON.
    let path = Path::key(&args.bucket.bucket, &key).with("raw", Some(b"true"));
    let answer = context::client(&args.server)?.get(&path).await?;
    // Any program may answer 200; a value always has a version.
    let version = answer.version().ok_or_else(|| ClientError::Unexpected { reason: "it has no version".to_owned() })?;
    let mut output = Output::new();
    if args.server.json {
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        output.json(&Shown {
            key: JsonBytes(key),
            value: JsonBytes(answer.body.to_vec()),
            version: version.to_string(),
            expires_at: header("mantisdb-expires"),
            media_type: header(CONTENT_TYPE.as_str()).unwrap_or_default(),
            modified_at: header(LAST_MODIFIED.as_str()).as_deref().and_then(rfc3339),
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

/// A header's date as all other times are written.
fn rfc3339(date: &str) -> Option<String> {
    jiff::fmt::rfc2822::parse(date).ok().map(|time| time.timestamp().to_string())
}
