//! The REST half of the protocol.

use super::answer::Ask;
use super::connections::Line;
use super::handle::{Reply, through};
use super::limits::{Used, seconds};
use super::request_queue::Desk;
use super::routes::by_path;
use crate::faults::Falsified;
use crate::wire::error::ApiError;
use crate::wire::params::Params;
use crate::wire::sign;
use axum::body::{Body, Bytes};
use axum::extract::rejection::StringRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{Stream, stream};
use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Wall time between the blanks of a slow endless body.
const BLANK: Duration = Duration::from_millis(50);
/// Smallest response that is compressed, in bytes.
const GZIP_FROM: usize = 512;

/// Handles every request that is neither for a socket nor for the admin API.
pub async fn handle(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(line): ConnectInfo<Line>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Response<Body> {
    desk.touch();
    desk.distance().pass(uri.path().ends_with("/klines")).await;
    let Some(endpoint) = by_path(method.as_str(), uri.path()) else { return no_such(uri.path()) };
    let query = uri.query().unwrap_or("");
    let (body, unread) = match body {
        Ok(body) => (body, None),
        Err(rejection) => (String::new(), Some(unreadable(&rejection))),
    };
    let params = unread.map_or_else(|| Params::parse(query, &body), Err);
    // An unreadable request is not served. It costs as much as one without parameters.
    let weight = endpoint.weight.of(params.as_ref().unwrap_or(&Params::default()));
    let weighed = desk.counters().weigh(weight, seconds());
    let mut used = Used::default();
    let key = headers.get("x-mbx-apikey").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let payload = sign::rest_payload(query, &body);
    let ask = params.map(|params| Ask { params, key, payload, logged_on: false });
    match through(&desk, endpoint, ask, weighed, &mut used).await {
        Reply::Response(Ok(text)) => respond(StatusCode::OK, used, text, takes_gzip(&headers)),
        Reply::Response(Err(error)) => refuse(&error, used),
        Reply::Page(status) => {
            page(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY))
        }
        Reply::Lied(status, falsified) => lied(status, falsified),
        Reply::Cut => {
            line.cut();
            // This response is never sent, because the connection is cut.
            page(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// The HTTP response of a lie.
pub(crate) fn lied(status: u16, falsified: Falsified) -> Response<Body> {
    const JSON: &str = "application/json;charset=UTF-8";
    let (kind, body) = match falsified {
        Falsified::Texts(mut texts) => (JSON, Body::from(texts.pop().unwrap_or_default())),
        Falsified::Html(text) => ("text/html", Body::from(text)),
        Falsified::Bytes(bytes) => (JSON, Body::from(bytes)),
        Falsified::Endless { text, fast } => (JSON, Body::from_stream(blanks(text, fast))),
    };
    let built = Response::builder().status(status).header(header::CONTENT_TYPE, kind).body(body);
    built.expect("the parts of this response are well formed")
}

/// A body: a text, then blanks until the client stops reading.
fn blanks(text: String, fast: bool) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let flood = Bytes::from(vec![b' '; 64 << 10]);
    stream::unfold(Some(Bytes::from(text)), move |first| {
        let flood = flood.clone();
        async move {
            let part = match first {
                Some(text) => text,
                None if fast => flood,
                None => {
                    tokio::time::sleep(BLANK).await;
                    Bytes::from_static(b" ")
                }
            };
            Some((Ok(part), None))
        }
    })
}

/// The error for a body that is too long or is not text.
fn unreadable(rejection: &StringRejection) -> ApiError {
    let status = rejection.status().as_u16();
    if status == StatusCode::PAYLOAD_TOO_LARGE.as_u16() {
        let msg = "Too many parameters sent for this endpoint.";
        return ApiError { status, ..ApiError::new(-1101, msg) };
    }
    ApiError::new(-1100, "Illegal characters found in a parameter.")
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok());
    accepted.is_some_and(|list| {
        list.split(',').any(|word| {
            let (name, quality) = word.split_once(';').unwrap_or((word, ""));
            name.trim() == "gzip" && !matches!(quality.trim(), "q=0" | "q=0.0")
        })
    })
}

fn no_such(path: &str) -> Response<Body> {
    let gone = path.starts_with("/api/v3/userDataStream");
    page(if gone { StatusCode::GONE } else { StatusCode::NOT_FOUND })
}

/// A page of a proxy in front of the exchange.
pub fn page(status: StatusCode) -> Response<Body> {
    let text = format!("<html><head><title>{status}</title></head><body>{status}</body></html>");
    let built = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html")
        .body(Body::from(text));
    built.expect("the parts of this response are well formed")
}

/// The HTTP response of a refusal, with its headers.
pub fn refuse(error: &ApiError, used: Used) -> Response<Body> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    respond(status, used, error.body().to_string(), false)
}

fn respond(status: StatusCode, used: Used, text: String, gzip: bool) -> Response<Body> {
    let mut built = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json;charset=UTF-8")
        .header("x-mbx-used-weight", used.weight)
        .header("x-mbx-used-weight-1m", used.weight);
    if let Some((short, day)) = used.orders {
        built = built.header("x-mbx-order-count-10s", short).header("x-mbx-order-count-1d", day);
    }
    if let Some(seconds) = used.retry_after {
        built = built.header(header::RETRY_AFTER, seconds);
    }
    let body = if gzip && text.len() >= GZIP_FROM {
        built = built.header(header::CONTENT_ENCODING, "gzip");
        Body::from(compressed(&text))
    } else {
        Body::from(text)
    };
    built.body(body).expect("the parts of this response are well formed")
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
