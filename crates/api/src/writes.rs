//! Requests that change something. They need the token, have limits, and go to the audit log.

use super::problem::{Detail, Refusal, answered, problem, unanswered};
use super::routes::{Api, PathWords, QueryWords, words};
use super::signed::{lacks_time, signature};
use super::token::Token;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use everwarm_runtime::clock::wall;
use everwarm_views::audit::AUDIT_FILE;
use everwarm_views::backup::Pack;
use everwarm_views::changes::{Change, Control, Tried};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::Json;
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Maximum bytes of a body.
const BODY_BYTES: usize = 64 * 1024;
/// How long the client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(5);

/// The possible changes, and the token that they need.
#[derive(Clone)]
pub struct Changes {
    /// The token.
    pub token: Token,
    /// The control that makes the changes.
    pub control: Arc<dyn Control>,
    /// Packs a backup.
    pub backup: Arc<Pack>,
    /// Packs an export.
    pub export: Arc<Pack>,
}

/// The reason why a request was refused, as code and text.
struct Refused(Refusal, String);

/// A line of the audit log.
#[derive(Debug, Serialize)]
struct Audited<'a, T> {
    /// Wall time, UTC milliseconds.
    time: i64,
    /// The client: one with the token, one with a signature, or a page with a cookie.
    who: &'static str,
    /// Method and path.
    what: &'a str,
    /// The body of the request.
    body: &'a T,
    /// `done`, or the reason why not.
    result: &'a str,
}

/// Marks the response of a change that is in the audit log already.
#[derive(Clone, Copy, Debug)]
struct Written;

/// Writes a line for each request with the token that was refused before it was tried.
pub async fn written(State(api): State<Api>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let who = allowed(&api, request.headers()).ok();
    let what = what(&request);
    let response = next.run(request).await;
    let fine = response.status().is_success();
    let Some(who) = who.filter(|_| !fine && response.extensions().get::<Written>().is_none())
    else {
        return response;
    };
    let detail = response.extensions().get::<Detail>().map(|Detail(detail)| detail.clone());
    let result = detail.unwrap_or_else(|| response.status().to_string());
    // The body was not checked, so it is not logged.
    let line = move || note(&api.data_dir, (who, &what), &(), &result);
    if let Err(e) = tokio::task::spawn_blocking(line).await {
        tracing::error!("{AUDIT_FILE}: {e}");
    }
    response
}

/// Method, path and query of a request.
fn what(request: &Request) -> String {
    let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
    format!("{} {}{query}", request.method(), request.uri().path())
}

/// Makes the change of a row.
pub async fn change(
    change: &'static Change,
    State(api): State<Api>,
    path: PathWords,
    query: QueryWords,
    request: Request,
) -> Response {
    let control = Arc::clone(&api.changes.control);
    let act = move |body: &Json| {
        let asked = words((change.path, change.query), path, query)?;
        (change.act)(control.as_ref(), &asked, body)
    };
    attempt(&api, request, Box::new(act)).await
}

/// A change that uses the body of a request.
pub type Act = Box<dyn FnOnce(&Json) -> Tried + Send>;

/// Makes a change if the request may, and writes the result to the audit log.
pub async fn attempt(api: &Api, request: Request, act: Act) -> Response {
    let what = what(&request);
    let (who, body) = match checked(api, request).await {
        Ok(checked) => checked,
        Err(Refused(refusal, detail)) => return refusal.answer(detail),
    };
    let dir = api.data_dir.clone();
    // A change may wait for the disk, which must not block the sockets.
    let done = tokio::task::spawn_blocking(move || {
        let (body, done) = act(&body)?;
        let result = done.as_ref().map_or_else(|failure| failure.text.as_str(), |_| "done");
        note(&dir, (who, &what), &body, result);
        Ok(done)
    });
    let mut response = match done.await {
        Ok(Ok(Ok(view))) => answered(view),
        Ok(Ok(Err(failure))) => undone(failure),
        Ok(Err(failure)) => return unanswered(failure),
        Err(e) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return problem(status, "internal", format!("the change failed: {e}"), Exit::Failed);
        }
    };
    response.extensions_mut().insert(Written);
    response
}

