//! The admin API: time, ledger, payments, faults, trading states, rules, keys, latency
//! and shutdown.

use super::hub::Kind;
use super::pace::Pace;
use super::protocol::Protocol;
use super::request_queue::{Desk, Standing};
use crate::exchange::SimFact;
use crate::exchange::Standing as SymbolStanding;
use crate::faults::Fault;
use crate::wire::error::ApiError;
use crate::wire::events::ledger;
use crate::wire::params::TIME_MAX;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{Decimal, parse_decimal};
use everwarm_domain::time::{MINUTE, UtcMs};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
struct AdvanceRequest {
    to: UtcMs,
    market: UtcMs,
}

#[derive(Deserialize)]
struct LiftRequest {
    /// Id of the fault. None: all faults.
    id: Option<u64>,
}

#[derive(Deserialize)]
struct KeysRequest {
    revoked: bool,
}

#[derive(Deserialize)]
struct DelayRequest {
    ms: u32,
}

#[derive(Deserialize)]
struct StandingRequest {
    symbol: Symbol,
    standing: SymbolStanding,
    /// The last close before the change. None: as far as the market is released.
    since: Option<UtcMs>,
}

/// The rules to change. Missing fields stay as they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesRequest {
    symbol: Symbol,
    tick_size: Option<String>,
    lot_size: Option<String>,
    min_quantity: Option<String>,
    min_notional: Option<String>,
}

