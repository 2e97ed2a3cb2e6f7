//! The WebSocket half of the protocol: market streams and the WebSocket API.

use super::desk::{Desk, Phase};
use super::hub::{Kind, STREAMS_MAX, Subscriptions, Ticket};
use crate::sim::wire::error::ApiError;
use crate::sim::wire::params::Params;
use crate::sim::wire::sign;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use everwarm_runtime::clock;
use futures_util::SinkExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Time between pings.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A connection whose last pong is older is dropped; so is one that takes nothing for so long.
const PONG_WITHIN: Duration = Duration::from_mins(1);
/// Messages a market stream connection may send in a second.
const MESSAGES_PER_SECOND: u32 = 5;
/// Largest message a client may send, bytes.
const MESSAGE_MAX: usize = 1 << 20;
/// Messages written together.
const BATCH: usize = 256;
/// The header in which a client names its connection.
pub const CONNECTION_HEADER: &str = "x-everwarm-connection";

fn named(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(CONNECTION_HEADER)?.to_str().ok()?;
    (!name.is_empty() && name.len() <= 64).then(|| name.to_owned())
}

/// `/ws` and `/ws/<stream>[/<stream>…]`: messages as they are.
pub async fn raw(
    State(desk): State<Arc<Desk>>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let streams = path.map(|Path(text)| text).unwrap_or_default();
    market(desk, &headers, upgrade, &streams, false)
}

/// `/stream?streams=<stream>[/<stream>…]`: each message with the name of its stream.
pub async fn combined(
    State(desk): State<Arc<Desk>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let params = Params::parse(query.as_deref().unwrap_or(""), "").unwrap_or_default();
    let streams = params.text("streams").ok().flatten().unwrap_or("").to_owned();
    market(desk, &headers, upgrade, &streams, true)
}

fn market(
    desk: Arc<Desk>,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
    streams: &str,
    combined: bool,
) -> Response {
    desk.touch();
    let wanted: Vec<String> =
        streams.split('/').filter(|s| !s.is_empty()).take(STREAMS_MAX).map(str::to_owned).collect();
    let id = named(headers);
    upgrade.max_message_size(MESSAGE_MAX).on_upgrade(move |socket| async move {
        let (ticket, waiting) = desk.hub.join(Kind::Market, id, combined);
        desk.hub.answer(&ticket, |own| {
            own.streams.extend(wanted);
            None
        });
        let limit = Some(MESSAGES_PER_SECOND);
        pump(&desk, socket, waiting, limit, |text| {
            desk.hub.answer(&ticket, |own| Some(control(own, text)));
        })
        .await;
        desk.hub.leave(&ticket);
    })
}

