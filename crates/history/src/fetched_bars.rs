//! Keeps fetched past, whoever fetched it: what comes while the disk is busy is one commit.

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

/// The past of one symbol.
#[derive(Clone, Debug)]
pub struct Past {
    /// Whose.
    pub symbol: Symbol,
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// The times that were looked through.
    pub times: Times,
    /// The bars, ascending.
    pub bars: Vec<Bar>,
    /// Times of which the venue has no bars.
    pub none: Vec<Times>,
}

type Answer = Result<Market, HistoryError>;
type Waiting = (Past, oneshot::Sender<Answer>);

/// See the module.
pub struct Keeper {
    archive: Arc<Archive>,
    on_failure: Arc<dyn Fn(&StoreError) + Send + Sync>,
    queue: Mutex<Vec<Waiting>>,
    writing: Mutex<()>,
}

impl Keeper {
    /// Keeps in `archive`; `on_failure` is told when that cannot be used any more.
    #[must_use]
    pub fn new(
        archive: Arc<Archive>,
        on_failure: Arc<dyn Fn(&StoreError) + Send + Sync>,
    ) -> Keeper {
        Keeper { archive, on_failure, queue: Mutex::default(), writing: Mutex::default() }
    }

    /// Keeps one, and says what announces it. That there are no bars is said too: only so does a
    /// life that follows know where the past ends and closes begin.
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
            // Whoever comes before it takes the queue goes with it.
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
        let mut said = Vec::new();
        for (Past { symbol, timeframe, times, bars, none }, answer) in all {
            let announced = bars::range_ops(symbol, timeframe, &bars, &mut ops);
            outage_ops(symbol, timeframe, &none, &mut ops);
            let announced =
                announced.map(|range| range.unwrap_or_else(|| nothing(symbol, timeframe, times)));
            said.push((announced, answer));
        }
        let done = if ops.is_empty() { Ok(()) } else { self.archive.commit(&ops, true) };
        drop(turn);
        let failed = done.err().map(|e| {
            let text = e.to_string();
            (self.on_failure)(&e.into());
            text
        });
        for (announced, answer) in said {
            let failed = failed.clone().map(HistoryError::Refused);
            // Who does not wait any more will look again.
            drop(answer.send(failed.map_or(announced, Err)));
        }
    }
}
