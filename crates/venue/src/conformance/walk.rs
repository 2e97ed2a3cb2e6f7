//! What the walks over all venues share: the order of the steps, the wire, the events of the
//! account and our orders.

use super::check::{Outcome, Stop, differs, not_tried};
use super::ends::{self, Open};
use super::record::{Head, Http};
use super::wire::{Came, Request, Wire};
use super::{Expectation, Report, StepResult, Verdict, WalkError};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::order::Side;
use serde_json::Value;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for the venue's limit before the end of a walk.
const LIMIT_WAIT: Duration = Duration::from_mins(1);
/// How long an event that has arrived may take to be read.
const ARRIVED: Duration = Duration::from_millis(100);
/// The name of what happens between two steps.
const BETWEEN: &str = "between";
/// Why a step is not tried after a signal.
const STOPPED: &str = "the run was interrupted";

/// An order of this walk.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Our id.
    pub id: String,
    /// Its direction.
    pub side: Side,
}

/// Finds the event of the account in a message of a stream.
pub type EventOf = fn(&Value) -> Option<&Value>;

/// The state of a walk that does not depend on the venue.
#[derive(Debug)]
pub struct Base {
    /// The wire to the venue, or a record.
    pub wire: Wire,
    /// What is checked.
    pub head: Head,
    /// The instrument.
    pub symbol: Symbol,
    /// Longest wait for a message.
    pub patience: Duration,
    /// The websocket with the account's events.
    pub user: Option<u32>,
    /// The websocket with the market's events.
    pub market: Option<u32>,
    /// The pings of the market's websocket so far.
    pub pings: u32,
    /// Every event of the account, in the order of arrival.
    pub events: Vec<Value>,
    /// Our orders, in the order of sending.
    pub orders: Vec<Sent>,
    /// Why no more requests may be sent.
    pub blocked: Option<String>,
    /// Why the venue refuses the key.
    pub refused: Option<String>,
    /// What the account may still hold, one sentence each.
    pub left: Vec<String>,
    event_of: EventOf,
    numbers: u32,
}

impl Base {
    /// A walk that begins.
    #[must_use]
    pub fn new(
        (wire, head, symbol): (Wire, Head, Symbol),
        patience: Duration,
        event_of: EventOf,
    ) -> Base {
        Base {
            wire,
            head,
            symbol,
            patience,
            user: None,
            market: None,
            pings: 0,
            events: Vec::new(),
            orders: Vec::new(),
            blocked: None,
            refused: None,
            left: Vec::new(),
            event_of,
            numbers: 0,
        }
    }

    /// The next id of an order of ours.
    pub fn id(&mut self) -> String {
        self.numbers += 1;
        format!("{}{}-{}", ClientOrderId::CONFORMANCE_PREFIX, self.head.walk, self.numbers)
    }

    /// Notes an order before it is sent, so that what it may buy is sold at the end.
    pub fn expect_order(&mut self, id: &str, side: Side) {
        self.orders.push(Sent { id: id.to_owned(), side });
    }

