//! What is answered where.

use super::backup::backup;
use super::guard::{asked, guard, signed_in, stamp};
use super::openapi::document;
use super::page::{events, icon, index, page_file, session, sign_in};
use super::problem::{Refusal, Refusals, json, json_as, problem};
use super::session::Sessions;
use super::switches::{disable, enable, reload, rollback, safe_start, trading};
use super::writes::{
    Changes, adopt, clear_limits, kill, log_level, refresh_symbols, release, resolve, retry,
    set_log_level, want_symbol, written,
};
use crate::history::page::{Page, Paged};
use crate::ops::config::schema::schema;
use crate::ops::desk::Desk;
use crate::ops::exit::{Exit, Failure};
use crate::ops::page::Stream;
use crate::ops::summary::Period;
use crate::ops::views::{ExplainView, ReadyView, VersionView};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path as UrlPath, Query, RawQuery, Request, State};
use axum::http::header::{CONTENT_TYPE, LINK};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Gives all metrics as text; the stream of the page is measured with them.
pub type Metrics = Arc<dyn Fn(&Stream) -> String + Send + Sync>;

/// What the API answers from.
#[derive(Clone)]
pub struct Api {
    pub(super) desk: Arc<dyn Desk>,
    /// What pages read.
    pub(super) stream: Stream,
    /// Pages that may change something.
    pub(super) sessions: Sessions,
    metrics: Option<Metrics>,
    refusals: Refusals,
    /// What may be changed, and by whom.
    pub(super) changes: Changes,
    /// Where changes are written down.
    pub(super) data_dir: PathBuf,
    /// Deriving everything again takes a core: once at a time.
    pub(super) heavy: Arc<Semaphore>,
}

impl Api {
    /// Answers from `desk`; `metrics` where some are kept. What is changed is written down in
    /// `data_dir`.
    #[must_use]
    pub fn new(
        desk: Arc<dyn Desk>,
        (metrics, refusals): (Option<Metrics>, Refusals),
        changes: Changes,
        data_dir: PathBuf,
    ) -> Api {
        let heavy = Arc::new(Semaphore::new(1));
        let (stream, sessions) = (Stream::default(), Sessions::default());
        Api { desk, stream, sessions, metrics, refusals, changes, data_dir, heavy }
    }

    /// How many requests were refused.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    /// What pages read.
    #[must_use]
    pub fn stream(&self) -> Stream {
        self.stream.clone()
    }

    /// All paths. Asked from `beyond` this machine, what tells something needs the token or cookie.
    pub fn router(self, beyond: bool) -> Router {
        let refusals = self.refusals();
        let one_of = |proof: MethodRouter<Api>| {
            proof.layer(from_fn_with_state(Arc::clone(&self.heavy), one))
        };
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
            .route("/api/v1/version", get(version))
            .route("/api/v1/status", get(|s| answer(s, Desk::status)))
            .route("/api/v1/doctor", get(|s| answer(s, Desk::doctor)))
            .route("/api/v1/positions", get(|s| answer(s, Desk::positions)))
            .route("/api/v1/lots", get(|s| answer(s, Desk::lots)))
            .route("/api/v1/verify", one_of(get(|s| answer(s, Desk::verify))))
            .route("/api/v1/replay", one_of(get(replay)))
            .route("/api/v1/backup", get(backup))
            .route("/api/v1/tree", get(|s| answer(s, |desk| desk.tree().map(Arc::unwrap_or_clone))))
            .route("/api/v1/kill", post(kill))
            .route("/api/v1/retry", post(retry))
            .route("/api/v1/config", get(|s| answer(s, Desk::config)))
            .route("/api/v1/config/reloads", get(|s| answer(s, Desk::reloads)))
            .route("/api/v1/config/reload", post(reload))
            .route("/api/v1/config/rollback", post(rollback))
            .route("/api/v1/switches", get(|s| answer(s, Desk::switches)))
            .route("/api/v1/trading/safe-start", post(safe_start))
            .route("/api/v1/trading/{word}", post(trading))
            .route("/api/v1/enable", post(enable))
            .route("/api/v1/disable", post(disable))
            .route("/api/v1/config/schema", get(async || json(&schema())))
            .route("/api/v1/log-level", get(log_level).put(set_log_level))
            .route("/api/v1/quarantine", get(|s| answer(s, Desk::quarantine)))
            .route("/api/v1/quarantine/{id}/{how}", post(release))
            .route("/api/v1/symbols", get(|s| answer(s, Desk::symbols)))
            .route("/api/v1/symbols/refresh", post(refresh_symbols))
            .route("/api/v1/limits/clear", post(clear_limits))
            .route("/api/v1/symbols/{symbol}/{how}", post(want_symbol))
            .route("/api/v1/reconcile", get(|s| answer(s, Desk::reconcile)))
            .route("/api/v1/resolve/{id}", post(resolve))
            .route("/api/v1/adopt", post(adopt))
            .route("/api/v1/orders", get(|s, u, q| paged(s, u, q, Desk::orders_page)))
            .route("/api/v1/fills", get(|s, u, q| paged(s, u, q, Desk::fills_page)))
            .route("/api/v1/trades", get(|s, q| newest(s, q, Desk::trades)))
            .route("/api/v1/summary", get(summary))
            .route("/api/v1/equity", get(|s, u, q| paged(s, u, q, Desk::equity_page)))
            .route("/api/v1/signals", get(|s, q| newest(s, q, Desk::signals)))
            .route("/api/v1/audit", get(|s, q| newest(s, q, Desk::audit)))
            .route("/api/v1/bars/{symbol}/{timeframe}", get(bars))
            .route("/api/v1/why-not/{symbol}", get(why_not))
            .route("/api/v1/explain/{id}", get(explain))
            .fallback(nothing_here)
            .method_not_allowed_fallback(wrong_method)
            .layer(from_fn(asked));
        // Whoever has the token was not sent here by a page of another site.
        let router = if beyond {
            router.layer(from_fn_with_state(self.clone(), signed_in))
        } else {
            router.layer(from_fn(guard))
        };
        let router = router.layer(from_fn_with_state(self.clone(), written));
        router.layer(from_fn_with_state(refusals, stamp)).with_state(self)
    }
}

