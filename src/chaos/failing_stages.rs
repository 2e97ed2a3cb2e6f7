//! Stages that fail as a script says. Some cannot be created for a while: their real supervisor
//! stops them and restarts them later. Others fail at a close until they are repaired: that input
//! is quarantined.

use super::script::{Deed, Script};
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::order::FIRST_STRATEGY;
use everwarm_domain::settings::Settings;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{OnPoison, Out, Stage};
use everwarm_runtime::supervise::{Announcement, SupervisionNotice};
use everwarm_trading::{AnyStage, StageSpec, specs, specs_of};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two retries of a stopped stage.
pub(super) const RETRY: Duration = Duration::from_millis(20);

thread_local! {
    /// The failures of the life whose actors start on this thread.
    static HERE: RefCell<Option<Arc<Illness>>> = const { RefCell::new(None) };
}

/// The stages that fail in one life, and the stopped branches.
#[derive(Debug, Default)]
pub(super) struct Illness(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    ill: BTreeSet<&'static str>,
    /// Paths of stopped branches.
    down: BTreeSet<String>,
    /// Stages that fail at a close, at the bar of a symbol.
    falls: Vec<(&'static str, UtcMs, Symbol)>,
}

impl Illness {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the stages created on this thread belong to this life.
    pub(super) fn reign_here(self: &Arc<Self>) {
        HERE.set(Some(Arc::clone(self)));
    }

    /// Makes the creation of a stage fail from here on, or succeed again.
    pub(super) fn set(&self, stage: &'static str, ill: bool) {
        let mut now = self.lock();
        if ill {
            now.ill.insert(stage)
        } else {
            now.ill.remove(stage)
        };
    }

    /// Sets the stages that fail in this life, after `done` deeds of a script. The last retry among
    /// these repaired the stages that failed before it.
    pub(super) fn will_fall(&self, script: &Script, done: usize) {
        let repaired = script[..done].iter().rposition(|(_, d)| *d == Deed::Release(true));
        let left = script.iter().skip(repaired.unwrap_or(0));
        self.lock().falls = left
            .filter_map(|(close, deed)| {
                let Deed::Fall(stage, symbol) = deed else { return None };
                Some((*stage, *close, *symbol))
            })
            .collect();
    }

    /// Repairs all stages that fail at a close.
    pub(super) fn repair(&self) {
        self.lock().falls.clear();
    }

    /// Whether a stage fails at a fact. The time of the close decides: a fact is appended later
    /// than its close while the daemon catches up.
    fn falls(&self, name: &str, fact: &Fact<Body>) -> bool {
        let Body::Market(Market::Close { time, bars, .. }) = &fact.body else { return false };
        let state = self.lock();
        let mut here = state.falls.iter().filter(|(of, close, _)| *of == name && close == time);
        here.any(|(.., symbol)| bars.iter().any(|bar| bar.symbol == *symbol))
    }

    /// Notes branches that stop or run again. The journal has the stop before this is called.
    pub(super) fn note(&self, notice: &SupervisionNotice) {
        if let Announcement::BranchDown { .. } = &notice.news {
            self.lock().down.insert(notice.path.clone());
        } else if let Announcement::BranchUp = &notice.news {
            self.lock().down.remove(&notice.path);
        }
    }

    /// Whether the branch is stopped.
    pub(super) fn keeps_down(&self, path: &str) -> bool {
        self.lock().down.contains(path)
    }
}

/// All stages of these settings. A script can make `indicator`, the first strategy and `ledger`
/// fail.
pub(super) fn frail(settings: &Settings) -> Vec<StageSpec> {
    let frail = |spec: StageSpec| match spec.name {
        "indicator" | FIRST_STRATEGY | "ledger" => StageSpec { make: |name, _| made(name), ..spec },
        _ => spec,
    };
    let all = specs_of(&[], settings).unwrap_or_else(|_| specs());
    all.into_iter().map(frail).collect()
}

fn made(name: &'static str) -> AnyStage {
    let here = HERE.with_borrow(Option::clone);
    if here.as_ref().is_some_and(|here| here.lock().ill.contains(name)) {
        // Unwinds like a panic, without a message in the output of the tests.
        std::panic::resume_unwind(Box::new(format!("no {name} today")));
    }
    let spec = specs().into_iter().find(|spec| spec.name == name).expect("one of the stages");
    let stage = spec.build();
    match here {
        Some(illness) => Box::new(Frail { stage, illness }),
        None => stage,
    }
}

/// A stage that may fail at a close.
struct Frail {
    stage: AnyStage,
    illness: Arc<Illness>,
}

impl Stage for Frail {
    type Body = Body;
    fn rank(&self) -> Rank {
        self.stage.rank()
    }
    fn name(&self) -> &'static str {
        self.stage.name()
    }
    fn version(&self) -> u16 {
        self.stage.version()
    }
    fn on_poison(&self) -> OnPoison {
        self.stage.on_poison()
    }
    fn interest(&self) -> Mask {
        self.stage.interest()
    }
    fn produces(&self) -> Mask {
        self.stage.produces()
    }
    fn evolve(&mut self, fact: &Fact<Body>) {
        if self.illness.falls(self.stage.name(), fact) {
            std::panic::resume_unwind(Box::new("it falls at this one".to_owned()));
        }
        self.stage.evolve(fact);
    }
    fn decide(&self, fact: &Fact<Body>, out: &mut Out<Body>) {
        self.stage.decide(fact, out);
    }
    fn conclude(&self, out: &mut Out<Body>) {
        self.stage.conclude(out);
    }
    fn next_wake(&self) -> Option<i64> {
        self.stage.next_wake()
    }
    fn save(&self) -> Vec<u8> {
        self.stage.save()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stage.load(bytes)
    }
    fn check(&self) {
        self.stage.check();
    }
}
