//! Follows every fact for people: the state of the daemon, its signals, and the lines of the
//! terminal.
//!
//! The state includes the newest facts, with the number of those that are not on disk yet. A
//! printed line cannot be taken back, so it waits until its fact is on disk: a second at most.
//! Nothing is flushed for it.

use crate::audit::store_failure;
use crate::chaos::process::{Step, Steps};
use everwarm_cli::print::{self, Printer};
use everwarm_cli::terminal::TerminalState;
use everwarm_domain::fact::{Body, Ledger, Market, Operator};
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::{Body as _, Fact, Mask};
use everwarm_runtime::chaos::Chaos;
use everwarm_runtime::clock;
use everwarm_runtime::journal::{Journal, Waker};
use everwarm_runtime::store::Left;
use everwarm_runtime::store::archive::Archive;
use everwarm_views::events::EventLog;
use everwarm_views::exit::Failure;
use everwarm_views::features::FeatureLog;
use everwarm_views::journal_reader::JournalFacts;
use everwarm_views::memory::Memory;
use everwarm_views::telemetry::Supervised;
use everwarm_views::views::StepView;
use everwarm_words::text::shell_word;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Name of the reader.
pub const NAME: &str = "watch";
/// Chunks read in one step.
const CHUNKS: usize = 512;
/// Age of a recent close, at most, in venue time.
const RECENT: UtcMs = 2 * MINUTE;
/// Bytes of facts after which the state is saved.
const KEEP_BYTES: usize = 4 << 20;
/// Wall time between two saves, at least: ten thousand signals are some megabytes.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// Facts of earlier runs from which recent events are taken: some hours.
const LATELY: u64 = 4_000;
/// Wall time between checks of lines that wait to be printed.
const FLUSH: Duration = Duration::from_millis(200);

/// The state that the watch has collected.
#[derive(Debug)]
pub struct Seen {
    /// The state from facts.
    pub memory: Memory,
    /// Recent events.
    pub events: EventLog,
    /// Recent values of the indicator stage.
    pub features: FeatureLog,
    /// Steps of the start.
    pub steps: Vec<StepView>,
    /// Actor restarts in this run.
    pub restarts: u64,
    /// Time from the start until the account matched the books.
    pub ready: Option<Duration>,
    /// The newest match of account and books by the wall clock; UTC milliseconds, 0: none yet.
    pub reconciled_ms: i64,
    /// The run that began in the journal, and the time from the start until then.
    begun: Option<(u64, Duration)>,
    /// Whether the lines for missed closes have been printed.
    caught_up: bool,
    terminal: TerminalState,
    /// The row from which the next start has to read facts, and the bytes of facts that this start
    /// read from there on.
    kept: (u64, usize),
}

impl Seen {
    /// Takes facts that are shown for the last hours only.
    fn lately(&mut self, fact: &Fact<Body>) {
        self.events.fact(fact);
        self.features.fact(fact);
    }
}

/// Watches one journal.
#[derive(Clone)]
pub struct Watch {
    /// Notices of supervisors, counted.
    pub supervised: Arc<Supervised>,
    seen: Arc<Mutex<Seen>>,
    printer: Option<Printer>,
    /// The data directory for the note on how to stop the daemon; taken when the reader of the
    /// output has gone.
    read_by: Arc<Mutex<Option<PathBuf>>>,
    began: Instant,
    /// Reports the step of this run to the environment that asked for it.
    life: Steps,
    /// Whether a stop has begun.
    stopping: Arc<AtomicBool>,
    /// Venue time, once the world exists.
    venue: Arc<OnceLock<VenueNow>>,
}

type VenueNow = Box<dyn Fn() -> UtcMs + Send + Sync>;

