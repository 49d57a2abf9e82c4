//! Every error code that a client can see, and its status.
//!
//! Codes come from two tables: the database's ([`mantis_db::Code`]) and that of HTTP ([`Code`], below). Nothing else decides a
//! status, and the reference page is generated from the same tables.

use std::fmt::Write as _;

use http::StatusCode;
use mantis_db::tables;

macro_rules! codes {
    ($($variant:ident $code:literal $status:literal, $meaning:literal, $remedy:literal;)*) => {
        /// A stable name for an error of HTTP, rather than of the database.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The kebab-case name that clients see.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The status of an answer with this code.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What to do about it, in a sentence.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

codes! {
    RouteNotFound "route-not-found" 404,
        "No resource exists at this path.", "`GET /openapi.json` lists the paths; those of the API start with `/api/v1`.";
    RowNotFound "row-not-found" 404,
        "The table has no row with this primary key.", "`GET` on the table's path lists its rows.";
    MethodNotAllowed "method-not-allowed" 405,
        "The path does not support this method.", "Use one of the methods in the `Allow` header.";
    PathMalformed "path-malformed" 400,
        "The path has a `%` without two hexadecimal digits after it.", "Write a percent sign in a key as `%25`.";
    UriTooLong "uri-too-long" 414,
        "The path and query are longer than 16,384 bytes.", "Use a shorter key, or `POST /api/v1/kv`, which takes keys in its body.";
    HeaderTooLarge "header-too-large" 431,
        "The request's headers exceed the size limit, or there are more than 100.", "Send fewer or shorter headers; the default limit is 32 KiB.";
    RequestMalformed "request-malformed" 400,
        "The data received is not a valid HTTP request.", "Send a request line and headers as in RFC 9112.";
    HostMissing "host-missing" 400,
        "An HTTP/1.1 request must have exactly one `Host` header.", "Send one `Host` header.";
    HostNotAllowed "host-not-allowed" 421,
        "This listener accepts only loopback names and the hosts that the configuration lists.",
        "Use `localhost`, or add the name to the allowed hosts.";
    OriginNotAllowed "origin-not-allowed" 403,
        "Pages of other origins may not send this request.", "Add the origin to the configured CORS origins.";
    ParameterUnknown "parameter-unknown" 400,
        "The query has an unknown parameter.", "Remove it, or correct its spelling.";
    ParameterRepeated "parameter-repeated" 400,
        "The query has the same parameter twice.", "Send each parameter once.";
    ParameterInvalid "parameter-invalid" 400,
        "A query parameter is invalid, or conflicts with another.", "Change it as described, or leave it out; `GET /openapi.json` has each request's parameters with their ranges.";
    HeaderInvalid "header-invalid" 400,
        "A request header is invalid.", "Change it as described, or leave it out; `GET /openapi.json` has each request's headers with their patterns.";
    BodyMalformed "body-malformed" 400,
        "The body is not valid JSON.", "Fix the syntax error at the position in the detail.";
    BodyInvalid "body-invalid" 422,
        "The body is JSON, but not of the form that this request expects.", "Change the member that is named; `GET /openapi.json` has the schema of each body.";
    BodyTooLarge "body-too-large" 413,
        "The body exceeds the size limit.", "Send less at once; the default limit is 24 MiB.";
    BodyTimeout "body-timeout" 408,
        "The body did not arrive in time.", "Send it without pauses.";
    BodyInterrupted "body-interrupted" 400,
        "The body ended before it was complete.", "Send as many bytes as `Content-Length` announces.";
    MediaTypeUnsupported "media-type-unsupported" 415,
        "The request does not accept a body of this media type.", "Send one of the media types in the detail.";
    ContentEncodingUnsupported "content-encoding-unsupported" 415,
        "Request bodies may have no content encoding, and no transfer encoding but `chunked`.", "Send the body uncompressed.";
    NotAcceptable "not-acceptable" 406,
        "None of the media types in `Accept` is available.", "Accept one of the media types in the detail.";
    KeyNotFound "key-not-found" 404,
        "The key does not exist or has expired.", "Set it first.";
    PreconditionFailed "precondition-failed" 412,
        "What the request is for does not meet `If-Match`, `If-None-Match` or `If-Unmodified-Since`.", "Read it again and decide anew; `ETag` has its current version.";
    RangeUnsatisfiable "range-unsatisfiable" 416,
        "The range starts after the end of the value.", "`Content-Range` has the value's length.";
    CheckFailed "check-failed" 409,
        "A key or a row did not meet the condition of an operation in a batch that is all or nothing; nothing was written.",
        "Read again what `operations` names, then resend the batch.";
    SelectionMissing "selection-missing" 400,
        "The request does not say which keys to delete.", "Give `prefix`, or `all=true` for every key.";
    DropUnconfirmed "drop-unconfirmed" 400,
        "A whole bucket is removed only with `drop=true` in the query.",
        "If that is what you want, add `?drop=true`. If it is not, the path of a key lost its `..` on the way: write its slashes as `%2F`.";
    TransactionNotTaken "transaction-not-taken" 400,
        "This request cannot be part of a transaction.", "Send it without `Mantisdb-Transaction`: a rollback would not undo it.";
    TransactionBusy "transaction-busy" 409,
        "Another request is using this transaction.", "Send the requests of a transaction one after another.";
    TransactionsTooMany "transactions-too-many" 429,
        "The limit of open transactions is reached.", "Retry later; commit or roll back open transactions.";
    StreamsTooMany "streams-too-many" 503,
        "The limit of open streams is reached.", "Retry later; close streams that are not read.";
    Overloaded "overloaded" 503,
        "The server is at its limit of concurrent requests.", "Retry after the time in `Retry-After`.";
    RequestTimeout "request-timeout" 503,
        "The request took longer than the time limit.", "Retry; a write may have been applied.";
    ShuttingDown "shutting-down" 503,
        "The server is shutting down.", "Retry after the time in `Retry-After`.";
    Starting "starting" 503,
        "The server is starting.", "Retry after the time in `Retry-After`; `GET /ready` says how far it is.";
    ConnectionsTooMany "connections-too-many" 503,
        "The limit of connections is reached.", "Retry soon; keep connections open and reuse them.";
    HeaderTimeout "header-timeout" 408,
        "The request's headers did not arrive in time.", "Send the request line and headers at once.";
    Internal "internal" 500,
        "The server failed. Its log has the cause, under the response's `request_id`.", "Report it with that id.";
    PluginNameInvalid "plugin-name-invalid" 400,
        "A plugin's name must have 1 to 63 characters of a-z, 0-9 and '-', and start with a letter.", "Rename the plugin.";
    PluginNotFound "plugin-not-found" 404,
        "No plugin has this name.", "`GET /api/v1/plugins` lists them.";
    FunctionNotFound "function-not-found" 404,
        "The plugin has no callable function of this name.", "`GET /api/v1/plugins/{name}` lists them.";
    ArgumentsInvalid "arguments-invalid" 422,
        "The arguments do not match the function's parameters.", "`GET /api/v1/plugins/{name}` lists the parameters.";
    PluginInvalid "plugin-invalid" 422,
        "The file is not a component that this host can run.", "Build it as a component for the world `mantis:db/plugin`; `docs/guides/plugins.md` shows how.";
    PluginCompileTimeout "plugin-compile-timeout" 503,
        "Compiling the component takes longer than an installation waits; the compiler goes on.", "Install it again later: that continues where this ended. `--plugin-compile-timeout-ms` sets the time.";
    PluginExpected "plugin-expected" 503,
        "The plugin is still being compiled.", "Retry after the time in `Retry-After`; `/ready` names the plugins that are not there yet.";
    PluginsTooMany "plugins-too-many" 409,
        "The limit of plugins is reached.", "Remove one.";
    PluginError "plugin-error" 422,
        "The function returned an error, which is in `error`; what it has not committed itself is rolled back.", "Read `error`: it is the function's own message.";
    PluginDeadline "plugin-deadline" 504,
        "The function did not return before its deadline; what it has not committed itself is rolled back.", "Give it less work, or a longer deadline.";
    PluginTrap "plugin-trap" 502,
        "The function crashed; what it has not committed itself is rolled back.", "Report it to the plugin's author.";
    PluginLimit "plugin-limit" 502,
        "The function exceeded one of its limits; what it has not committed itself is rolled back.", "Give it less work, or raise the limit.";
    PluginVersionNotFound "plugin-version-not-found" 404,
        "The plugin has no version of this number, or none before the current one; the last three are kept.", "`GET /api/v1/plugins/{name}` lists them.";
    PluginFromDirectory "plugin-from-directory" 409,
        "The plugin comes from a file in the server's directory of plugins.", "Change the file and start the server again, or choose another name.";
    PluginUnavailable "plugin-unavailable" 503,
        "The plugin is installed and cannot be called now.", "While it is being compiled, retry after the time in `Retry-After`; if `state` of `GET /api/v1/plugins/{name}` is `broken`, install it again.";
    PluginBusy "plugin-busy" 503,
        "Too many plugin calls or installations are in progress.", "Retry after the time in `Retry-After`.";
}

/// A code of one of the three lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnyCode {
    Db(mantis_db::Code),
    Http(Code),
    /// A SQLSTATE or PostgREST's own code: [`mantis_db::tables::code`].
    Table(&'static str),
}

impl From<mantis_db::Code> for AnyCode {
    fn from(code: mantis_db::Code) -> Self {
        Self::Db(code)
    }
}

impl From<Code> for AnyCode {
    fn from(code: Code) -> Self {
        Self::Http(code)
    }
}

impl AnyCode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Db(code) => code.as_str(),
            Self::Http(code) => code.as_str(),
            Self::Table(code) => code,
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        let status = match self {
            Self::Db(code) => status_of(code),
            Self::Http(code) => code.status(),
            Self::Table(code) => status_of_table(code),
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Db(code) => code.meaning(),
            Self::Http(code) => code.meaning(),
            Self::Table(code) => tables::code::meaning(code),
        }
    }

    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Db(code) => code.remedy(),
            Self::Http(code) => code.remedy(),
            // Each error of a table has a hint of its own, or none.
            Self::Table(_) => "",
        }
    }
}

