//! Repairs the stored bars of a daemon that does not run: `everwarm history check --repair`.

use super::retention::stopped;
use crate::audit::StoreFacts;
use everwarm_cli::offline::catch_up;
use everwarm_history as history;
use everwarm_history::Projector;
use everwarm_history::repair::{HEAD, QUARANTINE, Repaired, repair};
use everwarm_runtime::files::write_whole;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::stored_history::{HistoryRepairView, compare};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// Replaces or removes the wrong rows of the history of `data_dir`.
///
/// # Errors
/// A daemon runs, or a file cannot be used.
pub fn run(data_dir: &Path) -> Result<HistoryRepairView, Failure> {
    let journal = StoreFacts(stopped(data_dir, Store::look)?);
    let none = || {
        let text = "the history is missing; the next start makes it: everwarm run";
        Failure::new(Exit::Refused, text.to_owned())
    };
    let archive = Archive::open_existing(&data_dir.join(history::FILE))?.ok_or_else(none)?;
    let archive = Arc::new(archive);
    catch_up(&mut Projector::new(Arc::clone(&archive))?, &journal)?;
    let found = compare(&archive, &journal)?;
    let path = data_dir.join(QUARANTINE);
    let done = repair(&archive, &found.problems, |lines| {
        keep(&path, lines).map_err(|e| format!("{}: {e}", path.display()))
    })?;
    let Repaired { quarantined, from_facts, rebuilt, marked } = done;
    let quarantine = path.display().to_string();
    Ok(HistoryRepairView { quarantined, quarantine, from_facts, rebuilt, marked })
}

/// Adds lines to the quarantine. Lines that it has already come from a repair that was killed.
fn keep(path: &Path, lines: &str) -> io::Result<()> {
    let mut text = match fs::read_to_string(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => HEAD.to_owned(),
        text => text?,
    };
    let new = {
        let known: BTreeSet<&str> = text.lines().collect();
        let new = lines.lines().filter(|line| !known.contains(line));
        new.fold(String::new(), |all, line| all + line + "\n")
    };
    text.push_str(&new);
    write_whole(path, text.as_bytes())
}
