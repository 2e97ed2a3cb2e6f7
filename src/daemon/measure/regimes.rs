//! The metric of regimes: how many symbols are in each of them at the newest hourly close.
//!
//! It has the values of `everwarm regimes`, from the bars of the history. A thread of its own
//! computes them after a new hourly close, so that no request waits. The next request shows them.

use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::bars;
use everwarm_runtime::clock;
use everwarm_runtime::store::archive::Archive;
use everwarm_views::exit::Failure;
use everwarm_views::regimes::{RegimeCounts, counts};
use everwarm_views::telemetry::Page;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Wall time between two computations, at least. In a fast replay an hour passes within a moment.
const PAUSE: Duration = Duration::from_mins(1);

/// The newest counts.
#[derive(Debug, Default)]
pub(super) struct Regimes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: RegimeCounts,
    /// The newest hourly bar of the last computation, and when that began.
    last: Option<(UtcMs, Instant)>,
    /// The present computation.
    work: Option<JoinHandle<Result<RegimeCounts, Failure>>>,
}

impl Regimes {
    /// Writes the metric, and computes newer values if there is a newer hourly close.
    pub(super) fn show(&self, page: &mut Page, archive: &Arc<Archive>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.finish();
        state.begin(archive);
        for (regime, symbols) in state.counts.by_name() {
            page.count("everwarm_symbols_by_regime", &[regime], symbols);
        }
    }
}

impl State {
    /// Takes the result of a computation that has ended.
    fn finish(&mut self) {
        if let Some(work) = self.work.take_if(|work| work.is_finished()) {
            match work.join() {
                Ok(Ok(counts)) => self.counts = counts,
                Ok(Err(Failure { text, .. })) => tracing::warn!("no metric of regimes: {text}"),
                // The hook has reported the panic.
                Err(_) => {}
            }
        }
    }

    /// Begins a computation if there is a newer hourly bar.
    fn begin(&mut self, archive: &Arc<Archive>) {
        // The component that needs the file reports that it cannot be read.
        let Ok(Some(newest)) = bars::newest(archive, Timeframe::H1) else { return };
        let now = clock::now();
        let is_due = |(bar, began): (UtcMs, Instant)| {
            bar != newest && now.saturating_duration_since(began) >= PAUSE
        };
        if self.work.is_some() || !self.last.is_none_or(is_due) {
            return;
        }
        self.last = Some((newest, now));
        let archive = Arc::clone(archive);
        match Builder::new().name("regimes".into()).spawn(move || counts(&archive)) {
            Ok(work) => self.work = Some(work),
            Err(e) => tracing::warn!("no metric of regimes: {e}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::{Analysis, Body};
    use everwarm_domain::id::Symbol;
    use everwarm_domain::market::{Bar, RolledBar};
    use everwarm_domain::money::Price;
    use everwarm_history::Projector;
    use everwarm_kernel::fact::{Fact, Key};
    use everwarm_views::telemetry::Rejected;
    use std::path::Path;

    /// The hourly bars of a symbol that is steady and of one that rises, of hour `n`.
    fn hour(n: i64) -> Fact<Body> {
        let price = |units: i64| Price::e8(units * 100_000_000);
        let bar = |name: &str, middle: i64| Bar {
            symbol: Symbol::named(name).unwrap(),
            open_time: n * Timeframe::H1.ms(),
            open: price(middle),
            high: price(middle + 1),
            low: price(middle - 1),
            close: price(middle),
            volume: 1.into(),
        };
        let bars = [bar("AAA", 100 + n % 2), bar("BBB", 100 + 3 * n)];
        let bars = bars.map(|bar| RolledBar { bar, count: 60, complete: true }).to_vec();
        let body = Body::Analysis(Analysis::Rolled { timeframe: Timeframe::H1, bars });
        let key = Key { n: n.unsigned_abs() + 1, rank: 100, i: 0 };
        Fact { key, time: 0, version: 1, because: Vec::new(), body }
    }

    #[test]
    fn the_page_has_the_regimes_of_the_newest_hourly_close() {
        let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
        let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
        let (regimes, rejected) = (Regimes::default(), Rejected::default());
        let shown = || {
            let mut page = Page::new(&rejected);
            regimes.show(&mut page, &archive);
            let text = page.text();
            let lines = text.lines().filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                let regime = name.strip_prefix("everwarm_symbols_by_regime{regime=\"")?;
                (value != "0").then(|| format!("{} {value}", regime.trim_end_matches("\"}")))
            });
            lines.collect::<Vec<_>>()
        };
        assert!(shown().is_empty(), "there is no bar");
        let facts: Vec<Fact<Body>> = (0..40).map(hour).collect();
        projector.apply((1..).zip(&facts), 40, true).unwrap();
        let mut lines = shown();
        while lines.is_empty() {
            std::thread::yield_now();
            lines = shown();
        }
        assert_eq!(lines, ["consolidation 1", "wide_structure 1"]);
        assert!(regimes.0.lock().unwrap().work.is_none(), "no newer bar, no more work");
    }
}
