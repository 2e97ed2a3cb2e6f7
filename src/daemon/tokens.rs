//! Changes the registry of tokens with an operator's input, in the running journal or in the files
//! of a stopped daemon.

use super::operator_input::{Appended, NAME, Whole, ended, in_files, in_journal};
use everwarm_domain::fact::Body;
use everwarm_edge::world::World;
use everwarm_history::projection::projected_through;
use everwarm_history::tokens::Registry;
use everwarm_runtime::journal::Journal;
use everwarm_runtime::store::archive::Archive;
use everwarm_views::exit::Failure;
use everwarm_views::journal_reader::JournalFacts as _;
use everwarm_views::tokens::{TokensChangedView, TokensRequest, planned};
use std::ops::ControlFlow;
use std::path::Path;

/// Changes the registry in the files of a data directory.
///
/// # Errors
/// A process holds the files, they cannot be used, or a token cannot be added or removed.
pub fn offline(data_dir: &Path, request: &TokensRequest) -> Result<TokensChangedView, Failure> {
    in_files(data_dir, |journal| {
        let registry = follow(journal, Registry::default(), 0)?;
        append(journal, (&registry, i64::MIN), request)
    })
}

/// Changes the registry of a running journal; returns when the input is on disk.
///
/// # Errors
/// A token cannot be added or removed, or the journal has ended.
pub fn live(world: &World, request: &TokensRequest) -> Result<TokensChangedView, Failure> {
    in_journal(&world.journal, |journal| {
        let registry = registry(journal, &world.archive)?;
        append(journal, (&registry, world.now()), request)
    })
}

/// The registry with all facts of a journal: the history has those up to a row, and the rest is
/// read.
///
/// # Errors
/// The history or the journal cannot be read.
pub(super) fn registry(journal: &Journal<Body>, archive: &Archive) -> Result<Registry, Failure> {
    // In this order: the tokens then have all facts up to this row, and perhaps some more.
    let through = projected_through(archive)?;
    follow(journal, Registry::read(archive)?, through + 1)
}

/// The registry after the facts from a row on.
fn follow(journal: &Journal<Body>, mut registry: Registry, from: u64) -> Result<Registry, Failure> {
    Whole(journal).each(from, &mut |_, fact| {
        registry.follow(fact);
        ControlFlow::Continue(())
    })?;
    Ok(registry)
}

fn append(
    journal: &Journal<Body>,
    (registry, now): (&Registry, i64),
    request: &TokensRequest,
) -> Appended<TokensChangedView> {
    let (change, view) = planned(registry, request)?;
    let Some(change) = change else { return Ok((view, 0)) };
    let appended = journal.append(&journal.writer(NAME), now, vec![Body::Operator(change)]);
    Ok((view, appended.map_err(ended)?.row))
}
