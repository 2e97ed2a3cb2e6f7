//! Who listens: the connections, what they have subscribed to, and how much each has been sent.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Messages that may wait for one connection; one that is further behind is dropped.
const QUEUE: usize = 1 << 16;
/// Streams one connection may subscribe to.
pub const STREAMS_MAX: usize = 1_024;

/// The two kinds of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Market streams.
    Market,
    /// The WebSocket API.
    User,
}

/// A connection's place among the others. A second connection of the same name ends the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    kind: Kind,
    id: String,
    serial: u64,
}

#[derive(Debug)]
struct Connection {
    serial: u64,
    queue: mpsc::Sender<String>,
    streams: BTreeSet<String>,
    combined: bool,
    subscribed: bool,
    frames: u64,
}

#[derive(Debug, Default)]
struct State {
    connections: BTreeMap<(Kind, String), Connection>,
    serial: u64,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Hub(Mutex<State>);

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in, under the name it gave or one of ours.
    pub fn join(
        &self,
        kind: Kind,
        id: Option<String>,
        combined: bool,
    ) -> (Ticket, mpsc::Receiver<String>) {
        let mut state = self.lock();
        state.serial += 1;
        let serial = state.serial;
        let id = id.unwrap_or_else(|| format!("connection-{serial}"));
        let (queue, waiting) = mpsc::channel(QUEUE);
        let connection = Connection {
            serial,
            queue,
            streams: BTreeSet::new(),
            combined,
            subscribed: false,
            frames: 0,
        };
        state.connections.insert((kind, id.clone()), connection);
        (Ticket { kind, id, serial }, waiting)
    }

    /// Lets a connection go.
    pub fn leave(&self, ticket: &Ticket) {
        let mut state = self.lock();
        let key = (ticket.kind, ticket.id.clone());
        if state.connections.get(&key).is_some_and(|c| c.serial == ticket.serial) {
            state.connections.remove(&key);
        }
    }

    /// Changes a connection and answers it, in one act: no frame falls between.
    pub fn answer(
        &self,
        ticket: &Ticket,
        act: impl FnOnce(&mut Subscriptions<'_>) -> Option<String>,
    ) {
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
        };
        let Some(answer) = act(&mut subscriptions) else { return };
        if connection.queue.try_send(answer).is_err() {
            state.connections.remove(&key);
        }
    }

    /// The market streams somebody listens to; none where nobody is connected to them.
    pub fn wanted(&self) -> Option<BTreeSet<String>> {
        let state = self.lock();
        let of_market = state.connections.iter().filter(|((kind, _), _)| *kind == Kind::Market);
        let mut all = None;
        for (_, connection) in of_market {
            all.get_or_insert_with(BTreeSet::new).extend(connection.streams.iter().cloned());
        }
        all
    }

    /// Sends stream messages (name, text) to those who have subscribed to them.
    pub fn publish_market(&self, messages: &[(String, String)]) {
        let wrap =
            |stream: &str, text: &str| format!("{{\"stream\":\"{stream}\",\"data\":{text}}}");
        self.publish(Kind::Market, |connection| {
            let wanted = messages.iter().filter(|(stream, _)| connection.streams.contains(stream));
            wanted
                .map(|(s, text)| if connection.combined { wrap(s, text) } else { text.clone() })
                .collect()
        });
    }

    /// Sends events of the account to those who have subscribed to them.
    pub fn publish_user(&self, events: &[Value]) {
        let wrap = |event| json!({"subscriptionId": 0, "event": event}).to_string();
        self.publish(Kind::User, |connection| {
            let wanted = if connection.subscribed { events } else { &[] };
            wanted.iter().map(wrap).collect()
        });
    }

    fn publish(&self, kind: Kind, frames: impl Fn(&Connection) -> Vec<String>) {
        let mut state = self.lock();
        state.connections.retain(|(is, _), connection| {
            if *is != kind {
                return true;
            }
            for frame in frames(connection) {
                if connection.queue.try_send(frame).is_err() {
                    return false;
                }
                connection.frames += 1;
            }
            true
        });
    }

    /// Data frames each connection of a kind has ever carried, by name.
    pub fn frames(&self, kind: Kind) -> BTreeMap<String, u64> {
        let state = self.lock();
        let of_kind = state.connections.iter().filter(|((is, _), _)| *is == kind);
        of_kind.map(|((_, id), connection)| (id.clone(), connection.frames)).collect()
    }

    /// Number of connections.
    pub fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    /// Lets all go.
    pub fn clear(&self) {
        self.lock().connections.clear();
    }
}

/// What a connection may change of itself.
#[derive(Debug)]
pub struct Subscriptions<'a> {
    /// Market streams.
    pub streams: &'a mut BTreeSet<String>,
    /// Whether messages carry the names of their streams.
    pub combined: &'a mut bool,
    /// Events of the account.
    pub user: &'a mut bool,
}
