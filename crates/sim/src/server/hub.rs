//! The open connections, their subscriptions, and the frames sent on each.

use super::protocol::{Protocol, UserEvent};
use super::queue::{Frame, Queue, Waiting};
use super::requests::Requests;
use crate::alpaca::stream::listening;
use crate::faults::{Falsified, Faults, Hit, Kind as Fault, Lie};
use crate::wire::number;
use everwarm_domain::money::{Decimal, PRICE_SCALE_MAX, parse_decimal};
use everwarm_domain::time::UtcMs;
use everwarm_runtime::clock;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Blanks that make a message too long for a client.
const FLOOD: usize = 2 << 20;
/// Most streams that one connection may subscribe to.
pub const STREAMS_MAX: usize = 1_024;

/// The two kinds of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Market streams.
    Market,
    /// The WebSocket API.
    User,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Market => "market",
            Kind::User => "user",
        }
    }
}

/// A message to send: its stream or event, its text on the wire, and the order it reports.
struct Message {
    name: String,
    text: String,
    order: Option<(String, u64)>,
}

/// The text and so many blanks that no client accepts it.
pub fn flood(mut text: String) -> String {
    text.extend(std::iter::repeat_n(' ', FLOOD));
    text
}

fn wrapped(stream: &str, text: &str) -> String {
    format!("{{\"stream\":\"{stream}\",\"data\":{text}}}")
}

/// The registration of a connection. A second connection with the same name ends the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    kind: Kind,
    id: String,
    serial: u64,
}

#[derive(Debug)]
struct Connection {
    serial: u64,
    queue: Queue,
    streams: BTreeSet<String>,
    combined: bool,
    subscribed: bool,
    frames: u64,
    /// Streams and events that it no longer gets, each until a venue time. An empty name means all.
    silenced: BTreeMap<String, UtcMs>,
    /// A held back message, sent after the next one.
    held: Option<String>,
    opened: UtcMs,
    logged_on: Option<UtcMs>,
    protocol: Protocol,
    /// Whether its messages are sent as bytes.
    binary: bool,
    /// The feed that it logged on to.
    feed: Option<&'static str>,
}

/// The result of a log-on to a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOn {
    /// The connection is logged on now.
    Done,
    /// It was logged on before.
    Again,
    /// Another connection is logged on to the feed.
    Taken,
}

#[derive(Debug, Default)]
struct State {
    connections: BTreeMap<(Kind, String), Connection>,
    serial: u64,
}

/// All connections.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    protocol: Protocol,
    faults: Arc<Faults>,
    requests: Arc<Requests>,
}

