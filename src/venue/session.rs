//! The life of a websocket, pure: connect, subscribe, listen, notice silence, back off, connect
//! again.
//!
//! Time and chance are arguments; what to do comes out as values, and [`super::link`] does it. What
//! is said on the connection is a venue's business: a [`Protocol`] words the requests and reads
//! messages.
//!
//! Promises:
//! 1. `Subscribed` is said once a connection, after every request was answered well.
//! 2. Without a sign of life for [`IDLE`] the connection is given up; so it is without an answer
//!    for [`ANSWER`].
//! 3. After `Lost` nothing of that connection is said any more.
//! 4. The wait before the next try is drawn evenly from zero to a ceiling that doubles from
//!    [`BACK_OFF_MIN`] to [`BACK_OFF_MAX`] and falls back only after data was delivered.
//! 5. What the venue refuses for good is not tried again until [`Session::restart`].

use crate::domain::time::UtcMs;
use std::collections::BTreeSet;

/// Longest silence, milliseconds of wall time; venues ping every 20 s.
pub const IDLE: UtcMs = 60_000;
/// Longest wait for the answer to a request, milliseconds of wall time.
pub const ANSWER: UtcMs = 10_000;
/// Ceiling of the first wait before another try, milliseconds.
pub const BACK_OFF_MIN: UtcMs = 250;
/// Highest ceiling, milliseconds.
pub const BACK_OFF_MAX: UtcMs = 30_000;

/// The two clocks of a moment, UTC milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Ours: for deadlines.
    pub wall: UtcMs,
    /// The venue's: for signatures.
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
}

/// What is said on a connection.
pub trait Protocol {
    /// Data, read.
    type Frame;

    /// The requests that make a new connection useful; none: it is useful as it is. Numbers differ
    /// from those of earlier connections.
    fn hello(&mut self, venue_now: UtcMs) -> Vec<Hello>;

    /// Reads a message.
    ///
    /// # Errors
    /// Says what cannot be read.
    fn read(&self, text: &str) -> Result<Said<Self::Frame>, String>;
}

/// What happened to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// Time passed.
    Tick,
    /// It is open.
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
    Text(&'a str),
    /// A sign of life came.
    Alive,
    /// It ended.
    Closed(String),
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<F> {
    /// Open a connection and report how that went.
    Connect,
    /// Send this.
    Send(String),
    /// Drop the connection.
    Drop,
    /// Tell whoever listens.
    Event(Event<F>),
}

/// What whoever listens is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<F> {
    /// A connection is open.
    Connected,
    /// Everything asked for is subscribed; what was missed since the last time must be fetched.
    Subscribed,
    /// Data.
    Frame(F),
    /// A message that could not be read: what it said must be fetched.
    Garbled {
        /// What is wrong with it.
        why: String,
    },
    /// The venue will close this connection soon.
    Ending {
        /// Its words.
        why: String,
    },
    /// The connection is gone.
    Lost {
        /// Why.
        why: String,
        /// Whether it is tried again by itself; if not, somebody must look at it.
        again: bool,
    },
}

/// What the connection in use has carried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Messages of every kind.
    pub texts: u64,
    /// Messages other than answers to our requests.
    pub data: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Waiting { until: UtcMs },
    Connecting,
    Open { last: UtcMs, since: UtcMs, unanswered: BTreeSet<u64> },
    Stopped,
}

/// One connection and its successors.
#[derive(Debug)]
pub struct Session<P> {
    protocol: P,
    state: State,
    tries: u32,
    carried: Carried,
}

impl<P: Protocol> Session<P> {
    /// A session that connects at its first tick.
    pub fn new(protocol: P) -> Self {
        let state = State::Waiting { until: UtcMs::MIN };
        Session { protocol, state, tries: 0, carried: Carried::default() }
    }

