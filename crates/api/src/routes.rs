//! The routes of the API.

use super::backup::{backup, export};
use super::guard::{asked, guard, signed_in, stamp};
use super::openapi::document;
use super::page_routes::{events, icon, index, page_file, session, sign_in};
use super::problem::{Refusal, Refusals, answered, json, json_as, problem, unanswered};
use super::session::Sessions;
use super::writes::{Changes, change, written};
use crate::page::Stream;
use axum::Router;
use axum::extract::rejection::{QueryRejection, RawPathParamsRejection};
use axum::extract::{Query, RawPathParams, RawQuery, Request, State};
use axum::http::header::{CONTENT_TYPE, LINK};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on};
use everwarm_views::changes;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::questions::{self, Asked, Context, Effort, Process, Question, bad};
use everwarm_views::views::ReadyView;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Returns all metrics as text, with those of the page's stream.
pub type Metrics = Arc<dyn Fn(&Stream) -> String + Send + Sync>;

/// The state of the API.
#[derive(Clone)]
pub struct Api {
    pub(super) context: Arc<dyn Context>,
    /// The event stream of pages.
    pub(super) stream: Stream,
    /// The pages that may change something.
    pub(super) sessions: Sessions,
    metrics: Option<Metrics>,
    refusals: Refusals,
    /// The possible changes, with the token.
    pub(super) changes: Changes,
    /// The data directory, for the audit log.
    pub(super) data_dir: PathBuf,
    /// Long queries take a CPU core, so only one runs at a time.
    pub(super) heavy: Arc<Semaphore>,
}

impl Api {
    /// Reads from `context`. `metrics`: if there are any. The audit log is in `data_dir`.
    #[must_use]
    pub fn new(
        context: Arc<dyn Context>,
        (metrics, refusals): (Option<Metrics>, Refusals),
        changes: Changes,
        data_dir: PathBuf,
    ) -> Api {
        let heavy = Arc::new(Semaphore::new(1));
        let (stream, sessions) = (Stream::default(), Sessions::default());
        Api { context, stream, sessions, metrics, refusals, changes, data_dir, heavy }
    }

    /// The counts of refused requests.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    /// The event stream of pages.
    #[must_use]
    pub fn stream(&self) -> Stream {
        self.stream.clone()
    }

    /// All routes. `beyond`: for other machines, where reading needs the token or cookie, too.
    pub fn router(self, beyond: bool) -> Router {
        let refusals = self.refusals();
        let router = Router::new()
            .route("/", get(index))
            .route("/favicon.ico", get(icon))
            .route("/page/{*path}", get(page_file))
            .route("/api/v1/events", get(events))
            .route("/api/v1/session", get(session).post(sign_in))
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/api/v1/openapi.json", get(async || json(&document())))
            .route("/api/v1/backup", get(backup))
            .route("/api/v1/export", get(export));
        let router = questions::ALL.iter().fold(router, |router, question| {
            router.route(question.path, get(|s, u, p, q| answer(question, s, u, p, q)))
        });
        let router = changes::ALL.iter().fold(router, |router, row| {
            let by = if row.method == "put" { MethodFilter::PUT } else { MethodFilter::POST };
            router.route(row.path, on(by, |s, p, q, r| change(row, s, p, q, r)))
        });
        let router = router
            .fallback(nothing_here)
            .method_not_allowed_fallback(wrong_method)
            .layer(from_fn(asked));
        // A page of another site has no token or cookie, so `beyond` needs no check of the host.
        let router = if beyond {
            router.layer(from_fn_with_state(self.clone(), signed_in))
        } else {
            router.layer(from_fn(guard))
        };
        let router = router.layer(from_fn_with_state(self.clone(), written));
        router.layer(from_fn_with_state(refusals, stamp)).with_state(self)
    }
}

/// The parameters of a path, as they came.
pub type PathWords = Result<RawPathParams, RawPathParamsRejection>;
/// The parameters of a query, as they came.
pub type QueryWords = Result<Query<Vec<(String, String)>>, QueryRejection>;

async fn answer(
    question: &'static Question,
    State(api): State<Api>,
    uri: Uri,
    path: PathWords,
    query: QueryWords,
) -> Response {
    let asked = match words((question.path, question.query), path, query) {
        Ok(asked) => asked,
        Err(failure) => return unanswered(failure),
    };
    let alone = question.effort == Effort::Alone;
    let Ok(permit) = alone.then(|| Arc::clone(&api.heavy).try_acquire_owned()).transpose() else {
        return Refusal::Busy.answer("this is being done for another; ask again later");
    };
    let limit = asked.limit().ok().flatten();
    // A query may read files, which must not block the sockets.
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        (question.answer)(api.context.as_ref(), &asked)
    });
    let found = match done.await {
        Ok(Ok(found)) => found,
        Ok(Err(failure)) => return unanswered(failure),
        Err(e) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return problem(status, "internal", format!("the response failed: {e}"), Exit::Failed);
        }
    };
    let mut response = answered(found.json);
    if let (Some(older), Some(limit)) = (found.older, limit) {
        let link = format!("<{}?limit={limit}&before={older}>; rel=\"next\"", uri.path());
        let link = HeaderValue::from_str(&link);
        response.headers_mut().extend(link.ok().map(|link| (LINK, link)));
    }
    response
}

/// The parameters of path and query, if the row knows all of them.
pub fn words(
    (known, known_query): (&str, &[&str]),
    path: PathWords,
    query: QueryWords,
) -> Result<Asked, Failure> {
    let path = path.map_err(|e| bad(e.body_text()))?;
    let Query(query) = query.map_err(|e| bad(e.body_text()))?;
    let mut asked = Asked::default();
    for (name, word) in &path {
        asked = asked.with(name, Some(word));
    }
    for (name, word) in query {
        asked = asked.with(&name, Some(word));
    }
    asked.check(known, known_query)?;
    Ok(asked)
}

async fn livez(State(api): State<Api>) -> Response {
    let alive = move || api.context.process().is_none_or(Process::alive);
    let alive = tokio::task::spawn_blocking(alive).await;
    if alive.unwrap_or(false) {
        return "ok\n".into_response();
    }
    let detail = "the root supervisor does not respond".to_owned();
    problem(StatusCode::SERVICE_UNAVAILABLE, "not-alive", detail, Exit::Failed)
}

async fn readyz(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    if query.as_deref().is_some_and(|query| !["verbose", "verbose=", ""].contains(&query)) {
        return Refusal::BadQuery.answer("the query must be ?verbose, or empty");
    }
    let checks = api.context.checks();
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let wanted = query.is_some_and(|query| query.starts_with("verbose"));
    let shown = checks.into_iter().filter(|check| wanted || !check.ok).collect();
    let strategies = api.context.status().map(|status| status.history.strategies);
    let strategies = strategies.unwrap_or_default();
    json_as(status, "application/json", &ReadyView { ready, checks: shown, strategies })
}

async fn metrics(State(api): State<Api>) -> Response {
    let Some(render) = api.metrics else {
        let detail = "this process has no metrics".to_owned();
        return problem(StatusCode::NOT_FOUND, "no-metrics", detail, Exit::Failed);
    };
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, kind)], render(&api.stream)).into_response()
}

async fn nothing_here(request: Request) -> Response {
    Refusal::NoSuchPath.answer(format!(
        "there is no path {}; GET /api/v1/openapi.json lists them",
        request.uri().path()
    ))
}

async fn wrong_method(request: Request) -> Response {
    Refusal::WrongMethod.answer(format!("this path does not accept {}", request.method()))
}
