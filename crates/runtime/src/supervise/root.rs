//! The root of a tree: starts and stops it, and reports how it ended.

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

/// How a tree ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootOutcome {
    /// It was requested to stop.
    Stopped,
    /// It ended without a request, for this reason.
    GaveUp(GaveUp),
}

/// Why a tree was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// The spec is invalid; nothing was started.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A child could not be started; all others were stopped again.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A running tree. Dropping it leaves the tree running.
#[derive(Clone)]
pub struct RootHandle {
    tree: Tree,
    slot: Arc<Slot>,
    outcome: watch::Receiver<Option<RootOutcome>>,
}

impl Tree {
    /// A tree that has not been started. `observer` receives its notices.
    pub fn new(observer: Observer, wall: Wall) -> Tree {
        Tree { directory: Directory::default(), observer, wall }
    }

    /// Starts everything in order on the current runtime; returns when all is up. If the future is
    /// dropped before, it kills what it had started.
    ///
    /// # Errors
    /// The spec is invalid, or a child could not be started. Then nothing is left running.
    pub async fn start(self, spec: SupervisorSpec) -> Result<RootHandle, RootError> {
        spec.check()?;
        let path = spec.id.to_string();
        let slot = self.directory.slot(&path);
        self.show(&slot, State::Starting, None);
        let root = spawn(Arc::new(spec), path.clone(), self.clone(), None).await?;
        let Instance { cell, ready, gone, .. } = root;
        slot.fill(cell.clone());
        let mut abandoned = KillOnDrop(Some(cell.clone()));
        let up = match ready {
            Some(ready) => ready.await,
            None => Ok(()),
        };
        abandoned.0 = None;
        if let Err(error) = up {
            gone.await;
            slot.vacate(cell.get_id());
            self.show(&slot, State::Stopped, Some(error.to_string()));
            return Err(error.into());
        }
        self.show(&slot, State::Running, None);
        let (ended, outcome) = watch::channel(None);
        let (tree, at_end) = (self.clone(), slot.clone());
        tokio::spawn(async move {
            gone.await;
            at_end.vacate(cell.get_id());
            let outcome = match at_end.take_expected_exit(cell.get_id()) {
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
                    let why = exit.map_or("ended unasked".to_owned(), |exit| exit.to_string());
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
        slot.show(0, Kind::Supervisor, view, (self.wall)().utc());
    }
}

struct KillOnDrop(Option<ActorCell>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.take().inspect(ActorCell::kill);
    }
}

impl RootHandle {
    /// Data that the whole tree shares.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The directory of the tree's actors.
    pub fn directory(&self) -> &Directory {
        &self.tree.directory
    }

    /// Waits until the whole tree has ended.
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
            .and_then(|reported| reported.clone())
            .unwrap_or_else(lost)
    }

    /// Stops everything in reverse order. Each child ends before the next is requested to stop.
    /// Children alive after `deadline` are killed in the same order. Waits until all have ended.
    pub async fn stop(&self, deadline: Duration) -> RootOutcome {
        if self.slot.send(Msg::Stop(Some(deadline))).is_ok() {
            self.tree.show(&self.slot, State::Stopping, None);
        }
        self.outcome().await
    }
}
