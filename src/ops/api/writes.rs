//! Requests that change something: with the token, bounded, and written down.

use super::problem::{Refusal, json};
use super::routes::Api;
use crate::edge::world::wall;
use crate::ops::views::LogLevelView;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
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

/// Sets a filter; an error tells what is wrong with it.
pub type SetLevel = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// Tells and sets what is logged.
#[derive(Clone)]
pub struct LogLevel {
    /// The filter in force.
    pub get: Arc<dyn Fn() -> String + Send + Sync>,
    /// Sets it; an error tells what is wrong with it.
    pub set: Arc<SetLevel>,
}

/// Why a change is not made, and in words.
struct Refused(Refusal, String);

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
        Err(Refused(refusal, detail)) => return refusal.answer(detail),
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
async fn checked<T: DeserializeOwned>(api: &Api, request: Request) -> Result<T, Refused> {
    let (head, body) = request.into_parts();
    allowed(api, &head.headers)?;
    let bad = |text: String| Refused(Refusal::BadBody, text);
    if head.headers.get(CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return Err(bad("the Content-Type must be application/json".to_owned()));
    }
    let bytes = bounded(&head.headers, body).await?;
    serde_json::from_slice(&bytes).map_err(|e| bad(format!("the body: {e}")))
}

fn allowed(api: &Api, headers: &HeaderMap) -> Result<(), Refused> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(token) if api.token.is(token.trim()) => Ok(()),
        Some(_) => Err(Refused(Refusal::WrongToken, "this is not the token".to_owned())),
        None => {
            let text = "changes need the token of the data folder: Authorization: Bearer TOKEN";
            Err(Refused(Refusal::NoToken, text.to_owned()))
        }
    }
}

async fn bounded(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Refused> {
    let too_large = || Refused(Refusal::TooLarge, format!("a body has at most {BODY_BYTES} bytes"));
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if length.is_some_and(|text| text.parse().is_ok_and(|length: usize| length > BODY_BYTES)) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => {
            let text = format!("the body did not end within {} s", BODY_TIME.as_secs());
            Err(Refused(Refusal::TooSlow, text))
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