impl Hub {
    /// A hub without connections. Faults apply to its messages, and the request log records hits.
    #[must_use]
    pub fn new(protocol: Protocol, faults: Arc<Faults>, requests: Arc<Requests>) -> Hub {
        Hub { state: Mutex::default(), protocol, faults, requests }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a connection, under the name that the client gave or a generated one.
    pub fn join(&self, kind: Kind, id: Option<String>, combined: bool) -> (Ticket, Waiting) {
        let mut state = self.lock();
        state.serial += 1;
        let serial = state.serial;
        let id = id.unwrap_or_else(|| format!("connection-{serial}"));
        let (queue, waiting) = Waiting::new();
        let connection = Connection {
            serial,
            queue,
            streams: BTreeSet::new(),
            combined,
            subscribed: false,
            frames: 0,
            silenced: BTreeMap::new(),
            held: None,
            opened: clock::wall().utc(),
            logged_on: None,
            protocol: self.protocol,
            binary: self.protocol == Protocol::Alpaca && kind == Kind::User,
            feed: None,
        };
        state.connections.insert((kind, id.clone()), connection);
        (Ticket { kind, id, serial }, waiting)
    }

    /// Removes a connection.
    pub fn leave(&self, ticket: &Ticket) {
        let mut state = self.lock();
        let key = (ticket.kind, ticket.id.clone());
        if state.connections.get(&key).is_some_and(|c| c.serial == ticket.serial) {
            state.connections.remove(&key);
        }
    }

    /// Changes a connection and sends the responses in one step, with no other frame in between.
    pub fn answer(&self, ticket: &Ticket, act: impl FnOnce(&mut Subscriptions<'_>) -> Vec<String>) {
        let mut state = self.lock();
        let key = (ticket.kind, ticket.id.clone());
        let Some(connection) = state.connections.get_mut(&key) else { return };
        if connection.serial != ticket.serial {
            return;
        }
        let mut subscriptions = Subscriptions {
            streams: &mut connection.streams,
            combined: &mut connection.combined,
            user: &mut connection.subscribed,
            logged_on: &mut connection.logged_on,
            opened: connection.opened,
        };
        let answers = act(&mut subscriptions);
        let mut answers = answers.into_iter().map(|text| connection.frame(text));
        if answers.any(|answer| !connection.queue.push(answer)) {
            state.connections.remove(&key);
        }
    }

    /// Whether a connection has logged on.
    pub fn is_logged_on(&self, ticket: &Ticket) -> bool {
        let state = self.lock();
        let connection = state.connections.get(&(ticket.kind, ticket.id.clone()));
        connection.is_some_and(|c| c.serial == ticket.serial && c.logged_on.is_some())
    }

    /// Logs a connection on to a feed that takes one connection.
    pub fn log_on(&self, ticket: &Ticket, feed: &'static str) -> LogOn {
        let mut state = self.lock();
        let others = state.connections.values().filter(|c| c.serial != ticket.serial);
        let taken = others.filter_map(|c| c.feed).any(|other| other == feed);
        let own = state.connections.get_mut(&(ticket.kind, ticket.id.clone()));
        let Some(own) = own.filter(|own| own.serial == ticket.serial) else { return LogOn::Taken };
        if own.logged_on.is_some() {
            return LogOn::Again;
        }
        if taken {
            return LogOn::Taken;
        }
        (own.feed, own.logged_on) = (Some(feed), Some(clock::wall().utc()));
        LogOn::Done
    }

    /// The market streams with a subscriber; none if there is no market stream connection.
    pub fn wanted(&self) -> Option<BTreeSet<String>> {
        let state = self.lock();
        let of_market = state.connections.iter().filter(|((kind, _), _)| *kind == Kind::Market);
        let mut all = None;
        for (_, connection) in of_market {
            all.get_or_insert_with(BTreeSet::new).extend(connection.streams.iter().cloned());
        }
        all
    }

    /// Sends stream messages (name, text) to their subscribers, at a venue time.
    pub fn publish_market(&self, messages: &[(String, String)], now: UtcMs) {
        self.publish(Kind::Market, now, |connection| {
            let wanted = messages.iter().filter(|(stream, _)| connection.wants(stream));
            let message = |(stream, text): &(String, String)| Message {
                text: if connection.combined { wrapped(stream, text) } else { text.clone() },
                name: stream.clone(),
                order: None,
            };
            wanted.map(message).collect()
        });
    }

    /// Sends events of the account to their subscribers, at a venue time.
    pub fn publish_user(&self, events: &[UserEvent], now: UtcMs) {
        let message = |event: &UserEvent| {
            let UserEvent { name, text, order } = event.clone();
            Message { name, text, order }
        };
        self.publish(Kind::User, now, |connection| {
            let wanted = if connection.subscribed { events } else { &[] };
            wanted.iter().map(message).collect()
        });
    }

    fn publish(&self, kind: Kind, now: UtcMs, messages: impl Fn(&Connection) -> Vec<Message>) {
        let mut state = self.lock();
        state.connections.retain(|(is, _), connection| {
            if *is != kind {
                return true;
            }
            messages(connection).into_iter().all(|message| {
                // An earlier message may have ended the subscription.
                let over = kind == Kind::User && !connection.subscribed;
                if over || connection.is_silenced(&message.name, now) {
                    return true;
                }
                let Message { name, text, order } = &message;
                let hit = self.faults.message(kind.word(), name, text, now);
                if let Some(hit) = hit {
                    self.requests.spoilt(now, hit, name);
                }
                let twin = order.as_ref().and_then(|(symbol, id)| self.faults.twin(symbol, *id));
                if let Some(lie) = hit.and_then(|hit| hit.lie) {
                    return connection.lie(lie, &message.text, twin);
                }
                connection.take(kind, message, hit, now)
            })
        });
    }

    /// Data frames sent so far on each connection of a kind, by name.
    pub fn frames(&self, kind: Kind) -> BTreeMap<String, u64> {
        let state = self.lock();
        let of_kind = state.connections.iter().filter(|((is, _), _)| *is == kind);
        of_kind.map(|((_, id), connection)| (id.clone(), connection.frames)).collect()
    }

    /// Number of connections.
    pub fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    /// Removes all connections.
    pub fn clear(&self) {
        self.lock().connections.clear();
    }
}

impl Connection {
    /// Whether it subscribes to a stream, by name or to all symbols of its kind.
    fn wants(&self, stream: &str) -> bool {
        let all = || {
            let kind = stream.split_once('@').map(|(_, kind)| format!("*@{kind}"));
            kind.is_some_and(|all| self.streams.contains(&all))
        };
        self.streams.contains(stream) || (self.protocol == Protocol::Alpaca && all())
    }

    /// A text as this connection gets it.
    fn frame(&self, text: String) -> Frame {
        if self.binary { Frame::Bytes(text.into_bytes()) } else { Frame::Text(text) }
    }

    /// The notice that the connection will end soon. None: the protocol has none.
    fn ending(&self, kind: Kind, now: UtcMs) -> Option<String> {
        if self.protocol == Protocol::Alpaca {
            return None;
        }
        let event = json!({"e": "serverShutdown", "E": now});
        Some(match (kind, self.combined) {
            (Kind::User, _) => json!({"event": event}).to_string(),
            (Kind::Market, true) => wrapped("!serverShutdown", &event.to_string()),
            (Kind::Market, false) => event.to_string(),
        })
    }

    fn is_silenced(&self, name: &str, now: UtcMs) -> bool {
        let until = [self.silenced.get(""), self.silenced.get(name)];
        until.into_iter().flatten().any(|until| now < *until)
    }

    /// Sends a message as its fault requires. False if the connection ends.
    fn take(&mut self, kind: Kind, message: Message, hit: Option<Hit>, now: UtcMs) -> bool {
        let Message { name, text, .. } = message;
        let Some(hit) = hit else { return self.send(text) && self.release() };
        match hit.kind {
            Fault::Missing => true,
            Fault::Silent | Fault::ChannelSilent => {
                let what = if hit.kind == Fault::Silent { String::new() } else { name };
                let until = UtcMs::try_from(hit.number).ok().filter(|length| *length > 0);
                let until = until.map_or(UtcMs::MAX, |length| now.saturating_add(length));
                self.silenced.insert(what, until);
                true
            }
            Fault::OddBar => self.send(odd(&text, hit.number)) && self.release(),
            Fault::Duplicate => self.send(text.clone()) && self.send(text) && self.release(),
            Fault::Reorder => self.held.replace(text).is_none_or(|before| self.send(before)),
            Fault::Reset => {
                // The connection ends in any case.
                self.queue.push(Frame::Cut);
                false
            }
            Fault::Rotate => {
                if self.send(text) && self.release() {
                    self.queue.push(Frame::Close(Duration::ZERO));
                }
                false
            }
            Fault::Shutdown => {
                let notice = self.ending(kind, now);
                let sent = self.send(text) && self.release();
                let sent = sent && notice.is_none_or(|notice| self.send(notice));
                let close = Frame::Close(Duration::from_millis(hit.number));
                sent && self.queue.push(close)
            }
            Fault::UserStreamEnded => {
                self.subscribed = false;
                self.send(match self.protocol {
                    Protocol::Binance => {
                        user_frame(&json!({"e": "eventStreamTerminated", "E": now}))
                    }
                    Protocol::Alpaca => listening(&[]),
                })
            }
            Fault::Hostile
            | Fault::NoAnswer
            | Fault::Slow
            | Fault::ErrorBefore
            | Fault::ErrorAfter
            | Fault::Limited
            | Fault::Banned
            | Fault::UnknownOrder
            | Fault::ClockSkew
            | Fault::LateFills
            | Fault::PartialFills
            | Fault::OddRecords => self.send(text) && self.release(),
        }
    }

    /// Sends a lie instead of a message. False if the connection ends.
    fn lie(&mut self, lie: Lie, text: &str, twin: Option<u64>) -> bool {
        let sent = match lie.falsify(text, twin) {
            Falsified::Texts(texts) => texts.into_iter().all(|text| self.send(text)),
            Falsified::Html(text) => self.send(text),
            Falsified::Bytes(bytes) => self.queue.push(Frame::Bytes(bytes)),
            Falsified::Endless { text, .. } => self.send(flood(text)),
        };
        sent && self.release()
    }

    fn send(&mut self, text: String) -> bool {
        self.frames += 1;
        self.queue.push(self.frame(text))
    }

    /// Sends the held back message.
    fn release(&mut self) -> bool {
        let held = self.held.take();
        held.is_none_or(|held| self.send(held))
    }
}

/// The message of a bar, with its prices multiplied by `percent` / 100.
fn odd(text: &str, percent: u64) -> String {
    let Ok(mut message) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    let wrapped = message.get("data").is_some();
    let bar = if wrapped { &mut message["data"]["k"] } else { &mut message["k"] };
    for price in ["o", "h", "l", "c"] {
        let value = bar[price].as_str().and_then(|text| parse_decimal(text).ok());
        let value = value.and_then(|price| price.checked_mul(Decimal::from(percent)));
        let Some(value) = value else { continue };
        let value = (value / Decimal::ONE_HUNDRED).trunc_with_scale(PRICE_SCALE_MAX.into());
        bar[price] = number(value).into();
    }
    message.to_string()
}

/// The text of an event of the account.
pub fn user_frame(event: &Value) -> String {
    json!({"subscriptionId": 0, "event": event}).to_string()
}

/// The state of a connection that its own requests can change.
#[derive(Debug)]
pub struct Subscriptions<'a> {
    /// Market streams.
    pub streams: &'a mut BTreeSet<String>,
    /// Whether messages carry the names of their streams.
    pub combined: &'a mut bool,
    /// Events of the account.
    pub user: &'a mut bool,
    /// Wall time at which it logged on, UTC milliseconds.
    pub logged_on: &'a mut Option<UtcMs>,
    /// Wall time at which it was opened, UTC milliseconds.
    pub opened: UtcMs,
}
