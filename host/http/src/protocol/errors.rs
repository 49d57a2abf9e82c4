//! Every error code that a client can see, and the status that goes with it.
//!
//! Codes come from two tables: what the database says ([`mantis_db::Code`]) and what only HTTP can say ([`Code`], below). Nothing
//! else decides a status, and the reference page is written from the same tables.

use std::fmt::Write as _;

use http::StatusCode;

macro_rules! codes {
    ($($variant:ident $code:literal $status:literal, $meaning:literal, $remedy:literal;)*) => {
        /// A stable name for one thing that can go wrong between HTTP and the database.
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
        "There is nothing at this path.", "`GET /openapi.json` lists the paths; the API begins with `/api/v1`.";
    MethodNotAllowed "method-not-allowed" 405,
        "The path does not take this method.", "Use one of those in the `Allow` header.";
    PathMalformed "path-malformed" 400,
        "The path has a `%` that two hexadecimal digits do not follow.", "Write a percent sign of a key as `%25`.";
    UriTooLong "uri-too-long" 414,
        "The path and query have more than 16,384 bytes.", "Use a shorter key, or `POST /api/v1/kv`, which takes keys in its body.";
    HeaderTooLarge "header-too-large" 431,
        "The headers of the request have more bytes than they may, or there are more than 100.", "Send fewer or shorter ones; 32 KiB is the default limit.";
    RequestMalformed "request-malformed" 400,
        "What came is not an HTTP request.", "Send a request's line and headers as RFC 9112 has them.";
    HostMissing "host-missing" 400,
        "An HTTP/1.1 request has exactly one `Host` header.", "Send it.";
    HostNotAllowed "host-not-allowed" 421,
        "This listener answers only to loopback names and to those that the configuration lists.",
        "Use `localhost`, or add the name to the allowed hosts.";
    OriginNotAllowed "origin-not-allowed" 403,
        "A page of another origin may not send this request.", "Add the origin to the configured CORS origins.";
    ParameterUnknown "parameter-unknown" 400,
        "The query has a parameter that this request does not take.", "Leave it out, or mend its spelling.";
    ParameterRepeated "parameter-repeated" 400,
        "The query has a parameter twice.", "Give each parameter once.";
    ParameterInvalid "parameter-invalid" 400,
        "A parameter of the query cannot be read, or does not go with another.", "The detail says what is expected.";
    HeaderInvalid "header-invalid" 400,
        "A header that this request uses cannot be read.", "The detail says what is expected.";
    BodyMalformed "body-malformed" 400,
        "The body is not JSON.", "Mend the place that the detail names.";
    BodyInvalid "body-invalid" 422,
        "The body is JSON, but not of the form that this request takes.", "The detail says what is expected.";
    BodyTooLarge "body-too-large" 413,
        "The body has more bytes than a request may have.", "Send less at once; 24 MiB is the default limit.";
    BodyTimeout "body-timeout" 408,
        "The body did not arrive in time.", "Send it without pausing.";
    BodyInterrupted "body-interrupted" 400,
        "The body ended before it was complete.", "Send as many bytes as announced.";
    MediaTypeUnsupported "media-type-unsupported" 415,
        "The request does not take a body of this media type.", "Send one of those that the detail names.";
    ContentEncodingUnsupported "content-encoding-unsupported" 415,
        "Bodies are taken as they are, without a content encoding, or a transfer encoding but `chunked`.", "Send the body uncompressed.";
    NotAcceptable "not-acceptable" 406,
        "None of the media types in `Accept` can be served.", "Accept one of those that the detail names.";
    KeyNotFound "key-not-found" 404,
        "The key does not exist, or has expired.", "Set it first.";
    PreconditionFailed "precondition-failed" 412,
        "The key is not as `If-Match`, `If-None-Match` or `If-Unmodified-Since` says.", "Read it again; `ETag` has its version now.";
    RangeUnsatisfiable "range-unsatisfiable" 416,
        "The value ends before the range begins.", "`Content-Range` has the value's length.";
    CheckFailed "check-failed" 409,
        "A key was not as an operation of an atomic batch expects; nothing was written.",
        "Read the keys that `operations` names again, and send the batch anew.";
    SelectionMissing "selection-missing" 400,
        "Deleting many keys needs to be told which.", "Give `prefix`, or `all=true` for every key.";
    TransactionNotTaken "transaction-not-taken" 400,
        "This request cannot belong to a transaction.", "Send it without `Mantisdb-Transaction`: it would not be undone with the rest.";
    TransactionBusy "transaction-busy" 409,
        "Another request is using this transaction.", "Send a transaction's requests one after another.";
    TransactionsTooMany "transactions-too-many" 429,
        "There are as many open transactions as there may be.", "Try again later; commit or roll back what is open.";
    StreamsTooMany "streams-too-many" 503,
        "There are as many open streams as there may be.", "Try again later; close streams that nobody reads.";
    Overloaded "overloaded" 503,
        "The server has as much to do as it can.", "Try again after the time in `Retry-After`.";
    RequestTimeout "request-timeout" 503,
        "The answer took longer than a request may.", "Try again; a write may have happened.";
    ShuttingDown "shutting-down" 503,
        "The server is shutting down.", "Try again after the time in `Retry-After`.";
    ConnectionsTooMany "connections-too-many" 503,
        "The server has as many connections as it may.", "Try again soon; keep connections, and use each for many requests.";
    HeaderTimeout "header-timeout" 408,
        "The head of the request did not arrive in time.", "Send a request's line and headers in one go.";
    Internal "internal" 500,
        "The server failed. What happened stands in its log, under the answer's `request_id`.", "Report it with that id.";
    PluginNameInvalid "plugin-name-invalid" 400,
        "A plugin's name has 1 to 63 characters of a-z, 0-9 and '-', and begins with a letter.", "Rename the plugin.";
    PluginNotFound "plugin-not-found" 404,
        "There is no plugin of this name.", "`GET /api/v1/plugins` lists them.";
    FunctionNotFound "function-not-found" 404,
        "The plugin has no function of this name that can be called.", "`GET /api/v1/plugins/{name}` lists them.";
    ArgumentsInvalid "arguments-invalid" 422,
        "The arguments do not fit the function.", "`GET /api/v1/plugins/{name}` lists what it takes.";
    PluginInvalid "plugin-invalid" 422,
        "The file is not a component that this host can run.", "Read `detail` for the reason.";
    PluginsTooMany "plugins-too-many" 409,
        "The plugin limit is reached.", "Remove a plugin.";
    PluginError "plugin-error" 422,
        "The function returned an error of its own, which `error` holds; what it has not committed itself is undone.", "Ask the plugin's author.";
    PluginDeadline "plugin-deadline" 504,
        "The function did not return in time; what it has not committed itself is undone.", "Give it less to do, or a longer deadline.";
    PluginTrap "plugin-trap" 502,
        "The function crashed; what it has not committed itself is undone.", "Report it to the plugin's author.";
    PluginLimit "plugin-limit" 502,
        "The function needed more than its limits allow; what it has not committed itself is undone.", "Give it less to do, or higher limits.";
    PluginBusy "plugin-busy" 503,
        "Too many plugin calls or installations are under way.", "Try again after the time in `Retry-After`.";
}

/// A code of either table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnyCode {
    Db(mantis_db::Code),
    Http(Code),
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
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        let status = match self {
            Self::Db(code) => status_of(code),
            Self::Http(code) => code.status(),
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Db(code) => code.meaning(),
            Self::Http(code) => code.meaning(),
        }
    }

    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Db(code) => code.remedy(),
            Self::Http(code) => code.remedy(),
        }
    }
}

