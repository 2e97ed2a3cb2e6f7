//! The health of the daemon and its surroundings, as the breaker sees it. While something is unfit
//! for trading, only exits are allowed.
//!
//! A problem stays over restarts, until an input says that it is over. Restarts count for an hour.

use everwarm_domain::fact::{Body, HealthCheck, Operator};
use everwarm_domain::settings::Risk;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::Fact;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// The cause of restarts that an operator asked for, which are no sign of a defect.
const PLANNED: &str = "injected";

/// Problems, and the restarts of the last hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Health {
    problems: BTreeMap<HealthCheck, String>,
    /// Times of restarts, by the newest close, UTC milliseconds. No more than the limit.
    restarts: VecDeque<UtcMs>,
}

impl Health {
    /// Folds an input about it. `now` is the newest close.
    pub fn fold(&mut self, fact: &Fact<Body>, limits: &Risk, now: UtcMs) {
        let restarts = match &fact.body {
            Body::Operator(Operator::Health { problems }) => {
                self.problems = problems.iter().cloned().collect();
                0
            }
            Body::Operator(Operator::Started { .. }) => 1,
            Body::Operator(Operator::Restarted { actors }) => {
                let counted = actors.iter().filter(|row| row.reason != PLANNED);
                counted.fold(0_u32, |sum, row| sum.saturating_add(row.times))
            }
            _ => 0,
        };
        for _ in 0..restarts.min(limits.restarts_per_hour) {
            self.restarts.push_back(now);
        }
        while self.restarts.len() > limits.restarts_per_hour as usize {
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
        let often = (most > 0 && recent >= most)
            .then(|| format!("{most} restarts or more within an hour"));
        self.problems.iter().filter(move |(check, _)| is_on(check)).map(|(_, why)| why.clone()).chain(often)
    }
}
