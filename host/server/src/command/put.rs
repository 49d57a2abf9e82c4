//! `mantisdb put`: gives a key a value.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path as FilePath;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use serde_json::json;

use super::context::{self, Output};
use crate::cli::PutArgs;
use crate::client::{Answer, Path};
use crate::failure::Outcome;

pub(super) async fn run(args: PutArgs) -> Outcome {
    let key = context::whole_key(&args.key, &args.form)?;
    let ttl_ms = context::ttl_ms(args.ttl.as_deref())?.map(|ms| ms.to_string());
    let value = value(&args)?;
    // `raw`: a JSON value is stored as it is, not read as the structured form of this request.
    let path = Path::key(&args.bucket.bucket, &key)
        .with("raw", Some(b"true"))
        .with("ttl_ms", ttl_ms.as_deref().map(str::as_bytes));
    let version = args.if_version.map(|version| format!("\"v{version}\""));
    let mut headers = vec![(CONTENT_TYPE, args.media_type.as_str())];
    headers.extend(args.if_absent.then_some((IF_NONE_MATCH, "*")));
    headers.extend(version.as_deref().map(|version| (IF_MATCH, version)));
    let answer = context::client(&args.server)?.request(Method::PUT, &path, &headers, value).await;
    let answer = answer.and_then(Answer::written).map_err(|error| context::unmet(error, args.if_version))?;
    if args.server.json {
        let version = answer.version().map(|version| version.to_string());
        let mut output = Output::new();
        output.json(&json!({ "version": version, "created": answer.status == 201 }))?;
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
