//! That something goes on, and how far it is: on standard error, where that is a terminal, in one
//! line that is gone when it is done.

use super::desk::JournalFacts;
use super::exit::Failure;
use crate::domain::fact::Body;
use everwarm_runtime::fact::Fact;
use indicatif::{ProgressBar, ProgressStyle};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Wall time between two changes of the line.
const CHANGE: Duration = Duration::from_millis(200);

/// One line about something that takes long; ends when dropped.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Begins to tell of `what`; nothing where it is not `wanted` or nobody looks.
    #[must_use]
    pub fn begin(what: &str, wanted: bool) -> Progress {
        let line = "{spinner} {msg}, {human_pos} so far, {elapsed}";
        let bar = if wanted { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        Progress::told(bar, line, what)
    }

    /// Begins to tell of `what`, of which there are so many; likewise.
    #[must_use]
    pub fn of(what: &str, all: u64, wanted: bool) -> Progress {
        let line = "{msg} {bar:30} {human_pos} of {human_len}, {elapsed}";
        let bar = if wanted { ProgressBar::new(all) } else { ProgressBar::hidden() };
        Progress::told(bar, line, what)
    }

    fn told(bar: ProgressBar, line: &str, what: &str) -> Progress {
        bar.set_style(ProgressStyle::with_template(line).expect("the line is well formed"));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(CHANGE);
        Progress(bar)
    }

    /// One more is done.
    pub fn one(&self) {
        self.0.inc(1);
    }

    /// So many are done.
    pub fn at(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A journal of which each fact that is read counts.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_counted() {
        let progress = Progress::begin("nothing", false);
        progress.one();
        progress.one();
        assert_eq!(progress.0.position(), 2);
        let progress = Progress::of("kills", 40, false);
        progress.at(7);
        assert_eq!(progress.0.position(), 7);
    }
}
