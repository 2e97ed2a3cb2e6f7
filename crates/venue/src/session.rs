//! The life of a websocket, pure: connect, subscribe, listen, notice silence, back off, connect
//! again, and change over to a new connection before an old one ends.
//!
//! Time and chance are arguments; what to do comes out as values, and [`super::link`] does it. What
//! is said on a connection is a venue's business: a [`Protocol`] words the requests and reads
//! messages. Connections have numbers, so that what two of them say is never mixed up.
//!
//! Promises:
//! 1. `Subscribed` is said once a connection, after every request was answered well.
//! 2. Without a sign of life for [`IDLE`] a connection is given up; so it is without an answer for
//!    [`ANSWER`], without data for as long as its protocol allows, and where the clock on the wall
//!    jumped by more than [`JUMP`]: the machine slept, or was set.
//! 3. After `Lost` nothing of that connection is said any more.
//! 4. The wait before the next try is drawn evenly from zero to a ceiling that doubles from
//!    [`BACK_OFF_MIN`] to [`BACK_OFF_MAX`] and falls back only after data was delivered.
//! 5. What the venue refuses for good is not tried again until [`Session::restart`].
//! 6. A connection that the venue will end, or that is [`ROTATE`] old, stays in use until its
//!    successor is subscribed; both carry the same then, and nothing is lost between them.
//!
//! Over 500 lines: one state machine, and each of its events is a case.

use everwarm_domain::time::UtcMs;
use std::collections::BTreeSet;

/// Longest silence, milliseconds; venues ping every 20 s.
pub const IDLE: i64 = 60_000;
/// Longest wait for the answer to a request, milliseconds.
pub const ANSWER: i64 = 10_000;
/// Ceiling of the first wait before another try, milliseconds.
pub const BACK_OFF_MIN: i64 = 250;
/// Highest ceiling, milliseconds.
pub const BACK_OFF_MAX: i64 = 30_000;
/// Age at which a connection is replaced, milliseconds: venues end them at 24 h. Drawn up to
/// [`ROTATE_SPREAD`] earlier, so that the connections of a venue do not turn together.
pub const ROTATE: i64 = 23 * 3_600_000;
/// See [`ROTATE`].
pub const ROTATE_SPREAD: i64 = 1_800_000;
/// Difference between what passed on the wall and what passed, milliseconds.
pub const JUMP: i64 = 5_000;

/// The clocks of a moment, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time that only passes, from any beginning on: for deadlines.
    pub steady: i64,
    /// The clock on the wall, UTC.
    pub wall: UtcMs,
    /// The venue's, UTC: for signatures.
    pub venue: UtcMs,
}

/// A request to be sent on a new connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Its number, repeated by the answer.
    pub id: u64,
    /// The message.
    pub text: String,
}

/// A message, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Said<F> {
    /// The answer to one of our requests.
    Answer {
        /// The number of the request; none: the venue could not read it.
        id: Option<u64>,
        /// Good, or why not.
        outcome: Result<(), Refusal>,
    },
    /// Data.
    Data(F),
    /// The venue announces that it will close the connection.
    Ending(String),
    /// The subscription is over although the connection stands.
    Over(String),
}

/// A request the venue did not like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its words.
    pub why: String,
    /// Whether another try may go better.
    pub again: bool,
    /// How long the venue wants us to wait before it, milliseconds.
    pub wait_ms: Option<u64>,
}

/// What is said on a connection.
pub trait Protocol {
    /// Data, read.
    type Frame;

    /// The requests that make a new connection useful; none: it is useful as it is. Numbers differ
    /// from those of earlier connections.
    fn hello(&mut self, venue_now: UtcMs) -> Vec<Hello>;

    /// The requests that make connections useful which were greeted before something else was
    /// wanted; none: nothing has changed.
    fn turn(&mut self) -> Vec<Hello> {
        Vec::new()
    }

