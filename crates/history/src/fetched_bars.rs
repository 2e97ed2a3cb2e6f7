//! Stores fetched bars. Bars that arrive while the disk is busy share one commit.

use super::bars::{self, nothing, outage_ops};
use super::need::Times;
use super::queries::HistoryError;
use everwarm_domain::fact::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::Timeframe;
use everwarm_runtime::store::StoreError;
use everwarm_runtime::store::archive::Archive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The fetched history of one symbol.
#[derive(Clone, Debug)]
pub struct Past {
    /// The symbol.
    pub symbol: Symbol,
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// The times that were queried.
    pub times: Times,
    /// The bars, ascending.
    pub bars: Vec<Bar>,
    /// Times for which the venue has no bars.
    pub none: Vec<Times>,
}

type Answer = Result<Market, HistoryError>;
type Waiting = (Past, oneshot::Sender<Answer>);

/// Queues fetched history and writes it in shared commits.
pub struct Keeper {
    archive: Arc<Archive>,
    on_failure: Arc<dyn Fn(&StoreError) + Send + Sync>,
    queue: Mutex<Vec<Waiting>>,
    writing: Mutex<()>,
}

impl Keeper {
    /// Writes to `archive`. Calls `on_failure` when the archive can no longer be used.
    #[must_use]
    pub fn new(
        archive: Arc<Archive>,
        on_failure: Arc<dyn Fn(&StoreError) + Send + Sync>,
    ) -> Keeper {
        Keeper { archive, on_failure, queue: Mutex::default(), writing: Mutex::default() }
    }

    /// Stores the history of one symbol, and returns the fact that announces it. It also announces
    /// that there are no bars. Otherwise the next run would not know where the history ends and
    /// closes begin.
    ///
    /// # Errors
    /// As [`bars::keep`].
    pub async fn keep(self: &Arc<Self>, past: Past) -> Answer {
        bars::check(past.symbol, past.timeframe, &past.bars).map_err(HistoryError::Refused)?;
        let (answer, answered) = oneshot::channel();
        let first = {
            let mut queue = self.queue();
            queue.push((past, answer));
            queue.len() == 1
        };
        if first {
            // History that is queued before `write` takes the queue shares its commit.
            let keeper = Arc::clone(self);
            tokio::task::spawn_blocking(move || keeper.write());
        }
        let lost = || HistoryError::Refused("the past could not be written".to_owned());
        answered.await.unwrap_or_else(|_| Err(lost()))
    }

    fn queue(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) {
        let turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut *self.queue());
        let mut ops = Vec::new();
        let mut results = Vec::new();
        for (Past { symbol, timeframe, times, bars, none }, answer) in all {
            let announced = bars::range_ops(symbol, timeframe, &bars, &mut ops);
            outage_ops(symbol, timeframe, &none, &mut ops);
            let announced =
                announced.map(|range| range.unwrap_or_else(|| nothing(symbol, timeframe, times)));
            results.push((announced, answer));
        }
        let done = if ops.is_empty() { Ok(()) } else { self.archive.commit(&ops, true) };
        drop(turn);
        let failed = done.err().map(|e| {
            let text = e.to_string();
            (self.on_failure)(&e.into());
            text
        });
        for (announced, answer) in results {
            let failed = failed.clone().map(HistoryError::Refused);
            // A caller that stopped waiting checks again.
            drop(answer.send(failed.map_or(announced, Err)));
        }
    }
}
