//! Steps about the account and the signature.

use super::walk::{FAR, Signing, Walk};
use crate::binance::sign::Query;
use everwarm_domain::secret::Secret;
use everwarm_venue::conformance::check::{Answer, Check, Outcome, Stop, differs, field, not_tried};
use everwarm_venue::transport::Method;
use serde_json::Value;

/// The length of a key.
const KEY_LENGTH: usize = 64;

pub(super) async fn account(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("omitZeroBalances", true);
    let body = walk.signed(Method::Get, "/api/v3/account", query).await?.good()?;
    let (mut check, of) = (Check::new(), "GET /api/v3/account");
    check.integer(of, &body, "uid");
    check.same("\"canTrade\" of GET /api/v3/account", "true", field(&body, "canTrade"));
    for balance in check.list(of, &body, "balances") {
        check.decimal("a balance", balance, "free");
        check.decimal("a balance", balance, "locked");
        let named = balance.get("asset").is_some_and(Value::is_string);
        check.holds(named, "\"asset\" of a balance", "a text", field(balance, "asset"));
    }
    let rates = body.get("commissionRates").unwrap_or(&Value::Null);
    for name in ["maker", "taker"] {
        check.decimal("commissionRates", rates, name);
    }
    check.end("the account may trade")
}

pub(super) async fn commission(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.base.symbol);
    let body = walk.signed(Method::Get, "/api/v3/account/commission", query).await?.good()?;
    let (mut check, of) = (Check::new(), "GET /api/v3/account/commission");
    check.text(of, &body, "symbol", walk.base.symbol.as_str());
    let standard = body.get("standardCommission").unwrap_or(&Value::Null);
    let taker = check.decimal("standardCommission", standard, "taker").unwrap_or_default();
    check.decimal("standardCommission", standard, "maker");
    check.end(format!("taker {}", taker.normalize()))
}

pub(super) async fn order_counts(walk: &mut Walk) -> Outcome {
    let answer = walk.signed(Method::Get, "/api/v3/rateLimit/order", Query::new()).await?;
    let body = answer.good()?;
    let mut check = Check::new();
    let rows = body.as_array().cloned().unwrap_or_default();
    let mut came = Vec::new();
    for (interval, number) in [("SECOND", 10), ("DAY", 1)] {
        let is_it = |row: &&Value| {
            row.get("interval").and_then(Value::as_str) == Some(interval)
                && row.get("intervalNum").and_then(Value::as_i64) == Some(number)
        };
        let name = format!("the row for {number} {interval} of GET /api/v3/rateLimit/order");
        let Some(row) = rows.iter().find(is_it) else {
            check.differs(name, "present", "missing");
            continue;
        };
        check.integer(&name, row, "limit");
        let count = check.integer(&name, row, "count").unwrap_or_default();
        came.push(format!("{count} in {number} {interval}"));
    }
    check.end(came.join(", "))
}

/// The headers with the order counts. They are those of an order that was accepted.
pub(super) async fn count_headers(walk: &mut Walk) -> Outcome {
    let Some(counts) = walk.order_counts else {
        return Err(not_tried("no order was accepted"));
    };
    let mut check = Check::new();
    for (name, count) in ["X-MBX-ORDER-COUNT-10S", "X-MBX-ORDER-COUNT-1D"].iter().zip(counts) {
        check.holds(count.is_some(), format!("the header {name}"), "an integer", "missing");
    }
    let [short, day] = counts.map(Option::unwrap_or_default);
    check.end(format!("{short} in 10 seconds, {day} in the day"))
}

/// A signed read of the account.
async fn read(walk: &mut Walk, signing: Signing) -> Result<Answer, Stop> {
    let query = Query::new().with("omitZeroBalances", true);
    walk.signed_as(Method::Get, "/api/v3/account", query, signing).await
}

pub(super) async fn ahead(walk: &mut Walk) -> Outcome {
    let answer = read(walk, Signing { ahead: FAR, wrong: false }).await?;
    answer.refused(-1021, "ahead of the server's time")
}

pub(super) async fn behind(walk: &mut Walk) -> Outcome {
    let answer = read(walk, Signing { ahead: -FAR, wrong: false }).await?;
    answer.refused(-1021, "outside of the recvWindow")
}

pub(super) async fn wrong_signature(walk: &mut Walk) -> Outcome {
    let answer = read(walk, Signing { ahead: 0, wrong: true }).await?;
    answer.refused(-1022, "Signature for this request is not valid.")
}

pub(super) async fn no_signature(walk: &mut Walk) -> Outcome {
    let now = walk.venue_now().await?;
    let key = walk.key.clone();
    let query = Query::new().with("timestamp", now).plain();
    let key = key.as_ref().map(|key| &key.key);
    walk.request(Method::Get, "/api/v3/account", query, key).await?.refused(-1102, "'signature'")
}

pub(super) async fn unknown_key(walk: &mut Walk) -> Outcome {
    let now = walk.venue_now().await?;
    let query =
        Query::new().with("timestamp", now).with("signature", "0".repeat(KEY_LENGTH)).plain();
    // A key of the right form that belongs to nobody.
    let nobody = Secret::new(&"A".repeat(KEY_LENGTH));
    let answer = walk.request(Method::Get, "/api/v3/account", query, Some(&nobody)).await?;
    let mut check = Check::new();
    check.same("the HTTP status of an unknown key", 401, answer.http.status);
    check.end("")?;
    answer.refused(-2015, "Invalid API-key")
}

pub(super) async fn listen_key_gone(walk: &mut Walk) -> Outcome {
    let key = walk.key.clone();
    let key = key.as_ref().map(|key| &key.key);
    let path = "/api/v3/userDataStream";
    let answer = walk.request(Method::Post, path, String::new(), key).await?;
    if answer.http.status == 410 {
        return Ok("HTTP 410".to_owned());
    }
    Err(differs("the response to POST /api/v3/userDataStream", "HTTP 410", answer.summary()))
}
