//! Authentication of requests: API keys, signatures and the time window.

use super::error::ApiError;
use super::params::Params;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::Sha256;
use std::fmt::Write as _;

/// The API key of the only account. It is published and protects nothing.
pub const DEMO_KEY: &str = "everwarmSimulatedExchangeDemoApiKey00000000000000000000000000000";
/// The secret of the only account. It is published and protects nothing.
pub const DEMO_SECRET: &str = "everwarmSimulatedExchangeDemoSecret00000000000000000000000000000";
/// The account's second API key, for Ed25519 signatures. It is published and protects nothing.
pub const DEMO_ED25519_KEY: &str =
    "everwarmSimulatedExchangeDemoEd25519Key0000000000000000000000000";
/// The private key that belongs to [`DEMO_ED25519_KEY`]. It is published and protects nothing.
const DEMO_PRIVATE_KEY: &[u8; 32] = b"everwarmSimulatedExchangeDemoKey";
/// The registered public key.
const DEMO_PUBLIC_KEY: [u8; 32] = [
    0x71, 0x0c, 0xda, 0xdf, 0x2d, 0x65, 0xd7, 0xe8, 0x9c, 0x83, 0x7b, 0xe7, 0x94, 0x10, 0x3b, 0x21,
    0xea, 0xff, 0x55, 0x6a, 0x18, 0x37, 0xe2, 0xdf, 0x43, 0x28, 0x5f, 0xa4, 0x4f, 0xc6, 0xa9, 0x25,
];
/// Largest `recvWindow`, in milliseconds.
const RECV_WINDOW_MAX: i64 = 60_000;
/// Default `recvWindow`, in milliseconds.
const RECV_WINDOW: i64 = 5_000;
/// How far a timestamp may be ahead of venue time, milliseconds.
const EARLY: i64 = 1_000;
/// Timestamps from here on are microseconds.
const MICROSECONDS_FROM: i64 = 100_000_000_000_000;

/// The account's private Ed25519 key, as PKCS#8 in PEM. The exchange itself uses only the public
/// key.
#[must_use]
pub fn demo_private_key() -> String {
    // Version, algorithm 1.3.101.112, and a string of 32 bytes.
    let head = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
    let packed = BASE64.encode([head.as_slice(), DEMO_PRIVATE_KEY].concat());
    let line = |word: &str| format!("-----{word} PRIVATE KEY-----\n");
    format!("{}{packed}\n{}", line("BEGIN"), line("END"))
}

/// The hex HMAC-SHA256 of `payload`.
#[must_use]
pub fn hmac_hex(secret: &str, payload: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(payload.as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into memory cannot fail");
        text
    })
}

/// The signed text of a REST request: query and body exactly as sent, without their `signature`.
#[must_use]
pub fn rest_payload(query: &str, body: &str) -> String {
    let strip = |text: &str| {
        let parts = text.split('&').filter(|part| !part.starts_with("signature="));
        parts.collect::<Vec<_>>().join("&")
    };
    strip(query) + &strip(body)
}

/// The signed text of a WebSocket API request: all parameters but `signature`, sorted by name.
#[must_use]
pub fn socket_payload(list: &[(String, String)]) -> String {
    let mut parts: Vec<String> = list
        .iter()
        .filter(|(name, _)| name != "signature")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.sort();
    parts.join("&")
}

/// Venue time, its pace, and the skew of the reported clock.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// Venue time.
    pub now: UtcMs,
    /// The pace. It scales the window and the tolerance for early timestamps.
    pub factor: u32,
    /// How far the reported clock is ahead of venue time, in milliseconds. Negative: behind.
    pub skew: i64,
}

impl When {
    /// The reported time. Timestamps are checked against it.
    #[must_use]
    pub fn reported(self) -> UtcMs {
        self.now + self.skew
    }
}

/// A registered key, by its signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// HMAC-SHA256, in hex of any case.
    Hmac,
    /// Ed25519, in base64.
    Ed25519,
}

