//! Errors of requests: the server's problem document, or why there is none.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::text::printable;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No connection.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The server's address.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// The connection broke, or the answer was no HTTP.
    #[error("the connection to {url} failed: {reason}")]
    Broken {
        /// The server's address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// No answer in time.
    #[error("{url} did not answer within {}", shown(*limit))]
    Late {
        /// The server's address.
        url: String,
        /// The time given.
        limit: Duration,
    },
    /// The server refused or failed.
    #[error("{}", refusal(*status, problem))]
    Refused {
        /// The answer's status.
        status: u16,
        /// What it said.
        problem: Box<Problem>,
    },
    /// The answer is none of the API's.
    #[error("{url} answered {status}, and not as a MantisDB server does")]
    Stranger {
        /// The server's address.
        url: String,
        /// The answer's status.
        status: u16,
    },
    /// The answer is not of the form that the API promises.
    #[error("the server's answer is not as expected: {reason}")]
    Unexpected {
        /// What is wrong with it.
        reason: String,
    },
}

/// The problem document of an answer, as far as the server filled it in: RFC 9457's, or that of tables with `message` and `details`
/// among the members.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// A stable name.
    pub code: String,
    /// What it means.
    pub title: String,
    /// What happened in this case.
    pub detail: String,
    /// What to do about it; tables send null for none.
    #[serde(deserialize_with = "null_as_nothing")]
    pub hint: String,
    /// What the server's log calls this request.
    pub request_id: String,
    /// The document's other members, such as a plugin's own `error`.
    #[serde(flatten)]
    pub members: Map<String, Value>,
    /// The key's version, where a condition was not met.
    #[serde(skip)]
    pub version: Option<u64>,
}

impl Problem {
    /// The document, as the server sent it.
    #[must_use]
    pub fn document(&self) -> Map<String, Value> {
        let named = [
            ("code", &self.code),
            ("title", &self.title),
            ("detail", &self.detail),
            ("hint", &self.hint),
            ("request_id", &self.request_id),
        ];
        let named = named.into_iter().filter(|(_, text)| !text.is_empty());
        let mut document = self.members.clone();
        document.extend(named.map(|(name, text)| (name.to_owned(), Value::from(text.as_str()))));
        document
    }

    /// What to do, in terms of the command line where the server's hint is about HTTP.
    fn remedy(&self) -> Option<String> {
        let remedy: &str = match &*self.code {
            "plugin-not-found" => "`mantisdb plugin list` lists them",
            "plugin-version-not-found" => "`mantisdb plugin show NAME` lists them",
            "function-not-found" | "arguments-invalid" => {
                "`mantisdb plugin list` lists each plugin's functions with their parameters"
            }
            "overloaded" | "plugin-busy" | "plugin-expected" | "shutting-down" | "starting" => "try again later",
            "bucket-reserved" => "`mantisdb delete --all` deletes its keys",
            "uri-too-long" => "use a shorter key",
            "PGRST205" if self.hint.is_empty() => "`mantisdb table list` lists the tables",
            "key-not-found" | "plugin-error" | "bucket-not-found" => return None,
            "internal" => return Some(format!("report it with the request id {}", self.request_id)),
            _ => &self.hint,
        };
        Some(remedy.to_owned()).filter(|remedy| !remedy.is_empty())
    }
}

fn shown(limit: Duration) -> String {
    match limit.as_millis() {
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}

fn null_as_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn refusal(status: u16, problem: &Problem) -> String {
    let member = |name| problem.members.get(name).and_then(Value::as_str).unwrap_or_default();
    let texts = [&*problem.detail, member("message"), &*problem.title];
    let what = texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let what = printable(what.trim_end_matches('.'));
    if let Some(error) = problem.members.get("error") {
        // A plugin's own error says more than the code.
        let error = error.to_string();
        return format!("the function returned the error {} ({})", printable(&error), printable(&problem.code));
    }
    let code = printable(&problem.code);
    match printable(member("details").trim_end_matches('.')) {
        _ if what.is_empty() => format!("the server answered {status} ({code})"),
        details if details.is_empty() => format!("{what} ({code})"),
        details => format!("{what}: {details} ({code})"),
    }
}

impl ClientError {
    /// The status of the server's answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Stranger { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The server's code, if there was one.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { problem, .. } => &problem.code,
            _ => "",
        }
    }

    /// Whether something named was not found, or a condition was not met.
    #[must_use]
    pub fn is_unmet(&self) -> bool {
        matches!(
            self.code(),
            "key-not-found"
                | "bucket-not-found"
                | "plugin-not-found"
                | "plugin-version-not-found"
                | "function-not-found"
                | "precondition-failed"
                | "PGRST205"
                | "42P01"
        )
    }

    /// The server's problem document, if there was one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => {
                Some("start it with `mantisdb serve`, or name another with --url or MANTISDB_URL".to_owned())
            }
            Self::Late { .. } => Some("allow more time with --timeout TIME".to_owned()),
            Self::Unexpected { .. } => {
                Some("check that the server at this address is a MantisDB of this version".to_owned())
            }
            Self::Stranger { .. } => {
                Some("set --url or MANTISDB_URL to the server's address alone, as in http://127.0.0.1:8080".to_owned())
            }
            Self::Refused { problem, .. } => problem.remedy(),
            Self::Broken { .. } => None,
        }
    }
}
