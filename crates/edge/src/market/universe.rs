//! The universe: queries the venue's symbols, decides which are listed, and starts and stops their
//! bar actors.
//!
//! Its decisions follow from the journal and the venue's responses (`trading::universe`). It does
//! not store which actors and subscriptions exist. It compares wanted with actual ones at every
//! change, when the supervisor of the bar actors restarts, and now and then.
//!
//! It appends the rules again when a strategy joins. It also lets a strategy leave that is no
//! longer configured, once it holds nothing.

mod query;

use crate::board::Rest;
use crate::orders::gateway::GatewayMsg;
use crate::retry;
use crate::world::{Passing, World};
use everwarm_domain::fact::{AtVenue, Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::path;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{MINUTE, UtcMs};
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
use query::FirstBars;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Its name on the board, as a writer and at kill points.
pub const NAME: &str = "universe";
/// Wall time between checks whether a query is due, and whether the bar actors match.
const LOOK: Duration = Duration::from_secs(1);
/// Wall time before bar actors are compared again, if one could not be started or stopped.
const AGAIN: Duration = Duration::from_millis(20);
/// Venue time for which rules from the venue are not doubted.
const TRUSTED: UtcMs = MINUTE;
/// The key of the zone in which trading days begin.
pub const DAY_ZONE: &str = "risk.day_zone";

/// Makes the bar actor of a symbol.
pub type MakeBar = Arc<dyn Fn(Symbol) -> ChildSpec + Send + Sync>;

/// Messages of the universe.
#[derive(Debug)]
pub enum UniverseMsg {
    /// There may be new facts, or a query may be due.
    Pull,
    /// Query the venue now.
    Refresh,
    /// The venue rejected an order because of a rule: our rules may be old.
    Outdated,
    /// Judge the second settings while the first are in force, as of the last input.
    Judge {
        /// The settings in force, and the new ones.
        both: Box<(Settings, Settings)>,
        /// Receives that input, and the objections to the new settings.
        reply: Reply,
    },
    /// The venue responded with its symbols.
    Answered {
        /// The response, or why there is none.
        venue: Result<Box<Venue>, VenueError>,
        /// Event time of the query, UTC milliseconds.
        asked: UtcMs,
        /// The last rule or operator command that was known then.
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
    /// Whether a query of the venue was requested.
    refresh: bool,
    /// Settings that wait for a judgement.
    judging: Vec<(Box<(Settings, Settings)>, Reply)>,
    asking: Option<JoinHandle<()>>,
    /// Venue time of the last query.
    asked: Option<UtcMs>,
    /// Failed queries in a row, and when the next is allowed.
    tries: u32,
    not_before: Option<Instant>,
    /// The facts of a doubted response, while the venue is queried again.
    doubted: Option<Vec<Market>>,
    /// Compares the wanted bar actors with the actual ones.
    steward: JoinHandle<()>,
    /// The ages of symbols, as far as they were queried.
    first_bars: FirstBars,
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
        let (known, _) = Runner::recover_stage(journal, Box::<Universe>::default(), library)?;
        let waker = Waker::new({
            let me = me.clone();
            move || drop(me.send_message(UniverseMsg::Pull))
        });
        known.listen(Arc::clone(&waker));
        // A run begins with its settings. The selection of symbols is among them.
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
            first_bars: FirstBars::default(),
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
    /// Applies all facts that were appended, and writes to the board whose bars are wanted.
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
            // A caller that stopped waiting requests again.
            drop(reply.send((at, reload::check(self.known.stage(), old, new))));
        }
    }

    fn act(&mut self, me: &ActorRef<UniverseMsg>) -> Result<(), ActorProcessingErr> {
        self.judge();
        // The last facts are known only when the lower ranks have passed them. Until then nothing
        // is appended on top of them.
        let behind = self.known.cursor() < self.world.journal.head();
        let begun = self.world.board.has_begun() && self.world.in_step();
        if !begun || behind || self.asking.is_some() {
            self.rest(Rest::Busy);
            return Ok(());
        }
        let known = self.known.stage();
        if let Some(market) = known.rules_for_joined().or_else(|| known.unlisting()) {
            self.append(vec![market])?;
            self.rest(Rest::Busy);
            return Ok(());
        }
        if self.strategies_leave()? {
            self.rest(Rest::Busy);
            return Ok(());
        }
        let now = self.event_time();
        // A process that was down queries again. In lockstep nothing happens while no daemon runs.
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

    /// Lets strategies leave that have nothing left to do. Returns whether one left.
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
        // If another input came meanwhile, this is checked again.
        journal.enrol_at(&self.writer, self.known.cursor(), Vec::new(), leave)?;
        self.world.chaos().point(Site::AfterAppend, NAME);
        self.fold()?;
        Ok(true)
    }

    /// In lockstep the last close. The venue's time may have moved beyond it, and how far depends
    /// on other waits.
    fn event_time(&self) -> UtcMs {
        let now = self.world.now();
        match self.world.passing {
            Passing::Lockstep => self.known.stage().last_close().unwrap_or(now),
            Passing::Scaled(_) => now,
        }
    }

    fn ask(&mut self, me: &ActorRef<UniverseMsg>, asked: UtcMs) {
        self.refresh = false;
        // Only the venue's time counts, not what was taken for it before its clock was read.
        let knows_time = self.world.knows_time();
        self.asked = knows_time.then(|| self.world.now());
        let (world, me) = (self.world.clone(), me.clone());
        let (basis, rule) = (self.known.stage().basis(), self.known.stage().rule().clone());
        let first_bars = Arc::clone(&self.first_bars);
        self.asking = Some(tokio::spawn(async move {
            let read = world.read_clock().await;
            let asked = if knows_time { asked } else { world.now() };
            let venue = match read {
                Ok(()) => query::look(&world, &rule, &first_bars).await.map(Box::new),
                Err(error) => Err(error),
            };
            drop(me.send_message(UniverseMsg::Answered { venue, asked, basis }));
        }));
    }

    /// Also reports a venue that never responds: without symbols no other actor queries it.
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
        self.world.board.write_symbols(wall(), Some(text));
    }

    fn answered(
        &mut self,
        me: &ActorRef<UniverseMsg>,
        venue: &Venue,
        asked: UtcMs,
        basis: u64,
    ) -> Result<(), ActorProcessingErr> {
        let facts = self.known.stage().facts(venue, asked, basis);
        let again = self.doubted.as_ref().is_some_and(|before| same(before, &facts));
        if self.known.stage().doubts(&facts) && !again {
            self.refresh = true;
            if self.doubted.replace(facts).is_some() {
                let text = "its symbol lists contradict each other".to_owned();
                self.unanswered(me, &VenueError::new(ErrorClass::NotSent, 0, text));
            }
            return Ok(());
        }
        let before = self.doubted.take();
        if before.is_some_and(|before| !same(&before, &facts)) {
            tracing::warn!("two symbol lists of the venue contradict each other");
        }
        let away = facts.iter().any(|market| {
            matches!(market, Market::Universe { listed, .. }
                if listed.iter().any(|row| row.venue != AtVenue::Trading))
        });
        self.append(facts)?;
        self.world.board.write_asked();
        if std::mem::take(&mut self.tries) > 0 {
            self.world.board.write_symbols(wall(), None);
        }
        self.not_before = None;
        if away {
            // The venue does not report what became of orders in a symbol that stopped trading.
            self.world.send(&self.world.places.gateway(), GatewayMsg::Interrupted);
        }
        Ok(())
    }

    fn append(&mut self, facts: Vec<Market>) -> Result<(), ActorProcessingErr> {
        let bodies = facts.into_iter().map(Body::Market).collect();
        self.world.chaos().point(Site::BeforeAppend, NAME);
        self.world.journal.append(&self.writer, self.world.now(), bodies)?;
        self.world.chaos().point(Site::AfterAppend, NAME);
        self.fold()
    }

    fn rest(&self, rest: Rest) {
        self.world.board.write(NAME, self.known.cursor(), rest);
    }
}

/// Whether two responses have the same content, whenever they were queried.
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

/// Starts and stops bar actors, until the process ends.
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

/// Starts and stops bar actors to match `wanted`. It may be repeated, and cancelled anywhere.
/// Returns whether they match.
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
