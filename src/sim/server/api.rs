//! The WebSocket API: the same requests as over REST, and the account's events.

use super::answer::{Ask, answer};
use super::desk::Desk;
use super::hub::{Kind, Subscriptions, Ticket};
use super::limits::{Used, seconds};
use super::rest::refuse;
use super::routes::by_name;
use super::sockets::{MESSAGE_MAX, named, pump};
use crate::sim::wire::error::ApiError;
use crate::sim::wire::params::Params;
use crate::sim::wire::sign;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::HeaderMap;
use axum::response::Response;
use everwarm_runtime::clock;
use serde_json::{Value, json};
use std::sync::Arc;

/// What opening a connection weighs.
const OPENING: u64 = 2;
/// What subscribing to the account's events weighs.
const SUBSCRIBING: u64 = 2;
/// What a request weighs that is not known.
const UNKNOWN: u64 = 1;

/// `/ws-api/v3`: requests and the account's events.
pub async fn api(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    desk.touch();
    let now = seconds();
    let weighed = desk.counters().weigh(OPENING, now);
    let counted = weighed.and_then(|_| desk.counters().connect(now));
    if let Err((error, used)) = counted {
        return refuse(&error, used);
    }
    let id = named(&headers);
    upgrade.max_message_size(MESSAGE_MAX).on_upgrade(move |socket| async move {
        let (ticket, waiting) = desk.hub.join(Kind::User, id, false);
        let (desk, ticket) = (&*desk, &ticket);
        pump(desk, socket, waiting, None, |text| asked(desk, ticket, text)).await;
        desk.hub.leave(ticket);
    })
}

/// What a request does once it has been checked.
enum Act {
    Tell(String),
    Subscribe,
    Unsubscribe,
}

impl Act {
    fn perform(self, own: &mut Subscriptions<'_>) -> Result<String, ApiError> {
        match self {
            Act::Tell(text) => Ok(text),
            Act::Subscribe if *own.user => {
                Err(ApiError::new(-2035, "User Data Stream subscription already active."))
            }
            Act::Subscribe => {
                *own.user = true;
                Ok(json!({"subscriptionId": 0}).to_string())
            }
            Act::Unsubscribe if !*own.user => {
                Err(ApiError::new(-2036, "User Data Stream subscription not active."))
            }
            Act::Unsubscribe => {
                *own.user = false;
                Ok("{}".to_owned())
            }
        }
    }
}

/// What the answer says besides the result.
struct Frame {
    id: Value,
    used: Used,
    rates: bool,
}

async fn asked(desk: &Desk, ticket: &Ticket, text: String) {
    let request: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let mut frame = Frame { id, used: Used::default(), rates: true };
    let act = act(desk, &request, &mut frame).await;
    desk.hub.answer(ticket, |own| Some(frame.told(desk, act.and_then(|act| act.perform(own)))));
}

impl Frame {
    fn told(&self, desk: &Desk, result: Result<String, ApiError>) -> String {
        let id = &self.id;
        let rates = if self.rates {
            format!(",\"rateLimits\":{}", desk.counters().rows(&self.used))
        } else {
            String::new()
        };
        match result {
            Ok(text) => format!("{{\"id\":{id},\"status\":200,\"result\":{text}{rates}}}"),
            Err(mut error) => {
                if let Some(left) = self.used.retry_after {
                    let now = clock::wall_ms();
                    let left = i64::try_from(left).unwrap_or(i64::MAX / 1000) * 1000;
                    error.data = Some(json!({"serverTime": now, "retryAfter": now + left}));
                }
                let (status, body) = (error.status, error.body());
                format!("{{\"id\":{id},\"status\":{status},\"error\":{body}{rates}}}")
            }
        }
    }
}

async fn act(desk: &Desk, request: &Value, frame: &mut Frame) -> Result<Act, ApiError> {
    let invalid = || ApiError::new(-1135, "Invalid JSON Request");
    let name = request.get("method").and_then(Value::as_str);
    let endpoint = name.and_then(by_name);
    let list = parameters(request.get("params"));
    let sent = list.as_deref().unwrap_or_default();
    let query = sent.iter().map(|(name, value)| format!("{name}={value}"));
    let query = query.collect::<Vec<_>>().join("&");
    let weight = match (endpoint, name) {
        (Some(endpoint), _) => endpoint.weight.of(&query),
        (None, Some("userDataStream.subscribe.signature" | "userDataStream.unsubscribe")) => {
            SUBSCRIBING
        }
        (None, _) => UNKNOWN,
    };
    let weighed = desk.counters().weigh(weight, seconds());
    match weighed {
        Ok(used) => frame.used = used,
        Err((error, used)) => {
            frame.used = used;
            return Err(error);
        }
    }
    let fits = |id: &Value| {
        id.is_null() || id.is_i64() || id.is_u64() || id.as_str().is_some_and(|t| t.len() <= 36)
    };
    if !fits(&frame.id) {
        frame.id = Value::Null;
        return Err(invalid());
    }
    let name = name.ok_or_else(invalid)?;
    let list = list?;
    let payload = sign::socket_payload(&list);
    let params = Params::of(list);
    frame.rates = params.text("returnRateLimits")? != Some("false");
    let key = params.text("apiKey")?.map(str::to_owned);
    let ask = Ask { params, key, payload };
    if let Some(endpoint) = endpoint {
        let told = answer(desk, endpoint.route, &ask, &mut frame.used).await;
        if told.is_err() {
            frame.used.weight = desk.counters().charge(endpoint.weight.refused(), seconds());
        }
        return told.map(Act::Tell);
    }
    match name {
        "userDataStream.subscribe.signature" => {
            if ask.key.is_none() {
                return Err(ApiError::mandatory("apiKey"));
            }
            desk.read(|_, _, when| ask.signed(when))?;
            ask.params.finish()?;
            Ok(Act::Subscribe)
        }
        "userDataStream.unsubscribe" => Ok(Act::Unsubscribe),
        _ => Err(ApiError::new(-1020, "This operation is not supported.")),
    }
}

fn parameters(params: Option<&Value>) -> Result<Vec<(String, String)>, ApiError> {
    let invalid = || ApiError::new(-1135, "Invalid JSON Request");
    let map = match params {
        None => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(invalid()),
    };
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) | Value::Array(_) => Ok(value.to_string()),
        Value::Null | Value::Object(_) => Err(invalid()),
    };
    map.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect()
}
