//! The one table of what a failure means for the request that met it.
//!
//! For orders and cancels only what the venue says clearly counts as "not executed"; everything
//! else is `Unknown`. A read executes nothing, so what is unclear there may simply be asked again.

use super::wire::{ErrorBody, error_body};
use crate::venue::port::{ErrorClass, VenueError};
use crate::venue::transport::TransportError;

/// What kind of request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A new order.
    Place,
    /// A cancel.
    Cancel,
    /// Anything that changes nothing.
    Read,
}

/// The timestamp is outside the venue's window.
pub const BAD_TIMESTAMP: i32 = -1021;
/// Too many orders; other requests may go on.
pub const TOO_MANY_ORDERS: i32 = -1015;
/// The venue knows no such order.
pub const NO_SUCH_ORDER: i32 = -2013;
/// The order to be cancelled is not open.
pub const NOT_OPEN: i32 = -2011;

/// Waits where the venue names none, milliseconds: a window of the clock, the order window, the
/// shortest ban, the fire wall's.
const WAIT_WEIGHT: u64 = 60_000;
const WAIT_ORDERS: u64 = 10_000;
const WAIT_BAN: u64 = 120_000;
const WAIT_FIREWALL: u64 = 300_000;

/// What a failed exchange of bytes means.
#[must_use]
pub fn of_transport(kind: Kind, error: TransportError) -> VenueError {
    let (class, text) = match error {
        TransportError::NotSent(text) => (ErrorClass::NotSent, text),
        TransportError::Unknown(text) => (unclear(kind), text),
    };
    VenueError { class, code: 0, text }
}

/// What an answer that cannot be read means, although its status was fine.
#[must_use]
pub fn of_unreadable(kind: Kind, text: String) -> VenueError {
    VenueError { class: unclear(kind), code: 0, text }
}

/// What an answer with an error status means. `retry_after_s` is the header of that name.
#[must_use]
pub fn of_answer(kind: Kind, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> VenueError {
    let told = error_body(body);
    let class = classify(kind, status, retry_after_s, told.as_ref());
    match told {
        Some(body) => VenueError { class, code: body.code, text: body.msg },
        None => VenueError { class, code: 0, text: words(status, body) },
    }
}

/// What the error of a WebSocket API answer means.
#[must_use]
pub fn of_error(kind: Kind, status: u16, body: ErrorBody) -> VenueError {
    let class = classify(kind, status, None, Some(&body));
    VenueError { class, code: body.code, text: body.msg }
}

/// A failure without a clear answer.
fn unclear(kind: Kind) -> ErrorClass {
    match kind {
        Kind::Place | Kind::Cancel => ErrorClass::Unknown,
        Kind::Read => ErrorClass::NotSent,
    }
}

fn limited(retry_after_s: Option<u64>, otherwise_ms: u64) -> ErrorClass {
    let wait = retry_after_s.map_or(otherwise_ms, |s| s.saturating_mul(1000));
    ErrorClass::RateLimited { retry_after_ms: wait }
}

fn classify(
    kind: Kind,
    status: u16,
    retry_after_s: Option<u64>,
    told: Option<&ErrorBody>,
) -> ErrorClass {
    let by_code = told.and_then(|b| by_code(kind, status, retry_after_s, b));
    by_code.unwrap_or_else(|| by_status(kind, status, retry_after_s))
}

/// The meaning of codes that say more than the status does.
fn by_code(
    kind: Kind,
    status: u16,
    retry_after_s: Option<u64>,
    body: &ErrorBody,
) -> Option<ErrorClass> {
    let no = ErrorClass::Refused { again: false };
    Some(match body.code {
        // Execution status unknown, whatever the status says.
        -1000 | -1001 | -1006 | -1007 => unclear(kind),
        // Overloaded, or shutting down before it looked at the request.
        -1008 => ErrorClass::NotSent,
        -1016 if status < 500 => ErrorClass::NotSent,
        -1003 if status == 418 => limited(retry_after_s, WAIT_BAN),
        -1003 | -1034 => limited(retry_after_s, WAIT_WEIGHT),
        TOO_MANY_ORDERS => limited(retry_after_s, WAIT_ORDERS),
        BAD_TIMESTAMP => ErrorClass::Refused { again: true },
        -1002 | -1022 | -2014 | -2015 => ErrorClass::Halt,
        // A status of 5xx speaks of the server, whatever else the body says.
        _ if status >= 500 => unclear(kind),
        -2010 | NOT_OPEN => by_text(kind, body),
        NO_SUCH_ORDER => absent(kind),
        // A subscription of the account's events is in a state it should not be in: connect anew.
        -2035 | -2036 | -2042 => ErrorClass::Refused { again: true },
        // One half of a replacement may have happened: both orders must be looked at.
        -2021 => unclear(kind),
        -1013 | -1014 | -1020 | -1299..=-1100 | -2016 | -2022 | -2026 | -2039 | -2043 => no,
        _ => return None,
    })
}

/// The venue's codes for "rejected" say why only in words.
fn by_text(kind: Kind, body: &ErrorBody) -> ErrorClass {
    match body.msg.as_str() {
        // An order with this id is open: ours, from an attempt whose answer was lost.
        "Duplicate order sent." => unclear(kind),
        "Unknown order sent." | "CANCEL_REJECTED" => absent(kind),
        "This action is disabled on this account."
        | "This account may not place or cancel orders." => ErrorClass::Halt,
        _ => ErrorClass::Refused { again: false },
    }
}

/// "No such order" as the answer to a new order makes no sense, so it proves nothing.
fn absent(kind: Kind) -> ErrorClass {
    match kind {
        Kind::Place => ErrorClass::Unknown,
        Kind::Cancel | Kind::Read => ErrorClass::Absent,
    }
}

fn by_status(kind: Kind, status: u16, retry_after_s: Option<u64>) -> ErrorClass {
    match status {
        401 => ErrorClass::Halt,
        403 => limited(retry_after_s, WAIT_FIREWALL),
        // A proxy gave up waiting; a replacement half succeeded.
        408 | 409 => unclear(kind),
        418 => limited(retry_after_s, WAIT_BAN),
        429 => limited(retry_after_s, WAIT_WEIGHT),
        300..=499 => ErrorClass::Refused { again: false },
        _ => unclear(kind),
    }
}

/// What there is to say where the body is not the venue's: the status, and the start of the body's
/// text.
fn words(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(2_000)]);
    let mut plain = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                plain.push(' ');
            }
            c if !in_tag && !c.is_control() => plain.push(c),
            _ => plain.push(' '),
        }
    }
    let short: Vec<&str> = plain.split_whitespace().take(20).collect();
    format!("HTTP {status} {}", short.join(" ")).trim_end().to_owned()
}
