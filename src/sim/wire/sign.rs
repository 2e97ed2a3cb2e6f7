//! Who asks, and when: keys, signatures and the window of time a request is good for.

use super::error::ApiError;
use super::params::Params;
use crate::domain::money::Decimal;
use crate::domain::time::UtcMs;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;

/// The key of the one account there is; documented, worth nothing.
pub const DEMO_KEY: &str = "everwarmSimulatedExchangeDemoApiKey00000000000000000000000000000";
/// The secret of the one account there is; documented, worth nothing.
pub const DEMO_SECRET: &str = "everwarmSimulatedExchangeDemoSecret00000000000000000000000000000";
/// Largest window a request may ask for, milliseconds.
const RECV_WINDOW_MAX: i64 = 60_000;
/// The window of a request that asks for none, milliseconds.
const RECV_WINDOW: i64 = 5_000;
/// How far a timestamp may be ahead of venue time, milliseconds.
const EARLY: i64 = 1_000;
/// Timestamps from here on are microseconds.
const MICROSECONDS_FROM: i64 = 100_000_000_000_000;

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

/// What a REST request signs: query and body exactly as sent, without their `signature`.
#[must_use]
pub fn rest_payload(query: &str, body: &str) -> String {
    let strip = |text: &str| {
        let parts = text.split('&').filter(|part| !part.starts_with("signature="));
        parts.collect::<Vec<_>>().join("&")
    };
    strip(query) + &strip(body)
}

/// What a WebSocket API request signs: all parameters but `signature`, by name.
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

/// Venue time, and how much faster than life it runs.
#[derive(Clone, Copy, Debug)]
pub struct When {
    /// Venue time.
    pub now: UtcMs,
    /// The pace; the window and the tolerance for early timestamps are scaled by it.
    pub factor: u32,
}

/// Checks a key by itself.
///
/// # Errors
/// -2014 where it cannot be one, -2015 where it is not ours.
pub fn key(sent: Option<&str>) -> Result<(), ApiError> {
    let formed = |k: &&str| k.len() == 64 && k.bytes().all(|b| b.is_ascii_alphanumeric());
    let sent = sent.filter(formed);
    let sent = sent.ok_or_else(|| ApiError::new(-2014, "API-key format invalid."))?;
    if sent != DEMO_KEY {
        let msg = "Invalid API-key, IP, or permissions for action.";
        return Err(ApiError::new(-2015, msg));
    }
    Ok(())
}

/// Checks key, signature and age of a request, and gives the last instant of venue time at which it
/// may still enter the book.
///
/// # Errors
/// -2014, -2015, -1102, -1022, -1021 as the protocol has them.
pub fn check(
    api_key: Option<&str>,
    params: &Params,
    payload: &str,
    when: When,
) -> Result<UtcMs, ApiError> {
    key(api_key)?;
    let signature = params.required("signature")?.to_ascii_lowercase();
    params.required("timestamp")?;
    let stamp = params.integer("timestamp")?.ok_or_else(|| ApiError::mandatory("timestamp"))?;
    let window = match window(params)? {
        Some(window) => window,
        None => Decimal::from(RECV_WINDOW),
    };
    if signature != hmac_hex(DEMO_SECRET, payload) {
        return Err(ApiError::new(-1022, "Signature for this request is not valid."));
    }
    let thousand = Decimal::from(1_000);
    let stamp = if stamp >= MICROSECONDS_FROM {
        Decimal::from(stamp) / thousand
    } else {
        Decimal::from(stamp)
    };
    let (now, factor) = (Decimal::from(when.now), Decimal::from(when.factor));
    if stamp >= now + Decimal::from(EARLY) * factor {
        let msg = "Timestamp for this request was 1000ms ahead of the server's time.";
        return Err(ApiError::new(-1021, msg));
    }
    let last = stamp + window * factor;
    if now > last {
        let msg = "Timestamp for this request is outside of the recvWindow.";
        return Err(ApiError::new(-1021, msg));
    }
    let last = last.floor();
    Ok(UtcMs::try_from(last).unwrap_or(UtcMs::MAX))
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
