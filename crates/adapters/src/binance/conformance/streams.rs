//! Steps with websockets: the account's events and the market's.

use super::walk::Walk;
use everwarm_domain::time::MINUTE;
use everwarm_venue::conformance::check::{Check, Outcome, Stop, not_tried, shown};
use serde_json::{Value, json};

/// A missing answer of a stream.
const MISSING: &str = "missing";

/// Opens a session with the account's events.
async fn session(walk: &mut Walk) -> Result<Value, Stop> {
    let url = walk.hosts.ws_api.clone();
    let socket = walk.base.open("the WebSocket API", &url).await?;
    let request = walk.subscription("1").await?;
    let answer = walk.ask(socket, request).await?;
    walk.base.user = Some(socket);
    Ok(answer)
}

/// Checks that a response of the WebSocket API is a success.
fn succeeded(check: &mut Check, answer: &Value) {
    let status = answer.get("status").and_then(Value::as_i64);
    if status == Some(200) {
        return;
    }
    let error = answer.get("error").map_or_else(|| MISSING.to_owned(), Value::to_string);
    let status = status.map_or_else(|| MISSING.to_owned(), |status| status.to_string());
    check.differs("\"status\" of the response", 200, format!("{status} ({})", shown(&error)));
}

pub(super) async fn subscribe(walk: &mut Walk) -> Outcome {
    let answer = session(walk).await?;
    let mut check = Check::new();
    succeeded(&mut check, &answer);
    let result = answer.get("result").unwrap_or(&Value::Null);
    let id = check.integer("\"result\" of the subscription", result, "subscriptionId");
    check.end(format!("subscription {}", id.unwrap_or_default()))
}

pub(super) async fn api_limits(walk: &mut Walk) -> Outcome {
    let socket = walk.base.user()?;
    let answer = walk.ask(socket, json!({"id": "2", "method": "ping"})).await?;
    let mut check = Check::new();
    succeeded(&mut check, &answer);
    let rows = check.list("the response to \"ping\"", &answer, "rateLimits");
    let is_weight =
        |row: &&Value| row.get("rateLimitType").and_then(Value::as_str) == Some("REQUEST_WEIGHT");
    let count = if let Some(row) = rows.iter().find(is_weight) {
        check.integer("the row REQUEST_WEIGHT", row, "count")
    } else {
        check.differs("the row REQUEST_WEIGHT of \"rateLimits\"", "present", MISSING);
        None
    };
    check.end(format!("{} used", count.unwrap_or_default()))
}

pub(super) async fn subscribe_twice(walk: &mut Walk) -> Outcome {
    let socket = walk.base.user()?;
    let request = walk.subscription("3").await?;
    let answer = walk.ask(socket, request).await?;
    let code = answer.get("error").and_then(|e| e.get("code")).and_then(Value::as_i64);
    let mut check = Check::new();
    let code = code.map_or_else(|| MISSING.to_owned(), |code| code.to_string());
    check.same("the error code of a second subscription", -2035, &code);
    check.end(code)
}

pub(super) async fn reconnect(walk: &mut Walk) -> Outcome {
    let Some(old) = walk.base.user.take() else {
        return Err(not_tried("there was no session with events"));
    };
    walk.base.wire.close(old);
    let answer = session(walk).await?;
    let mut check = Check::new();
    succeeded(&mut check, &answer);
    check.end("")?;
    let came = super::orders::rest(walk).await?;
    if let Some(id) = walk.resting.clone() {
        walk.replaced = None;
        super::orders::cancel(walk).await?;
        return Ok(format!("a new session reports order {id}: {came}, then CANCELED"));
    }
    Ok(came)
}

pub(super) async fn once(walk: &mut Walk) -> Outcome {
    walk.events_once()
}

/// The stream of bars.
fn bars(walk: &Walk) -> String {
    format!("{}@kline_1m", walk.base.symbol.as_str().to_ascii_lowercase())
}

pub(super) async fn market_subscribe(walk: &mut Walk) -> Outcome {
    let url = format!("{}/ws", walk.hosts.streams);
    let socket = walk.base.open("the market stream", &url).await?;
    walk.base.market = Some(socket);
    let request = json!({"method": "SUBSCRIBE", "params": [bars(walk)], "id": 1});
    let answer = walk.ask(socket, request).await?;
    let mut check = Check::new();
    let result = answer.get("result").map_or_else(|| MISSING.to_owned(), Value::to_string);
    check.same("\"result\" of SUBSCRIBE", "null", &result);
    check.end(result)
}

pub(super) async fn subscriptions(walk: &mut Walk) -> Outcome {
    let socket = walk.base.market()?;
    let answer = walk.ask(socket, json!({"method": "LIST_SUBSCRIPTIONS", "id": 2})).await?;
    let mut check = Check::new();
    let result = answer.get("result").unwrap_or(&Value::Null);
    check.same("\"result\" of LIST_SUBSCRIPTIONS", json!([bars(walk)]), result);
    check.end(result.to_string())
}

pub(super) async fn wrong_method(walk: &mut Walk) -> Outcome {
    let socket = walk.base.market()?;
    let answer = walk.ask(socket, json!({"method": "EWC", "params": [], "id": 3})).await?;
    // The venue sends the error in a field or alone.
    let error = answer.get("error").unwrap_or(&answer);
    let (mut check, of) = (Check::new(), "the error of an unknown method");
    let code = check.integer(of, error, "code").unwrap_or_default();
    check.holds(error.get("msg").is_some_and(Value::is_string), of, "with a text", error);
    check.end(format!("code {code}"))
}

pub(super) async fn bar_event(walk: &mut Walk) -> Outcome {
    let socket = walk.base.market()?;
    let is_bar = |message: &Value| {
        let is_bar = message.get("e").and_then(Value::as_str) == Some("kline");
        is_bar.then(|| message.clone())
    };
    let Some(event) = walk.base.find(socket, is_bar).await? else {
        return Err(walk.base.missing("an event of the stream of bars"));
    };
    let (mut check, of) = (Check::new(), "the event kline");
    check.text(of, &event, "s", walk.base.symbol.as_str());
    check.integer(of, &event, "E");
    let bar = event.get("k").unwrap_or(&Value::Null);
    check.text("\"k\" of the event", bar, "i", "1m");
    let [open, close, _] =
        ["t", "T", "n"].map(|field| check.integer("\"k\" of the event", bar, field));
    if let (Some(open), Some(close)) = (open, close) {
        check.same("\"T\" of the bar", open + MINUTE - 1, close);
    }
    for field in ["o", "h", "l", "c", "v", "q", "V", "Q"] {
        check.decimal("\"k\" of the event", bar, field);
    }
    let closed = bar.get("x").is_some_and(Value::is_boolean);
    let came = bar.get("x").map_or_else(|| MISSING.to_owned(), Value::to_string);
    check.holds(closed, "\"x\" of the bar", "true or false", came);
    check.end("a bar with its flag of the close")
}

pub(super) async fn ping(walk: &mut Walk) -> Outcome {
    let socket = walk.base.market()?;
    let end = tokio::time::Instant::now() + walk.base.patience;
    while walk.base.pings == 0 {
        let left = end.saturating_duration_since(tokio::time::Instant::now());
        if left.is_zero() || !walk.base.hear_one(socket, left).await? {
            break;
        }
    }
    if walk.base.pings == 0 {
        return Err(walk.base.missing("a ping of the venue on the market stream"));
    }
    Ok("the venue sends pings".to_owned())
}
