//! The configuration as an input: says that a life has begun, and applies the settings where they
//! differ from those in force.

use super::world::World;
use crate::domain::fact::kinds::{kind, rank};
use crate::domain::fact::{Body, Operator};
use crate::domain::settings::Settings;
use everwarm_runtime::chaos::Site;
use everwarm_runtime::fact::{Fact, Mask, Rank};
use everwarm_runtime::journal::Waker;
use everwarm_runtime::runner::Runner;
use everwarm_runtime::stage::{Out, Stage};
use everwarm_runtime::state;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Its name as a writer.
pub const NAME: &str = "config";
const FORMAT: u8 = 1;

/// What is in force: a fold that says nothing itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InForce {
    /// Number of the last life that was announced.
    life: u64,
    /// Identity of the installation, once it has one.
    installation: String,
    epoch: u64,
    generation: u64,
    text: String,
}

impl Stage for InForce {
    type Body = Body;
    fn rank(&self) -> Rank {
        rank::CONFIG
    }
    fn name(&self) -> &'static str {
        NAME
    }
    fn interest(&self) -> Mask {
        Mask::of(&[kind::STARTED, kind::CONFIG_APPLIED])
    }
    fn produces(&self) -> Mask {
        Mask::NONE
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Operator(Operator::Started { life, installation, epoch }) => {
                (self.life, self.epoch) = (*life, *epoch);
                self.installation.clone_from(installation);
            }
            Body::Operator(Operator::ConfigApplied { generation, text, .. }) => {
                self.generation = *generation;
                self.text.clone_from(text);
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }
    fn decide(&self, _: &Fact<Body>, _: &mut Out<Body>) {}
    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        Ok(())
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Identity of a fresh installation; one that exists keeps its own.
    pub installation: String,
    /// What the stages are to be told.
    pub settings: Settings,
    /// Where values other than defaults came from.
    pub origins: Vec<(String, String)>,
}

/// The actor.
pub struct ConfigActor;

/// Its state.
pub struct State {
    in_force: Runner<InForce>,
    waker: Arc<Waker>,
}

/// There may be new facts.
#[derive(Debug)]
pub struct Pull;

impl Actor for ConfigActor {
    type Msg = Pull;
    type State = State;
    type Arguments = (World, Wanted);

    async fn pre_start(
        &self,
        me: ActorRef<Pull>,
        (world, wanted): (World, Wanted),
    ) -> Result<State, ActorProcessingErr> {
        let writer = world.journal.writer(NAME);
        let (journal, library) = (Arc::clone(&world.journal), world.library.clone());
        let (mut in_force, _) = Runner::resume(journal, Box::<InForce>::default(), library)?;
        // What was appended and not folded before the predecessor ended is folded first.
        while in_force.catch_up(64, |_| ())? {}
        let inputs = inputs(in_force.stage(), world.journal.life(), wanted);
        if !inputs.is_empty() {
            world.chaos().point(Site::BeforeAppend, NAME);
            world.journal.append(&writer, i64::MIN, inputs)?;
            world.chaos().point(Site::AfterAppend, NAME);
        }
        world.board.write_begun();
        let waker = Waker::new(move || drop(me.send_message(Pull)));
        in_force.listen(Arc::clone(&waker));
        Ok(State { in_force, waker })
    }

    async fn handle(
        &self,
        _: ActorRef<Pull>,
        Pull: Pull,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.waker.clear();
        while state.in_force.catch_up(64, |_| ())? {}
        Ok(())
    }
}

/// What is to be said at the start of life `life`.
fn inputs(now: &InForce, life: u64, wanted: Wanted) -> Vec<Body> {
    let mut inputs = Vec::new();
    if now.life != life {
        let fresh = now.installation.is_empty();
        let installation = if fresh { wanted.installation } else { now.installation.clone() };
        let started = Operator::Started { life, installation, epoch: now.epoch };
        inputs.push(Body::Operator(started));
    }
    let text = wanted.settings.to_text();
    if now.text != text {
        let (generation, origins) = (now.generation + 1, wanted.origins);
        inputs.push(Body::Operator(Operator::ConfigApplied { generation, text, origins }));
    }
    inputs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        let settings = Settings::default();
        Wanted { installation: "here".into(), settings, origins: Vec::new() }
    }

    #[test]
    fn a_start_is_said_once_a_life_and_settings_only_when_they_differ() {
        let fresh = inputs(&InForce::default(), 1, wanted());
        assert_eq!(fresh.len(), 2, "a life and its settings: {fresh:?}");
        let text = wanted().settings.to_text();
        let running =
            InForce { life: 1, installation: "first".into(), epoch: 3, generation: 1, text };
        assert_eq!(inputs(&running, 1, wanted()), []);
        let next = inputs(&running, 2, wanted());
        let Body::Operator(Operator::Started { life: 2, installation, epoch: 3 }) = &next[0] else {
            panic!("{next:?}")
        };
        assert_eq!((installation.as_str(), next.len()), ("first", 1), "identity is kept");
    }
}
