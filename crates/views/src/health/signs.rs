//! The observations that the rules of `doctor` judge, as plain values.

use super::fold::HealthFold;
use super::views::FailingSourceView;
use crate::emergency::EmergencyView;
use crate::views::{
    CheckView, DeliveryView, QuarantineView, RepeatedDayView, SampledHistoryView, StatusView,
    SymbolView,
};
use everwarm_domain::fact::BreakerLevel;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::switch::Switches;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Effect;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A part that has work and makes no progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its name.
    pub part: String,
    /// Wall time since which it has made no progress, UTC milliseconds.
    pub since: UtcMs,
    /// Its progress, in words.
    pub what: String,
}

/// Space on the disk of the data directory, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Available to this process.
    pub free: u64,
    /// Size of the disk.
    pub total: u64,
}

/// Space on the disk of a folder; none if it cannot be read.
#[must_use]
pub fn disk_of(folder: &Path) -> Option<Disk> {
    let about = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(about.f_frsize);
    Some(Disk { free: bytes(about.f_bavail), total: bytes(about.f_blocks) })
}

/// All observations. An unknown value is empty.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    /// Whether a process responds.
    pub running: bool,
    /// Wall time.
    pub wall: UtcMs,
    /// Wall time of the last write, if no process runs and the time is known.
    pub written: Option<UtcMs>,
    /// Venue time; if no process runs, the time of the newest event.
    pub venue: UtcMs,
    /// The venue, as commands name it; empty: the simulated exchange.
    pub kind: &'static str,
    /// Whether venue time passes automatically. If not, nothing is late.
    pub passes: bool,
    /// Open items that facts show.
    pub facts: HealthFold,
    /// The view of `status`.
    pub status: StatusView,
    /// The readiness conditions.
    pub checks: Vec<CheckView>,
    /// The quarantines that have not ended.
    pub quarantines: Vec<QuarantineView>,
    /// Holdings that are large enough to sell, base units.
    pub held: BTreeMap<Symbol, Decimal>,
    /// The listed symbols.
    pub symbols: Vec<SymbolView>,
    /// Parts that have work and make no progress.
    pub waiting: Vec<Waiting>,
    /// Actors that block their thread, by path, and since when in wall time.
    pub blocked: Vec<(String, UtcMs)>,
    /// Why the venue cannot be used, and since when in wall time.
    pub trouble: Option<(String, UtcMs)>,
    /// Difference between our clock and the venue's, and its maximum, milliseconds.
    pub skew: Option<(i64, i64)>,
    /// Space on the disk of the data directory.
    pub disk: Option<Disk>,
    /// The emergency of storage.
    pub emergency: EmergencyView,
    /// The file of the journal, if it was deleted or replaced under the running daemon.
    pub unlinked: Option<String>,
    /// The switches of operators.
    pub switches: Switches,
    /// Absolute path of the configuration file; none: there is no file.
    pub config: Option<String>,
    /// Configuration keys that wait for a restart.
    pub pending: Vec<String>,
    /// Why the last reload was refused, and when in wall time; none: it was not refused.
    pub refused: Option<(Vec<String>, UtcMs)>,
    /// Start of each condition that only repeated checks find, wall time, by name.
    pub first: BTreeMap<String, UtcMs>,
    /// Deliveries to each receiver of messages or heartbeats.
    pub deliveries: Vec<DeliveryView>,
    /// The last day whose decisions were repeated; none: none since the start.
    pub repeated: Option<RepeatedDayView>,
    /// The check of a sample of the history; none: it has not ended.
    pub history_sample: Option<SampledHistoryView>,
    /// Sources beside the venue whose last poll failed.
    pub failing_sources: Vec<FailingSourceView>,
}

