//! Sessions of pages: a browser cannot be asked to keep the token, so it is given a cookie that no
//! script can read, that no other site's page can use, and that means nothing after this process.

use super::token::chance;
use axum::http::header::{COOKIE, HOST, InvalidHeaderValue, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Sessions that are kept; the oldest goes for a new one.
const KEPT: usize = 32;

/// Sessions, by the digests of their cookies.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Arc<Mutex<VecDeque<[u8; 32]>>>);

/// Where a request was meant to go.
pub fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST)?.to_str().ok()
}

/// Cookies are the same for all ports of a host: each daemon has its own name.
fn name(host: &str) -> String {
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let port = port.filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    format!("everwarm-{}", port.unwrap_or("80"))
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

impl Sessions {
    /// A new one: the cookie.
    ///
    /// # Errors
    /// There is no chance to be had.
    pub fn begin(&self, host: &str) -> std::io::Result<HeaderValue> {
        let secret = chance()?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(KEPT - 1);
        known.push_front(digest(&secret));
        let cookie = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict", name(host));
        let odd = |e: InvalidHeaderValue| std::io::Error::other(e);
        HeaderValue::from_str(&cookie).map_err(odd)
    }

    /// Whether the cookie of a request is one of ours.
    pub fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(name) = host(headers).map(name) else { return false };
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|text| text.split(';'));
        let ours = pairs.find_map(|pair| pair.trim().strip_prefix(&name)?.strip_prefix('='));
        // Digests are compared, so how long it takes tells nothing of the cookie.
        ours.map(digest).is_some_and(|ours| {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&ours)
        })
    }

    /// Whether a change is asked for by our own page: another page of this host, on another port,
    /// would send the cookie too.
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
        // Who does not say where it comes from, or comes from elsewhere, may not.
        assert!(!sessions.allows(&headers([host, cookie])));
        for origin in ["http://localhost:9", "http://evil.example", "null"] {
            assert!(!sessions.allows(&headers([host, cookie, ("origin", origin)])), "{origin}");
        }
        for wrong in ["everwarm-7070=", "everwarm-7070=0", "everwarm-9=1"] {
            assert!(!sessions.knows(&headers([host, ("cookie", wrong)])), "{wrong}");
        }
        // It means nothing to another process, and is forgotten for newer ones.
        assert!(!Sessions::default().knows(&headers([host, cookie])));
        for _ in 0..KEPT {
            sessions.begin("localhost:7070").unwrap();
        }
        assert!(!sessions.knows(&headers([host, cookie])));
    }
}
