//! A process that runs for long sets the allocator for itself: whoever starts it sees the same
//! process, and whoever has set it is not overruled.

use crate::kit::{BINARY, Folder, Process, exchange, run, wait_until};
use everwarm_cli::heap::{BEGAN, SETTINGS};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The value of a variable in the environment of a process.
fn variable(pid: u32, name: &str) -> Option<String> {
    let all = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let all = String::from_utf8_lossy(&all).into_owned();
    let found = all.split('\0').find_map(|one| one.strip_prefix(&format!("{name}=")));
    found.map(str::to_owned)
}

fn settings(pid: u32) -> Vec<Option<String>> {
    SETTINGS.iter().map(|(name, _)| variable(pid, name)).collect()
}

/// The binary without what these tests may have inherited.
fn bare() -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in SETTINGS {
        command.env_remove(name);
    }
    command.env_remove("GLIBC_TUNABLES");
    command
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_daemon_and_its_exchange_have_the_allocator_set_and_are_the_process_that_was_started() {
    let folder = Folder::new("heap");
    let dir = folder.join("data");
    let mut command = bare();
    command.env("EVERWARM_DAEMON__LOG", "debug");
    let daemon = Process::of(command, &dir, &["run", "--pace", "240x"]);
    daemon.answers();
    let wanted: Vec<_> = SETTINGS.iter().map(|(_, value)| Some((*value).to_owned())).collect();
    assert_eq!(settings(daemon.pid()), wanted, "the number is that of what was started");
    assert_eq!(settings(exchange(&dir).unwrap()), wanted);
    assert_eq!(variable(exchange(&dir).unwrap(), BEGAN), None, "it began by itself");
    assert_eq!(variable(daemon.pid(), "EVERWARM_DAEMON__LOG").as_deref(), Some("debug"));
    let of = |what: &str| fs::read(format!("/proc/{}/{what}", daemon.pid())).unwrap();
    assert_eq!(of("comm"), b"everwarm\n");
    let words = [BINARY, "run", "--pace", "240x", "--data-dir", dir.to_str().unwrap(), ""];
    assert_eq!(String::from_utf8_lossy(&of("cmdline")), words.join("\0"));
    let input = fs::read_link(format!("/proc/{}/fd/0", daemon.pid())).unwrap();
    assert_eq!(input, Path::new("/dev/null"), "its standard input is what it was given");
    daemon.prints("may trade");
    daemon.signal("-TERM");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn who_sets_the_allocator_is_not_overruled() {
    let folder = Folder::new("heap-own");
    let dir = folder.join("data");
    let mut command = bare();
    command.env("MALLOC_ARENA_MAX", "3");
    let daemon = Process::of(command, &dir, &["run", "--pace", "240x"]);
    daemon.answers();
    for pid in [daemon.pid(), exchange(&dir).unwrap()] {
        assert_eq!(settings(pid), [Some("3".to_owned()), None, None]);
        assert_eq!(variable(pid, BEGAN), None);
    }
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn what_is_wrong_is_told_as_ever_and_what_looks_in_is_one_process() {
    let folder = Folder::new("heap-wrong");
    let dir = folder.join("data");
    let (code, out, err) = run(&dir, &["run", "--pace", "sideways"]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    assert_eq!(err.matches("sideways").count(), 1, "{err}");
    // Its own mark is no unknown key of the configuration, wherever it was inherited from.
    let mut command = bare();
    command.env(BEGAN, "1");
    let (code, _, err) = Process::of(command, &dir, &["config", "check"]).result();
    assert_eq!((code, err.as_str()), (Some(0), ""));
    wait_until("no exchange was left", || exchange(&dir).is_none());
}
