//! How the rows of a query would be found: `application/vnd.pgrst.plan`.

use http::header::{CONTENT_TYPE, VARY};
use http::{HeaderValue, Response};
use mantis_db::tables::SelectOptions;

use super::headers::VARIES_BY;
use super::media::Plan;
use super::request::TableRequest;
use crate::api::request::Request;
use crate::protocol::body::Body;
use crate::protocol::problem::Result;
use crate::state::State;

pub(super) async fn explain(
    state: &State,
    request: &Request,
    table: &str,
    asked: &TableRequest,
    options: &SelectOptions,
    plan: Plan,
) -> Result<Response<Body>> {
    let mut session = state.session_for(request).await?;
    let mut rows = session.rows(table, asked.environment.clone());
    let explanation = rows.explain(&asked.query, options, plan.is_analyzed).await?;
    let text = if plan.is_json { explanation.to_json() } else { explanation.to_text() };
    let mut response = Response::new(Body::full(text.into()));
    response.headers_mut().insert(CONTENT_TYPE, plan.content_type());
    response.headers_mut().insert(VARY, HeaderValue::from_static(VARIES_BY));
    Ok(response)
}
