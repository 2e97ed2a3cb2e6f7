//! Sessions of pages. A browser should not store the token, so it gets a cookie instead. Scripts
//! and other sites cannot use the cookie, and it expires with this process.

use super::token::chance;
use axum::http::header::{COOKIE, HOST, InvalidHeaderValue, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of sessions. A new one removes the oldest.
const KEPT: usize = 32;

/// Sessions, by the digests of their cookies.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Arc<Mutex<VecDeque<[u8; 32]>>>);

/// The host that a request names.
pub fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST)?.to_str().ok()
}

/// The cookie's name. Browsers send cookies to all ports of a host, so each daemon's name has its
/// port.
fn name(host: &str) -> String {
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let port = port.filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    format!("everwarm-{}", port.unwrap_or("80"))
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

impl Sessions {
    /// Begins a session and returns its cookie.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn begin(&self, host: &str) -> std::io::Result<HeaderValue> {
        let secret = chance()?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(KEPT - 1);
        known.push_front(digest(&secret));
        let cookie = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict", name(host));
        let odd = |e: InvalidHeaderValue| std::io::Error::other(e);
        HeaderValue::from_str(&cookie).map_err(odd)
    }

    /// Whether the cookie of a request belongs to a session.
    pub fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(name) = host(headers).map(name) else { return false };
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|text| text.split(';'));
        let ours = pairs.find_map(|pair| pair.trim().strip_prefix(&name)?.strip_prefix('='));
        // Comparing digests hides the cookie from timing attacks.
        ours.map(digest).is_some_and(|ours| {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&ours)
        })
    }

    /// Whether a change comes from our own page. A page on another port of this host would send the
    /// cookie, too, so the origin must match.
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        let from = origin.and_then(|o| o.strip_prefix("http://").or(o.strip_prefix("https://")));
        from.is_some() && from == host(headers) && self.knows(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<const N: usize>(of: [(&'static str, &str); N]) -> HeaderMap {
        of.into_iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_cookie_is_taken_from_our_own_page_alone() {
        let sessions = Sessions::default();
        let set = sessions.begin("localhost:7070").unwrap();
        let set = set.to_str().unwrap();
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"));
        let cookie = set.split(';').next().unwrap();
        assert!(cookie.starts_with("everwarm-7070="));
        let (host, cookie) = (("host", "localhost:7070"), ("cookie", cookie));
        let both = format!("other=1; {}", cookie.1);
        let ours = ("origin", "http://localhost:7070");
        assert!(sessions.allows(&headers([host, ("cookie", &both), ours])));
        assert!(sessions.knows(&headers([host, cookie])));
        // A request without an origin, or from another one, is refused.
        assert!(!sessions.allows(&headers([host, cookie])));
        for origin in ["http://localhost:9", "http://evil.example", "null"] {
            assert!(!sessions.allows(&headers([host, cookie, ("origin", origin)])), "{origin}");
        }
        for wrong in ["everwarm-7070=", "everwarm-7070=0", "everwarm-9=1"] {
            assert!(!sessions.knows(&headers([host, ("cookie", wrong)])), "{wrong}");
        }
        // Another process does not know the cookie, and newer sessions replace it.
        assert!(!Sessions::default().knows(&headers([host, cookie])));
        for _ in 0..KEPT {
            sessions.begin("localhost:7070").unwrap();
        }
        assert!(!sessions.knows(&headers([host, cookie])));
    }
}
