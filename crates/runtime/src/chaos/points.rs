//! Kill points: places at which a fault plan may end an actor or the process.
//!
//! They are always compiled and cost one relaxed load when off. A point lies outside every lock, so
//! a fault there interrupts only what a kill could interrupt.

use crate::supervise::Injected;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

macro_rules! sites {
    ($($site:ident $name:literal $about:literal;)*) => {
        /// A place in the product at which a fault may be injected.
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
    BeforeAppend "before-append" "A decision or a report is not in the journal yet.";
    AfterAppend "after-append" "Facts are in the journal; their writer has not continued yet.";
    BeforeCheckpoint "before-checkpoint" "A state is about to be saved.";
    AfterCheckpoint "after-checkpoint" "A state was handed to the store thread.";
    BeforeCommit "before-commit" "The store thread holds a batch and has written nothing of it.";
    BeforeSync "before-sync" "A batch is written and not flushed.";
    AfterCommit "after-commit" "A batch is committed and nobody was notified.";
    BeforePublish "before-publish" "The waiters for a commit are about to be notified.";
    BeforeSegment "before-segment" "The oldest part of the journal is about to be sealed.";
    AfterSegment "after-segment" "A segment is on disk and the live file does not name it yet.";
    BeforeSend "before-send" "A request is about to leave.";
    AfterSend "after-send" "A response was received and is only in memory.";
    AfterReceive "after-receive" "A frame was received and is only in memory.";
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

/// The phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Phase {
    /// Until trading is allowed.
    Starting = 0,
    /// After that.
    Live = 1,
}

/// What a planned fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KillKind {
    /// The actor panics at this point.
    Panic,
    /// The actor is killed: it ends at its next await.
    Kill,
    /// The process dies at this point.
    Die,
    /// The peer of the connection dies at this point. This process goes on.
    Outage,
}

/// A planned fault: the `nth` time (from 1) that `who` passes `site` in `phase`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedKill {
    /// The kill point.
    pub site: Site,
    /// The actor; the store thread is `store-thread`.
    pub who: String,
    /// The phase of the run.
    pub phase: Phase,
    /// How many passes to wait for, from 1.
    pub nth: u32,
    /// What happens.
    #[serde(rename = "blow")]
    pub how: KillKind,
}

/// A promise that is broken on purpose, to show that the harness catches it. Never used in a
/// product run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Sabotage {
    /// A stage's facts and its progress are appended in two acts.
    CursorApart = 1,
    /// Waiting for the disk returns immediately.
    NoSync = 2,
    /// Messages are the only copy of facts: undelivered ones are lost.
    FactsInMessages = 3,
    /// Client order ids are random instead of computed.
    RandomIds = 4,
    /// Every report of a fill is applied, also repeated ones.
    NoDedupe = 5,
    /// A lost response is treated as a lost request.
    NoQuery = 6,
    /// The journal is sealed before its followers have read it.
    SealUnfollowed = 7,
    /// A request is sent again while the first may still arrive.
    NoSettling = 8,
}

/// How often each point was passed, by actor and phase.
pub type Passings = BTreeMap<(Site, String, Phase), u32>;

type KillHook = Arc<dyn Fn(&str) + Send + Sync>;
type Hook = Arc<dyn Fn() + Send + Sync>;
type LeaveHook = Arc<dyn Fn(u64) + Send + Sync>;

#[derive(Default)]
struct Plan {
    passings: Passings,
    kills: Vec<PlannedKill>,
    injected: Vec<PlannedKill>,
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
    /// Injects nothing.
    #[must_use]
    pub fn off() -> Chaos {
        Chaos::default()
    }

    /// Counts passes and injects the planned faults. `kill` ends an actor by name, `die` ends the
    /// process. If `die` returns (in a test), the caller unwinds.
    pub fn arm(
        &self,
        kills: Vec<PlannedKill>,
        kill: impl Fn(&str) + Send + Sync + 'static,
        die: impl Fn() + Send + Sync + 'static,
    ) {
        let mut plan = self.plan();
        plan.kills = kills;
        plan.kill = Some(Arc::new(kill));
        plan.die = Some(Arc::new(die));
        drop(plan);
        self.0.armed.store(true, Relaxed);
    }

    /// Sets the action of an outage. Without it an outage does nothing.
    pub fn on_outage(&self, outage: impl Fn() + Send + Sync + 'static) {
        self.plan().outage = Some(Arc::new(outage));
    }

    /// Calls `leave` whenever something is sent, until it is disarmed. Its argument is the row of
    /// the fact that announced it.
    pub fn on_leave(&self, leave: impl Fn(u64) + Send + Sync + 'static) {
        self.plan().leave = Some(Arc::new(leave));
    }

    /// Stops injecting. Returns the faults that were not injected.
    pub fn disarm(&self) -> Vec<PlannedKill> {
        self.0.armed.store(false, Relaxed);
        let mut plan = self.plan();
        (plan.kill, plan.die, plan.leave) = (None, None, None);
        std::mem::take(&mut plan.kills)
    }

    /// Breaks a promise.
    pub fn sabotage(&self, what: Sabotage) {
        self.0.sabotage.store(what as u8, Relaxed);
    }

    /// Whether that promise is broken.
    #[inline]
    #[must_use]
    pub fn sabotaged(&self, what: Sabotage) -> bool {
        self.0.sabotage.load(Relaxed) == what as u8
    }

    /// Sets the phase of the run.
    pub fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Relaxed);
    }

    /// How often each point was passed, and the faults that were injected.
    #[must_use]
    pub fn report(&self) -> (Passings, Vec<PlannedKill>) {
        let plan = self.plan();
        (plan.passings.clone(), plan.injected.clone())
    }

    /// A kill point.
    #[inline]
    pub fn point(&self, site: Site, who: &str) {
        if self.0.armed.load(Relaxed) {
            self.pass(site, who);
        }
    }

    /// Marks that the request announced by the fact in `row` is sent now. The fact must be on disk.
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
        let planned_kill = {
            let mut plan = self.plan();
            let nth = plan.passings.entry((site, who.to_owned(), phase)).or_default();
            *nth += 1;
            let nth = *nth;
            let due = |s: &PlannedKill| {
                s.site == site && s.who == who && s.phase == phase && s.nth == nth
            };
            let Some(at) = plan.kills.iter().position(due) else { return };
            let planned_kill = plan.kills.remove(at);
            plan.injected.push(planned_kill.clone());
            planned_kill
        };
        match planned_kill.how {
            KillKind::Kill => {
                // Hooks run outside the lock, because they may pass points themselves.
                let kill = self.plan().kill.clone();
                kill.inspect(|kill| kill(who));
            }
            KillKind::Outage => {
                let outage = self.plan().outage.clone();
                outage.inspect(|outage| outage());
            }
            KillKind::Panic => Injected(format!("{site} of {who}")).panic(),
            KillKind::Die => {
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
