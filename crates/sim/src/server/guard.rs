//! Checks every request: it must be meant for this machine, and its body must end in time.
//!
//! The exchange listens only on loopback, but a web page in a browser reaches loopback too. It uses
//! a name of its own that resolves there, visible in its `Host` header. Or it sends from another
//! site, visible in its `Origin` header. Both are refused.

use super::connections::Line;
use super::request_queue::Desk;
use super::rest::page;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{HOST, ORIGIN, UPGRADE};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::middleware::Next;
use futures_util::StreamExt as _;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Passes requests that are meant for this machine. A body that does not end in time gets status
/// 408.
pub async fn guard(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
    next: Next,
) -> Response<Body> {
    line.has_head();
    let answer = if is_ours(request.headers()) {
        let late = Arc::new(AtomicBool::new(false));
        let answer = next.run(bounded(request, desk.patience().body, &late)).await;
        if late.load(Relaxed) { page(StatusCode::REQUEST_TIMEOUT) } else { answer }
    } else {
        page(StatusCode::FORBIDDEN)
    };
    // After an upgrade come messages, not requests.
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        line.was_answered();
    }
    answer
}

/// The request, with a body that fails if it does not end in time.
fn bounded(request: Request, within: Duration, late: &Arc<AtomicBool>) -> Request {
    if request.headers().contains_key(UPGRADE) {
        return request;
    }
    let (until, late) = (Instant::now() + within, Arc::clone(late));
    request.map(|body| {
        let pieces = body.into_data_stream();
        Body::from_stream(futures_util::stream::unfold(Some(pieces), move |pieces| {
            let late = Arc::clone(&late);
            async move {
                let mut pieces = pieces?;
                let Ok(piece) = timeout_at(until, pieces.next()).await else {
                    late.store(true, Relaxed);
                    return Some((Err(io::ErrorKind::TimedOut.into()), None));
                };
                let piece: io::Result<Bytes> = piece?.map_err(io::Error::other);
                Some((piece, Some(pieces)))
            }
        }))
    })
}

/// Whether the only `Host` header, and every `Origin` header, name this machine.
fn is_ours(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next())
    else {
        return false;
    };
    let mut origins = headers.get_all(ORIGIN).iter().map(|origin| {
        let site = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        site.is_some_and(|(_, host)| is_loopback(host))
    });
    is_loopback(host) && origins.all(|ours| ours)
}

/// Whether a host, with its port or without, is a name or address of loopback.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_answered() {
        let ours = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().expect("a header"));
            headers.extend(origin.map(|origin| (ORIGIN, origin.parse().expect("a header"))));
            is_ours(&headers)
        };
        for host in ["127.0.0.1:7070", "localhost", "LOCALHOST:1", "[::1]:80", "127.0.0.9"] {
            assert!(ours(host, None), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:80", "", "evil:80"] {
            assert!(!ours(host, None), "{host}");
        }
        assert!(ours("127.0.0.1:1", Some("http://localhost:3000")));
        for origin in ["http://evil.example", "null", "https://127.0.0.1.evil.example", "file://"] {
            assert!(!ours("127.0.0.1:1", Some(origin)), "{origin}");
        }
        assert!(!is_ours(&HeaderMap::new()));
    }
}
