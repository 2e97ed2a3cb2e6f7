//! The closer: the only one that says closes, late bars and loaded history.
//!
//! It follows what was said (`trading::bars::Closes`), gathers what the bar actors bring, and
//! appends one input a close. What it holds dies with it: its successor asks every bar actor to
//! look again.

use super::board::Rest;
use super::world::{Passing, World, path};
use super::{bar, pacer};
use crate::domain::fact::{Body, Market};
use crate::domain::id::Symbol;
use crate::domain::market::Bar;
use crate::domain::time::UtcMs;
use crate::trading::bars::{Closes, Gathering, Next};
use everwarm_runtime::chaos::Site;
use everwarm_runtime::journal::{Waker, Writer};
use everwarm_runtime::runner::Runner;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Its name on the board and at kill points.
pub const NAME: &str = "closer";
/// How long after its close a bar is waited for, milliseconds of venue time.
const GRACE: UtcMs = 2_000;

/// What the closer is told.
#[derive(Debug)]
pub enum CloserMsg {
    /// There may be new facts, or a wait may be over.
    Pull,
    /// A bar actor has started and asks from where on it should look.
    Hello(Symbol),
    /// A closed bar came by stream.
    Closed(Bar),
    /// The venue's records were looked through up to the close `through`.
    Looked {
        /// Whose.
        symbol: Symbol,
        /// What was found, ascending.
        bars: Vec<Bar>,
        /// Past bars that were written to the history, to be announced.
        history: Option<Market>,
        /// Up to which close nothing is missing in `bars`.
        through: UtcMs,
    },
    /// Lockstep: who traded in the minute that ended at `close`.
    Told {
        /// The end of the minute.
        close: UtcMs,
        /// Who traded.
        symbols: BTreeSet<Symbol>,
    },
    /// Lockstep: a bar that was told of has not come for a while; look for it.
    Nudge,
}

/// The actor.
pub struct Closer;

/// Its state.
pub struct State {
    world: World,
    writer: Writer,
    said: Runner<Closes>,
    waker: Arc<Waker>,
    gathering: Gathering,
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
        let (said, _) = Runner::resume(journal, Box::<Closes>::default(), world.library.clone())?;
        let waker = Waker::new(move || drop(me.send_message(CloserMsg::Pull)));
        said.listen(Arc::clone(&waker));
        let gathering = Gathering::of(world.symbols.iter().copied().collect());
        Ok(State { world, writer, said, waker, gathering, wakes_at: None })
    }

    async fn post_start(
        &self,
        _: ActorRef<CloserMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.fold()?;
        for symbol in state.world.symbols.iter() {
            state.send_look(*symbol);
        }
        state.world.tell(path::PACER, pacer::PacerMsg::Look);
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
        state.go_on(&me).await
    }

    async fn post_stop(
        &self,
        _: ActorRef<CloserMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.said.save();
        Ok(())
    }
}

impl State {
    /// Takes in all that was said.
    fn fold(&mut self) -> Result<(), ActorProcessingErr> {
        while self.said.catch_up(64, |_| ())? {}
        self.world.board.write_close(self.said.stage().newest());
        Ok(())
    }

    fn take(&mut self, message: CloserMsg) -> Result<(), ActorProcessingErr> {
        match message {
            CloserMsg::Pull => {}
            CloserMsg::Hello(symbol) => self.send_look(symbol),
            CloserMsg::Closed(bar) => self.gathering.offer(self.said.stage(), bar),
            CloserMsg::Looked { symbol, bars, history, through } => {
                if let Some(history) = history {
                    // A second look at the past brings no closes: its range may reach beyond the
                    // first.
                    if self.from(symbol).is_some() {
                        self.send_look(symbol);
                        return Ok(());
                    }
                    self.append(history)?;
                }
                for bar in bars {
                    self.gathering.offer(self.said.stage(), bar);
                }
                self.gathering.looked(symbol, through);
            }
            CloserMsg::Told { close, symbols } => self.gathering.told(close, symbols),
            CloserMsg::Nudge => {
                for symbol in self.world.symbols.iter() {
                    self.send_look(*symbol);
                }
            }
        }
        Ok(())
    }

    /// Says every close that is complete. What happened at the venue while we were away comes
    /// before the closes that were missed: none is said before the account was looked at in this
    /// life.
    async fn go_on(&mut self, me: &ActorRef<CloserMsg>) -> Result<(), ActorProcessingErr> {
        if self.said.stage().account != Some(self.world.journal.life()) {
            self.rest(Rest::Busy);
            return Ok(());
        }
        loop {
            let now = self.world.now();
            match self.gathering.next(self.said.stage(), now, GRACE) {
                Next::Say(market) => {
                    self.world.journal.room().await;
                    self.append(market)?;
                }
                Next::Fetch(_, symbols) => {
                    for symbol in symbols {
                        self.send_look(symbol);
                    }
                    break self.rest(Rest::Busy);
                }
                Next::Wait(until) => {
                    self.wake_at(me, until, now);
                    break self.rest(Rest::Until(until));
                }
                Next::Idle if !self.gathering.is_caught_up() => break self.rest(Rest::Busy),
                Next::Idle => break self.rest(Rest::Idle),
            }
        }
        Ok(())
    }

    fn append(&mut self, market: Market) -> Result<(), ActorProcessingErr> {
        let time = match &market {
            Market::Close { time, .. } => *time,
            Market::LateBar { .. }
            | Market::HistoryLoaded { .. }
            | Market::HistoryBars { .. }
            | Market::Instruments { .. } => self.world.now(),
        };
        self.world.chaos().point(Site::BeforeAppend, NAME);
        self.world.journal.append(&self.writer, time, vec![Body::Market(market)])?;
        self.world.chaos().point(Site::AfterAppend, NAME);
        self.fold()
    }

    fn rest(&self, rest: Rest) {
        self.world.board.write(NAME, self.said.cursor(), rest);
    }

    fn from(&self, symbol: Symbol) -> Option<UtcMs> {
        self.said.stage().through(symbol)
    }

    fn send_look(&self, symbol: Symbol) {
        let from = self.from(symbol);
        self.world.tell(&World::bar_path(symbol), bar::BarMsg::Look { from });
    }

    /// Venue time may stand still in lockstep; the pacer then moves it and pulls.
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
