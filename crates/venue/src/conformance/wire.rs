//! The wire of a walk: requests and websockets to the venue, or a record in their place.

use super::Answers;
use super::record::{Head, Http as Exchanged, Line, Message, Played, Recorder};
use crate::transport::{
    ConnectError, Http, HttpRequest, Method, PLACE_TIMEOUT, Probe, Socket, SocketEvent,
    TransportError,
};
use everwarm_domain::secret::Secret;
use everwarm_domain::time::UtcMs;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// The parts of a message that may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The parameters of a request.
    Query,
    /// A body, or a message of a websocket.
    Text,
}

/// Removes keys, signatures, account numbers and balances.
pub type Scrub = Arc<dyn Fn(Part, &str) -> String + Send + Sync>;

/// Our wall clock, UTC milliseconds.
pub type Now = Arc<dyn Fn() -> UtcMs + Send + Sync>;

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// The base address.
    pub base: &'a str,
    /// Method.
    pub method: Method,
    /// The path behind the base address.
    pub path: &'a str,
    /// The parameters, percent-encoded and signed.
    pub query: String,
    /// The headers that identify the account: name and value.
    pub keys: &'a [(&'static str, &'a Secret)],
    /// JSON body; empty: none.
    pub body: String,
}

impl Request<'_> {
    /// Method and path.
    #[must_use]
    pub fn name(&self) -> String {
        let method = match self.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
        };
        format!("{method} {}", self.path)
    }
}

/// What came next on a websocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// A message.
    Text(String),
    /// A ping.
    Ping,
    /// The end of the connection, with the reason.
    Closed(String),
    /// Nothing in time.
    Nothing,
}

/// A connection to the venue.
struct Live {
    /// The connections to each base address.
    bases: BTreeMap<String, Http>,
    sockets: BTreeMap<u32, Socket>,
    now: Now,
    record: Option<Recorder>,
    scrub: Scrub,
}

enum Way {
    Live(Box<Live>),
    Played(Box<Played>),
}

/// See the module.
pub struct Wire {
    way: Way,
    step: &'static str,
    last: u32,
    stop: watch::Receiver<bool>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("step", &self.step).finish_non_exhaustive()
    }
}

impl Wire {
    /// A wire to the addresses `bases`, or to a record.
    ///
    /// # Errors
    /// TLS cannot be set up, or the record cannot be created.
    pub fn new(
        answers: Answers,
        head: &Head,
        (bases, now, scrub): (&[&str], Now, Scrub),
        stop: watch::Receiver<bool>,
    ) -> Result<Wire, String> {
        let way = match answers {
            Answers::Record(played) => Way::Played(Box::new(played)),
            Answers::Venue(path) => {
                let connections = |base: &&str| {
                    let http = Http::new(base, Probe::default())?;
                    Ok(((*base).to_owned(), http))
                };
                let bases = bases.iter().map(connections).collect::<Result<_, String>>()?;
                let record = path.map(|path| Recorder::create(&path, head)).transpose()?;
                let sockets = BTreeMap::new();
                Way::Live(Box::new(Live { bases, sockets, now, record, scrub }))
            }
        };
        Ok(Wire { way, step: "", last: 0, stop })
    }

    /// Begins a step: later messages belong to it.
    pub fn begin(&mut self, step: &'static str) {
        self.step = step;
    }

    /// Whether the walk must end early.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits again after the walk was stopped.
    pub fn go_on(&mut self) {
        self.stop = watch::channel(false).1;
    }

