//! What becomes of branches of the supervision tree, as inputs: one that is kept down leaves exits
//! only until it is up again.

use crate::domain::fact::{Body, Operator};
use everwarm_runtime::journal::Journal;
use everwarm_runtime::supervise::{News, Observer, SupervisionNotice};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Its name as a writer.
const NAME: &str = "supervisor";

/// Says what becomes of branches, and then tells `next` too. Called by supervisors: an append takes
/// one short lock and waits for nothing.
pub fn observer(journal: &Arc<Journal<Body>>, next: Observer) -> Observer {
    let (journal, writer) = (Arc::clone(journal), journal.writer(NAME));
    let kept_down = Mutex::new(BTreeSet::new());
    Arc::new(move |notice| {
        let said = told(notice, &mut kept_down.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(operator) = said {
            let appended = journal.append(&writer, i64::MIN, vec![Body::Operator(operator)]);
            if let Err(e) = appended {
                tracing::debug!(path = notice.path, "a branch is not told of: {e}");
            }
        }
        next(notice);
    })
}

/// What is said about a notice. A branch that is removed is not down any more.
fn told(notice: &SupervisionNotice, kept_down: &mut BTreeSet<String>) -> Option<Operator> {
    let path = notice.path.clone();
    match &notice.news {
        News::BranchDown { why, .. } => {
            kept_down.insert(path.clone());
            Some(Operator::Branch { path, down: Some(why.clone()) })
        }
        News::BranchUp | News::Removed => {
            kept_down.remove(&path).then_some(Operator::Branch { path, down: None })
        }
        News::Started { .. }
        | News::Ignored
        | News::StartFailed { .. }
        | News::Exited { .. }
        | News::StopFailed { .. }
        | News::Blocked { .. }
        | News::Unblocked { .. }
        | News::GaveUp { .. } => None,
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
        let mut hear = |news| {
            let notice = SupervisionNotice { path: "p".into(), kind: Kind::Worker, at_ms: 0, news };
            told(&notice, &mut kept_down).map(|said| format!("{said:?}"))
        };
        let down = || News::BranchDown { why: "w".into(), retry: Duration::from_mins(1) };
        let said = |down: &str| Some(format!("Branch {{ path: \"p\", down: {down} }}"));
        assert_eq!(hear(News::Removed), None);
        assert_eq!(hear(down()), said("Some(\"w\")"));
        assert_eq!(hear(News::Started { restarts: 1 }), None);
        assert_eq!(hear(News::BranchUp), said("None"));
        assert_eq!(hear(News::Removed), None);
        assert_eq!(hear(down()), said("Some(\"w\")"));
        assert_eq!(hear(News::Removed), said("None"), "nobody waits for it any more");
    }
}
