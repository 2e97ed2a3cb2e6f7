//! The actor around a stage. It only wakes up and catches up.

use crate::journal::{Journal, Waker};
use crate::mailbox::Mailbox;
use crate::runner::{ResumeReport, Runner};
use everwarm_kernel::fact::{Body, Library};
use everwarm_kernel::stage::Stage;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::marker::PhantomData;
use std::sync::Arc;

/// Inputs handled in a row. Then a stop or a kill can take effect.
const TURN: usize = 64;

/// How to make a fresh state machine.
pub type MakeStage<B> = Arc<dyn Fn() -> Box<dyn Stage<Body = B>> + Send + Sync>;

/// Start arguments of a stage's actor.
pub struct StageArguments<B: Body> {
    /// The journal of the stage.
    pub journal: Arc<Journal<B>>,
    /// Makes its fresh state.
    pub make: MakeStage<B>,
    /// Resolves references to bulk data.
    pub library: Arc<dyn Library<B>>,
    /// Receives the report of each start.
    pub on_resume: Arc<dyn Fn(&'static str, ResumeReport) + Send + Sync>,
    /// Mailbox in the tree, which measures its waits.
    pub mailbox: Arc<Mailbox>,
}

impl<B: Body> Clone for StageArguments<B> {
    fn clone(&self) -> Self {
        StageArguments {
            journal: Arc::clone(&self.journal),
            make: Arc::clone(&self.make),
            library: Arc::clone(&self.library),
            on_resume: Arc::clone(&self.on_resume),
            mailbox: Arc::clone(&self.mailbox),
        }
    }
}

/// Message: there may be new inputs.
pub struct Pull;

/// The actor of any stage.
pub struct StageActor<B>(PhantomData<fn() -> B>);

impl<B> Default for StageActor<B> {
    fn default() -> Self {
        StageActor(PhantomData)
    }
}

/// State of the actor. It is lost with the instance.
pub struct Running<B: Body> {
    runner: Runner<dyn Stage<Body = B>>,
    waker: Arc<Waker>,
}

impl<B: Body> Actor for StageActor<B> {
    type Msg = Pull;
    type State = Running<B>;
    type Arguments = StageArguments<B>;

    async fn pre_start(
        &self,
        me: ActorRef<Pull>,
        with: StageArguments<B>,
    ) -> Result<Running<B>, ActorProcessingErr> {
        let stage = (with.make)();
        let name = stage.name();
        let (runner, report) =
            Runner::recover_stage(Arc::clone(&with.journal), stage, with.library)?;
        (with.on_resume)(name, report);
        // A send to an instance that has ended is harmless. Its successor catches up at its start.
        let waker = Waker::of(&with.mailbox, move || drop(me.send_message(Pull)));
        runner.listen(Arc::clone(&waker));
        Ok(Running { runner, waker })
    }

    async fn handle(
        &self,
        me: ActorRef<Pull>,
        _: Pull,
        state: &mut Running<B>,
    ) -> Result<(), ActorProcessingErr> {
        state.waker.clear();
        if state.runner.catch_up(TURN, |_| ())? {
            drop(me.send_message(Pull));
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<Pull>,
        state: &mut Running<B>,
    ) -> Result<(), ActorProcessingErr> {
        state.runner.save();
        Ok(())
    }
}
