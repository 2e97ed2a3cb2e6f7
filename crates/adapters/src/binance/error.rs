//! The table of failures and their meaning for the request.
//!
//! For orders and cancels, only a clear rejection counts as "not executed"; anything else is
//! `Unknown`. A read executes nothing, so an unclear one may simply be sent again.

use super::wire::{ErrorBody, error_body};
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_venue::rate_limit::{DOUBT, LONGEST};
use everwarm_venue::sparse_log::Sparsely;
use everwarm_venue::transport::TransportError;
use std::ops::RangeInclusive;

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

/// Code: the timestamp is outside the venue's window.
pub const BAD_TIMESTAMP: i32 = -1021;
/// Code: too many orders. Other requests may go on.
pub const TOO_MANY_ORDERS: i32 = -1015;
/// Code: the venue knows no such order.
pub const NO_SUCH_ORDER: i32 = -2013;
/// Code: the order to cancel is not open.
pub const NOT_OPEN: i32 = -2011;

/// Waits if the venue names none, milliseconds: a weight window, an order window, the shortest ban,
/// the ban of the firewall.
const WAIT_WEIGHT: u64 = 60_000;
const WAIT_ORDERS: u64 = 10_000;
const WAIT_BAN: u64 = 120_000;
const WAIT_FIREWALL: u64 = 300_000;

/// Maximum characters kept of the venue's text.
const WORDS_MAX: usize = 500;

/// The meaning of a failed transport.
#[must_use]
pub fn of_transport(kind: Kind, error: TransportError) -> VenueError {
    let (class, text) = match error {
        TransportError::NotSent(text) => (ErrorClass::NotSent, text),
        TransportError::Unknown(text) => (unclear(kind), text),
    };
    VenueError::new(class, 0, text)
}

/// Limits the log of implausible responses.
static UNBELIEVED: Sparsely = Sparsely::new();

/// The meaning of a response that cannot be read or is implausible, although its status was fine.
/// The log of these errors is limited to a readable rate.
#[must_use]
pub fn of_unreadable(kind: Kind, text: String) -> VenueError {
    let error = VenueError::new(unclear(kind), 0, text);
    if let Some(left_out) = UNBELIEVED.due() {
        tracing::warn!(why = error.text, left_out, "an impossible response");
    }
    error
}

/// The meaning of a response with an error status. `retry_after_s` is the `Retry-After` header.
#[must_use]
pub fn of_answer(kind: Kind, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> VenueError {
    let reported = error_body(body);
    let class = classify(kind, status, retry_after_s, reported.as_ref());
    match reported {
        Some(reported) => VenueError::new(class, reported.code, start(reported.msg)),
        None => VenueError::new(class, 0, words(status, body)),
    }
}

/// The meaning of an error in a WebSocket API response.
#[must_use]
pub fn of_error(kind: Kind, status: u16, body: ErrorBody) -> VenueError {
    let retry_after_s = body.wait_ms.map(|ms| ms.div_ceil(1000));
    let class = classify(kind, status, retry_after_s, Some(&body));
    VenueError::new(class, body.code, start(body.msg))
}

/// The beginning of the venue's text. It is stored with its order, so its length is limited.
fn start(mut words: String) -> String {
    if let Some((at, _)) = words.char_indices().nth(WORDS_MAX) {
        words.truncate(at);
    }
    words
}

/// The class of a failure without a clear response.
fn unclear(kind: Kind) -> ErrorClass {
    match kind {
        Kind::Place | Kind::Cancel => ErrorClass::Unknown,
        Kind::Read => ErrorClass::NotSent,
    }
}

/// The class of a rate limit. A long wait is trusted only with the venue's `own` body, and at most
/// as long as its longest ban.
fn limited(retry_after_s: Option<u64>, otherwise_ms: u64, own: bool) -> ErrorClass {
    let wait = retry_after_s.map_or(otherwise_ms, |s| s.saturating_mul(1000));
    let most = if own { LONGEST } else { DOUBT };
    ErrorClass::RateLimited { retry_after_ms: wait.min(most.unsigned_abs()) }
}

fn classify(
    kind: Kind,
    status: u16,
    retry_after_s: Option<u64>,
    reported: Option<&ErrorBody>,
) -> ErrorClass {
    let by_code = reported.and_then(|b| by_code(kind, status, retry_after_s, b));
    let own = reported.is_some_and(|body| body.code < 0);
    by_code.unwrap_or_else(|| by_status(kind, status, retry_after_s, own))
}

/// The meaning of a venue's error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Execution unknown, whatever the HTTP status.
    Unclear,
    /// Overloaded: the venue did not process the request.
    Busy,
    /// Too much weight; with status 418 a ban.
    Weight,
    /// Too many orders.
    Orders,
    /// The clock: not executed, may be sent again.
    Clock,
    /// The key or the account.
    Key,
    /// The venue shut down before it processed the request.
    Shutdown,
    /// Rejected; the text has the reason.
    Words,
    /// No such order.
    Absent,
    /// A subscription to the account's events is in a wrong state: reconnect.
    Resubscribe,
    /// One half of a replacement may be done: query both orders.
    Half,
    /// An order against the rules of its symbol.
    Rules,
    /// The request itself is wrong.
    Wrong,
}

