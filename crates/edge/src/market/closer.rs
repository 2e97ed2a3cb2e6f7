//! The closer: the only actor that appends closes, late bars and loaded history.
//!
//! It follows what was appended (`trading::closes::Closes`), collects bars from the bar actors, and
//! appends one input for each close. Its state ends with it: its successor makes every bar actor
//! check again.
//!
//! Over 500 lines: one actor with its messages.

use crate::board::Rest;
use crate::market::bar::{BarMsg, Begin};
use crate::market::split_query::Doubt;
use crate::simulated::pacer;
use crate::world::{Passing, World};
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::path;
use everwarm_domain::split::{CorporateAction, Found, Split};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_runtime::chaos::Site;
use everwarm_runtime::journal::{Waker, Writer};
use everwarm_runtime::mailbox::Ticket;
use everwarm_runtime::runner::Runner;
use everwarm_trading::closes::{CloseAssembly, Closes, Next, Offered, Owed, Refused};
use everwarm_trading::indicators::Needs;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Its name on the board and at kill points.
pub const NAME: &str = "closer";
/// How long after its close a bar is awaited, milliseconds of venue time.
const GRACE: UtcMs = 2_000;

/// How far ahead of venue time a streamed bar may close, milliseconds of venue time. Our estimate
/// of the venue's clock is not exact.
const AHEAD: UtcMs = 5_000;
/// The same if venue time is scaled, milliseconds of wall time.
const AHEAD_SCALED: UtcMs = 1_000;

/// Wall time, on top of [`GRACE`], after which bars are queried if none has come for a close. Such
/// checks are at least this far apart.
const LATE: Duration = Duration::from_secs(2);

/// How often an input is tried that must come directly after the known facts.
const TRIES: usize = 8;

/// Messages of the closer.
#[derive(Debug)]
pub enum CloserMsg {
    /// There may be new facts, or a wait may be over.
    Pull,
    /// A bar actor has started, and asks from where it should check.
    Hello(Symbol),
    /// A closed bar came by the stream.
    Closed(Bar, Ticket),
    /// A closed bar came by the stream whose values do not fit their types.
    Unheld(Refused, Ticket),
    /// The venue's records were checked up to the close `through`.
    Fetched {
        /// The symbol.
        symbol: Symbol,
        /// The bars found, ascending.
        bars: Vec<Bar>,
        /// Opening times of the odd bars among them. The records repeated these.
        odd: Vec<UtcMs>,
        /// Bars that were found and refused.
        refused: Vec<Refused>,
        /// The past bars, if these were requested.
        history: Option<History>,
        /// The close up to which `bars` is complete.
        through: UtcMs,
    },
    /// The history that features wait for was stored.
    Warmed {
        /// The symbol.
        symbol: Symbol,
        /// What was requested.
        owed: Owed,
        /// The facts that announce it.
        loaded: Vec<Market>,
    },
    /// Lockstep: the symbols that traded in the minute that ended at `close`.
    Traded {
        /// The end of the minute.
        close: UtcMs,
        /// The symbols.
        symbols: BTreeSet<Symbol>,
    },
    /// The venue was queried for a split that may explain a bar.
    Splits {
        /// The symbol.
        symbol: Symbol,
        /// Opening time of the bar.
        bar: UtcMs,
        /// The split; none: there is none. An error is why the query failed. It is repeated.
        found: Result<Option<Split>, String>,
    },
    /// Lockstep: an announced bar has not come for a while. Query it.
    Nudge,
    /// Time passes automatically: no bar may have come for a while.
    Overdue,
}

/// The past bars of a symbol.
#[derive(Debug)]
pub struct History {
    /// What was needed when they were requested.
    pub needs: Needs,
    /// The facts that announce bars written to the history.
    pub loaded: Vec<Market>,
}

/// The actor.
pub struct Closer;

