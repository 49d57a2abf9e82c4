//! `DELETE /kv?prefix=`: many keys at once.

use http::{Method, Response, StatusCode};
use mantis_db::{Kv, Span, SpanDeletion};

use crate::api::common;
use crate::api::common::PREFIX;
use crate::api::description::{Answer, Kind, Parameter, Role, Tag, json_content};
use crate::api::operation::TimeoutPolicy;
use crate::api::query::Query;
use crate::api::request::Request;
use crate::api::transaction_header::TRANSACTION;
use crate::handlers::kv::shared::ALL;
use crate::protocol::body::Body;
use crate::protocol::errors::{AnyCode, Code};
use crate::protocol::problem::{Problem, Result};
use crate::protocol::{accept, media, respond};
use crate::state::{Operation, State};
use crate::wire::written;
use crate::wire::written::Deleted;

pub(crate) static CLEAR: Operation = Operation {
    method: Method::DELETE,
    id: "deleteKeys",
    tag: Tag::KeyValue,
    summary: "Delete many keys",
    description: "Needs `prefix`, or `all=true`. Outside a transaction the keys are deleted in commits of up to 1,000, so that other \
                  writers are not blocked; keys written meanwhile may or may not be deleted.",
    query: &[&PREFIX_TO_DELETE, &ALL],
    headers: &[&TRANSACTION],
    body: None,
    answers: &[Answer {
        status: 200,
        description: "The number of deleted keys.",
        content: &[json_content::<Deleted>()],
        headers: &[&common::VERSION, &common::DURABLE],
    }],
    problems: &[
        AnyCode::Http(Code::SelectionMissing),
        AnyCode::Http(Code::PathMalformed),
        AnyCode::Http(Code::NotAcceptable),
        AnyCode::Db(mantis_db::Code::BucketNameInvalid),
        AnyCode::Db(mantis_db::Code::ReadOnly),
        AnyCode::Db(mantis_db::Code::DiskFull),
        AnyCode::Db(mantis_db::Code::StorageFailed),
    ],
    now: None,
    handler: |state, request| Box::pin(clear(state, request)),
    timeout: TimeoutPolicy::Own,
};

static PREFIX_TO_DELETE: Parameter = Parameter {
    name: PREFIX.name,
    kind: Kind::Key { bytes_min: 1 },
    description: "The keys with this prefix. Either this or `all=true` has to be given.",
    role: Role::Optional,
};

async fn clear(state: &State, request: &mut Request) -> Result<Response<Body>> {
    accept::choose(request.headers(), &[media::JSON])?;
    let span = selection(&request.query)?;
    let mut session = state.session_for(request).await?;
    let bucket = request.bucket()?;
    let deleted = delete_in_steps(&mut session.kv(&bucket)?, &span).await?;
    let mut response = respond::json(StatusCode::OK, &Deleted { deleted: deleted.keys });
    written::set_commit_headers(&mut response, deleted.version, deleted.durable);
    Ok(response)
}

fn selection(query: &Query) -> Result<Span> {
    match (query.bytes(&PREFIX_TO_DELETE), query.flag(&ALL)) {
        (Some(_), true) => Err(ALL.invalid("and `prefix` are both given; send one")),
        (None, true) => Ok(Span::All),
        // An empty prefix is more likely a mistake of the caller's than the wish to delete everything.
        (Some([]) | None, false) => Err(Problem::new(Code::SelectionMissing)),
        (Some(prefix), false) => Ok(Span::Prefix(prefix.to_vec())),
    }
}

/// Deletes a commit's worth of keys at a time, so that other requests are served in between; in a transaction all of them or none,
/// which its limits on writes bound.
async fn delete_in_steps(kv: &mut Kv<'_>, span: &Span) -> Result<mantis_db::Deleted> {
    let mut deletion = SpanDeletion::of(span);
    while kv.delete_next(&mut deletion).await? {
        tokio::task::yield_now().await;
    }
    Ok(deletion.deleted())
}
