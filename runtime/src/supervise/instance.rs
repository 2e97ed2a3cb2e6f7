//! The helper task beside each instance: starts it, tells it what its supervisor wishes, and
//! reports.
//!
//! It runs on the instance's runtime and outlives the supervisor, whose death it takes for a wish
//! to kill. While it runs it holds a share of the supervisor's subtree, so that a parent can wait
//! for the last of them.

use super::event::Seat;
use super::exit::StartError;
use super::spec::{BoxFuture, ChildSpec, Extra, Instance, Kind, StartContext, Started};
use super::supervisor::Msg;
use ractor::{ActorCell, ActorId, ActorRef};
use std::convert::Infallible;
use std::future::ready;
use tokio::sync::{mpsc, watch};

/// What the supervisor wants of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Live,
    Stop,
    Kill,
}

/// A share of a subtree; it is empty when all are dropped.
pub(crate) type Share = mpsc::Sender<Infallible>;

/// What happened to an instance.
pub(crate) enum Report {
    Started(ActorCell, Option<Extra>),
    Ignored,
    StartFailed(Option<ActorId>, StartError),
    Gone(ActorId),
}

/// Sends the last report when dropped, so that it comes whatever ends the task.
pub(crate) struct Reporter {
    pub supervisor: ActorRef<Msg>,
    pub seat: Seat,
    pub generation: u64,
    pub actor: Option<ActorId>,
    /// Why it is not up; `None` once it is, or where it was not to be.
    pub error: Option<StartError>,
}

impl Reporter {
    fn send(&self, report: Report) {
        // A supervisor that is gone needs no report.
        self.supervisor.cast(Msg::Report(self.seat, self.generation, report)).ok();
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        match (self.error.take(), self.actor) {
            (None, Some(actor)) => self.send(Report::Gone(actor)),
            (None, None) => self.send(Report::Ignored),
            (Some(error), actor) => self.send(Report::StartFailed(actor, error)),
        }
    }
}

/// Runs beside one instance from its start to its end.
pub(crate) async fn attend(
    spec: ChildSpec,
    context: StartContext,
    mut wish: watch::Receiver<Wish>,
    mut report: Reporter,
    _share: Share,
) {
    let (path, kind) = (context.path.clone(), spec.kind());
    let started = tokio::select! {
        biased;
        () = no_longer_wanted(&mut wish) => {
            Err(StartError::new(path, "its start was given up"))
        }
        started = async { spec.start(context).await } => started,
    };
    // What a start was made from is not kept beside what came of it.
    drop(spec);
    let (instance, mut extra) = match started {
        Ok(Started { instance, extra }) => (instance, extra),
        Err(error) => {
            report.error = Some(error);
            return;
        }
    };
    let Some(Instance { cell, ready: up, mut gone }) = instance else {
        report.error = None;
        return;
    };
    report.actor = Some(cell.get_id());
    let mut up: BoxFuture<_> = up.unwrap_or_else(|| Box::pin(ready(Ok(()))));
    let (mut starting, mut orphan) = (true, false);
    loop {
        tokio::select! {
            biased;
            result = &mut up, if starting => {
                starting = false;
                match result {
                    Ok(()) => {
                        report.error = None;
                        report.send(Report::Started(cell.clone(), extra.take()));
                    }
                    Err(error) => {
                        report.error = Some(error);
                        cell.kill();
                    }
                }
            }
            () = &mut gone => break,
            changed = wish.changed(), if !orphan => {
                orphan = changed.is_err();
                let wish = if orphan { Wish::Kill } else { *wish.borrow_and_update() };
                obey(wish, kind, &cell);
            }
        }
    }
}

async fn no_longer_wanted(wish: &mut watch::Receiver<Wish>) {
    // An error says that the supervisor is gone, which is no wish to live either.
    drop(wish.wait_for(|wish| *wish != Wish::Live).await);
}

fn obey(wish: Wish, kind: Kind, cell: &ActorCell) {
    match (wish, kind) {
        (Wish::Live, _) => {}
        (Wish::Stop, Kind::Worker) => cell.stop(Some("asked to stop".to_owned())),
        (Wish::Stop, Kind::Supervisor) => {
            // One that is gone need not be asked.
            ActorRef::<Msg>::from(cell.clone()).cast(Msg::Stop(None)).ok();
        }
        (Wish::Kill, _) => cell.kill(),
    }
}