    /// The number of the events of the account so far. Later events have higher indices.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.events.len()
    }

    /// The websocket with the account's events.
    ///
    /// # Errors
    /// It is not open.
    pub fn user(&self) -> Result<u32, Stop> {
        self.user.ok_or_else(|| not_tried("there is no session with events"))
    }

    /// The websocket with the market's events.
    ///
    /// # Errors
    /// It is not open.
    pub fn market(&self) -> Result<u32, Stop> {
        self.market.ok_or_else(|| not_tried("the market stream is not open"))
    }

    /// One request. A limit of the venue ends the walk, because more requests lead to a ban.
    ///
    /// # Errors
    /// There is no response, or the venue limits requests.
    pub async fn http(&mut self, request: Request<'_>) -> Result<Http, Stop> {
        let name = request.name();
        let http = self.wire.http(request).await;
        let http = http.map_err(|why| not_tried(format!("no response to {name}: {why}")))?;
        if matches!(http.status, 418 | 429) {
            let wait =
                http.retry_after_s.map_or("an unknown time".to_owned(), |s| format!("{s} s"));
            let why = format!("the venue limits requests (HTTP {}) for {wait}", http.status);
            self.blocked = Some(why.clone());
            return Err(not_tried(why));
        }
        Ok(http)
    }

    /// Opens a websocket. `name` is for the report.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn open(&mut self, name: &str, url: &str) -> Result<u32, Stop> {
        self.wire.open(url).await.map_err(|why| differs(name, "open", why))
    }

    /// Sends a message, and waits for the first message from which `chosen` makes a value.
    ///
    /// # Errors
    /// The connection ended, or no such message came.
    pub async fn ask<T>(
        &mut self,
        socket: u32,
        (name, request): (&str, &Value),
        mut chosen: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T, Stop> {
        let sent = self.wire.send(socket, request.to_string()).await;
        sent.map_err(|why| differs("the connection", "open", why))?;
        let found = self.find(socket, &mut chosen).await?;
        found.ok_or_else(|| self.missing(format!("the response to {name}")))
    }

    /// Waits for the first message from which `chosen` makes a value.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn find<T>(
        &mut self,
        socket: u32,
        mut chosen: impl FnMut(&Value) -> Option<T>,
    ) -> Result<Option<T>, Stop> {
        let mut found = None;
        let listened = self.listen(socket, |message| {
            found = chosen(message);
            found.is_some()
        });
        listened.await?;
        Ok(found)
    }

    /// A message that did not come in time.
    #[must_use]
    pub fn missing(&self, what: impl std::fmt::Display) -> Stop {
        differs(what, format!("within {} s", self.patience.as_secs()), "missing")
    }

    /// Listens on a websocket until a message is `enough`, or nothing comes any more. Events of
    /// the account are kept.
    ///
    /// # Errors
    /// The connection ended, or a message is no JSON.
    pub async fn listen(
        &mut self,
        socket: u32,
        enough: impl FnMut(&Value) -> bool,
    ) -> Result<(), Stop> {
        self.listen_for(self.patience, socket, enough).await
    }

    async fn listen_for(
        &mut self,
        time: Duration,
        socket: u32,
        mut enough: impl FnMut(&Value) -> bool,
    ) -> Result<(), Stop> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.wire.next(socket, left).await {
                Came::Nothing => return Ok(()),
                Came::Ping => self.pings += u32::from(self.market == Some(socket)),
                Came::Closed(why) => return Err(differs("the connection", "open", why)),
                Came::Text(text) => {
                    let Ok(message) = serde_json::from_str::<Value>(&text) else {
                        return Err(differs("a message of the websocket", "JSON", text));
                    };
                    if let Some(event) = (self.event_of)(&message) {
                        self.events.push(event.clone());
                    }
                    if enough(&message) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Listens to the events of the account until `enough` of them came, or no more come in time.
    ///
    /// # Errors
    /// There is no session with events, or it ended.
    pub async fn events_until(&mut self, enough: impl Fn(&Base) -> bool) -> Result<(), Stop> {
        let (user, event_of) = (self.user()?, self.event_of);
        let end = Instant::now() + self.patience;
        while !enough(self) && Instant::now() < end {
            let before = self.events.len();
            self.listen(user, |message| event_of(message).is_some()).await?;
            if self.events.len() == before {
                break;
            }
        }
        Ok(())
    }

    /// Keeps the events of the account that have already arrived.
    ///
    /// # Errors
    /// There is no session with events, or it ended.
    pub async fn catch_up(&mut self) -> Result<(), Stop> {
        let user = self.user()?;
        self.listen_for(ARRIVED, user, |_| false).await
    }

    /// Waits for one event on a websocket. Returns whether one came.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn hear_one(&mut self, socket: u32, left: Duration) -> Result<bool, Stop> {
        match self.wire.next(socket, left).await {
            Came::Nothing => Ok(false),
            Came::Ping => {
                self.pings += u32::from(self.market == Some(socket));
                Ok(true)
            }
            Came::Text(_) => Ok(true),
            Came::Closed(why) => Err(differs("the connection", "open", why)),
        }
    }

    /// Reads what the market stream has sent, so that the venue's pings are answered.
    async fn drain(&mut self) {
        let Some(socket) = self.market else { return };
        // A closed stream shows in the step that needs it.
        while self.hear_one(socket, Duration::ZERO).await.unwrap_or(false) {}
    }
}

