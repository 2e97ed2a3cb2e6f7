//! The actor around a stage: wakes, catches up, nothing else.

use crate::journal::{Journal, Waker};
use crate::mailbox::Mailbox;
use crate::runner::{ResumeReport, Runner};
use everwarm_kernel::fact::{Body, Library};
use everwarm_kernel::stage::Stage;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::marker::PhantomData;
use std::sync::Arc;

/// Inputs handled before stop and kill get their turn.
const TURN: usize = 64;

/// How to make a fresh state machine.
pub type MakeStage<B> = Arc<dyn Fn() -> Box<dyn Stage<Body = B>> + Send + Sync>;

/// What a stage's actor is started with.
pub struct StageArguments<B: Body> {
    /// The journal it lives on.
    pub journal: Arc<Journal<B>>,
    /// Its fresh state.
    pub make: MakeStage<B>,
    /// Where bulk data is.
    pub library: Arc<dyn Library<B>>,
    /// Told what each start took.
    pub on_resume: Arc<dyn Fn(&'static str, ResumeReport) + Send + Sync>,
    /// Its place in the tree, with which its waits are measured.
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

/// There may be something new.
pub struct Pull;

/// The actor of any stage.
pub struct StageActor<B>(PhantomData<fn() -> B>);

impl<B> Default for StageActor<B> {
    fn default() -> Self {
        StageActor(PhantomData)
    }
}

/// State of the actor: nothing of it outlives the instance.
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
        let (runner, report) = Runner::resume(Arc::clone(&with.journal), stage, with.library)?;
        (with.on_resume)(name, report);
        // A send to an instance that has ended is harmless: its successor pulls at its start.
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
