//! The task beside each instance. It starts the instance, forwards the state its supervisor wants,
//! and reports.
//!
//! It runs on the runtime of the instance and outlives the supervisor. If the supervisor dies, the
//! task kills the instance and reports its end instead. While it runs it holds a share of the
//! subtree of the supervisor, so that a parent can wait for the last one.

use super::event::{News, SupervisionNotice};
use super::exit::{Exit, StartError, discard};
use super::rules::Kind;
use super::slot::Slot;
use super::spec::{BoxFuture, ChildSpec, Extra, Instance, StartContext, Started, Supervise};
use super::tree::Tree;
use ractor::{ActorCell, ActorId};
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// The state that the supervisor wants an instance to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Desired {
    Up,
    Stop,
    Kill,
}

/// A share of a subtree. The subtree is empty when all shares are dropped.
pub(crate) type Share = mpsc::Sender<Infallible>;

/// A report about an instance.
pub(crate) enum Report {
    Started(ActorCell, Option<Extra>),
    Ignored,
    StartFailed(Option<ActorId>, StartError),
    Ended(EndReport),
}

/// An instance that was up and has ended. If it is dropped unread, because the supervisor has ended
/// too, it reports the end itself.
pub(crate) struct EndReport {
    pub actor: ActorId,
    slot: Arc<Slot>,
    tree: Tree,
    kind: Kind,
    since: Instant,
    restarts: u32,
    /// Whether the supervisor had requested the end.
    requested: bool,
    /// Whether there is nothing to report: the instance has not ended, or the supervisor reads it.
    handled: bool,
}

impl EndReport {
    /// Takes the report. The supervisor reports the rest.
    pub fn read(mut self) -> ActorId {
        self.handled = true;
        self.actor
    }
}

impl Drop for EndReport {
    fn drop(&mut self) {
        if self.handled {
            return;
        }
        let exit = self.slot.announced(self.actor).unwrap_or(Exit::Orphaned);
        let (path, kind, at_ms) = (self.slot.path().to_owned(), self.kind, (self.tree.wall)());
        self.slot.show_orphan(self.actor, &exit, at_ms);
        let (uptime, restarts, requested) = (self.since.elapsed(), self.restarts, self.requested);
        let news = News::Exited { exit, uptime, restarts, requested };
        (self.tree.observer)(&SupervisionNotice { path, kind, at_ms, news });
    }
}

/// Sends the last report when dropped, so that it is sent however the task ends.
pub(crate) struct Reporter {
    /// Sends a report to the supervisor. If that has ended, no report is needed.
    pub deliver: Box<dyn Fn(Report) + Send + Sync>,
    pub actor: Option<ActorId>,
    /// Why it is not up; `None` once it is, or if it was not wanted.
    pub error: Option<StartError>,
    /// The report for its end, once it is up.
    pub ended: Option<EndReport>,
}

impl Reporter {
    fn send(&self, report: Report) {
        (self.deliver)(report);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        match (self.error.take(), self.ended.take()) {
            (None, Some(ended)) => self.send(Report::Ended(ended)),
            (None, None) => self.send(Report::Ignored),
            (Some(error), _) => self.send(Report::StartFailed(self.actor, error)),
        }
    }
}

/// Runs beside one instance from its start to its end. The share is dropped last, so that all
/// reports precede it.
pub(crate) async fn attend(
    _share: Share,
    (spec, supervise): (ChildSpec, Supervise),
    context: StartContext,
    mut desired: watch::Receiver<Desired>,
    mut report: Reporter,
) {
    let (path, kind) = (context.path.clone(), spec.kind());
    let (tree, restarts) = (context.tree.clone(), context.restarts);
    let started = tokio::select! {
        biased;
        () = no_longer_wanted(&mut desired) => {
            Err(StartError::new(path.clone(), "its start was given up"))
        }
        started = async { spec.start(context, supervise).await } => started,
    };
    // The arguments of the start are dropped early. A panic in that drop does not end the task of a
    // running instance.
    drop(discard(spec));
    let (instance, mut extra) = match started {
        Ok(Started { instance, extra }) => (instance, extra),
        Err(error) => {
            report.error = Some(error);
            return;
        }
    };
    let Some(Instance { cell, stop, ready: up, mut ended }) = instance else {
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
                        report.ended = Some(EndReport {
                            actor: cell.get_id(),
                            slot: tree.directory.slot(&path),
                            tree: tree.clone(),
                            kind,
                            since: Instant::now(),
                            restarts,
                            requested: false,
                            handled: true,
                        });
                        report.send(Report::Started(cell.clone(), extra.take()));
                    }
                    Err(error) => {
                        report.error = Some(error);
                        cell.kill();
                    }
                }
            }
            () = &mut ended => {
                if let Some(ended) = &mut report.ended {
                    ended.handled = false;
                }
                break;
            }
            changed = desired.changed(), if !orphan => {
                orphan = changed.is_err();
                let desired = if orphan { Desired::Kill } else { *desired.borrow_and_update() };
                if let Some(ended) = report.ended.as_mut().filter(|_| !orphan) {
                    ended.requested = desired != Desired::Up;
                }
                obey(desired, stop, &cell);
            }
        }
    }
}

async fn no_longer_wanted(desired: &mut watch::Receiver<Desired>) {
    // An error means that the supervisor has ended, so the instance must end too.
    drop(desired.wait_for(|desired| *desired != Desired::Up).await);
}

fn obey(desired: Desired, stop: fn(&ActorCell), cell: &ActorCell) {
    match desired {
        Desired::Up => {}
        Desired::Stop => stop(cell),
        Desired::Kill => cell.kill(),
    }
}
