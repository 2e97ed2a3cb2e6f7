//! Watches what trading needs: the venue, its closes, this machine's clock and the disk. A problem
//! that lasts longer than its limit in `[risk]` becomes an input, and so does its end.
//!
//! The clock actor calls it. What was reported outlives that actor: it lies on the board. A new
//! process ends no problem until it has judged everything. So a problem of the process before ends
//! when it is over, and not by a restart.

use crate::world::{Passing, World};
use everwarm_domain::fact::HealthCheck;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{SteadyMs, UtcMs, WallMs, clock};
use everwarm_runtime::clock::{steady, wall};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The limits in force, milliseconds; 0: the check is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Limits {
    venue: i64,
    close: i64,
    clock: i64,
    disk: i64,
}

impl Limits {
    fn in_force(world: &World) -> Limits {
        let of = |key: &str| world.board.in_force(key).and_then(|v| v.as_i64()).unwrap_or(0);
        Limits {
            venue: of("risk.venue_silent_s") * 1000,
            close: of("risk.no_close_s") * 1000,
            clock: of("risk.clock_off_ms"),
            disk: of("risk.disk_behind_s") * 1000,
        }
    }
}

/// What is seen at one time.
#[derive(Clone, Debug)]
struct Observation {
    wall: WallMs,
    /// Durations are measured by this clock: a step of the wall clock neither hides a problem nor
    /// makes one.
    steady: SteadyMs,
    /// Venue time; none while it, or the last close, is not known yet.
    now: Option<UtcMs>,
    /// Since when requests fail, and since when the venue's clock cannot be read.
    failing: [Option<WallMs>; 2],
    close: Option<UtcMs>,
    sessions: Arc<Sessions>,
    /// How far the venue's clock is ahead of ours, milliseconds; none where its time is made.
    ahead: Option<i64>,
    /// Age of the oldest fact that is not committed, milliseconds.
    uncommitted: i64,
}

/// The judgement of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Fit,
    /// This process has not seen enough yet.
    Unsure,
    /// Why it is unfit for trading.
    Unfit(String),
}

/// What was reported, and what is needed to judge.
#[derive(Debug, Default)]
pub struct HealthWatch {
    /// The venue's time when it was first known.
    began: Option<UtcMs>,
    /// Since when the venue's clock cannot be read.
    unread: Option<WallMs>,
    /// Since when requests fail, and since when the venue's clock cannot be read: the time that is
    /// shown, and when that was seen first.
    failing: [Option<(WallMs, SteadyMs)>; 2],
    /// Since when commits are fast again.
    committed: Option<SteadyMs>,
    /// Whether this process has judged everything once.
    sure: bool,
    /// The reported problems; none: this process has reported nothing.
    reported: Option<BTreeMap<HealthCheck, String>>,
}

impl HealthWatch {
    /// Notes whether the venue's clock was read.
    pub fn clock_read(&mut self, read: bool) {
        self.unread = if read { None } else { self.unread.or_else(|| Some(wall())) };
    }

    /// The problems that an input has to report; none if nothing changed or nothing is watched.
    /// [`HealthWatch::note_reported`] follows when that input is in the journal.
    pub fn look(&mut self, world: &World) -> Option<Vec<(HealthCheck, String)>> {
        if world.passing == Passing::Lockstep || !world.board.has_begun() {
            return None;
        }
        let known = world.knows_time() && world.board.knows_close();
        let refused = world.board.venue().map(|trouble| trouble.since);
        let own = world.passing == Passing::Scaled(1) && world.admin.is_none();
        let uncommitted = world.journal.uncommitted_age().as_millis();
        let seen = Observation {
            wall: wall(),
            steady: steady(),
            now: known.then(|| world.now()),
            failing: [refused, self.unread],
            close: world.board.last_close(),
            sessions: world.board.sessions(),
            ahead: (own && known).then(|| world.clock.lock().offset()),
            uncommitted: i64::try_from(uncommitted).unwrap_or(i64::MAX),
        };
        self.change(Limits::in_force(world), &seen)
    }

    /// Notes that these problems are in the journal.
    pub fn note_reported(&mut self, problems: &[(HealthCheck, String)]) {
        self.reported = Some(problems.iter().cloned().collect());
    }

