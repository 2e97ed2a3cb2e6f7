//! Each night the daemon repeats the decisions of the last day and compares them with its journal.
//!
//! If all agree, it stores the states of the stages at the end of the day. The next night begins
//! there. In the window of `storage.window` it removes facts that the retention no longer keeps,
//! and moves old bars out of the history, see `retention.rs`. Nothing waits for it. It reads in
//! parts and rests much longer than it works, so that trading does not notice it.

use super::reload::in_force;
use super::retention;
use super::work::{self, Ended, Jobs};
use crate::audit::{DerivedPeriod, StoreFacts, derive};
use everwarm_config::values::{Window, time_of_day};
use everwarm_domain::fact::Body;
use everwarm_domain::time::{DAY, UtcMs, date_of, day_of};
use everwarm_edge::world::{Passing, World};
use everwarm_kernel::fact::Fact;
use everwarm_runtime::clock;
use everwarm_runtime::clock::wall;
use everwarm_runtime::store::{CheckpointRow, Store};
use everwarm_runtime::supervise::ChildSpec;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts;
use everwarm_views::scan_days;
use everwarm_views::summary::Period;
use everwarm_views::telemetry::Page;
use everwarm_views::views::RepeatedDayView;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Name of the actor.
pub const NAME: &str = "self-replay";
/// Configuration key of the part of the day in which what is due is removed.
const WINDOW: &str = "storage.window";
/// Configuration key of the time of day.
pub const KEY: &str = "daemon.self_replay";
/// Wall time after a start at which the last day is repeated, if its time had passed before.
const AFTER_START: Duration = Duration::from_mins(10);
/// Rests last so many times as long as the work before them.
const REST: u32 = 20;
/// Facts that are read between two rests, at most.
const PART: usize = 4_096;

/// The result of the last repeated day.
#[derive(Clone, Debug, Default)]
pub struct SelfReplays(Arc<Mutex<Repeated>>);

#[derive(Debug, Default)]
struct Repeated {
    /// Start of the day that was due at the start of the process.
    first: Option<UtcMs>,
    /// Start of the newest day that was tried.
    tried: Option<UtcMs>,
    last: Option<RepeatedDayView>,
}

impl SelfReplays {
    /// The last result; none: no day was repeated since the start.
    #[must_use]
    pub fn last(&self) -> Option<RepeatedDayView> {
        self.locked().last.clone()
    }

    /// Writes the metrics. Before the first day, `started` is the time of the last result.
    pub fn show(&self, page: &mut Page, started: UtcMs) {
        let none = RepeatedDayView { ended: started, ..RepeatedDayView::default() };
        let last = self.last().unwrap_or(none);
        page.flag("everwarm_self_replay_successful", &[], last.error.is_none());
        page.count("everwarm_self_replay_inputs", &[], last.inputs);
        page.count("everwarm_self_replay_differences", &[], last.differing);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
        page.set("everwarm_self_replay_timestamp_seconds", &[], last.ended as f64 / 1000.0);
    }

    /// Start of the first day that was due in this process: `day`, if it is asked the first time.
    fn first(&self, day: UtcMs) -> UtcMs {
        *self.locked().first.get_or_insert(day)
    }

    fn tried(&self) -> Option<UtcMs> {
        self.locked().tried
    }

    fn note(&self, day: UtcMs, result: Option<RepeatedDayView>) {
        let mut repeated = self.locked();
        repeated.tried = repeated.tried.max(Some(day));
        if result.is_some() {
            repeated.last = result;
        }
    }

