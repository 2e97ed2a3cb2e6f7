//! The checks that every request and response passes.

use super::file::PID_HEADER;
use super::openapi::takes_query;
use super::problem::{Refusal, Refusals};
use super::routes::Api;
use super::signed::signature;
use super::writes::refused;
use crate::page::POLICY;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use everwarm_runtime::clock;
use std::net::IpAddr;

/// Refuses requests whose host is not loopback.
pub async fn guard(request: Request, next: Next) -> Response {
    // A host in the target overrides the header, so both must be loopback.
    let target = request.uri().authority();
    if is_loopback(request.headers()) && target.is_none_or(|target| names_loopback(target.as_str()))
    {
        return next.run(request).await;
    }
    let text = "the Host header or the target must name localhost or a loopback address";
    Refusal::WrongHost.answer(text)
}

/// Refuses a query on a path that takes none. Otherwise the client would believe it had an effect.
pub async fn asked(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let query = request.uri().query().is_some_and(|query| !query.is_empty());
    if query && route.is_some_and(|route| !takes_query(route.as_str())) {
        return Refusal::BadQuery.answer("this path accepts no query");
    }
    next.run(request).await
}

/// Paths that show nothing of the daemon, and the path where a page exchanges the token for a
/// cookie.
const OPEN: [&str; 4] = ["/", "/favicon.ico", "/page/{*path}", "/api/v1/session"];

/// On the address for other machines, accepts requests with the token, a signature or a page's
/// cookie.
pub async fn signed_in(State(api): State<Api>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let open = route.is_some_and(|route| OPEN.contains(&route.as_str()));
    let reads = request.method().is_safe() && api.sessions.knows(request.headers());
    // A signature is checked with the body.
    let signed = signature(request.method(), request.uri(), request.headers()).is_some();
    let free = open || reads || signed;
    if let Some(refused) = refused(&api, request.headers()).filter(|_| !free) {
        return refused;
    }
    let mut response = next.run(request).await;
    // The browser must not send a cookie from TLS over plain HTTP.
    if let Some(cookie) = response.headers_mut().get_mut(SET_COOKIE)
        && let Ok(secure) = HeaderValue::from_bytes(&[cookie.as_bytes(), b"; Secure"].concat())
    {
        *cookie = secure;
    }
    response
}

/// Whether there is exactly one `Host` header, and it names loopback.
fn is_loopback(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|h| h.to_str().ok()), hosts.next()) else {
        return false;
    };
    names_loopback(host)
}

/// Whether a host, with or without a port, is a name or address of loopback.
fn names_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Adds the common headers to every response, and counts requests and refusals.
pub async fn stamp(State(refusals): State<Refusals>, request: Request, next: Next) -> Response {
    // The label is the pattern of the path: a path with ids would make too many labels.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = method(request.method());
    let began = clock::now();
    let mut response = next.run(request).await;
    let (route, status) = (route.as_deref().unwrap_or("none"), response.status().as_u16());
    refusals.answered(route, method, status, began.elapsed());
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        refusals.count(*refusal);
    }
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(PID_HEADER), std::process::id().into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The method as a label: a known one, or one word for all others.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        _ => "other",
    }
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
        let in_target = ["localhost:80@evil", "evil@localhost", "evil:80", ""];
        assert!(!in_target.iter().any(|host| names_loopback(host)));
    }
}
