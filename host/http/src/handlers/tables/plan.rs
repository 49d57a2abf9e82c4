//! How the rows of a query would be found: `application/vnd.pgrst.plan`.

use http::Response;
use http::header::{CONTENT_TYPE, VARY};
use mantis_db::tables::{Interrupt, SelectOptions, code};

use super::headers::varies_by;
use super::media::{Form, Plan};
use super::request::TableRequest;
use crate::api::blocking::blocking;
use crate::api::presence::Presence;
use crate::api::request::Request;
use crate::limits::SHORT_QUERY_ROWS_MAX;
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
    let short = SelectOptions { examined_max: Some(SHORT_QUERY_ROWS_MAX), ..options.clone() };
    let mut rows = session.rows(table, asked.environment.clone());
    let explained = rows.explain(&asked.query, &short, plan.is_analyzed).await;
    let explanation = match explained {
        // On a thread for requests it would hold up others.
        Err(error) if error.code == code::QUERY_CANCELED => {
            let (table, options) = (table.to_owned(), options.clone());
            let (query, environment) = (asked.query.clone(), asked.environment.clone());
            let presence = Presence::new();
            let absence = presence.absence();
            let work = move || async move {
                let is_gone = || absence.is_known();
                let mut rows = session.rows(&table, environment).interrupted(Interrupt::when(&is_gone));
                Ok(rows.explain(&query, &options, plan.is_analyzed).await?)
            };
            blocking(work).await?
        }
        explained => explained?,
    };
    // Lines are written one by one; every other form is one document.
    let explanation = if plan.of == Form::Lines { explanation } else { explanation.gathered() };
    let text = if plan.is_json { explanation.to_json() } else { explanation.to_text() };
    let mut response = Response::new(Body::full(text.into()));
    response.headers_mut().insert(CONTENT_TYPE, plan.content_type());
    response.headers_mut().insert(VARY, varies_by(&request.head.headers));
    Ok(response)
}
