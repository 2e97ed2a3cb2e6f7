//! Settings of the C library's allocator for a process that runs for months.
//!
//! By default, glibc keeps a heap for each thread and does not return freed memory. With 300
//! symbols that adds half as much again after a few hours. glibc reads its settings only from the
//! environment before `main`; any other way needs unsafe code. So a process without these settings
//! executes itself again with them. It keeps its process id, files, arguments and signals, so its
//! parent notices nothing.

pub use everwarm_config::layers::BEGAN;
use everwarm_runtime::clock;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

/// The settings: one heap; blocks from 64 KiB are mapped separately; the heap is trimmed when more
/// than 128 KiB at its end are free.
pub const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];
/// A value older than this was inherited from another process.
const OLDEST: Duration = Duration::from_secs(10);

/// When this process began: now, or before it executed itself again.
#[must_use]
pub fn began() -> Instant {
    let recorded = std::env::var(BEGAN).ok().and_then(|text| text.parse().ok());
    let before = recorded.and_then(|began| before(Duration::from_nanos(began), steady()));
    clock::now().checked_sub(before.unwrap_or_default()).unwrap_or_else(clock::now)
}

/// The time since `began`, or nothing if another process must have set it.
fn before(began: Duration, now: Duration) -> Option<Duration> {
    now.checked_sub(began).filter(|passed| *passed < OLDEST)
}

/// The monotonic clock, shared by all processes of a machine.
fn steady() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.try_into().unwrap_or_default()
}

/// Whether the environment sets the allocator already. Then that setting stays.
fn is_set<'a>(mut environment: impl Iterator<Item = (&'a OsStr, &'a OsStr)>) -> bool {
    environment.any(|(name, value)| {
        let value = value.to_string_lossy();
        name == BEGAN
            || name.to_string_lossy().starts_with("MALLOC_")
            || (name == "GLIBC_TUNABLES" && value.contains("glibc.malloc."))
    })
}

/// Executes this process again with [`SETTINGS`], unless the environment sets the allocator
/// already. Call it before any thread, file or lock exists. If it fails, the process goes on with
/// the defaults.
pub fn settle(began: Instant) {
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    if !is_set(environment.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))) {
        again(began);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn again(began: Instant) {
    use std::os::unix::process::CommandExt as _;
    // Use the real path, not /proc/self/exe: process lists show it.
    let Ok(program) = std::env::current_exe() else { return };
    // Started by the dynamic loader, the path is the loader. A replaced program no longer exists.
    let loader = program.file_name().is_none_or(|name| name.to_string_lossy().contains(".so"));
    if loader || !program.is_file() {
        return;
    }
    let mut arguments = std::env::args_os();
    let mut command = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let began = steady().saturating_sub(began.elapsed());
    command.args(arguments).envs(SETTINGS).env(BEGAN, began.as_nanos().to_string());
    let error = command.exec();
    tracing::debug!(%error, "the allocator keeps its defaults");
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn again(_: Instant) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_speaks_of_the_allocator_is_left_alone() {
        let set = |name: &str, value: &str| {
            let all = [("HOME", "/root"), (name, value)];
            is_set(all.iter().map(|(name, value)| (OsStr::new(*name), OsStr::new(*value))))
        };
        for (name, value) in SETTINGS {
            assert!(set(name, value), "{name}");
        }
        assert!(set("MALLOC_CHECK_", "3") && set(BEGAN, "1"));
        assert!(set("GLIBC_TUNABLES", "glibc.malloc.arena_max=4"));
        assert!(!set("GLIBC_TUNABLES", "glibc.rtld.nns=4"));
        assert!(!set("MALLOCATE", "1") && !set("EVERWARM_MARKET__SEED", "7"));
    }

    #[test]
    fn what_passed_in_the_first_form_counts_and_what_others_set_does_not() {
        let ms = Duration::from_millis;
        assert_eq!(before(ms(5_000), ms(5_003)), Some(ms(3)));
        assert_eq!(before(ms(5_000), ms(4_999)), None, "of another machine, or boot");
        assert_eq!(before(ms(5_000), ms(15_000)), None, "inherited");
    }
}
