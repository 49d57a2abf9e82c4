//! The header that names a transaction, and which operations take it.

use http::HeaderMap;
use http::request::Parts;

use crate::api::description::RequestHeader;
use crate::api::operation::Operation;
use crate::protocol::errors::Code;
use crate::protocol::problem::Result;

/// The header that names a transaction.
pub(crate) static TRANSACTION: RequestHeader = RequestHeader {
    name: "mantisdb-transaction",
    pattern: Some("^[0-9a-f]{32}$"),
    example: "5f0c6a1e9d2b4c7f8a3e1b0d6c9f2e47",
    description: "The id of an open transaction, which the request then belongs to.",
};

/// Refuses a request that names a transaction to which it could not belong: it would be done although that is rolled back.
pub(crate) fn check_taken<C>(operation: &Operation<C>, head: &Parts) -> Result<()> {
    // Most operations take it, which is known without a look at the request's headers.
    let takes_one = operation.headers.iter().any(|header| std::ptr::eq(*header, &raw const TRANSACTION));
    if takes_one || !names_transaction(&head.headers) {
        return Ok(());
    }
    Err(Code::TransactionNotTaken.into())
}

/// Looks at each header: requests have few, and a search would hash the name first.
pub(crate) fn names_transaction(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name == TRANSACTION.name)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::api::common::IF_MATCH;

    #[track_caller]
    fn check(headers: &[&'static RequestHeader], taken: bool) {
        let operation = Operation { headers: headers.to_vec().leak(), ..Operation::TEST };
        let request = Request::get("/").header(TRANSACTION.name, "0123456789abcdef0123456789abcdef");
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(check_taken(&operation, &head).is_ok(), taken);
    }

    #[test]
    fn an_operation_takes_the_header_wherever_its_list_has_it() {
        check(&[&TRANSACTION], true);
        check(&[&TRANSACTION, &IF_MATCH], true);
        check(&[&IF_MATCH, &TRANSACTION], true);
        check(&[&IF_MATCH], false);
        check(&[], false);
    }
}