    /// Resolves when [`Protocol::turn`] may have something to say. It may be dropped and called
    /// again.
    fn turned(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Says what cannot be read.
    fn read(&self, text: &str) -> Result<Said<Self::Frame>, String>;

    /// How long a subscribed connection may carry no data, milliseconds; none: for ever. Pings say
    /// that a connection stands, not that it still carries what was asked for.
    fn quiet(&self) -> Option<i64> {
        None
    }
}

/// Number of a connection.
pub type Connection = u64;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// Time passed.
    Tick,
    /// The connection that was asked for is open.
    Opened,
    /// It could not be opened.
    Failed {
        /// Why.
        why: String,
        /// Whether another try makes sense.
        again: bool,
        /// How long the venue wants us to wait, milliseconds.
        wait_ms: Option<u64>,
    },
    /// A message came.
    Text(Connection, &'a str),
    /// A sign of life came.
    Alive(Connection),
    /// A connection ended.
    Closed(Connection, String),
    /// Something else is wanted.
    Turned,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<F> {
    /// Open a connection of this number and report how that went.
    Connect(Connection),
    /// Send this.
    Send(Connection, String),
    /// Drop the connection.
    Drop(Connection),
    /// The venue wants nothing more from this address for so long, milliseconds.
    Limited(u64),
    /// Tell whoever listens.
    Event(Event<F>),
}

/// What whoever listens is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<F> {
    /// Everything asked for is subscribed; what was missed since the last time must be fetched.
    Subscribed,
    /// What was wanted besides is subscribed too: what was missed of that must be fetched.
    Turned,
    /// Data.
    Frame(F),
    /// A message that could not be read: what it said must be fetched.
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
        /// Whether it is tried again by itself; if not, somebody must look at it.
        again: bool,
    },
}

/// An open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    id: Connection,
    opened: i64,
    /// The last sign of life, and the last data or the subscription.
    alive: i64,
    data: i64,
    /// When something was last asked for.
    asked: i64,
    unanswered: BTreeSet<u64>,
    /// When it is to be replaced.
    replace: i64,
}

/// The way to the next connection.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// None is wanted: that in use is young.
    None,
    Waiting {
        until: i64,
    },
    Connecting(Connection),
    Subscribing(Open),
    /// The venue refused for good.
    Stopped,
}

/// One connection and its successors.
#[derive(Debug)]
pub struct Session<P> {
    protocol: P,
    /// Subscribed, and in use.
    current: Option<Open>,
    next: Next,
    /// Number of the last connection.
    last: Connection,
    tries: u32,
    /// What the clock on the wall was ahead of steady time.
    ahead: Option<i64>,
}

impl<P: Protocol> Session<P> {
    /// A session that connects at its first tick.
    pub fn new(protocol: P) -> Self {
        let next = Next::Waiting { until: i64::MIN };
        Session { protocol, current: None, next, last: 0, tries: 0, ahead: None }
    }

    /// The earliest steady time at which a tick does something; none while only a connection can.
    pub fn deadline(&self) -> Option<i64> {
        let next = match &self.next {
            Next::Waiting { until } => Some(*until),
            Next::Subscribing(open) => Some(self.end(open).0),
            Next::None | Next::Connecting(_) | Next::Stopped => None,
        };
        let current = self.current.as_ref().map(|open| {
            let end = self.end(open).0;
            if self.next == Next::None { end.min(open.replace) } else { end }
        });
        next.into_iter().chain(current).min()
    }

    /// Whether the venue refused for good, and nothing is in use.
    pub fn is_stopped(&self) -> bool {
        self.next == Next::Stopped && self.current.is_none()
    }

    /// Begins anew: at the next tick it connects, whatever was before. For a session that was
    /// refused for good, or whose connections were dropped with its link.
    pub fn restart(&mut self) {
        (self.current, self.next) = (None, Next::Waiting { until: i64::MIN });
    }

