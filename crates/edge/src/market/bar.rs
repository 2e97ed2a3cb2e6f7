//! A bar actor: the closed bars of one symbol, from the stream or, if the stream has a gap, from
//! the venue's records. [`missing`] finds the gaps, at the start and later.

use crate::market::closer::{CloserMsg, History};
use crate::market::confirm::{Sought, confirm, fetch_all};
use crate::market::split_query::{self, Doubt};
use crate::market::{feature_history, wide_bars};
use crate::retry;
use crate::world::{Passing, World};
use everwarm_domain::fact::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::path;
use everwarm_domain::time::{MINUTE, SteadyMs, Timeframe, UtcMs};
use everwarm_history::bars;
use everwarm_history::fetched_bars::Past;
use everwarm_history::need::{missing, missing_in};
use everwarm_history::queries::HistoryError;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::clock::steady;
use everwarm_runtime::mailbox::Ticket;
use everwarm_trading::closes::{Known, Owed, Refused};
use everwarm_trading::indicators::Needs;
use everwarm_venue::port::{ErrorClass, VenueError};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{AcquireError, SemaphorePermit};
use tokio::task::JoinHandle;

/// Wall time between greetings without a response. The closer responds to our path, and the
/// supervisor registers us there only once we have started.
const GREET: Duration = Duration::from_millis(20);

/// Where a check of the venue's records begins.
#[derive(Clone, Debug)]
pub enum Begin {
    /// At the end of the last appended bar.
    After(UtcMs),
    /// Nothing was appended yet: load these past bars.
    Past(Needs),
}

/// Messages of a bar actor.
#[derive(Debug)]
pub enum BarMsg {
    /// A final bar from the stream, with its ticket from the mailbox of the feed. The ticket is
    /// returned once the closer has room. So no more bars wait here than may wait there.
    Closed(Bar, Ticket),
    /// Check the venue's records.
    Fetch {
        /// Which of them.
        begin: Begin,
        /// The close that must be reached, besides all that have closed by now.
        least: Option<UtcMs>,
        /// The known bars by which new ones are judged.
        known: Known,
    },
    /// Greet again: the closer may have missed the greeting, or its response may have missed us.
    Greet,
    /// The stream was interrupted: check again from the last close of the closer.
    Interrupted,
    /// Features wait for this history: load it.
    Warm(Owed, Needs),
    /// A split may explain this bar: query the venue.
    Splits(Doubt),
}

/// The actor.
pub struct BarActor;

/// Its state.
pub struct State {
    world: World,
    symbol: Symbol,
    /// End of the newest bar passed on.
    newest: Option<UtcMs>,
    fetching: Option<JoinHandle<()>>,
    /// The history that is being loaded for features.
    warm: Option<(Owed, JoinHandle<()>)>,
    /// The bar for which splits are queried.
    splits: Option<(Doubt, JoinHandle<()>)>,
    /// Whether the closer has reached us.
    greeted: bool,
}

impl Drop for State {
    fn drop(&mut self) {
        // Nobody waits for the result of a check that is not finished.
        if let Some(fetching) = self.fetching.take() {
            fetching.abort();
        }
        if let Some((_, warm)) = self.warm.take() {
            warm.abort();
        }
        if let Some((_, splits)) = self.splits.take() {
            splits.abort();
        }
    }
}

impl Actor for BarActor {
    type Msg = BarMsg;
    type State = State;
    type Arguments = (World, Symbol);

    async fn pre_start(
        &self,
        _: ActorRef<BarMsg>,
        (world, symbol): (World, Symbol),
    ) -> Result<State, ActorProcessingErr> {
        let (newest, fetching, warm, splits) = (None, None, None, None);
        Ok(State { world, symbol, newest, fetching, warm, splits, greeted: false })
    }

    async fn post_start(
        &self,
        me: ActorRef<BarMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.greet(&me);
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<BarMsg>,
        message: BarMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if !matches!(message, BarMsg::Greet) {
            state.world.chaos().point(Site::AfterReceive, state.symbol.as_str());
        }
        match message {
            BarMsg::Closed(bar, _place) => {
                let ticket = state.world.room(path::CLOSER).await;
                state.closed(bar, ticket);
            }
            BarMsg::Greet => state.greet(&me),
            BarMsg::Interrupted => state.world.send(path::CLOSER, CloserMsg::Hello(state.symbol)),
            BarMsg::Fetch { begin, least, known } => {
                state.fetch(Wanted { begin, since: steady(), least, known });
            }
            BarMsg::Warm(owed, needs) => state.warm(owed, needs),
            BarMsg::Splits(doubt) => state.query_splits(doubt),
        }
        Ok(())
    }
}

