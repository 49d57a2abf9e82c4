//! `mantisdb table`: the commands on tables.
//!
//! | module | holds |
//! |---|---|
//! | this one | drop, alter and types, which are a request each |
//! | `schema` | sending a schema or a change of one |
//! | `create` | create, from a file or from options |
//! | `describe` | list and describe |
//! | `import`, `export`, `select` | rows in, rows out, rows shown |
//! | `grid` | rows as an aligned table |

mod create;
mod describe;
mod export;
mod grid;
mod import;
mod schema;
mod select;

use bytes::Bytes;
use hyper::Method;
use hyper::header::ACCEPT;

use super::context::{self, Output};
use crate::cli::{TableArgs, TableCommand};
use crate::client::Path;
use crate::failure::Outcome;

pub(super) async fn run(args: TableArgs) -> Outcome {
    match args.command {
        TableCommand::Create(args) => create::run(args).await,
        TableCommand::List { server } => describe::list(&server).await,
        TableCommand::Describe { name, server } => describe::run(&name, &server).await,
        TableCommand::Alter { name, file, server } => {
            let change = context::read_input(&file)?;
            schema::write(&server, Method::PATCH, &name, change, "altered").await
        }
        TableCommand::Drop { name, server } => {
            context::client(&server)?.request(Method::DELETE, &Path::schema(&name), &[], Bytes::new()).await?;
            Ok(())
        }
        TableCommand::Types { server } => {
            let path = Path::new("/api/v1/schema/types.ts");
            let headers = [(ACCEPT, "text/plain, application/typescript, */*")];
            let answer = context::client(&server)?.request(Method::GET, &path, &headers, Bytes::new()).await?;
            let mut output = Output::new();
            if server.json {
                output.json(&serde_json::json!({"types": String::from_utf8_lossy(&answer.body)}))?;
            } else {
                output.plain(&answer.body)?;
            }
            output.flush()
        }
        TableCommand::Import(args) => import::run(args).await,
        TableCommand::Export(args) => export::run(args).await,
        TableCommand::Select(args) => select::run(args).await,
    }
}
