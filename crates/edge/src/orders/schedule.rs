//! Decides what the gateway does next, and how long it must wait. Pure: the wall time is an
//! argument.
//!
//! Queries come before entries, and exits before both, because a late exit can only cost more.
//! Exits are other orders than the queried ones, and each is granted on its own. So none is sent
//! twice. Exits go before a query at most once while queries are allowed. So exits that are
//! rejected again and again do not block queries.

use crate::orders::rounds::VenueProblem;
use everwarm_domain::time::{UtcMs, WallMs};

/// Wall time before an unreachable venue is tried again, milliseconds: first and longest.
const BACK_OFF: (UtcMs, UtcMs) = (20, 1_000);
/// Wall time before a venue that rejected us is queried again, milliseconds: a key may be repaired.
const REFUSED: UtcMs = 30_000;

/// What the gateway does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRequest {
    /// Query orders.
    Ask,
    /// Send exits, and no other orders.
    Exits,
    /// Send orders.
    Send,
    /// Wait for this wall time, milliseconds.
    Wait(UtcMs),
    /// Nothing is to be done.
    Nothing,
}

/// What the gateway has to wait for.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Failed tries of an unreachable venue, and the wall time of the next.
    tries: u32,
    not_before: WallMs,
    /// Wall time before which the venue is not queried.
    reads_from: WallMs,
    /// Whether exits have gone before the pending queries.
    passed_over: bool,
}

impl Schedule {
    /// Ends a round, which was sending or querying. Returns why the venue cannot be used, in words.
    pub fn round_ended(
        &mut self,
        wall: WallMs,
        sending: bool,
        kept: Option<&VenueProblem>,
    ) -> Option<String> {
        let Some(VenueProblem { why, refused, retry_after_ms }) = kept else {
            self.tries = 0;
            return None;
        };
        if let Some(ms) = retry_after_ms.filter(|_| !sending) {
            let ms = i64::try_from(ms).unwrap_or(i64::MAX);
            self.reads_from = wall + ms;
            let seconds = ms.saturating_add(999) / 1000;
            return Some(format!("no requests for {seconds} s ({why})"));
        }
        let wait = (BACK_OFF.0 << self.tries.min(10)).min(BACK_OFF.1);
        let wait = if *refused { REFUSED } else { wait };
        self.tries += 1;
        self.not_before = wall + wait;
        let what = match (refused, retry_after_ms) {
            (true, _) => "it rejects requests",
            (false, Some(_)) => "it accepts no more for now",
            (false, None) => "it does not respond",
        };
        Some(format!("{what} ({why}); try {} in {wait} ms", self.tries + 1))
    }

    /// How long nothing at all is tried, milliseconds of wall time; none if there is no wait.
    #[must_use]
    pub fn kept(&self, wall: WallMs) -> Option<UtcMs> {
        (wall < self.not_before).then(|| self.not_before - wall)
    }

    /// How long nothing is queried, milliseconds of wall time; none if there is no wait.
    #[must_use]
    pub fn silent(&self, wall: WallMs) -> Option<UtcMs> {
        (wall < self.reads_from).then(|| self.reads_from - wall)
    }

    /// How long nothing is read, milliseconds of wall time; none if there is no wait.
    #[must_use]
    pub fn reads_in(&self, wall: WallMs) -> Option<UtcMs> {
        self.kept(wall).max(self.silent(wall))
    }

    /// What is next, if there are queries (`asks`) and orders `due`, `exits` among them.
    pub fn next(&mut self, wall: WallMs, asks: bool, exits: bool, due: bool) -> NextRequest {
        if !asks {
            self.passed_over = false;
            return if due { NextRequest::Send } else { NextRequest::Nothing };
        }
        let silent = self.silent(wall);
        if exits && (!self.passed_over || silent.is_some()) {
            self.passed_over = true;
            return NextRequest::Exits;
        }
        if let Some(wait) = silent {
            return NextRequest::Wait(wait);
        }
        self.passed_over = false;
        NextRequest::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> WallMs {
        WallMs::from_utc(ms)
    }

    fn kept(retry_after_ms: Option<u64>) -> VenueProblem {
        VenueProblem { why: "w".to_owned(), refused: false, retry_after_ms }
    }

    #[test]
    fn an_exit_does_not_wait_for_a_question_that_must_wait() {
        let mut schedule = Schedule::default();
        assert_eq!(
            schedule.next(at(0), true, false, true),
            NextRequest::Ask,
            "questions before entries"
        );
        let trouble = schedule.round_ended(at(1_000), false, Some(&kept(Some(59_000))));
        assert_eq!(trouble.as_deref(), Some("no requests for 59 s (w)"));
        assert_eq!(schedule.kept(at(1_000)), None, "others may go");
        assert_eq!(schedule.next(at(1_000), true, false, true), NextRequest::Wait(59_000));
        assert_eq!(schedule.next(at(1_001), true, true, true), NextRequest::Exits);
        assert_eq!(schedule.round_ended(at(1_002), true, None), None);
        assert_eq!(schedule.next(at(1_003), true, true, true), NextRequest::Exits, "another one");
        assert_eq!(schedule.next(at(59_999), true, false, true), NextRequest::Wait(1));
        assert_eq!(schedule.next(at(60_000), true, false, true), NextRequest::Ask);
    }

    #[test]
    fn exits_that_are_refused_again_and_again_leave_questions_their_turn() {
        let mut schedule = Schedule::default();
        for _ in 0..3 {
            assert_eq!(schedule.next(at(0), true, true, true), NextRequest::Exits);
            assert_eq!(schedule.next(at(0), true, true, true), NextRequest::Ask);
        }
        assert_eq!(schedule.next(at(0), false, true, true), NextRequest::Send);
        assert_eq!(schedule.next(at(0), false, false, false), NextRequest::Nothing);
    }

    #[test]
    fn a_venue_that_takes_no_orders_is_asked_all_the_same() {
        let mut schedule = Schedule::default();
        for (tries, wait) in [20, 40, 80, 160, 320, 640, 1_000, 1_000].into_iter().enumerate() {
            let retry_after_ms = (tries % 2 == 0).then_some(60_000);
            schedule.round_ended(at(0), true, Some(&kept(retry_after_ms)));
            assert_eq!((schedule.kept(at(0)), schedule.silent(at(0))), (Some(wait), None));
        }
        schedule.round_ended(at(0), true, None);
        assert!(
            schedule
                .round_ended(at(0), true, Some(&kept(None)))
                .unwrap()
                .ends_with("try 2 in 20 ms")
        );
        let no = VenueProblem { refused: true, ..kept(None) };
        assert!(
            schedule
                .round_ended(at(0), false, Some(&no))
                .unwrap()
                .starts_with("it rejects requests (w)")
        );
        assert_eq!(schedule.kept(at(29_999)), Some(1));
    }
}
