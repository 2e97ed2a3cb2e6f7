//! Finds processes that killed ones have left behind, by their arguments, and kills them.

use super::crashes::{LOOK, signal};
use everwarm_runtime::clock;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Wall time in which killed processes must end.
const GONE: Duration = Duration::from_secs(10);

/// Folder in which the system lists processes.
const PROCESSES: &str = "/proc";

/// Kills every process that was started with a data directory below `place`: daemons and their
/// exchanges, with or without a port file. Returns when they have ended.
pub(super) fn kill_all_below(place: &Path) {
    let mut killed = BTreeSet::new();
    let left = killed_until(
        GONE,
        || {
            let mut found = Found::below(Path::new(PROCESSES), place);
            found.ending.extend(killed.iter().copied().filter(|pid| runs(*pid)));
            killed.extend(found.below.iter().copied());
            found
        },
        |pid| {
            if let Err(e) = signal("-KILL", pid) {
                tracing::error!("a process is left: {e}");
            }
        },
    );
    if left.below.len() + left.ending.len() > 0 {
        tracing::error!("processes below {} are left: {left:?}", place.display());
    }
}

/// Kills the processes below until none is left, or for this long. Returns the last processes
/// found.
fn killed_until(
    within: Duration,
    mut look: impl FnMut() -> Found,
    mut kill: impl FnMut(u32),
) -> Found {
    let began = clock::now();
    loop {
        let found = look();
        if found == Found::default() || began.elapsed() >= within {
            return found;
        }
        for pid in &found.below {
            kill(*pid);
        }
        std::thread::park_timeout(LOOK);
    }
}

/// Processes, by their relation to a folder.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// Started with a data directory below the folder.
    below: Vec<u32>,
    /// Within `exec`, where a process has no arguments yet: they might be below.
    starting: Vec<u32>,
    /// Killed, but not ended yet.
    ending: Vec<u32>,
}

impl Found {
    /// Searches a folder of processes. Skips this process and processes without arguments that run
    /// no program: kernel threads, zombies, processes of other users.
    fn below(processes: &Path, place: &Path) -> Found {
        let mut found = Found::default();
        for process in fs::read_dir(processes).into_iter().flatten().flatten() {
            let pid = process.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(pid) = pid.filter(|pid| *pid != std::process::id()) else { continue };
            let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
            if words.is_empty() {
                if fs::read_link(process.path().join("exe")).is_ok() {
                    found.starting.push(pid);
                }
                continue;
            }
            let mut words = words.split(|byte| *byte == 0).skip_while(|w| *w != b"--data-dir");
            if words.nth(1).is_some_and(|dir| Path::new(OsStr::from_bytes(dir)).starts_with(place))
            {
                found.below.push(pid);
            }
        }
        found
    }
}

/// Whether a process runs. A zombie has ended once its other threads have ended.
fn runs(pid: u32) -> bool {
    let process = Path::new(PROCESSES).join(pid.to_string());
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    let threads = || fs::read_dir(process.join("task")).map_or(0, Iterator::count);
    state.is_some_and(|state| !matches!(state, 'Z' | 'X') || threads() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::folder::Folder;
    use std::process::Command;

    #[test]
    fn whoever_was_started_below_a_place_is_found_and_killed() {
        let folder = Folder::new().unwrap();
        let dir = folder.path().join("one");
        let mut orphan = Command::new("/bin/sh")
            .args(["-c", "while :; do sleep 0.1; done", "sim", "--data-dir"])
            .arg(&dir)
            .spawn()
            .unwrap();
        kill_all_below(&folder.path().join("on"));
        assert!(orphan.try_wait().unwrap().is_none(), "somebody else's");
        kill_all_below(folder.path());
        let ended = orphan.try_wait().unwrap();
        drop(orphan.kill());
        assert!(!ended.expect("it has ended when the call returns").success());
    }

    #[test]
    fn who_has_no_arguments_yet_is_looked_at_again_until_it_has() {
        let folder = Folder::new().unwrap();
        let process = |pid: u32, words: &str, program: bool| {
            let process = folder.path().join("processes").join(pid.to_string());
            fs::create_dir_all(&process).unwrap();
            fs::write(process.join("cmdline"), words).unwrap();
            let link = process.join("exe");
            if program && !link.is_symlink() {
                std::os::unix::fs::symlink("/bin/sh", link).unwrap();
            }
        };
        let below = |at: &str| format!("everwarm\0run\0--data-dir\0{at}\0");
        process(7_000_001, "", true);
        process(7_000_002, "", false);
        process(7_000_003, &below("/place/one"), true);
        process(7_000_004, &below("/places/one"), true);
        process(std::process::id(), &below("/place/one"), true);
        let (mut killed, mut looks) = (Vec::new(), 0);
        let look = || {
            looks += 1;
            match looks {
                2 => fs::remove_dir_all(folder.path().join("processes/7000003")).unwrap(),
                5 => process(7_000_001, &below("/place/two"), true),
                6 => fs::remove_dir_all(folder.path().join("processes/7000001")).unwrap(),
                _ => {}
            }
            Found::below(&folder.path().join("processes"), Path::new("/place"))
        };
        let left = killed_until(Duration::from_hours(1), look, |pid| killed.push(pid));
        assert_eq!((killed, left), (vec![7_000_003, 7_000_001], Found::default()));
    }
}
