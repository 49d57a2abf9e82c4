//! What an operation is: its description, the request that its handler gets, and the query's parameters.

pub(crate) mod blocking;
pub(crate) mod operation;
pub(crate) mod query;
pub(crate) mod request;
