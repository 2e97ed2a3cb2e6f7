//! Appends an operator's input to the running journal, or to the files of a stopped daemon.

use super::FOLLOWERS;
use crate::audit::store_failure;
use crate::daemon_run::{APPLICATION, LIVE_FILE, places};
use everwarm_domain::fact::Body;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::journal::{AppendError, Journal, Options};
use everwarm_runtime::store::Store;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts;
use std::ops::ControlFlow;
use std::path::Path;

/// Name of the operator as a writer.
pub(super) const NAME: &str = "operator";

/// The result of an operator's input, and its row.
pub(super) type Appended<T> = Result<(T, u64), Failure>;

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

/// The failure of a journal that takes no more facts.
pub(super) fn ended(error: AppendError) -> Failure {
    Failure::new(Exit::StoreFailed, error.to_string())
}
