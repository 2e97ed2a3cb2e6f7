//! The table of failures and their meaning for the request.
//!
//! For orders and cancels, only a clear rejection counts as "not executed"; anything else is
//! `Unknown`. A read executes nothing, so an unclear one may simply be sent again.

use super::trading_wire::ErrorBody;
use everwarm_domain::clean::clean;
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_venue::rate_limit::DOUBT;
use everwarm_venue::transport::TransportError;

/// The kind of a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A new order.
    Place,
    /// A cancel.
    Cancel,
    /// A request that changes nothing.
    Read,
}

/// Code: the request violates a rule, like that client order ids are unique.
const REJECTED: i32 = 40_010_001;
/// Code: the account lacks dollars or shares, or the order could trade with another of its own.
const FORBIDDEN: i32 = 40_310_000;

/// Wait after status 429 without a time, milliseconds: the limit is that of a minute.
const WAIT: u64 = 20_000;
/// Maximum characters kept of the venue's text.
const WORDS_MAX: usize = 500;

/// The meaning of a failed transport.
#[must_use]
pub fn of_transport(kind: Kind, error: TransportError) -> VenueError {
    match error {
        TransportError::NotSent(text) => VenueError::new(ErrorClass::NotSent, 0, text),
        TransportError::Unknown(text) => VenueError::new(unclear(kind), 0, text),
    }
}

/// The meaning of a response that cannot be read or is implausible, although its status was fine.
#[must_use]
pub fn of_unreadable(kind: Kind, text: String) -> VenueError {
    VenueError::new(unclear(kind), 0, text)
}

/// The meaning of a response with an error status. `wait_ms` is how long the venue's limit still
/// holds, if it says so.
#[must_use]
pub fn of_answer(kind: Kind, status: u16, wait_ms: Option<u64>, body: &[u8]) -> VenueError {
    let Ok(ErrorBody { code, message }) = serde_json::from_slice(body) else {
        let text = String::from_utf8_lossy(&body[..body.len().min(WORDS_MAX)]);
        let class = classify(kind, status, wait_ms, 0, "");
        let text = clean(&format!("HTTP {status}: {text}"));
        return VenueError::new(class, 0, with_advice(status, 0, text));
    };
    let class = classify(kind, status, wait_ms, code, &message);
    let text = message.chars().take(WORDS_MAX).collect();
    VenueError::new(class, code, with_advice(status, code, text))
}

/// The text, with what to check if the venue does not accept the key.
fn with_advice(status: u16, code: i32, text: String) -> String {
    if !(status == 401 || (status == 403 && code != FORBIDDEN)) {
        return text;
    }
    let text = text.trim_end_matches('.');
    format!(
        "{text}. The key is wrong, revoked or of another environment: check venue.key and \
         venue.secret"
    )
}

/// The class of a failure without a clear response.
fn unclear(kind: Kind) -> ErrorClass {
    match kind {
        Kind::Place | Kind::Cancel => ErrorClass::Unknown,
        Kind::Read => ErrorClass::NotSent,
    }
}

fn classify(kind: Kind, status: u16, wait_ms: Option<u64>, code: i32, message: &str) -> ErrorClass {
    let text = message.to_ascii_lowercase();
    match status {
        403 if code == FORBIDDEN && kind == Kind::Place => forbidden(&text),
        // A redirect is not followed, since the key must not be sent elsewhere.
        300..=399 | 401 | 403 => ErrorClass::Halt,
        404 => match kind {
            Kind::Place => ErrorClass::Unknown,
            Kind::Cancel | Kind::Read => ErrorClass::Absent,
        },
        422 => match kind {
            // An order with this id exists. It is ours, from an attempt whose response was lost.
            Kind::Place if code == REJECTED && text.contains("client_order_id") => {
                ErrorClass::Unknown
            }
            Kind::Place => ErrorClass::Rules,
            // It is not open any more.
            Kind::Cancel => ErrorClass::Absent,
            Kind::Read => ErrorClass::Refused { again: false },
        },
        429 => {
            let most = DOUBT.unsigned_abs();
            ErrorClass::RateLimited { retry_after_ms: wait_ms.unwrap_or(WAIT).clamp(1, most) }
        }
        408 | 500.. => unclear(kind),
        _ => ErrorClass::Refused { again: false },
    }
}