    /// Takes in what happened. `dice` is any random number; a new one each call.
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
                    open.alive = now.steady;
                }
            }
            Input::Closed(id, why) => self.ended(id, why, (true, None), now, dice, &mut out),
            Input::Turned => self.turn(now, &mut out),
        }
        out
    }

    /// Resolves when the protocol wants something else: [`Input::Turned`].
    pub fn turned(&mut self) -> impl Future<Output = ()> + Send
    where
        P: Send,
    {
        self.protocol.turned()
    }

    /// Asks for what is wanted besides, on every open connection.
    fn turn(&mut self, now: Moment, out: &mut Vec<Output<P::Frame>>) {
        let hello = self.protocol.turn();
        let next = match &mut self.next {
            Next::Subscribing(open) => Some(open),
            Next::None | Next::Waiting { .. } | Next::Connecting(_) | Next::Stopped => None,
        };
        for open in self.current.as_mut().into_iter().chain(next) {
            open.asked = now.steady;
            open.unanswered.extend(hello.iter().map(|h| h.id));
            out.extend(hello.iter().map(|h| Output::Send(open.id, h.text.clone())));
        }
    }

    fn jumped(&mut self, now: Moment) -> bool {
        let ahead = now.wall.saturating_sub(now.steady);
        let before = self.ahead.replace(ahead).unwrap_or(ahead);
        ahead.abs_diff(before) > JUMP.unsigned_abs()
    }

    /// When a connection is given up if nothing more comes, and why.
    fn end(&self, open: &Open) -> (i64, &'static str) {
        let idle = (open.alive.saturating_add(IDLE), "no sign of life");
        let other = if open.unanswered.is_empty() {
            let quiet = self.protocol.quiet();
            quiet.map(|quiet| (open.data.saturating_add(quiet), "pings, but no data"))
        } else {
            Some((open.asked.saturating_add(ANSWER), "no answer to a request"))
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
            // It was given up while it was being opened.
            out.push(Output::Drop(self.last));
            return;
        };
        let hello = self.protocol.hello(now.venue);
        let unanswered: BTreeSet<u64> = hello.iter().map(|h| h.id).collect();
        out.extend(hello.into_iter().map(|h| Output::Send(id, h.text)));
        let ready = unanswered.is_empty();
        let steady = now.steady;
        let (opened, alive, data, asked, replace) = (steady, steady, steady, steady, i64::MAX);
        let open = Open { id, opened, alive, data, asked, unanswered, replace };
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
        open.replace = open.opened.saturating_add(ROTATE - earlier);
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
        let said = self.protocol.read(text);
        // While one is in use its successor says nothing yet.
        let heard = self.current.as_ref().is_none_or(|current| current.id == id);
        let Some(open) = self.open_mut(id) else { return };
        open.alive = now.steady;
        match said {
            Ok(Said::Answer { outcome: Err(refusal), .. }) => {
                let why = format!("subscription refused: {}", refusal.why);
                out.extend(refusal.wait_ms.map(Output::Limited));
                let again = (refusal.again, refusal.wait_ms);
                self.ended(id, why, again, now, dice, out);
            }
            Ok(Said::Answer { id: Some(answered), outcome: Ok(()) }) => {
                if open.unanswered.remove(&answered) && open.unanswered.is_empty() {
                    if self.current.as_ref().is_some_and(|current| current.id == id) {
                        out.push(Output::Event(Event::Turned));
                    } else {
                        self.subscribed(now, dice, out);
                    }
                }
            }
            Ok(Said::Data(frame)) => {
                open.data = now.steady;
                self.tries = 0;
                if heard {
                    out.push(Output::Event(Event::Frame(frame)));
                }
            }
            Ok(Said::Ending(why)) => {
                open.replace = now.steady;
                out.push(Output::Event(Event::Ending { why }));
            }
            Ok(Said::Over(why)) => self.ended(id, why, (true, None), now, dice, out),
            Err(why) if heard => out.push(Output::Event(Event::Garbled { why })),
            Ok(Said::Answer { id: None, outcome: Ok(()) }) | Err(_) => {}
        }
    }

    /// An open connection is over.
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

    /// The way to the next connection led nowhere. It says so where nothing is in use.
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
        self.next = Next::Waiting { until: now.steady.saturating_add(wait) };
    }
}

/// Milliseconds to wait before another try after `tries` earlier ones without data.
#[must_use]
pub fn back_off(tries: u32, dice: u64) -> i64 {
    let ceiling = BACK_OFF_MIN.saturating_mul(1 << tries.min(16)).min(BACK_OFF_MAX);
    let span = ceiling.unsigned_abs() + 1;
    i64::try_from(dice % span).unwrap_or(ceiling)
}

#[cfg(test)]
mod tests;
