//! Counters of supervision notices for metrics, since the start of this process.

use super::Page;
use everwarm_domain::path;
use everwarm_runtime::clock;
use everwarm_runtime::meter::{Histogram, ONE};
use everwarm_runtime::runner::ResumeReport;
use everwarm_runtime::supervise::{Announcement, Directory, Exit, Kind, SupervisionNotice};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const MS: i64 = 1_000_000;

/// Bucket bounds of the time from the end of an actor until it runs again: 1 ms to 60 s.
pub const RESTART: &[i64] = &[
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    ONE,
    2 * ONE,
    5 * ONE,
    10 * ONE,
    30 * ONE,
    60 * ONE,
];

/// Label values for the reason of a restart.
pub const REASONS: &[&str] =
    &["panic", "error", "killed", "lost", "gave_up", "injected", "sibling", "supervisor"];

/// Label values for the source of a recovered state.
pub const SOURCES: &[&str] = &["snapshot", "journal", "empty"];

/// Label values for supervision events.
pub const EVENTS: &[&str] = &[
    "started",
    "start_failed",
    "ended",
    "stop_failed",
    "blocked",
    "branch_down",
    "branch_up",
    "gave_up",
];

/// Label values for injected faults.
pub const FAULTS: &[&str] = &["kill", "panic", "stop", "stall"];

/// An injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An instance was killed.
    Kill,
    /// A handler panicked.
    Panic,
    /// An instance was asked to stop.
    Stop,
    /// A handler blocked its thread.
    Stall,
}

/// The name of an actor in metrics: its name in the tree, or `bar` for the bar actors of all
/// symbols.
#[must_use]
pub fn name(of: &str) -> &str {
    path::label(of)
}

fn parent(of: &str) -> &str {
    name(of.rsplit_once('/').map_or("", |(parent, _)| parent))
}

#[derive(Debug)]
struct Actor {
    restarts: [u64; REASONS.len()],
    recoveries: [u64; SOURCES.len()],
    evolved: Option<u64>,
    took: Histogram,
    started_ms: i64,
    /// Panics counted up to its last end. A rise means that the next end was a panic.
    panics: u64,
}

impl Default for Actor {
    fn default() -> Actor {
        let (restarts, recoveries) = (Default::default(), Default::default());
        let took = Histogram::new(RESTART);
        Actor { restarts, recoveries, evolved: None, took, started_ms: 0, panics: 0 }
    }
}

/// An instance that has ended.
#[derive(Debug)]
struct Gone {
    at: Instant,
    exit: Exit,
    /// Whether its supervisor had requested the end.
    asked: bool,
    /// Whether its supervisor has ended after it.
    along: bool,
}

/// A restart: an instance runs in place of one that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    /// How the earlier instance ended.
    pub why: String,
    /// Time from that end until the new instance runs, with recovery.
    pub after: Duration,
    /// Whether its supervisor was replaced too. Then one report about the supervisor is enough.
    pub along: bool,
}

impl Gone {
    fn back(self) -> Back {
        let Gone { at, exit, asked, along } = self;
        let why = match exit {
            Exit::Normal(_) if asked => "stopped because a sibling failed".to_owned(),
            Exit::Normal(_) => "ended without a failure".to_owned(),
            exit @ (Exit::GaveUp(_)
            | Exit::Failed(_)
            | Exit::Killed
            | Exit::Lost
            | Exit::Injected(_)
            | Exit::Orphaned) => exit.to_string(),
        };
        Back { why, after: at.elapsed(), along }
    }
}

#[derive(Debug, Default)]
struct Known {
    actors: BTreeMap<String, Actor>,
    /// Instances that have ended, by path.
    gone: BTreeMap<String, Gone>,
    supervisors: BTreeMap<String, u64>,
    events: [u64; EVENTS.len()],
    faults: [u64; FAULTS.len()],
}

impl Known {
    fn actor(&mut self, path: &str) -> &mut Actor {
        self.actors.entry(name(path).to_owned()).or_default()
    }

    /// Records the end of an instance. Earlier ends below it become part of this one.
    fn gone(&mut self, path: &str, exit: Exit, asked: bool) {
        let above = format!("{path}/");
        let below = self.gone.range_mut(above.clone()..);
        below
            .take_while(|(path, _)| path.starts_with(&above))
            .for_each(|(_, gone)| gone.along = true);
        let gone = Gone { at: clock::now(), exit, asked, along: false };
        self.gone.insert(path.to_owned(), gone);
    }

    /// Records a start; returns the restart if the instance replaces an ended one.
    fn up(&mut self, path: &str, restarts: u32, at_ms: i64) -> Option<Back> {
        self.events[0] += 1;
        let gone = self.gone.remove(path).filter(|_| restarts > 0);
        let actor = self.actor(path);
        actor.started_ms = at_ms;
        let gone = gone?;
        actor.restarts[6] += u64::from(gone.asked);
        let back = gone.back();
        actor.took.time(back.after);
        Some(back)
    }
}

