//! The actor that carries out backfills beside trading, when they are requested or scheduled.

use super::super::fetch_history::{patiently, why};
use super::super::reload::in_force;
use super::meter::Meter;
use super::plan::{self, Scope, needs};
use super::runs::Backfills;
use super::symbols::{symbols, unknown};
use super::work::Work;
use super::{planned, supported};
use everwarm_config::{BackfillConfig, Schedule, timeframes};
use everwarm_domain::id::Symbol;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::Timeframe;
use everwarm_edge::operation::reload::standing;
use everwarm_edge::task::guarded;
use everwarm_edge::world::{Passing, World};
use everwarm_runtime::clock::steady;
use everwarm_runtime::supervise::{ChildSpec, worker};
use everwarm_views::backfill::{BackfillState, BackfillView, BackfillWord};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Name of the actor.
pub const NAME: &str = "backfill";
/// Wall time between checks whether a backfill is requested or due.
const LOOK: Duration = Duration::from_millis(200);

/// What the actor works with.
#[derive(Clone)]
struct Tools {
    world: World,
    runs: Backfills,
    /// The configuration of the start, until one is in force.
    started: BackfillConfig,
}

/// The actor.
pub fn actor(started: &BackfillConfig, world: &World, runs: &Backfills, on: &Handle) -> ChildSpec {
    let (world, runs, started) = (world.clone(), runs.clone(), started.clone());
    let of = Tools { world, runs, started };
    worker(NAME, move |_| (Backfill, of.clone())).on(on.clone())
}

struct Backfill;

enum Msg {
    /// Check whether there is something to do.
    Look,
    /// The task has ended.
    Ended,
}

struct State {
    of: Tools,
    /// Held while a backfill is carried out. Dropping it ends the work.
    running: Option<oneshot::Sender<()>>,
}

impl Actor for Backfill {
    type Msg = Msg;
    type State = State;
    type Arguments = Tools;

    async fn pre_start(&self, me: ActorRef<Msg>, of: Tools) -> Result<State, ActorProcessingErr> {
        me.send_after(LOOK, || Msg::Look);
        Ok(State { of, running: None })
    }

    async fn handle(
        &self,
        me: ActorRef<Msg>,
        message: Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Look => {
                me.send_after(LOOK, || Msg::Look);
                state.of.follow_schedule();
                let asked = state.running.is_none().then(|| state.of.runs.asked()).flatten();
                let Some(meter) = asked else { return Ok(()) };
                let of = state.of.clone();
                let (running, ended) = oneshot::channel();
                state.running = Some(running);
                let on = Handle::current();
                tokio::task::spawn_blocking(move || {
                    on.block_on(of.carry_out(&meter, ended));
                    drop(me.send_message(Msg::Ended));
                });
            }
            Msg::Ended => state.running = None,
        }
        Ok(())
    }
}

fn failed(meter: &Meter, why: String) {
    tracing::warn!("the backfill failed: {why}");
    meter.change(|view| {
        view.state = BackfillState::Failed;
        view.error = Some(why);
    });
}

impl Tools {
    /// Begins a backfill if the schedule has become due. In lockstep there is none.
    fn follow_schedule(&self) {
        if self.world.passing == Passing::Lockstep || !self.world.knows_time() {
            return;
        }
        let text = in_force(&self.world.board, "history.schedule");
        let text = text.as_ref().and_then(|value| value.as_str());
        let schedule = text.map_or_else(
            || self.started.schedule.clone(),
            |text| Schedule::read(text).unwrap_or_default(),
        );
        if self.runs.is_due(schedule, self.world.now())
            && let Err(why) = self.runs.begin(&BackfillWord::default(), true)
        {
            tracing::warn!("the scheduled backfill was left out: {why}");
        }
    }

    /// Carries out the requested backfill, until `ended` is closed. The meter has the result.
    async fn carry_out(&self, meter: &Meter, ended: oneshot::Receiver<()>) {
        tokio::select! {
            biased;
            // The actor has ended: its successor continues.
            _ = ended => {}
            // A bug must not stop the branch: trading would then be limited to exits.
            done = guarded(self.tried(meter)) => {
                if let Err(why) = done.and_then(|tried| tried) {
                    failed(meter, why);
                }
            }
        }
    }

    async fn tried(&self, meter: &Meter) -> Result<(), String> {
        let (world, request) = (&self.world, meter.view().word);
        meter.change(|view| {
            let (run, scheduled) = (view.run, view.scheduled);
            let (request, state) = (request.clone(), BackfillState::Planning);
            *view =
                BackfillView { run, scheduled, word: request, state, ..BackfillView::default() };
        });
        let standing = standing(world);
        if standing.now.generation == 0 {
            return Err("no configuration is in force yet; try again".to_owned());
        }
        let settings = standing.now.content.settings();
        let scope = self.scope(&request, &settings).await?;
        let (archive, needs, of) = (Arc::clone(&world.archive), needs(&settings), scope.clone());
        let plans = tokio::task::spawn_blocking(move || plan::plans(&archive, &of, &needs)).await;
        let plans = plans.map_err(|e| e.to_string())?.map_err(|e| world.history_failed(e))?;
        let speed = match world.passing {
            Passing::Scaled(factor) => factor,
            Passing::Lockstep => 0,
        };
        planned(meter, &plans, &scope, (&*world.source, speed));
        if request.plan {
            return Ok(());
        }
        let work = Work {
            source: Arc::clone(&world.source),
            archive: Arc::clone(&world.archive),
            sessions: scope.sessions,
            beside: Some(world.clone()),
            meter: meter.clone(),
            failed: AtomicUsize::new(0),
        };
        work.run(plans).await;
        let view = meter.view();
        tracing::info!(fetched = view.fetched, error = view.error, "the backfill has ended");
        Ok(())
    }

    async fn scope(&self, request: &BackfillWord, settings: &Settings) -> Result<Scope, String> {
        let world = &self.world;
        let through = patiently(async || world.final_bars.through(world, steady(), None).await);
        let through = Timeframe::M1.open_of(through.await.map_err(|e| why(&e))?);
        let traded: BTreeSet<Symbol> = world.board.live().borrow().iter().copied().collect();
        let all = request.universe || !request.symbols.is_empty();
        let names = &request.symbols;
        let rules = if all {
            let found = patiently(async || world.venue.instruments(names).await).await;
            found.map_err(|e| unknown(names, &e))?
        } else {
            Vec::new()
        };
        let days = in_force(&world.board, "history.days").and_then(|days| days.as_u64());
        let days = days.and_then(|days| u32::try_from(days).ok()).unwrap_or(self.started.days);
        let widths = in_force(&world.board, "history.timeframes");
        let widths = widths.as_ref().and_then(|widths| widths.as_str());
        let widths = widths.and_then(|text| timeframes(text).ok());
        let widths = widths.unwrap_or_else(|| self.started.timeframes.clone());
        let capabilities = world.source.capabilities();
        Ok(Scope {
            bars: request.scope,
            days: request.days.unwrap_or(days),
            timeframes: supported(&request.timeframes, &widths, capabilities.widths)?,
            symbols: symbols(request, &traded, rules, settings)?,
            force: request.force,
            through,
            sessions: (*world.board.sessions()).clone(),
            page: capabilities.page,
        })
    }
}