impl Meaning {
    /// Whether the code counts even with status 5xx. Otherwise such a status means a server error,
    /// whatever the body says.
    fn outweighs_the_status(self) -> bool {
        match self {
            Meaning::Unclear
            | Meaning::Busy
            | Meaning::Weight
            | Meaning::Orders
            | Meaning::Clock
            | Meaning::Key => true,
            Meaning::Shutdown
            | Meaning::Words
            | Meaning::Absent
            | Meaning::Resubscribe
            | Meaning::Half
            | Meaning::Rules
            | Meaning::Wrong => false,
        }
    }
}

/// All codes. The first matching row counts. A code without a row is classified by its status.
const CODES: &[(RangeInclusive<i32>, Meaning)] = &[
    (-1001..=-1000, Meaning::Unclear),
    (-1002..=-1002, Meaning::Key),
    (-1003..=-1003, Meaning::Weight),
    (-1007..=-1006, Meaning::Unclear),
    (-1008..=-1008, Meaning::Busy),
    (-1013..=-1013, Meaning::Rules),
    (-1014..=-1014, Meaning::Wrong),
    (TOO_MANY_ORDERS..=TOO_MANY_ORDERS, Meaning::Orders),
    (-1016..=-1016, Meaning::Shutdown),
    (-1020..=-1020, Meaning::Wrong),
    (BAD_TIMESTAMP..=BAD_TIMESTAMP, Meaning::Clock),
    (-1022..=-1022, Meaning::Key),
    (-1033..=-1033, Meaning::Wrong),
    (-1034..=-1034, Meaning::Weight),
    (-1035..=-1035, Meaning::Wrong),
    (-1299..=-1100, Meaning::Wrong),
    (-2010..=-2010, Meaning::Words),
    (NOT_OPEN..=NOT_OPEN, Meaning::Words),
    (NO_SUCH_ORDER..=NO_SUCH_ORDER, Meaning::Absent),
    (-2015..=-2014, Meaning::Key),
    (-2016..=-2016, Meaning::Wrong),
    (-2021..=-2021, Meaning::Half),
    (-2022..=-2022, Meaning::Wrong),
    (-2026..=-2026, Meaning::Wrong),
    (-2036..=-2035, Meaning::Resubscribe),
    (-2039..=-2039, Meaning::Wrong),
    (-2042..=-2042, Meaning::Resubscribe),
    (-2043..=-2043, Meaning::Wrong),
    (-4056..=-4056, Meaning::Wrong),
];

fn meaning(code: i32) -> Option<Meaning> {
    CODES.iter().find(|(codes, _)| codes.contains(&code)).map(|(_, meaning)| *meaning)
}

