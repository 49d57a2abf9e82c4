//! `GET /buckets` and `DELETE /buckets/{bucket}`.

use http::{Method, Response, StatusCode};
use mantis_db::{Code as DbCode, Interrupt};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::blocking::{blocking_for_client, text};
use crate::api::common;
use crate::api::description::{Answer, Tag, json_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::request::Request;
use crate::api::transaction_header::TRANSACTION;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, media, respond};
use crate::state::sessions::transaction_of;
use crate::state::{Operation, State};
use crate::wire::written;
use crate::wire::written::Deleted;

pub(crate) static LIST: Operation = Operation {
    method: Method::GET,
    id: "listBuckets",
    tag: Tag::Buckets,
    summary: "List the buckets",
    description: "By name, with their sizes. The first write creates a bucket; `default` always exists.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "All buckets.",
        content: &[json_content::<Buckets>()],
        headers: &[],
    }],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |state, request| Box::pin(list(state, request)),
    timeout: TimeoutPolicy::Configured,
};

pub(crate) static DROP: Operation = Operation {
    method: Method::DELETE,
    id: "dropBucket",
    tag: Tag::Buckets,
    summary: "Drop a bucket",
    description: "With all its keys. The bucket is gone at once; its memory is freed later.",
    query: &[&common::DROP],
    // Taken to be refused by name: a bucket is not dropped in a transaction.
    headers: &[&TRANSACTION],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The number of keys it had.",
        content: &[json_content::<Deleted>()],
        headers: &[&common::VERSION, &common::DURABLE],
    }],
    problems: &[
        AnyCode::Http(Code::DropUnconfirmed),
        AnyCode::Db(DbCode::BucketNotFound),
        AnyCode::Db(DbCode::BucketNameInvalid),
        AnyCode::Db(DbCode::BucketReserved),
        AnyCode::Db(DbCode::TransactionOpen),
        AnyCode::Db(DbCode::ReadOnly),
        AnyCode::Db(DbCode::DiskFull),
        AnyCode::Db(DbCode::StorageFailed),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::NotAcceptable),
    ],
    now: None,
    handler: |state, request| Box::pin(drop_bucket(state, request)),
    timeout: TimeoutPolicy::Own,
};

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Buckets {
    buckets: Vec<BucketOut>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Bucket", deny_unknown_fields)]
struct BucketOut {
    name: String,
    keys: u64,
    bytes: u64,
}

async fn list(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let buckets = state.session().await?.buckets().await?;
    let out = |info: mantis_db::BucketInfo| BucketOut { name: info.name, keys: info.keys, bytes: info.bytes };
    let buckets = Buckets { buckets: buckets.into_iter().map(out).collect() };
    let json = text(&request.in_flight, buckets, |buckets, text| text.push_json(buckets));
    Ok(respond::bytes(StatusCode::OK, media::JSON, json.await?))
}

async fn drop_bucket(state: &State, request: &mut Request) -> Result<Response<Body>> {
    common::check_drop(&request.query)?;
    accept::choose(request.headers(), &[media::JSON])?;
    if transaction_of(request)?.is_some() {
        return Err(DbCode::TransactionOpen.into());
    }
    let name = request.path_text(&common::BUCKET)?.into_owned();
    let mut session = state.session().await?;
    // A large bucket's keys take seconds to remove. Without its client, housekeeping does that.
    let deleted = blocking_for_client(move |absence| async move {
        let is_gone = || absence.is_known();
        Ok(session.drop_bucket_until(&name, Interrupt::when(&is_gone)).await?)
    })
    .await?;
    let mut response = respond::json(StatusCode::OK, &Deleted { deleted: deleted.keys });
    written::set_commit_headers(&mut response, deleted.version, deleted.durable);
    Ok(response)
}
