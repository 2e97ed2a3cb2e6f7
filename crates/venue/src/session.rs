//! The state machine of a websocket, pure: connect, subscribe, detect silence, back off, reconnect,
//! and move to a new connection before the old one ends.
//!
//! Time and random numbers are arguments. Outputs are values, and [`super::link`] performs them. A
//! venue's [`Protocol`] encodes requests and reads messages. Connections have numbers, so messages
//! of two connections are never confused.
//!
//! Promises:
//! 1. `Subscribed` is sent once for each connection, after all requests succeeded.
//! 2. A connection is dropped after [`IDLE`] without any message, or after [`ANSWER`] without a
//!    response. It is also dropped if it has no data for the time its protocol allows. A jump of
//!    the wall clock by more than [`JUMP`] drops it too: the machine slept, or its clock was set.
//! 3. After `Lost`, nothing of that connection is reported.
//! 4. The wait before the next attempt is random, from zero to a ceiling. The ceiling doubles from
//!    [`BACK_OFF_MIN`] to [`BACK_OFF_MAX`] and is reset only after data arrived.
//! 5. After a final rejection there is no new attempt until [`Session::restart`].
//! 6. A connection that the venue will end, or that is [`ROTATE`] old, stays in use until its
//!    successor is subscribed. Meanwhile both carry the same data, so nothing is lost. A venue
//!    that accepts one connection keeps it: [`Protocol::rotates`].
//!
//! Over 500 lines: one state machine, and each of its events is a case.

use everwarm_domain::time::{SteadyMs, UtcMs, WallMs};
use std::collections::BTreeSet;

/// Longest silence, milliseconds. Venues ping every 20 s.
pub const IDLE: i64 = 60_000;
/// Silence after which we ping, milliseconds: see [`Protocol::pings`].
pub const PING: i64 = 25_000;
/// Longest wait for the response to a request, milliseconds.
pub const ANSWER: i64 = 10_000;
/// First ceiling of the wait before another attempt, milliseconds.
pub const BACK_OFF_MIN: i64 = 250;
/// Highest ceiling, milliseconds.
pub const BACK_OFF_MAX: i64 = 30_000;
/// Age at which a connection is replaced, milliseconds. Venues end connections at 24 h. The age is
/// reduced by a random part of [`ROTATE_SPREAD`], so that connections are not all replaced
/// together.
pub const ROTATE: i64 = 23 * 3_600_000;
/// Maximum random reduction of [`ROTATE`], milliseconds.
pub const ROTATE_SPREAD: i64 = 1_800_000;
/// Maximum difference between passed wall time and passed steady time, milliseconds.
pub const JUMP: i64 = 5_000;

/// The clocks of a moment, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Steady time, for deadlines.
    pub steady: SteadyMs,
    /// The wall clock plus the pauses of the process.
    pub wall: WallMs,
    /// The venue's, UTC: for signatures.
    pub venue: UtcMs,
}

/// A request to send on a new connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Its number, which the response repeats.
    pub id: u64,
    /// The message.
    pub text: String,
}

/// A parsed message.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed<F> {
    /// The response to one of our requests.
    Answer {
        /// The number of the request; none: the venue could not read it.
        id: Option<u64>,
        /// Success, or the reason for the rejection.
        outcome: Result<(), Refusal>,
    },
    /// Data.
    Data(F),
    /// The venue announces that it will close the connection.
    Ending(String),
    /// The subscription has ended, although the connection is open.
    Over(String),
    /// Several of these in one message, in their order.
    Many(Vec<Parsed<F>>),
}

/// A request that the venue rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The venue's text.
    pub why: String,
    /// Whether another attempt may succeed.
    pub again: bool,
    /// How long the venue wants us to wait before that, milliseconds.
    pub wait_ms: Option<u64>,
}

/// The messages on a connection.
pub trait Protocol {
    /// Parsed data.
    type Frame;

    /// The requests that subscribe a new connection; none: it needs none. Their numbers differ from
    /// those of earlier connections.
    fn hello(&mut self, venue_now: UtcMs) -> Vec<Hello>;

    /// The requests that follow the successful one with this number on a new connection; none: it
    /// was the last. Some venues must confirm the key before they accept a subscription.
    fn then(&mut self, _answered: u64) -> Vec<Hello> {
        Vec::new()
    }