/// The status of an error of the database.
#[must_use]
pub fn status_of(code: mantis_db::Code) -> u16 {
    use mantis_db::{Code, Kind};
    match code {
        Code::KeyTooLong => 414,
        Code::ValueTooLarge => 413,
        Code::MediaTypeInvalid => 415,
        Code::BucketReserved => 422,
        Code::MemoryFull | Code::Interrupted => 503,
        Code::StoreFull | Code::DiskFull => 507,
        // The request is valid; the stored or open state does not allow it.
        Code::TransactionOpen | Code::TransactionNotOpen | Code::IntegerOverflow => 409,
        _ => match code.kind() {
            Kind::NotFound => 404,
            Kind::AccessDenied => 403,
            Kind::Invalid => 400,
            Kind::Limit | Kind::Constraint => 422,
            Kind::Conflict => 409,
            Kind::ReadOnly => 503,
            Kind::Compacted => 410,
            // A kind that this table does not know is the server's fault.
            _ => 500,
        },
    }
}

/// The status of an error of a table: PostgREST's, but for our own (conflict, limits, a full disk).
#[must_use]
pub fn status_of_table(code: &str) -> u16 {
    match code {
        "PGRST201" | "PGRST203" => 300,
        "42501" => 403,
        "42883" | "42P01" | "PGRST125" | "PGRST202" | "PGRST205" => 404,
        "25006" | "PGRST101" | "PGRST105" | "PGRST117" => 405,
        "PGRST106" | "PGRST107" | "PGRST116" => 406,
        "23503" | "23505" | "40001" | "42P07" => 409,
        "PGRST103" => 416,
        "53100" | "53200" => 507,
        "57P01" | "58030" => 503,
        // The length of a query and of a statement is the client's to choose.
        "54000" | "57014" => 400,
        "PT412" => 412,
        _ => match code.get(..2) {
            Some("53" | "08") => 503,
            Some("XX" | "58") => 500,
            _ => 400,
        },
    }
}

