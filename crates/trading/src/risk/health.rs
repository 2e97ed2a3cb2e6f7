//! The health of the daemon and its surroundings, as the breaker sees it. While something is unfit
//! for trading, only exits are allowed.
//!
//! A problem stays over restarts, until an input says that it is over. Restarts count for an hour.

use everwarm_domain::fact::{HealthCheck, Restarts};
use everwarm_domain::settings::Risk;
use everwarm_domain::time::{MINUTE, UtcMs};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The cause of restarts by `everwarm kill`, which are no sign of a defect.
const PLANNED: &str = "injected";

/// Problems, and the restarts of the last hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Health {
    problems: BTreeMap<HealthCheck, String>,
    /// Times of restarts, by the newest close, UTC milliseconds. No more than the limit.
    restarts: VecDeque<UtcMs>,
}

impl Health {
    /// Takes the problems that exist now.
    pub fn take(&mut self, problems: &[(HealthCheck, String)]) {
        self.problems = problems.iter().cloned().collect();
    }

    /// Counts the restarts of actors.
    pub fn restarted(&mut self, actors: &[Restarts], limits: &Risk, now: UtcMs) {
        let unplanned = actors.iter().filter(|row| row.reason != PLANNED);
        let times = unplanned.fold(0_u32, |sum, row| sum.saturating_add(row.times));
        self.count(times, limits, now);
    }

    /// Counts restarts at the newest close `now`.
    pub fn count(&mut self, times: u32, limits: &Risk, now: UtcMs) {
        let most = limits.restarts_per_hour;
        self.restarts.extend((0..times.min(most)).map(|_| now));
        while self.restarts.len() > most as usize {
            self.restarts.pop_front();
        }
    }

    /// Why only exits are allowed. A check that is off counts as fit.
    pub fn reasons(&self, limits: &Risk, now: UtcMs) -> impl Iterator<Item = String> {
        let is_on = |check: &HealthCheck| match check {
            HealthCheck::Venue => limits.venue_silent_s > 0,
            HealthCheck::Market => limits.no_close_s > 0,
            HealthCheck::Clock => limits.clock_off_ms > 0,
            HealthCheck::Disk => limits.disk_behind_s > 0,
        };
        let most = limits.restarts_per_hour as usize;
        let recent = self.restarts.iter().filter(|at| now - **at < 60 * MINUTE).count();
        let often =
            (most > 0 && recent >= most).then(|| format!("{most} restarts or more within an hour"));
        self.problems
            .iter()
            .filter(move |(check, _)| is_on(check))
            .map(|(_, why)| why.clone())
            .chain(often)
    }
}