    /// Whether a connection with these requests under way takes the requests of
    /// [`Protocol::turn`].
    fn takes_turns(&self, _under_way: &BTreeSet<u64>) -> bool {
        true
    }

    /// Whether a connection may be replaced while it is open. A venue that accepts one connection
    /// rejects its successor.
    fn rotates(&self) -> bool {
        true
    }

    /// Whether we ping a silent connection. Some venues send nothing while their market is closed.
    fn pings(&self) -> bool {
        false
    }

    /// The requests that change the subscriptions of open connections to the current ones; none:
    /// nothing has changed.
    fn turn(&mut self) -> Vec<Hello> {
        Vec::new()
    }

    /// Resolves when [`Protocol::turn`] may have requests. It may be dropped and called again.
    fn turned(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Parses a message.
    ///
    /// # Errors
    /// The part that cannot be read.
    fn read(&self, text: &str) -> Result<Parsed<Self::Frame>, String>;

    /// How long a subscribed connection may carry no data, milliseconds; none: for ever. Pings show
    /// that a connection is open, but not that it still carries the subscribed data.
    fn quiet(&self) -> Option<i64> {
        None
    }
}

/// Number of a connection.
pub type Connection = u64;

/// An event for the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// Time passed.
    Tick,
    /// The requested connection is open.
    Opened,
    /// It could not be opened.
    Failed {
        /// Why.
        why: String,
        /// Whether another attempt makes sense.
        again: bool,
        /// How long the venue wants us to wait, milliseconds.
        wait_ms: Option<u64>,
    },
    /// A message arrived.
    Text(Connection, &'a str),
    /// A ping or pong arrived.
    Alive(Connection),
    /// A connection ended.
    Closed(Connection, String),
    /// Other subscriptions are wanted.
    Turned,
}

/// An action of the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<F> {
    /// Open a connection with this number, and report the result.
    Connect(Connection),
    /// Send this text.
    Send(Connection, String),
    /// Send a ping: the connection is silent.
    Ping(Connection),
    /// Drop the connection.
    Drop(Connection),
    /// The venue wants no requests from this address for this time, milliseconds.
    Limited(u64),
    /// Pass this event to the listener.
    Event(Event<F>),
}

/// An event for the listener.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<F> {
    /// All subscriptions are active. Fetch the data missed since the last time.
    Subscribed,
    /// Added subscriptions are active. Fetch the data missed for them.
    Turned,
    /// Data.
    Frame(F),
    /// A message that could not be read. Fetch its content.
    Garbled {
        /// What is wrong with it.
        why: String,
    },
    /// The connection in use will be replaced soon.
    Ending {
        /// Why.
        why: String,
    },
    /// There is no connection any more.
    Lost {
        /// Why.
        why: String,
        /// Whether the session retries automatically. If not, a person must act.
        again: bool,
    },
}

/// An open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    id: Connection,
    opened: SteadyMs,
    /// Time of the last message, and of the last data or the subscription.
    alive: SteadyMs,
    data: SteadyMs,
    /// Whether we ping it, and when if nothing arrives before.
    pings: bool,
    ping: SteadyMs,
    /// Time of the last request.
    asked: SteadyMs,
    unanswered: BTreeSet<u64>,
    /// When it will be replaced.
    replace: SteadyMs,
}

impl Open {
    /// Something arrived.
    fn lives(&mut self, now: SteadyMs) {
        self.alive = now;
        self.ping = if self.pings { now + PING } else { SteadyMs::NEVER };
    }
}

/// The state of the next connection.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// None is needed: the current one is young.
    None,
    Waiting {
        until: SteadyMs,
    },
    Connecting(Connection),
    Subscribing(Open),
    /// The venue rejected it for good.
    Stopped,
}

/// One connection and its successors.
#[derive(Debug)]
pub struct Session<P> {
    protocol: P,
    /// The connection in use, subscribed.
    current: Option<Open>,
    next: Next,
    /// Number of the last connection.
    last: Connection,
    tries: u32,
    /// The difference of wall time to steady time.
    ahead: Option<i64>,
}

