//! `/rest/v1/rpc/PLUGIN.FUNCTION`: functions of plugins, as PostgREST's clients call functions.
//!
//! A call reads top to bottom: `arguments` (which parameters are the function's, and which ask for a part of its rows), `function` (the one
//! that is meant), the call, `answer` (its result in the form that was asked for).
//!
//! | file | holds |
//! |---|---|
//! | `operations` | the operations, for the table of routes |
//! | `call` | a call from its request to its response |
//! | `function` | functions by the names that clients give them; the error where there is none |
//! | `arguments` | arguments of a body or a query, by the types of the parameters |
//! | `answer` | a result as rows, or as the value that it is |
//! | `rows` | a list of records as rows, whose columns have PostgreSQL's types |
//! | `typescript` | functions as TypeScript types |
//! | `failure` | a plugin's error in the shape of the others |

mod answer;
mod arguments;
mod call;
mod failure;
mod function;
pub(crate) mod operations;
mod rows;
pub(super) mod typescript;
