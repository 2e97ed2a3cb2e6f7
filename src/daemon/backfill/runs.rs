//! The backfill that runs beside the daemon, and the last one. At most one runs.
//!
//! The request outlives the actor that carries it out. So an actor that was killed is followed by
//! one that continues.

use super::meter::Meter;
use everwarm_config::Schedule;
use everwarm_domain::time::UtcMs;
use everwarm_views::backfill::{
    BackfillRequest, BackfillScope, BackfillState, BackfillView, DAYS_MAX, SYMBOLS_MAX,
};
use everwarm_views::exit::{Exit, Failure};
use everwarm_words::text::thousands;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The backfills of a process.
#[derive(Clone, Debug, Default)]
pub struct Backfills(Arc<Mutex<Runs>>);

#[derive(Debug, Default)]
struct Runs {
    /// The one that was requested last.
    last: Meter,
    /// The schedule, and when it was due last.
    due: Option<(Schedule, Option<UtcMs>)>,
}

impl Backfills {
    /// The one that runs, else the last one.
    #[must_use]
    pub fn view(&self) -> BackfillView {
        self.locked().last.view()
    }

    /// Requests a backfill. The same request while it runs changes nothing.
    ///
    /// # Errors
    /// Another one runs, or the request is too large.
    pub fn begin(
        &self,
        request: &BackfillRequest,
        scheduled: bool,
    ) -> Result<BackfillView, Failure> {
        checked(request)?;
        let mut runs = self.locked();
        let before = runs.last.view();
        if before.run > 0 && !before.state.is_over() {
            if before.request == *request {
                return Ok(before);
            }
            let (done, all) = (thousands(before.bars_done), thousands(before.bars));
            let text = format!(
                "another backfill runs and has requested {done} of {all} bars; wait until it ends"
            );
            return Err(Failure::new(Exit::Refused, text));
        }
        let view = BackfillView {
            run: before.run + 1,
            state: BackfillState::Waiting,
            request: request.clone(),
            scheduled,
            ..BackfillView::default()
        };
        runs.last = Meter::of(view.clone());
        Ok(view)
    }

    /// The backfill to carry out; none: there is none.
    pub(super) fn asked(&self) -> Option<Meter> {
        let last = self.locked().last.clone();
        let view = last.view();
        (view.run > 0 && !view.state.is_over()).then_some(last)
    }

    /// Whether a schedule begins a backfill now. A time before the start of the process, or before
    /// the schedule was configured, does not.
    pub(super) fn is_due(&self, schedule: Option<Schedule>, now: UtcMs) -> bool {
        let mut runs = self.locked();
        let next = schedule.map(|schedule| {
            let due = schedule.last_due(now);
            (schedule, due)
        });
        let before = std::mem::replace(&mut runs.due, next);
        match (before, &runs.due) {
            (Some((before, last)), Some((schedule, due))) => before == *schedule && last < *due,
            (Some(_) | None, Some(_) | None) => false,
        }
    }

    fn locked(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks the limits of a request.
///
/// # Errors
/// It is too large, or names symbols in two ways.
pub(super) fn checked(request: &BackfillRequest) -> Result<(), Failure> {
    let wrong = |text: String| Err(Failure::new(Exit::Usage, text));
    if request.days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
        return wrong(format!("days: give a number from 1 to {}", thousands(DAYS_MAX.into())));
    }
    if request.symbols.len() > SYMBOLS_MAX {
        return wrong(format!("symbols: at most {} are possible", thousands(SYMBOLS_MAX as u64)));
    }
    if request.universe && !request.symbols.is_empty() {
        return wrong("symbols: name them, or ask for the universe, not both".to_owned());
    }
    if request.scope == BackfillScope::Needs && (request.universe || request.force) {
        return wrong("scope: needs are those of traded symbols, without universe or force".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(days: u32) -> BackfillRequest {
        BackfillRequest { days: Some(days), ..BackfillRequest::default() }
    }

    #[test]
    fn one_backfill_runs_and_the_same_request_follows_it() {
        let runs = Backfills::default();
        assert!(runs.asked().is_none() && runs.view().state == BackfillState::None);
        let first = runs.begin(&request(10), false).unwrap();
        assert_eq!((first.run, first.state), (1, BackfillState::Waiting));
        assert_eq!(runs.begin(&request(10), false).unwrap().run, 1);
        let other = runs.begin(&request(20), false).unwrap_err();
        assert_eq!(other.exit, Exit::Refused);
        runs.asked().unwrap().change(|view| view.state = BackfillState::Done);
        assert!(runs.asked().is_none());
        assert_eq!(runs.begin(&request(20), true).unwrap().run, 2);
    }

    #[test]
    fn a_schedule_begins_once_when_it_becomes_due() {
        use everwarm_domain::time::{DAY, MINUTE};
        let runs = Backfills::default();
        let at = |text: &str, now| runs.is_due(Schedule::read(text).unwrap(), now);
        let three = 1_000 * DAY + 180 * MINUTE;
        assert!(!at("03:00", three + 1), "it was due before the start");
        assert!(!at("03:00", three + DAY - 1));
        assert!(at("03:00", three + DAY));
        assert!(!at("03:00", three + DAY + 1));
        assert!(!at("04:00", three + 2 * DAY), "it was configured after that");
        assert!(!at("", three + 3 * DAY) && !at("04:00", three + 3 * DAY));
        assert!(at("04:00", three + 3 * DAY + 60 * MINUTE));
    }

    #[test]
    fn a_request_without_bounds_is_refused() {
        let runs = Backfills::default();
        for days in [0, DAYS_MAX + 1, u32::MAX] {
            assert_eq!(runs.begin(&request(days), false).unwrap_err().exit, Exit::Usage);
        }
        let symbols = vec![everwarm_domain::id::Symbol::named("AAA").unwrap(); SYMBOLS_MAX + 1];
        let many = BackfillRequest { symbols, ..BackfillRequest::default() };
        assert!(runs.begin(&many, false).is_err());
    }
}
