//! The actor that carries out backfills beside trading, when they are requested or scheduled.

use super::super::fetch_history::{patiently, why};
use super::super::reload::in_force;
use super::super::work::{self, Ended, Jobs};
use super::meter::Meter;
use super::plan::{self, Scope, needs};
use super::runs::Backfills;
use super::symbols::{symbols, unreported};
use super::work::Work;
use super::{planned, supported};
use everwarm_config::{BackfillConfig, Schedule, timeframes};
use everwarm_domain::id::Symbol;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::Timeframe;
use everwarm_edge::operation::reload::standing;
use everwarm_edge::world::{Passing, World};
use everwarm_runtime::clock::steady;
use everwarm_runtime::supervise::ChildSpec;
use everwarm_views::backfill::{BackfillRequest, BackfillState, BackfillView};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Name of the actor.
pub const NAME: &str = "backfill";

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
    work::actor(NAME, Tools { world, runs, started }, on)
}

impl Jobs for Tools {
    type Job = Meter;
    /// The backfill, if it panicked.
    type Report = Option<Meter>;

    const LOOK: Duration = Duration::from_millis(200);

    fn look(&mut self) {
        self.follow_schedule();
    }

    fn job(&mut self) -> Option<Meter> {
        self.runs.asked()
    }

    fn panicked(meter: &Meter) -> Option<Meter> {
        Some(meter.clone())
    }

    fn run(&self, meter: Meter, ended: Ended) -> Option<Meter> {
        Handle::current().block_on(self.carry_out(&meter, ended.awaited));
        None
    }

    fn ended(&mut self, panicked: Option<Meter>) {
        if let Some(meter) = &panicked {
            note_panic(meter);
        }
    }
}

/// Notes that a backfill panicked. Otherwise the actor would carry it out again for ever.
fn note_panic(meter: &Meter) {
    failed(meter, "the backfill panicked: see the log".to_owned());
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
            && let Err(why) = self.runs.begin(&BackfillRequest::default(), true)
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
            done = self.tried(meter) => {
                if let Err(why) = done {
                    failed(meter, why);
                }
            }
        }
    }

    async fn tried(&self, meter: &Meter) -> Result<(), String> {
        let (world, request) = (&self.world, meter.view().request);
        meter.change(|view| {
            let (run, scheduled) = (view.run, view.scheduled);
            let (request, state) = (request.clone(), BackfillState::Planning);
            *view = BackfillView { run, scheduled, request, state, ..BackfillView::default() };
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

    async fn scope(&self, request: &BackfillRequest, settings: &Settings) -> Result<Scope, String> {
        let world = &self.world;
        let through = patiently(async || world.final_bars.through(world, steady(), None).await);
        let through = Timeframe::M1.open_of(through.await.map_err(|e| why(&e))?);
        let traded: BTreeSet<Symbol> = world.board.live().borrow().iter().copied().collect();
        let all = request.universe || !request.symbols.is_empty();
        let rules = if all {
            let found = patiently(async || world.venue.instruments(&[]).await).await;
            found.map_err(|e| unreported(&e))?
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

#[cfg(test)]
mod tests {
    use super::*;
    use ractor::Actor;
    use tokio::sync::mpsc::{Sender, channel};

    /// The first backfill panics.
    #[derive(Clone)]
    struct Panics(Backfills, Sender<()>);

    impl Jobs for Panics {
        type Job = Meter;
        type Report = Option<Meter>;

        const LOOK: Duration = Duration::from_millis(1);

        fn job(&mut self) -> Option<Meter> {
            self.0.asked()
        }

        fn panicked(meter: &Meter) -> Option<Meter> {
            Tools::panicked(meter)
        }

        fn run(&self, meter: Meter, _: Ended) -> Option<Meter> {
            assert!(meter.view().run > 1, "as planned");
            meter.change(|view| view.state = BackfillState::Done);
            None
        }

        fn ended(&mut self, panicked: Option<Meter>) {
            if let Some(meter) = &panicked {
                note_panic(meter);
            }
            self.1.try_send(()).unwrap();
        }
    }

    #[tokio::test]
    async fn a_backfill_that_panics_has_failed_and_the_next_request_is_carried_out() {
        let (to, mut ends) = channel(2);
        let runs = Backfills::default();
        runs.begin(&BackfillRequest::default(), false).unwrap();
        let of = Panics(runs.clone(), to);
        let (actor, _) = Actor::spawn(None, work::Frame::<Panics>::new(), of).await.unwrap();
        ends.recv().await.unwrap();
        let view = runs.view();
        assert_eq!((view.run, view.state), (1, BackfillState::Failed));
        assert_eq!(view.error.as_deref(), Some("the backfill panicked: see the log"));
        runs.begin(&BackfillRequest::default(), false).unwrap();
        ends.recv().await.unwrap();
        let view = runs.view();
        assert_eq!((view.run, view.state, view.error), (2, BackfillState::Done, None));
        actor.stop(None);
    }
}
