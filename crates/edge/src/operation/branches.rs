//! Reports branches of the supervision tree as inputs. While a branch is stopped by its supervisor,
//! only exits are allowed. If it is a stage without an instance, the journal passes inputs for it,
//! so that nobody waits for its facts.
//!
//! Restarts are reported too, see [`crate::operation::restarts`].

use crate::operation::restarts::Restarting;
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::path;
use everwarm_kernel::fact::Rank;
use everwarm_runtime::journal::{AppendError, Journal};
use everwarm_runtime::supervise::{Announcement, Directory, Observer, SupervisionNotice};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Its name as a writer.
const NAME: &str = "supervisor";

/// Appends what becomes of branches and which actors restarted, then calls `next`. Supervisors call
/// it: an append takes one short lock and waits for nothing.
pub fn observer(
    (journal, directory): (&Arc<Journal<Body>>, &Directory),
    next: Observer,
) -> Observer {
    let (journal, writer) = (Arc::clone(journal), journal.writer(NAME));
    let kept_down = Mutex::new(BTreeSet::new());
    let restarts = Restarting::new(&journal, directory.clone());
    Arc::new(move |notice| {
        restarts.apply(notice);
        let log_error =
            |e: AppendError| tracing::debug!(path = notice.path, "its state was not recorded: {e}");
        let mut kept_down = kept_down.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(operator) = input_about(notice, &mut kept_down) {
            let bodies = vec![Body::Operator(operator)];
            journal.append(&writer, i64::MIN, bodies).map_or_else(log_error, drop);
        }
        if let Some(rank) = rank_of(&journal, &notice.path) {
            let down = kept_down.contains(&notice.path);
            stand_in(&journal, rank, &notice.news, down).unwrap_or_else(log_error);
        }
        drop(kept_down);
        next(notice);
    })
}

/// The rank of the stage at a path in the tree.
fn rank_of(journal: &Journal<Body>, path: &str) -> Option<Rank> {
    let name = path.strip_prefix(path::STAGES)?.strip_prefix('/')?;
    let present = journal.present();
    present.iter().find(|(_, of, ..)| *of == name).map(|(rank, ..)| *rank)
}

/// Makes the journal pass inputs for a stopped stage while it has no instance.
fn stand_in(
    journal: &Journal<Body>,
    rank: Rank,
    news: &Announcement,
    down: bool,
) -> Result<(), AppendError> {
    match news {
        Announcement::BranchDown { why, .. } => journal.stage_down(rank, why),
        // A failed try to start it again.
        Announcement::Exited { exit, .. } if down => journal.stage_down(rank, &exit.to_string()),
        Announcement::StartFailed { error } if down => journal.stage_down(rank, &error.why),
        Announcement::BranchUp => journal.stage_up(rank),
        // Not a trial start. If it was stopped, that was by a supervisor that no longer exists.
        Announcement::Started { .. } if !down => journal.stage_up(rank),
        Announcement::Started { .. }
        | Announcement::Ignored
        | Announcement::Removed
        | Announcement::StartFailed { .. }
        | Announcement::Exited { .. }
        | Announcement::StopFailed { .. }
        | Announcement::Blocked { .. }
        | Announcement::Unblocked { .. }
        | Announcement::GaveUp { .. }
        | Announcement::Stray { .. } => Ok(()),
    }
}

/// The input about a notice; none if there is none. A removed branch does not count as stopped.
fn input_about(notice: &SupervisionNotice, kept_down: &mut BTreeSet<String>) -> Option<Operator> {
    let path = notice.path.clone();
    match &notice.news {
        Announcement::BranchDown { why, .. } => {
            kept_down.insert(path.clone());
            Some(Operator::Branch { path, down: Some(why.clone()) })
        }
        Announcement::BranchUp | Announcement::Removed => {
            kept_down.remove(&path).then_some(Operator::Branch { path, down: None })
        }
        Announcement::Started { .. }
        | Announcement::Ignored
        | Announcement::StartFailed { .. }
        | Announcement::Exited { .. }
        | Announcement::StopFailed { .. }
        | Announcement::Blocked { .. }
        | Announcement::Unblocked { .. }
        | Announcement::GaveUp { .. }
        | Announcement::Stray { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_runtime::supervise::Kind;
    use std::time::Duration;

    #[test]
    fn a_branch_is_said_down_and_up_once_each() {
        let mut kept_down = BTreeSet::new();
        let mut apply = |news| {
            let notice = SupervisionNotice { path: "p".into(), kind: Kind::Worker, at_ms: 0, news };
            input_about(&notice, &mut kept_down).map(|input| format!("{input:?}"))
        };
        let down = || Announcement::BranchDown { why: "w".into(), retry: Duration::from_mins(1) };
        let word = |down: &str| Some(format!("Branch {{ path: \"p\", down: {down} }}"));
        assert_eq!(apply(Announcement::Removed), None);
        assert_eq!(apply(down()), word("Some(\"w\")"));
        assert_eq!(apply(Announcement::Started { restarts: 1 }), None);
        assert_eq!(apply(Announcement::BranchUp), word("None"));
        assert_eq!(apply(Announcement::Removed), None);
        assert_eq!(apply(down()), word("Some(\"w\")"));
        assert_eq!(apply(Announcement::Removed), word("None"), "nobody waits for it any more");
    }
}