impl<P: Protocol> Session<P> {
    /// A session that connects at its first tick.
    pub fn new(protocol: P) -> Self {
        let next = Next::Waiting { until: SteadyMs::BEFORE_ALL };
        Session { protocol, current: None, next, last: 0, tries: 0, ahead: None }
    }

    /// The earliest steady time at which a tick has an effect; none: only a connection can.
    pub fn deadline(&self) -> Option<SteadyMs> {
        let next = match &self.next {
            Next::Waiting { until } => Some(*until),
            Next::Subscribing(open) => Some(self.end(open).0),
            Next::None | Next::Connecting(_) | Next::Stopped => None,
        };
        let current = self.current.as_ref().map(|open| {
            let end = self.end(open).0.min(open.ping);
            if self.next == Next::None { end.min(open.replace) } else { end }
        });
        next.into_iter().chain(current).min()
    }

    /// Whether the venue rejected it for good and no connection is in use.
    pub fn is_stopped(&self) -> bool {
        self.next == Next::Stopped && self.current.is_none()
    }

    /// Starts again: it connects at the next tick, whatever its state was. Use it after a final
    /// rejection, or when its connections were dropped with the link.
    pub fn restart(&mut self) {
        (self.current, self.next) = (None, Next::Waiting { until: SteadyMs::BEFORE_ALL });
    }

    /// Handles an event. `dice` is a new random number on each call.
    pub fn handle(&mut self, input: Input<'_>, now: Moment, dice: u64) -> Vec<Output<P::Frame>> {
        let mut out = Vec::new();
        if self.jumped(now) {
            self.lose_all("the clock jumped", now, dice, &mut out);
        }
        match input {
            Input::Tick => self.tick(now, dice, &mut out),
            Input::Opened => self.opened(now, dice, &mut out),
            Input::Failed { why, again, wait_ms } => {
                if matches!(self.next, Next::Connecting(_)) {
                    self.no_next(why, again, wait_ms, now, dice, &mut out);
                }
            }
            Input::Text(id, text) => self.text(id, text, now, dice, &mut out),
            Input::Alive(id) => {
                if let Some(open) = self.open_mut(id) {
                    open.lives(now.steady);
                }
            }
            Input::Closed(id, why) => self.ended(id, why, (true, None), now, dice, &mut out),
            Input::Turned => self.turn(now, &mut out),
        }
        out
    }

    /// Resolves when the protocol wants other subscriptions: [`Input::Turned`].
    pub fn turned(&mut self) -> impl Future<Output = ()> + Send
    where
        P: Send,
    {
        self.protocol.turned()
    }

    /// Changes the subscriptions on every open connection.
    fn turn(&mut self, now: Moment, out: &mut Vec<Output<P::Frame>>) {
        let hello = self.protocol.turn();
        let next = match &mut self.next {
            Next::Subscribing(open) => Some(open),
            Next::None | Next::Waiting { .. } | Next::Connecting(_) | Next::Stopped => None,
        };
        let takes = |open: &&mut Open| self.protocol.takes_turns(&open.unanswered);
        for open in self.current.as_mut().into_iter().chain(next).filter(takes) {
            open.asked = now.steady;
            open.unanswered.extend(hello.iter().map(|h| h.id));
            out.extend(hello.iter().map(|h| Output::Send(open.id, h.text.clone())));
        }
    }

    fn jumped(&mut self, now: Moment) -> bool {
        let ahead = now.wall.utc().saturating_sub(now.steady.ms());
        let before = self.ahead.replace(ahead).unwrap_or(ahead);
        ahead.abs_diff(before) > JUMP.unsigned_abs()
    }

    /// When a connection is dropped if nothing more arrives, and the reason.
    fn end(&self, open: &Open) -> (SteadyMs, &'static str) {
        let idle = (open.alive + IDLE, "no sign of life");
        let other = if open.unanswered.is_empty() {
            let quiet = self.protocol.quiet();
            quiet.map(|quiet| (open.data + quiet, "pings, but no data"))
        } else {
            Some((open.asked + ANSWER, "no answer to a request"))
        };
        other.map_or(idle, |other| idle.min(other))
    }

    fn open_mut(&mut self, id: Connection) -> Option<&mut Open> {
        let next = match &mut self.next {
            Next::Subscribing(open) => Some(open),
            Next::None | Next::Waiting { .. } | Next::Connecting(_) | Next::Stopped => None,
        };
        self.current.as_mut().into_iter().chain(next).find(|open| open.id == id)
    }

