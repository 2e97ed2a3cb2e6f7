//! Signals that their sender signs with the token, in place of sending it.
//!
//! A signature proves the body alone. So the body needs the time of the signal. Then nobody gains
//! by sending it again: an old signal is refused, and until then its id is remembered. No other
//! change takes a signature.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, Uri};
use everwarm_views::changes::SIGNAL;
use serde_json::Value;

/// The header with the hex HMAC-SHA256 of the body. Its key is the token.
const HEADER: &str = "everwarm-signature";

/// The signature of a request that may have one; none if it shows the token, or nothing.
pub fn signature<'a>(method: &Method, uri: &Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let may = *method == Method::POST && uri.path() == SIGNAL.path;
    let bare = may && !headers.contains_key(AUTHORIZATION);
    headers.get(HEADER).filter(|_| bare)?.to_str().ok()
}

/// Whether a body is a signal without its time.
pub fn lacks_time(body: &[u8]) -> bool {
    let body = serde_json::from_slice::<Value>(body);
    body.is_ok_and(|body| body.get("time").is_none_or(Value::is_null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_body_has_a_time() {
        for (body, lacks) in [
            (r#"{"id":"a"}"#, true),
            (r#"{"id":"a","time":null}"#, true),
            (r#"{"id":"a","time":"1767571620000"}"#, false),
            ("no JSON, which is refused later", false),
        ] {
            assert_eq!(lacks_time(body.as_bytes()), lacks, "{body}");
        }
    }

    #[test]
    fn a_signature_counts_for_signals_alone_and_never_beside_a_token() {
        let mut headers = HeaderMap::new();
        let signature = |method: Method, path: &'static str, headers: &HeaderMap| {
            super::signature(&method, &Uri::from_static(path), headers).map(str::to_owned)
        };
        assert_eq!(signature(Method::POST, SIGNAL.path, &headers), None);
        headers.insert(HEADER, "ab".parse().unwrap());
        assert_eq!(signature(Method::POST, SIGNAL.path, &headers).as_deref(), Some("ab"));
        assert_eq!(signature(Method::GET, SIGNAL.path, &headers), None);
        assert_eq!(signature(Method::POST, "/api/v1/kill", &headers), None);
        headers.insert(AUTHORIZATION, "Bearer x".parse().unwrap());
        assert_eq!(signature(Method::POST, SIGNAL.path, &headers), None);
    }
}