/// An order that the venue forbids, by its text.
fn forbidden(text: &str) -> ErrorClass {
    if text.contains("insufficient") {
        ErrorClass::Funds
    } else if text.contains("halted") {
        // The rules of the symbol are requested again. They show whether it is traded.
        ErrorClass::Rules
    } else if text.contains("account") {
        ErrorClass::Halt
    } else {
        // A possible wash trade, or a symbol that this account may not trade.
        ErrorClass::Refused { again: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(kind: Kind, status: u16, body: &str) -> ErrorClass {
        of_answer(kind, status, None, body.as_bytes()).class
    }

    #[test]
    fn a_rejection_says_whether_the_order_was_executed() {
        use ErrorClass::{Absent, Funds, Halt, NotSent, Refused, Rules, Unknown};
        let no = Refused { again: false };
        let body = |code: i32, message: &str| {
            serde_json::json!({"code": code, "message": message}).to_string()
        };
        let forbidden = |message: &str| body(40_310_000, message);
        let qty = "insufficient qty available for order (requested: 10, available: 0)";
        let wash = "potential wash trade detected. use complex orders";
        let text = str::to_owned;
        for (kind, status, body, expected) in [
            (Kind::Place, 422, body(40_010_001, "client_order_id must be unique"), Unknown),
            (Kind::Place, 422, body(42_210_000, "invalid limit_price 300.001"), Rules),
            (Kind::Place, 403, forbidden("insufficient buying power"), Funds),
            (Kind::Place, 403, forbidden(qty), Funds),
            (Kind::Place, 403, forbidden(wash), no),
            (Kind::Place, 403, forbidden("trading of AAPL is halted"), Rules),
            (Kind::Place, 403, forbidden("account not eligible to trade"), Halt),
            (Kind::Place, 403, text(r#"{"message":"forbidden."}"#), Halt),
            (Kind::Place, 401, body(40_110_000, "request is not authorized"), Halt),
            (Kind::Place, 307, String::new(), Halt),
            (Kind::Place, 404, String::new(), Unknown),
            (Kind::Place, 500, text(r#"{"message":"internal server error"}"#), Unknown),
            (Kind::Place, 504, text("<html>gateway</html>"), Unknown),
            (Kind::Read, 504, text("<html>gateway</html>"), NotSent),
            (Kind::Read, 404, body(40_410_000, "order not found"), Absent),
            (Kind::Cancel, 422, body(42_210_000, "order is not cancelable"), Absent),
            (Kind::Cancel, 408, String::new(), Unknown),
            (Kind::Place, 400, text("not json"), no),
        ] {
            assert_eq!(class(kind, status, &body), expected, "{kind:?} {status} {body}");
        }
        let limited = |wait| of_answer(Kind::Read, 429, wait, b"{}").class;
        assert_eq!(limited(Some(700)), ErrorClass::RateLimited { retry_after_ms: 700 });
        assert_eq!(limited(None), ErrorClass::RateLimited { retry_after_ms: WAIT });
        let most = ErrorClass::RateLimited { retry_after_ms: DOUBT.unsigned_abs() };
        assert_eq!(limited(Some(u64::MAX)), most, "a long wait is not believed");
    }

    #[test]
    fn a_rejected_key_says_what_to_check() {
        let text = |status, body: &str| of_answer(Kind::Read, status, None, body.as_bytes()).text;
        let advice = "The key is wrong, revoked or of another environment: check venue.key and \
                      venue.secret";
        let body = r#"{"code":40110000,"message":"request is not authorized"}"#;
        assert_eq!(text(401, body), format!("request is not authorized. {advice}"));
        assert_eq!(text(403, r#"{"message":"forbidden."}"#), format!("forbidden. {advice}"));
        assert_eq!(text(403, "no"), format!("HTTP 403: no. {advice}"));
        let poor = r#"{"code":40310000,"message":"insufficient buying power"}"#;
        assert_eq!(text(403, poor), "insufficient buying power");
        assert_eq!(text(404, r#"{"message":"no order"}"#), "no order");
    }

    #[test]
    fn a_long_text_is_cut() {
        let text = format!("{{\"code\":1,\"message\":\"{}\"}}", "x".repeat(1 << 16));
        let error = of_answer(Kind::Place, 422, None, text.as_bytes());
        assert!(error.text.chars().count() <= WORDS_MAX, "{}", error.text.len());
        let page = of_answer(Kind::Place, 500, None, &vec![b'<'; 1 << 16]);
        assert!(page.text.len() <= WORDS_MAX + 20);
    }
}
