//! Checks the files of a data directory: their checksums and every fact. It writes nothing and
//! repairs nothing, not even after a crash.

use super::progress::{Counted, Progress};
use super::storage::RetainConfig;
use everwarm_history as history;
use everwarm_history::{History, projection::projected_through};
use everwarm_kernel::fact::Key;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{Store, StoreError};
use everwarm_sim::books::{self, BooksError};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::journal_reader::{JournalFacts, Verify};
use everwarm_views::storage::RetainView;
use everwarm_views::views::{CheckpointState, CheckpointView, FileState, FileView, ProblemView};
use everwarm_words::text::{count, thousands};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Name of a damaged checkpoint among the problems of a verification.
pub const CHECKPOINT: &str = "Checkpoint";

/// The functions of the daemon's core that the check calls.
pub struct Files {
    /// Name of the live file in the data directory.
    pub live: &'static str,
    /// Opens the journal of a data directory without changing it.
    pub journal: fn(&Path) -> Result<Box<dyn JournalFacts>, Failure>,
    /// Exit code and text of a failed store.
    pub failure: fn(&StoreError) -> Failure,
    /// Removes the checkpoint of a stage from the files of a data directory.
    pub forget: fn(&Path, &str) -> Result<Option<u64>, Failure>,
    /// Removes the facts that are due from the files of a data directory.
    pub retain: fn(&Path, &RetainConfig) -> Result<RetainView, Failure>,
}

/// Checks every file of `data_dir`; `progress` counts the facts.
///
/// # Errors
/// The directory has no files of a daemon.
pub fn check(
    data_dir: &Path,
    files: &Files,
    verify: Verify,
    progress: &Arc<Progress>,
) -> Result<Vec<FileView>, Failure> {
    if !data_dir.join(files.live).exists() {
        let text = format!(
            "{} holds no journal; name another data directory: --data-dir DIR",
            data_dir.display()
        );
        return Err(Failure::new(Exit::Unreachable, text));
    }
    let mut head = None;
    let journal = (files.journal)(data_dir).and_then(|journal| {
        let journal = Counted(journal, Arc::clone(progress));
        let (last_row, counts) = journal_of(&journal, files.failure)?;
        head = Some(last_row);
        Ok(Some(format!("{counts}, {}", checkpoints_of(data_dir, &journal, verify)?)))
    });
    let mut found = vec![
        view(&data_dir.join(files.live), journal),
        view(&data_dir.join(history::FILE), history_of(data_dir, head)),
    ];
    // Only a simulated exchange has this folder. Other venues have no books here.
    let exchange = data_dir.join("exchange");
    if exchange.is_dir() {
        found.push(view(&exchange.join(books::FILE), books_of(&exchange, files)));
    }
    Ok(found)
}

fn books_of(exchange: &Path, files: &Files) -> Result<Option<String>, Failure> {
    let books = books::count(exchange).map_err(|e| match e {
        BooksError::Store(e) => (files.failure)(&e),
        e @ (BooksError::Run(_) | BooksError::Append(_)) => {
            Failure::new(Exit::Failed, e.to_string())
        }
    })?;
    Ok(books.map(|facts| count(facts, "exchange fact")))
}

/// The exit code for these results.
#[must_use]
pub fn exit(files: &[FileView]) -> Exit {
    let has = |state| files.iter().any(|file| file.state == state);
    if has(FileState::Bad) {
        Exit::Problems
    } else if has(FileState::Held) {
        Exit::Held
    } else {
        Exit::Fine
    }
}

fn view(path: &Path, checked: Result<Option<String>, Failure>) -> FileView {
    let (state, detail) = match checked {
        Ok(Some(detail)) => (FileState::Good, detail),
        Ok(None) => (FileState::Absent, "created when needed".to_owned()),
        Err(e) if e.exit == Exit::Held => {
            (FileState::Held, "used by a running process; stop it first: everwarm stop".to_owned())
        }
        Err(e) => (FileState::Bad, e.text),
    };
    let bytes = std::fs::metadata(path).map_or(0, |about| about.len());
    FileView { file: path.display().to_string(), bytes, state, detail }
}

/// Compares the checkpoints with the state derived from the facts.
fn checkpoints_of(
    data_dir: &Path,
    journal: &dyn JournalFacts,
    verify: Verify,
) -> Result<String, Failure> {
    // Inputs refer to bars in the history. Another row reports the state of the history.
    let Ok(Some(archive)) = Archive::look(&data_dir.join(history::FILE)) else {
        return Ok("checkpoints not compared: the history is missing".to_owned());
    };
    let found = match verify(journal, &Arc::new(archive)) {
        Ok(found) => found,
        Err(failure) => return Ok(format!("checkpoints not compared: {}", failure.text)),
    };
    let is_checkpoint = |problem: &&ProblemView| problem.kind == CHECKPOINT;
    let damaged: Vec<&str> =
        found.problems.iter().filter(is_checkpoint).map(|problem| problem.text.as_str()).collect();
    if !damaged.is_empty() {
        return Err(Failure::new(Exit::Problems, damaged.join("; ")));
    }
    Ok(compared(&found.checkpoints))
}

