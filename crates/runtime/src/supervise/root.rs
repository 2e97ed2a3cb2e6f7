//! The root of a tree: its start, its stop, and its outcome.

use super::event::{ChildView, State};
use super::exit::{Exit, GaveUp, StartError};
use super::rules::{Kind, SpecError};
use super::slot::{Directory, Slot};
use super::spec::{Instance, SupervisorSpec};
use super::supervisor::{Msg, spawn};
use super::tree::{Observer, Tree, Wall};
use ractor::ActorCell;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The outcome of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootOutcome {
    /// It was stopped on request.
    Stopped,
    /// It failed.
    GaveUp(GaveUp),
}

/// Why a tree was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// The spec is invalid. Nothing was started.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A child could not be started. All others were stopped again.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A running tree. Dropping the handle leaves the tree running.
#[derive(Clone)]
pub struct RootHandle {
    tree: Tree,
    slot: Arc<Slot>,
    outcome: watch::Receiver<Option<RootOutcome>>,
}

impl Tree {
    /// A tree before its start. `observer` receives all reports.
    pub fn new(observer: Observer, wall: Wall) -> Tree {
        Tree { directory: Directory::default(), observer, wall }
    }

    /// Starts everything in order on the current runtime; returns when all is up. If it is dropped
    /// before that, it kills what it has started.
    ///
    /// # Errors
    /// The spec is invalid, or a child could not be started. Nothing is left running then.
    pub async fn start(self, spec: SupervisorSpec) -> Result<RootHandle, RootError> {
        spec.check()?;
        let path = spec.id.to_string();
        let slot = self.directory.slot(&path);
        self.show(&slot, State::Starting, None);
        let root = spawn(Arc::new(spec), path.clone(), self.clone(), None).await?;
        let Instance { cell, ready, ended: has_ended, .. } = root;
        slot.fill(cell.clone());
        let mut abandoned = KillOnDrop(Some(cell.clone()));
        let up = match ready {
            Some(ready) => ready.await,
            None => Ok(()),
        };
        abandoned.0 = None;
        if let Err(error) = up {
            has_ended.await;
            slot.vacate(cell.get_id());
            self.show(&slot, State::Stopped, Some(error.to_string()));
            return Err(error.into());
        }
        self.show(&slot, State::Running, None);
        let (ended, outcome) = watch::channel(None);
        let (tree, at_end) = (self.clone(), slot.clone());
        tokio::spawn(async move {
            has_ended.await;
            at_end.vacate(cell.get_id());
            let outcome = match at_end.announced(cell.get_id()) {
                Some(Exit::Normal(_)) => RootOutcome::Stopped,
                Some(Exit::GaveUp(gave_up)) => RootOutcome::GaveUp(gave_up),
                exit @ (Some(
                    Exit::Failed(_)
                    | Exit::Killed
                    | Exit::Lost
                    | Exit::Injected(_)
                    | Exit::Orphaned,
                )
                | None) => {
                    let why =
                        exit.map_or("ended without a request".to_owned(), |exit| exit.to_string());
                    RootOutcome::GaveUp(GaveUp { path, why })
                }
            };
            let failure = match &outcome {
                RootOutcome::Stopped => None,
                RootOutcome::GaveUp(GaveUp { path, why }) => Some(format!("{path}: {why}")),
            };
            tree.show(&at_end, State::Stopped, failure);
            ended.send_replace(Some(outcome));
        });
        Ok(RootHandle { tree: self, slot, outcome })
    }

    fn show(&self, slot: &Slot, state: State, last_failure: Option<String>) {
        let view = ChildView { state, ups: 0, injected: 0, last_failure, down: false };
        slot.show(0, Kind::Supervisor, view, (self.wall)());
    }
}

struct KillOnDrop(Option<ActorCell>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.take().inspect(ActorCell::kill);
    }
}

impl RootHandle {
    /// The data that the whole tree shares.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The addresses of the actors of the tree.
    pub fn directory(&self) -> &Directory {
        &self.tree.directory
    }

    /// Waits until the tree has ended completely.
    pub async fn outcome(&self) -> RootOutcome {
        let mut outcome = self.outcome.clone();
        let lost = || {
            RootOutcome::GaveUp(GaveUp {
                path: self.slot.path().to_owned(),
                why: "its runtime has ended".to_owned(),
            })
        };
        outcome
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|outcome| outcome.clone())
            .unwrap_or_else(lost)
    }

    /// Stops everything in reverse order; each child has ended before the next is stopped.
    /// Instances that are alive after `deadline` are killed, in the same order. Waits until the
    /// tree has ended completely.
    pub async fn stop(&self, deadline: Duration) -> RootOutcome {
        if self.slot.send(Msg::Stop(Some(deadline))).is_ok() {
            self.tree.show(&self.slot, State::Stopping, None);
        }
        self.outcome().await
    }
}
