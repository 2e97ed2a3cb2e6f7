//! The frame of an actor that looks for work and does it on a thread beside itself.
//!
//! 1. One job runs at a time. The actor looks for the next one after its end.
//! 2. A job that panics ends with a report, too, and the actor goes on. Its supervisor would count
//!    a restart, and three of them limit trading to exits.
//! 3. If the actor ends, its job ends early. The successor looks for work again.

use everwarm_runtime::supervise::{ChildSpec, worker};
use ractor::{Actor, ActorProcessingErr, ActorRef, Message};
use std::marker::PhantomData;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The work of an actor.
pub(super) trait Jobs: Clone + Send + Sync + 'static {
    /// One piece of work.
    type Job: Send + 'static;
    /// The result of a job, for the actor.
    type Report: Send + 'static;

    /// Wall time between two checks whether there is a job.
    const LOOK: Duration;

    /// Called at each check, also while a job runs.
    fn look(&mut self) {}

    /// The job to do now; none: there is none. Not called while one runs.
    fn job(&mut self) -> Option<Self::Job>;

    /// The report of a job that panics.
    fn panicked(job: &Self::Job) -> Self::Report;

    /// Does a job. It may block its thread.
    fn run(&self, job: Self::Job, ended: Ended) -> Self::Report;

    /// Notes the report of a job that has ended.
    fn ended(&mut self, report: Self::Report);
}

/// Both are closed when the actor of a job has ended.
pub(super) struct Ended {
    /// For a job that rests between its steps.
    pub(super) steps: Receiver<()>,
    /// For a job that awaits.
    pub(super) awaited: oneshot::Receiver<()>,
}

/// The other ends of [`Ended`].
type Held = (SyncSender<()>, oneshot::Sender<()>);

/// The actor of this name.
pub(super) fn actor<J: Jobs>(name: &str, jobs: J, on: &Handle) -> ChildSpec {
    worker(name, move |_| (Frame::<J>::new(), jobs.clone())).on(on.clone())
}

/// The actor that does `J`.
pub(super) struct Frame<J>(PhantomData<fn() -> J>);

impl<J> Frame<J> {
    pub(super) fn new() -> Frame<J> {
        Frame(PhantomData)
    }
}

/// A message to the actor.
pub(super) enum Msg<R> {
    /// Check whether there is a job.
    Look,
    /// The job has ended.
    Ended(R),
}

/// The state of the actor.
pub(super) struct State<J> {
    jobs: J,
    /// Held while a job runs. Dropping it ends the job.
    running: Option<Held>,
}

impl<J: Jobs> Actor for Frame<J> {
    type Msg = Msg<J::Report>;
    type State = State<J>;
    type Arguments = J;

    async fn pre_start(
        &self,
        me: ActorRef<Msg<J::Report>>,
        jobs: J,
    ) -> Result<State<J>, ActorProcessingErr> {
        me.send_after(J::LOOK, || Msg::Look);
        Ok(State { jobs, running: None })
    }

    async fn handle(
        &self,
        me: ActorRef<Msg<J::Report>>,
        message: Msg<J::Report>,
        state: &mut State<J>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Look => {
                me.send_after(J::LOOK, || Msg::Look);
                state.jobs.look();
                if state.running.is_none() {
                    state.running = state.jobs.job().map(|job| begin(&state.jobs, job, me));
                }
            }
            Msg::Ended(report) => {
                state.running = None;
                state.jobs.ended(report);
            }
        }
        Ok(())
    }
}

/// Begins a job beside its actor.
fn begin<J: Jobs>(jobs: &J, job: J::Job, me: ActorRef<Msg<J::Report>>) -> Held {
    let (held, steps) = sync_channel(0);
    let (holds, awaited) = oneshot::channel();
    let work = Work::of(me, Msg::Ended(J::panicked(&job)));
    let jobs = jobs.clone();
    tokio::task::spawn_blocking(move || {
        let report = jobs.run(job, Ended { steps, awaited });
        work.end(Msg::Ended(report));
    });
    (held, holds)
}

/// Reports the end of the work to its actor, also if the work panics. Otherwise the actor would
/// wait for it for ever.
struct Work<M: Message>(ActorRef<M>, Option<M>);

impl<M: Message> Work<M> {
    /// `panicked` is the report of work that panics.
    fn of(actor: ActorRef<M>, panicked: M) -> Work<M> {
        Work(actor, Some(panicked))
    }

    /// Reports this.
    fn end(mut self, report: M) {
        self.1 = Some(report);
    }
}

impl<M: Message> Drop for Work<M> {
    fn drop(&mut self) {
        // The actor may have ended meanwhile: its successor begins again.
        drop(self.1.take().map(|report| self.0.send_message(report)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::{Sender, channel};

    struct Collects;

    impl Actor for Collects {
        type Msg = u8;
        type State = Sender<u8>;
        type Arguments = Sender<u8>;

        async fn pre_start(
            &self,
            _: ActorRef<u8>,
            reports: Sender<u8>,
        ) -> Result<Sender<u8>, ActorProcessingErr> {
            Ok(reports)
        }

        async fn handle(
            &self,
            _: ActorRef<u8>,
            report: u8,
            reports: &mut Sender<u8>,
        ) -> Result<(), ActorProcessingErr> {
            Ok(reports.send(report).await?)
        }
    }

    #[tokio::test]
    async fn work_that_panics_is_reported_too() {
        let (to, mut reports) = channel(2);
        let (actor, _) = Actor::spawn(None, Collects, to).await.unwrap();
        let work = Work::of(actor.clone(), 1);
        tokio::task::spawn_blocking(move || work.end(2)).await.unwrap();
        assert_eq!(reports.recv().await, Some(2));
        let work = Work::of(actor.clone(), 1);
        let panicked = tokio::task::spawn_blocking(move || {
            let _work = work;
            panic!("as planned");
        });
        assert!(panicked.await.is_err());
        assert_eq!(reports.recv().await, Some(1));
        actor.stop(None);
    }
}