/// Its state.
pub struct State {
    world: World,
    writer: Writer,
    closes: Runner<Closes>,
    waker: Arc<Waker>,
    assembly: CloseAssembly,
    /// The close up to which a check of a symbol is already running. Each arriving bar may start
    /// checks for the other symbols. A check runs until it reports, and another one would end it.
    asked: BTreeMap<Symbol, UtcMs>,
    /// The bars for which splits are being queried, by symbol, and why the last query failed.
    splits: BTreeMap<Symbol, (UtcMs, Option<String>)>,
    /// Number of universe facts that were handled.
    universes: u64,
    /// The input with the plan whose history was last requested.
    planned: u64,
    /// Number of session facts that were written to the board.
    session_facts: u64,
    wakes_at: Option<UtcMs>,
}

impl Actor for Closer {
    type Msg = CloserMsg;
    type State = State;
    type Arguments = World;

    async fn pre_start(
        &self,
        me: ActorRef<CloserMsg>,
        world: World,
    ) -> Result<State, ActorProcessingErr> {
        let writer = world.journal.writer(NAME);
        let journal = Arc::clone(&world.journal);
        let (closes, _) =
            Runner::recover_stage(journal, Box::<Closes>::default(), world.library.clone())?;
        let mailbox = Arc::clone(world.directory.slot(path::CLOSER).mailbox());
        let waker = Waker::of(&mailbox, move || drop(me.send_message(CloserMsg::Pull)));
        closes.listen(Arc::clone(&waker));
        let mut assembly = CloseAssembly::new(world.passing == Passing::Lockstep);
        if world.venue.splits() {
            assembly = assembly.with_splits_of(world.venue.id());
        }
        let (asked, splits, wakes_at) = (BTreeMap::new(), BTreeMap::new(), None);
        let (universes, planned, session_facts) = (0, 0, 0);
        Ok(State {
            world,
            writer,
            closes,
            waker,
            assembly,
            asked,
            splits,
            universes,
            planned,
            session_facts,
            wakes_at,
        })
    }

    async fn post_start(
        &self,
        me: ActorRef<CloserMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if let Passing::Scaled(factor) = state.world.passing {
            let minute = Duration::from_millis(MINUTE.unsigned_abs()) / factor.max(1);
            // Ends with the actor.
            drop(me.send_interval(minute.clamp(LATE, LATE * 5), || CloserMsg::Overdue));
        }
        state.fold()?;
        state.request_fetches();
        state.world.send(path::PACER, pacer::PacerMsg::Look);
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<CloserMsg>,
        message: CloserMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.waker.clear();
        state.fold()?;
        state.take(message)?;
        let gone_on = state.append_complete_closes(&me).await;
        state.world.board.bars.refused(state.assembly.take_refused());
        gone_on
    }

    async fn post_stop(
        &self,
        _: ActorRef<CloserMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.closes.save();
        Ok(())
    }
}

impl State {
    /// Applies all facts that were appended.
    fn fold(&mut self) -> Result<(), ActorProcessingErr> {
        while self.closes.catch_up(64, |_| ())? {}
        let closes = self.closes.stage();
        self.world.board.write_close(closes.newest());
        if std::mem::replace(&mut self.session_facts, closes.calendar.facts)
            != closes.calendar.facts
        {
            self.world.board.write_sessions(closes.calendar.at(self.world.venue.id()).clone());
        }
        if std::mem::replace(&mut self.universes, closes.universes) != closes.universes {
            self.assembly.keep_listed(closes);
            // A new bar actor also greets us once it is up.
            let new = closes.live().filter(|symbol| !self.assembly.has_fetched(*symbol));
            for symbol in new.collect::<Vec<_>>() {
                self.request_fetch(symbol, None);
            }
            // A symbol that is listed again may have missed the first request.
            self.send_warm();
        }
        let planned = self.closes.stage().planned();
        if std::mem::replace(&mut self.planned, planned) != planned {
            self.send_warm();
        }
        self.query_splits();
        Ok(())
    }

    /// Queries the splits that may explain bars, once for each bar.
    fn query_splits(&mut self) {
        let closes = self.closes.stage();
        self.splits.retain(|symbol, _| closes.doubts_split(*symbol));
        for (symbol, bar) in closes.split_doubts() {
            if self.splits.get(&symbol).is_some_and(|(of, _)| *of == bar) {
                continue;
            }
            self.splits.insert(symbol, (bar, None));
            let doubt = Doubt { bar, before: closes.through(symbol) };
            self.world.send(&World::bar_path(symbol), BarMsg::Splits(doubt));
        }
    }

