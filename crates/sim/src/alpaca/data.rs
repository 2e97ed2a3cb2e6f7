//! The streams of market data: JSON arrays in text frames, or `MessagePack` in binary frames.
//!
//! A bar is sent when its minute has ended. Quotes, updated bars and daily bars can be subscribed
//! to, and none is ever sent.

use super::bars::Row;
use super::packed;
use super::quotes::trade;
use super::rest::known;
use crate::exchange::Exchange;
use crate::exchange::SimFact;
use crate::exchange::local::closed_between;
use crate::market::{Market, Paused};
use crate::server::connections::Line;
use crate::server::hub::{Kind, LogOn, STREAMS_MAX, Subscriptions, Ticket};
use crate::server::request_queue::{Desk, Published};
use crate::server::sockets::{MESSAGE_MAX, Manner, Sent, named, pump};
use crate::wire::intervals::INTERVALS;
use crate::wire::klines;
use crate::wire::streams::{self, Before};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use everwarm_domain::id::Symbol;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;

/// Most symbols of a connection to the free feed.
pub const IEX_SYMBOLS: usize = 30;

/// The channels of a connection, and the kinds of their streams. Only the first two carry messages.
const CHANNELS: [(&str, &str); 8] = [
    ("bars", "kline_1m"),
    ("trades", "trade"),
    ("quotes", "quote"),
    ("updatedBars", "updatedBars"),
    ("dailyBars", "dailyBars"),
    ("statuses", "statuses"),
    ("lulds", "lulds"),
    ("corrections", "corrections"),
];

/// An error of a stream: its code, and its message.
type Refusal = (u16, &'static str);

/// A feed that clients can connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Feed {
    name: &'static str,
    symbols: usize,
}

impl Feed {
    fn of(path: &str) -> Feed {
        match path.rsplit('/').next() {
            Some("sip") => Feed { name: "sip", symbols: STREAMS_MAX },
            Some("test") => Feed { name: "test", symbols: STREAMS_MAX },
            _ => Feed { name: "iex", symbols: IEX_SYMBOLS },
        }
    }
}

/// `/v2/iex`, `/v2/sip` and `/v2/test`: market data.
pub async fn feed(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(line): ConnectInfo<Line>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    desk.touch();
    let (id, feed) = (named(&headers), Feed::of(uri.path()));
    let packed = packed::is_wanted(&headers);
    upgrade.max_message_size(MESSAGE_MAX).on_upgrade(move |socket| async move {
        let (ticket, waiting) = desk.hub.join(Kind::Market, id, false);
        desk.hub.answer(&ticket, |_| vec![success("connected")]);
        // An unreadable request becomes one without members.
        let read = |sent: Sent| match (packed, sent) {
            (true, Sent::Bytes(bytes)) => packed::read(&bytes).unwrap_or_default(),
            (true, Sent::Text(_)) => Map::new(),
            (false, sent) => serde_json::from_str(&sent.into_text()).unwrap_or_default(),
        };
        let manner = if packed { packed::MANNER } else { Manner::PLAIN };
        let pumping = pump(&desk, &line, (socket, waiting), manner, |sent| {
            take(&desk, &ticket, feed, &read(sent));
            ready(())
        });
        tokio::pin!(pumping);
        tokio::select! {
            () = &mut pumping => {}
            () = tokio::time::sleep(desk.patience().log_on) => {
                if !desk.hub.is_logged_on(&ticket) {
                    desk.hub.answer(&ticket, |_| vec![failure((404, "auth timeout"))]);
                    // The connection closes after this message.
                    desk.hub.leave(&ticket);
                }
                pumping.await;
            }
        }
        desk.hub.leave(&ticket);
    })
}

fn success(text: &str) -> String {
    json!([{"T": "success", "msg": text}]).to_string()
}

fn failure((code, text): Refusal) -> String {
    json!([{"T": "error", "code": code, "msg": text}]).to_string()
}

/// Executes a message of the client, and sends the response.
fn take(desk: &Desk, ticket: &Ticket, feed: Feed, request: &Map<String, Value>) {
    let word = |name: &str| request.get(name).and_then(Value::as_str);
    match word("action") {
        Some("auth") => {
            let allowed = desk.keys.accept(known(word("key"), word("secret")));
            let (answer, over) = log_on(desk, ticket, feed, allowed);
            desk.hub.answer(ticket, |_| vec![answer]);
            if over {
                // The connection closes after this message.
                desk.hub.leave(ticket);
            }
        }
        Some(action @ ("subscribe" | "unsubscribe")) => {
            let more = action == "subscribe";
            desk.hub.answer(ticket, |own| {
                vec![changed(own, feed, request, more).unwrap_or_else(failure)]
            });
        }
        _ => desk.hub.answer(ticket, |_| vec![failure((400, "invalid syntax"))]),
    }
}