    /// The earliest wall time at which a tick does something; none while only the connection can.
    pub fn deadline(&self) -> Option<UtcMs> {
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::Open { last, since, unanswered } => {
                let idle = last.saturating_add(IDLE);
                let answer = since.saturating_add(ANSWER);
                Some(if unanswered.is_empty() { idle } else { idle.min(answer) })
            }
            State::Connecting | State::Stopped => None,
        }
    }

    /// Whether the venue refused for good.
    pub fn is_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    /// What the connection in use has carried so far.
    pub fn carried(&self) -> Carried {
        self.carried
    }

    /// Begins anew: at the next tick it connects, whatever was before. For a session that was
    /// refused for good, or whose connection was dropped with its link.
    pub fn restart(&mut self) {
        self.state = State::Waiting { until: UtcMs::MIN };
    }

    /// Takes in what happened. `dice` is any random number; a new one each call.
    pub fn handle(&mut self, input: Input<'_>, now: Moment, dice: u64) -> Vec<Output<P::Frame>> {
        match input {
            Input::Tick => self.tick(now, dice),
            Input::Opened => self.opened(now),
            Input::Failed { why, again, wait_ms } => {
                if self.state == State::Connecting {
                    self.lose(why, again, wait_ms, now, dice)
                } else {
                    Vec::new()
                }
            }
            Input::Text(text) => self.text(text, now, dice),
            Input::Alive => {
                self.alive(now);
                Vec::new()
            }
            Input::Closed(why) => {
                if matches!(self.state, State::Open { .. }) {
                    self.lose(why, true, None, now, dice)
                } else {
                    Vec::new()
                }
            }
        }
    }

    fn tick(&mut self, now: Moment, dice: u64) -> Vec<Output<P::Frame>> {
        if self.deadline().is_none_or(|at| now.wall < at) {
            return Vec::new();
        }
        match &self.state {
            State::Waiting { .. } => {
                self.state = State::Connecting;
                vec![Output::Connect]
            }
            State::Open { last, .. } => {
                let silent = now.wall.saturating_sub(*last) >= IDLE;
                let why = if silent { "no sign of life" } else { "no answer to a request" };
                self.lose(why.to_owned(), true, None, now, dice)
            }
            State::Connecting | State::Stopped => Vec::new(),
        }
    }

    fn opened(&mut self, now: Moment) -> Vec<Output<P::Frame>> {
        if self.state != State::Connecting {
            return vec![Output::Drop];
        }
        let hello = self.protocol.hello(now.venue);
        let unanswered: BTreeSet<u64> = hello.iter().map(|h| h.id).collect();
        self.carried = Carried::default();
        let mut outputs = vec![Output::Event(Event::Connected)];
        outputs.extend(hello.into_iter().map(|h| Output::Send(h.text)));
        if unanswered.is_empty() {
            outputs.push(Output::Event(Event::Subscribed));
        }
        self.state = State::Open { last: now.wall, since: now.wall, unanswered };
        outputs
    }

    fn alive(&mut self, now: Moment) {
        if let State::Open { last, .. } = &mut self.state {
            *last = now.wall;
        }
    }

    fn text(&mut self, text: &str, now: Moment, dice: u64) -> Vec<Output<P::Frame>> {
        self.alive(now);
        let State::Open { unanswered, .. } = &mut self.state else {
            return Vec::new();
        };
        self.carried.texts += 1;
        let said = self.protocol.read(text);
        if !matches!(said, Ok(Said::Answer { .. })) {
            self.carried.data += 1;
        }
        match said {
            Ok(Said::Answer { outcome: Err(refusal), .. }) => {
                let why = format!("subscription refused: {}", refusal.why);
                self.lose(why, refusal.again, None, now, dice)
            }
            Ok(Said::Answer { id, outcome: Ok(()) }) => {
                let last = id.is_some_and(|id| unanswered.remove(&id)) && unanswered.is_empty();
                if last { vec![Output::Event(Event::Subscribed)] } else { Vec::new() }
            }
            Ok(Said::Data(frame)) => {
                self.tries = 0;
                vec![Output::Event(Event::Frame(frame))]
            }
            Ok(Said::Ending(why)) => vec![Output::Event(Event::Ending { why })],
            Ok(Said::Over(why)) => self.lose(why, true, None, now, dice),
            Err(why) => vec![Output::Event(Event::Garbled { why })],
        }
    }

    fn lose(
        &mut self,
        why: String,
        again: bool,
        wait_ms: Option<u64>,
        now: Moment,
        dice: u64,
    ) -> Vec<Output<P::Frame>> {
        self.state = if again {
            let asked = wait_ms.map_or(0, |ms| UtcMs::try_from(ms).unwrap_or(UtcMs::MAX));
            let wait = back_off(self.tries, dice).max(asked);
            self.tries = self.tries.saturating_add(1);
            State::Waiting { until: now.wall.saturating_add(wait) }
        } else {
            State::Stopped
        };
        vec![Output::Drop, Output::Event(Event::Lost { why, again })]
    }
}

/// Milliseconds to wait before another try after `tries` earlier ones without data.
#[must_use]
pub fn back_off(tries: u32, dice: u64) -> UtcMs {
    let ceiling = BACK_OFF_MIN.saturating_mul(1 << tries.min(16)).min(BACK_OFF_MAX);
    let span = ceiling.unsigned_abs() + 1;
    UtcMs::try_from(dice % span).unwrap_or(ceiling)
}

#[cfg(test)]
mod tests;