impl Watch {
    /// A watch that prints lines if there is a printer.
    #[must_use]
    pub fn new(printer: Option<Printer>, began: Instant) -> Watch {
        let (width, color) = printer.as_ref().map_or((100, false), |p| (p.width, p.color));
        let seen = Seen {
            memory: Memory::default(),
            events: EventLog::default(),
            features: FeatureLog::default(),
            steps: Vec::new(),
            restarts: 0,
            ready: None,
            reconciled_ms: 0,
            begun: None,
            caught_up: false,
            terminal: TerminalState::new(width, color),
            kept: (0, 0),
        };
        let (seen, life) = (Arc::new(Mutex::new(seen)), Steps::from_environment());
        let (supervised, stopping) = (Arc::default(), Arc::default());
        let (read_by, venue) = (Arc::default(), Arc::default());
        Watch { supervised, seen, printer, read_by, began, life, stopping, venue }
    }

    /// Sets the data directory for the note on how to stop the daemon.
    pub fn at(&self, data_dir: &Path) {
        *self.read_by.lock().unwrap_or_else(PoisonError::into_inner) = Some(data_dir.to_owned());
    }

    /// Begins the run with its first step. Each step is a kill point of `chaos`.
    pub fn begin(&self, chaos: &Chaos) {
        self.life.arm(chaos);
        self.enter(Step::Open);
    }

    /// Enters a step of the run.
    pub fn enter(&self, step: Step) {
        if step == Step::Stop {
            self.stopping.store(true, Relaxed);
        }
        self.life.enter(step);
    }

    /// Whether a stop has begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Locks the collected state; hold it only briefly.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the function that returns venue time.
    pub fn venue_time(&self, now: impl Fn() -> UtcMs + Send + Sync + 'static) {
        drop(self.venue.set(Box::new(now)));
    }

    /// Notes and prints a step of the start.
    pub fn step(&self, name: &str, took: Duration, detail: String) {
        let line = note(&mut self.seen(), name, took, detail);
        self.print(&[line]);
    }

    /// Notes and prints that an actor was started again.
    pub fn restarted(&self, actor: &str, reason: &str, after: Duration) {
        let line = {
            let mut seen = self.seen();
            seen.restarts += 1;
            seen.terminal.restart(actor, reason, after)
        };
        self.print(&[line]);
    }

    /// Prints the summary of the run.
    pub fn summary(&self) {
        let lines = self.seen().terminal.summary(self.began.elapsed());
        self.print(&lines);
    }

    /// Takes the facts before this run, up to row `until`, without printing them.
    ///
    /// # Errors
    /// The journal or the history cannot be read.
    pub fn restore(
        &self,
        journal: &dyn JournalFacts,
        archive: &Archive,
        until: u64,
    ) -> Result<(), Failure> {
        let kept = Memory::load(archive, until)?;
        let (known, lately) = (kept.through, until.saturating_sub(LATELY));
        let next = kept.next_row();
        {
            let mut seen = self.seen();
            (seen.memory, seen.kept) = (kept, (next, 0));
        }
        journal.each_left(lately + 1, &mut |left| {
            let Left::Row(row, fact) = left else { return ControlFlow::Continue(()) };
            if row > known {
                return ControlFlow::Break(());
            }
            self.seen().lately(fact);
            ControlFlow::Continue(())
        })?;
        journal.each_left(next, &mut |left| {
            let mut seen = self.seen();
            match &left {
                Left::Row(row, _) if *row > until => return ControlFlow::Break(()),
                Left::Row(row, fact) => {
                    if *row > known {
                        seen.lately(fact);
                    }
                    seen.kept.1 += fact.body.weight();
                }
                Left::Lost(_, why) => tracing::error!("a view lacks data: {why}"),
            }
            seen.memory.take(&left);
            ControlFlow::Continue(())
        })?;
        let mut seen = self.seen();
        let Seen { memory, terminal, .. } = &mut *seen;
        terminal.restore(&memory.now().status);
        Ok(())
    }

