//! The one error the page and tools see: a problem document (RFC 9457).

use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What went wrong, as `application/problem+json` tells it. Server functions answer it with its own status too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{detail}")]
pub struct Problem {
    /// A reference to the page that explains the code: `/docs/errors#CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words, the same for every occurrence.
    pub title: String,
    /// The HTTP status; 0 where the server was not reached.
    pub status: u16,
    /// Stable, for programs: `unknown_symbol`, `bad_range`, …
    pub code: String,
    /// What happened, to what, and what to do next: one or two sentences.
    pub detail: String,
}

impl Problem {
    /// A problem of this status and code.
    #[must_use]
    pub fn new(status: u16, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs/errors#{code}"),
            title: title.to_owned(),
            status,
            code: code.to_owned(),
            detail: detail.into(),
        }
    }

    /// The request makes no sense; `detail` names the part and what to write instead.
    #[must_use]
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(400, "bad_request", "The request can't be read", detail)
    }

    /// The server did not answer; what the page holds is all it can show for now.
    #[must_use]
    pub fn unreachable(detail: impl Into<String>) -> Self {
        Self::new(0, "server_unreachable", "The server can't be reached", detail)
    }

    /// Whether asking again unchanged may help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self.status, 0 | 429 | 500..)
    }
}

impl FromServerFnError for Problem {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(_) => {
                Self::unreachable("The server can't be reached. Check that it runs; this page tries again by itself.")
            }
            ServerFnErrorErr::Args(detail) | ServerFnErrorErr::MissingArg(detail) => Self::unreadable(detail),
            other => Self::new(500, "unexpected", "Something unexpected went wrong", other.to_string()),
        }
    }
}
