//! Watches what trading needs: the venue, its closes, this machine's clock and the disk. A problem
//! that lasts longer than its limit in `[risk]` becomes an input, and so does its end.
//!
//! The clock actor calls it. What was reported outlives that actor: it lies on the board. A new
//! process reports nothing until it can judge everything. So a problem of the process before ends
//! when it is over, and not by a restart.

use crate::world::{Passing, World};
use everwarm_domain::fact::{Body, HealthCheck, Operator};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{UtcMs, WallMs, clock};
use everwarm_runtime::clock::wall;
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
    /// Venue time.
    now: UtcMs,
    /// Why a request failed last, and since when requests fail.
    venue: Option<(WallMs, String)>,
    close: Option<UtcMs>,
    sessions: Arc<Sessions>,
    /// How far the venue's clock is ahead of ours, milliseconds; none where its time is made.
    ahead: Option<i64>,
    /// Age of the oldest fact that is not committed, milliseconds.
    uncommitted: i64,
}

/// What was reported, and what is needed to judge.
#[derive(Debug, Default)]
pub struct HealthWatch {
    /// The venue's time at the first look.
    began: Option<UtcMs>,
    /// Since when the venue's clock cannot be read, and why.
    unread: Option<(WallMs, String)>,
    /// The reported problems; none: this process has reported nothing.
    reported: Option<BTreeMap<HealthCheck, String>>,
}

impl HealthWatch {
    /// Notes whether the venue's clock was read; an error says why not.
    pub fn clock_read(&mut self, result: Result<(), String>) {
        self.unread = match (result, self.unread.take()) {
            (Ok(()), _) => None,
            (Err(why), Some((since, _))) => Some((since, why)),
            (Err(why), None) => Some((wall(), why)),
        };
    }

    /// The input about a change; none if nothing changed or nothing is watched.
    pub fn look(&mut self, world: &World) -> Option<Body> {
        let limits = Limits::in_force(world);
        if world.passing == Passing::Lockstep || !world.board.has_begun() {
            return None;
        }
        // The reason stays while the tries go on.
        let lasting = |why: String| why.split("; try ").next().unwrap_or_default().to_owned();
        let refused = world.board.venue().map(|trouble| (trouble.since, lasting(trouble.why)));
        let failing = [refused, self.unread.clone()].into_iter().flatten();
        let own = world.passing == Passing::Scaled(1) && world.admin.is_none();
        let uncommitted = world.journal.uncommitted_age().as_millis();
        let seen = Observation {
            wall: wall(),
            now: world.now(),
            venue: failing.min_by_key(|(since, _)| *since),
            close: world.board.last_close(),
            sessions: world.board.sessions(),
            ahead: own.then(|| world.clock.lock().offset()),
            uncommitted: i64::try_from(uncommitted).unwrap_or(i64::MAX),
        };
        let problems = self.change(limits, &seen)?;
        Some(Body::Operator(Operator::Health { problems }))
    }

    /// All problems, if they are others than those reported.
    fn change(&mut self, limits: Limits, seen: &Observation) -> Option<Vec<(HealthCheck, String)>> {
        if limits == Limits::default() && self.reported.is_none() {
            return None;
        }
        let began = *self.began.get_or_insert(seen.now);
        let before = self.reported.as_ref();
        let had = |check| before.is_some_and(|before| before.contains_key(&check));
        let mut now = BTreeMap::new();
        if let Some((since, why)) = &seen.venue
            && limits.venue > 0
            && seen.wall - *since >= limits.venue
        {
            let text = format!("the venue cannot be used since {}: {why}", clock(since.utc()));
            now.insert(HealthCheck::Venue, text);
        }
        // A process that starts has to fetch first what came while it did not run.
        let since = seen.close.unwrap_or(began);
        let open_for = |from: UtcMs| seen.sessions.open_between(from, seen.now.max(from));
        let missing = limits.close > 0 && open_for(since) >= limits.close;
        if missing && open_for(since.max(began)) >= limits.close {
            let text = format!("no close came since {}", clock(since));
            now.insert(HealthCheck::Market, text);
        }
        if let Some(ahead) = seen.ahead.filter(|_| limits.clock > 0) {
            // It ends at half of the limit, so that it does not come and go.
            let most = if had(HealthCheck::Clock) { limits.clock / 2 } else { limits.clock };
            if ahead.abs() > most {
                let side = if ahead > 0 { "behind" } else { "ahead of" };
                let off = ahead.abs();
                let text = format!("this machine's clock is {off} ms {side} the venue's");
                now.insert(HealthCheck::Clock, text);
            }
        }
        if limits.disk > 0 && seen.uncommitted >= limits.disk {
            let from = seen.wall.utc() - seen.uncommitted;
            let text = format!("the disk took no commit since {}", clock(from));
            now.insert(HealthCheck::Disk, text);
        }
        let undecided = missing && !now.contains_key(&HealthCheck::Market);
        let same = match before {
            None => undecided && now.is_empty(),
            Some(before) => before.keys().eq(now.keys()),
        };
        if same {
            return None;
        }
        // The reason that was read once stays, with its time.
        for (check, why) in before.into_iter().flatten() {
            now.entry(*check).and_modify(|text| text.clone_from(why));
        }
        self.reported = Some(now.clone());
        Some(now.into_iter().collect())
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
            now,
            venue: None,
            close: Some(now - now % MINUTE),
            sessions: Arc::new(Sessions::ALWAYS),
            ahead: Some(0),
            uncommitted: 0,
        }
    }

    fn change(watch: &mut HealthWatch, seen: &Observation) -> String {
        watch.change(LIMITS, seen).map_or_else(|| "same".to_owned(), |new| format!("{new:?}"))
    }

    #[test]
    fn each_problem_is_reported_once_when_its_limit_is_over_and_once_when_it_ended() {
        let mut watch = HealthWatch::default();
        assert_eq!(change(&mut watch, &fit(60_000)), "[]", "a process says once that it is fit");
        assert_eq!(change(&mut watch, &fit(61_000)), "same");
        let down = |now: UtcMs| {
            let since = WallMs::default() + 120_000;
            Observation { venue: Some((since, "no route".into())), ..fit(now) }
        };
        assert_eq!(change(&mut watch, &down(239_999)), "same");
        let text = "the venue cannot be used since 00:02 UTC: no route";
        assert_eq!(change(&mut watch, &down(240_000)), format!("[(Venue, {text:?})]"));
        assert_eq!(change(&mut watch, &down(250_000)), "same");
        let disk = Observation { uncommitted: 10_000, ..down(260_000) };
        let late = "the disk took no commit since 00:04 UTC";
        let both = format!("[(Venue, {text:?}), (Disk, {late:?})]");
        assert_eq!(change(&mut watch, &disk), both);
        assert_eq!(change(&mut watch, &fit(261_000)), "[]");
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
    }

    #[test]
    fn where_every_limit_is_off_nothing_is_reported() {
        let mut watch = HealthWatch::default();
        let bad = Observation { uncommitted: 1_000_000, close: None, ..fit(3_600_000) };
        assert_eq!(watch.change(Limits::default(), &bad), None);
        assert!(change(&mut watch, &bad).contains("Disk"));
        assert_eq!(watch.change(Limits::default(), &bad), Some(vec![]), "it was turned off");
        assert_eq!(watch.change(Limits::default(), &bad), None);
    }
}
