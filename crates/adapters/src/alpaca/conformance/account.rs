//! Steps about the account, its key, and the limit of requests.

use super::super::map;
use super::super::trading_wire;
use super::walk::{Host, Walk};
use crate::json::decode;
use everwarm_domain::secret::Secret;
use everwarm_venue::conformance::check::{Check, Outcome, Stop, differs, field, not_tried};
use everwarm_venue::transport::Method;
use serde_json::Value;

/// Fields of the rule for day traders, which was withdrawn.
const REMOVED: [&str; 3] = ["pattern_day_trader", "daytrade_count", "daytrading_buying_power"];
/// Pairs of requests until the count is not disturbed by another process.
const TRIES: u32 = 5;
/// Longest time until a limit begins again, seconds.
const RESET: i64 = 120;

pub(super) async fn account(walk: &mut Walk) -> Outcome {
    let answer = walk.get(Host::Trading, "/v2/account", &[]).await?;
    let bytes = answer.http.body.clone();
    let body = answer.good()?;
    let (mut check, of) = (Check::new(), "GET /v2/account");
    for name in ["id", "account_number"] {
        let is_text = body.get(name).is_some_and(Value::is_string);
        check.holds(is_text, format!("{name:?} of {of}"), "a text", field(&body, name));
    }
    check.text(of, &body, "status", "ACTIVE");
    check.text(of, &body, "currency", "USD");
    for name in ["cash", "equity", "buying_power", "non_marginable_buying_power"] {
        check.decimal(of, &body, name);
    }
    for name in ["trading_blocked", "account_blocked"] {
        check.same(format!("{name:?} of {of}"), "false", field(&body, name));
    }
    let read = decode::<trading_wire::Account>("account", bytes.as_bytes());
    if let Err(why) = read.and_then(|account| map::account(&account, &[])) {
        check.differs(of, "readable for the daemon", why);
    }
    check.end("the account may trade")
}

pub(super) async fn removed(walk: &mut Walk) -> Outcome {
    let body = walk.get(Host::Trading, "/v2/account", &[]).await?.good()?;
    let mut check = Check::new();
    for name in REMOVED {
        let came = field(&body, name);
        check.same(format!("{name:?} of GET /v2/account"), "missing", came);
    }
    check.end("none of them")
}

pub(super) async fn positions(walk: &mut Walk) -> Outcome {
    let body = walk.get(Host::Trading, "/v2/positions", &[]).await?.good()?;
    let mut check = Check::new();
    let Some(rows) = body.as_array() else {
        return Err(differs("the body of GET /v2/positions", "a list", &body));
    };
    for row in rows {
        position(&mut check, row);
    }
    check.end("the positions of the account")
}

/// Checks the fields of a position.
pub(super) fn position(check: &mut Check, row: &Value) {
    let of = "a position";
    let is_text = row.get("symbol").is_some_and(Value::is_string);
    check.holds(is_text, format!("\"symbol\" of {of}"), "a text", field(row, "symbol"));
    for name in ["qty", "qty_available", "avg_entry_price"] {
        check.decimal(of, row, name);
    }
}

/// A read with a wrong secret.
async fn wrong(walk: &mut Walk, host: Host, path: &str) -> Outcome {
    let target = (host, Method::Get, path);
    let (parts, secret) = ((String::new(), String::new()), Some(Secret::new("wrong")));
    let answer = walk.request(target, parts, secret).await?;
    answer.rejected(&[401, 403], None, "")
}

pub(super) async fn wrong_key(walk: &mut Walk) -> Outcome {
    wrong(walk, Host::Trading, "/v2/account").await
}

pub(super) async fn wrong_data_key(walk: &mut Walk) -> Outcome {
    let path = format!("/v2/stocks/{}/trades/latest", walk.name()?);
    wrong(walk, Host::Data, &path).await
}

pub(super) async fn limit_headers(walk: &mut Walk) -> Outcome {
    let answer = walk.get(Host::Trading, "/v2/clock", &[]).await?;
    let mut check = Check::new();
    let (limit, remaining) = (answer.http.limit, answer.http.limit_remaining);
    for (name, count) in [("Limit", limit), ("Remaining", remaining)] {
        let what = format!("the header X-RateLimit-{name}");
        check.holds(count.is_some(), what, "an integer", "missing");
    }
    match answer.http.limit_reset_s.and_then(|reset| i64::try_from(reset).ok()) {
        Some(reset) => {
            let off = reset - answer.http.sent / 1_000;
            let what = "X-RateLimit-Reset, compared with our clock, in seconds";
            check.holds((-1..=RESET).contains(&off), what, format!("0 to {RESET}"), off);
        }
        None => check.differs("the header X-RateLimit-Reset", "an integer", "missing"),
    }
    let [limit, remaining] = [limit, remaining].map(Option::unwrap_or_default);
    check.end(format!("{remaining} of {limit} left"))
}

/// The remaining requests after one more.
async fn remaining(walk: &mut Walk) -> Result<u32, Stop> {
    let answer = walk.get(Host::Trading, "/v2/clock", &[]).await?;
    let remaining = answer.http.limit_remaining;
    remaining.ok_or_else(|| not_tried("the header X-RateLimit-Remaining is missing"))
}

pub(super) async fn limit_falls(walk: &mut Walk) -> Outcome {
    let mut least: Option<u32> = None;
    for _ in 0..TRIES {
        let (before, after) = (remaining(walk).await?, remaining(walk).await?);
        // A new minute begins with the whole limit. Other processes add their own requests.
        least = least.into_iter().chain(before.checked_sub(after)).min();
        if least == Some(1) {
            return Ok(format!("{before}, then {after}"));
        }
    }
    let what = "the fall of X-RateLimit-Remaining by one request";
    Err(match least {
        Some(fall) => differs(what, 1, fall),
        None => not_tried("a minute ended at every request"),
    })
}
