//! Market streams, and what all WebSocket connections have in common.

use super::connections::Line;
use super::hub::{Kind, STREAMS_MAX, Subscriptions};
use super::limits::{Used, seconds};
use super::queue::{Frame, Waiting};
use super::request_queue::{Desk, Phase};
use super::rest::refuse;
use crate::wire::error::ApiError;
use crate::wire::params::Params;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use everwarm_runtime::clock;
use futures_util::SinkExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// Most messages that a market stream connection may send in a second.
const MESSAGES_PER_SECOND: u32 = 5;
/// Largest message a client may send, bytes.
pub const MESSAGE_MAX: usize = 1 << 20;
/// Most messages that are written together.
const BATCH: usize = 256;
/// The header in which a client names its connection.
pub const CONNECTION_HEADER: &str = "x-everwarm-connection";

/// The timeouts of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time between pings.
    pub ping: Duration,
    /// A connection is dropped if its last pong is older, or if it reads nothing for this long.
    pub pong: Duration,
    /// Longest lifetime of a connection.
    pub life: Duration,
    /// How long the head of a request may take.
    pub head: Duration,
    /// How long the body of a request may take.
    pub body: Duration,
    /// How long a connection may stay without a log-on, where the protocol requires one.
    pub log_on: Duration,
}

impl Default for Patience {
    /// The timeouts of the venue.
    fn default() -> Self {
        Patience {
            ping: Duration::from_secs(20),
            pong: Duration::from_mins(1),
            life: Duration::from_hours(24),
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            log_on: Duration::from_secs(10),
        }
    }
}

/// The name a client gave its connection.
pub fn named(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(CONNECTION_HEADER)?.to_str().ok()?;
    (!name.is_empty() && name.len() <= 64).then(|| name.to_owned())
}

/// `/ws` and `/ws/<stream>[/<stream>…]`: messages without the names of their streams.
pub async fn raw(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(line): ConnectInfo<Line>,
    path: Option<Path<String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let streams = path.map(|Path(text)| text).unwrap_or_default();
    market(desk, line, &headers, upgrade, &streams, false)
}

/// `/stream?streams=<stream>[/<stream>…]`: each message with the name of its stream.
pub async fn combined(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(line): ConnectInfo<Line>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let params = Params::parse(query.as_deref().unwrap_or(""), "").unwrap_or_default();
    // A plus of a name may have been read as a blank, which no name has.
    let streams = params.text("streams").ok().flatten().unwrap_or("").replace(' ', "+");
    market(desk, line, &headers, upgrade, &streams, true)
}

fn market(
    desk: Arc<Desk>,
    line: Line,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
    streams: &str,
    combined: bool,
) -> Response {
    desk.touch();
    let counted = desk.counters().connect(seconds());
    if let Err((error, used)) = counted {
        return refuse(&error, used);
    }
    let wanted: BTreeSet<String> =
        streams.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    if wanted.len() > STREAMS_MAX {
        let msg = format!(
            "Too many subscriptions. Connection may create up to '{STREAMS_MAX}' \
                           subscriptions at a time."
        );
        return refuse(&ApiError::new(-1191, msg), Used::default());
    }
    let id = named(headers);
    upgrade.max_message_size(MESSAGE_MAX).on_upgrade(move |socket| async move {
        let (ticket, waiting) = desk.hub.join(Kind::Market, id, combined);
        desk.hub.answer(&ticket, |own| {
            own.streams.extend(wanted);
            Vec::new()
        });
        let manner = Manner { limit: Some(MESSAGES_PER_SECOND), ..Manner::PLAIN };
        pump(&desk, &line, (socket, waiting), manner, |sent| {
            if let Sent::Text(text) = sent {
                desk.hub.answer(&ticket, |own| vec![control(own, &text).to_string()]);
            }
            ready(())
        })
        .await;
        desk.hub.leave(&ticket);
    })
}

/// Executes a control message of a market stream connection. Returns the response.
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
        (Some("SET_PROPERTY"), _) => match property(&request) {
            Some(("combined", Some(value))) => {
                *own.combined = value;
                done(Value::Null)
            }
            _ => invalid(2, "Invalid request: unknown property or value".to_owned(), id),
        },
        (Some("GET_PROPERTY"), _) => match property(&request) {
            Some(("combined", _)) => done(json!(own.combined)),
            _ => invalid(2, "Invalid request: unknown property".to_owned(), id),
        },
        (Some("SUBSCRIBE" | "UNSUBSCRIBE"), None) => {
            invalid(2, "Invalid request: params must be an array of strings".to_owned(), id)
        }
        (other, _) => {
            let method = other.unwrap_or("");
            let known = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, \
                         `GET_PROPERTY`";
            let msg =
                format!("Invalid request: unknown variant `{method}`, expected one of {known}");
            invalid(2, msg, id)
        }
    }
}

