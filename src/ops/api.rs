//! The API on loopback: what the commands print, as JSON. What changes something needs the token
//! of the daemon's file.
//!
//! A page of another site must not read it: requests whose `Host` is not a name or address of
//! loopback are refused (name rebinding), and no CORS header is ever sent. Errors are problem
//! documents with a stable code.

use super::desk::{Desk, Release};
use super::exit::{Exit, Failure};
use super::views::VersionView;
use axum::Router;
use axum::extract::{Path as UrlPath, Query, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use everwarm_runtime::files::write_whole;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// Name of the file in the data directory that tells where a running daemon answers.
pub const FILE: &str = "api.json";
/// Header of every answer: process id of the daemon, so that a stranger on an old port is noticed.
pub const PID_HEADER: &str = "everwarm-pid";

/// Where a running daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiFile {
    /// Its address.
    pub addr: SocketAddr,
    /// Its process id.
    pub pid: u32,
    /// Secret for requests that change something.
    pub token: String,
}

impl ApiFile {
    /// What the file in `data_dir` says; `None` where there is none, or nothing readable.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<ApiFile> {
        let text = std::fs::read(data_dir.join(FILE)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes it whole or not at all, readable by the owner alone.
    ///
    /// # Errors
    /// The system's words.
    pub fn write(&self, data_dir: &Path) -> std::io::Result<()> {
        write_whole(&data_dir.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// Removes it; at a clean stop.
    pub fn remove(data_dir: &Path) {
        if let Err(e) = std::fs::remove_file(data_dir.join(FILE)) {
            tracing::debug!("{FILE} was not removed: {e}");
        }
    }
}

/// Gives all metrics as text.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the API answers from.
#[derive(Clone)]
pub struct Api {
    desk: Arc<dyn Desk>,
    metrics: Option<Metrics>,
    release: Option<(String, Arc<Release>)>,
}

impl Api {
    /// Answers from `desk`; `metrics` where some are kept.
    #[must_use]
    pub fn new(desk: Arc<dyn Desk>, metrics: Option<Metrics>) -> Api {
        Api { desk, metrics, release: None }
    }

    /// Also ends quarantines, for those who know the token.
    #[must_use]
    pub fn releasing(self, token: String, release: Arc<Release>) -> Api {
        Api { release: Some((token, release)), ..self }
    }

    /// All paths.
    pub fn router(self) -> Router {
        Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/api/v1/version", get(version))
            .route("/api/v1/status", get(|s| answer(s, super::desk::Desk::status)))
            .route("/api/v1/positions", get(|s| answer(s, super::desk::Desk::positions)))
            .route("/api/v1/trades", get(|s| answer(s, super::desk::Desk::trades)))
            .route("/api/v1/verify", get(|s| answer(s, super::desk::Desk::verify)))
            .route("/api/v1/tree", get(|s| answer(s, super::desk::Desk::tree)))
            .route("/api/v1/quarantine", get(|s| answer(s, super::desk::Desk::quarantine)))
            .route("/api/v1/quarantine/{id}/{how}", post(release))
            .route("/api/v1/orders", get(|s, q| newest(s, q, super::desk::Desk::orders)))
            .route("/api/v1/fills", get(|s, q| newest(s, q, super::desk::Desk::fills)))
            .route("/api/v1/equity", get(|s, q| newest(s, q, super::desk::Desk::equity)))
            .route("/api/v1/signals", get(|s, q| newest(s, q, super::desk::Desk::signals)))
            .route("/api/v1/explain/{id}", get(explain))
            .fallback(nothing_here)
            .method_not_allowed_fallback(wrong_method)
            .layer(from_fn(guard))
            .layer(from_fn_with_state(std::process::id(), stamp))
            .with_state(self)
    }
}

/// Answers on `listener` until `stop` completes and the requests under way are answered.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: tokio::net::TcpListener,
    api: Api,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, api.router()).with_graceful_shutdown(stop).await
}

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

fn problem(status: StatusCode, code: &str, detail: String, exit: Exit) -> Response {
    let status_number = status.as_u16();
    let body = Problem { status: status_number, code: code.into(), detail, exit: exit.code() };
    json_as(status, "application/problem+json", &body)
}

fn json_as(status: StatusCode, kind: &'static str, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            (status, [(CONTENT_TYPE, HeaderValue::from_static(kind))], bytes).into_response()
        }
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
    }
}

fn json(body: &impl Serialize) -> Response {
    json_as(StatusCode::OK, "application/json", body)
}

/// What a list may be asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Newest {
    /// Only so many of the newest.
    limit: Option<usize>,
}

async fn answer<T: Serialize + Send + 'static>(
    State(api): State<Api>,
    ask: impl FnOnce(&dyn Desk) -> Result<T, Failure> + Send + 'static,
) -> Response {
    // The desk reads files; sockets must not wait for it.
    match tokio::task::spawn_blocking(move || ask(api.desk.as_ref())).await {
        Ok(Ok(body)) => json(&body),
        Ok(Err(failure)) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", failure.text, failure.exit)
        }
        Err(e) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            problem(status, "internal", format!("the answer failed: {e}"), Exit::Failed)
        }
    }
}