impl Signs {
    /// The time that decides what is late. If time does not pass automatically, nothing is late.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        if self.passes { self.venue } else { self.facts.now }
    }

    /// The level of the breaker, and since when; none: unknown. It includes two causes without a
    /// breaker fact: switches set while no process ran, and stopped stages.
    #[must_use]
    pub fn breaker(&self) -> (BreakerLevel, Option<UtcMs>) {
        let level = self.status.breaker.max(self.switches.level().0);
        let stopped = self.quarantines.iter().map(|one| &one.quarantine);
        let stopped =
            stopped.filter(|of| level == BreakerLevel::Halted && of.effect == Effect::Stopped);
        let stopped = || stopped.map(|of| of.time).min();
        let since = self.facts.at(level).or_else(stopped);
        (level, since.or_else(|| self.switches.since(level)))
    }
}

/// Wall times since which parts have made no progress, found by repeated checks.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<BTreeMap<String, Mark>>>);

#[derive(Clone, Copy, Debug)]
struct Mark {
    done: u64,
    /// The amount of work; none: the part is never done.
    of: Option<u64>,
    since: UtcMs,
}

impl Mark {
    fn waits(&self) -> bool {
        self.of.is_none_or(|of| self.done < of)
    }
}

impl Progress {
    /// Checks a part at this wall time: it has done `done` of `of`.
    pub fn look(&self, part: &str, (done, of): (u64, u64), wall: UtcMs) {
        self.mark(part, (done, Some(of)), wall);
    }

    /// Checks a part that is never done: how often it has made progress at this wall time. None: it
    /// does not run now, or has no work.
    pub fn beat(&self, part: &str, moved: Option<u64>, wall: UtcMs) {
        match moved {
            Some(moved) => self.mark(part, (moved, None), wall),
            None => self.look(part, (0, 0), wall),
        }
    }

    fn mark(&self, part: &str, (done, of): (u64, Option<u64>), wall: UtcMs) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = marks.get(part).copied();
        // A part that had no work waits only from now on.
        let stays = |mark: &Mark| mark.done == done && mark.waits();
        let since = before.filter(stays).map_or(wall, |mark| mark.since);
        marks.insert(part.to_owned(), Mark { done, of, since });
    }

    /// The parts that have work, and since when they have made no progress.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = marks.iter().filter(|(_, mark)| mark.waits());
        let what = |mark: &Mark| match mark.of {
            Some(of) => format!("it has done {} of {of}", mark.done),
            None => "it does nothing any more".to_owned(),
        };
        let as_waiting = |(part, mark): (&String, &Mark)| Waiting {
            part: part.clone(),
            since: mark.since,
            what: what(mark),
        };
        waits.map(as_waiting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_moves_or_has_nothing_to_do_does_not_wait() {
        let progress = Progress::default();
        let look = |at: i64, done: u64, of: u64| {
            progress.look("p", (done, of), at);
            progress.waiting().first().map(|waiting| waiting.since)
        };
        assert_eq!(look(1, 5, 5), None);
        assert_eq!(look(2, 5, 6), Some(2));
        assert_eq!(look(3, 5, 9), Some(2));
        assert_eq!(look(4, 6, 9), Some(4), "it moves");
        assert_eq!(look(5, 6, 9), Some(4));
        assert_eq!(look(6, 9, 9), None);
    }

    #[test]
    fn who_is_never_done_waits_from_its_last_move_on() {
        let progress = Progress::default();
        let beat = |at: i64, moved: Option<u64>| {
            progress.beat("p", moved, at);
            progress.waiting().first().map(|waiting| waiting.since)
        };
        assert_eq!(beat(1, Some(7)), Some(1), "it may have moved just now");
        assert_eq!(beat(2, Some(7)), Some(1));
        assert_eq!(beat(3, Some(8)), Some(3));
        assert_eq!(beat(9, Some(8)), Some(3));
        assert_eq!(beat(10, None), None, "it does not run");
        assert_eq!(beat(11, Some(0)), Some(11), "another instance");
        assert_eq!(beat(12, Some(0)), Some(11));
    }
}
