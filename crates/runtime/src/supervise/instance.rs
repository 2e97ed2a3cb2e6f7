//! The helper task of each instance. It starts the instance, passes on the supervisor's commands,
//! and reports.
//!
//! It runs on the instance's runtime and may outlive the supervisor. If the supervisor ends, the
//! task kills the instance and reports its end itself. While the task runs, it holds a share of the
//! supervisor's subtree. So a parent can wait for the last task.

use super::event::{Announcement, SupervisionNotice};
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

/// Command of the supervisor to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstanceCommand {
    Live,
    Stop,
    Kill,
}

/// A share of a subtree. The subtree has ended when all shares are dropped.
pub(crate) type Share = mpsc::Sender<Infallible>;

/// A report about an instance.
pub(crate) enum Report {
    Started(ActorCell, Option<Extra>),
    Ignored,
    StartFailed(Option<ActorId>, StartError),
    Gone(Gone),
}

/// The end of an instance that was up. If it is dropped unread, because the supervisor has ended
/// too, it notifies the observer itself.
pub(crate) struct Gone {
    pub actor: ActorId,
    slot: Arc<Slot>,
    tree: Tree,
    kind: Kind,
    since: Instant,
    restarts: u32,
    /// Whether its supervisor had requested the end.
    asked: bool,
    /// The instance may not have ended yet, or the supervisor read this.
    silent: bool,
}

impl Gone {
    /// Marks it as read by its supervisor, which reports the rest.
    pub fn read(mut self) -> ActorId {
        self.silent = true;
        self.actor
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        if self.silent {
            return;
        }
        let exit = self.slot.take_expected_exit(self.actor).unwrap_or(Exit::Orphaned);
        let (path, kind, at_ms) =
            (self.slot.path().to_owned(), self.kind, (self.tree.wall)().utc());
        self.slot.show_orphan(self.actor, &exit, at_ms);
        let (uptime, restarts, asked) = (self.since.elapsed(), self.restarts, self.asked);
        let news = Announcement::Exited { exit, uptime, restarts, asked };
        (self.tree.observer)(&SupervisionNotice { path, kind, at_ms, news });
    }
}

/// Sends the last report when dropped, so that every end of the task sends one.
pub(crate) struct Reporter {
    /// Reports to the supervisor. The report is dropped if the supervisor has ended.
    pub to_supervisor: Box<dyn Fn(Report) + Send + Sync>,
    pub actor: Option<ActorId>,
    /// Why it is not up; `None` once it is up or had nothing to do.
    pub error: Option<StartError>,
    /// The end to report once it is up.
    pub gone: Option<Gone>,
}

impl Reporter {
    fn send(&self, report: Report) {
        (self.to_supervisor)(report);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        match (self.error.take(), self.gone.take()) {
            (None, Some(gone)) => self.send(Report::Gone(gone)),
            (None, None) => self.send(Report::Ignored),
            (Some(error), _) => self.send(Report::StartFailed(self.actor, error)),
        }
    }
}

/// Runs beside one instance from its start to its end. It drops the share last, so that all reports
/// come before the subtree counts as ended.
pub(crate) async fn attend(
    _share: Share,
    (spec, supervise): (ChildSpec, Supervise),
    context: StartContext,
    mut commands: watch::Receiver<InstanceCommand>,
    mut report: Reporter,
) {
    let (path, kind) = (context.path.clone(), spec.kind());
    let (tree, restarts) = (context.tree.clone(), context.restarts);
    let started = tokio::select! {
        biased;
        () = no_longer_wanted(&mut commands) => {
            Err(StartError::new(path.clone(), "its start was given up"))
        }
        started = async { spec.start(context, supervise).await } => started,
    };
    // Drop the spec before the instance runs. A panic in that drop must not end this task.
    drop(discard(spec));
    let (instance, mut extra) = match started {
        Ok(Started { instance, extra }) => (instance, extra),
        Err(error) => {
            report.error = Some(error);
            return;
        }
    };
    let Some(Instance { cell, stop, ready: up, mut gone }) = instance else {
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
                        report.gone = Some(Gone {
                            actor: cell.get_id(),
                            slot: tree.directory.slot(&path),
                            tree: tree.clone(),
                            kind,
                            since: Instant::now(),
                            restarts,
                            asked: false,
                            silent: true,
                        });
                        report.send(Report::Started(cell.clone(), extra.take()));
                    }
                    Err(error) => {
                        report.error = Some(error);
                        cell.kill();
                    }
                }
            }
            () = &mut gone => {
                if let Some(gone) = &mut report.gone {
                    gone.silent = false;
                }
                break;
            }
            changed = commands.changed(), if !orphan => {
                orphan = changed.is_err();
                let latest = *commands.borrow_and_update();
                let command = if orphan { InstanceCommand::Kill } else { latest };
                if let Some(gone) = report.gone.as_mut().filter(|_| !orphan) {
                    gone.asked = command != InstanceCommand::Live;
                }
                obey(command, stop, &cell);
            }
        }
    }
}

async fn no_longer_wanted(commands: &mut watch::Receiver<InstanceCommand>) {
    // An error means that the supervisor has ended, so the instance must not stay up.
    drop(commands.wait_for(|command| *command != InstanceCommand::Live).await);
}

fn obey(command: InstanceCommand, stop: fn(&ActorCell), cell: &ActorCell) {
    match command {
        InstanceCommand::Live => {}
        InstanceCommand::Stop => stop(cell),
        InstanceCommand::Kill => cell.kill(),
    }
}
