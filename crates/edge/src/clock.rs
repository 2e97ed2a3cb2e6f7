//! The clock: appends a `Clock` input when the earliest wake-up of a stage is due. Where venue time
//! passes automatically, it also samples the venue's clock, and appends what became unfit for
//! trading: see [`super::operation::health`].

use super::board::Rest;
use super::world::{Passing, World};
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::time::UtcMs;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::clock;
use everwarm_runtime::journal::Writer;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::ops::RangeInclusive;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Its name on the board and as a writer.
pub const NAME: &str = "clock";
/// Wall time between checks if venue time passes automatically: 100 ms of venue time, but not below
/// the shorter value.
const LOOK: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_millis(100);
/// Wall time between samples of the venue's clock.
const SAMPLE: Duration = Duration::from_secs(5);

/// Wall time between checks of the health.
const HEALTH: Duration = Duration::from_secs(1);

/// Messages of the clock.
#[derive(Debug)]
pub enum ClockMsg {
    /// Venue time may have reached the earliest wake-up.
    Look,
}

/// The actor.
pub struct Clock;

/// Its state.
pub struct State {
    world: World,
    writer: Writer,
    /// When the venue's clock was last sampled.
    sampled: Option<Instant>,
    sampling: Option<JoinHandle<()>>,
    /// When the health was checked last.
    looked: Option<Instant>,
    /// The wake-up appended last, and its input.
    appended: Option<(i64, u64)>,
}

impl Actor for Clock {
    type Msg = ClockMsg;
    type State = State;
    type Arguments = World;

    async fn pre_start(
        &self,
        _: ActorRef<ClockMsg>,
        world: World,
    ) -> Result<State, ActorProcessingErr> {
        let writer = world.journal.writer(NAME);
        Ok(State { world, writer, sampled: None, sampling: None, looked: None, appended: None })
    }

    async fn post_start(
        &self,
        me: ActorRef<ClockMsg>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if let Passing::Scaled(factor) = state.world.passing {
            // Ends with the actor.
            let look = (*LOOK.end() / factor.max(1)).max(*LOOK.start());
            drop(me.send_interval(look, || ClockMsg::Look));
        }
        drop(me.send_message(ClockMsg::Look));
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<ClockMsg>,
        ClockMsg::Look: ClockMsg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.sample();
        state.report_health()?;
        let world = &state.world;
        let n = world.journal.head();
        let is_due = |(due, _): &(i64, u64)| world.knows_time() && *due <= world.now();
        let due = world.journal.wanted_wake().filter(is_due);
        // A stage consumes its wake-up with the input. Until then the same one is not appended
        // again. Later it may want the same time again.
        let new = |(due, passed): &(i64, u64)| {
            state.appended.is_none_or(|(last, input)| last != *due || input <= *passed)
        };
        if let Some((due, _)) = due.filter(new) {
            let input = Body::Operator(Operator::Clock { time: due });
            world.chaos().point(Site::BeforeAppend, NAME);
            let appended = world.journal.append(&state.writer, due, vec![input])?;
            world.chaos().point(Site::AfterAppend, NAME);
            state.appended = Some((due, appended.n));
        }
        world.board.write(NAME, n, Rest::Idle);
        Ok(())
    }
}

impl State {
    /// Appends what became unfit for trading, or fit again.
    fn report_health(&mut self) -> Result<(), ActorProcessingErr> {
        if self.looked.is_some_and(|at| at.elapsed() < HEALTH) {
            return Ok(());
        }
        self.looked = Some(clock::now());
        let world = &self.world;
        let mut health = world.board.health.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problems) = health.look(world) {
            let time = if world.knows_time() { world.now() } else { UtcMs::MIN };
            let input = Body::Operator(Operator::Health { problems: problems.clone() });
            world.journal.append(&self.writer, time, vec![input])?;
            health.note_reported(&problems);
        }
        Ok(())
    }

    /// Samples the venue's clock now and then: it drifts against ours if its time passes
    /// automatically.
    fn sample(&mut self) {
        let due = self.sampled.is_none_or(|sampled| sampled.elapsed() >= SAMPLE);
        let running = self.sampling.as_ref().is_some_and(|task| !task.is_finished());
        if due && !running && self.world.passing != Passing::Lockstep {
            self.sampled = Some(clock::now());
            let world = self.world.clone();
            self.sampling = Some(tokio::spawn(async move {
                let first = !world.knows_time();
                let read = if first {
                    world.read_clock().await
                } else {
                    world.venue.server_time().await.map(drop)
                };
                if let Err(e) = &read {
                    tracing::debug!(error = %e, "the venue's clock could not be read");
                }
                let mut health = world.board.health.lock().unwrap_or_else(PoisonError::into_inner);
                health.clock_read(read.is_ok());
            }));
        }
    }
}