/// The class by codes that are more precise than the status.
fn by_code(
    kind: Kind,
    status: u16,
    retry_after_s: Option<u64>,
    body: &ErrorBody,
) -> Option<ErrorClass> {
    let meaning = meaning(body.code)?;
    if status >= 500 && !meaning.outweighs_the_status() {
        return Some(unclear(kind));
    }
    Some(match meaning {
        Meaning::Unclear | Meaning::Half => unclear(kind),
        Meaning::Busy | Meaning::Shutdown => ErrorClass::NotSent,
        Meaning::Weight if status == 418 => limited(retry_after_s, WAIT_BAN, true),
        Meaning::Weight => limited(retry_after_s, WAIT_WEIGHT, true),
        Meaning::Orders => limited(retry_after_s, WAIT_ORDERS, true),
        Meaning::Clock | Meaning::Resubscribe => ErrorClass::Refused { again: true },
        Meaning::Key => ErrorClass::Halt,
        Meaning::Words => by_text(kind, body),
        Meaning::Absent => absent(kind),
        Meaning::Rules => ErrorClass::Rules,
        Meaning::Wrong => ErrorClass::Refused { again: false },
    })
}

/// The class by text: the venue's code for "rejected" has its reason only in the text.
fn by_text(kind: Kind, body: &ErrorBody) -> ErrorClass {
    match body.msg.as_str() {
        // An order with this id is open: ours, from an attempt whose response was lost.
        "Duplicate order sent." => unclear(kind),
        "Unknown order sent." | "CANCEL_REJECTED" => absent(kind),
        "This action is disabled on this account."
        | "This account may not place or cancel orders." => ErrorClass::Halt,
        text if text.to_ascii_lowercase().contains("insufficient balance") => ErrorClass::Funds,
        _ => ErrorClass::Refused { again: false },
    }
}

/// The class of "no such order". For a new order it makes no sense, so it proves nothing.
fn absent(kind: Kind) -> ErrorClass {
    match kind {
        Kind::Place => ErrorClass::Unknown,
        Kind::Cancel | Kind::Read => ErrorClass::Absent,
    }
}

fn by_status(kind: Kind, status: u16, retry_after_s: Option<u64>, own: bool) -> ErrorClass {
    match status {
        401 => ErrorClass::Halt,
        403 => limited(retry_after_s, WAIT_FIREWALL, own),
        // 408: a proxy timed out. 409: a replacement half succeeded.
        408 | 409 => unclear(kind),
        418 => limited(retry_after_s, WAIT_BAN, own),
        429 => limited(retry_after_s, WAIT_WEIGHT, own),
        // Without a known error of the venue, a read may succeed next time.
        300..=499 if kind == Kind::Read => unclear(kind),
        300..=499 => ErrorClass::Refused { again: false },
        _ => unclear(kind),
    }
}

/// The text of a failure whose body is not the venue's: the status and the beginning of the body.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// The error codes in the files below a folder.
    fn codes(folder: &Path, found: &mut BTreeSet<i32>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                codes(&entry.path(), found);
                continue;
            }
            let text = fs::read_to_string(entry.path()).unwrap();
            for (at, _) in text.match_indices('-') {
                let digits: String =
                    text[at + 1..].chars().take_while(char::is_ascii_digit).collect();
                let before = text[..at].chars().next_back();
                let alone = before.is_none_or(|c| !c.is_alphanumeric());
                if alone && digits.len() == 4 && digits.starts_with(['1', '2', '4']) {
                    found.insert(-digits.parse::<i32>().unwrap());
                }
            }
        }
    }

    #[test]
    fn every_code_a_client_can_meet_has_a_row() {
        let mut met = BTreeSet::new();
        codes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/src"), &mut met);
        assert!(met.len() > 40, "{met:?}");
        // Codes that the venue documents and the simulated exchange does not use.
        met.extend([-1000, -1001, -1002, -1006, -1007, -1016, -1033, -1035, -2016, -2026]);
        met.extend([-2042, -2043]);
        met.extend(-1130..=-1100);
        let without: Vec<i32> = met.into_iter().filter(|code| meaning(*code).is_none()).collect();
        assert_eq!(without, Vec::<i32>::new());
    }

    #[test]
    fn no_code_has_two_rows() {
        let rows = |code: i32| CODES.iter().filter(|(codes, _)| codes.contains(&code)).count();
        assert!((-5000..0).all(|code| rows(code) <= 1));
        assert_eq!(meaning(-9999), None);
    }
}
