//! Kill points: places at which a plan may inject a fault into an actor or the process.
//!
//! They are always compiled. A point costs one relaxed load when off. Every point is outside all
//! locks, so a fault there interrupts only what a kill could interrupt.

use crate::supervise::Injected;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

macro_rules! sites {
    ($($site:ident $name:literal $about:literal;)*) => {
        /// A place in the product at which a plan may inject a fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Site { $(#[doc = $about] $site),* }

        impl Site {
            /// Every site.
            pub const ALL: &'static [Site] = &[$(Site::$site),*];

            /// Its name in plans and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Site::$site => $name),* }
            }
        }
    };
}

sites! {
    BeforeResume "before-resume" "An actor was spawned and has read nothing yet.";
    AfterResume "after-resume" "An actor has restored its state and has handled nothing yet.";
    BeforeStep "before-step" "A stage is about to handle an input.";
    BeforeAppend "before-append" "Something was decided or received and is not in the journal yet.";
    AfterAppend "after-append" "Something is in the journal; its writer has not gone on yet.";
    BeforeCheckpoint "before-checkpoint" "A state is about to be saved.";
    AfterCheckpoint "after-checkpoint" "A state was handed to the store thread.";
    BeforeCommit "before-commit" "The store thread holds a batch and has written nothing of it.";
    BeforeSync "before-sync" "A batch is written and not flushed.";
    AfterCommit "after-commit" "A batch is committed; nobody who waits for it knows.";
    BeforePublish "before-publish" "Those who wait for a commit are about to be notified.";
    BeforeSegment "before-segment" "The oldest part of the journal is about to be sealed.";
    AfterSegment "after-segment" "A segment is on disk and the live file knows nothing of it.";
    BeforeSend "before-send" "A request is about to leave.";
    AfterSend "after-send" "A request was answered and the answer is nowhere but in memory.";
    AfterReceive "after-receive" "A frame was received and is nowhere but in memory.";
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Site {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Site::ALL.iter().find(|s| s.name() == text);
        found.copied().ok_or_else(|| format!("{text:?} is not a kill point"))
    }
}

/// A phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Phase {
    /// Until trading is allowed.
    Starting = 0,
    /// After trading is allowed.
    Live = 1,
}

/// The kind of an injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The actor panics at the point.
    Panic,
    /// The actor is killed: it ends at its next await.
    Kill,
    /// The process ends at the point.
    Die,
    /// The remote side of the connection fails at the point. This side keeps running.
    Outage,
}

/// One planned fault: at the `nth` passing (from 1) of `site` by `who` in `phase`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedFault {
    /// The kill point.
    pub site: Site,
    /// Name of the actor; the store thread is `store-thread`.
    pub who: String,
    /// Phase of the run.
    pub phase: Phase,
    /// Number of the passing, from 1.
    pub nth: u32,
    /// Kind of the fault.
    #[serde(rename = "blow")]
    pub kind: FaultKind,
}

/// A promise that is broken on purpose, to show that the harness detects it. Never set in a product
/// run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Sabotage {
    /// A stage appends its facts and passes their input in two acts.
    CursorApart = 1,
    /// Waiting for the disk returns immediately.
    NoSync = 2,
    /// An actor loses messages that it did not receive before it ended.
    FactsInMessages = 3,
    /// Client order ids are random, not computed.
    RandomIds = 4,
    /// Repeated reports of one fill all count.
    NoDedupe = 5,
    /// A lost response is treated as a lost request.
    NoQuery = 6,
    /// Facts may be sealed before a projection has made them durable.
    SealUnfollowed = 7,
    /// A request may be sent again while the first one may still arrive.
    NoSettling = 8,
}

/// Number of passings of each point.
pub type Passings = BTreeMap<(Site, String, Phase), u32>;

type KillHook = Arc<dyn Fn(&str) + Send + Sync>;
type Hook = Arc<dyn Fn() + Send + Sync>;
type LeaveHook = Arc<dyn Fn(u64) + Send + Sync>;

#[derive(Default)]
struct Plan {
    passings: Passings,
    planned: Vec<PlannedFault>,
    injected: Vec<PlannedFault>,
    kill: Option<KillHook>,
    die: Option<Hook>,
    outage: Option<Hook>,
    leave: Option<LeaveHook>,
}

#[derive(Default)]
struct Inner {
    armed: AtomicBool,
    phase: AtomicU8,
    sabotage: AtomicU8,
    plan: Mutex<Plan>,
}

