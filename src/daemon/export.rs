//! Exports what cannot be fetched or computed again, and wipes the rest.
//!
//! Orders, fills, positions, limits, commands and the configuration are facts that stay for ever,
//! and the states of the stages. Bars, and what is computed from bars, can be fetched and computed
//! again. Both commands derive every state again and compare all facts before they write anything.

use super::backup::{self, Books};
use super::identity::RESTORING;
use super::retention::{agreed, archive, remove, stopped};
use super::self_replay::Resting;
use crate::audit::{StoreFacts, end, store_failure};
use everwarm_cli::export::Wipe;
use everwarm_domain::fact::kinds::kind;
use everwarm_domain::fact::{Body, Ledger, Order};
use everwarm_domain::money::Decimal;
use everwarm_edge::world::World;
use everwarm_history as history;
use everwarm_kernel::fact::{Body as _, Fact};
use everwarm_runtime::clock;
use everwarm_runtime::files::sync_name;
use everwarm_runtime::parcel::Record;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::copy::{CopyError, Make, Making};
use everwarm_runtime::store::{CheckpointRow, Store, StoredLoop};
use everwarm_views::backup::{About, Pack, check, failed};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::JournalFacts;
use everwarm_views::storage::WipedView;
use everwarm_words::text::count;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Attempts to find a head of the journal after which no bars are fetched.
const TRIES: u32 = 5;
/// How long the stages and the disk may take to reach that head.
const PATIENCE: Duration = Duration::from_secs(20);
/// Wall time between checks whether they have.
const LOOK: Duration = Duration::from_millis(10);
/// Rests last so many times as long as the work before them.
const REST: u32 = 1;

/// Packs what cannot be made again of the files of a stopped daemon. The files do not change.
///
/// # Errors
/// A daemon runs, facts differ from their inputs, or the files cannot be read or packed.
pub(super) fn export(data_dir: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let store = stopped(data_dir, Store::look)?;
    let archive = archive(data_dir)?;
    let state = derived(&store, &archive)?;
    let books = Books::of(&store, &state)?;
    backup::pack(&store, Some(&archive), Some(books), data_dir, out)
}

/// Packs an export of a running daemon, beside trading.
pub(super) fn of(world: &World, data_dir: &Path) -> Arc<Pack> {
    let (world, data_dir) = (world.clone(), data_dir.to_owned());
    Arc::new(move |out| {
        for _ in 0..TRIES {
            let end = settled(&world)?;
            let store = world.journal.store();
            let books = Books::of(store, &end)?;
            let looks = backup::looks(store, Some(&world.archive))?;
            if !loads_after(&world, end.row)? {
                return backup::packed(looks, Some(books), &data_dir, out);
            }
        }
        let text = "bars are fetched now, so there is no head of the journal to export; try again";
        Err(Failure::new(Exit::Refused, text))
    })
}

/// The states of all stages after the input at the head of the journal, which are derived again.
fn settled(world: &World) -> Result<StoredLoop<Body>, Failure> {
    let journal = &world.journal;
    let (head, began) = (journal.head(), clock::now());
    let waits = |what: &str, is_done: &dyn Fn() -> bool| {
        while !is_done() {
            if began.elapsed() > PATIENCE {
                let text = format!("{what}; run everwarm doctor, or stop the daemon first");
                return Err(Failure::new(Exit::Refused, text));
            }
            std::thread::park_timeout(LOOK);
        }
        Ok(())
    };
    let passed = || journal.progress().iter().all(|(_, passed)| *passed >= head);
    waits("a stage makes no progress", &passed)?;
    let last = journal.last_row();
    waits("the disk accepts no writes", &|| journal.durable_row() >= last)?;
    // It reads as long as this exists.
    let (_reads, ended) = sync_channel(0);
    let facts = UpTo { facts: Resting::new(world, ended, REST), head };
    let end = agreed(end(&facts, &world.archive)?)?;
    end.ok_or_else(|| Failure::new(Exit::Refused, "the journal has no input yet".to_owned()))
}

