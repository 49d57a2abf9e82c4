//! The header that names a transaction, and which operations take it.

use http::HeaderMap;
use http::request::Parts;

use crate::api::description::{RequestHeader, Role};
use crate::api::operation::Operation;
use crate::protocol::errors::Code;
use crate::protocol::problem::Result;

/// The header that names a transaction.
pub(crate) static TRANSACTION: RequestHeader = RequestHeader {
    name: "mantisdb-transaction",
    pattern: Some("^[0-9a-f]{32}$"),
    description: "The id of an open transaction, which the request then belongs to.",
    role: Role::Optional,
};

/// Refuses a request that names a transaction to which it could not belong: it would be done although that is rolled back.
pub(crate) fn check_taken<C>(operation: &Operation<C>, head: &Parts) -> Result<()> {
    // Most requests may name one, which is known without looking for the header.
    let takes_one = operation.headers.first().is_some_and(|header| std::ptr::eq(*header, &raw const TRANSACTION));
    if takes_one || !names_transaction(&head.headers) {
        return Ok(());
    }
    Err(Code::TransactionNotTaken.into())
}

/// Looks at each header: requests have few, and a search would hash the name first.
pub(crate) fn names_transaction(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name == TRANSACTION.name)
}
