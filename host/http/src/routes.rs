//! The table of routes: every path and its operations. Matching, `Allow`, `OPTIONS` and the OpenAPI document come from here.

use std::sync::Arc;

use crate::api::operation;
use crate::handlers::tables::rpc::operations as rpc;
use crate::handlers::tables::{operations as rows, root, schema, typescript};
use crate::handlers::{backup, batch, buckets, changes, console, kv, plugins, service, transactions};
use crate::state::{Operation, State};

type Route = operation::Route<Arc<State>>;

pub(crate) static ROUTES: &[Route] = &[
    route("/health", &[&service::health::HEALTH]),
    route("/live", &[&service::health::LIVE]),
    route("/ready", &[&service::health::READY]),
    route("/stats", &[&service::stats::STATS]),
    route("/metrics", &[&service::metrics::METRICS]),
    // For clients that know one base address.
    under_base("/api/v1/health", &[&service::health::HEALTH]),
    under_base("/api/v1/stats", &[&service::stats::STATS]),
    route("/openapi.json", &[&service::docs::OPENAPI]),
    route("/docs", &[&service::docs::DOCS]),
    route("/", &[&console::home::HOME]),
    route("/api/v1/kv", &[&kv::list::LIST, &kv::batch::BATCH, &kv::clear::CLEAR]),
    route("/api/v1/kv/{key}", &[&kv::get::GET, &kv::put::PUT, &kv::delete::DELETE]),
    route("/api/v1/kv/{key}/increment", &[&kv::increment::INCREMENT]),
    route("/api/v1/buckets", &[&buckets::LIST]),
    route("/api/v1/buckets/{bucket}", &[&buckets::DROP]),
    in_bucket("/api/v1/buckets/{bucket}/kv", &[&kv::list::LIST, &kv::batch::BATCH, &kv::clear::CLEAR]),
    in_bucket("/api/v1/buckets/{bucket}/kv/{key}", &[&kv::get::GET, &kv::put::PUT, &kv::delete::DELETE]),
    in_bucket("/api/v1/buckets/{bucket}/kv/{key}/increment", &[&kv::increment::INCREMENT]),
    route("/api/v1/transactions", &[&transactions::BEGIN]),
    route("/api/v1/transactions/{id}", &[&transactions::ROLL_BACK]),
    route("/api/v1/transactions/{id}/commit", &[&transactions::COMMIT]),
    route("/api/v1/batch", &[&batch::BATCH]),
    route("/api/v1/changes", &[&changes::FOLLOW]),
    route("/api/v1/backup", &[&backup::DOWNLOAD]),
    route("/api/v1/plugins", &[&plugins::LIST]),
    route("/api/v1/plugins/{name}", &[&plugins::SHOW, &plugins::INSTALL, &plugins::REMOVE]),
    route("/api/v1/plugins/{name}/rollback", &[&plugins::ROLLBACK]),
    route("/api/v1/plugins/{name}/call/{function}", &[&plugins::CALL]),
    route(
        "/api/v1/tables/{table}",
        &[&rows::READ, &rows::INSERT, &rows::UPDATE, &rows::PUT, &rows::DELETE, &rows::OPTIONS],
    ),
    route("/api/v1/tables/{table}/{row}", &[&rows::SHOW_ROW, &rows::PUT_ROW, &rows::UPDATE_ROW, &rows::DELETE_ROW]),
    route("/rest/v1/", &[&root::ROOT, &root::OPTIONS]),
    Route { path: "/rest/v1", operations: &[&root::ROOT, &root::OPTIONS], id_suffix: "WithoutSlash" },
    at_rest(
        "/rest/v1/{table}",
        &[&rows::READ, &rows::INSERT, &rows::UPDATE, &rows::PUT, &rows::DELETE, &rows::OPTIONS],
    ),
    route("/rest/v1/rpc/{routine}", &[&rpc::GET, &rpc::POST, &rpc::OPTIONS]),
    route("/api/v1/schema/types.ts", &[&typescript::TYPES]),
    route("/api/v1/schema/tables", &[&schema::LIST]),
    route("/api/v1/schema/tables/{table}", &[&schema::SHOW, &schema::CREATE, &schema::ALTER, &schema::DROP]),
];

/// The ids of all operations, in the order in which the router numbers them.
pub(crate) fn operation_ids() -> impl Iterator<Item = String> {
    ROUTES.iter().flat_map(Route::operation_ids)
}

const fn route(path: &'static str, operations: &'static [&'static Operation]) -> Route {
    Route { path, operations, id_suffix: "" }
}

const fn in_bucket(path: &'static str, operations: &'static [&'static Operation]) -> Route {
    Route { path, operations, id_suffix: "InBucket" }
}

const fn at_rest(path: &'static str, operations: &'static [&'static Operation]) -> Route {
    Route { path, operations, id_suffix: "AtRest" }
}

/// Whether errors at this path have the shape of PostgREST's.
pub(crate) fn speaks_dialect(path: &str) -> bool {
    path.starts_with("/api/v1/tables/") || path.starts_with("/rest/v1/") || path == "/rest/v1"
}

const fn under_base(path: &'static str, operations: &'static [&'static Operation]) -> Route {
    Route { path, operations, id_suffix: "UnderBase" }
}