/// The counters of the supervision tree.
#[derive(Debug, Default)]
pub struct Supervised {
    known: Mutex<Known>,
    /// Gives the panic counters of actors, which separate panics from errors.
    directory: OnceLock<Directory>,
}

impl Supervised {
    /// Sets the directory that finds actors by path.
    pub fn know(&self, directory: Directory) {
        drop(self.directory.set(directory));
    }

    /// Counts a notice; returns the restart if it reports one.
    pub fn count(&self, notice: &SupervisionNotice) -> Option<Back> {
        let path = notice.path.as_str();
        let mut known = self.known();
        if notice.kind == Kind::Supervisor {
            known.supervisors.entry(name(path).to_owned()).or_default();
        }
        match &notice.news {
            Announcement::Started { restarts } => return known.up(path, *restarts, notice.at_ms),
            Announcement::StartFailed { .. } => known.events[1] += 1,
            Announcement::Exited { exit, asked, .. } => {
                known.events[2] += 1;
                known.gone(path, exit.clone(), *asked);
                self.ended(&mut known, path, exit, *asked);
            }
            Announcement::StopFailed { .. } => known.events[3] += 1,
            Announcement::Blocked { .. } => known.events[4] += 1,
            Announcement::BranchDown { .. } => known.events[5] += 1,
            Announcement::BranchUp => known.events[6] += 1,
            Announcement::GaveUp { .. } => {
                known.events[7] += 1;
                *known.supervisors.entry(parent(path).to_owned()).or_default() += 1;
            }
            Announcement::Removed => {
                known.gone.remove(path);
            }
            Announcement::Ignored | Announcement::Unblocked { .. } | Announcement::Stray { .. } => {
            }
        }
        None
    }

    fn ended(&self, known: &mut Known, path: &str, exit: &Exit, asked: bool) {
        let panics = self.directory.get().map_or(0, |d| d.slot(path).mailbox().meter().panics());
        let actor = known.actor(path);
        let panicked = std::mem::replace(&mut actor.panics, panics) < panics;
        let reason = match exit {
            Exit::Normal(_) => None,
            Exit::Failed(_) => Some(usize::from(!panicked)),
            Exit::Killed => Some(2),
            Exit::Lost => Some(3),
            Exit::GaveUp(_) => Some(4),
            Exit::Injected(_) => Some(5),
            Exit::Orphaned => Some(7),
        };
        if let Some(reason) = reason.filter(|_| !asked) {
            actor.restarts[reason] += 1;
        }
        if exit.is_injected() && panicked {
            known.faults[Fault::Panic as usize] += 1;
        }
    }

    /// Counts an injected fault. A panic counts only when it happens.
    pub fn fault(&self, fault: Fault) {
        self.known().faults[fault as usize] += 1;
    }

    /// Counts the recovery of a stage's state, by its source.
    pub fn recovered(&self, stage: &str, report: ResumeReport) {
        let mut known = self.known();
        let actor = known.actor(stage);
        let source = match report {
            ResumeReport { checkpoint: 1.., .. } => 0,
            ResumeReport { evolved: 1.., .. } => 1,
            ResumeReport { .. } => 2,
        };
        actor.recoveries[source] += 1;
        actor.evolved = Some(report.evolved);
    }

