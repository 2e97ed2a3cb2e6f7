//! Polls the source of the dominance beside trading, and appends each new sample as an input.
//!
//! 1. The time that the source gives a sample identifies it. Only a sample that is newer than the
//!    newest one in the journal is appended. The journal rejects the append of a predecessor. So no
//!    kill or restart stores a sample twice.
//! 2. Nothing waits for the source. A failure is noted, and retried after a growing wait. It never
//!    ends the actor.
//! 3. The wait outlives the actor: its successor does not poll sooner.

use super::fetch_history::asked_ms;
use super::operator_input::Whole;
use super::work::{self, Ended, Jobs};
use everwarm_adapters::coingecko::wire::Shares;
use everwarm_adapters::coingecko::{Client, NAME as SOURCE};
use everwarm_config::DominanceSource;
use everwarm_domain::dominance::Dominance;
use everwarm_domain::fact::{Body, Market};
use everwarm_domain::time::UtcMs;
use everwarm_edge::world::{Passing, World};
use everwarm_history::dominance::newest;
use everwarm_history::projection::projected_through;
use everwarm_runtime::clock;
use everwarm_runtime::clock::wall;
use everwarm_runtime::journal::Writer;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::supervise::ChildSpec;
use everwarm_venue::port::{ErrorClass, VenueError};
use everwarm_views::health::views::FailingSourceView;
use everwarm_views::journal_reader::JournalFacts as _;
use everwarm_views::telemetry::Page;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Name of the actor, and of its writer.
const NAME: &str = "dominance";
/// Wall time before the first retry after a failure. Each further one doubles it, up to the time
/// between two polls.
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait that the source may ask for.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// The polls of a process.
#[derive(Clone, Debug, Default)]
pub struct Polls(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// When the next poll is due; none: there was none.
    next: Option<Instant>,
    /// Failures since the last success.
    failures: u32,
    failing: Option<FailingSourceView>,
}

impl Polls {
    /// The failure of the last poll; none: it succeeded, or there was none.
    #[must_use]
    pub fn failing(&self) -> Option<FailingSourceView> {
        self.locked().failing.clone()
    }

    /// Whether a poll is due. The first one is due if the newest sample is older than the time
    /// between two polls.
    fn is_due(&self, newest: Option<UtcMs>, every: Duration) -> bool {
        if let Some(next) = self.locked().next {
            return clock::now() >= next;
        }
        let age = newest.map(|time| wall().utc().saturating_sub(time).max(0).unsigned_abs());
        age.is_none_or(|age| Duration::from_millis(age) >= every)
    }

    fn succeeded(&self, every: Duration) {
        let next = Some(clock::now() + every);
        let before = std::mem::replace(&mut *self.locked(), State { next, ..State::default() });
        if before.failing.is_some() {
            tracing::info!("{SOURCE} responds again");
        }
    }