async fn one(State(gate): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match gate.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => Refusal::Busy.answer("another client runs this now; try again later"),
    }
}

type Asked<T> = Result<Query<T>, QueryRejection>;

/// What a list may be asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Newest {
    /// Only so many of the newest.
    limit: Option<u32>,
}

/// What a list that has pages may be asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    /// Only so many of the newest.
    limit: Option<u32>,
    /// Only those before this place, from the `Link` of a page.
    before: Option<String>,
}

async fn answer<T: Serialize + Send + 'static>(
    state: State<Api>,
    ask: impl FnOnce(&dyn Desk) -> Result<T, Failure> + Send + 'static,
) -> Response {
    answered(state, ask, |body| json(&body)).await
}

async fn answered<T: Send + 'static>(
    State(api): State<Api>,
    ask: impl FnOnce(&dyn Desk) -> Result<T, Failure> + Send + 'static,
    make: impl FnOnce(T) -> Response,
) -> Response {
    // The desk reads files; sockets must not wait for it.
    match tokio::task::spawn_blocking(move || ask(api.desk.as_ref())).await {
        Ok(Ok(body)) => make(body),
        Ok(Err(failure)) => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", failure.text, failure.exit)
        }
        Err(e) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            problem(status, "internal", format!("the response failed: {e}"), Exit::Failed)
        }
    }
}

async fn newest<T: Serialize + Send + 'static>(
    state: State<Api>,
    query: Asked<Newest>,
    ask: impl FnOnce(&dyn Desk, Option<usize>) -> Result<T, Failure> + Send + 'static,
) -> Response {
    match query {
        Ok(Query(Newest { limit })) => {
            let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
            answer(state, move |desk| ask(desk, limit)).await
        }
        Err(e) => Refusal::BadQuery.answer(e.body_text()),
    }
}

async fn paged<T: Serialize + Send + 'static>(
    state: State<Api>,
    uri: Uri,
    query: Asked<Before>,
    ask: impl FnOnce(&dyn Desk, Page) -> Result<Paged<T>, Failure> + Send + 'static,
) -> Response {
    let Before { limit, before } = match query {
        Ok(Query(asked)) => asked,
        Err(e) => return Refusal::BadQuery.answer(e.body_text()),
    };
    let before = match before.map(|place| place.parse()).transpose() {
        Ok(before) => before,
        Err(why) => return Refusal::BadQuery.answer(why),
    };
    let page = Page { limit: limit.map(|n| usize::try_from(n).unwrap_or(usize::MAX)), before };
    answered(
        state,
        move |desk| ask(desk, page),
        move |Paged { rows, older }| {
            let mut response = json(&rows);
            if let (Some(older), Some(limit)) = (older, limit) {
                let link = format!("<{}?limit={limit}&before={older}>; rel=\"next\"", uri.path());
                let link = HeaderValue::from_str(&link);
                response.headers_mut().extend(link.ok().map(|link| (LINK, link)));
            }
            response
        },
    )
    .await
}

/// The answer where nothing is known of a symbol. What else may go wrong whoever answers meets too.
async fn unknown(api: &Api, symbol: Symbol) -> Option<Response> {
    let desk = Arc::clone(&api.desk);
    let looked = tokio::task::spawn_blocking(move || desk.known(symbol)).await;
    let none = looked.ok()?.err().filter(|failure| failure.exit == Exit::Failed)?;
    Some(problem(StatusCode::NOT_FOUND, "no-such-symbol", none.text, none.exit))
}