    /// Appends what the venue reports about a bar, if that is still open. Each reason of a failure
    /// is appended once.
    fn splits_reported(
        &mut self,
        symbol: Symbol,
        bar: UtcMs,
        found: Result<Option<Split>, String>,
    ) -> Result<(), ActorProcessingErr> {
        let Some((of, failed)) = self.splits.get_mut(&symbol) else { return Ok(()) };
        if *of != bar {
            return Ok(());
        }
        let found = match found {
            Ok(None) => Found::Nothing,
            Ok(Some(Split { ex_day, ratio, .. })) => Found::Split { ex_day, ratio },
            Err(why) if failed.as_ref() == Some(&why) => return Ok(()),
            Err(why) => {
                *failed = Some(why.clone());
                Found::Asked(Some(why))
            }
        };
        let venue = self.world.venue.id();
        self.append(Market::CorporateAction(CorporateAction { venue, symbol, bar, found }))
    }

    /// Handles a closed bar of the stream. A bar from the future is refused, and queried when it is
    /// due.
    fn receive_bar(&mut self, bar: Bar) {
        let (close, now) = (bar.open_time + MINUTE, self.world.now());
        if is_ahead(close, now, self.world.passing) {
            let reason = "it lies in the future of the exchange's time";
            self.assembly.refuse(Refused::of(&bar, reason), now);
            return;
        }
        let of = self.assembly.offer(self.closes.stage(), bar);
        self.offered(&bar, of);
    }

    fn offered(&self, bar: &Bar, of: Offered) {
        if of == Offered::Revised {
            let (symbol, at) = (bar.symbol, bar.open_time);
            tracing::warn!(
                "{symbol}: the venue sent other values of the bar of {at}; the first ones stay"
            );
        }
        self.world.board.bars.count(of);
    }

    fn request_fetches(&mut self) {
        let live: Vec<Symbol> = self.closes.stage().live().collect();
        for symbol in live {
            self.request_fetch(symbol, None);
        }
        self.send_warm();
    }

    /// Requests the history that features wait for, for all symbols.
    fn send_warm(&self) {
        let closes = self.closes.stage();
        let needs = closes.owed_needs();
        for (symbol, owed) in closes.owing() {
            self.world.send(&World::bar_path(symbol), BarMsg::Warm(owed, needs.clone()));
        }
    }

    /// Starts checks for a close for which no symbol has brought a bar. Each arriving bar may start
    /// checks for the other symbols. But if the stream is down or turned off, none arrives.
    fn overdue(&mut self) {
        let Passing::Scaled(factor) = self.world.passing else { return };
        let late = i64::try_from(LATE.as_millis()).unwrap_or(0) * i64::from(factor) + GRACE;
        let close = Timeframe::M1.open_of(self.world.now() - late);
        let closes = self.closes.stage();
        let waits = |symbol: &Symbol| {
            let last = closes.calendar.of(*symbol).last_close(close);
            closes.newest().max(self.assembly.newest()) < Some(last)
        };
        // A running check is not started again.
        let idle = |symbol: &Symbol| {
            self.assembly.has_fetched(*symbol) && !self.asked.contains_key(symbol)
        };
        for symbol in closes.live().filter(idle).filter(waits).collect::<Vec<_>>() {
            self.request_fetch(symbol, Some(close));
        }
    }

