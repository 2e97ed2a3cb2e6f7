//! Ends conflicts with the venue: an input of an operator, in the running journal or in the files
//! of a daemon that is not running.

use super::release::{NAME, Whole, ended, in_files, in_journal};
use crate::domain::fact::{Body, Operator};
use crate::ops::exit::Failure;
use crate::ops::reconcile::{reconcile, resolvable};
use crate::ops::views::{ConflictView, ResolveView, ResolvedView};
use everwarm_runtime::journal::Journal;
use std::path::Path;

/// Ends a conflict in the files of a data directory.
///
/// # Errors
/// A process holds them, they cannot be used, or the conflict cannot be ended so.
pub fn offline(data_dir: &Path, id: &str, word: &ResolveView) -> Result<ResolvedView, Failure> {
    in_files(data_dir, |journal| resolve(journal, id, word))
}

/// Ends a conflict in a running journal; returns when that is on disk.
///
/// # Errors
/// The conflict cannot be ended so, or the journal has ended.
pub fn live(
    journal: &Journal<Body>,
    id: &str,
    word: &ResolveView,
) -> Result<ResolvedView, Failure> {
    in_journal(journal, |journal| resolve(journal, id, word))
}

fn resolve(
    journal: &Journal<Body>,
    id: &str,
    word: &ResolveView,
) -> Result<(ResolvedView, u64), Failure> {
    let conflict = resolvable(&reconcile(&Whole(journal))?, id, &word.reason)?;
    let (accept, reason) = (word.accept, word.reason.trim().to_owned());
    let view =
        ResolvedView { conflict: ConflictView::of(&conflict), accept, reason: reason.clone() };
    let body = Body::Operator(Operator::Resolved { conflict, accept, reason });
    let appended = journal.append(&journal.writer(NAME), i64::MIN, vec![body]);
    Ok((view, appended.map_err(ended)?.row))
}
