//! Signatures over exactly the text that is sent: HMAC-SHA256 in hex, or Ed25519 in base64.

use crate::keyed::percent_encode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use everwarm_domain::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::Ed25519KeyPair;
use sha2::Sha256;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// An API key and its signing secret.
#[derive(Clone)]
pub struct ApiKey {
    /// Sent in every keyed request.
    pub key: Secret,
    signer: Signer,
}

/// The signing secret; never sent.
#[derive(Clone)]
enum Signer {
    Hmac(Secret),
    Ed25519(Arc<Ed25519KeyPair>),
}

impl ApiKey {
    /// A key whose requests are signed with a secret shared with the venue.
    #[must_use]
    pub fn hmac(key: Secret, secret: Secret) -> ApiKey {
        ApiKey { key, signer: Signer::Hmac(secret) }
    }

    /// A key whose requests are signed with a private key that the venue never sees: Ed25519, as
    /// PKCS#8 in PEM.
    ///
    /// # Errors
    /// The text is no such key. The error does not contain it.
    pub fn ed25519(key: Secret, pem: &Secret) -> Result<ApiKey, String> {
        let pair = Arc::new(key_pair(pem.expose())?);
        Ok(ApiKey { key, signer: Signer::Ed25519(pair) })
    }

    /// The signature of a payload, before percent-encoding: lower-case hex, or base64.
    #[must_use]
    pub fn sign(&self, payload: &str) -> String {
        let secret = match &self.signer {
            Signer::Ed25519(pair) => return BASE64.encode(pair.sign(payload.as_bytes())),
            Signer::Hmac(secret) => secret.expose().as_bytes(),
        };
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of every length");
        mac.update(payload.as_bytes());
        let mut hex = String::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            write!(hex, "{byte:02x}").expect("a string takes all text");
        }
        hex
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.signer {
            Signer::Hmac(_) => "HMAC",
            Signer::Ed25519(_) => "Ed25519",
        };
        f.debug_struct("ApiKey").field("kind", &kind).finish_non_exhaustive()
    }
}

/// The first and last line of a private key.
pub const PEM: (&str, &str) =
    (concat!("-----", "BEGIN PRIVATE KEY-----"), concat!("-----", "END PRIVATE KEY-----"));

fn key_pair(pem: &str) -> Result<Ed25519KeyPair, String> {
    let form = || {
        let made = "openssl genpkey -algorithm ed25519 makes one";
        format!("it is no Ed25519 private key in PEM ({} ...); {made}", PEM.0)
    };
    let inner = pem.trim().strip_prefix(PEM.0).and_then(|text| text.strip_suffix(PEM.1));
    let packed: String = inner.ok_or_else(form)?.split_whitespace().collect();
    let mut der = BASE64.decode(packed).map_err(|_| form())?;
    // Some tools leave out the public half, which follows from the private one.
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der);
    der.fill(0);
    std::hint::black_box(&der);
    pair.map_err(|_| form())
}

/// Parameters in the order of sending. They are percent-encoded when added, so that the signed text
/// is the sent text.
#[derive(Clone, Debug, Default)]
pub struct Query(String);

impl Query {
    /// No parameters.
    #[must_use]
    pub fn new() -> Self {
        Query::default()
    }

    /// Adds a parameter.
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

    /// Adds a parameter if there is a value.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The text to send, unsigned.
    #[must_use]
    pub fn plain(self) -> String {
        self.0
    }

    /// The text to send, signed for `timestamp` (UTC milliseconds) and `recv_window`
    /// (milliseconds).
    #[must_use]
    pub fn signed(self, key: &ApiKey, timestamp: i64, recv_window: i64) -> String {
        let payload = self.with("recvWindow", recv_window).with("timestamp", timestamp).0;
        Query(payload.clone()).with("signature", key.sign(&payload)).0
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
        ApiKey::hmac(
            Secret::new("vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"),
            Secret::new("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"),
        )
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

    /// The private key of the example of RFC 8410.
    const RFC_8410: &str = "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";

    /// A private key as openssl writes it, from its 32 bytes in hex.
    fn ed25519(seed: &str) -> ApiKey {
        let hex = format!("302e020100300506032b657004220420{seed}");
        let bytes = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16));
        let packed = BASE64.encode(bytes.map(Result::unwrap).collect::<Vec<u8>>());
        let pem = format!("{}\n{}\n{}\n{}\n", PEM.0, &packed[..40], &packed[40..], PEM.1);
        ApiKey::ed25519(Secret::new("k"), &Secret::new(&pem)).unwrap()
    }

    fn hex(base64: &str) -> String {
        let bytes = BASE64.decode(base64).unwrap();
        bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    }

    #[test]
    fn an_ed25519_key_signs_as_others_do_with_it() {
        // Made with openssl pkeyutl -sign -rawin.
        let payload = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2\
                       &timestamp=1668481559918&recvWindow=5000";
        assert_eq!(
            hex(&ed25519(RFC_8410).sign(payload)),
            "9783a1086173f6b582e97c68685ae3cdd4560c7b8e8e54a369d15e054f0f2fbb\
             769f22584ea97a83d56b687da619af5539ac56d4f2745a9f5a9912f331ba6103"
        );
        // The first vector of RFC 8032.
        let key = ed25519("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        assert_eq!(
            hex(&key.sign("")),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        );
    }

    #[test]
    fn base64_is_percent_encoded_in_an_address() {
        let key = ed25519(RFC_8410);
        let sent = Query::new().with("symbol", "BTCUSDT").signed(&key, 1_668_481_559_918, 5000);
        let (payload, signature) = sent.split_once("&signature=").unwrap();
        assert_eq!(payload, "symbol=BTCUSDT&recvWindow=5000&timestamp=1668481559918");
        assert!(!signature.contains(['+', '/', '=']) && signature.ends_with("%3D%3D"), "{sent}");
        let plain = signature.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
        assert_eq!(plain, key.sign(payload));
    }

    #[test]
    fn what_is_no_ed25519_key_is_refused_without_showing_it() {
        let rsa = format!("{}\nhunter2\n{}", PEM.0.replace("PRIVATE", "RSA PRIVATE"), PEM.1);
        let short = format!("{}\naHVudGVyMg==\n{}", PEM.0, PEM.1);
        for pem in ["", "hunter2", &rsa, &short] {
            let error = ApiKey::ed25519(Secret::new("k"), &Secret::new(pem)).unwrap_err();
            assert!(error.contains("openssl genpkey") && !error.contains("hunter2"), "{error}");
        }
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
        // The venue's example of a WebSocket API order.
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
        let other = ed25519(RFC_8410);
        let shown = format!("{key:?} {} {:?} {other:?}", key.key, key.key);
        assert!(!shown.contains("NhqP") && !shown.contains("vmPU"), "{shown}");
        assert_eq!(format!("{other:?}"), "ApiKey { kind: \"Ed25519\", .. }");
    }
}
