//! Follows every fact for people: where things stand, what was wished, and the lines of the
//! terminal.

use crate::audit::store_failure;
use crate::domain::fact::{Body, Ledger};
use crate::ops::desk::JournalFacts;
use crate::ops::exit::Failure;
use crate::ops::fold::{SignalFold, StatusFold};
use crate::ops::print::Printer;
use crate::ops::telemetry::Counts;
use crate::ops::terminal::TerminalState;
use crate::ops::views::StepView;
use everwarm_runtime::fact::{Fact, Mask};
use everwarm_runtime::journal::{Journal, Waker};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Name of the reader.
const NAME: &str = "watch";
/// Chunks read at once.
const CHUNKS: usize = 512;
/// Wall time between looks at lines that wait for their turn.
const FLUSH: Duration = Duration::from_millis(200);

/// What has been watched so far.
#[derive(Debug)]
pub struct Seen {
    /// Where things stand.
    pub status: StatusFold,
    /// What was wished.
    pub signals: SignalFold,
    /// What is counted.
    pub counts: Counts,
    /// Steps of the start.
    pub steps: Vec<StepView>,
    /// Actors started again in this life.
    pub restarts: u64,
    /// When the account was found to agree with the books, since the start.
    pub ready: Option<Duration>,
    terminal: TerminalState,
}

/// Watches one journal.
#[derive(Clone)]
pub struct Watch {
    seen: Arc<Mutex<Seen>>,
    printer: Option<Printer>,
    began: Instant,
}

impl Watch {
    /// Watches for people, and prints where there is a printer.
    #[must_use]
    pub fn new(printer: Option<Printer>, began: Instant) -> Watch {
        let (width, color) = printer.as_ref().map_or((100, false), |p| (p.width, p.color));
        let seen = Seen {
            status: StatusFold::default(),
            signals: SignalFold::default(),
            counts: Counts::default(),
            steps: Vec::new(),
            restarts: 0,
            ready: None,
            terminal: TerminalState::new(width, color),
        };
        Watch { seen: Arc::new(Mutex::new(seen)), printer, began }
    }

    /// What has been seen, for one short look.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes and prints a step of the start.
    pub fn step(&self, name: &str, took: Duration, detail: String) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let step = StepView { name: name.to_owned(), took_us, detail };
        let line = self.seen().terminal.step(&step);
        self.print(&[line]);
        self.seen().steps.push(step);
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

    /// Prints what was done, all in all.
    pub fn summary(&self) {
        let lines = self.seen().terminal.summary(self.began.elapsed());
        self.print(&lines);
    }

    /// Takes in what was said before this life; it is not told again.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn restore(&self, journal: &dyn JournalFacts, until: u64) -> Result<(), Failure> {
        journal.each(0, &mut |row, fact| {
            if row > until {
                return ControlFlow::Break(());
            }
            let mut seen = self.seen();
            seen.status.fold(fact);
            seen.signals.fold(fact);
            seen.counts.fold(fact);
            seen.terminal.restore(fact);
            ControlFlow::Continue(())
        })
    }

    /// Follows the journal from row `from` on until `stop` is told, then reads to the head once
    /// more.
    ///
    /// # Errors
    /// A row cannot be read.
    pub async fn follow(
        &self,
        journal: &Journal<Body>,
        mut from: u64,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let news = Arc::new(Notify::new());
        let raise = Arc::clone(&news);
        let waker = Waker::new(move || raise.notify_one());
        journal.subscribe(NAME, Mask::ALL, Arc::clone(&waker));
        loop {
            waker.clear();
            let stopping = *stop.borrow();
            from = self.read(journal, from)?;
            if stopping {
                return Ok(());
            }
            let heard = async {
                tokio::select! {
                    () = news.notified() => {}
                    // Nobody is left who could tell: as good as told.
                    _ = stop.changed() => {}
                }
            };
            if tokio::time::timeout(FLUSH, heard).await.is_err() {
                let line = self.seen().terminal.flush(self.began.elapsed());
                self.print(&line.into_iter().collect::<Vec<_>>());
            }
        }
    }

    /// Reads to the head; the next row.
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn read(&self, journal: &Journal<Body>, mut from: u64) -> Result<u64, Failure> {
        loop {
            let chunks = journal.read(from, CHUNKS).map_err(|e| store_failure(&e))?;
            if chunks.is_empty() {
                return Ok(from);
            }
            let mut lines = Vec::new();
            {
                let mut seen = self.seen();
                for chunk in &chunks {
                    let rows = chunk.facts.iter().zip(chunk.first_row..);
                    for (fact, _) in rows.filter(|(_, row)| *row >= from) {
                        lines.extend(self.take(&mut seen, fact));
                    }
                    from = chunk.last_row() + 1;
                }
            }
            self.print(&lines);
        }
    }

    fn take(&self, seen: &mut Seen, fact: &Fact<Body>) -> Vec<String> {
        seen.status.fold(fact);
        seen.signals.fold(fact);
        seen.counts.fold(fact);
        let now = self.began.elapsed();
        if let Body::Ledger(Ledger::Reconciled { conflicts, .. }) = &fact.body
            && conflicts.is_empty()
        {
            seen.ready.get_or_insert(now);
        }
        seen.terminal.fact(fact, now)
    }

    fn print(&self, lines: &[String]) {
        if let Some(printer) = self.printer.as_ref().filter(|_| !lines.is_empty()) {
            // A reader that has gone away takes nothing from the trading.
            if let Err(e) = printer.lines(lines) {
                tracing::debug!("a line was not printed: {e}");
            }
        }
    }
}
