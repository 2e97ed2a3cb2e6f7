//! The WebSocket API: the same requests as over REST, and the account's events.

use super::answer::Ask;
use super::connections::Line;
use super::handle::{Reply, Way, through, way};
use super::hub::{Kind, Subscriptions, Ticket, flood, user_frame};
use super::limits::{Used, seconds};
use super::request_queue::Desk;
use super::rest::refuse;
use super::routes::by_name;
use super::sockets::{MESSAGE_MAX, Manner, Sent, named, pump};
use crate::faults::{Falsified, Hit};
use crate::wire::error::ApiError;
use crate::wire::params::Params;
use crate::wire::sign::{self, Registered};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::Response;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::clock;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::sleep;

/// Weight of opening a connection.
const OPENING: u64 = 2;
/// Weight of a request about the connection itself.
const OWN: u64 = 2;
/// Weight of an unknown request.
const UNKNOWN: u64 = 1;

/// `/ws-api/v3`: requests and the account's events.
pub async fn api(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(line): ConnectInfo<Line>,
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
        let (desk, line, ticket) = (&*desk, &line, &ticket);
        let take = |sent| async move {
            if let Sent::Text(text) = sent {
                asked(desk, line, ticket, text).await;
            }
        };
        pump(desk, line, (socket, waiting), Manner::PLAIN, take).await;
        desk.hub.leave(ticket);
    })
}

/// The action of a request that has been checked.
enum Act {
    Cut,
    Respond(String),
    Subscribe,
    Subscriptions,
    Unsubscribe,
    Logon { key: String, now: UtcMs },
    Session { now: UtcMs },
    Logout { now: UtcMs },
}

impl Act {
    /// Performs the action. Returns the result, and a message to send after it, if any.
    fn perform(self, own: &mut Subscriptions<'_>) -> Result<(String, Option<String>), ApiError> {
        let result = match self {
            Act::Respond(text) => text,
            Act::Cut => return Err(ApiError::internal()),
            Act::Subscribe if *own.user => {
                let msg = "User Data Stream subscription already active.";
                return Err(ApiError::new(-2035, msg));
            }
            Act::Subscribe => {
                *own.user = true;
                json!({"subscriptionId": 0}).to_string()
            }
            Act::Subscriptions => {
                let all = own.user.then(|| json!({"subscriptionId": 0}));
                all.into_iter().collect::<Value>().to_string()
            }
            Act::Unsubscribe if !*own.user => {
                let msg = "User Data Stream subscription not active.";
                return Err(ApiError::new(-2036, msg));
            }
            Act::Unsubscribe => return Ok(("{}".to_owned(), unsubscribed(own))),
            Act::Logon { key, now } => {
                *own.logged_on = Some(clock::wall().utc());
                session(own, Some(&key), now).to_string()
            }
            Act::Session { now } => {
                let key = own.logged_on.is_some().then_some(sign::DEMO_ED25519_KEY);
                session(own, key, now).to_string()
            }
            Act::Logout { now } => {
                let was = own.logged_on.take().is_some();
                let ended = if was { unsubscribed(own) } else { None };
                return Ok((session(own, None, now).to_string(), ended));
            }
        };
        Ok((result, None))
    }
}

/// Ends the account's events on a connection. Returns the event that reports the end, if it was
/// subscribed.
fn unsubscribed(own: &mut Subscriptions<'_>) -> Option<String> {
    let was = std::mem::replace(own.user, false);
    was.then(|| user_frame(&json!({"e": "eventStreamTerminated", "E": clock::wall().utc()})))
}

fn session(own: &Subscriptions<'_>, key: Option<&str>, now: UtcMs) -> Value {
    json!({
        "apiKey": key, "authorizedSince": own.logged_on, "connectedSince": own.opened,
        "returnRateLimits": true, "serverTime": now, "userDataStream": own.user,
    })
}

/// The parts of the response other than the result.
struct Frame {
    id: Value,
    used: Used,
    rates: bool,
    /// The error that a fault sends instead of the result, although the request was performed.
    instead: Option<ApiError>,
}

async fn asked(desk: &Desk, line: &Line, ticket: &Ticket, text: String) {
    let request: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let mut frame = Frame { id, used: Used::default(), rates: true, instead: None };
    let act = act(desk, ticket, &request, &mut frame).await;
    if matches!(act, Ok(Act::Cut)) {
        return line.cut();
    }
    desk.hub.answer(ticket, |own| {
        let (result, behind) = match act.and_then(|act| act.perform(own)) {
            Ok((result, behind)) => (Ok(result), behind),
            Err(error) => (Err(error), None),
        };
        let result = frame.instead.take().map_or(result, Err);
        [Some(frame.response(desk, result)), behind].into_iter().flatten().collect()
    });
}

impl Frame {
    fn response(&self, desk: &Desk, result: Result<String, ApiError>) -> String {
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
                    let now = clock::wall().utc();
                    let left = i64::try_from(left).unwrap_or(i64::MAX / 1000) * 1000;
                    error.data = Some(json!({"serverTime": now, "retryAfter": now + left}));
                }
                let (status, body) = (error.status, error.body());
                format!("{{\"id\":{id},\"status\":{status},\"error\":{body}{rates}}}")
            }
        }
    }
}