impl RulesRequest {
    fn change(&self, rules: &mut Instrument) -> Result<(), ApiError> {
        let lot = (&self.lot_size, &mut rules.lot_size);
        let tick = (&self.tick_size, &mut rules.tick_size);
        let quantity = (&self.min_quantity, &mut rules.min_quantity);
        let notional = (&self.min_notional, &mut rules.min_notional);
        for (sent, rule) in [lot, tick, quantity, notional] {
            if let Some(text) = sent {
                let wrong = |why| ApiError::new(-1130, format!("{text}: {why}"));
                let value = parse_decimal(text).map_err(wrong)?;
                if value < Decimal::ZERO {
                    return Err(wrong("a rule is not negative".to_owned()));
                }
                *rule = value;
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct FundRequest {
    asset: String,
    amount: String,
}

/// Serves `/sim/v1/{name}`. `status` needs no token.
pub async fn handle(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    desk.touch();
    let sent = headers.get("authorization").and_then(|v| v.to_str().ok());
    let bearer = sent.and_then(|sent| sent.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
    let allowed = bearer.is_some_and(|(_, token)| token == desk.token);
    if name != "status" && !allowed {
        let error = json!({"code": 401, "msg": "The token of the port file is missing or wrong."});
        return (StatusCode::UNAUTHORIZED, Json(error));
    }
    let answer = match (method.as_str(), name.as_str()) {
        ("GET", "status") => status(&desk),
        ("GET", "ledger") => desk.read(|exchange, _, _| Ok(ledger(exchange))),
        ("POST", "advance") => advance(&desk, &body).await,
        ("POST", "fund") => fund(&desk, &body).await,
        ("GET", "faults") => Ok(json!({"on": desk.faults.rows()})),
        ("POST", "fault") => fault(&desk, &body),
        ("POST", "lift") => lift(&desk, &body),
        ("POST", "standing") => stand(&desk, &body).await,
        ("POST", "rules") => rule(&desk, &body).await,
        ("POST", "delay") => delay(&desk, &body),
        ("POST", "keys") => keys(&desk, &body),
        ("POST", "stop") => {
            desk.stop();
            Ok(json!({}))
        }
        _ => {
            let error = json!({"code": 404, "msg": "There is no such thing."});
            return (StatusCode::NOT_FOUND, Json(error));
        }
    };
    match answer {
        Ok(value) => (StatusCode::OK, Json(value)),
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, Json(error.body()))
        }
    }
}

fn malformed(error: &serde_json::Error) -> ApiError {
    ApiError::new(-1135, format!("Invalid JSON Request: {error}"))
}

/// The state of time, and the data frames sent on each connection. `factor` is venue milliseconds
/// per millisecond of wall time, 0 in lockstep.
fn standing(desk: &Desk) -> Result<Value, ApiError> {
    let Standing { now, market, last_close, closed, next_close, in_step, traded } =
        desk.standing()?;
    let pace = desk.clock().pace();
    let factor = if pace == Pace::Lockstep { 0 } else { pace.factor() };
    Ok(json!({
        "now": now, "market": market, "last_close": last_close, "closed": closed,
        "next_close": next_close, "ended": next_close.is_none(), "in_step": in_step,
        "traded": traded,
        "pace": pace.to_string(), "factor": factor,
        "frames": desk.hub.frames(Kind::Market), "user_frames": desk.hub.frames(Kind::User),
    }))
}

fn status(desk: &Desk) -> Result<Value, ApiError> {
    let mut value = standing(desk)?;
    value["pid"] = std::process::id().into();
    value["connections"] = desk.hub.connections().into();
    value["bars_at_once"] = desk.distance().most().into();
    value["over_limits"] = desk.counters().over().into();
    if desk.protocol == Protocol::Alpaca {
        value["rejected_keys"] = desk.keys.rejected().into();
    }
    Ok(value)
}

async fn advance(desk: &Desk, body: &str) -> Result<Value, ApiError> {
    let wanted: AdvanceRequest = serde_json::from_str(body).map_err(|e| malformed(&e))?;
    let allowed = 0..=TIME_MAX;
    if !allowed.contains(&wanted.to) || !allowed.contains(&wanted.market) {
        return Err(ApiError::new(-1130, "Data sent for parameter 'to' is not valid."));
    }
    desk.advance(wanted.to, wanted.market).await?;
    standing(desk)
}

fn fault(desk: &Desk, body: &str) -> Result<Value, ApiError> {
    let fault: Fault = serde_json::from_str(body).map_err(|e| malformed(&e))?;
    let symbols: Vec<Symbol> = desk.read(|exchange, _, _| {
        Ok(exchange.instruments().iter().map(|rules| rules.symbol).collect())
    })?;
    let checked = fault.check().and_then(|()| fault.place(Some(&symbols)));
    checked.map_err(|why| ApiError::new(-1130, why))?;
    let text = format!("{fault:?}");
    let id = desk.faults.add(fault).map_err(|why| ApiError::new(-1130, why))?;
    tracing::info!(id, fault = text, "a fault is on");
    Ok(json!({"id": id}))
}

fn lift(desk: &Desk, body: &str) -> Result<Value, ApiError> {
    let wanted: LiftRequest = serde_json::from_str(body).map_err(|e| malformed(&e))?;
    let off = desk.faults.lift(wanted.id).map_err(|why| ApiError::new(-1130, why))?;
    if let Some(id) = wanted.id.filter(|_| off == 0) {
        let on: Vec<String> = desk.faults.rows().iter().map(|on| on["id"].to_string()).collect();
        let on =
            if on.is_empty() { "none is".to_owned() } else { format!("on: {}", on.join(", ")) };
        return Err(ApiError::new(-1130, format!("no fault {id} is on; {on}")));
    }
    Ok(json!({"off": off}))
}

/// Sets the delay of all responses to REST requests.
fn delay(desk: &Desk, body: &str) -> Result<Value, ApiError> {
    let DelayRequest { ms } = serde_json::from_str(body).map_err(|e| malformed(&e))?;
    desk.distance().set(ms);
    Ok(json!({}))
}

/// Revokes the keys of the account, or accepts them again. Open connections stay open.
fn keys(desk: &Desk, body: &str) -> Result<Value, ApiError> {
    let KeysRequest { revoked } = serde_json::from_str(body).map_err(|e| malformed(&e))?;
    if desk.protocol != Protocol::Alpaca {
        let text = "Only the protocol alpaca has keys that can be revoked.";
        return Err(ApiError::new(-1130, text));
    }
    desk.keys.revoke(revoked);
    Ok(json!({}))
}

async fn stand(desk: &Desk, body: &str) -> Result<Value, ApiError> {
    let StandingRequest { symbol, standing, since } =
        serde_json::from_str(body).map_err(|e| malformed(&e))?;
    let known = desk.read(|exchange, _, _| Ok(exchange.instrument(symbol).is_some()))?;
    if !known {
        return Err(ApiError::new(-1121, "Invalid symbol."));
    }
    let ticks = desk.ticks;
    desk.request(
        move |exchange, when| {
            let released = exchange.market();
            // A minute of which trades were shown goes on to its close.
            let begun = if ticks { released + (-released).rem_euclid(MINUTE) } else { released };
            let (since, at) = (since.unwrap_or(begun), when.now);
            Ok((SimFact::Standing { symbol, standing, since, at }, ()))
        },
        |_, _, ()| Ok(()),
    )
    .await?;
    desk.pause()?;
    Ok(json!({}))
}

async fn fund(desk: &Desk, body: &str) -> Result<Value, ApiError> {
    let wanted: FundRequest = serde_json::from_str(body).map_err(|e| malformed(&e))?;
    let bad = |text| ApiError::new(-1130, text);
    let amount: Decimal = parse_decimal(&wanted.amount).map_err(bad)?;
    let asset = wanted.asset;
    desk.request(
        move |_, when| Ok((SimFact::Funded { asset, amount, at: when.now }, ())),
        |_, _, ()| Ok(json!({})),
    )
    .await
}

/// Changes the rules of a symbol.
async fn rule(desk: &Desk, body: &str) -> Result<Value, ApiError> {
    let wanted: RulesRequest = serde_json::from_str(body).map_err(|e| malformed(&e))?;
    desk.request(
        move |exchange, when| {
            let known = exchange.instrument(wanted.symbol);
            let mut rules = known.ok_or_else(|| ApiError::new(-1121, "Invalid symbol."))?.clone();
            wanted.change(&mut rules)?;
            Ok((SimFact::Ruled { rules, at: when.now }, ()))
        },
        |_, _, ()| Ok(json!({})),
    )
    .await
}
