//! Stages that cannot be made for as long as a script says so: the supervisor that really restarts
//! them gives up and keeps them down, and brings them up again once they are well.

use crate::trading::{AnyStage, StageSpec, specs};
use everwarm_runtime::supervise::{News, SupervisionNotice};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two tries of what is kept down.
pub(super) const RETRY: Duration = Duration::from_millis(20);

thread_local! {
    /// What is known to the threads on which the actors of a life start.
    static HERE: RefCell<Option<Arc<Illness>>> = const { RefCell::new(None) };
}

/// Who is ill in one life, and who is kept down.
#[derive(Debug, Default)]
pub(super) struct Illness(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    ill: BTreeSet<&'static str>,
    /// Paths.
    down: BTreeSet<String>,
}

impl Illness {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stages made on this thread are those of this life.
    pub(super) fn reign_here(self: &Arc<Self>) {
        HERE.set(Some(Arc::clone(self)));
    }

    /// From here on no instance of the stage can be made, or again one can.
    pub(super) fn set(&self, stage: &'static str, ill: bool) {
        let mut now = self.lock();
        if ill {
            now.ill.insert(stage)
        } else {
            now.ill.remove(stage)
        };
    }

    /// Takes in what became of a branch. What is down is told to the journal before.
    pub(super) fn hear(&self, notice: &SupervisionNotice) {
        if let News::BranchDown { .. } = &notice.news {
            self.lock().down.insert(notice.path.clone());
        } else if let News::BranchUp = &notice.news {
            self.lock().down.remove(&notice.path);
        }
    }

    /// Whether the branch is kept down.
    pub(super) fn keeps_down(&self, path: &str) -> bool {
        self.lock().down.contains(path)
    }
}

/// Every stage; the analysis can fall ill.
pub(super) fn frail() -> Vec<StageSpec> {
    let frail = |spec: StageSpec| match spec.name {
        "indicator" => StageSpec { make: || made("indicator"), ..spec },
        "sma_cross" => StageSpec { make: || made("sma_cross"), ..spec },
        _ => spec,
    };
    specs().into_iter().map(frail).collect()
}

fn made(name: &'static str) -> AnyStage {
    let here = HERE.with_borrow(Option::clone);
    if here.is_some_and(|here| here.lock().ill.contains(name)) {
        // As a panic, without the words of one among those of the tests.
        std::panic::resume_unwind(Box::new(format!("no {name} today")));
    }
    let spec = specs().into_iter().find(|spec| spec.name == name).expect("one of the stages");
    (spec.make)()
}