/// A handle on the kill points of one process, or of one world in a test. Off unless armed.
#[derive(Clone, Default)]
pub struct Chaos(Arc<Inner>);

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chaos(armed: {})", self.0.armed.load(Relaxed))
    }
}

impl Chaos {
    /// Kill points that are off.
    #[must_use]
    pub fn off() -> Chaos {
        Chaos::default()
    }

    /// Counts passings and injects the planned faults. `kill` ends an actor by name, `die` ends the
    /// process. If `die` returns, as in a test, the caller unwinds.
    pub fn arm(
        &self,
        faults: Vec<PlannedFault>,
        kill: impl Fn(&str) + Send + Sync + 'static,
        die: impl Fn() + Send + Sync + 'static,
    ) {
        let mut plan = self.plan();
        plan.planned = faults;
        plan.kill = Some(Arc::new(kill));
        plan.die = Some(Arc::new(die));
        drop(plan);
        self.0.armed.store(true, Relaxed);
    }

    /// Sets what an outage does. Without it an outage has no effect.
    pub fn on_outage(&self, outage: impl Fn() + Send + Sync + 'static) {
        self.plan().outage = Some(Arc::new(outage));
    }

    /// Sets a check that runs whenever something leaves the process, until disarmed. It receives
    /// the row of the fact that announced it.
    pub fn on_leave(&self, leave: impl Fn(u64) + Send + Sync + 'static) {
        self.plan().leave = Some(Arc::new(leave));
    }

    /// Stops injecting faults. Returns the planned faults that were not injected.
    pub fn disarm(&self) -> Vec<PlannedFault> {
        self.0.armed.store(false, Relaxed);
        let mut plan = self.plan();
        (plan.kill, plan.die, plan.leave) = (None, None, None);
        std::mem::take(&mut plan.planned)
    }

    /// Breaks a promise on purpose.
    pub fn sabotage(&self, what: Sabotage) {
        self.0.sabotage.store(what as u8, Relaxed);
    }

    /// Whether that promise is broken on purpose.
    #[inline]
    #[must_use]
    pub fn sabotaged(&self, what: Sabotage) -> bool {
        self.0.sabotage.load(Relaxed) == what as u8
    }

    /// Sets the phase of the run.
    pub fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Relaxed);
    }

    /// Number of passings of each point, and the injected faults.
    #[must_use]
    pub fn report(&self) -> (Passings, Vec<PlannedFault>) {
        let plan = self.plan();
        (plan.passings.clone(), plan.injected.clone())
    }

    /// Marks a kill point. It injects a fault if one is planned here.
    #[inline]
    pub fn point(&self, site: Site, who: &str) {
        if self.0.armed.load(Relaxed) {
            self.pass(site, who);
        }
    }

    /// Marks that something leaves the process. The fact in that row announced it and must be on
    /// disk.
    #[inline]
    pub fn leaves(&self, row: u64) {
        if self.0.armed.load(Relaxed) {
            let leave = self.plan().leave.clone();
            leave.inspect(|leave| leave(row));
        }
    }

    #[cold]
    fn pass(&self, site: Site, who: &str) {
        let live = self.0.phase.load(Relaxed) == Phase::Live as u8;
        let phase = if live { Phase::Live } else { Phase::Starting };
        let fault = {
            let mut plan = self.plan();
            let nth = plan.passings.entry((site, who.to_owned(), phase)).or_default();
            *nth += 1;
            let nth = *nth;
            let due = |s: &PlannedFault| {
                s.site == site && s.who == who && s.phase == phase && s.nth == nth
            };
            let Some(at) = plan.planned.iter().position(due) else { return };
            let fault = plan.planned.remove(at);
            plan.injected.push(fault.clone());
            fault
        };
        match fault.kind {
            FaultKind::Kill => {
                // Hooks run outside the lock, because they may pass points themselves.
                let kill = self.plan().kill.clone();
                kill.inspect(|kill| kill(who));
            }
            FaultKind::Outage => {
                let outage = self.plan().outage.clone();
                outage.inspect(|outage| outage());
            }
            FaultKind::Panic => Injected(format!("{site} of {who}")).panic(),
            FaultKind::Die => {
                let die = self.plan().die.clone();
                die.inspect(|die| die());
                Injected(format!("death at {site} of {who}")).panic();
            }
        }
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
