//! `GET /`: pages for browsers, without scripts: the server's state, its tables, and the rows of one table.
//!
//! | file | holds |
//! |---|---|
//! | `home` | the operation, and the page with the server's state, its tables and commands to try |
//! | `view` | which rows of which table a page shows, from its address; their address in the API |
//! | `table` | the page of one table: the form, its rows, its definition |
//! | `rows` | rows as an HTML table |
//! | `page` | what the pages share: head, policy |

pub(crate) mod home;
mod page;
mod rows;
mod table;
mod view;