    /// Sets the metrics on `page`.
    pub fn show(&self, page: &mut Page) {
        let known = self.known();
        for (actor, of) in &known.actors {
            for (reason, n) in REASONS.iter().zip(of.restarts) {
                page.count("everwarm_actor_restarts_total", &[actor, reason], n);
            }
            page.spread("everwarm_actor_restart_duration_seconds", &[actor], of.took.read());
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
            let started = of.started_ms as f64 / 1000.0;
            page.set("everwarm_actor_started_timestamp_seconds", &[actor], started);
            if let Some(evolved) = of.evolved {
                page.count("everwarm_store_replay_events", &[actor], evolved);
                for (source, n) in SOURCES.iter().zip(of.recoveries) {
                    page.count("everwarm_actor_recoveries_total", &[actor, source], n);
                }
            }
        }
        for (supervisor, n) in &known.supervisors {
            page.count("everwarm_supervisor_escalations_total", &[supervisor], *n);
        }
        for (event, n) in EVENTS.iter().zip(known.events) {
            page.count("everwarm_supervision_events_total", &[event], n);
        }
        for (fault, n) in FAULTS.iter().zip(known.faults) {
            page.count("everwarm_chaos_faults_total", &[fault], n);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rejected;
    use super::*;

    fn notice(path: &str, news: Announcement) -> SupervisionNotice {
        SupervisionNotice { path: path.to_owned(), kind: Kind::Worker, at_ms: 1_500, news }
    }

    fn exited(exit: Exit, asked: bool) -> Announcement {
        Announcement::Exited { exit, uptime: Duration::ZERO, restarts: 0, asked }
    }

    #[test]
    fn who_is_up_again_is_told_with_how_its_predecessor_ended_and_the_true_time_since() {
        let supervised = Supervised::default();
        let (low, feed) = ("root/trading/feeds/sim", "root/trading/feeds/sim/feed");
        let up = |path: &str, restarts| {
            supervised.count(&notice(path, Announcement::Started { restarts }))
        };
        let ends = |path: &str, exit, asked| {
            assert_eq!(supervised.count(&notice(path, exited(exit, asked))), None);
        };
        assert_eq!(up(feed, 0), None, "for the first time");
        let before = clock::now();
        ends(feed, Exit::Failed("no".into()), false);
        let (ended, away) = (clock::now(), Duration::from_millis(2));
        while ended.elapsed() < away {
            std::hint::spin_loop();
        }
        let back = up(feed, 1).unwrap();
        assert!((away..=before.elapsed()).contains(&back.after), "{back:?}");
        assert_eq!((back.why.as_str(), back.along), ("failed: no", false));
        assert_eq!(up(feed, 2), None, "once");
        let asked = || Exit::Normal("asked to stop".into());
        let table = [
            (Exit::Killed, false, "killed"),
            (asked(), true, "stopped because a sibling failed"),
            (asked(), false, "ended without a failure"),
        ];
        for (exit, asked, why) in table {
            ends(feed, exit, asked);
            assert_eq!(up(feed, 3).unwrap().why, why);
        }
        // Its supervisor ended after it, so one report about the supervisor is enough.
        ends(feed, Exit::Orphaned, false);
        ends("root/trading/feeders", Exit::Killed, false);
        ends(low, Exit::Killed, false);
        assert!(up(feed, 6).unwrap().along);
        assert!(!up(low, 1).unwrap().along);
        let mut page = Page::new(&Rejected::default());
        supervised.show(&mut page);
        let with = "everwarm_actor_restarts_total{actor=\"feed\",reason=\"supervisor\"} 1";
        assert!(page.text().lines().any(|line| line == with));
    }

    #[test]
    fn restarts_are_counted_by_cause_and_timed() {
        let supervised = Supervised::default();
        let feed = "root/trading/feeds/sim/feed";
        let bar = |symbol: &str| format!("{}/{symbol}", path::BARS);
        for news in [
            Announcement::Started { restarts: 0 },
            exited(Exit::Killed, false),
            Announcement::Started { restarts: 1 },
            exited(Exit::Normal("asked".into()), true),
            Announcement::Started { restarts: 2 },
            exited(Exit::Injected("test".into()), false),
            Announcement::GaveUp { why: "often".into() },
        ] {
            supervised.count(&notice(feed, news));
        }
        for symbol in ["AAA", "BBB"] {
            supervised.count(&notice(&bar(symbol), exited(Exit::Failed("no".into()), false)));
        }
        supervised.recovered(
            "ledger",
            ResumeReport { checkpoint: 7, evolved: 3, compared: 0, micros: 1 },
        );
        for fault in [Fault::Stall, Fault::Stop, Fault::Kill, Fault::Stop] {
            supervised.fault(fault);
        }
        let mut page = Page::new(&Rejected::default());
        supervised.show(&mut page);
        let text = page.text();
        for line in [
            "everwarm_actor_restarts_total{actor=\"feed\",reason=\"killed\"} 1",
            "everwarm_actor_restarts_total{actor=\"feed\",reason=\"sibling\"} 1",
            "everwarm_actor_restarts_total{actor=\"feed\",reason=\"injected\"} 1",
            "everwarm_actor_restarts_total{actor=\"feed\",reason=\"panic\"} 0",
            "everwarm_actor_restarts_total{actor=\"bar\",reason=\"error\"} 2",
            "everwarm_actor_restart_duration_seconds_count{actor=\"feed\"} 2",
            "everwarm_actor_started_timestamp_seconds{actor=\"feed\"} 1.5",
            "everwarm_actor_recoveries_total{actor=\"ledger\",source=\"snapshot\"} 1",
            "everwarm_store_replay_events{actor=\"ledger\"} 3",
            "everwarm_supervisor_escalations_total{supervisor=\"feeds/sim\"} 1",
            "everwarm_supervision_events_total{event=\"started\"} 3",
            "everwarm_chaos_faults_total{fault=\"kill\"} 1",
            "everwarm_chaos_faults_total{fault=\"panic\"} 0",
            "everwarm_chaos_faults_total{fault=\"stop\"} 2",
            "everwarm_chaos_faults_total{fault=\"stall\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
    }
}
