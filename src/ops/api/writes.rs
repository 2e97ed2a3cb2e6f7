//! Requests that change something: with the token, bounded, and written down.

use super::problem::{Detail, Refusal, json, problem};
use super::routes::Api;
use super::token::Token;
use crate::edge::world::wall;
use crate::ops::actor_faults::{ActorFaultView, BranchView, InjectFault, Retry};
use crate::ops::backup::Pack;
use crate::ops::desk::{
    Adopt, ChangeSwitch, ChangeSymbols, ClearLimits, Release, Reload, Resolve, SymbolsChange,
};
use crate::ops::exit::{Exit, Failure};
use crate::ops::log::LogCounts;
use crate::ops::views::{AdoptView, LogLevelView, ResolveView};
use axum::body::{Body, to_bytes};
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use everwarm_domain::id::Symbol;
use everwarm_runtime::clock;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Name of the file in the data directory where changes are written down, one JSON object a line.
pub const AUDIT_FILE: &str = "audit.jsonl";
/// Bytes of a body.
const BODY_BYTES: usize = 64 * 1024;
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(5);

/// For how many seconds a filter of the log may be set.
const HELD_S: RangeInclusive<u32> = 1..=604_800;

/// Sets a filter; an error tells what is wrong with it.
pub type SetLevel = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// Tells and sets what is logged.
#[derive(Clone)]
pub struct LogLevel {
    /// The filter in force.
    pub get: Arc<dyn Fn() -> String + Send + Sync>,
    /// Sets it; an error tells what is wrong with it.
    pub set: Arc<SetLevel>,
    /// What has been logged.
    pub counts: LogCounts,
    /// The configuration in force, as each line for programs names it; 0: none is yet.
    pub generation: Arc<AtomicU64>,
    /// How long what was set stays.
    pub hold: Hold,
}

/// Until when something holds that was set for a while.
#[derive(Clone, Debug, Default)]
pub struct Hold(Arc<Mutex<Option<Instant>>>);

impl Hold {
    fn end(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It holds for so long from now on, or for good.
    pub fn begin(&self, time: Option<Duration>) {
        *self.end() = time.and_then(|time| clock::now().checked_add(time));
    }

    /// How long it still holds; none: for good.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.end().map(|end| end.saturating_duration_since(clock::now()))
    }

    /// Whether its time is over. It is so once.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end().take_if(|end| *end <= clock::now()).is_some()
    }
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
    /// Disturbs actors.
    pub inject: Arc<InjectFault>,
    /// Tries branches that are kept down.
    pub retry: Arc<Retry>,
    /// Changes what is listed.
    pub symbols: Arc<ChangeSymbols>,
    /// Ends conflicts.
    pub resolve: Arc<Resolve>,
    /// Takes surpluses into the books.
    pub adopt: Arc<Adopt>,
    /// Packs everything that is kept.
    pub backup: Arc<Pack>,
    /// Reads the configuration again.
    pub reload: Arc<Reload>,
    /// Ends what the venue wants us to wait for.
    pub limits: Arc<ClearLimits>,
    /// Takes down words of operators.
    pub switch: Arc<ChangeSwitch>,
}

/// Why a change is not made, and in words.
struct Refused(Refusal, String);

/// A line of the audit log.
#[derive(Debug, Serialize)]
struct Audited<'a, T> {
    /// Wall time, UTC milliseconds.
    time: i64,
    /// Who: whoever has the token, or a page that was given a cookie for it.
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
    json(&told(&api.changes.log))
}

/// Sets what is logged.
pub async fn set_log_level(State(api): State<Api>, request: Request) -> Response {
    let log = api.changes.log.clone();
    let set = move |wanted: &LogLevelView| {
        let wrong = |why| Failure::new(Exit::Usage, why);
        if wanted.for_s.is_some_and(|seconds| !HELD_S.contains(&seconds)) {
            return Err(wrong("for_s is from 1 to 604800, a week".to_owned()));
        }
        (log.set)(&wanted.filter).map_err(wrong)?;
        log.hold.begin(wanted.for_s.map(|s| Duration::from_secs(s.into())));
        Ok(told(&log))
    };
    change(&api, request, set).await
}

fn told(log: &LogLevel) -> LogLevelView {
    let seconds =
        |left: Duration| u32::try_from(left.as_millis().div_ceil(1_000).max(1)).unwrap_or(u32::MAX);
    LogLevelView { filter: (log.get)(), for_s: log.hold.left().map(seconds) }
}

/// The body of a change that needs no words.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

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

/// Disturbs an actor.
pub async fn kill(State(api): State<Api>, request: Request) -> Response {
    let inject = Arc::clone(&api.changes.inject);
    change(&api, request, move |wanted: &ActorFaultView| inject(wanted)).await
}

/// Tries a branch that is kept down.
pub async fn retry(State(api): State<Api>, request: Request) -> Response {
    let retry = Arc::clone(&api.changes.retry);
    change(&api, request, move |wanted: &BranchView| retry(wanted)).await
}

