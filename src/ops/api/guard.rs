//! What every request and every answer passes.

use super::file::PID_HEADER;
use super::problem::{Refusal, Refusals};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;

/// Refuses requests that were not meant for loopback.
pub async fn guard(request: Request, next: Next) -> Response {
    if is_loopback(request.headers()) {
        return next.run(request).await;
    }
    Refusal::WrongHost.answer("the Host header names neither localhost nor an address of loopback")
}

/// Whether the one `Host` header is a name or address of loopback.
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

/// Stamps every answer, and counts those that refuse.
pub async fn stamp(State(refusals): State<Refusals>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        refusals.count(*refusal);
    }
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(PID_HEADER), std::process::id().into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
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