async fn newest<T: Serialize + Send + 'static>(
    state: State<Api>,
    query: Result<Query<Newest>, axum::extract::rejection::QueryRejection>,
    ask: impl FnOnce(&dyn Desk, Option<usize>) -> Result<T, Failure> + Send + 'static,
) -> Response {
    match query {
        Ok(Query(Newest { limit })) => answer(state, move |desk| ask(desk, limit)).await,
        Err(e) => problem(StatusCode::BAD_REQUEST, "bad-query", e.body_text(), Exit::Usage),
    }
}

async fn explain(State(api): State<Api>, UrlPath(id): UrlPath<String>) -> Response {
    let ask = move |desk: &dyn Desk| {
        let story = desk.explain(&id)?;
        story.ok_or_else(|| Failure::new(Exit::Failed, no_story(&id)))
    };
    let response = tokio::task::spawn_blocking(move || match ask(api.desk.as_ref()) {
        Ok(story) => json(&story),
        Err(f) if f.exit == Exit::Failed => {
            problem(StatusCode::NOT_FOUND, "no-such-id", f.text, f.exit)
        }
        Err(f) if f.exit == Exit::Usage => {
            problem(StatusCode::BAD_REQUEST, "ambiguous-id", f.text, f.exit)
        }
        Err(f) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", f.text, f.exit),
    });
    response.await.unwrap_or_else(|e| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        problem(status, "internal", format!("the answer failed: {e}"), Exit::Failed)
    })
}

async fn release(
    State(api): State<Api>,
    UrlPath((id, how)): UrlPath<(u64, String)>,
    headers: HeaderMap,
) -> Response {
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let sent = sent.and_then(|value| value.strip_prefix("Bearer "));
    let Some((_, release)) = api.release.filter(|(token, _)| sent == Some(token)) else {
        let detail = "the token of api.json is missing or wrong".to_owned();
        return problem(StatusCode::UNAUTHORIZED, "no-token", detail, Exit::Refused);
    };
    let retry = match how.as_str() {
        "retry" => true,
        "drop" => false,
        _ => {
            let detail = format!("a quarantine ends by retry or drop, not by {how}");
            return problem(StatusCode::NOT_FOUND, "no-such-path", detail, Exit::Usage);
        }
    };
    match tokio::task::spawn_blocking(move || release(id, retry)).await {
        Ok(Ok(released)) => json(&released),
        Ok(Err(f)) if f.exit == Exit::Refused => {
            problem(StatusCode::CONFLICT, "refused", f.text, f.exit)
        }
        Ok(Err(f)) if f.exit == Exit::Failed => {
            problem(StatusCode::NOT_FOUND, "no-such-quarantine", f.text, f.exit)
        }
        Ok(Err(f)) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", f.text, f.exit),
        Err(e) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            problem(status, "internal", format!("the answer failed: {e}"), Exit::Failed)
        }
    }
}

/// What is said of an id nothing is known of.
#[must_use]
pub fn no_story(id: &str) -> String {
    format!(
        "nothing is known of {id:?}: give a client order id, SYMBOL:TRADE for a fill, or the key \
         of a fact, like 120 or 120.600.0"
    )
}

async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(api): State<Api>) -> Response {
    let checks = api.desk.checks();
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_as(status, "application/json", &serde_json::json!({ "ready": ready, "checks": checks }))
}

async fn version() -> Response {
    json(&VersionView::this())
}

async fn metrics(State(api): State<Api>) -> Response {
    let Some(render) = api.metrics else {
        let detail = "no metrics are kept in this process".to_owned();
        return problem(StatusCode::NOT_FOUND, "no-metrics", detail, Exit::Failed);
    };
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, kind)], render()).into_response()
}

async fn nothing_here(request: Request) -> Response {
    let detail = format!("there is nothing at {}", request.uri().path());
    problem(StatusCode::NOT_FOUND, "no-such-path", detail, Exit::Failed)
}

async fn wrong_method(request: Request) -> Response {
    let detail = format!("{} cannot be done here", request.method());
    problem(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", detail, Exit::Usage)
}

async fn guard(request: Request, next: Next) -> Response {
    if is_loopback(request.headers()) {
        return next.run(request).await;
    }
    let detail = "the Host header names neither localhost nor an address of loopback".to_owned();
    problem(StatusCode::FORBIDDEN, "wrong-host", detail, Exit::Refused)
}

fn is_loopback(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|h| h.to_str().ok()), hosts.next()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn stamp(State(pid): State<u32>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(PID_HEADER), pid.into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_hosts_are_answered() {
        let answered = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            is_loopback(&headers)
        };
        let good =
            ["localhost", "LOCALHOST:80", "127.0.0.1:7000", "127.9.9.9", "[::1]:80", "[::1]"];
        assert!(good.iter().all(|host| answered(host)));
        let bad =
            ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:80", "localhost.evil:80", ""];
        assert!(!bad.iter().any(|host| answered(host)));
        assert!(!is_loopback(&HeaderMap::new()));
    }
}