    /// Notes why what is due was not removed; none: it was.
    fn note_held(&self, held: Option<String>) {
        if let Some(last) = &mut self.locked().last {
            last.held = held;
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Repeated> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the actor works with.
#[derive(Clone)]
struct Repeating {
    world: World,
    results: SelfReplays,
    /// The time of day of the start, until a configuration is in force.
    started: Option<UtcMs>,
    /// When the process started.
    began: Instant,
    /// The time of the newest stored states, if what was due then was not removed yet.
    due: Option<UtcMs>,
}

/// The actor. In lockstep there is none: time does not pass automatically.
pub fn actor(
    started: Option<UtcMs>,
    world: &World,
    results: &SelfReplays,
    on: &Handle,
) -> Option<ChildSpec> {
    if world.passing == Passing::Lockstep {
        return None;
    }
    let (world, results, began) = (world.clone(), results.clone(), clock::now());
    Some(work::actor(NAME, Repeating { world, results, started, began, due: None }, on))
}

/// Start of the newest day that is due when its decisions are repeated `at` milliseconds after
/// midnight.
fn due(now: UtcMs, at: UtcMs) -> UtcMs {
    (day_of(now - at) - 1) * DAY
}

/// What the actor does.
enum Job {
    /// Repeat this day.
    Repeat(UtcMs),
    /// Remove what is due at this time.
    Remove(UtcMs),
}

/// How it ended.
enum Report {
    /// The day was repeated; none: it has no inputs, or the process ends.
    Repeated(UtcMs, Option<Repetition>),
    /// What is due was removed, or the reason why not.
    Removed(Option<String>),
}

/// A repeated day, and the time of the states at its end, if they were stored.
type Repetition = (RepeatedDayView, Option<UtcMs>);

impl Repeating {
    /// The day to repeat now, if there is one.
    fn day(&self) -> Option<UtcMs> {
        let in_force = in_force(&self.world.board, KEY);
        let at = match in_force.as_ref().and_then(|value| value.as_str()) {
            Some(text) => time_of_day(text).ok().flatten()?,
            None => self.started?,
        };
        let day = self.world.knows_time().then(|| due(self.world.now(), at))?;
        // A start has more urgent work than a day that was due before it.
        let waits = day <= self.results.first(day) && self.began.elapsed() < AFTER_START;
        (!waits && self.results.tried().is_none_or(|tried| tried < day)).then_some(day)
    }

    /// Removes what is due at a time. It ends early when the window or the daemon does.
    fn remove(&self, time: UtcMs, ended: Receiver<()>) -> Option<String> {
        let journal = Resting::new(&self.world, ended, REST);
        let mut rests = journal.steps();
        let mut goes_on = || rests() && in_window(&self.world);
        let held = retention::tonight(&self.world, time, &mut goes_on).err();
        let held = held.map(|why| why.to_string());
        if let Some(why) = &held {
            tracing::warn!("old facts or bars stay: {why}");
        }
        held
    }
}

impl Jobs for Repeating {
    type Job = Job;
    type Report = Report;

    const LOOK: Duration = Duration::from_secs(1);

    fn job(&mut self) -> Option<Job> {
        // What is due goes first: in a fast market, a next day is always waiting.
        let due = self.due.take_if(|_| in_window(&self.world)).map(Job::Remove);
        due.or_else(|| self.day().map(Job::Repeat))
    }

    fn panicked(job: &Job) -> Report {
        match job {
            Job::Repeat(day) => Report::Repeated(*day, Some((panicked(*day), None))),
            Job::Remove(_) => Report::Removed(Some("the removal panicked: see the log".to_owned())),
        }
    }

    fn run(&self, job: Job, ended: Ended) -> Report {
        match job {
            Job::Repeat(day) => Report::Repeated(day, repeat(&self.world, day, ended.steps)),
            Job::Remove(time) => Report::Removed(self.remove(time, ended.steps)),
        }
    }

    fn ended(&mut self, report: Report) {
        match report {
            Report::Repeated(day, result) => {
                let (view, due) = result.unzip();
                if let Some(view) = &view {
                    log(view);
                }
                self.due = due.flatten().or(self.due);
                self.results.note(day, view);
            }
            Report::Removed(held) => self.results.note_held(held),
        }
    }
}

/// Whether what is due may be removed now.
fn in_window(world: &World) -> bool {
    let window = in_force(&world.board, WINDOW);
    let window = window.as_ref().and_then(|text| text.as_str()).unwrap_or_default();
    Window::read(window).ok().flatten().is_none_or(|window| window.includes(world.now()))
}

fn log(view: &RepeatedDayView) {
    let date = date_of(day_of(view.day));
    match (&view.error, view.differing) {
        (Some(why), _) => tracing::warn!("the decisions of {date} were not repeated: {why}"),
        (None, 0) => tracing::info!(
            "the decisions about {} inputs of {date} were repeated: all agree with the journal",
            view.inputs
        ),
        (None, facts) => tracing::error!(
            "the decisions of {date} were repeated: {facts} facts differ from the journal; run \
             everwarm replay {date}"
        ),
    }
}

/// The result of a day whose repetition panicked.
fn panicked(day: UtcMs) -> RepeatedDayView {
    let error = Some("the repetition panicked: see the log".to_owned());
    RepeatedDayView { day, ended: wall().utc(), error, ..RepeatedDayView::default() }
}

/// Repeats a day. Returns nothing if the day has no inputs or `ended` is closed.
fn repeat(world: &World, day: UtcMs, ended: Receiver<()>) -> Option<Repetition> {
    let period = Period::day_of(day);
    let journal = Resting::new(world, ended, REST);
    let begins = journal.begins();
    if begins.as_ref().is_ok_and(|first| first.is_none_or(|first| first >= period.to)) {
        return None;
    }
    let derived = begins.and_then(|_| derive(&journal, &world.archive, period));
    let view = RepeatedDayView { day, ended: wall().utc(), ..RepeatedDayView::default() };
    match derived {
        Ok(DerivedPeriod { inputs: 0, .. }) => None,
        Ok(DerivedPeriod { inputs, differing, first, end }) => {
            let stored = match (first, end) {
                (None, Some(end)) => {
                    let stored = retention::keep_states(world, &end);
                    stored.map(|()| Some(end.state.time)).map_err(|e| e.to_string())
                }
                (None, None) => Ok(None),
                // A wrong state would hide the difference from the next night.
                (Some(first), _) => Err(format!("fact {} differs from its input", first.key)),
            };
            let keeps_near = retention::rules(world).scan_history;
            if let Err(why) = scan_days::store(&journal, &world.archive, period.to, keeps_near)
                && why.exit != Exit::Interrupted
            {
                tracing::warn!("the counts of the scanner are not stored: {why}");
            }
            let due = stored.unwrap_or_else(|why| {
                tracing::warn!("nothing is removed from the journal: {why}");
                None
            });
            Some((RepeatedDayView { inputs, differing, ..view }, due))
        }
        Err(why) if why.exit == Exit::Interrupted => None,
        Err(why) => Some((RepeatedDayView { error: Some(why.to_string()), ..view }, None)),
    }
}

/// The facts of the journal in parts, with rests between them. No transaction is open in a rest: it
/// would keep freed pages of the file.
pub(super) struct Resting {
    facts: StoreFacts,
    ended: Mutex<Receiver<()>>,
    /// Rests last so many times as long as the work before them.
    rest: u32,
}

impl Resting {
    /// The facts of the running daemon, until `ended` is closed.
    pub(super) fn new(world: &World, ended: Receiver<()>, rest: u32) -> Resting {
        let facts = StoreFacts(world.journal.store().clone());
        Resting { facts, ended: Mutex::new(ended), rest }
    }

    /// Event time of the first input that has one.
    fn begins(&self) -> Result<Option<UtcMs>, Failure> {
        let mut first = None;
        self.facts.each(0, &mut |_, fact| {
            if fact.key.rank == 0 && fact.time > 0 {
                first = Some(fact.time);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(first)
    }

    /// Rests between the steps of other work; false: the daemon ends.
    pub(super) fn steps(&self) -> impl FnMut() -> bool {
        let mut began = clock::now();
        move || {
            let goes_on = self.rest(began.elapsed()).is_ok();
            began = clock::now();
            goes_on
        }
    }

    /// Rests after work.
    fn rest(&self, worked: Duration) -> Result<(), Failure> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        match ended.recv_timeout(worked * self.rest) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                Err(Failure::new(Exit::Interrupted, "the daemon ends"))
            }
        }
    }
}

impl JournalFacts for Resting {
    fn each(
        &self,
        mut from_row: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        loop {
            let began = clock::now();
            let mut part = Vec::new();
            self.facts.each(from_row, &mut |row, fact| {
                part.push((row, fact.clone()));
                if part.len() < PART { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            let Some((last, _)) = part.last() else { return Ok(()) };
            from_row = last + 1;
            for (row, fact) in &part {
                if see(*row, fact).is_break() {
                    return Ok(());
                }
            }
            if part.len() < PART {
                return Ok(());
            }
            self.rest(began.elapsed())?;
        }
    }

    fn checkpoints(&self) -> Result<Vec<(u16, CheckpointRow)>, Failure> {
        self.facts.checkpoints()
    }

    fn store(&self) -> Option<&Store> {
        self.facts.store()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::MINUTE;

    #[test]
    fn a_day_is_due_in_the_night_after_it() {
        let (midnight, at) = (1_767_571_200_000, 210 * MINUTE);
        assert_eq!(due(midnight + at, at), midnight - DAY);
        assert_eq!(due(midnight + at - 1, at), midnight - 2 * DAY);
        assert_eq!(due(midnight, 0), midnight - DAY);
        assert_eq!(due(midnight - 1, 0), midnight - 2 * DAY);
    }

    #[test]
    fn an_older_day_is_never_tried_after_a_newer_one() {
        let results = SelfReplays::default();
        results.note(2 * DAY, None);
        results.note(DAY, None);
        assert_eq!((results.tried(), results.last()), (Some(2 * DAY), None));
    }
}