    fn take(&mut self, message: CloserMsg) -> Result<(), ActorProcessingErr> {
        match message {
            CloserMsg::Pull => {}
            CloserMsg::Hello(symbol) => {
                self.request_fetch(symbol, None);
                // A new bar actor does not know what its predecessor queried.
                self.splits.remove(&symbol);
                self.query_splits();
                let closes = self.closes.stage();
                if let Some(owed) = closes.owed(symbol) {
                    let needs = closes.owed_needs();
                    self.world.send(&World::bar_path(symbol), BarMsg::Warm(owed, needs));
                }
            }
            CloserMsg::Closed(bar, _) => self.receive_bar(bar),
            CloserMsg::Unheld(refused, _) => self.assembly.refuse(refused, self.world.now()),
            CloserMsg::Fetched { symbol, bars, odd, refused, history, through } => {
                self.asked.remove(&symbol);
                if !self.closes.stage().is_live(symbol) {
                    return Ok(());
                }
                if let Some(History { needs, loaded }) = history {
                    // A second check of the history brings no closes: its range may reach beyond
                    // the first. A reload may have added a feature that needs more.
                    if self.from(symbol).is_some() || needs != self.closes.stage().needs() {
                        self.request_fetch(symbol, None);
                        return Ok(());
                    }
                    self.append_history(&loaded)?;
                    // The symbol also needs its bars of closes that were appended meanwhile. They
                    // are late.
                    if self.closes.stage().last > Some(through) {
                        self.request_fetch(symbol, None);
                    }
                }
                for bar in bars {
                    let confirmed = odd.contains(&bar.open_time);
                    let of = self.assembly.found(self.closes.stage(), bar, confirmed);
                    self.offered(&bar, of);
                }
                let (closes, now) = (self.closes.stage(), self.world.now());
                self.assembly.apply_fetched(closes, (symbol, through), refused, now);
            }
            CloserMsg::Warmed { symbol, owed, loaded } => self.warmed(symbol, owed, &loaded)?,
            CloserMsg::Traded { close, symbols } => self.assembly.traded(close, symbols),
            CloserMsg::Splits { symbol, bar, found } => {
                self.splits_reported(symbol, bar, found)?;
            }
            CloserMsg::Nudge => self.request_fetches(),
            CloserMsg::Overdue => self.overdue(),
        }
        Ok(())
    }