/// The property that a control message names, and its value.
fn property(request: &Value) -> Option<(&str, Option<bool>)> {
    let list = request.get("params")?.as_array()?;
    Some((list.first()?.as_str()?, list.get(1).and_then(Value::as_bool)))
}

/// A message of a client.
#[derive(Debug)]
pub enum Sent {
    /// In a text frame.
    Text(String),
    /// In a binary frame.
    Bytes(Bytes),
}

impl Sent {
    /// The text, from either frame. Bytes that are no text become an unreadable message.
    #[must_use]
    pub fn into_text(self) -> String {
        match self {
            Sent::Text(text) => text,
            Sent::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

/// The differences between the connections of the protocols.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Most messages that a client may send in a second; none: any number.
    pub limit: Option<u32>,
    /// Makes the frame of a text that is sent.
    pub frame: fn(String) -> Message,
}

impl Manner {
    /// Texts in text frames, and any number of messages.
    pub const PLAIN: Manner = Manner { limit: None, frame: |text| Message::Text(text.into()) };
}

/// Carries messages both ways until one side ends the connection.
pub async fn pump<F: Future<Output = ()>>(
    desk: &Desk,
    line: &Line,
    (mut socket, mut waiting): (WebSocket, Waiting),
    Manner { limit, frame }: Manner,
    mut take: impl FnMut(Sent) -> F,
) {
    let mut phase = desk.phase();
    let Patience { ping, pong, life, .. } = desk.patience();
    let mut ping = interval(ping);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    let end = sleep(life);
    tokio::pin!(end);
    let mut pinged = Bytes::new();
    let mut pong_at = clock::now();
    let mut second = (clock::now(), 0_u32);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            count = waiting.take(&mut batch, BATCH) => {
                let sent = timeout(pong, write(&mut socket, &mut batch, frame));
                match sent.await {
                    Ok(Ok(None)) if count > 0 => {}
                    Ok(Ok(Some(Frame::Close(after)))) => {
                        end.as_mut().reset(tokio::time::Instant::now() + after);
                    }
                    Ok(Ok(Some(Frame::Cut))) => return line.cut(),
                    Ok(Ok(None | Some(Frame::Text(_) | Frame::Bytes(_))) | Err(_)) | Err(_) => {
                        break;
                    }
                }
            }
            got = socket.recv() => {
                if second.0.elapsed() >= Duration::from_secs(1) {
                    second = (clock::now(), 0);
                }
                second.1 += 1;
                if limit.is_some_and(|limit| second.1 > limit) {
                    desk.counters().dropped();
                    break;
                }
                match got {
                    Some(Ok(Message::Text(text))) => {
                        take(Sent::Text(text.as_str().to_owned())).await;
                    }
                    Some(Ok(Message::Binary(bytes))) => take(Sent::Bytes(bytes)).await,
                    // Only a pong with the payload of the last ping shows that the client is alive.
                    Some(Ok(Message::Pong(payload))) if payload == pinged => {
                        pong_at = clock::now();
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                }
            }
            _ = ping.tick() => {
                let late = pong_at.elapsed() > pong;
                pinged = Bytes::from(clock::wall().utc().to_string());
                if late || socket.send(Message::Ping(pinged.clone())).await.is_err() {
                    break;
                }
            }
            () = &mut end => break,
            () = Phase::over(&mut phase) => break,
        }
    }
    // The close frame need not arrive.
    drop(timeout(Duration::from_secs(1), socket.send(Message::Close(None))).await);
}

/// Sends the messages of a batch. Returns the command to close or cut, if there is one.
async fn write(
    socket: &mut WebSocket,
    batch: &mut Vec<Frame>,
    message: fn(String) -> Message,
) -> Result<Option<Frame>, axum::Error> {
    let mut other = None;
    for frame in batch.drain(..) {
        match frame {
            Frame::Text(text) => socket.feed(message(text)).await?,
            Frame::Bytes(bytes) => socket.feed(Message::Binary(bytes.into())).await?,
            Frame::Close(_) | Frame::Cut => other = Some(frame),
        }
    }
    socket.flush().await?;
    Ok(other)
}