    fn tick(&mut self, now: Moment, dice: u64, out: &mut Vec<Output<P::Frame>>) {
        for open in [self.current.clone(), self.subscribing().cloned()].into_iter().flatten() {
            let (at, why) = self.end(&open);
            if at <= now.steady {
                self.ended(open.id, why.to_owned(), (true, None), now, dice, out);
            }
        }
        if let Some(open) = self.current.as_mut().filter(|open| open.ping <= now.steady) {
            open.ping = SteadyMs::NEVER;
            out.push(Output::Ping(open.id));
        }
        if self.next == Next::None
            && self.current.as_ref().is_some_and(|open| open.replace <= now.steady)
        {
            self.next = Next::Waiting { until: now.steady };
        }
        if matches!(self.next, Next::Waiting { until } if until <= now.steady) {
            self.last += 1;
            self.next = Next::Connecting(self.last);
            out.push(Output::Connect(self.last));
        }
    }

    fn subscribing(&self) -> Option<&Open> {
        match &self.next {
            Next::Subscribing(open) => Some(open),
            Next::None | Next::Waiting { .. } | Next::Connecting(_) | Next::Stopped => None,
        }
    }

    fn opened(&mut self, now: Moment, dice: u64, out: &mut Vec<Output<P::Frame>>) {
        let Next::Connecting(id) = self.next else {
            // It was dropped while it was being opened.
            out.push(Output::Drop(self.last));
            return;
        };
        let hello = self.protocol.hello(now.venue);
        let unanswered: BTreeSet<u64> = hello.iter().map(|h| h.id).collect();
        out.extend(hello.into_iter().map(|h| Output::Send(id, h.text)));
        let ready = unanswered.is_empty();
        let steady = now.steady;
        let (opened, alive, data, asked, replace) =
            (steady, steady, steady, steady, SteadyMs::NEVER);
        let (pings, ping) = (self.protocol.pings(), SteadyMs::NEVER);
        let mut open = Open { id, opened, alive, data, pings, ping, asked, unanswered, replace };
        open.lives(steady);
        self.next = Next::Subscribing(open);
        if ready {
            self.subscribed(now, dice, out);
        }
    }

    /// The next connection becomes the one in use.
    fn subscribed(&mut self, now: Moment, dice: u64, out: &mut Vec<Output<P::Frame>>) {
        let Next::Subscribing(mut open) = std::mem::replace(&mut self.next, Next::None) else {
            return;
        };
        let earlier = i64::try_from(dice % (ROTATE_SPREAD.unsigned_abs() + 1)).unwrap_or(0);
        if self.protocol.rotates() {
            open.replace = open.opened + (ROTATE - earlier);
        }
        open.data = now.steady;
        let before = self.current.replace(open);
        out.extend(before.map(|before| Output::Drop(before.id)));
        out.push(Output::Event(Event::Subscribed));
    }

    fn text(
        &mut self,
        id: Connection,
        text: &str,
        now: Moment,
        dice: u64,
        out: &mut Vec<Output<P::Frame>>,
    ) {
        let parsed = self.protocol.read(text);
        if let Some(open) = self.open_mut(id) {
            open.lives(now.steady);
        }
        match parsed {
            Ok(Parsed::Many(all)) => {
                for one in all {
                    self.parsed(id, Ok(one), now, dice, out);
                }
            }
            one => self.parsed(id, one, now, dice, out),
        }
    }