    /// Appends every complete close. Events at the venue while the daemon was down come before the
    /// missed closes. So no close is appended before the account was read in this run.
    async fn append_complete_closes(
        &mut self,
        me: &ActorRef<CloserMsg>,
    ) -> Result<(), ActorProcessingErr> {
        if self.closes.stage().account != Some(self.world.journal.life()) {
            // The gateway works on it, or waits for time to pass.
            let caught_up = self.assembly.is_caught_up(self.closes.stage());
            let rest = if caught_up { Rest::Held } else { Rest::Busy };
            self.report_rest(rest);
            return Ok(());
        }
        loop {
            let now = self.world.now();
            if self.world.follows_orders() {
                // What the minute did to orders comes first, with all that follows from it.
                self.assembly.release(self.world.board.open_until());
            }
            match self.assembly.next(self.closes.stage(), now, GRACE) {
                Next::Append(market) => {
                    self.world.journal.room().await;
                    self.append(market)?;
                }
                Next::Fetch(close, symbols) => {
                    for symbol in symbols {
                        self.request_fetch(symbol, Some(close));
                    }
                    break self.report_rest(Rest::Busy);
                }
                Next::Wait(until) => {
                    self.wake_at(me, until, now);
                    break self.report_rest(Rest::Until(until));
                }
                Next::Held => break self.report_rest(Rest::Held),
                Next::Asked => break self.report_rest(Rest::Busy),
                Next::Idle if !self.assembly.is_caught_up(self.closes.stage()) => {
                    break self.report_rest(Rest::Busy);
                }
                Next::Idle => break self.report_rest(Rest::Idle),
            }
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn append(&mut self, market: Market) -> Result<(), ActorProcessingErr> {
        let time = if let Market::Close { time, .. } = &market { *time } else { self.world.now() };
        self.world.chaos().point(Site::BeforeAppend, NAME);
        match &market {
            Market::Close { odd, .. } => {
                self.world.board.write_coming(time);
                self.world.board.bars.odd(odd.len() as u64);
            }
            Market::LateBar { odd, .. } => self.world.board.bars.odd(u64::from(odd.is_some())),
            Market::BarRefused { symbol, time, reason, claimed } => {
                tracing::warn!(%symbol, time, reason, claimed, "a bar is refused");
            }
            _ => {}
        }
        self.world.journal.append(&self.writer, time, vec![Body::Market(market)])?;
        self.world.chaos().point(Site::AfterAppend, NAME);
        self.fold()
    }

    /// Announces the history of a symbol in one act, so that its wide bars come with its minutes.
    fn append_history(&mut self, loaded: &[Market]) -> Result<(), ActorProcessingErr> {
        self.world.chaos().point(Site::BeforeAppend, NAME);
        let time = self.world.now();
        self.world.journal.append(&self.writer, time, bodies(loaded))?;
        self.world.chaos().point(Site::AfterAppend, NAME);
        self.fold()
    }

    /// Announces the history that features of a symbol wait for, if it is still owed. It is
    /// appended at the end of the journal, so that no other plan comes in between.
    fn warmed(
        &mut self,
        symbol: Symbol,
        owed: Owed,
        loaded: &[Market],
    ) -> Result<(), ActorProcessingErr> {
        for _ in 0..TRIES {
            if self.closes.stage().owed(symbol) != Some(owed) {
                return Ok(());
            }
            self.world.chaos().point(Site::BeforeAppend, NAME);
            let (head, bodies) = (self.closes.cursor(), bodies(loaded));
            if self.world.journal.append_at(&self.writer, head, bodies)?.is_some() {
                self.world.chaos().point(Site::AfterAppend, NAME);
            }
            self.fold()?;
        }
        self.send_warm();
        Ok(())
    }

    fn report_rest(&self, rest: Rest) {
        self.world.board.write(NAME, self.closes.cursor(), rest);
    }

    fn from(&self, symbol: Symbol) -> Option<UtcMs> {
        self.closes.stage().through(symbol)
    }

    fn request_fetch(&mut self, symbol: Symbol, least: Option<UtcMs>) {
        let asked = self.asked.get(&symbol).copied();
        match least {
            Some(close) if asked >= least => {
                return tracing::trace!(%symbol, close, "is fetched for already");
            }
            Some(close) => drop(self.asked.insert(symbol, close)),
            None => drop(self.asked.remove(&symbol)),
        }
        let closes = self.closes.stage();
        let begin = self.from(symbol).map_or_else(|| Begin::Past(closes.needs()), Begin::After);
        let known = closes.known(symbol);
        self.world.send(&World::bar_path(symbol), BarMsg::Fetch { begin, least, known });
    }

    /// Pulls at venue time `until`. In lockstep venue time may stand still; the pacer then moves it
    /// and pulls.
    fn wake_at(&mut self, me: &ActorRef<CloserMsg>, until: UtcMs, now: UtcMs) {
        if self.wakes_at == Some(until) {
            return;
        }
        self.wakes_at = Some(until);
        if let Passing::Scaled(factor) = self.world.passing {
            let wait = u64::try_from(until - now).unwrap_or(0) / u64::from(factor.max(1)) + 1;
            me.send_after(Duration::from_millis(wait), || CloserMsg::Pull);
        }
    }
}

fn bodies(loaded: &[Market]) -> Vec<Body> {
    loaded.iter().cloned().map(Body::Market).collect()
}

/// Whether a bar that ends at `close` is in the future at venue time `now`. In lockstep we move the
/// time, and a bar may come before we know the new time.
fn is_ahead(close: UtcMs, now: UtcMs, passing: Passing) -> bool {
    match passing {
        Passing::Lockstep => false,
        Passing::Scaled(factor) => {
            let tolerance = AHEAD.max(AHEAD_SCALED * i64::from(factor));
            close > now.saturating_add(tolerance)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_of_the_future_is_one_beyond_the_tolerance() {
        let ahead = |by, passing| is_ahead(1_000_000 + by, 1_000_000, passing);
        assert!(!ahead(-MINUTE, Passing::Scaled(1)) && !ahead(AHEAD, Passing::Scaled(1)));
        assert!(ahead(AHEAD + 1, Passing::Scaled(1)));
        assert!(!ahead(240_000, Passing::Scaled(240)) && ahead(240_001, Passing::Scaled(240)));
        assert!(!ahead(MINUTE * 60, Passing::Lockstep));
        assert!(!is_ahead(i64::MAX, i64::MAX, Passing::Scaled(1)));
    }
}
