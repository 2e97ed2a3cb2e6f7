//! Signatures: HMAC-SHA256 over exactly the text that is sent.

use crate::venue::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::{self, Write as _};

/// An API key and what it signs with.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Named in every keyed request.
    pub key: Secret,
    /// Never sent.
    pub secret: Secret,
}

impl ApiKey {
    /// The signature of a payload, in lower-case hex.
    #[must_use]
    pub fn sign(&self, payload: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose().as_bytes())
            .expect("HMAC takes keys of every length");
        mac.update(payload.as_bytes());
        let mut hex = String::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            write!(hex, "{byte:02x}").expect("a string takes all text");
        }
        hex
    }
}

/// Parameters in the order they are sent, percent-encoded as they are added: what is signed is what
/// is sent.
#[derive(Clone, Debug, Default)]
pub struct Query(String);

impl Query {
    /// No parameters.
    #[must_use]
    pub fn new() -> Self {
        Query::default()
    }

    /// With one more parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        percent_encode(&value.to_string(), &mut self.0);
        self
    }

    /// With one more parameter where there is a value.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The text to send, without a signature.
    #[must_use]
    pub fn plain(self) -> String {
        self.0
    }

    /// The text to send, signed for `timestamp` (UTC milliseconds) and `recv_window`
    /// (milliseconds).
    #[must_use]
    pub fn signed(self, key: &ApiKey, timestamp: i64, recv_window: i64) -> String {
        let payload = self.with("recvWindow", recv_window).with("timestamp", timestamp).0;
        let signature = key.sign(&payload);
        format!("{payload}&signature={signature}")
    }
}

fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes all text");
        }
    }
}

/// Signature of a WebSocket API request: all parameters except the signature, sorted by name, the
/// key among them, as `k=v&k=v`.
#[must_use]
pub fn sign_ws(key: &ApiKey, params: &[(&str, String)]) -> String {
    let mut sorted: Vec<_> = params.iter().collect();
    sorted.sort_by_key(|p| p.0);
    let payload: Vec<String> =
        sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
    key.sign(&payload.join("&"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The key pair of the venue's documentation.
    pub(crate) fn documented_key() -> ApiKey {
        ApiKey {
            key: Secret::new("vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"),
            secret: Secret::new("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"),
        }
    }

    #[test]
    fn the_documented_vector() {
        let payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
                       &recvWindow=5000&timestamp=1499827319559";
        let hex = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
        assert_eq!(documented_key().sign(payload), hex);
        let sent = Query::new()
            .with("symbol", "LTCBTC")
            .with("side", "BUY")
            .with("type", "LIMIT")
            .with("timeInForce", "GTC")
            .with("quantity", 1)
            .with("price", "0.1")
            .signed(&documented_key(), 1_499_827_319_559, 5000);
        assert_eq!(sent, format!("{payload}&signature={hex}"));
    }

    #[test]
    fn values_are_encoded_before_they_are_signed() {
        let query = Query::new().with("symbols", r#"["A","Ü"]"#).with_some("x", None::<u8>).plain();
        assert_eq!(query, "symbols=%5B%22A%22%2C%22%C3%9C%22%5D");
    }

    #[test]
    fn websocket_parameters_are_sorted_by_name() {
        let key = documented_key();
        let params = [
            ("timestamp", "1645423376532".to_owned()),
            ("apiKey", key.key.expose().to_owned()),
            ("recvWindow", "100".to_owned()),
        ];
        let payload = format!("apiKey={}&recvWindow=100&timestamp=1645423376532", key.key.expose());
        assert_eq!(sign_ws(&key, &params), key.sign(&payload));
        // The venue's own example of a WebSocket API order.
        let order = "apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A\
                     &newOrderRespType=ACK&price=52000.00&quantity=0.01000000&recvWindow=100\
                     &side=SELL&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT";
        assert_eq!(
            key.sign(order),
            "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a"
        );
    }

    #[test]
    fn secrets_do_not_show() {
        let key = documented_key();
        let shown = format!("{key:?} {} {:?}", key.secret, key.key);
        assert!(!shown.contains("NhqP") && !shown.contains("vmPU"), "{shown}");
    }
}
