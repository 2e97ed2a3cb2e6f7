//! Ends what was set aside: an input of an operator, in the running journal or in the files of a
//! daemon that is not running.

use crate::audit::{StoreFacts, store_failure};
use crate::domain::fact::{Body, Operator};
use crate::domain::quarantine::{Quarantine, Quarantines};
use crate::life::{APPLICATION, LIVE_FILE, places};
use crate::ops::desk::{JournalFacts, releasable};
use crate::ops::exit::{Exit, Failure};
use crate::ops::views::QuarantineView;
use crate::trading;
use everwarm_runtime::fact::{Fact, Rank};
use everwarm_runtime::journal::{AppendError, Journal, Options};
use everwarm_runtime::store::Store;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Name of the operator as a writer.
const NAME: &str = "operator";

/// Ends a quarantine in the files of a data directory.
///
/// # Errors
/// A process holds them, they cannot be used, or the quarantine cannot be ended so.
pub fn offline(data_dir: &Path, id: u64, retry: bool) -> Result<QuarantineView, Failure> {
    let file = data_dir.join(LIVE_FILE);
    if !file.exists() {
        let text = format!("{} holds no journal, and no daemon answers", data_dir.display());
        return Err(Failure::new(Exit::Unreachable, text));
    }
    let store = Store::open(&file, APPLICATION).map_err(|e| store_failure(&e))?;
    let all = told(&StoreFacts(store.clone()))?;
    let quarantine = releasable(&all, id, retry)?;
    let journal = Journal::open(store, places(&trading::specs()), Options::new(|_| ()));
    let journal = journal.map_err(|e| store_failure(&e))?;
    let appended = say(&journal, id, quarantine, retry);
    journal.close();
    if appended? > journal.durable_row() {
        return Err(Failure::new(Exit::StoreFailed, "the journal could not be written"));
    }
    Ok(QuarantineView::of(id, quarantine))
}

/// Ends a quarantine in a running journal; returns when that is on disk.
///
/// # Errors
/// The quarantine cannot be ended so, or the journal has ended.
pub fn live(journal: &Arc<Journal<Body>>, id: u64, retry: bool) -> Result<QuarantineView, Failure> {
    // What has been said and is not committed yet is in the tail: the whole is read there.
    let all = told(&Whole(journal))?;
    let quarantine = releasable(&all, id, retry)?;
    let row = say(journal, id, quarantine, retry)?;
    let written = tokio::runtime::Handle::current().block_on(journal.durable(row));
    if !written {
        return Err(Failure::new(Exit::StoreFailed, "the journal has ended"));
    }
    Ok(QuarantineView::of(id, quarantine))
}

struct Whole<'a>(&'a Journal<Body>);

impl JournalFacts for Whole<'_> {
    fn each(
        &self,
        mut from: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        loop {
            let chunks = self.0.read(from, 512).map_err(|e| store_failure(&e))?;
            if chunks.is_empty() {
                return Ok(());
            }
            for chunk in chunks {
                for (fact, row) in chunk.facts.iter().zip(chunk.first_row..) {
                    if row >= from && see(row, fact).is_break() {
                        return Ok(());
                    }
                }
                from = from.max(chunk.last_row() + 1);
            }
        }
    }
}

fn told(journal: &dyn JournalFacts) -> Result<Quarantines, Failure> {
    let mut all = Quarantines::default();
    journal.each(0, &mut |_, fact| {
        all.fold(fact);
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

/// Appends the operator's word; its row.
fn say(
    journal: &Journal<Body>,
    id: u64,
    quarantine: &Quarantine,
    retry: bool,
) -> Result<u64, Failure> {
    let writer = journal.writer(NAME);
    let body = Body::Operator(Operator::Released { quarantine: id, retry });
    let appended = if retry {
        journal.release(&writer, body, Rank(quarantine.rank), quarantine.input)
    } else {
        journal.append(&writer, i64::MIN, vec![body])
    };
    let ended = |e: AppendError| Failure::new(Exit::StoreFailed, e.to_string());
    appended.map(|at| at.row).map_err(ended)
}
