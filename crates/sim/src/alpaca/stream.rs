//! The stream of the account: `trade_updates`, as JSON in binary frames. Missed messages are not
//! repeated.

use super::rest::known;
use crate::server::account_keys::AccountKeys;
use crate::server::connections::Line;
use crate::server::hub::{Kind, Subscriptions};
use crate::server::request_queue::Desk;
use crate::server::sockets::{MESSAGE_MAX, Manner, named, pump};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::Response;
use everwarm_runtime::clock;
use serde_json::{Value, json};
use std::future::ready;
use std::sync::Arc;

/// The only stream.
const UPDATES: &str = "trade_updates";

/// `/stream`: the messages about orders.
pub async fn stream(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    desk.touch();
    let id = named(&headers);
    upgrade.max_message_size(MESSAGE_MAX).on_upgrade(move |socket| async move {
        let (ticket, waiting) = desk.hub.join(Kind::User, id, false);
        pump(&desk, &line, (socket, waiting), Manner::PLAIN, |sent| {
            desk.hub.answer(&ticket, |own| vec![control((own, &desk.keys), &sent.into_text())]);
            ready(())
        })
        .await;
        desk.hub.leave(&ticket);
    })
}

/// The message with the streams that a connection listens to.
#[must_use]
pub fn listening(streams: &[&str]) -> String {
    json!({"stream": "listening", "data": {"streams": streams}}).to_string()
}

fn authorization(action: &str, allowed: bool) -> String {
    let status = if allowed { "authorized" } else { "unauthorized" };
    json!({"stream": "authorization", "data": {"status": status, "action": action}}).to_string()
}

/// Executes a message of the client. Returns the response.
fn control((own, keys): (&mut Subscriptions<'_>, &AccountKeys), text: &str) -> String {
    let request: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let member = |name: &str| request.get(name).and_then(Value::as_str);
    let data = |name: &str| request.get("data")?.get(name);
    let word = |name: &str| data(name).and_then(Value::as_str);
    match member("action") {
        Some("authenticate") => {
            let allowed = keys.accept(known(word("key_id"), word("secret_key")));
            log_on(own, "authenticate", allowed)
        }
        Some("auth") => {
            let allowed = keys.accept(known(member("key"), member("secret")));
            log_on(own, "authenticate", allowed)
        }
        Some("listen") if own.logged_on.is_none() => authorization("listen", false),
        Some("listen") => {
            let Some(streams) = data("streams").and_then(Value::as_array) else {
                return failure("streams must be a list");
            };
            *own.user = streams.iter().any(|stream| stream == UPDATES);
            listening(if *own.user { &[UPDATES] } else { &[] })
        }
        Some(_) => failure("unknown action"),
        None => failure("invalid syntax"),
    }
}

fn log_on(own: &mut Subscriptions<'_>, action: &str, allowed: bool) -> String {
    if allowed && own.logged_on.is_none() {
        *own.logged_on = Some(clock::wall().utc());
    }
    authorization(action, allowed || own.logged_on.is_some())
}

fn failure(text: &str) -> String {
    json!({"stream": "error", "data": {"error": text}}).to_string()
}
