//! The progress of a long command, on standard error. On a terminal, it is one line that disappears
//! at the end. Elsewhere, if the total is known, it is one line a minute.

use super::print::note;
use everwarm_domain::fact::Body;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::store::{CheckpointRow, Left, Store};
use everwarm_views::exit::Failure;
use everwarm_views::journal_reader::JournalFacts;
use everwarm_words::text::{count, thousands};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Wall time between two changes of the line.
const CHANGE: Duration = Duration::from_millis(200);

/// One progress line. It ends when dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// Minutes for which a line was printed; none: no lines are wanted.
    minutes: Option<AtomicU64>,
}

impl Progress {
    /// Begins the progress of `what`, of unknown total. It shows nothing without a terminal or if
    /// not `wanted`.
    #[must_use]
    pub fn begin(what: &str, wanted: bool) -> Progress {
        let line = "{spinner} {msg}, {human_pos} so far, {elapsed}";
        let bar = if wanted { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        Progress { bar: styled(bar, line, what), minutes: None }
    }

    /// Begins the progress of `what`, of the total `all`. It shows nothing if not `wanted`.
    #[must_use]
    pub fn of(what: &str, all: u64, wanted: bool) -> Progress {
        let line = "{msg} {bar:30} {human_pos} of {human_len}, {elapsed}";
        let seen = if wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(all), seen);
        let lines = wanted && !std::io::stderr().is_terminal();
        let minutes = lines.then(AtomicU64::default);
        Progress { bar: styled(bar, line, what), minutes }
    }

    /// Changes the words before the bar.
    pub fn name(&self, what: String) {
        self.bar.set_message(what);
    }

    /// Counts one more.
    pub fn one(&self) {
        self.bar.inc(1);
    }

    /// Sets the number done.
    pub fn at(&self, done: u64) {
        self.bar.set_position(done);
        if let Some(minutes) = &self.minutes {
            let now = self.bar.elapsed().as_secs() / 60;
            if minutes.fetch_max(now, Relaxed) < now {
                note(&self.line(now));
            }
        }
    }

    /// The progress line after this number of minutes.
    fn line(&self, minutes: u64) -> String {
        let all = thousands(self.bar.length().unwrap_or_default());
        let done = thousands(self.bar.position());
        format!("{}: {done} of {all} in {}", self.bar.message(), count(minutes, "minute"))
    }
}

fn styled(bar: ProgressBar, line: &str, what: &str) -> ProgressBar {
    bar.set_style(ProgressStyle::with_template(line).expect("the line is well formed"));
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(CHANGE);
    bar
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A journal that counts each fact read from it as progress.
pub struct Counted(pub Box<dyn JournalFacts>, pub Arc<Progress>);

impl JournalFacts for Counted {
    fn each(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.0.each(from_row, &mut |row, fact| {
            self.1.one();
            see(row, fact)
        })
    }

    fn each_left(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(Left<'_, Fact<Body>>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.0.each_left(from_row, &mut |left| {
            self.1.one();
            see(left)
        })
    }

    fn checkpoints(&self) -> Result<Vec<(u16, CheckpointRow)>, Failure> {
        self.0.checkpoints()
    }

    fn store(&self) -> Option<&Store> {
        self.0.store()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_counted() {
        let progress = Progress::begin("nothing", false);
        progress.one();
        progress.one();
        assert_eq!(progress.bar.position(), 2);
        let progress = Progress::of("kills", 40, false);
        progress.at(7);
        assert_eq!(progress.bar.position(), 7);
        assert_eq!(progress.line(1), "kills: 7 of 40 in 1 minute");
    }
}