impl State {
    fn greet(&self, me: &ActorRef<BarMsg>) {
        if !self.greeted {
            self.world.send(path::CLOSER, CloserMsg::Hello(self.symbol));
            me.send_after(GREET, || BarMsg::Greet);
        }
    }

    fn closed(&mut self, bar: Bar, ticket: Ticket) {
        let close = bar.open_time + MINUTE;
        if close > self.world.latest() {
            let (symbol, now) = (self.symbol, self.world.now());
            tracing::warn!(%symbol, close, now, "a bar called closed before its end is left");
            self.world.send(path::CLOSER, CloserMsg::Hello(self.symbol));
            return;
        }
        let hole = self.newest.is_some_and(|newest| close > newest + MINUTE);
        if hole && self.world.passing != Passing::Lockstep {
            self.world.send(path::CLOSER, CloserMsg::Hello(self.symbol));
        }
        self.newest = self.newest.max(Some(close));
        self.world.send(path::CLOSER, CloserMsg::Closed(bar, ticket));
    }

    /// Loads the history owed to features. Repeated requests for it load it only once.
    fn warm(&mut self, owed: Owed, needs: Needs) {
        if self.warm.as_ref().is_some_and(|(of, task)| *of == owed && !task.is_finished()) {
            return;
        }
        if let Some((_, before)) = self.warm.take() {
            before.abort();
        }
        let (world, symbol) = (self.world.clone(), self.symbol);
        let task = tokio::spawn(async move {
            for tries in 0.. {
                match feature_history::load(&world, symbol, &owed, &needs).await {
                    Ok(loaded) => {
                        let warmed = CloserMsg::Warmed { symbol, owed, loaded };
                        return world.send(path::CLOSER, warmed);
                    }
                    Err(why) => tracing::debug!(%symbol, why, "the past is loaded again"),
                }
                tokio::time::sleep(retry::after(tries, world.passing)).await;
            }
        });
        self.warm = Some((owed, task));
    }

    /// Queries the splits that may explain a bar. Repeated requests for it query only once.
    fn query_splits(&mut self, doubt: Doubt) {
        self.greeted = true;
        if self.splits.as_ref().is_some_and(|(of, task)| *of == doubt && !task.is_finished()) {
            return;
        }
        let task = tokio::spawn(split_query::run(self.world.clone(), self.symbol, doubt));
        if let Some((_, before)) = self.splits.replace((doubt, task)) {
            before.abort();
        }
    }

    fn fetch(&mut self, wanted: Wanted) {
        self.greeted = true;
        if let Some(before) = self.fetching.take() {
            before.abort();
        }
        let (world, symbol) = (self.world.clone(), self.symbol);
        self.fetching = Some(tokio::spawn(async move {
            world.board.begun().await;
            for tries in 0.. {
                match fetch_retried(&world, symbol, &wanted).await {
                    Ok(fetched) => return world.send(path::CLOSER, fetched),
                    Err(e) => tracing::debug!(%symbol, error = %e, "bars are asked for again"),
                }
                tokio::time::sleep(retry::after(tries, world.passing)).await;
            }
        }));
    }
}

/// What a check is to find.
struct Wanted {
    /// Where it begins.
    begin: Begin,
    /// Steady time of the request. The result includes everything that closed before.
    since: SteadyMs,
    /// The close that must be reached at least.
    least: Option<UtcMs>,
    /// The known bars by which new ones are judged.
    known: Known,
}

/// A permit to query the venue.
type Turn<'a> = Result<SemaphorePermit<'a>, AcquireError>;

