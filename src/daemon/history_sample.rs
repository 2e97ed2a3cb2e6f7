//! After each start, checks a sample of the fetched ranges against their digests. Trading does not
//! wait for it.

use super::watch::Watch;
use everwarm_domain::id::Symbol;
use everwarm_edge::world::World;
use everwarm_history::check::sample;
use everwarm_history::stored::note_source;
use everwarm_runtime::clock::wall;
use everwarm_runtime::store::archive::ArchiveError;
use everwarm_views::stored_history::problem;
use everwarm_views::views::SampledHistoryView;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// Symbols of one sample: at most 24 ranges each.
const SYMBOLS: usize = 8;
/// Wall time between checks whether the daemon is ready.
const LOOK: Duration = Duration::from_millis(100);

/// The result of the sample; none: it has not ended.
#[derive(Clone, Debug, Default)]
pub struct HistorySample(Arc<Mutex<Option<SampledHistoryView>>>);

impl HistorySample {
    /// The result.
    #[must_use]
    pub fn last(&self) -> Option<SampledHistoryView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, view: SampledHistoryView) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(view);
    }
}

/// Begins the sample once the daemon is ready and knows its symbols.
pub fn begin(world: &World, watch: &Watch, result: &HistorySample, on: &Handle) {
    let (world, watch, result) = (world.clone(), watch.clone(), result.clone());
    on.spawn(async move {
        let live = world.board.live();
        while watch.seen().ready.is_none() || live.borrow().is_empty() {
            tokio::time::sleep(LOOK).await;
        }
        let symbols = chosen(&live.borrow(), world.journal.head());
        let looked =
            tokio::task::spawn_blocking(move || look(&world, &symbols).map_err(|e| e.to_string()));
        match looked.await.unwrap_or_else(|e| Err(e.to_string())) {
            Ok(view) => {
                for wrong in &view.wrong {
                    tracing::error!("the history is damaged: {wrong}; run everwarm history check");
                }
                result.note(view);
            }
            Err(why) => tracing::warn!("no sample of the history was checked: {why}"),
        }
    });
}

/// The symbols of the sample. The number of the last input selects the first, so that each start
/// takes others.
fn chosen(live: &[Symbol], head: u64) -> Vec<Symbol> {
    let first = usize::try_from(head % (live.len().max(1) as u64)).unwrap_or(0);
    live.iter().cycle().skip(first).take(SYMBOLS.min(live.len())).copied().collect()
}

fn look(world: &World, symbols: &[Symbol]) -> Result<SampledHistoryView, ArchiveError> {
    // A recording has no bar for a minute without a trade, whatever the protocol of its exchange.
    note_source(&world.archive, world.admin.is_none() && world.source.sends_empty())?;
    let (ranges, problems) = sample(&world.archive, symbols)?;
    let wrong = problems.iter().map(|found| problem(found).line()).collect();
    Ok(SampledHistoryView { ranges, wrong, ended: wall().utc() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_takes_other_symbols_and_none_twice() {
        let live: Vec<Symbol> = (0..20).map(|n| Symbol::named(&format!("S{n}")).unwrap()).collect();
        let names = |head: u64, of: usize| {
            chosen(&live[..of], head).iter().map(Symbol::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(0, 20), "S0 S1 S2 S3 S4 S5 S6 S7");
        assert_eq!(names(1_017, 20), "S17 S18 S19 S0 S1 S2 S3 S4");
        assert_eq!((names(7, 3), names(7, 0)), ("S1 S2 S0".to_owned(), String::new()));
    }
}
