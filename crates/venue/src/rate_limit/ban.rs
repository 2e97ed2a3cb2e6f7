//! A wait that the venue requested, and how its end is found.
//!
//! A short wait is kept unchanged. In one longer than [`DOUBT`], a cheap request checks it now and
//! then, and the response sets the end anew. So a nonsensical wait, or one that the venue has
//! lifted, does not last.

use super::{WaitMs, end_of, wait};
use everwarm_domain::time::UtcMs;

/// The longest wait that is trusted without the venue's own error text, milliseconds. Longer waits
/// are checked.
pub const DOUBT: UtcMs = 300_000;
/// The longest wait that is trusted at all, milliseconds. The venue bans for three days at most.
pub const LONGEST: UtcMs = 259_200_000;
/// Times of the checks, milliseconds after the beginning; later ones follow every [`HOUR`].
const PROBES: [UtcMs; 3] = [120_000, 600_000, 1_800_000];
const HOUR: UtcMs = 3_600_000;

/// What may be sent during a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// There is no wait.
    Open,
    /// Nothing for this time. Then the wait is over, or it is checked.
    Wait(WaitMs),
    /// One cheap request may check the wait.
    Probe,
}

/// A wait. Times are those of [`super::WeightLimit`].
#[derive(Clone, Debug)]
pub struct Ban {
    /// When it began; none: an earlier process saved its end, and it was not used yet.
    from: Option<UtcMs>,
    until: UtcMs,
    /// Number of requests that checked it.
    probes: u32,
    /// Whether a check still waits for its response.
    probing: bool,
}

impl Ban {
    /// A wait that an earlier process saved.
    #[must_use]
    pub fn noted(until: UtcMs) -> Ban {
        Ban { from: None, until, probes: 0, probing: false }
    }

    /// What may be sent at `now`. A saved end is at most [`LONGEST`] away.
    pub fn gate(&mut self, now: UtcMs) -> Gate {
        if self.until <= now {
            return Gate::Open;
        }
        if self.from.is_none() {
            self.from = Some(now);
            self.until = self.until.min(now.saturating_add(LONGEST));
        }
        let next = self.next();
        if next <= now {
            return Gate::Probe;
        }
        Gate::Wait(wait(next.min(self.until).saturating_sub(now)))
    }

    /// Registers a request that checks the wait.
    pub fn probe(&mut self) {
        self.probing = true;
        self.probes = self.probes.saturating_add(1);
    }

    /// Sets a wait that the venue requested. The response to a check replaces the end. Any other
    /// can only extend it.
    pub fn block(&mut self, now: UtcMs, for_ms: u64) {
        let until = end_of(now, for_ms).min(now.saturating_add(LONGEST));
        if self.probing {
            self.until = until;
        } else if until > self.until || self.until <= now {
            (self.from, self.until, self.probes) = (Some(now), until, 0);
        }
        self.probing = false;
    }

    /// The venue accepted a request. Returns whether that ended a wait.
    pub fn passed(&mut self) -> bool {
        if self.probing {
            self.clear();
            return true;
        }
        false
    }

    /// Ends the wait by command of an operator or by a response of the venue.
    pub fn clear(&mut self) {
        *self = Ban::noted(UtcMs::MIN);
    }

    /// Its end, UTC milliseconds.
    #[must_use]
    pub fn until(&self) -> UtcMs {
        self.until
    }

    /// The time of the next request, UTC milliseconds, at `now`; none if nothing waits.
    #[must_use]
    pub fn next_attempt(&self, now: UtcMs) -> Option<UtcMs> {
        let mut it = self.clone();
        match it.gate(now) {
            Gate::Open => None,
            Gate::Probe => Some(now),
            Gate::Wait(WaitMs(ms)) => Some(end_of(now, ms)),
        }
    }

    /// The time of the next check. A short wait has none.
    fn next(&self) -> UtcMs {
        let from = self.from.unwrap_or(self.until);
        if self.until.saturating_sub(from) <= DOUBT {
            return UtcMs::MAX;
        }
        let count = usize::try_from(self.probes).unwrap_or(usize::MAX);
        let hours = UtcMs::from(self.probes).saturating_sub(2).saturating_mul(HOUR);
        let after = PROBES.get(count).copied().unwrap_or(PROBES[2].saturating_add(hours));
        from.saturating_add(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: UtcMs = 60_000;

    /// The times of checks without a result, minutes after the beginning.
    fn looks(ban: &mut Ban, until: UtcMs) -> Vec<UtcMs> {
        let mut all = Vec::new();
        for minute in 0..until {
            if ban.gate(minute * MINUTE) == Gate::Probe {
                all.push(minute);
                ban.probe();
            }
        }
        all
    }

    #[test]
    fn a_long_wait_is_looked_at_after_2_10_30_min_and_every_hour() {
        let mut ban = Ban::noted(UtcMs::MIN);
        ban.block(0, 86_400_000);
        assert_eq!(looks(&mut ban, 300), [2, 10, 30, 90, 150, 210, 270]);
        let mut short = Ban::noted(UtcMs::MIN);
        short.block(0, 300_000);
        assert_eq!(looks(&mut short, 10), Vec::<UtcMs>::new());
        assert_eq!(short.gate(299_999), Gate::Wait(WaitMs(1)));
        assert_eq!(short.gate(300_000), Gate::Open);
    }

    #[test]
    fn what_a_look_reports_replaces_the_end() {
        let mut ban = Ban::noted(UtcMs::MIN);
        ban.block(0, u64::MAX);
        assert_eq!(ban.until(), LONGEST, "no ban is longer");
        assert_eq!(ban.gate(1), Gate::Wait(WaitMs(119_999)));
        assert_eq!(ban.gate(120_000), Gate::Probe);
        ban.probe();
        assert_eq!(ban.gate(120_001), Gate::Wait(WaitMs(479_999)), "one is on its way");
        ban.block(120_100, 30_000);
        assert_eq!((ban.until(), ban.gate(150_100)), (150_100, Gate::Open));

        ban.block(200_000, 86_400_000);
        ban.block(200_001, 1_000);
        assert_eq!(ban.until(), 86_600_000, "another one moves it only further away");
        assert!(!ban.passed(), "that was sent before");
        assert_eq!(ban.gate(320_000), Gate::Probe);
        ban.probe();
        assert!(ban.passed());
        assert_eq!(ban.gate(320_001), Gate::Open);
    }

    #[test]
    fn an_end_that_an_earlier_process_noted_is_cut() {
        let mut ban = Ban::noted(UtcMs::MAX);
        assert_eq!(ban.next_attempt(1_000), Some(121_000));
        assert_eq!(ban.gate(1_000), Gate::Wait(WaitMs(120_000)));
        assert_eq!(ban.until(), 1_000 + LONGEST);
    }
}