    /// All problems, if they are others than those reported. A process that has not judged
    /// everything yet ends none.
    fn change(&mut self, limits: Limits, seen: &Observation) -> Option<Vec<(HealthCheck, String)>> {
        if limits == Limits::default() && self.reported.is_none() {
            return None;
        }
        let verdicts = [
            (HealthCheck::Venue, self.venue(limits, seen)),
            (HealthCheck::Market, self.market(limits, seen)),
            (HealthCheck::Clock, self.clock(limits, seen)),
            (HealthCheck::Disk, self.disk(limits, seen)),
        ];
        self.sure |= verdicts.iter().all(|(_, verdict)| *verdict != Verdict::Unsure);
        let unfit = verdicts.into_iter().filter_map(|(check, verdict)| match verdict {
            Verdict::Unfit(why) => Some((check, why)),
            Verdict::Fit | Verdict::Unsure => None,
        });
        let mut now: BTreeMap<HealthCheck, String> = unfit.collect();
        // The reason that was read once stays, with its time.
        for (check, why) in self.reported.iter().flatten() {
            if !self.sure || now.contains_key(check) {
                now.insert(*check, why.clone());
            }
        }
        let same = self.reported.as_ref().is_some_and(|before| before.keys().eq(now.keys()));
        if same || (now.is_empty() && !self.sure) {
            return None;
        }
        Some(now.into_iter().collect())
    }

    fn has(&self, check: HealthCheck) -> bool {
        self.reported.as_ref().is_some_and(|problems| problems.contains_key(&check))
    }

    fn venue(&mut self, limits: Limits, seen: &Observation) -> Verdict {
        for (noted, seen_since) in self.failing.iter_mut().zip(seen.failing) {
            let first = noted.filter(|(known, _)| Some(*known) == seen_since);
            *noted = first.or_else(|| seen_since.map(|since| (since, seen.steady)));
        }
        match self.failing.into_iter().flatten().min_by_key(|(_, from)| *from) {
            _ if limits.venue == 0 => Verdict::Fit,
            Some((since, from)) if seen.steady - from >= limits.venue => {
                Verdict::Unfit(format!("the venue cannot be used since {}", clock(since.utc())))
            }
            Some(_) => Verdict::Unsure,
            None if seen.now.is_none() => Verdict::Unsure,
            None => Verdict::Fit,
        }
    }

    fn disk(&mut self, limits: Limits, seen: &Observation) -> Verdict {
        if limits.disk == 0 {
            return Verdict::Fit;
        }
        let slow = seen.uncommitted >= limits.disk;
        // Between two slow commits, little waits for a moment. It ends when commits were fast for
        // as long as the limit.
        let fast = seen.uncommitted < limits.disk / 2;
        self.committed = fast.then(|| self.committed.unwrap_or(seen.steady));
        let over = self.committed.is_some_and(|from| seen.steady - from >= limits.disk);
        if slow || (self.has(HealthCheck::Disk) && !over) {
            let since = seen.wall.utc() - seen.uncommitted;
            return Verdict::Unfit(format!("the disk took no commit since {}", clock(since)));
        }
        Verdict::Fit
    }

    fn market(&mut self, limits: Limits, seen: &Observation) -> Verdict {
        if limits.close == 0 {
            return Verdict::Fit;
        }
        let Some(now) = seen.now else { return Verdict::Unsure };
        let began = *self.began.get_or_insert(now);
        let since = seen.close.unwrap_or(began);
        let missing = |from: UtcMs| seen.sessions.open_between(from, now.max(from)) >= limits.close;
        if !missing(since) {
            return Verdict::Fit;
        }
        // A process that starts has to fetch first what came while none ran.
        if !missing(since.max(began)) {
            return Verdict::Unsure;
        }
        Verdict::Unfit(format!("no close came since {}", clock(since)))
    }