async fn bars(
    state: State<Api>,
    uri: Uri,
    UrlPath((symbol, timeframe)): UrlPath<(String, String)>,
    query: Asked<Before>,
) -> Response {
    let symbol = Symbol::new(&symbol);
    let (Ok(symbol), Ok(timeframe)) = (symbol, timeframe.parse::<Timeframe>()) else {
        return Refusal::BadQuery
            .answer("the path needs a symbol and a bar width: 1m, 5m, 15m, 1h, 4h or 1d");
    };
    if let Some(none) = unknown(&state, symbol).await {
        return none;
    }
    paged(state, uri, query, move |desk, page| desk.bars_page(symbol, timeframe, page)).await
}

/// What `summary` may be asked with: both or neither.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Within {
    /// The first instant, UTC milliseconds.
    from: Option<UtcMs>,
    /// The first instant behind it.
    to: Option<UtcMs>,
}

impl Within {
    /// The period asked about, if one is; the answer where none can be made of it.
    fn period(query: Asked<Within>) -> Result<Option<Period>, Box<Response>> {
        let no = |why: &str| Box::new(Refusal::BadQuery.answer(why));
        match query {
            Ok(Query(Within { from: Some(from), to: Some(to) })) if from < to => {
                Ok(Some(Period { from, to }))
            }
            Ok(Query(Within { from: None, to: None })) => Ok(None),
            Ok(_) => Err(no("the query needs from and to, and from before to")),
            Err(e) => Err(no(&e.body_text())),
        }
    }
}

async fn summary(state: State<Api>, query: Asked<Within>) -> Response {
    match Within::period(query) {
        Ok(period) => answer(state, move |desk| desk.summary(period)).await,
        Err(no) => *no,
    }
}

async fn replay(State(api): State<Api>, query: Asked<Within>) -> Response {
    match Within::period(query) {
        Ok(period) => found("no-inputs", move || api.desk.replay(period)).await,
        Err(no) => *no,
    }
}

/// What `why-not` may be asked with.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct At {
    /// The close, UTC milliseconds.
    time: Option<UtcMs>,
}

async fn why_not(
    State(api): State<Api>,
    UrlPath(symbol): UrlPath<String>,
    query: Asked<At>,
) -> Response {
    match (Symbol::new(&symbol), query) {
        (Ok(symbol), Ok(Query(At { time }))) => match unknown(&api, symbol).await {
            Some(none) => none,
            None => story(move || api.desk.why_not(symbol, time)).await,
        },
        (Err(e), _) => Refusal::BadQuery.answer(e),
        (_, Err(e)) => Refusal::BadQuery.answer(e.body_text()),
    }
}

async fn explain(State(api): State<Api>, UrlPath(id): UrlPath<String>) -> Response {
    let ask = move || {
        let found = api.desk.explain(&id)?;
        found.ok_or_else(|| Failure::new(Exit::Failed, no_story(&id)))
    };
    story(ask).await
}

async fn story(ask: impl FnOnce() -> Result<ExplainView, Failure> + Send + 'static) -> Response {
    found("no-such-id", ask).await
}

/// What there may be none of, which is then said by this code.
async fn found<T: Serialize>(
    none: &'static str,
    ask: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Response {
    let response = tokio::task::spawn_blocking(move || match ask() {
        Ok(found) => json(&found),
        Err(f) if f.exit == Exit::Failed => problem(StatusCode::NOT_FOUND, none, f.text, f.exit),
        Err(f) if f.exit == Exit::Usage => {
            problem(StatusCode::BAD_REQUEST, "ambiguous-id", f.text, f.exit)
        }
        Err(f) => problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", f.text, f.exit),
    });
    response.await.unwrap_or_else(|e| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        problem(status, "internal", format!("the response failed: {e}"), Exit::Failed)
    })
}

/// What is said of an id nothing is known of.
#[must_use]
pub fn no_story(id: &str) -> String {
    format!(
        "there is no {id:?}: give a client order id, SYMBOL:TRADE for a fill, or the key \
         of a fact, like 120 or 120.600.0"
    )
}

async fn livez(State(api): State<Api>) -> Response {
    let alive = tokio::task::spawn_blocking(move || api.desk.alive()).await;
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
    let checks = api.desk.checks();
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let wanted = query.is_some_and(|query| query.starts_with("verbose"));
    let shown = checks.into_iter().filter(|check| wanted || !check.ok).collect();
    json_as(status, "application/json", &ReadyView { ready, checks: shown })
}

async fn version() -> Response {
    json(&VersionView::this())
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
