//! Ends a quarantine with an operator's input, in the running journal or in the files of a stopped
//! daemon.

use super::FOLLOWERS;
use crate::audit::store_failure;
use crate::life::{APPLICATION, LIVE_FILE, places};
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::quarantine::Quarantines;
use everwarm_kernel::fact::{Fact, Rank};
use everwarm_runtime::journal::{AppendError, Journal, Options};
use everwarm_runtime::store::Store;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::{JournalFacts, releasable};
use everwarm_views::views::QuarantineView;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Name of the operator as a writer.
pub(super) const NAME: &str = "operator";

/// Ends a quarantine in the files of a data directory.
///
/// # Errors
/// A process holds the files, they cannot be used, or the quarantine cannot be ended this way.
pub fn offline(data_dir: &Path, id: u64, retry: bool) -> Result<QuarantineView, Failure> {
    in_files(data_dir, |journal| release(journal, id, retry))
}

/// Ends a quarantine in a running journal; returns when the input is on disk.
///
/// # Errors
/// The quarantine cannot be ended this way, or the journal has ended.
pub fn live(journal: &Arc<Journal<Body>>, id: u64, retry: bool) -> Result<QuarantineView, Failure> {
    in_journal(journal, |journal| release(journal, id, retry))
}

/// The result of an operator's input, and its row.
type Appended<T> = Result<(T, u64), Failure>;

/// Appends an operator's input to the files of a data directory; returns when it is on disk.
pub(super) fn in_files<T>(
    data_dir: &Path,
    append: impl FnOnce(&Journal<Body>) -> Appended<T>,
) -> Result<T, Failure> {
    let file = data_dir.join(LIVE_FILE);
    if !file.exists() {
        return Err(Failure::no_daemon(data_dir));
    }
    let store = Store::open(&file, APPLICATION).map_err(|e| store_failure(&e))?;
    let options = Options { followers: FOLLOWERS, ..Options::new(|_| ()) };
    let roster = store.roster().map_err(|e| store_failure(&e))?;
    let specs = everwarm_trading::specs_joined(roster.iter().map(|member| &member.who));
    let journal = Journal::open(store, places(&specs), options);
    let journal = journal.map_err(|e| store_failure(&e))?;
    let appended = append(&journal);
    journal.close();
    let (result, row) = appended?;
    if row > journal.durable_row() {
        return Err(Failure::new(Exit::StoreFailed, "the journal could not be written"));
    }
    Ok(result)
}

/// Appends an operator's input to a running journal; returns when it is on disk.
pub(super) fn in_journal<T>(
    journal: &Journal<Body>,
    append: impl FnOnce(&Journal<Body>) -> Appended<T>,
) -> Result<T, Failure> {
    let (result, row) = append(journal)?;
    let written = tokio::runtime::Handle::current().block_on(journal.durable(row));
    if !written {
        return Err(Failure::new(
            Exit::StoreFailed,
            "the journal is closed; the daemon is stopping",
        ));
    }
    Ok(result)
}

/// All facts of a journal, with those that are not committed yet.
pub(super) struct Whole<'a>(pub(super) &'a Journal<Body>);

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

fn quarantines(journal: &dyn JournalFacts) -> Result<Quarantines, Failure> {
    let mut all = Quarantines::default();
    journal.each(0, &mut |_, fact| {
        all.fold(fact);
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

fn release(journal: &Journal<Body>, id: u64, retry: bool) -> Appended<QuarantineView> {
    let all = quarantines(&Whole(journal))?;
    let quarantine = releasable(&all, id, retry)?;
    let writer = journal.writer(NAME);
    let body = Body::Operator(Operator::Released { quarantine: id, retry });
    let appended = if retry {
        journal.release(&writer, body, Rank(quarantine.rank), quarantine.input)
    } else {
        journal.append(&writer, i64::MIN, vec![body])
    };
    let at = appended.map_err(ended)?;
    Ok((QuarantineView::of(id, quarantine), at.row))
}

/// The failure of a journal that takes no more facts.
pub(super) fn ended(error: AppendError) -> Failure {
    Failure::new(Exit::StoreFailed, error.to_string())
}
