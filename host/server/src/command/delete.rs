//! `mantisdb delete`: a key, all keys with a prefix, or all keys.

use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};

use super::context::{self, Output};
use crate::cli::DeleteArgs;
use crate::client::{Client, Path};
use crate::failure::{Failure, Outcome};
use crate::progress;

#[derive(Deserialize, Serialize)]
struct Deleted {
    deleted: u64,
}

pub(super) async fn run(args: DeleteArgs) -> Outcome {
    let client = context::client(&args.server)?;
    let deleted = match (&args.key, &args.prefix) {
        (Some(key), _) => {
            let key = context::whole_key(key, &args.form)?;
            let deleted = client.delete_key(&args.bucket.bucket, &key, args.if_version).await;
            deleted.map_err(|error| context::unmet(error, args.if_version))?;
            Deleted { deleted: 1 }
        }
        (None, Some(prefix)) => {
            let prefix = context::key(prefix, &args.form)?;
            if prefix.is_empty() {
                return Err(Failure::usage("the prefix is empty, which would delete every key")
                    .hint("to delete every key of the bucket, use --all"));
            }
            clear(&client, &Path::keys(&args.bucket.bucket).with("prefix", Some(&prefix))).await?
        }
        (None, None) if args.all => clear(&client, &Path::keys(&args.bucket.bucket).with("all", Some(b"true"))).await?,
        (None, None) => return Err(Failure::usage("neither a key nor --prefix nor --all is given")),
    };
    if deleted.deleted == 0 {
        context::check_bucket(&client, &args.bucket.bucket).await?;
    }
    let mut output = Output::new();
    if args.server.json {
        output.json(&deleted)?;
    } else if args.key.is_none() {
        output.line(format_args!("{} deleted", deleted.deleted))?;
    }
    output.flush()
}

/// Deletes keys in one request, so that there is no progress to count.
async fn clear(client: &Client, keys: &Path) -> Outcome<Deleted> {
    let waiting = progress::wait("deleting");
    let deleted = client.request(Method::DELETE, keys, &[], Bytes::new()).await;
    waiting.finish_and_clear();
    Ok(deleted?.json()?)
}