    /// Follows the journal from the row after the last one taken in until `stop` is true. Then it
    /// reads to the head once more.
    ///
    /// # Errors
    /// A row cannot be read, or the history cannot be written.
    pub async fn follow(
        &self,
        journal: &Journal<Body>,
        archive: &Archive,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let news = Arc::new(Notify::new());
        let raise = Arc::clone(&news);
        let waker = Waker::new(move || raise.notify_one());
        journal.subscribe(NAME, Mask::ALL, Arc::clone(&waker));
        let mut durable = journal.durable_rows();
        let (fed, held) = (0, Held::default());
        let mut keeper = Keeper { fed, kept: clock::now(), due: None, held };
        {
            let seen = self.seen();
            let (next, unkept) = seen.kept;
            // Facts that are not saved are read again by the next start, and must not be sealed
            // until then.
            journal.hold(NAME, next);
            keeper.due = (unkept > 0).then(|| (seen.memory.through, seen.memory.bytes()));
        }
        loop {
            waker.clear();
            let stopping = *stop.borrow();
            durable.mark_unchanged();
            self.read(journal, archive, &mut keeper)?;
            self.print(&keeper.held.on_disk(journal.durable_row()));
            if stopping {
                return Ok(());
            }
            let news_or_stop = async {
                tokio::select! {
                    () = news.notified() => {}
                    Ok(()) = durable.changed() => {}
                    // The sender is gone: the same as a stop.
                    _ = stop.changed() => {}
                }
            };
            if tokio::time::timeout(FLUSH, news_or_stop).await.is_err() {
                let (line, row) = {
                    let mut seen = self.seen();
                    (seen.terminal.flush(self.began.elapsed()), seen.memory.through)
                };
                keeper.held.hold(row, line);
                keeper.keep(journal, archive)?;
            }
        }
    }

    /// Reads up to the head.
    fn read(
        &self,
        journal: &Journal<Body>,
        archive: &Archive,
        keeper: &mut Keeper,
    ) -> Result<(), Failure> {
        loop {
            let from = self.seen().memory.through + 1;
            let chunks = journal.read(from, CHUNKS).map_err(|e| store_failure(&e))?;
            if chunks.is_empty() {
                return Ok(());
            }
            {
                let mut seen = self.seen();
                for chunk in &chunks {
                    let rows = chunk.facts.iter().zip(chunk.first_row..);
                    for (fact, row) in rows.filter(|(_, row)| *row >= from) {
                        keeper.held.hold(row, self.take(&mut seen, row, fact));
                        keeper.fed += fact.body.weight();
                    }
                }
                keeper.note(&seen.memory);
            }
            self.print(&keeper.held.on_disk(journal.durable_row()));
            keeper.keep(journal, archive)?;
        }
    }

    fn take(&self, seen: &mut Seen, row: u64, fact: &Fact<Body>) -> Vec<String> {
        seen.memory.fold(row, fact);
        seen.lately(fact);
        let now = self.began.elapsed();
        let mut lines = seen.terminal.fact(fact, now);
        lines.extend(self.steps(seen, fact, now));
        lines
    }

