//! Why a request did not succeed.

use serde::Deserialize;

/// What the server said, or why it said nothing.
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
    #[error("{url} did not answer within {seconds} s")]
    Late {
        /// The server's address.
        url: String,
        /// The time given.
        seconds: u64,
    },
    /// The server refused or failed.
    #[error("{}", refusal(*status, problem))]
    Refused {
        /// The answer's status.
        status: u16,
        /// What it said.
        problem: Box<Problem>,
    },
    /// The answer is not of the form that the API promises.
    #[error("the server's answer cannot be read: {reason}")]
    Unexpected {
        /// What is wrong with it.
        reason: String,
    },
}

/// The problem document of an answer (RFC 9457), as far as the server filled it in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// A stable name.
    pub code: String,
    /// What it means.
    pub title: String,
    /// What happened this time.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
}

fn refusal(status: u16, problem: &Problem) -> String {
    let what = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let what = what.trim_end_matches('.');
    match (what.is_empty(), problem.code.is_empty()) {
        (true, true) => format!("the server answered {status}"),
        (true, false) => format!("the server answered {status} ({})", problem.code),
        (false, true) => what.to_owned(),
        (false, false) => format!("{what} ({})", problem.code),
    }
}

impl ClientError {
    /// The status of the server's answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
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

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => {
                Some("start it with `mantisdb serve`, or name another with --url or MANTISDB_URL".to_owned())
            }
            Self::Late { .. } => Some("give it more time with --timeout SECONDS".to_owned()),
            Self::Unexpected { .. } => Some("is there a MantisDB of this version at the address?".to_owned()),
            Self::Refused { problem, .. } if !problem.hint.is_empty() => Some(problem.hint.clone()),
            Self::Broken { .. } | Self::Refused { .. } => None,
        }
    }
}