    fn clock(&self, limits: Limits, seen: &Observation) -> Verdict {
        let Some(ahead) = seen.ahead.filter(|_| limits.clock > 0) else { return Verdict::Fit };
        // It ends at half of the limit, so that it does not come and go.
        let half = self.has(HealthCheck::Clock);
        let most = if half { limits.clock / 2 } else { limits.clock };
        if ahead.abs() <= most {
            return Verdict::Fit;
        }
        let (off, side) = (ahead.abs(), if ahead > 0 { "behind" } else { "ahead of" });
        Verdict::Unfit(format!("this machine's clock is {off} ms {side} the venue's"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::MINUTE;

    const LIMITS: Limits = Limits { venue: 120_000, close: 300_000, clock: 5_000, disk: 10_000 };

    fn fit(now: UtcMs) -> Observation {
        Observation {
            wall: WallMs::default() + now,
            steady: SteadyMs::from_start(now),
            now: Some(now),
            failing: [None; 2],
            close: Some(now - now % MINUTE),
            sessions: Arc::new(Sessions::ALWAYS),
            ahead: Some(0),
            uncommitted: 0,
        }
    }

    fn change(watch: &mut HealthWatch, seen: &Observation) -> String {
        change_by(LIMITS, watch, seen)
    }

    fn change_by(limits: Limits, watch: &mut HealthWatch, seen: &Observation) -> String {
        let Some(problems) = watch.change(limits, seen) else { return "same".to_owned() };
        watch.note_reported(&problems);
        format!("{problems:?}")
    }

    #[test]
    fn each_problem_is_reported_once_when_its_limit_is_over_and_once_when_it_ended() {
        let mut watch = HealthWatch::default();
        assert_eq!(change(&mut watch, &fit(60_000)), "[]", "a process says once that it is fit");
        assert_eq!(change(&mut watch, &fit(61_000)), "same");
        let down = |now: UtcMs| {
            let since = WallMs::default() + 120_000;
            Observation { failing: [Some(since), None], ..fit(now) }
        };
        assert_eq!(change(&mut watch, &down(120_000)), "same");
        assert_eq!(change(&mut watch, &down(239_999)), "same");
        let text = "the venue cannot be used since 00:02 UTC";
        assert_eq!(change(&mut watch, &down(240_000)), format!("[(Venue, {text:?})]"));
        assert_eq!(change(&mut watch, &down(250_000)), "same");
        let disk = Observation { uncommitted: 10_000, ..down(260_000) };
        let late = "the disk took no commit since 00:04 UTC";
        let both = format!("[(Venue, {text:?}), (Disk, {late:?})]");
        assert_eq!(change(&mut watch, &disk), both);
        assert_eq!(change(&mut watch, &fit(261_000)), format!("[(Disk, {late:?})]"));
        assert_eq!(change(&mut watch, &fit(270_999)), "same");
        assert_eq!(change(&mut watch, &fit(271_000)), "[]");
        let off = |ahead| Observation { ahead: Some(ahead), ..fit(300_000) };
        assert_eq!(change(&mut watch, &off(5_000)), "same");
        let behind = "this machine's clock is 5001 ms behind the venue's";
        assert_eq!(change(&mut watch, &off(5_001)), format!("[(Clock, {behind:?})]"));
        assert_eq!(change(&mut watch, &off(-2_501)), "same", "it ends at half of the limit");
        assert_eq!(change(&mut watch, &off(2_500)), "[]");
    }

    #[test]
    fn a_problem_of_the_process_before_does_not_end_by_a_restart() {
        let mut watch = HealthWatch::default();
        let old = |now: UtcMs| Observation { close: Some(60_000), ..fit(now) };
        assert_eq!(change(&mut watch, &old(3_600_000)), "same", "closes may come soon");
        assert_eq!(change(&mut watch, &old(3_899_999)), "same");
        let text = "no close came since 00:01 UTC";
        assert_eq!(change(&mut watch, &old(3_900_000)), format!("[(Market, {text:?})]"));
        assert_eq!(change(&mut watch, &fit(3_960_000)), "[]");
        let mut after = HealthWatch::default();
        assert_eq!(change(&mut after, &old(3_600_000)), "same");
        assert_eq!(change(&mut after, &fit(3_660_000)), "[]", "closes came");
        // The venue did not respond before, and does not yet.
        let failing = |wall: i64, now| {
            let failing = [Some(WallMs::default() + 3_600_000), None];
            let at = Observation { now, ..fit(wall) };
            Observation { failing, ahead: Some(0), close: fit(3_600_000).close, ..at }
        };
        let mut after = HealthWatch::default();
        let unknown = Observation { now: None, ..fit(3_600_000) };
        assert_eq!(change(&mut after, &unknown), "same", "its time is not known");
        assert_eq!(change(&mut after, &failing(3_601_000, None)), "same");
        let disk = Observation { uncommitted: 10_000, ..failing(3_602_000, None) };
        let late = "the disk took no commit since 00:59 UTC";
        assert_eq!(change(&mut after, &disk), format!("[(Disk, {late:?})]"));
        assert_eq!(change(&mut after, &failing(3_603_000, None)), "same", "one may hide another");
        let text = "the venue cannot be used since 01:00 UTC";
        let both = format!("[(Venue, {text:?}), (Disk, {late:?})]");
        assert_eq!(change(&mut after, &failing(3_720_999, None)), "same", "seen since 01:00:01");
        assert_eq!(change(&mut after, &failing(3_721_000, None)), both);
        assert_eq!(change(&mut after, &fit(3_780_000)), "[]");
    }

    #[test]
    fn where_every_limit_is_off_nothing_is_reported() {
        let mut watch = HealthWatch::default();
        let bad = Observation { uncommitted: 1_000_000, close: None, ..fit(3_600_000) };
        let off = Limits::default();
        assert_eq!(change_by(off, &mut watch, &bad), "same");
        assert!(change(&mut watch, &bad).contains("Disk"));
        assert_eq!(change_by(off, &mut watch, &bad), "[]", "it was turned off");
        assert_eq!(change_by(off, &mut watch, &bad), "same");
    }

    #[test]
    fn a_step_of_the_wall_clock_neither_hides_a_silent_venue_nor_makes_one() {
        let failing = |seconds: i64, step: i64| {
            let at = fit(3_600_000 + seconds * 1_000);
            let failing = [Some(WallMs::default() + 3_600_000), None];
            Observation { failing, wall: at.wall + step, ..at }
        };
        let mut watch = HealthWatch::default();
        assert_eq!(change(&mut watch, &fit(3_599_000)), "[]");
        assert_eq!(change(&mut watch, &failing(0, 0)), "same");
        assert_eq!(change(&mut watch, &failing(119, 3_600_000)), "same", "an hour ahead");
        assert!(change(&mut watch, &failing(120, -3_600_000)).contains("Venue"), "an hour back");
    }

    #[test]
    fn a_cause_counts_from_its_own_start_when_an_earlier_one_ends() {
        let failing = |second: i64, causes: [Option<i64>; 2]| {
            let since = |second: i64| WallMs::default() + second * 1_000;
            Observation { failing: causes.map(|cause| cause.map(since)), ..fit(second * 1_000) }
        };
        let mut watch = HealthWatch::default();
        assert_eq!(change(&mut watch, &fit(3_599_000)), "[]");
        assert_eq!(change(&mut watch, &failing(3_600, [Some(3_600), None])), "same");
        assert_eq!(change(&mut watch, &failing(3_610, [Some(3_600), Some(3_610)])), "same");
        assert_eq!(change(&mut watch, &failing(3_700, [None, Some(3_610)])), "same");
        assert_eq!(change(&mut watch, &failing(3_729, [None, Some(3_610)])), "same");
        assert!(change(&mut watch, &failing(3_730, [None, Some(3_610)])).contains("Venue"));
    }

    #[test]
    fn a_disk_with_one_slow_commit_after_another_is_one_problem() {
        let mut watch = HealthWatch::default();
        assert_eq!(change(&mut watch, &fit(60_000)), "[]");
        let mut seen = Vec::new();
        for second in 0..120 {
            // A commit takes 15 s. For a moment after it, nothing waits.
            let uncommitted = if second < 60 { second % 15 * 1_000 } else { 0 };
            let at = Observation { uncommitted, ..fit(60_000 + second * 1_000) };
            seen.push(change(&mut watch, &at));
        }
        seen.retain(|change| change != "same");
        assert!(
            matches!(&*seen, [slow, over] if slow.contains("Disk") && over == "[]"),
            "{seen:?}"
        );
    }
}