async fn act(
    desk: &Desk,
    ticket: &Ticket,
    request: &Value,
    frame: &mut Frame,
) -> Result<Act, ApiError> {
    let invalid = || ApiError::new(-1135, "Invalid JSON Request");
    let name = request.get("method").and_then(Value::as_str);
    let endpoint = name.and_then(by_name);
    let sent = parameters(request.get("params"))
        .map(|list| (sign::socket_payload(&list), Params::of(list)));
    let weight = match (endpoint, name) {
        (Some(endpoint), _) => {
            let nothing = Params::default();
            endpoint.weight.of(sent.as_ref().map_or(&nothing, |(_, params)| params))
        }
        (None, Some(name)) if name.starts_with("userDataStream.") => OWN,
        (None, Some(name)) if name.starts_with("session.") => OWN,
        (None, _) => UNKNOWN,
    };
    let weighed = desk.counters().weigh(weight, seconds());
    frame.used = match &weighed {
        Ok(used) | Err((_, used)) => *used,
    };
    let fits = |id: &Value| {
        id.is_null() || id.is_i64() || id.is_u64() || id.as_str().is_some_and(|t| t.len() <= 36)
    };
    if !fits(&frame.id) {
        frame.id = Value::Null;
        return Err(invalid());
    }
    let logged_on = desk.hub.is_logged_on(ticket);
    let ask = sent.and_then(|(payload, params)| ask(payload, params, logged_on, frame));
    if let Some(endpoint) = endpoint {
        return spoken(through(desk, endpoint, ask, weighed, &mut frame.used).await);
    }
    let hit = own_hit(desk, name);
    let way = way(desk, hit, &mut frame.used);
    let usual = || {
        weighed.map_err(|(error, _)| error)?;
        about_itself(desk, name.ok_or_else(invalid)?, &ask?)
    };
    match way {
        // Hostile faults do not apply to requests about the connection itself.
        Way::Usual | Way::Otherwise(_) => usual(),
        Way::Instead(reply) => spoken(reply),
        Way::Though(reply) => {
            // The state of a connection ends with it, so a cut request need not be performed.
            let act = spoken(reply);
            frame.instead = act.as_ref().err().cloned();
            if act.is_ok() { act } else { usual() }
        }
        Way::Late(wait) => {
            let act = usual();
            sleep(wait).await;
            act
        }
    }
}

/// The fault that hits a request about the connection itself. The hit is logged.
fn own_hit(desk: &Desk, name: Option<&str>) -> Option<Hit> {
    let (name, now) = (name?, desk.venue_now());
    let hit = desk.faults.own(name, now)?;
    desk.requests.spoilt(now, hit, name);
    Some(hit)
}

fn spoken(reply: Reply) -> Result<Act, ApiError> {
    match reply {
        Reply::Response(result) => result.map(Act::Respond),
        Reply::Lied(_, falsified) => Ok(Act::Respond(match falsified {
            Falsified::Texts(mut texts) => texts.pop().unwrap_or_default(),
            Falsified::Html(text) => text,
            Falsified::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Falsified::Endless { text, .. } => flood(text),
        })),
        Reply::Page(_) | Reply::Cut => Ok(Act::Cut),
    }
}

/// Requests about the connection itself.
fn about_itself(desk: &Desk, name: &str, ask: &Ask) -> Result<Act, ApiError> {
    let now = || desk.read(|_, _, when| Ok(when.now));
    match name {
        "userDataStream.subscribe.signature" => {
            if ask.key.is_none() {
                return Err(ApiError::mandatory("apiKey"));
            }
            desk.read(|_, _, when| ask.signed(when))?;
            ask.params.finish()?;
            Ok(Act::Subscribe)
        }
        "userDataStream.subscribe" => {
            ask.params.finish()?;
            if !ask.logged_on {
                return Err(ApiError::new(-2014, "API-key format invalid."));
            }
            Ok(Act::Subscribe)
        }
        "userDataStream.unsubscribe" => {
            ask.params.integer("subscriptionId")?;
            ask.params.finish()?;
            Ok(Act::Unsubscribe)
        }
        "session.subscriptions" => Ok(Act::Subscriptions),
        "session.logon" => {
            let key = ask.key.clone().ok_or_else(|| ApiError::mandatory("apiKey"))?;
            if sign::key(Some(&key))? != Registered::Ed25519 {
                return Err(ApiError::new(-4056, "HMAC_SHA256 API key is not supported."));
            }
            desk.read(|_, _, when| ask.signed(when))?;
            ask.params.finish()?;
            Ok(Act::Logon { key, now: now()? })
        }
        "session.status" => Ok(Act::Session { now: now()? }),
        "session.logout" => Ok(Act::Logout { now: now()? }),
        _ => Err(ApiError::new(-1020, "This operation is not supported.")),
    }
}

fn ask(
    payload: String,
    params: Params,
    logged_on: bool,
    frame: &mut Frame,
) -> Result<Ask, ApiError> {
    frame.rates = params.text("returnRateLimits")? != Some("false");
    let key = params.text("apiKey")?.map(str::to_owned);
    Ok(Ask { params, key, payload, logged_on })
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