/// The status that goes with what the database says.
#[must_use]
pub fn status_of(code: mantis_db::Code) -> u16 {
    use mantis_db::{Code, Kind};
    match code {
        Code::KeyTooLong => 414,
        Code::ValueTooLarge => 413,
        Code::MediaTypeInvalid => 415,
        Code::BucketReserved => 422,
        Code::StoreFull | Code::DiskFull => 507,
        // The request is right; what is stored or open is not as it takes it to be.
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

/// The reference page of all codes, in Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         Every error names its `code`. Codes are stable; wording is not. Over HTTP an error is `application/problem+json` with the\n\
         status below. This page is generated from the tables in `host/db/src/error.rs` and `host/http/src/protocol/errors.rs`.\n\n\
         ## From the database\n\n\
         The same on every surface: HTTP, plugins, pages and embedding programs.\n\n\
         | code | kind | HTTP status | meaning | remedy |\n|---|---|---|---|---|\n",
    );
    for &code in mantis_db::Code::ALL {
        let (name, kind, status) = (code.as_str(), code.kind().as_str(), status_of(code));
        row(&mut page, &[&format!("`{name}`"), kind, &status.to_string(), code.meaning(), code.remedy()]);
    }
    page.push_str(
        "\nA key or value that breaks one of these rules inside a JSON body answers 422 instead of the status above. A transaction that\n\
         never was, or was rolled back, answers 404 where its id stands in the path. A cursor that is one, but of another listing, answers 409.\n\n\
         ## From HTTP\n\n\
         | code | HTTP status | meaning | remedy |\n|---|---|---|---|\n",
    );
    for &code in Code::ALL {
        row(&mut page, &[&format!("`{}`", code.as_str()), &code.status().to_string(), code.meaning(), code.remedy()]);
    }
    page
}

fn row(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}
