//! The observations that the rules of `doctor` judge, as plain values.

use super::fold::HealthFold;
use crate::views::{CheckView, DeliveryView, QuarantineView, StatusView, SymbolView};
use everwarm_domain::fact::BreakerLevel;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::switch::Switches;
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::Effect;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A part that has work it does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which part.
    pub part: String,
    /// Wall time since which it has not moved, UTC milliseconds.
    pub since: UtcMs,
    /// What it stands before, in words.
    pub what: String,
}

/// Room on the disk of the data folder, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What is left for us.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// Room on the disk of a folder; none where that cannot be told.
#[must_use]
pub fn disk_of(folder: &Path) -> Option<Disk> {
    let about = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(about.f_frsize);
    Some(Disk { free: bytes(about.f_bavail), total: bytes(about.f_blocks) })
}

/// See the module. What is not known is empty.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    /// Whether a process answers.
    pub running: bool,
    /// Wall time.
    pub wall: UtcMs,
    /// Where no process runs: wall time at which the last one wrote, if that is known.
    pub written: Option<UtcMs>,
    /// Venue time; the newest event where no process runs.
    pub venue: UtcMs,
    /// The venue, as commands name it; empty: the simulated exchange.
    pub kind: &'static str,
    /// Whether venue time passes by itself: where not, nothing is late.
    pub passes: bool,
    /// What facts tell.
    pub facts: HealthFold,
    /// One screen.
    pub status: StatusView,
    /// The conditions of being ready.
    pub checks: Vec<CheckView>,
    /// What is set aside.
    pub quarantines: Vec<QuarantineView>,
    /// What is held and could be sold by its size, base units.
    pub held: BTreeMap<Symbol, Decimal>,
    /// What is listed.
    pub symbols: Vec<SymbolView>,
    /// Parts that do not move though they should.
    pub waiting: Vec<Waiting>,
    /// Actors that hold their thread, by path, and since when in wall time.
    pub blocked: Vec<(String, UtcMs)>,
    /// Why the venue cannot be used, and since when in wall time.
    pub trouble: Option<(String, UtcMs)>,
    /// How far our clock is from the venue's, and how far it may be, milliseconds.
    pub skew: Option<(i64, i64)>,
    /// Room on the disk.
    pub disk: Option<Disk>,
    /// The file of the journal, where it was deleted or replaced under the running daemon.
    pub unlinked: Option<String>,
    /// What operators turned off.
    pub switches: Switches,
    /// The configuration file, with its whole path, where there is one.
    pub config: Option<String>,
    /// Keys that wait for a start.
    pub pending: Vec<String>,
    /// Why the last reload was refused, if it was, and when in wall time.
    pub refused: Option<(Vec<String>, UtcMs)>,
    /// Since when in wall time that has been so which only a look tells, by name.
    pub first: BTreeMap<String, UtcMs>,
    /// How it goes with what is brought outside.
    pub deliveries: Vec<DeliveryView>,
}

impl Signs {
    /// The time that what comes is measured against: where none passes by itself, nothing is late.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        if self.passes { self.venue } else { self.facts.now }
    }

    /// The level of the breaker and since when it is there, where that is known. What operators
    /// said where no process runs has not reached it yet; a stage that stands says nothing itself.
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

/// Since when parts have not moved, by looking now and then.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<BTreeMap<String, Mark>>>);

#[derive(Clone, Copy, Debug)]
struct Mark {
    done: u64,
    /// None: it is never done.
    of: Option<u64>,
    since: UtcMs,
}

impl Mark {
    fn waits(&self) -> bool {
        self.of.is_none_or(|of| self.done < of)
    }
}

impl Progress {
    /// Looks at a part: how much of how much it has done at this wall time.
    pub fn look(&self, part: &str, (done, of): (u64, u64), wall: UtcMs) {
        self.mark(part, (done, Some(of)), wall);
    }

    /// Looks at a part that is never done: how often it has moved at this wall time. None: it does
    /// not run now, or has nothing to move for.
    pub fn beat(&self, part: &str, moved: Option<u64>, wall: UtcMs) {
        match moved {
            Some(moved) => self.mark(part, (moved, None), wall),
            None => self.look(part, (0, 0), wall),
        }
    }

    fn mark(&self, part: &str, (done, of): (u64, Option<u64>), wall: UtcMs) {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = marks.get(part).copied();
        // Who had nothing to do begins to wait now.
        let stays = |mark: &Mark| mark.done == done && mark.waits();
        let since = before.filter(stays).map_or(wall, |mark| mark.since);
        marks.insert(part.to_owned(), Mark { done, of, since });
    }

    /// The parts that have something to do and have not moved for a while.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = marks.iter().filter(|(_, mark)| mark.waits());
        let what = |mark: &Mark| match mark.of {
            Some(of) => format!("it has done {} of {of}", mark.done),
            None => "it does nothing any more".to_owned(),
        };
        let told = |(part, mark): (&String, &Mark)| Waiting {
            part: part.clone(),
            since: mark.since,
            what: what(mark),
        };
        waits.map(told).collect()
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
