//! `mantisdb put`: gives a key a value.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path as FilePath;

use bytes::Bytes;
use serde_json::json;

use super::context::{self, Output};
use crate::cli::PutArgs;
use crate::client::KeyOptions;
use crate::failure::Outcome;

pub(super) async fn run(args: PutArgs) -> Outcome {
    let key = context::whole_key(&args.key, &args.form)?;
    let options = KeyOptions {
        media_type: &args.media_type,
        ttl_ms: context::ttl_ms(args.ttl.as_deref())?,
        if_absent: args.if_absent,
        if_version: args.if_version,
    };
    let value = value(&args)?;
    let written = context::client(&args.server)?.write_key(&args.bucket.bucket, &key, value, &options).await;
    let written = written.map_err(|error| context::unmet(error, args.if_version))?;
    if args.server.json {
        let version = written.version.map(|version| version.to_string());
        let mut output = Output::new();
        output.json(&json!({ "version": version, "created": written.is_new }))?;
        output.flush()?;
    }
    Ok(())
}

fn value(args: &PutArgs) -> Outcome<Bytes> {
    let Some(value) = &args.value else { return context::read_input(FilePath::new("-")) };
    let bytes = value.as_bytes();
    if args.literal {
        return Ok(Bytes::copy_from_slice(bytes));
    }
    match bytes.strip_prefix(b"@") {
        Some(path) => context::read_input(FilePath::new(OsStr::from_bytes(path))),
        None if bytes == b"-" => context::read_input(FilePath::new("-")),
        None => Ok(Bytes::copy_from_slice(bytes)),
    }
}