    fn parsed(
        &mut self,
        id: Connection,
        parsed: Result<Parsed<P::Frame>, String>,
        now: Moment,
        dice: u64,
        out: &mut Vec<Output<P::Frame>>,
    ) {
        // While one connection is in use, its successor reports nothing.
        let reports = self.current.as_ref().is_none_or(|current| current.id == id);
        let Some(open) = self.open_mut(id) else { return };
        match parsed {
            Ok(Parsed::Answer { outcome: Err(refusal), .. }) => {
                let why = format!("subscription refused: {}", refusal.why);
                out.extend(refusal.wait_ms.map(Output::Limited));
                let again = (refusal.again, refusal.wait_ms);
                self.ended(id, why, again, now, dice, out);
            }
            Ok(Parsed::Answer { id: Some(answered), outcome: Ok(()) }) => {
                self.answered(id, answered, now, dice, out);
            }
            Ok(Parsed::Data(frame)) => {
                open.data = now.steady;
                self.tries = 0;
                if reports {
                    out.push(Output::Event(Event::Frame(frame)));
                }
            }
            Ok(Parsed::Ending(why)) => {
                open.replace = now.steady;
                out.push(Output::Event(Event::Ending { why }));
            }
            Ok(Parsed::Over(why)) => self.ended(id, why, (true, None), now, dice, out),
            Err(why) if reports => out.push(Output::Event(Event::Garbled { why })),
            // A message of messages of messages is none of any venue.
            Ok(Parsed::Answer { id: None, outcome: Ok(()) } | Parsed::Many(_)) | Err(_) => {}
        }
    }

    /// A request succeeded. The next ones follow, or the connection is subscribed.
    fn answered(
        &mut self,
        id: Connection,
        answered: u64,
        now: Moment,
        dice: u64,
        out: &mut Vec<Output<P::Frame>>,
    ) {
        let is_current = self.current.as_ref().is_some_and(|current| current.id == id);
        if !self.open_mut(id).is_some_and(|open| open.unanswered.remove(&answered)) {
            return;
        }
        let more = if is_current { Vec::new() } else { self.protocol.then(answered) };
        let Some(open) = self.open_mut(id) else { return };
        if !more.is_empty() {
            open.asked = now.steady;
        }
        open.unanswered.extend(more.iter().map(|hello| hello.id));
        out.extend(more.into_iter().map(|hello| Output::Send(id, hello.text)));
        if !self.open_mut(id).is_some_and(|open| open.unanswered.is_empty()) {
            return;
        }
        if is_current {
            out.push(Output::Event(Event::Turned));
        } else {
            self.subscribed(now, dice, out);
        }
    }

    /// An open connection has ended.
    fn ended(
        &mut self,
        id: Connection,
        why: String,
        (again, wait_ms): (bool, Option<u64>),
        now: Moment,
        dice: u64,
        out: &mut Vec<Output<P::Frame>>,
    ) {
        if self.current.as_ref().is_some_and(|current| current.id == id) {
            self.current = None;
            out.push(Output::Drop(id));
            if self.next == Next::None {
                self.wait(wait_ms, now, dice);
            }
            out.push(Output::Event(Event::Lost { why, again: true }));
        } else if self.subscribing().is_some_and(|open| open.id == id) {
            out.push(Output::Drop(id));
            self.no_next(why, again, wait_ms, now, dice, out);
        }
    }

    /// The next connection failed. It reports `Lost` if no connection is in use.
    fn no_next(
        &mut self,
        why: String,
        again: bool,
        wait_ms: Option<u64>,
        now: Moment,
        dice: u64,
        out: &mut Vec<Output<P::Frame>>,
    ) {
        if again || self.current.is_some() {
            self.wait(wait_ms, now, dice);
        } else {
            self.next = Next::Stopped;
        }
        if self.current.is_none() {
            out.push(Output::Event(Event::Lost { why, again }));
        }
    }

    fn lose_all(&mut self, why: &str, now: Moment, dice: u64, out: &mut Vec<Output<P::Frame>>) {
        for open in [self.current.clone(), self.subscribing().cloned()].into_iter().flatten() {
            self.ended(open.id, why.to_owned(), (true, None), now, dice, out);
        }
    }

    fn wait(&mut self, wait_ms: Option<u64>, now: Moment, dice: u64) {
        let asked = wait_ms.map_or(0, |ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let wait = back_off(self.tries, dice).max(asked);
        self.tries = self.tries.saturating_add(1);
        self.next = Next::Waiting { until: now.steady + wait };
    }
}

/// Milliseconds to wait before another attempt, after `tries` attempts without data.
#[must_use]
pub fn back_off(tries: u32, dice: u64) -> i64 {
    let ceiling = BACK_OFF_MIN.saturating_mul(1 << tries.min(16)).min(BACK_OFF_MAX);
    let span = ceiling.unsigned_abs() + 1;
    i64::try_from(dice % span).unwrap_or(ceiling)
}

#[cfg(test)]
mod tests;
