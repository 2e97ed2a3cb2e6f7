//! Routes of the operator page: its files, its event stream and its sign-in.

use super::problem::{Refusal, json};
use super::routes::Api;
use super::session;
use super::writes::{Act, attempt};
use crate::page::{Full, asset};
use axum::body::Body;
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use everwarm_views::changes::{Nothing, tried};
use everwarm_views::views::SessionView;

/// The page.
pub async fn index() -> Response {
    file("index.html")
}

/// The icon, under the name that browsers request by default.
pub async fn icon() -> Response {
    file("icon.svg")
}

/// A file of the page.
pub async fn page_file(UrlPath(path): UrlPath<String>) -> Response {
    file(&path)
}

fn file(path: &str) -> Response {
    let Some(asset) = asset(path) else {
        return Refusal::NoSuchPath.answer(format!("the page has no file {path}"));
    };
    ([(CONTENT_TYPE, HeaderValue::from_static(asset.kind()))], asset.bytes).into_response()
}

/// The event stream: server-sent events.
pub async fn events(State(api): State<Api>, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    match api.stream.read(&api.context, last) {
        Ok(events) => {
            let kind = HeaderValue::from_static("text/event-stream");
            ([(CONTENT_TYPE, kind)], Body::from_stream(events)).into_response()
        }
        Err(Full) => Refusal::Busy.answer("too many clients read the stream; close a page"),
    }
}

/// Whether this page may change something.
pub async fn session(State(api): State<Api>, headers: HeaderMap) -> Response {
    json(&SessionView { signed_in: api.sessions.knows(&headers) })
}

/// Exchanges the token for a cookie.
pub async fn sign_in(State(api): State<Api>, request: Request) -> Response {
    let host = session::host(request.headers()).map(str::to_owned);
    let signed_in = |_: &Nothing| Ok(SessionView { signed_in: true });
    let act: Act = Box::new(move |body| tried(body, signed_in));
    let mut response = attempt(&api, request, act).await;
    if response.status().is_success() {
        match host.and_then(|host| api.sessions.begin(&host).ok()) {
            Some(cookie) => response.headers_mut().append(SET_COOKIE, cookie),
            None => return Refusal::Busy.answer("no session is free; close a page"),
        };
    }
    response
}
