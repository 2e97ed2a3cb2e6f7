//! Ends a quarantine with an operator's input, in the running journal or in the files of a stopped
//! daemon.

use super::operator_input::{Appended, NAME, Whole, ended, in_files, in_journal};
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::quarantine::Quarantines;
use everwarm_kernel::fact::Rank;
use everwarm_runtime::journal::Journal;
use everwarm_views::exit::Failure;
use everwarm_views::journal_reader::{JournalFacts, releasable};
use everwarm_views::views::QuarantineView;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

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
