//! The universe: asks the venue what it has, says which symbols are listed, and sees to it that
//! each of them has its bar actor and no other has one.
//!
//! What is said follows from what the journal holds and what the venue answered
//! (`trading::universe`). That actors and subscriptions are those of the listed symbols is not
//! remembered anywhere: wanted is compared with actual, at every change, when the supervisor of the
//! bar actors was started again, and now and then.
//!
//! It says the rules again where a strategy joined, and that a strategy leaves which is not
//! configured any more, once that holds nothing.

use crate::board::Rest;
use crate::orders::gateway::GatewayMsg;
use crate::retry;
use crate::world::{Passing, World};
use everwarm_domain::fact::{AtVenue, Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::path;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{MINUTE, UtcMs, day_of};
use everwarm_kernel::fact::Rank;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::clock;
use everwarm_runtime::clock::wall;
use everwarm_runtime::journal::{Enrol, Waker, Writer};
use everwarm_runtime::runner::Runner;
use everwarm_runtime::supervise::{ChildSpec, RequestError};
use everwarm_trading::reload::{self, Refusal};
use everwarm_trading::universe::{Universe, Venue};
use everwarm_venue::port::{ErrorClass, VenueError};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Its name on the board, as a writer and at kill points.
pub const NAME: &str = "universe";
/// Wall time between looks whether the venue is to be asked, and at what there is.
const LOOK: Duration = Duration::from_secs(1);
/// Wall time before bar actors are compared again where one could not be started or stopped.
const AGAIN: Duration = Duration::from_millis(20);
/// Venue time for which rules that the venue told are not doubted.
const TRUSTED: UtcMs = MINUTE;
/// Days whose beginning is said, the current one included.
const DAYS_AHEAD: usize = 5;

/// Makes the bar actor of a symbol.
pub type MakeBar = Arc<dyn Fn(Symbol) -> ChildSpec + Send + Sync>;

/// What the universe is told.
#[derive(Debug)]
pub enum UniverseMsg {
    /// There may be new facts, or it may be time to ask.
    Pull,
    /// The venue is to be asked now.
    Refresh,
    /// The venue refused an order by a rule: ours may be old.
    Outdated,
    /// What speaks against the second settings where the first are in force, as of the last input.
    Judge {
        /// Both.
        both: Box<(Settings, Settings)>,
        /// Told that input, and what speaks against them.
        reply: Reply,
    },
    /// What the venue has.
    Answered {
        /// The answer, or why there is none.
        venue: Result<Box<Venue>, VenueError>,
        /// Event time at which it was asked.
        asked: UtcMs,
        /// The last rule or word that was known then.
        basis: u64,
    },
}

type Reply = oneshot::Sender<(u64, Vec<Refusal>)>;

/// The actor.
pub struct UniverseActor;

/// What it is started with.
pub type Arguments = (World, MakeBar);

/// Its state.
pub struct State {
    world: World,
    writer: Writer,
    known: Runner<Universe>,
    waker: Arc<Waker>,
    /// Whether somebody wants the venue to be asked.
    refresh: bool,
    /// Who waits for a judgement.
    judging: Vec<(Box<(Settings, Settings)>, Reply)>,
    asking: Option<JoinHandle<()>>,
    /// Venue time at which it was asked last.
    asked: Option<UtcMs>,
    /// Tries in a row that were not answered, and when the next may be.
    tries: u32,
    not_before: Option<Instant>,
    /// What would have been said of an answer that is doubted: it is asked for again.
    doubted: Option<Vec<Market>>,
    /// Compares what is wanted with what there is.
    steward: JoinHandle<()>,
}

impl Drop for State {
    fn drop(&mut self) {
        self.steward.abort();
        if let Some(asking) = self.asking.take() {
            asking.abort();
        }
    }
}

impl Actor for UniverseActor {
    type Msg = UniverseMsg;
    type State = State;
    type Arguments = Arguments;

    async fn pre_start(
        &self,
        me: ActorRef<UniverseMsg>,
        (world, make): Arguments,
    ) -> Result<State, ActorProcessingErr> {
        let writer = world.journal.writer(NAME);
        let (journal, library) = (Arc::clone(&world.journal), world.library.clone());
        let (known, _) = Runner::resume(journal, Box::<Universe>::default(), library)?;
        let waker = Waker::new({
            let me = me.clone();
            move || drop(me.send_message(UniverseMsg::Pull))
        });
        known.listen(Arc::clone(&waker));
        // A life begins with its settings: the rule is among them.
        let board = Arc::clone(&world.board);
        tokio::spawn(async move {
            board.begun().await;
            drop(me.send_message(UniverseMsg::Pull));
        });
        let steward = tokio::spawn(keep_bars(world.clone(), make));
        Ok(State {
            world,
            writer,
            known,
            waker,
            refresh: false,
            judging: Vec::new(),
            asking: None,
            asked: None,
            tries: 0,
            not_before: None,
            doubted: None,
            steward,
        })
    }

    async fn post_start(
        &self,
        me: ActorRef<UniverseMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if state.world.passing != Passing::Lockstep {
            // Ends with the actor.
            drop(me.send_interval(LOOK, || UniverseMsg::Pull));
        }
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<UniverseMsg>,
        message: UniverseMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.waker.clear();
        state.fold()?;
        match message {
            UniverseMsg::Pull => {}
            UniverseMsg::Refresh => state.refresh = true,
            // In lockstep the rules never change.
            UniverseMsg::Outdated => {
                let lately = state.asked.is_some_and(|at| state.world.now() < at + TRUSTED);
                state.refresh |= !lately && state.world.passing != Passing::Lockstep;
            }
            UniverseMsg::Judge { both, reply } => state.judging.push((both, reply)),
            UniverseMsg::Answered { venue, asked, basis } => {
                state.asking = None;
                match venue {
                    Ok(venue) => state.answered(&me, &venue, asked, basis)?,
                    Err(why) => state.unanswered(&me, &why),
                }
            }
        }
        state.act(&me)
    }

    async fn post_stop(
        &self,
        _: ActorRef<UniverseMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.known.save();
        Ok(())
    }
}

impl State {
    /// Takes in all that was said, and tells whose bars are wanted.
    fn fold(&mut self) -> Result<(), ActorProcessingErr> {
        while self.known.catch_up(64, |_| ())? {}
        let known = self.known.stage();
        if known.is_known() {
            let live = known.rows().filter(|(_, row)| row.listed.venue != AtVenue::Gone);
            self.world.board.write_live(live.map(|(symbol, _)| symbol).collect());
        }
        Ok(())
    }

    /// Judges settings, once everything up to the last input is known.
    fn judge(&mut self) {
        let at = self.known.cursor();
        if at < self.world.journal.head() {
            return;
        }
        for (both, reply) in self.judging.drain(..) {
            let (old, new) = &*both;
            // Who does not wait any more asks again.
            drop(reply.send((at, reload::check(self.known.stage(), old, new))));
        }
    }

    fn act(&mut self, me: &ActorRef<UniverseMsg>) -> Result<(), ActorProcessingErr> {
        self.judge();
        // What was said last is known only when those below have passed it: until then nothing is
        // said on top of it.
        let behind = self.known.cursor() < self.world.journal.head();
        let begun = self.world.board.has_begun() && self.world.in_step();
        if !begun || behind || self.asking.is_some() {
            self.rest(Rest::Busy);
            return Ok(());
        }
        let known = self.known.stage();
        if let Some(market) = known.say_rules().or_else(|| known.say_finished()) {
            self.append(vec![market])?;
            self.rest(Rest::Busy);
            return Ok(());
        }
        if self.strategies_leave()? {
            self.rest(Rest::Busy);
            return Ok(());
        }
        let now = self.event_time();
        // A process that was away asks again. In lockstep nothing happens while nobody looks.
        let away = self.world.passing != Passing::Lockstep && !self.world.board.was_asked();
        if self.not_before.is_some_and(|at| clock::now() < at) {
            self.rest(Rest::Busy);
        } else if away || self.refresh || self.known.stage().is_due(now) {
            self.ask(me, now);
            self.rest(Rest::Busy);
        } else {
            self.rest(Rest::Idle);
        }
        Ok(())
    }

    /// Says that strategies leave which have nothing to do any more; whether it said any.
    fn strategies_leave(&mut self) -> Result<bool, ActorProcessingErr> {
        let (journal, known) = (&self.world.journal, self.known.stage());
        let over = |(rank, name, _, left): &(Rank, &str, u64, Option<u64>)| {
            everwarm_trading::joins(*rank) && left.is_none() && known.is_over(name)
        };
        let over = journal.present().into_iter().filter(over);
        let leave: Vec<Enrol> = over.map(|(rank, ..)| Enrol::Leave(rank)).collect();
        if leave.is_empty() {
            return Ok(false);
        }
        self.world.chaos().point(Site::BeforeAppend, NAME);
        // Where another input came meanwhile it is looked at again.
        journal.enrol_at(&self.writer, self.known.cursor(), Vec::new(), leave)?;
        self.world.chaos().point(Site::AfterAppend, NAME);
        self.fold()?;
        Ok(true)
    }

    /// In lockstep the last close: the venue's time may have moved beyond it, by how much depends
    /// on what else was waited for.
    fn event_time(&self) -> UtcMs {
        let now = self.world.now();
        match self.world.passing {
            Passing::Lockstep => self.known.stage().last_close().unwrap_or(now),
            Passing::Scaled(_) => now,
        }
    }

    fn ask(&mut self, me: &ActorRef<UniverseMsg>, asked: UtcMs) {
        self.refresh = false;
        self.asked = Some(self.world.now());
        let (world, me) = (self.world.clone(), me.clone());
        let (basis, ranks) = (self.known.stage().basis(), self.known.stage().rule().ranks());
        self.asking = Some(tokio::spawn(async move {
            let venue = look(&world, ranks).await.map(Box::new);
            drop(me.send_message(UniverseMsg::Answered { venue, asked, basis }));
        }));
    }

    /// Who never answers is said to be away too: without symbols nobody else asks it anything.
    fn unanswered(&mut self, me: &ActorRef<UniverseMsg>, why: &VenueError) {
        let wait = retry::after(self.tries, self.world.passing);
        self.tries += 1;
        self.not_before = Some(clock::now() + wait);
        me.send_after(wait, || UniverseMsg::Pull);
        tracing::warn!(error = %why, tries = self.tries, "the venue does not report its symbols");
        let ms = wait.as_millis();
        let text = format!(
            "it does not report its symbols ({why}); attempt {} in {ms} ms",
            self.tries + 1
        );
        self.world.board.write_venue(wall(), Some(text));
    }

    fn answered(
        &mut self,
        me: &ActorRef<UniverseMsg>,
        venue: &Venue,
        asked: UtcMs,
        basis: u64,
    ) -> Result<(), ActorProcessingErr> {
        let said = self.known.stage().say(venue, asked, basis);
        let again = self.doubted.as_ref().is_some_and(|before| same(before, &said));
        if self.known.stage().doubts(&said) && !again {
            self.refresh = true;
            if self.doubted.replace(said).is_some() {
                let text = "its symbol lists contradict each other".to_owned();
                self.unanswered(me, &VenueError::new(ErrorClass::NotSent, 0, text));
            }
            return Ok(());
        }
        let before = self.doubted.take();
        if before.is_some_and(|before| !same(&before, &said)) {
            tracing::warn!("two symbol lists of the venue contradict each other");
        }
        let away = said.iter().any(|market| match market {
            Market::Universe { listed, .. } => {
                listed.iter().any(|row| row.venue != AtVenue::Trading)
            }
            Market::Close { .. }
            | Market::LateBar { .. }
            | Market::BarRefused { .. }
            | Market::Sessions { .. }
            | Market::DayBegins { .. }
            | Market::Capabilities { .. }
            | Market::HistoryLoaded { .. }
            | Market::HistoryBars { .. }
            | Market::Instruments { .. } => false,
        });
        self.append(said)?;
        self.world.board.write_asked();
        if std::mem::take(&mut self.tries) > 0 {
            self.world.board.write_venue(wall(), None);
        }
        self.not_before = None;
        if away {
            // What became of orders in a symbol that stopped trading is not told by itself.
            self.world.tell(&self.world.places.gateway(), GatewayMsg::Interrupted);
        }
        Ok(())
    }

    fn append(&mut self, said: Vec<Market>) -> Result<(), ActorProcessingErr> {
        let bodies = said.into_iter().map(Body::Market).collect();
        self.world.chaos().point(Site::BeforeAppend, NAME);
        self.world.journal.append(&self.writer, self.world.now(), bodies)?;
        self.world.chaos().point(Site::AfterAppend, NAME);
        self.fold()
    }

    fn rest(&self, rest: Rest) {
        self.world.board.write(NAME, self.known.cursor(), rest);
    }
}

/// Whether two answers say the same, whenever they were asked for.
fn same(one: &[Market], other: &[Market]) -> bool {
    let same = |(one, other): (&Market, &Market)| match (one, other) {
        (
            Market::Universe { basis, listed, unlisted, .. },
            Market::Universe { basis: b, listed: l, unlisted: u, .. },
        ) => (basis, listed, unlisted) == (b, l, u),
        (one, other) => one == other,
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

async fn look(world: &World, ranks: bool) -> Result<Venue, VenueError> {
    let rules = world.venue.instruments(&[]).await?;
    let volumes = if ranks { world.venue.volumes().await? } else { Vec::new() };
    let hours = world.venue.hours().await?;
    let days = hours.zone.map(|zone| {
        let days = days_ahead(&zone, world.now());
        (zone.iana_name().unwrap_or("UTC").to_owned(), days)
    });
    let volumes = volumes.into_iter().collect();
    let capabilities = Some(world.venue.capabilities());
    Ok(Venue { rules, volumes, capabilities, sessions: hours.sessions, days })
}

/// The day of venue time `now` in a zone and those that follow: the number of the date, and when it
/// begins, UTC milliseconds.
fn days_ahead(zone: &TimeZone, now: UtcMs) -> Vec<(i64, UtcMs)> {
    let Ok(now) = Timestamp::from_millisecond(now) else { return Vec::new() };
    let today = now.to_zoned(zone.clone()).date();
    let begins = |date: Date| {
        let at = date.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond();
        // Midnight of the same date in UTC.
        let midnight = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
        Some((day_of(midnight), at))
    };
    today.series(1.day()).take(DAYS_AHEAD).filter_map(begins).collect()
}

/// Starts and stops bar actors until the end.
async fn keep_bars(world: World, make: MakeBar) {
    let mut wanted = world.board.live();
    let slot = world.directory.slot(path::BARS);
    let mut supervisor = slot.changes();
    loop {
        let now = wanted.borrow_and_update().clone();
        supervisor.borrow_and_update();
        let wait = if converge(&world, &now, &make).await { LOOK } else { AGAIN };
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            changed = supervisor.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Makes actual what is wanted; safe to repeat and to be cut off anywhere. Whether it is so now.
async fn converge(world: &World, wanted: &[Symbol], make: &MakeBar) -> bool {
    let mut done = true;
    let supervisor = world.directory.supervisor(path::BARS);
    let actual: BTreeSet<String> = world.directory.children(path::BARS).into_iter().collect();
    let names: BTreeSet<&str> = wanted.iter().map(Symbol::as_str).collect();
    for symbol in wanted.iter().filter(|symbol| !actual.contains(symbol.as_str())) {
        match supervisor.add(make(*symbol)).await {
            Ok(_) | Err(RequestError::AlreadyPresent | RequestError::AlreadyStarted(_)) => {}
            Err(e) => {
                done = false;
                tracing::debug!(%symbol, error = %e, "a bar actor is started later");
            }
        }
    }
    for id in actual.iter().filter(|id| !names.contains(id.as_str())) {
        match supervisor.remove(id).await {
            Ok(()) | Err(RequestError::NotFound) => {}
            Err(e) => {
                done = false;
                tracing::debug!(symbol = id, error = %e, "a bar actor is stopped later");
            }
        }
    }
    done
}
