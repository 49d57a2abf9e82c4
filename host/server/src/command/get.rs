//! `mantisdb get`: a key's value.

use serde::Serialize;

use super::context::{self, Output};
use crate::cli::GetArgs;
use crate::client::text::JsonBytes;
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
    let entry = context::client(&args.server)?.read_key(&args.bucket.bucket, &key).await?;
    let mut output = Output::new();
    if args.server.json {
        output.json(&Shown {
            key: JsonBytes(key),
            value: JsonBytes(entry.value.to_vec()),
            version: entry.version.to_string(),
            expires_at: entry.expires_at,
            media_type: entry.media_type,
            modified_at: entry.modified_at,
        })?;
    } else {
        output.plain(&entry.value)?;
        // The next prompt should begin a line; a file or a pipe gets the value's bytes and no other.
        if Output::is_terminal() && !entry.value.ends_with(b"\n") {
            output.bytes(b"\n")?;
        }
    }
    output.flush()
}
