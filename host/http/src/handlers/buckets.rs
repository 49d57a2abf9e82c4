//! `GET /buckets` and `DELETE /buckets/{bucket}`.

use http::{Method, Response, StatusCode};
use mantis_db::Code as DbCode;
use serde::Serialize;

use crate::api::blocking::blocking;
use crate::api::operation::{Answer, Operation, Patience, Tag};
use crate::api::request::Request;
use crate::app::App;
use crate::handlers::kv;
use crate::handlers::kv::clear::Deleted;
use crate::handlers::kv::json_content;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::Result;
use crate::protocol::{accept, respond};
use crate::state::sessions::{TRANSACTION, transaction_of};

pub(crate) static LIST: Operation = Operation {
    method: Method::GET,
    id: "listBuckets",
    tag: Tag::Buckets,
    summary: "List the buckets",
    description: "By name, with their sizes. A bucket comes into being with its first write; `default` always exists.",
    query: &[],
    headers: &[],
    body: None,
    answers: &[Answer { status: 200, description: "All buckets.", content: &[json_content("Buckets")], headers: &[] }],
    problems: &[AnyCode::Http(Code::NotAcceptable)],
    now: None,
    handler: |app, request| Box::pin(list(app, request)),
    patience: Patience::Configured,
};

pub(crate) static DROP: Operation = Operation {
    method: Method::DELETE,
    id: "dropBucket",
    tag: Tag::Buckets,
    summary: "Drop a bucket",
    description: "With all its keys. It is gone at once, before its memory is free.",
    query: &[],
    // Taken to be refused by name: a bucket is not dropped in a transaction.
    headers: &[&TRANSACTION],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "How many keys it had.",
        content: &[json_content("Deleted")],
        headers: &[&kv::VERSION, &kv::DURABLE],
    }],
    problems: &[
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
    handler: |app, request| Box::pin(drop_bucket(app, request)),
    patience: Patience::Own,
};

#[derive(Serialize)]
struct Buckets {
    buckets: Vec<BucketOut>,
}

#[derive(Serialize)]
struct BucketOut {
    name: String,
    keys: u64,
    bytes: u64,
}

async fn list(app: &App, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[respond::JSON])?;
    let buckets = app.session().await?.buckets().await?;
    let out = |info: mantis_db::BucketInfo| BucketOut { name: info.name, keys: info.keys, bytes: info.bytes };
    Ok(respond::json(StatusCode::OK, &Buckets { buckets: buckets.into_iter().map(out).collect() }))
}

async fn drop_bucket(app: &App, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[respond::JSON])?;
    if transaction_of(request)?.is_some() {
        return Err(DbCode::TransactionOpen.into());
    }
    let name = request.path_text("bucket")?.into_owned();
    let mut session = app.session().await?;
    // A large bucket's keys take seconds to remove.
    let deleted = blocking(move || async move { Ok(session.drop_bucket(&name).await?) }).await?;
    let mut response = respond::json(StatusCode::OK, &Deleted { deleted: deleted.keys });
    kv::tell_written(&mut response, deleted.version, deleted.durable);
    Ok(response)
}
