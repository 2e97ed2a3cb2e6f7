//! Requests that change something: with the token, bounded, and written down.

use super::problem::{Refusal, json};
use super::routes::Api;
use crate::edge::world::wall;
use crate::ops::views::LogLevelView;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Name of the file in the data directory where changes are written down, one JSON object a line.
pub const AUDIT_FILE: &str = "audit.jsonl";
/// Bytes of a body.
const BODY_BYTES: usize = 64 * 1024;
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(5);

/// Tells and sets what is logged.
#[derive(Clone)]
pub struct LogLevel {
    /// The filter in force.
    pub get: Arc<dyn Fn() -> String + Send + Sync>,
    /// Sets it; an error tells what is wrong with it.
    pub set: Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>,
}

/// A line of the audit log.
#[derive(Debug, Serialize)]
struct Audited<'a, T> {
    /// Wall time, UTC milliseconds.
    time: i64,
    /// Who: whoever has the token.
    who: &'static str,
    /// Method and path.
    what: &'a str,
    /// What was sent.
    body: &'a T,
    /// `done`, or why not.
    result: &'a str,
}

/// What is logged.
pub async fn log_level(State(api): State<Api>) -> Response {
    json(&LogLevelView { filter: (api.log.get)() })
}

/// Sets what is logged.
pub async fn set_log_level(State(api): State<Api>, request: Request) -> Response {
    let wanted: LogLevelView = match checked(&api, request).await {
        Ok(wanted) => wanted,
        Err(refused) => return refused,
    };
    let set = (api.log.set)(&wanted.filter);
    let told = set.as_ref().map_or_else(String::as_str, |()| "done");
    if let Err(e) = audit(&api.data_dir, "PUT /api/v1/log-level", &wanted, told) {
        tracing::error!("{AUDIT_FILE}: {e}");
    }
    match set {
        Ok(()) => json(&LogLevelView { filter: (api.log.get)() }),
        Err(why) => Refusal::BadBody.answer(why),
    }
}

/// The body of a request that may change something.
async fn checked<T: DeserializeOwned>(api: &Api, request: Request) -> Result<T, Response> {
    let (head, body) = request.into_parts();
    allowed(api, &head.headers)?;
    let json = HeaderValue::from_static("application/json");
    if head.headers.get(CONTENT_TYPE) != Some(&json) {
        return Err(Refusal::BadBody.answer("the Content-Type must be application/json"));
    }
    let bytes = bounded(&head.headers, body).await?;
    serde_json::from_slice(&bytes).map_err(|e| Refusal::BadBody.answer(format!("the body: {e}")))
}

fn allowed(api: &Api, headers: &HeaderMap) -> Result<(), Response> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let refusal = match given.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(token) if api.token.is(token.trim()) => return Ok(()),
        Some(_) => Refusal::WrongToken.answer("this is not the token"),
        None => Refusal::NoToken
            .answer("changes need the token of the data folder: Authorization: Bearer TOKEN"),
    };
    let mut refusal = refusal;
    refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Err(refusal)
}

async fn bounded(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Response> {
    let too_large = || Refusal::TooLarge.answer(format!("a body has at most {BODY_BYTES} bytes"));
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if length.is_some_and(|text| text.parse().is_ok_and(|length: usize| length > BODY_BYTES)) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => {
            let text = format!("the body did not end within {} s", BODY_TIME.as_secs());
            Err(Refusal::TooSlow.answer(text))
        }
    }
}

fn audit(dir: &Path, what: &str, body: &impl Serialize, result: &str) -> std::io::Result<()> {
    let line = Audited { time: wall(), who: "token", what, body, result };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(dir.join(AUDIT_FILE))?.write_all(&line)
}