/// Whether facts after a row refer to fetched bars, which an export leaves out.
fn loads_after(world: &World, row: u64) -> Result<bool, Failure> {
    let mut loads = false;
    StoreFacts(world.journal.store().clone()).each(row + 1, &mut |_, fact| {
        loads = fact.body.kind() == kind::HISTORY_LOADED;
        if loads { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(loads)
}

/// The facts about the inputs up to a number. Those about later inputs may not all be written yet.
struct UpTo {
    facts: Resting,
    head: u64,
}

impl JournalFacts for UpTo {
    fn each(
        &self,
        from_row: u64,
        see: &mut dyn FnMut(u64, &Fact<Body>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.facts.each(from_row, &mut |row, fact| {
            if fact.key.n > self.head { ControlFlow::Continue(()) } else { see(row, fact) }
        })
    }

    /// Without those of later inputs.
    fn checkpoints(&self) -> Result<Vec<(u16, CheckpointRow)>, Failure> {
        let mut all = self.facts.checkpoints()?;
        all.retain(|(_, row)| row.n <= self.head);
        Ok(all)
    }

    fn store(&self) -> Option<&Store> {
        self.facts.store()
    }
}

/// Wipes the files of a stopped daemon.
///
/// # Errors
/// A daemon runs, something would be lost, facts differ from their inputs, or the files cannot be
/// used.
pub(super) fn wipe(data_dir: &Path, wipe: &Wipe) -> Result<WipedView, Failure> {
    let all = matches!(wipe, Wipe::All { .. });
    if all && data_dir.join(RESTORING).exists() {
        // An earlier wipe, or a restore, was interrupted.
        backup::remove_all(data_dir)?;
        let data_dir = data_dir.display().to_string();
        return Ok(WipedView { data_dir, all, ..WipedView::default() });
    }
    let store = stopped(data_dir, Store::open)?;
    let before = backup::bytes(data_dir);
    match wipe {
        Wipe::Regenerable => regenerable(data_dir, &store)?,
        Wipe::All { exported } => {
            match exported {
                Some(file) => same_head(file, &store)?,
                None => nothing_held(&store)?,
            }
            drop(store);
            backup::remove_all(data_dir)?;
        }
    }
    Ok(WipedView {
        data_dir: data_dir.display().to_string(),
        all,
        bytes_before: before,
        bytes_after: backup::bytes(data_dir),
    })
}

/// The states of the stages at the end of the journal.
fn derived(store: &Store, archive: &Arc<Archive>) -> Result<StoredLoop<Body>, Failure> {
    let end = agreed(end(&StoreFacts(store.clone()), archive)?)?;
    end.ok_or_else(|| Failure::new(Exit::Refused, "the journal has no input yet".to_owned()))
}

/// Removes what can be fetched and computed again.
fn regenerable(data_dir: &Path, store: &Store) -> Result<(), Failure> {
    let archive = archive(data_dir)?;
    let state = derived(store, &archive)?;
    remove(store, &state).map_err(|e| store_failure(&e))?;
    without_bars(data_dir, &archive)
}

/// Writes the history again without bars.
fn without_bars(data_dir: &Path, archive: &Archive) -> Result<(), Failure> {
    let (path, new) = (data_dir.join(history::FILE), data_dir.join("history.new"));
    let io = |e| failed(&new, &e);
    if new.exists() {
        fs::remove_file(&new).map_err(io)?;
    }
    let mut making = Making::begin(Make::Archive, &new).map_err(|e| store_failure(&e))?;
    let look = archive.look_at().map_err(|e| store_failure(&e))?;
    let copied = look.copy(&mut without(|record| {
        making.put(record).map_err(|e| std::io::Error::other(e.to_string()))
    }));
    copied.map_err(|e| match e {
        CopyError::Source(e) => store_failure(&e),
        CopyError::Target(e) => failed(&new, &e),
    })?;
    making.finish().map_err(|e| store_failure(&e))?;
    fs::rename(&new, &path).and_then(|()| sync_name(&path)).map_err(io)
}

/// Passes on the records of a history that are not bars.
pub(super) fn without<E>(
    mut take: impl FnMut(Record<'_>) -> Result<(), E>,
) -> impl FnMut(Record<'_>) -> Result<(), E> {
    let mut skips = false;
    move |record| {
        if let Record::Table(name) = record {
            skips = history::bars::TABLES.contains(&name);
        }
        if skips { Ok(()) } else { take(record) }
    }
}

/// Refuses an export of an earlier or another journal.
fn same_head(file: &Path, store: &Store) -> Result<(), Failure> {
    let About { row, life, .. } = check(file)?.about;
    let head = store.look_at().map_err(|e| store_failure(&e))?;
    if (row, life) == (head.row, head.life) {
        return Ok(());
    }
    let text = format!(
        "{} is not of the end of this journal: it ends with row {row} of run {life}, the journal \
         with row {} of run {}; export again: everwarm export FILE",
        file.display(),
        head.row,
        head.life
    );
    Err(Failure::new(Exit::Refused, text))
}

/// Refuses if positions or open orders would be forgotten.
fn nothing_held(store: &Store) -> Result<(), Failure> {
    let (mut held, mut open) = (BTreeMap::new(), BTreeSet::new());
    StoreFacts(store.clone()).each(0, &mut |_, fact| {
        match &fact.body {
            Body::Ledger(Ledger::Position { symbol, quantity, .. }) => {
                held.insert(*symbol, *quantity);
            }
            Body::Order(Order::Intent(intent)) => {
                open.insert(intent.client_id.clone());
            }
            Body::Order(Order::Changed { client_id, status, .. }) if status.is_final() => {
                open.remove(client_id);
            }
            Body::Order(_)
            | Body::Ledger(_)
            | Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_) => {}
        }
        ControlFlow::Continue(())
    })?;
    held.retain(|_, quantity| *quantity != Decimal::ZERO);
    if held.is_empty() && open.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} and {} would be forgotten; export them first, then name the file: everwarm export \
         FILE; everwarm wipe --all --exported FILE",
        count(held.len() as u64, "position"),
        count(open.len() as u64, "open order")
    );
    Err(Failure::new(Exit::Refused, text))
}
