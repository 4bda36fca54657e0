//! Errors as problem documents (RFC 9457).

use axum::extract::Request;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tidemark_app::problem::Problem;

use crate::error::Error;

const PROBLEM_JSON: &str = "application/problem+json";

/// A problem as a handler answers it.
#[derive(Debug)]
pub struct HttpProblem(pub Problem);

/// What handlers answer.
pub type Answer<T> = Result<T, HttpProblem>;

impl IntoResponse for HttpProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self.0)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

impl From<Problem> for HttpProblem {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Error> for HttpProblem {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<JsonRejection> for HttpProblem {
    fn from(rejection: JsonRejection) -> Self {
        Self(unreadable(rejection.status().as_u16(), &rejection.body_text()))
    }
}

impl From<QueryRejection> for HttpProblem {
    fn from(rejection: QueryRejection) -> Self {
        Self(unreadable(400, &rejection.body_text()))
    }
}

fn unreadable(status: u16, reason: &str) -> Problem {
    let detail = format!("{reason}. The README's section on the API shows what is expected.");
    Problem::new(status, "bad_request", "The request can't be read", detail)
}

/// The refusal of a body above `limit` bytes.
#[must_use]
pub fn too_large(limit: usize) -> HttpProblem {
    let detail = format!("The request's body is larger than {limit} bytes. No request has use for that much.");
    HttpProblem(Problem::new(413, "body_too_large", "The request is too large", detail))
}

/// Gives the API's own refusals (no such path, wrong method, body too large) the form that every error has.
pub async fn as_problem(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let response = next.run(request).await;
    let is_bare = response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/"));
    if !path.starts_with("/api/v1/") || !is_bare {
        return response;
    }
    match response.status() {
        StatusCode::NOT_FOUND => {
            let detail = format!("There is nothing at {path}. The README lists the API's paths.");
            HttpProblem(Problem::new(404, "no_such_path", "No such path", detail)).into_response()
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            let detail = format!("{path} does not take {method}. The README lists the API's methods.");
            HttpProblem(Problem::new(405, "bad_method", "Wrong method", detail)).into_response()
        }
        _ => response,
    }
}
