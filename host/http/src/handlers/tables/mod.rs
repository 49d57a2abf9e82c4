//! Rows of tables in PostgREST's dialect, and the tables' schemas.
//!
//! A request for rows reads top to bottom: `request` (the head: preferences, form of the answer, query), `body` (rows of JSON, CSV or a
//! form), `read` or `write` (the call of `mantis-db`, status and headers), `answer` (the rows' text).
//!
//! | file | holds |
//! |---|---|
//! | `operations` | the operations of the paths, for the table of routes |
//! | `request` | the head of a request for rows |
//! | `preferences`, `media`, `range` | `Prefer`; `Accept`; `Range`, `limit` and `offset`, `Content-Range` |
//! | `body` | the rows in a body |
//! | `read`, `write`, `plan` | GET and HEAD; POST, PATCH, PUT and DELETE; a query's plan |
//! | `row`, `preconditions` | one row by its primary key; its `If-Match` and `If-None-Match` |
//! | `root` | which tables and functions there are, as PostgREST tells it |
//! | `rpc` | `/rest/v1/rpc`: functions of plugins |
//! | `stream` | a large answer, sent piece by piece |
//! | `answer`, `csv`, `headers` | where rows are collected; rows as CSV; headers of several answers |
//! | `typescript` | the tables as TypeScript types |
//! | `schema` | `/api/v1/schema/tables`: make, show, alter and drop tables |

mod answer;
pub(crate) mod body;
mod csv;
mod headers;
mod media;
pub(crate) mod operations;
mod plan;
mod preconditions;
mod preferences;
mod range;
mod read;
pub(crate) mod request;
pub(crate) mod root;
mod row;
pub(crate) mod rpc;
pub(crate) mod schema;
mod stream;
pub(crate) mod typescript;
mod write;