/// Obeys a control message of a market stream connection.
fn control(own: &mut Subscriptions<'_>, text: &str) -> Value {
    let invalid =
        |code: i32, msg: String, id: &Value| json!({"error": {"code": code, "msg": msg}, "id": id});
    let request: Value = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(error) => return invalid(3, format!("Invalid JSON: {error}"), &Value::Null),
    };
    let id = request.get("id").unwrap_or(&Value::Null);
    let fits = id.is_null() || id.is_u64() || id.as_str().is_some_and(|t| t.len() <= 36);
    if !fits {
        let msg = "Invalid request: request ID must be an unsigned integer or a string";
        return invalid(2, msg.to_owned(), &Value::Null);
    }
    let names = || -> Option<Vec<String>> {
        let list = request.get("params")?.as_array()?;
        list.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let done = |result: Value| json!({"result": result, "id": id});
    match (request.get("method").and_then(Value::as_str), names()) {
        (Some("SUBSCRIBE"), Some(names)) => {
            let new = names.iter().filter(|name| !own.streams.contains(*name)).count();
            if own.streams.len() + new > STREAMS_MAX {
                return invalid(2, "Invalid request: too many streams".to_owned(), id);
            }
            own.streams.extend(names);
            done(Value::Null)
        }
        (Some("UNSUBSCRIBE"), Some(names)) => {
            for name in names {
                own.streams.remove(&name);
            }
            done(Value::Null)
        }
        (Some("LIST_SUBSCRIPTIONS"), _) => done(json!(own.streams)),
        (Some("SUBSCRIBE" | "UNSUBSCRIBE"), None) => {
            invalid(2, "Invalid request: params must be an array of strings".to_owned(), id)
        }
        (other, _) => {
            let method = other.unwrap_or("");
            let known = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`";
            let msg =
                format!("Invalid request: unknown variant `{method}`, expected one of {known}");
            invalid(2, msg, id)
        }
    }
}

/// `/ws-api/v3`: requests and the account's events.
pub async fn api(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    desk.touch();
    let id = named(&headers);
    upgrade.max_message_size(MESSAGE_MAX).on_upgrade(move |socket| async move {
        let (ticket, waiting) = desk.hub.join(Kind::User, id, false);
        pump(&desk, socket, waiting, None, |text| asked(&desk, &ticket, text)).await;
        desk.hub.leave(&ticket);
    })
}

fn asked(desk: &Desk, ticket: &Ticket, text: &str) {
    let request: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let counted = desk.counters().weigh(2);
    let (used, limits) = match &counted {
        Ok(used) | Err((_, used)) => (*used, desk.counters().limits()),
    };
    let rates = json!([{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
        "limit": limits.weight, "count": used.weight}]);
    let checked = match counted {
        Ok(_) => method(desk, &request),
        Err((error, _)) => Err(error),
    };
    desk.hub.answer(ticket, |own| {
        Some(match checked.and_then(|act| act.perform(own)) {
            Ok(result) => json!({"id": id, "status": 200, "result": result, "rateLimits": rates}),
            Err(error) => json!({"id": id, "status": error.status, "error": error.body(),
                "rateLimits": rates}),
        })
    });
}

/// What a WebSocket API request does once it has been checked.
enum Act {
    Tell(Value),
    Subscribe,
    Unsubscribe,
}

impl Act {
    fn perform(self, own: &mut Subscriptions<'_>) -> Result<Value, ApiError> {
        match self {
            Act::Tell(value) => Ok(value),
            Act::Subscribe if *own.user => {
                Err(ApiError::new(-2035, "User Data Stream subscription already active."))
            }
            Act::Subscribe => {
                *own.user = true;
                Ok(json!({"subscriptionId": 0}))
            }
            Act::Unsubscribe if !*own.user => {
                Err(ApiError::new(-2036, "User Data Stream subscription not active."))
            }
            Act::Unsubscribe => {
                *own.user = false;
                Ok(json!({}))
            }
        }
    }
}

fn method(desk: &Desk, request: &Value) -> Result<Act, ApiError> {
    let name = request.get("method").and_then(Value::as_str);
    match name {
        None => Err(ApiError::new(-1135, "Invalid JSON Request")),
        Some("ping") => Ok(Act::Tell(json!({}))),
        Some("time") => {
            let now = desk.read(|_, _, when| Ok(when.now))?;
            Ok(Act::Tell(json!({"serverTime": now})))
        }
        Some("userDataStream.subscribe.signature") => {
            let list = parameters(request.get("params"))?;
            let payload = sign::socket_payload(&list);
            let params = Params::of(list);
            let key = params.required("apiKey")?;
            desk.read(|_, _, when| sign::check(Some(key), &params, &payload, when))?;
            params.finish()?;
            Ok(Act::Subscribe)
        }
        Some("userDataStream.unsubscribe") => Ok(Act::Unsubscribe),
        Some(_) => Err(ApiError::new(-1020, "This operation is not supported.")),
    }
}

fn parameters(params: Option<&Value>) -> Result<Vec<(String, String)>, ApiError> {
    let invalid = || ApiError::new(-1135, "Invalid JSON Request");
    let Some(Value::Object(map)) = params else { return Err(invalid()) };
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(invalid()),
    };
    map.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect()
}

/// Carries messages both ways until one side has had enough.
async fn pump(
    desk: &Desk,
    mut socket: WebSocket,
    mut waiting: mpsc::Receiver<String>,
    limit: Option<u32>,
    mut take: impl FnMut(&str),
) {
    let mut phase = desk.phase();
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    let mut pong_at = clock::now();
    let mut second = (clock::now(), 0_u32);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            count = waiting.recv_many(&mut batch, BATCH) => {
                let sent = timeout(PONG_WITHIN, write(&mut socket, &mut batch));
                if count == 0 || !matches!(sent.await, Ok(Ok(()))) {
                    break;
                }
            }
            got = socket.recv() => {
                if second.0.elapsed() >= Duration::from_secs(1) {
                    second = (clock::now(), 0);
                }
                second.1 += 1;
                if limit.is_some_and(|limit| second.1 > limit) {
                    break;
                }
                match got {
                    Some(Ok(Message::Text(text))) => take(text.as_str()),
                    Some(Ok(Message::Pong(_))) => pong_at = clock::now(),
                    Some(Ok(Message::Ping(_) | Message::Binary(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                }
            }
            _ = ping.tick() => {
                let late = pong_at.elapsed() > PONG_WITHIN;
                let ping = Message::Ping(Bytes::from_static(b"everwarm"));
                if late || socket.send(ping).await.is_err() {
                    break;
                }
            }
            () = Phase::over(&mut phase) => break,
        }
    }
    // Whether the goodbye arrives does not matter.
    drop(timeout(Duration::from_secs(1), socket.send(Message::Close(None))).await);
}

async fn write(socket: &mut WebSocket, batch: &mut Vec<String>) -> Result<(), axum::Error> {
    for text in batch.drain(..) {
        socket.feed(Message::Text(text.into())).await?;
    }
    socket.flush().await
}
