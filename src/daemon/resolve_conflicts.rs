//! Resolves conflicts with the venue and adopts surpluses with an operator's input, in the running
//! journal or in the files of a stopped daemon.

use super::operator_input::{NAME, Whole, ended, in_files, in_journal};
use everwarm_domain::fact::Body;
use everwarm_runtime::journal::Journal;
use everwarm_views::exit::Failure;
use everwarm_views::reconcile::{adoptable, resolvable};
use everwarm_views::views::{AdoptView, AdoptedView, ResolveView, ResolvedView};
use std::path::Path;

/// Resolves a conflict in the files of a data directory.
///
/// # Errors
/// A process holds the files, they cannot be used, or the conflict cannot be resolved this way.
pub fn offline(data_dir: &Path, id: &str, word: &ResolveView) -> Result<ResolvedView, Failure> {
    in_files(data_dir, |journal| resolve(journal, id, word))
}

/// Resolves a conflict in a running journal; returns when the input is on disk.
///
/// # Errors
/// The conflict cannot be resolved this way, or the journal has ended.
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
    let (resolved, view) = resolvable(&Whole(journal), id, word)?;
    let body = Body::Operator(resolved);
    let appended = journal.append(&journal.writer(NAME), i64::MIN, vec![body]);
    Ok((view, appended.map_err(ended)?.row))
}

/// Adopts a surplus into the books in the files of a data directory.
///
/// # Errors
/// A process holds the files, they cannot be used, or the surplus cannot be adopted.
pub fn adopt_offline(data_dir: &Path, word: &AdoptView) -> Result<AdoptedView, Failure> {
    in_files(data_dir, |journal| adopt(journal, word))
}

/// Adopts a surplus into the books of a running journal; returns when the input is on disk.
///
/// # Errors
/// The surplus cannot be adopted, or the journal has ended.
pub fn adopt_live(journal: &Journal<Body>, word: &AdoptView) -> Result<AdoptedView, Failure> {
    in_journal(journal, |journal| adopt(journal, word))
}

fn adopt(journal: &Journal<Body>, word: &AdoptView) -> Result<(AdoptedView, u64), Failure> {
    let (adopted, view) = adoptable(&Whole(journal), word)?;
    let body = Body::Operator(adopted);
    let appended = journal.append(&journal.writer(NAME), i64::MIN, vec![body]);
    Ok((view, appended.map_err(ended)?.row))
}
