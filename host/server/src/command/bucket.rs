//! `mantisdb bucket`: lists and drops buckets.

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use super::context::{self, Output};
use crate::cli::{BucketArgs, BucketCommand};
use crate::client::Path;
use crate::failure::Outcome;
use crate::transfer::order::{self, Companion};

pub(super) async fn run(args: BucketArgs) -> Outcome {
    match args.command {
        BucketCommand::List { server } => {
            let answer: Value = context::client(&server)?.get_json(&Path::new("/api/v1/buckets")).await?;
            let mut output = Output::new();
            if server.json {
                output.json(&answer)?;
                return output.flush();
            }
            for bucket in answer["buckets"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let name = bucket["name"].as_str().unwrap_or_default();
                let count = |member: &str, noun| context::count(bucket[member].as_u64().unwrap_or_default(), noun);
                output.line(format_args!("{name}\t{}\t{}", count("keys", "key"), count("bytes", "byte")))?;
            }
            output.flush()
        }
        BucketCommand::Drop { name, server } => {
            let client = context::client(&server)?;
            let path = Path::new("/api/v1/buckets").part(name.as_bytes()).with("drop", Some(b"true"));
            let answer = client.request(Method::DELETE, &path, &[], Bytes::new()).await?;
            if order::companion(&client, &name).await? == Companion::Order {
                order::forget(&client, &name).await?;
            }
            if server.json {
                let mut output = Output::new();
                output.json_text(if answer.body.is_empty() { b"{}" } else { &answer.body })?;
                output.flush()?;
            }
            Ok(())
        }
    }
}
