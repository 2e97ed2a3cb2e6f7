//! How far a backfill is, for those who follow it.

use everwarm_views::backfill::BackfillView;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The view of one backfill.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<Mutex<BackfillView>>);

impl Meter {
    /// Begins with this view.
    pub fn of(view: BackfillView) -> Meter {
        Meter(Arc::new(Mutex::new(view)))
    }

    /// The view now.
    pub fn view(&self) -> BackfillView {
        self.locked().clone()
    }

    /// Changes the view.
    pub fn change(&self, change: impl FnOnce(&mut BackfillView)) {
        change(&mut self.locked());
    }

    fn locked(&self) -> MutexGuard<'_, BackfillView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