    /// Our wall clock, UTC milliseconds: as recorded if a record is played.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        match &self.way {
            Way::Live(live) => (live.now)(),
            Way::Played(played) => played.now(),
        }
    }

    /// Whether the record is complete so far.
    ///
    /// # Errors
    /// The first failure.
    pub fn recorded(&self) -> Result<(), String> {
        match &self.way {
            Way::Live(live) => live.record.as_ref().map_or(Ok(()), Recorder::end),
            Way::Played(_) => Ok(()),
        }
    }

    /// Waits between two equal requests. A record does not wait.
    pub async fn pause(&mut self, time: Duration) {
        if matches!(self.way, Way::Live(_)) {
            tokio::select! {
                () = stopped(&mut self.stop) => {}
                () = tokio::time::sleep(time) => {}
            }
        }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// There is no response.
    pub async fn http(&mut self, request: Request<'_>) -> Result<Exchanged, String> {
        let name = request.name();
        let live = match &mut self.way {
            Way::Live(live) => live,
            Way::Played(played) => return answered(played, self.step, &name),
        };
        let sent = (live.now)();
        let Request { base, method, path, query, keys, body } = request;
        let url = format!("{base}{path}?{query}");
        let url = url.strip_suffix('?').unwrap_or(&url);
        let http = live.bases.get(base).ok_or_else(|| format!("{base} is not an address here"))?;
        let timeout = PLACE_TIMEOUT;
        let sending = HttpRequest { method, url, keys, timeout, body: body.clone() };
        let answer = match http.send(sending).await {
            Ok(answer) => answer,
            Err(TransportError::NotSent(why) | TransportError::Unknown(why)) => {
                live.write(self.step, Message::Lost { request: name, why: why.clone() });
                return Err(why);
            }
        };
        let exchanged = Exchanged {
            request: name,
            query,
            sent_body: body,
            sent,
            status: answer.status,
            used_weight: answer.used_weight,
            orders_short: answer.orders_short,
            orders_day: answer.orders_day,
            retry_after_s: answer.retry_after_s,
            limit: answer.limit,
            limit_remaining: answer.limit_remaining,
            limit_reset_s: answer.limit_reset_s,
            body: String::from_utf8_lossy(&answer.body).into_owned(),
        };
        live.write(self.step, Message::Http(exchanged.clone()));
        Ok(exchanged)
    }

    /// Opens a websocket. Returns its number.
    ///
    /// # Errors
    /// The venue or the network refuses it.
    pub async fn open(&mut self, url: &str) -> Result<u32, String> {
        self.last += 1;
        let socket = self.last;
        let live = match &mut self.way {
            Way::Live(live) => live,
            Way::Played(played) => {
                let opened = played.take(self.step, |message| opened(message, socket));
                return opened.unwrap_or_else(|| Err("the record has no such connection".into()));
            }
        };
        let opened = Socket::open(url).await.map_err(|e| match e {
            ConnectError::Network(why)
            | ConnectError::Refused(why)
            | ConnectError::Later { why, .. }
            | ConnectError::Held { why, .. } => why,
        });
        match opened {
            Ok(open) => {
                live.sockets.insert(socket, open);
                live.write(self.step, Message::Opened { socket });
                Ok(socket)
            }
            Err(why) => {
                live.write(self.step, Message::Refused { socket, why: why.clone() });
                Err(why)
            }
        }
    }

    /// Closes a websocket.
    pub fn close(&mut self, socket: u32) {
        if let Way::Live(live) = &mut self.way {
            live.sockets.remove(&socket);
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn send(&mut self, socket: u32, text: String) -> Result<(), String> {
        let Way::Live(live) = &mut self.way else { return Ok(()) };
        live.write(self.step, Message::Sent { socket, text: text.clone() });
        match live.sockets.get_mut(&socket) {
            Some(open) => open.send(text).await,
            None => Err("the connection is closed".to_owned()),
        }
    }

    /// Waits for the next event of a websocket, at most `within`.
    pub async fn next(&mut self, socket: u32, within: Duration) -> Came {
        let live = match &mut self.way {
            Way::Live(live) => live,
            Way::Played(played) => {
                let came = played.take(self.step, |message| came(message, socket));
                return came.unwrap_or(Came::Nothing);
            }
        };
        let Some(open) = live.sockets.get_mut(&socket) else {
            return Came::Closed("the connection is closed".to_owned());
        };
        let event = tokio::select! {
            biased;
            event = timeout(within, open.next()) => event,
            () = stopped(&mut self.stop) => return Came::Nothing,
        };
        let (came, message) = match event {
            Err(_) => return Came::Nothing,
            Ok(SocketEvent::Text(text)) => {
                (Came::Text(text.clone()), Message::Received { socket, text })
            }
            Ok(SocketEvent::Alive) => (Came::Ping, Message::Ping { socket }),
            Ok(SocketEvent::Closed(why)) => {
                live.sockets.remove(&socket);
                (Came::Closed(why.clone()), Message::Closed { socket, why })
            }
        };
        live.write(self.step, message);
        came
    }
}

/// Resolves when the walk must end early.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody can stop it any more.
        std::future::pending::<()>().await;
    }
}

/// The recorded opening of a websocket.
fn opened(message: &Message, socket: u32) -> Option<Result<u32, String>> {
    if let Message::Refused { socket: of, why } = message {
        return (*of == socket).then(|| Err(why.clone()));
    }
    let Message::Opened { socket: of } = message else { return None };
    (*of == socket).then_some(Ok(socket))
}

/// The recorded event of a websocket.
fn came(message: &Message, socket: u32) -> Option<Came> {
    let (of, came) = match message {
        Message::Received { socket, text } => (socket, Came::Text(text.clone())),
        Message::Ping { socket } => (socket, Came::Ping),
        Message::Closed { socket, why } => (socket, Came::Closed(why.clone())),
        Message::Http(_)
        | Message::Lost { .. }
        | Message::Opened { .. }
        | Message::Refused { .. }
        | Message::Sent { .. } => return None,
    };
    (*of == socket).then_some(came)
}

/// The recorded response to a request.
fn answered(played: &mut Played, step: &str, name: &str) -> Result<Exchanged, String> {
    let found = played.take(step, |message| {
        if let Message::Lost { request, why } = message {
            return (request == name).then(|| Err(why.clone()));
        }
        let Message::Http(http) = message else { return None };
        (http.request == name).then(|| Ok(http.clone()))
    });
    found.unwrap_or_else(|| Err(format!("the record has no response to {name}")))
}

impl Live {
    fn write(&mut self, step: &str, message: Message) {
        let Some(record) = &mut self.record else { return };
        let text = |text: &str| (self.scrub)(Part::Text, text);
        let message = match message {
            Message::Http(http) => Message::Http(Exchanged {
                query: (self.scrub)(Part::Query, &http.query),
                sent_body: text(&http.sent_body),
                body: text(&http.body),
                ..http
            }),
            Message::Lost { request, why } => Message::Lost { request, why: text(&why) },
            Message::Refused { socket, why } => Message::Refused { socket, why: text(&why) },
            Message::Sent { socket, text: sent } => Message::Sent { socket, text: text(&sent) },
            Message::Received { socket, text: came } => {
                Message::Received { socket, text: text(&came) }
            }
            Message::Closed { socket, why } => Message::Closed { socket, why: text(&why) },
            plain @ (Message::Opened { .. } | Message::Ping { .. }) => plain,
        };
        let at = (self.now)();
        record.line(&Line { step: step.to_owned(), at, message });
    }
}
