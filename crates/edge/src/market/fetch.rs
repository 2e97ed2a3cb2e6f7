//! Fetches past bars from a source page by page, and finds announced bars that the history has
//! lost.

use everwarm_domain::fact::{Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_history::bars::{self, HistoryLibrary, digest};
use everwarm_history::repair::{self, Marked};
use everwarm_kernel::fact::{Fact, Library as _};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{Store, StoreError};
use everwarm_venue::port::{Bars, VenueError};
use everwarm_venue::source::{BarRange, Source};
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

/// Fetches the bars of `symbol` with opening times in `times`, ascending, in as many pages as
/// needed. Also returns the bars whose values do not fit their types.
///
/// # Errors
/// The source does not respond, or rejects the request.
pub async fn fetch(
    source: &dyn Source,
    (symbol, timeframe): (Symbol, Timeframe),
    times: RangeInclusive<UtcMs>,
) -> Result<Bars, VenueError> {
    let mut found = Bars::default();
    let mut next = *times.start();
    while next <= *times.end() {
        let page = source.bars(BarRange { symbol, timeframe, times: next..=*times.end() }).await?;
        let held = page.held.last().map(|bar| bar.open_time);
        let last = held.max(page.unheld.last().map(|bar| bar.open_time));
        found.held.extend(page.held.into_iter().filter(|bar| times.contains(&bar.open_time)));
        found.unheld.extend(page.unheld);
        // A short page may end before a gap; an empty one is the end.
        let Some(last) = last else { break };
        next = last + timeframe.ms();
    }
    Ok(found)
}

/// A range that was announced but is not in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Symbol and width of the bars.
    pub of: (Symbol, Timeframe),
    /// Their opening times.
    pub times: RangeInclusive<UtcMs>,
    digest: u64,
    /// Whether a repair removed it.
    pub marked: bool,
}

impl Lost {
    /// The mark of a repair.
    #[must_use]
    pub fn mark(&self) -> Marked {
        Marked { of: self.of, times: self.times.clone(), digest: self.digest }
    }

    /// Whether these bars are the announced ones.
    #[must_use]
    pub fn is(&self, bars: &[Bar]) -> bool {
        digest(bars) == self.digest
    }
}

/// The ranges that were announced but are not in the history, and the last close. These are the
/// ranges that a repair marked. A history without any range is compared with the journal: its file
/// was removed, or nothing was ever fetched.
///
/// # Errors
/// A file cannot be read.
pub fn lost(
    archive: &Arc<Archive>,
    journal: &Store,
) -> Result<(Vec<Lost>, Option<UtcMs>), StoreError> {
    let (mut lost, mut close) = (Vec::new(), None);
    if bars::has_any(archive)? {
        let marked = repair::marked(archive)?.into_iter();
        let of = |range: Marked| {
            let ((symbol, width), Marked { times, digest, .. }) = (range.of, range);
            Lost { of: (symbol, width), times, digest, marked: true }
        };
        lost.extend(marked.map(of));
        let newest = bars::newest(archive, Timeframe::M1)?;
        return Ok((lost, newest.map(|time| time.saturating_add(MINUTE))));
    }
    let library = HistoryLibrary::new(Arc::clone(archive));
    let scanned = journal.scan(0, &mut |_, fact: Fact<Body>| {
        match fact.body {
            Body::Market(Market::Close { time, .. }) => close = Some(time),
            Body::Market(Market::HistoryLoaded { symbol, timeframe, from, to, digest, .. })
                if library.resolve(&fact.body).is_err() =>
            {
                let (of, times) = ((symbol, timeframe), from..=to);
                lost.push(Lost { of, times, digest, marked: false });
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
        ControlFlow::Continue(())
    });
    match scanned {
        // A segment is damaged or missing. `verify` reports that, and no start needs the segment.
        Err(e @ StoreError::Torn { .. }) => {
            tracing::warn!("whether past bars were lost is not known: {e}");
            Ok((lost, close))
        }
        done => done.map(|()| (lost, close)),
    }
}