/// The walk over a venue: its own state, and its requests about open orders.
pub trait Walker: 'static {
    /// The state that does not depend on the venue.
    fn base(&mut self) -> &mut Base;

    /// The open orders of walks: of all symbols, or of that of this walk.
    fn open_orders(&mut self, everywhere: bool) -> impl Future<Output = Result<Vec<Open>, Stop>>;

    /// Requests the cancel of an order. Whether it is cancelled shows in the open orders.
    fn cancel_open(&mut self, order: &Open) -> impl Future<Output = Result<(), Stop>>;
}

/// A running step.
pub type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// A step of the walk `W`.
pub struct Step<W: 'static> {
    /// What it expects.
    pub expectation: Expectation,
    /// Runs it.
    pub run: for<'a> fn(&'a mut W) -> Running<'a>,
}

/// A table of steps in groups: the name of a step, its function, the expectation and the page of
/// the documentation.
#[macro_export]
macro_rules! conformance_steps {
    ($($group:literal: { $($name:literal $run:path, $expected:literal, $source:literal;)* })*) => {
        &[$($($crate::conformance::walk::Step {
            expectation: $crate::conformance::Expectation {
                name: $name,
                group: $group,
                expected: $expected,
                source: $source,
            },
            run: |walk| Box::pin($run(walk)),
        },)*)*]
    };
}

/// Runs all steps, and then those of the end. The first one shows whether the venue responds.
///
/// # Errors
/// The venue does not respond or refuses the key, or the record cannot be written.
pub async fn walked<W: Walker>(
    mut walk: W,
    [steps, end]: [&[Step<W>]; 2],
    on_step: &mut dyn FnMut(&StepResult),
) -> Result<Report, WalkError> {
    let mut results: Vec<StepResult> = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        let outcome = step_of(&mut walk, step).await;
        if let (0, Err(Stop::NotTried(why))) = (n, &outcome) {
            return Err(WalkError::Unreachable(why.clone()));
        }
        let base = walk.base();
        if let Some(why) = base.refused.take().filter(|_| base.orders.is_empty()) {
            return Err(WalkError::Key(why));
        }
        keep(&mut results, step, outcome, on_step);
    }
    let base = walk.base();
    let interrupted = base.wire.is_stopped();
    // The walk must not leave anything, so its end is not stopped.
    base.wire.go_on();
    if base.blocked.take().is_some() && !base.orders.is_empty() {
        base.wire.pause(LIMIT_WAIT).await;
    }
    let mut failed = false;
    for step in end {
        walk.base().wire.begin(step.expectation.name);
        let outcome = (step.run)(&mut walk).await;
        failed |= outcome.is_err();
        keep(&mut results, step, outcome, on_step);
    }
    let base = walk.base();
    if failed {
        ends::unfinished(base);
    }
    base.wire.recorded().map_err(WalkError::Record)?;
    let (head, left) = (base.head.clone(), std::mem::take(&mut base.left));
    Ok(Report { head, steps: results, left, interrupted })
}

/// Runs a step, unless the walk was stopped or the venue limits requests.
async fn step_of<W: Walker>(walk: &mut W, step: &Step<W>) -> Outcome {
    let base = walk.base();
    if base.wire.is_stopped() {
        return Err(not_tried(STOPPED));
    }
    if let Some(why) = &base.blocked {
        return Err(not_tried(why.clone()));
    }
    base.wire.begin(BETWEEN);
    base.drain().await;
    base.wire.begin(step.expectation.name);
    let outcome = (step.run)(walk).await;
    if outcome.is_err() && walk.base().wire.is_stopped() {
        return Err(not_tried(STOPPED));
    }
    outcome
}

/// Adds the result of a step.
fn keep<W>(
    results: &mut Vec<StepResult>,
    step: &Step<W>,
    outcome: Outcome,
    on_step: &mut dyn FnMut(&StepResult),
) {
    let (verdict, came, differences) = match outcome {
        Ok(came) => (Verdict::AsExpected, came, Vec::new()),
        Err(Stop::NotTried(why)) => (Verdict::NotTried, why, Vec::new()),
        Err(Stop::Differs(all)) => {
            let came: Vec<String> = all.iter().map(ToString::to_string).collect();
            (Verdict::Differs, came.join("; "), all)
        }
    };
    let result = StepResult { expectation: step.expectation, verdict, came, differences };
    on_step(&result);
    results.push(result);
}