/// The response to a log-on, and whether the connection ends with it.
fn log_on(desk: &Desk, ticket: &Ticket, feed: Feed, allowed: bool) -> (String, bool) {
    let again = (failure((403, "already authenticated")), false);
    if desk.hub.is_logged_on(ticket) {
        return again;
    }
    if !allowed {
        return (failure((402, "auth failed")), true);
    }
    match desk.hub.log_on(ticket, feed.name) {
        LogOn::Done => (success("authenticated"), false),
        LogOn::Again => again,
        LogOn::Taken => (failure((406, "connection limit exceeded")), true),
    }
}

/// Changes the subscriptions of a connection. Returns the complete lists. A refused request changes
/// nothing.
fn changed(
    own: &mut Subscriptions<'_>,
    feed: Feed,
    request: &Map<String, Value>,
    more: bool,
) -> Result<String, Refusal> {
    if own.logged_on.is_none() {
        return Err((401, "not authenticated"));
    }
    let mut streams = own.streams.clone();
    for (name, value) in request.iter().filter(|(name, _)| *name != "action") {
        let channel = CHANNELS.iter().find(|(channel, _)| channel == name);
        let (_, kind) = channel.ok_or((410, "invalid subscribe action for this feed"))?;
        let names = value.as_array().ok_or((400, "invalid syntax"))?;
        if names.len() > STREAMS_MAX {
            return Err((405, "symbol limit exceeded"));
        }
        for name in names {
            let symbol = name.as_str().filter(|name| *name == "*" || Symbol::named(name).is_ok());
            let symbol = symbol.ok_or((400, "invalid syntax"))?;
            let stream = format!("{}@{kind}", symbol.to_lowercase());
            if more {
                streams.insert(stream);
            } else {
                streams.remove(&stream);
            }
        }
    }
    if more && counted(&streams) > feed.symbols {
        return Err((405, "symbol limit exceeded"));
    }
    *own.streams = streams;
    Ok(subscription(own.streams))
}

/// The number of subscribed symbols. All symbols are more than any limit of the free feed.
fn counted(streams: &BTreeSet<String>) -> usize {
    let symbols = streams.iter().filter_map(|stream| stream.split_once('@'));
    let symbols: BTreeSet<&str> = symbols.map(|(symbol, _)| symbol).collect();
    if symbols.contains("*") { symbols.len().max(IEX_SYMBOLS + 1) } else { symbols.len() }
}

fn subscription(streams: &BTreeSet<String>) -> String {
    let mut answer = json!({"T": "subscription"});
    for (channel, kind) in CHANNELS {
        let of_kind = streams.iter().filter_map(|stream| stream.split_once('@'));
        let of_kind = of_kind.filter(|(_, other)| *other == kind);
        answer[channel] = of_kind.map(|(symbol, _)| symbol.to_uppercase()).collect();
    }
    json!([answer]).to_string()
}

/// The messages (stream, text) about an input that released trades or ended minutes.
pub fn messages(
    exchange: &Exchange,
    (market, published): (&mut Paused, Published<'_>),
    input: &SimFact,
    before: &Before,
    wanted: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let (reached, each) = (exchange.market(), market.trades_per_minute());
    let mut messages = Vec::new();
    if wanted.iter().any(|stream| stream.ends_with("@trade")) {
        let bars = streams::traded(market, input).map(|(_, bars)| bars).unwrap_or_default();
        for bar in bars.iter().filter(|bar| !bar.volume.is_zero()) {
            let symbol = bar.symbol;
            let stream = format!("{}@trade", symbol.as_str().to_lowercase());
            let prints = market.prints(bar).into_iter();
            let new = prints.filter(|print| before.market < print.time && print.time <= reached);
            messages.extend(new.map(|print| {
                let members = trade(print.time, print.price.decimal(), print.quantity, print.id);
                (stream.clone(), format!("[{{\"T\":\"t\",\"S\":\"{symbol}\",{members}}}]"))
            }));
        }
    }
    for (_, bars) in closed_between(market, before.market, reached) {
        for bar in bars.into_iter().filter(|bar| !bar.volume.is_zero()) {
            let symbol = bar.symbol;
            let members = Row::of(&published(bar), each).members();
            let text = format!("[{{\"T\":\"b\",\"S\":\"{symbol}\",{members}}}]");
            messages.push((klines::stream(symbol, INTERVALS[0]), text));
        }
    }
    messages
}