/// Checks the venue's records. The result includes all bars that the stream may have missed,
/// because it was not subscribed or nobody received them. So no gap waits for the next bar to show
/// it.
///
/// Each part is boxed: a task keeps the memory of its content for as long as its handle is kept.
async fn fetch_retried(
    world: &World,
    symbol: Symbol,
    wanted: &Wanted,
) -> Result<CloserMsg, VenueError> {
    // Queried before a permit is free: the stream sends what closes while we wait for one.
    let reached = Box::pin(world.final_bars.through(world, wanted.since, wanted.least)).await?;
    // However many checks run, orders and the account get their turn. A check takes some 100 kB:
    // only the holder of a permit takes them, and frees them with the permit.
    let turn = world.lookups.acquire().await;
    Box::pin(fetch_bars(world, symbol, wanted, Timeframe::M1.open_of(reached), turn)).await
}

/// Fetches what has closed from `from` to `through`, or the history if there is nothing yet.
async fn fetch_bars(
    world: &World,
    symbol: Symbol,
    wanted: &Wanted,
    through: UtcMs,
    turn: Turn<'_>,
) -> Result<CloserMsg, VenueError> {
    let known = wanted.known.clone();
    let from = match &wanted.begin {
        Begin::After(from) => *from,
        Begin::Past(needs) => {
            let (loaded, refused) = past(world, symbol, through, (known, needs), turn).await?;
            let (bars, odd) = (Vec::new(), Vec::new());
            let history = Some(History { needs: needs.clone(), loaded });
            return Ok(CloserMsg::Fetched { symbol, bars, odd, refused, history, through });
        }
    };
    let count = (through - from) / MINUTE;
    let sessions = world.board.sessions();
    let needed = missing([], &[], count, through, (Timeframe::M1, &sessions));
    let sought = Sought::new(known, BTreeMap::new(), fetch_all(world, symbol, &needed).await?);
    drop(turn);
    let (bars, odd, refused) = Box::pin(confirm(world, symbol, sought)).await?.found();
    Ok(CloserMsg::Fetched { symbol, bars, odd, refused, history: None, through })
}

/// Completes the history, stores it, and returns the facts that announce it: wide bars, then
/// minutes.
async fn past(
    world: &World,
    symbol: Symbol,
    through: UtcMs,
    (known, needs): (Known, &Needs),
    turn: Turn<'_>,
) -> Result<(Vec<Market>, Vec<Refused>), VenueError> {
    let mut loaded = wide_bars::load(world, symbol, needs, through).await?;
    let timeframe = Timeframe::M1;
    let sessions = world.board.sessions();
    let times = needs.minutes_before(through, &sessions);
    let (archive, within) = (Arc::clone(&world.archive), times.clone());
    let read = tokio::task::spawn_blocking(move || {
        // In this order: another check may write both in between. Then its bars are present for
        // every gap that it recorded.
        let none = bars::outages(&archive, timeframe, symbol, *within.end())?;
        Ok((bars::read(&archive, timeframe, symbol, within)?, none))
    });
    let read = read.await.map_err(|e| unkept(e.to_string()))?;
    let (have, none) = read.map_err(|e: HistoryError| unkept(world.history_failed(e)))?;
    let have: BTreeMap<UtcMs, Bar> = have.into_iter().map(|bar| (bar.open_time, bar)).collect();
    let of = (timeframe, &*sessions);
    let needed = missing_in(have.keys().copied(), &none, &times, of);
    let sought = Sought::new(known, have, fetch_all(world, symbol, &needed).await?);
    // The keeper writes many ranges at once, and to query odd bars again takes seconds.
    drop(turn);
    let (bars, _, refused) = Box::pin(confirm(world, symbol, sought)).await?.found();
    // The venue was queried for what is still missing, and does not have it. The next start queries
    // refused bars again.
    let here: BTreeSet<UtcMs> =
        bars.iter().map(|bar| bar.open_time).chain(refused.iter().map(|bar| bar.time)).collect();
    let none = missing_in(here, &none, &times, of);
    let bars = bars.iter().map(Bar::ordered).collect();
    let past = Past { symbol, timeframe, times, bars, none };
    let kept = world.keeper.keep(past).await.map_err(|e| unkept(format!("history: {e}")));
    loaded.push(kept?);
    Ok((loaded, refused))
}

/// An error of our own files.
pub(crate) fn unkept(text: String) -> VenueError {
    VenueError { class: ErrorClass::NotSent, code: 0, text }
}