    fn failed(&self, why: String, asked: Option<Duration>, every: Duration) {
        let mut state = self.locked();
        let wait = wait_after(state.failures, asked, every);
        state.failures = state.failures.saturating_add(1);
        state.next = Some(clock::now() + wait);
        let now = wall().utc();
        let before = state.failing.take();
        if before.as_ref().is_none_or(|before| before.why != why) {
            tracing::warn!("{SOURCE}: {why}; retrying in {} s", wait.as_secs());
        }
        let since = before.map_or(now, |before| before.since);
        let next = now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        state.failing = Some(FailingSourceView { source: SOURCE.to_owned(), since, why, next });
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait after so many failures before the last one, of which the source asked for `asked`.
pub(super) fn wait_after(failures: u32, asked: Option<Duration>, every: Duration) -> Duration {
    let back_off = RETRY.saturating_mul(1 << failures.min(16)).min(every);
    back_off.max(asked.unwrap_or_default().min(WAIT_MAX))
}

/// Whether the source is polled. In lockstep it is not: time does not pass automatically.
#[must_use]
pub fn is_polled(source: Option<&DominanceSource>, passing: Passing) -> bool {
    source.is_some() && passing != Passing::Lockstep
}

/// Writes the metrics of a source that is polled. Before the first sample, `started` is its time.
pub fn show(page: &mut Page, archive: &Archive, started: UtcMs) {
    // The component that needs the file reports that it cannot be read.
    let newest = newest(archive).ok().flatten();
    if let Some(Dominance { btc, usdt, .. }) = &newest {
        for (asset, share) in [("BTC", btc), ("USDT", usdt)] {
            let share = f64::try_from(*share).unwrap_or(f64::NAN);
            page.set("everwarm_dominance_percent", &[asset], share);
        }
    }
    let time = newest.map_or(started, |sample| sample.time);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age are exact")]
    let age = wall().utc().saturating_sub(time).max(0) as f64 / 1000.0;
    page.set("everwarm_dominance_age_seconds", &[SOURCE], age);
}

/// What the actor works with.
#[derive(Clone)]
struct Polling {
    world: World,
    polls: Polls,
    client: Arc<Client>,
    every_s: u32,
    /// None: this actor has not begun.
    writer: Option<Writer>,
    /// Whether the newest sample of the journal is known.
    knows: bool,
    /// Its time; none: there is none.
    newest: Option<UtcMs>,
}

/// The actor, if the source is polled.
pub fn actor(
    source: Option<&DominanceSource>,
    world: &World,
    polls: &Polls,
    on: &Handle,
) -> Option<ChildSpec> {
    let source = source.filter(|_| is_polled(source, world.passing))?;
    let DominanceSource { address, key, every_s } = source;
    let client = match Client::new(address, key.as_ref(), Arc::new(wall)) {
        Ok(client) => Arc::new(client),
        Err(why) => {
            polls.failed(why, None, every(*every_s));
            return None;
        }
    };
    let (world, polls, every_s) = (world.clone(), polls.clone(), *every_s);
    let of = Polling { world, polls, client, every_s, writer: None, knows: false, newest: None };
    Some(work::actor(NAME, of, on))
}

fn every(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

/// What the actor does.
enum Job {
    /// Read the newest sample of the journal.
    Learn,
    /// Request the present shares.
    Poll,
}

/// What came of it.
enum Report {
    /// The time of the newest sample, if there is one.
    Learned(Result<Option<UtcMs>, String>),
    /// The response of the source.
    Polled(Result<Shares, VenueError>),
    /// The actor has ended meanwhile.
    Interrupted,
}

impl Jobs for Polling {
    type Job = Job;
    type Report = Report;

    const LOOK: Duration = Duration::from_secs(1);

    fn look(&mut self) {
        // From here on, a predecessor appends nothing.
        self.writer.get_or_insert_with(|| self.world.journal.writer(NAME));
    }

    fn job(&mut self) -> Option<Job> {
        // Before the venue's time is known, no input has a time.
        let is_due = self.polls.is_due(self.newest, every(self.every_s));
        if !is_due || !self.world.knows_time() {
            return None;
        }
        Some(if self.knows { Job::Poll } else { Job::Learn })
    }

    fn panicked(job: &Job) -> Report {
        let text = "it panicked: see the log".to_owned();
        match job {
            Job::Learn => Report::Learned(Err(text)),
            Job::Poll => Report::Polled(Err(VenueError::new(ErrorClass::NotSent, 0, text))),
        }
    }

    fn run(&self, job: Job, ended: Ended) -> Report {
        match job {
            Job::Learn => Report::Learned(learn(&self.world)),
            Job::Poll => Handle::current().block_on(async {
                tokio::select! {
                    biased;
                    _ = ended.awaited => Report::Interrupted,
                    polled = self.client.shares() => Report::Polled(polled),
                }
            }),
        }
    }

    fn ended(&mut self, report: Report) {
        let every = every(self.every_s);
        match report {
            Report::Learned(Ok(newest)) => (self.knows, self.newest) = (true, newest),
            Report::Learned(Err(why)) => self.polls.failed(why, None, every),
            Report::Polled(Ok(shares)) => {
                self.take(shares);
                self.polls.succeeded(every);
            }
            Report::Polled(Err(error)) => {
                let asked = asked_ms(&error).map(Duration::from_millis);
                self.polls.failed(error.to_string(), asked, every);
            }
            Report::Interrupted => {}
        }
    }
}

impl Polling {
    /// Appends a sample that is newer than the newest one.
    fn take(&mut self, Shares { time, btc, usdt }: Shares) {
        let Some(writer) = &self.writer else { return };
        if self.newest.is_some_and(|newest| newest >= time) {
            return;
        }
        let (source, every_s) = (SOURCE.to_owned(), self.every_s);
        let sample = Dominance { source, time, btc, usdt, every_s };
        let (now, body) = (self.world.now(), Body::Market(Market::Dominance(sample)));
        match self.world.journal.append(writer, now, vec![body]) {
            Ok(_) => self.newest = Some(time),
            // The daemon ends, or a successor polls.
            Err(e) => tracing::debug!("a sample of the dominance is not appended: {e}"),
        }
    }
}

/// The time of the newest sample of the journal. The history has those up to a row; the journal is
/// read from there on.
fn learn(world: &World) -> Result<Option<UtcMs>, String> {
    let through = projected_through(&world.archive);
    let through = through.map_err(|e| world.history_failed(e.into()))?;
    let stored = newest(&world.archive).map_err(|e| world.history_failed(e))?;
    let mut last = stored.map(|sample| sample.time);
    let read = Whole(&world.journal).each(through + 1, &mut |_, fact| {
        if let Body::Market(Market::Dominance(sample)) = &fact.body {
            last = last.max(Some(sample.time));
        }
        ControlFlow::Continue(())
    });
    read.map_err(|e| e.to_string())?;
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_mins(10);

    #[test]
    fn the_first_poll_is_due_if_the_newest_sample_is_old() {
        let (polls, now) = (Polls::default(), wall().utc());
        assert!(polls.is_due(None, EVERY));
        assert!(polls.is_due(Some(now - 600_000), EVERY));
        assert!(!polls.is_due(Some(now - 60_000), EVERY));
        // The clock of the source may be ahead.
        assert!(!polls.is_due(Some(now + 60_000), EVERY));
        polls.succeeded(EVERY);
        assert!(!polls.is_due(None, EVERY), "whatever is stored");
    }

    #[test]
    fn waits_grow_up_to_the_time_between_polls_and_the_source_may_ask_for_more() {
        let wait = |failures, asked: Option<u64>| {
            wait_after(failures, asked.map(Duration::from_secs), EVERY).as_secs()
        };
        let waits: Vec<u64> = (0..12).map(|failures| wait(failures, None)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        let asked = [(0, 20), (5, 20), (0, 1_200), (99, u64::MAX)];
        let waits = asked.map(|(failures, asked)| wait(failures, Some(asked)));
        assert_eq!(waits, [20, 32, 1_200, 3_600]);
    }

    #[test]
    fn a_failure_lasts_from_its_first_poll_to_the_next_success() {
        let polls = Polls::default();
        polls.failed("one".to_owned(), None, EVERY);
        let first = polls.failing().unwrap();
        assert!(first.next > first.since, "{first:?}");
        polls.failed("two".to_owned(), None, EVERY);
        let second = polls.failing().unwrap();
        assert_eq!((second.since, second.why.as_str()), (first.since, "two"));
        polls.succeeded(EVERY);
        assert_eq!((polls.failing(), polls.locked().failures), (None, 0));
    }
}