/// The reference page of all codes, in Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         Every error names its `code`. Codes are stable; wording is not. Over HTTP an error is `application/problem+json`\n\
         with the status below. This page is generated from the tables in `host/db/src/error.rs`,\n\
         `host/db/src/tables/error.rs` and `host/http/src/protocol/errors.rs`.\n\n\
         ## From the database\n\n\
         The same on every surface: HTTP, plugins, pages and embedding programs.\n\n\
         | code | kind | HTTP status | meaning | remedy |\n|---|---|---|---|---|\n",
    );
    for &code in mantis_db::Code::ALL {
        let (name, kind, status) = (code.as_str(), code.kind().as_str(), status_of(code));
        row(&mut page, &[&format!("`{name}`"), kind, &status.to_string(), code.meaning(), code.remedy()]);
    }
    page.push_str(
        "\nA key or value that breaks one of these rules inside a JSON body answers 422 instead of the status above. A\n\
         transaction that never existed, or was rolled back by its client, answers 404 where its id is in the path. A valid cursor of\n\
         another listing answers 409. A `conflict` at the commit of a transaction has a `retry_token`, and its hint names\n\
         `POST /api/v1/transactions?retry=`.\n\n\
         ## From HTTP\n\n\
         | code | HTTP status | meaning | remedy |\n|---|---|---|---|\n",
    );
    for &code in Code::ALL {
        row(&mut page, &[&format!("`{}`", code.as_str()), &code.status().to_string(), code.meaning(), code.remedy()]);
    }
    page.push_str(
        "\n## From tables\n\n\
         SQLSTATEs of PostgreSQL and codes of PostgREST, in the shape `{code, message, details, hint}`; each error has a message of its\n\
         own, and a hint where one helps. `Accept: application/problem+json` asks for the shape of the others. Ours, where PostgREST\n\
         answers otherwise: 40001 is 409, 53100 and 53200 are 507, 54000 and 57014 are 400, a key twice in one upsert (21000) is 400.\n\n\
         | code | HTTP status | meaning |\n|---|---|---|\n",
    );
    for (code, meaning) in tables::code::ALL {
        row(&mut page, &[&format!("`{code}`"), &status_of_table(code).to_string(), meaning]);
    }
    page
}

fn row(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}
