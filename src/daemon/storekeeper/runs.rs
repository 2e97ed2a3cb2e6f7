//! The request that removes facts and bars beside the daemon, and the last one. At most one runs.
//!
//! The request outlives the actor that carries it out. So an actor that was killed is followed by
//! one that continues.

use everwarm_views::exit::{Exit, Failure};
use everwarm_views::storage::{RetainRequest, RetainRunView, RetainState, RetainView};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most days that a request can name.
const DAYS_MAX: i64 = 36_500;

/// The requests of a process.
#[derive(Clone, Debug, Default)]
pub struct Retains(Arc<Mutex<RetainRunView>>);

impl Retains {
    /// The one that runs, else the last one.
    #[must_use]
    pub fn view(&self) -> RetainRunView {
        self.locked().clone()
    }

    /// Requests to remove what is due. The same request while it runs changes nothing.
    ///
    /// # Errors
    /// Another one runs, or its days are out of range.
    pub fn begin(&self, request: &RetainRequest) -> Result<RetainRunView, Failure> {
        if request.days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
            let text = "days: give a number from 1 to 36,500";
            return Err(Failure::new(Exit::Usage, text));
        }
        let mut last = self.locked();
        if last.state == RetainState::Running {
            if last.request == *request {
                return Ok(last.clone());
            }
            let text = "another such request runs; wait until it ends";
            return Err(Failure::new(Exit::Refused, text));
        }
        let (run, request) = (last.run + 1, request.clone());
        let state = RetainState::Running;
        *last = RetainRunView { run, state, request, ..RetainRunView::default() };
        Ok(last.clone())
    }

    /// The request to carry out; none: there is none.
    pub(super) fn asked(&self) -> Option<RetainRequest> {
        let last = self.locked();
        (last.state == RetainState::Running).then(|| last.request.clone())
    }

    /// Notes the result. If the work was interrupted, the successor of its actor does it again.
    pub(super) fn end(&self, result: Result<RetainView, Failure>) {
        let mut last = self.locked();
        match result {
            Ok(removed) => {
                last.state = RetainState::Done;
                last.removed = Some(removed);
            }
            Err(why) if why.exit == Exit::Interrupted => {}
            Err(why) => {
                tracing::warn!("nothing was removed, or not everything: {why}");
                last.state = RetainState::Failed;
                last.differs = why.exit == Exit::Problems;
                last.error = Some(why.text);
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, RetainRunView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(days: i64) -> RetainRequest {
        RetainRequest { days: Some(days), dry_run: false }
    }

    #[test]
    fn one_request_runs_and_an_interrupted_one_is_done_again() {
        let runs = Retains::default();
        assert_eq!(runs.asked(), None);
        assert_eq!(runs.begin(&request(0)).unwrap_err().exit, Exit::Usage);
        assert_eq!(runs.begin(&request(7)).unwrap().run, 1);
        assert_eq!(runs.begin(&request(7)).unwrap().run, 1);
        assert_eq!(runs.begin(&request(8)).unwrap_err().exit, Exit::Refused);
        runs.end(Err(Failure::new(Exit::Interrupted, "the daemon ends")));
        assert_eq!(runs.asked(), Some(request(7)));
        runs.end(Ok(RetainView::default()));
        assert_eq!((runs.asked(), runs.view().state), (None, RetainState::Done));
        assert_eq!(runs.begin(&request(7)).unwrap().run, 2);
        runs.end(Err(Failure::new(Exit::Problems, "facts differ")));
        let view = runs.view();
        assert_eq!((view.state, view.differs, view.removed), (RetainState::Failed, true, None));
    }
}
