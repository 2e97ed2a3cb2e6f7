//! Requests that change something: with the token, bounded, and written down.

use super::problem::{Refusal, json, problem};
use super::routes::Api;
use super::token::Token;
use crate::edge::world::wall;
use crate::ops::desk::Release;
use crate::ops::exit::{Exit, Failure};
use crate::ops::views::LogLevelView;
use axum::body::{Body, to_bytes};
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
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

/// What may be changed, and what a change carries.
#[derive(Clone)]
pub struct Changes {
    /// The token.
    pub token: Token,
    /// The level of the log.
    pub log: LogLevel,
    /// Ends quarantines.
    pub release: Arc<Release>,
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
    json(&LogLevelView { filter: (api.changes.log.get)() })
}

/// Sets what is logged.
pub async fn set_log_level(State(api): State<Api>, request: Request) -> Response {
    let log = api.changes.log.clone();
    let set = move |wanted: &LogLevelView| {
        let wrong = |why| Failure::new(Exit::Usage, why);
        (log.set)(&wanted.filter).map_err(wrong)?;
        Ok(LogLevelView { filter: (log.get)() })
    };
    change(&api, request, set).await
}

/// The body of a change that needs no words.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Ends a quarantine.
pub async fn release(
    State(api): State<Api>,
    UrlPath((id, how)): UrlPath<(String, String)>,
    request: Request,
) -> Response {
    let retry = match how.as_str() {
        "retry" => true,
        "drop" => false,
        _ => return Refusal::NoSuchPath.answer("a quarantine ends by retry or drop"),
    };
    let Ok(id) = id.parse() else {
        return Refusal::BadQuery.answer("give the number of a quarantine");
    };
    let release = Arc::clone(&api.changes.release);
    change(&api, request, move |_: &Nothing| release(id, retry)).await
}

/// Does what a request wants, if it may, and writes down what became of it.
async fn change<B, T>(
    api: &Api,
    request: Request,
    act: impl FnOnce(&B) -> Result<T, Failure> + Send + 'static,
) -> Response
where
    B: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + Send + 'static,
{
    let what = format!("{} {}", request.method(), request.uri().path());
    let body: B = match checked(api, request).await {
        Ok(body) => body,
        Err(Refused(refusal, detail)) => return refusal.answer(detail),
    };
    let dir = api.data_dir.clone();
    // It may wait for the disk; sockets must not.
    let done = tokio::task::spawn_blocking(move || {
        let done = act(&body);
        let result = done.as_ref().map_or_else(|failure| failure.text.as_str(), |_| "done");
        if let Err(e) = audit(&dir, &what, &body, result) {
            tracing::error!("{AUDIT_FILE}: {e}");
        }
        done
    });
    match done.await {
        Ok(Ok(view)) => json(&view),
        Ok(Err(f)) if f.exit == Exit::Usage => Refusal::BadBody.answer(f.text),
        Ok(Err(f)) if f.exit == Exit::Refused => {
            problem(StatusCode::CONFLICT, "refused", f.text, f.exit)
        }
        Ok(Err(f)) if f.exit == Exit::Failed => {
            problem(StatusCode::NOT_FOUND, "no-such-id", f.text, f.exit)
        }
        Ok(Err(f)) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", f.text, f.exit),
        Err(e) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            problem(status, "internal", format!("the change failed: {e}"), Exit::Failed)
        }
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
        Some(token) if api.changes.token.is(token.trim()) => Ok(()),
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