impl Registered {
    fn accepts(self, payload: &str, signature: &str) -> bool {
        match self {
            Registered::Hmac => signature.to_ascii_lowercase() == hmac_hex(DEMO_SECRET, payload),
            Registered::Ed25519 => BASE64.decode(signature).is_ok_and(|signature| {
                let public = UnparsedPublicKey::new(&ED25519, DEMO_PUBLIC_KEY);
                public.verify(payload.as_bytes(), &signature).is_ok()
            }),
        }
    }
}

/// Checks an API key, without a signature.
///
/// # Errors
/// -2014 for a malformed key, -2015 for an unknown one.
pub fn key(sent: Option<&str>) -> Result<Registered, ApiError> {
    let formed = |k: &&str| k.len() == 64 && k.bytes().all(|b| b.is_ascii_alphanumeric());
    let sent = sent.filter(formed);
    match sent.ok_or_else(|| ApiError::new(-2014, "API-key format invalid."))? {
        DEMO_KEY => Ok(Registered::Hmac),
        DEMO_ED25519_KEY => Ok(Registered::Ed25519),
        _ => Err(ApiError::new(-2015, "Invalid API-key, IP, or permissions for action.")),
    }
}

/// Checks key, signature and age of a request. Returns the last venue time at which it may still
/// enter the book.
///
/// # Errors
/// -2014, -2015, -1102, -1022, -1021 as the protocol has them.
pub fn check(
    api_key: Option<&str>,
    params: &Params,
    payload: &str,
    when: When,
) -> Result<UtcMs, ApiError> {
    let key = key(api_key)?;
    let signature = params.required("signature")?;
    let age = Age::read(params)?;
    if !key.accepts(payload, signature) {
        return Err(bad_signature());
    }
    age.check(when)
}

/// As [`check`], for a request on a connection that has logged on. The request needs no signature.
///
/// # Errors
/// -1102, -1022, -1021 as the protocol has them.
pub fn by_session(params: &Params, payload: &str, when: When) -> Result<UtcMs, ApiError> {
    let age = Age::read(params)?;
    // A signature is optional here, but a wrong one is refused.
    if params.text("signature")?.is_some_and(|s| !Registered::Ed25519.accepts(payload, s)) {
        return Err(bad_signature());
    }
    age.check(when)
}

fn bad_signature() -> ApiError {
    ApiError::new(-1022, "Signature for this request is not valid.")
}

/// The timestamp and the window of a request, in milliseconds.
struct Age {
    stamp: Decimal,
    window: Decimal,
}

impl Age {
    fn read(params: &Params) -> Result<Age, ApiError> {
        params.required("timestamp")?;
        let stamp = params.integer("timestamp")?.ok_or_else(|| ApiError::mandatory("timestamp"))?;
        let window = window(params)?.unwrap_or(Decimal::from(RECV_WINDOW));
        let thousand = Decimal::from(1_000);
        let stamp = if stamp >= MICROSECONDS_FROM {
            Decimal::from(stamp) / thousand
        } else {
            Decimal::from(stamp)
        };
        Ok(Age { stamp, window })
    }

    fn check(&self, when: When) -> Result<UtcMs, ApiError> {
        let (now, factor) = (Decimal::from(when.reported()), Decimal::from(when.factor));
        if self.stamp >= now + Decimal::from(EARLY) * factor {
            let msg = "Timestamp for this request was 1000ms ahead of the server's time.";
            return Err(ApiError::new(-1021, msg));
        }
        let last = self.stamp + self.window * factor;
        if now > last {
            let msg = "Timestamp for this request is outside of the recvWindow.";
            return Err(ApiError::new(-1021, msg));
        }
        let last = UtcMs::try_from(last.floor()).unwrap_or(UtcMs::MAX);
        Ok(last.saturating_sub(when.skew))
    }
}

fn window(params: &Params) -> Result<Option<Decimal>, ApiError> {
    let Some(window) = params.decimal("recvWindow")? else { return Ok(None) };
    if window.normalize().scale() > 3 {
        return Err(ApiError::new(-1111, "Parameter 'recvWindow' has too much precision."));
    }
    if window > Decimal::from(RECV_WINDOW_MAX) {
        let tail = "contains unexpected value. Cannot be greater than";
        return Err(ApiError::new(-1102, format!("'recvWindow' {tail} {RECV_WINDOW_MAX}.")));
    }
    Ok(Some(window))
}
