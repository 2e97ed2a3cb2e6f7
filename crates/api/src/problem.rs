//! Problem documents of requests without a result, and their counts.

use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use everwarm_runtime::meter::{Histogram, Reading};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::Json;
use everwarm_views::telemetry::HTTP;
use everwarm_views::telemetry::REFUSALS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub detail: String,
    /// Exit code of a command that gets this answer.
    pub exit: u8,
}

/// The reason for refusing a request. A response that nothing exists, as for an unknown id, is no
/// refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The `Host` header, or a host in the target, names something else than loopback.
    WrongHost,
    /// A change without the token.
    NoToken,
    /// A change with another token.
    WrongToken,
    /// A head or body that is too large.
    TooLarge,
    /// A head or body that does not come to its end.
    TooSlow,
    /// Too many connections, or too much work at once.
    Busy,
    /// Not HTTP.
    Malformed,
    /// A body that is not JSON, or not the expected JSON.
    BadBody,
    /// A query with unknown parameters.
    BadQuery,
    /// No such path.
    NoSuchPath,
    /// The path has no such method.
    WrongMethod,
}

impl Refusal {
    /// The codes, in the order of the variants.
    pub const CODES: &[&str] = REFUSALS;

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        Refusal::CODES[self as usize]
    }

    /// HTTP status, and exit code of a command.
    const fn status(self) -> (StatusCode, Exit) {
        match self {
            Refusal::WrongHost => (StatusCode::FORBIDDEN, Exit::Refused),
            Refusal::NoToken | Refusal::WrongToken => (StatusCode::UNAUTHORIZED, Exit::Refused),
            Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Exit::Refused),
            Refusal::TooSlow => (StatusCode::REQUEST_TIMEOUT, Exit::Failed),
            Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, Exit::Failed),
            Refusal::Malformed | Refusal::BadBody | Refusal::BadQuery => {
                (StatusCode::BAD_REQUEST, Exit::Usage)
            }
            Refusal::NoSuchPath => (StatusCode::NOT_FOUND, Exit::Failed),
            Refusal::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, Exit::Usage),
        }
    }

    /// The response. It is counted on its way out.
    pub fn answer(self, detail: impl Into<String>) -> Response {
        let (status, exit) = self.status();
        let mut response = problem(status, self.code(), detail.into(), exit);
        response.extensions_mut().insert(self);
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// The detail text of a problem document, attached to its response.
#[derive(Clone, Debug)]
pub struct Detail(pub String);

/// The numbers of refused requests by reason, and of all requests with their durations.
#[derive(Clone, Debug, Default)]
pub struct Refusals(
    Arc<[AtomicU64; Refusal::CODES.len()]>,
    Arc<Mutex<Requests>>,
    Arc<Mutex<BTreeMap<String, Histogram>>>,
);

/// Numbers of requests, by path pattern, method and status.
pub type Requests = BTreeMap<(String, &'static str, u16), u64>;

impl Refusals {
    /// Counts a refusal.
    pub fn count(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a response and its duration.
    pub fn answered(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let mut times = self.2.lock().unwrap_or_else(PoisonError::into_inner);
        times.entry(route.to_owned()).or_insert_with(|| Histogram::new(HTTP)).time(took);
        drop(times);
        let mut requests = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route.to_owned(), method, status)).or_default() += 1;
    }

    /// Durations of responses by path pattern.
    #[must_use]
    pub fn took(&self) -> Vec<(String, Reading)> {
        let times = self.2.lock().unwrap_or_else(PoisonError::into_inner);
        times.iter().map(|(route, took)| (route.clone(), took.read())).collect()
    }

    /// Numbers of requests so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Numbers of refusals for every code.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let number = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Refusal::CODES.iter().copied().zip(self.0.iter().map(number))
    }
}

/// A response with a problem document.
pub fn problem(status: StatusCode, code: &str, detail: String, exit: Exit) -> Response {
    let status_number = status.as_u16();
    let body = Problem { status: status_number, code: code.into(), detail, exit: exit.code() };
    let mut response = json_as(status, "application/problem+json", &body);
    response.extensions_mut().insert(Detail(body.detail));
    response
}

/// A JSON response with this status and media type.
pub fn json_as(status: StatusCode, kind: &'static str, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            (status, [(CONTENT_TYPE, HeaderValue::from_static(kind))], bytes).into_response()
        }
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
    }
}

/// The problem document of a failed query.
pub fn unanswered(Failure { exit, text, code }: Failure) -> Response {
    let (status, code) = match (code, exit) {
        (Failure::BAD_QUERY, _) => return Refusal::BadQuery.answer(text),
        (Failure::BAD_BODY, _) => return Refusal::BadBody.answer(text),
        (Failure::NO_SUCH_PATH, _) => return Refusal::NoSuchPath.answer(text),
        ("", _) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        (code, Exit::Usage) => (StatusCode::BAD_REQUEST, code),
        (code, _) => (StatusCode::NOT_FOUND, code),
    };
    problem(status, code, text, exit)
}

/// The response of a successful query.
pub fn answered(json: Json) -> Response {
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kind, json.into_bytes()).into_response()
}

/// A JSON response with status 200.
pub fn json(body: &impl Serialize) -> Response {
    json_as(StatusCode::OK, "application/json", body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_variants() {
        assert_eq!(Refusal::WrongHost.code(), "wrong-host");
        assert_eq!(Refusal::Busy.code(), "busy");
        assert_eq!(Refusal::WrongMethod.code(), "wrong-method");
        assert_eq!(Refusal::WrongMethod as usize + 1, Refusal::CODES.len());
        let refusals = Refusals::default();
        refusals.count(Refusal::TooSlow);
        let some: Vec<_> = refusals.all().filter(|(_, n)| *n > 0).collect();
        assert_eq!(some, [("too-slow", 1)]);
    }
}