/// Adds or removes a symbol.
pub async fn want_symbol(
    State(api): State<Api>,
    UrlPath((symbol, how)): UrlPath<(String, String)>,
    request: Request,
) -> Response {
    let wanted = match how.as_str() {
        "add" => true,
        "remove" => false,
        _ => return Refusal::NoSuchPath.answer("a symbol is changed by add or remove"),
    };
    let symbol = match Symbol::new(&symbol) {
        Ok(symbol) => symbol,
        Err(e) => return Refusal::BadQuery.answer(e),
    };
    let symbols = Arc::clone(&api.changes.symbols);
    let want = SymbolsChange::Want(symbol, wanted);
    change(&api, request, move |_: &Nothing| symbols(want)).await
}

/// Asks the venue what it has.
pub async fn refresh_symbols(State(api): State<Api>, request: Request) -> Response {
    let symbols = Arc::clone(&api.changes.symbols);
    change(&api, request, move |_: &Nothing| symbols(SymbolsChange::Refresh)).await
}

/// Ends what the venue wants us to wait for.
pub async fn clear_limits(State(api): State<Api>, request: Request) -> Response {
    let limits = Arc::clone(&api.changes.limits);
    change(&api, request, move |_: &Nothing| limits()).await
}

/// Ends a conflict.
pub async fn resolve(
    State(api): State<Api>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Response {
    let resolve = Arc::clone(&api.changes.resolve);
    change(&api, request, move |word: &ResolveView| resolve(&id, word)).await
}

/// Takes a surplus into the books.
pub async fn adopt(State(api): State<Api>, request: Request) -> Response {
    let adopt = Arc::clone(&api.changes.adopt);
    change(&api, request, move |word: &AdoptView| adopt(word)).await
}

/// Marks the answer to a change that has its line.
#[derive(Clone, Copy, Debug)]
struct Written;

/// Writes down what was asked for with the token and refused before it was tried.
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
    // What was sent is not known to be what it should be, so nothing of it is kept.
    let line = move || note(&api.data_dir, (who, &what), &(), &result);
    if let Err(e) = tokio::task::spawn_blocking(line).await {
        tracing::error!("{AUDIT_FILE}: {e}");
    }
    response
}

/// Method, path and query.
fn what(request: &Request) -> String {
    let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
    format!("{} {}{query}", request.method(), request.uri().path())
}

/// Does what a request wants, if it may, and writes down what became of it.
pub async fn change<B, T>(
    api: &Api,
    request: Request,
    act: impl FnOnce(&B) -> Result<T, Failure> + Send + 'static,
) -> Response
where
    B: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + Send + 'static,
{
    let what = what(&request);
    let (who, body): (_, B) = match checked(api, request).await {
        Ok(checked) => checked,
        Err(Refused(refusal, detail)) => return refusal.answer(detail),
    };
    let dir = api.data_dir.clone();
    // It may wait for the disk; sockets must not.
    let done = tokio::task::spawn_blocking(move || {
        let done = act(&body);
        let result = done.as_ref().map_or_else(|failure| failure.text.as_str(), |_| "done");
        note(&dir, (who, &what), &body, result);
        done
    });
    let done = done.await;
    let written = done.is_ok().then_some(Written);
    let mut response = match done {
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
    };
    if let Some(written) = written {
        response.extensions_mut().insert(written);
    }
    response
}

/// The answer to a request without the token; none where it has it.
pub fn refused(api: &Api, headers: &HeaderMap) -> Option<Response> {
    let Refused(refusal, detail) = allowed(api, headers).err()?;
    Some(refusal.answer(detail))
}

/// Whether a request shows the token, or the cookie of a page that was given it.
pub fn shows_token(api: &Api, headers: &HeaderMap) -> bool {
    allowed(api, headers).is_ok() || api.sessions.knows(headers)
}

/// The body of a request that may change something.
async fn checked<T: DeserializeOwned>(
    api: &Api,
    request: Request,
) -> Result<(&'static str, T), Refused> {
    let (head, body) = request.into_parts();
    let who = allowed(api, &head.headers)?;
    let bad = |text: String| Refused(Refusal::BadBody, text);
    if head.headers.get(CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return Err(bad("the Content-Type must be application/json".to_owned()));
    }
    let bytes = bounded(&head.headers, body).await?;
    // A list of its values would do for the reader in place of an object, but for nobody else.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(bad("the body: an object is expected".to_owned()));
    }
    let body = serde_json::from_slice(&bytes).map_err(|e| bad(format!("the body: {e}")))?;
    Ok((who, body))
}

/// Who may change something: whoever has the token, and a page that was given a cookie for it.
fn allowed(api: &Api, headers: &HeaderMap) -> Result<&'static str, Refused> {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(bearer) {
        Some(token) if api.changes.token.is(token.trim()) => Ok("token"),
        Some(_) => Err(Refused(Refusal::WrongToken, "this is not the token".to_owned())),
        None if api.sessions.allows(headers) => Ok("page"),
        None => {
            let text = "this needs the token of the data folder: Authorization: Bearer TOKEN";
            Err(Refused(Refusal::NoToken, text.to_owned()))
        }
    }
}

/// The token in the header that carries one; the name of the scheme has no case.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
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

/// Writes a line; that it cannot be written is told in the log.
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
    let line = Audited { time: wall(), who, what, body, result };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(dir.join(AUDIT_FILE))?.write_all(&line)
}