/// The problem document of a change that was tried and failed.
fn undone(Failure { exit, text, .. }: Failure) -> Response {
    let (status, code) = match exit {
        Exit::Usage => return Refusal::BadBody.answer(text),
        Exit::Refused => (StatusCode::CONFLICT, "refused"),
        Exit::Failed => (StatusCode::NOT_FOUND, "no-such-id"),
        Exit::Fine
        | Exit::Unreachable
        | Exit::Problems
        | Exit::Held
        | Exit::Foreign
        | Exit::StoreFailed
        | Exit::DiskFull
        | Exit::RootGaveUp
        | Exit::Watchdog
        | Exit::Interrupted
        | Exit::Terminated => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    problem(status, code, text, exit)
}

/// The response to a request without the token; none if it has the token.
pub fn refused(api: &Api, headers: &HeaderMap) -> Option<Response> {
    let Refused(refusal, detail) = allowed(api, headers).err()?;
    Some(refusal.answer(detail))
}

/// Whether a request has the token, or the cookie of a signed-in page.
pub fn shows_token(api: &Api, headers: &HeaderMap) -> bool {
    allowed(api, headers).is_ok() || api.sessions.knows(headers)
}

/// The body of a request that may change something, and its client.
async fn checked(api: &Api, request: Request) -> Result<(&'static str, Json), Refused> {
    let (head, body) = request.into_parts();
    let signature = signature(&head.method, &head.uri, &head.headers);
    let who = signature.map_or_else(|| allowed(api, &head.headers), |_| Ok("signature"))?;
    if head.headers.get(CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        let text = "the Content-Type must be application/json".to_owned();
        return Err(Refused(Refusal::BadBody, text));
    }
    let body = bounded(&head.headers, body).await?;
    if signature.is_some_and(|signature| !api.changes.token.signs(&body, signature)) {
        let text = "this is not the hex HMAC-SHA256 of the body with the daemon's token as its key";
        return Err(Refused(Refusal::WrongToken, text.to_owned()));
    }
    if signature.is_some() && lacks_time(&body) {
        let text = "a signed signal needs its time, like \"time\": \"2026-01-05T07:00:00Z\"";
        return Err(Refused(Refusal::BadBody, text.to_owned()));
    }
    Ok((who, Json::received(body)))
}

const WRONG_TOKEN: &str = "this is not the daemon's token. The daemon reads its token at its \
                           start: daemon.token, or api.token in the data directory";

/// The client of a request, if it may change something: by the token or by a page's cookie.
fn allowed(api: &Api, headers: &HeaderMap) -> Result<&'static str, Refused> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(bearer) {
        Some(token) if api.changes.token.is(token.trim()) => Ok("token"),
        Some(_) => Err(Refused(Refusal::WrongToken, WRONG_TOKEN.to_owned())),
        None if api.sessions.allows(headers) => Ok("page"),
        None => {
            let text = "the token is missing: send Authorization: Bearer TOKEN, with the token of \
                        api.token in the data directory";
            Err(Refused(Refusal::NoToken, text.to_owned()))
        }
    }
}

/// The token of a bearer header. The scheme is case-insensitive.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
}

async fn bounded(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Refused> {
    let too_large =
        || Refused(Refusal::TooLarge, format!("the body is larger than {BODY_BYTES} bytes"));
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if length.is_some_and(|text| text.parse().is_ok_and(|length: usize| length > BODY_BYTES)) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => {
            let text = format!("the body did not arrive within {} s", BODY_TIME.as_secs());
            Err(Refused(Refusal::TooSlow, text))
        }
    }
}

/// Writes a line to the audit log. A failure goes to the log.
fn note(dir: &Path, asked: (&'static str, &str), body: &impl Serialize, result: &str) {
    if let Err(e) = audit(dir, asked, body, result) {
        tracing::error!("{AUDIT_FILE}: {e}");
    }
}

fn audit(
    dir: &Path,
    (who, what): (&'static str, &str),
    body: &impl Serialize,
    result: &str,
) -> std::io::Result<()> {
    let line = Audited { time: wall().utc(), who, what, body, result };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(dir.join(AUDIT_FILE))?.write_all(&line)
}