    /// The steps of the start that facts show: the account was compared, trading may begin, and
    /// missed closes were caught up.
    fn steps(&self, seen: &mut Seen, fact: &Fact<Body>, now: Duration) -> Vec<String> {
        match &fact.body {
            Body::Operator(Operator::Started { life, .. }) => {
                seen.begun = Some((*life, now));
                Vec::new()
            }
            Body::Ledger(Ledger::Reconciled { life, conflicts, .. }) if conflicts.is_empty() => {
                // The ledger may still report about an account of an earlier run.
                let Some((_, begun)) = seen.begun.filter(|(of, _)| of == life) else {
                    return Vec::new();
                };
                seen.reconciled_ms = clock::wall().utc();
                if seen.ready.is_some() {
                    return Vec::new();
                }
                seen.ready = Some(now);
                self.enter(Step::CatchUp);
                let (took, what) = (now.saturating_sub(begun), "orders queried, account compared");
                let compared = note(seen, "reconcile", took, what.to_owned());
                vec![compared, note(seen, "ready", now, "after the process started".to_owned())]
            }
            Body::Market(Market::Close { time, .. }) if !seen.caught_up => {
                let (Some(ready), Some(venue)) = (seen.ready, self.venue.get()) else {
                    return Vec::new();
                };
                if time + RECENT < venue() {
                    return Vec::new();
                }
                seen.caught_up = true;
                self.enter(Step::Live);
                let detail = "the newest close is processed".to_owned();
                vec![note(seen, "catch up", now.saturating_sub(ready), detail)]
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => Vec::new(),
        }
    }

    fn print(&self, lines: &[String]) {
        if let Some(printer) = self.printer.as_ref().filter(|_| !lines.is_empty()) {
            // A missing reader does not affect trading.
            match printer.lines(lines) {
                Ok(true) => {}
                Ok(false) => self.unread(),
                Err(e) => tracing::debug!("a line was not printed: {e}"),
            }
        }
    }

    /// Prints once that nobody reads the output, and how to stop the daemon: no terminal shows it.
    fn unread(&self) {
        let read_by = self.read_by.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(dir) = read_by.filter(|_| !self.is_stopping()) {
            let dir = std::path::absolute(&dir).unwrap_or(dir);
            let dir = shell_word(&dir.display().to_string());
            let pid = std::process::id();
            print::note(&format!(
                "everwarm: standard output is closed. The daemon continues as process {pid}. Stop \
                 it: everwarm stop --data-dir {dir}"
            ));
        }
    }
}

/// Records a step of the start; returns its line.
fn note(seen: &mut Seen, name: &str, took: Duration, detail: String) -> String {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let step = StepView { name: name.to_owned(), took_us, detail };
    let line = seen.terminal.step(&step);
    seen.steps.push(step);
    line
}

/// Saves the state now and then, so that the next run need not read all facts again.
struct Keeper {
    /// Bytes of facts since the last save, and when that was.
    fed: usize,
    kept: Instant,
    /// The row that must be on disk before the state is saved. With it, the row from which a reader
    /// then continues, and the bytes of the state.
    due: Option<(u64, (u64, Vec<u8>))>,
    held: Held,
}

/// Lines that wait until the row of their fact is on disk.
#[derive(Debug, Default)]
struct Held(VecDeque<(u64, String)>);

impl Held {
    /// Adds lines of this row, or of rows up to it; rows never go back.
    fn hold(&mut self, row: u64, lines: impl IntoIterator<Item = String>) {
        self.0.extend(lines.into_iter().map(|line| (row, line)));
    }

    /// The lines that may be printed when rows up to `durable` are on disk, in order.
    fn on_disk(&mut self, durable: u64) -> Vec<String> {
        let ready = self.0.partition_point(|(row, _)| *row <= durable);
        self.0.drain(..ready).map(|(_, line)| line).collect()
    }
}

impl Keeper {
    fn note(&mut self, memory: &Memory) {
        if self.fed > KEEP_BYTES && self.due.is_none() && self.kept.elapsed() > KEEP_EVERY {
            (self.fed, self.kept) = (0, clock::now());
            self.due = Some((memory.through, memory.bytes()));
        }
    }

    fn keep(&mut self, journal: &Journal<Body>, archive: &Archive) -> Result<(), Failure> {
        if let Some((_, (next, bytes))) =
            self.due.take_if(|(through, _)| *through <= journal.durable_row())
        {
            Memory::keep(archive, bytes)?;
            journal.hold(NAME, next);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_printed_once_its_fact_is_on_disk() {
        let mut held = Held::default();
        let lines = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        held.hold(3, lines(&["a", "b"]));
        held.hold(5, lines(&[]));
        held.hold(6, lines(&["c"]));
        assert_eq!(held.on_disk(2), [""; 0]);
        assert_eq!(held.on_disk(5), ["a", "b"]);
        held.hold(7, lines(&["d"]));
        assert_eq!(held.on_disk(6), ["c"]);
        assert_eq!(held.on_disk(9), ["d"]);
        assert_eq!(held.on_disk(9), [""; 0]);
    }
}
