//! Past bars as a source reports them: page by page, and once more where the history has lost what
//! was announced.

use everwarm_domain::fact::{Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_history::bars::{self, HistoryLibrary, digest};
use everwarm_kernel::fact::{Fact, Library as _};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{Store, StoreError};
use everwarm_venue::port::{Bars, VenueError};
use everwarm_venue::source::{BarRange, Source};
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

/// The bars of `symbol` with opening times in `times`, ascending, as many pages as that takes, and
/// those that cannot be held.
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
        // A short page may end before a hole; an empty one is the end.
        let Some(last) = last else { break };
        next = last + timeframe.ms();
    }
    Ok(found)
}

/// A range that was announced and is not in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Whose bars, and how wide.
    pub of: (Symbol, Timeframe),
    /// Their opening times.
    pub times: RangeInclusive<UtcMs>,
    digest: u64,
}

impl Lost {
    /// Whether these bars are the announced ones.
    #[must_use]
    pub fn is(&self, bars: &[Bar]) -> bool {
        digest(bars) == self.digest
    }
}

/// What was announced and is not in the history, and the last close said. Only a history that holds
/// no range at all is compared with the journal: it was taken away, or there was never any past.
///
/// # Errors
/// A file cannot be read.
pub fn lost(
    archive: &Arc<Archive>,
    journal: &Store,
) -> Result<(Vec<Lost>, Option<UtcMs>), StoreError> {
    let (mut lost, mut close) = (Vec::new(), None);
    if bars::has_any(archive)? {
        return Ok((lost, close));
    }
    let library = HistoryLibrary::new(Arc::clone(archive));
    let scanned = journal.scan(0, &mut |_, fact: Fact<Body>| {
        match fact.body {
            Body::Market(Market::Close { time, .. }) => close = Some(time),
            Body::Market(Market::HistoryLoaded { symbol, timeframe, from, to, digest, .. })
                if library.resolve(&fact.body).is_err() =>
            {
                lost.push(Lost { of: (symbol, timeframe), times: from..=to, digest });
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
        // A segment is bad or missing: `verify` says so, and no start needs it.
        Err(e @ StoreError::Torn { .. }) => {
            tracing::warn!("whether past bars were lost is not known: {e}");
            Ok((lost, close))
        }
        done => done.map(|()| (lost, close)),
    }
}