/// The number of compared checkpoints, and those that were not compared.
#[must_use]
pub fn compared(all: &[CheckpointView]) -> String {
    let of = |state: CheckpointState| {
        let those = all.iter().filter(move |one| one.state == state);
        those.map(|one| one.stage.as_str()).collect::<Vec<_>>()
    };
    let same = of(CheckpointState::Same).len() + of(CheckpointState::Damaged).len();
    let of = |state| {
        let mut stages = of(state);
        // Each stage has two checkpoints, one after the other.
        stages.dedup();
        stages
    };
    let mut text = format!("{} compared", count(same as u64, "checkpoint"));
    let mut not = |of: Vec<&str>, why: &str| {
        if !of.is_empty() {
            write!(text, "; not {}: {why}", of.join(", ")).expect("text takes text");
        }
    };
    not(of(CheckpointState::Follower), "the facts do not hold their whole state");
    not(of(CheckpointState::OtherVersion), "of another version, which starts ignore");
    text
}

/// The last row and a summary of the journal. It checks that inputs have no gaps, and that no
/// derived fact is before its input. Where facts were removed, only rows are counted.
fn journal_of(
    journal: &dyn JournalFacts,
    failure: fn(&StoreError) -> Failure,
) -> Result<(u64, String), Failure> {
    let of = |read: fn(&Store) -> Result<u64, StoreError>, none| {
        journal.store().map_or(Ok(none), read).map_err(|e| failure(&e))
    };
    let (whole_from, removed) = (of(Store::whole_from, 1)?, of(Store::removed, 0)?);
    let (mut facts, mut inputs, mut last_row) = (0_u64, 0_u64, 0);
    let (mut newest, mut wrong): (Option<Key>, _) = (None, None);
    journal.each(0, &mut |row, fact| {
        (facts, last_row) = (facts + 1, row);
        let key = fact.key;
        if row < whole_from {
            inputs += u64::from(key.rank == 0);
            return ControlFlow::Continue(());
        }
        match newest {
            Some(before) if key.rank == 0 && key.n != before.n + 1 => {
                wrong = Some(format!("input {} follows input {}", key.n, before.n));
            }
            None if key.rank > 0 => {}
            Some(before) if key.rank > 0 && key.n > before.n => {
                wrong = Some(format!("fact {key} lies before its input"));
            }
            Some(_) | None => {}
        }
        if key.rank == 0 {
            inputs += 1;
            newest = Some(key);
        }
        if wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(wrong) = wrong {
        return Err(Failure::new(Exit::Problems, wrong));
    }
    let removed = match removed {
        0 => String::new(),
        facts => format!(", {} removed", thousands(facts)),
    };
    Ok((last_row, format!("{}, {}{removed}", count(facts, "fact"), count(inputs, "input"))))
}

fn history_of(data_dir: &Path, head: Option<u64>) -> Result<Option<String>, Failure> {
    let Some(archive) = Archive::look(&data_dir.join(history::FILE))? else { return Ok(None) };
    let through = projected_through(&archive)?;
    let history = History::new(Arc::new(archive));
    let (orders, fills) = (history.orders(None)?.rows.len(), history.fills(None)?.rows.len());
    let (points, trades) = (history.equity(None)?.rows.len(), history.trades(None)?.len());
    let of = |number: usize, one: &str| count(number as u64, one);
    let counts = format!(
        "{}, {}, {}, {}",
        of(orders, "order"),
        of(fills, "fill"),
        of(trades, "trade"),
        of(points, "equity point")
    );
    let behind = head.map_or(0, |head| head.saturating_sub(through));
    let late = match behind {
        0 => String::new(),
        rows => format!("; {} rows behind, the next start adds them", thousands(rows)),
    };
    Ok(Some(counts + &late))
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_views::testing::{Facts, journal};

    #[test]
    fn a_journal_is_checked_for_its_order() {
        let facts = journal().0;
        let failure = |e: &StoreError| Failure::new(Exit::Failed, e.to_string());
        let journal_of = |facts| journal_of(&Facts(facts), failure);
        let (_, counts) = journal_of(facts.clone()).unwrap();
        assert_eq!(counts, "22 facts, 6 inputs");
        let mut gap = facts.clone();
        gap.remove(2);
        let failure = journal_of(gap).unwrap_err();
        assert_eq!(
            (failure.exit, failure.text.as_str()),
            (Exit::Problems, "fact 2.800.0 lies before its input")
        );
        let mut gap = facts;
        gap.retain(|fact| fact.key.n != 4);
        assert_eq!(journal_of(gap).unwrap_err().text, "input 5 follows input 3");
    }
}
