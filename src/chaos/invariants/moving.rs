//! Nothing is stuck: while a feed goes on, new facts are appended now and then, and they lead to
//! another close.

use everwarm_domain::time::UtcMs;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Inputs from one close to the next, at most. The most seen is 39 under kills and all faults, and
/// 15 undisturbed; this is a hundred times that.
pub const INPUTS: u64 = 4_000;

/// The inputs of one life since its last close.
#[derive(Debug)]
pub struct Closing {
    close: Option<UtcMs>,
    at: u64,
}

impl Closing {
    /// A life begins at input `head`.
    #[must_use]
    pub fn new(head: u64) -> Closing {
        Closing { close: None, at: head }
    }

    /// Takes the last close and the last input. Returns how many inputs led to no other close,
    /// where they are too many.
    pub fn in_vain(&mut self, close: Option<UtcMs>, head: u64) -> Option<u64> {
        if self.close != close {
            (self.close, self.at) = (close, head);
        }
        let since = head.saturating_sub(self.at);
        (since > INPUTS).then_some(since)
    }
}

/// Wall time that may pass, as a multiple of the allowed time without waits.
const HARD: u32 = 6;
/// Wall time between two measurements of the waits.
const LOOK: Duration = Duration::from_millis(250);

/// Waits of the threads of processes: how long each was ready without a processor, and whether one
/// waits for the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// Time ready without a processor, by thread.
    pub ready: BTreeMap<u32, Duration>,
    /// Whether a thread is in a call to the disk.
    pub on_disk: bool,
}

impl Waits {
    /// The waits of all threads of these processes. Without such values from the system, nobody
    /// waits.
    #[must_use]
    pub fn of(processes: &[u32]) -> Waits {
        let mut waits = Waits::default();
        for process in processes {
            let tasks = fs::read_dir(format!("/proc/{process}/task"));
            for task in tasks.into_iter().flatten().flatten() {
                waits.add(&task.path());
            }
        }
        waits
    }

    fn add(&mut self, task: &Path) {
        let text = |name: &str| fs::read_to_string(task.join(name)).unwrap_or_default();
        let id = task.file_name().and_then(|name| name.to_str()?.parse().ok());
        let ready = text("schedstat").split(' ').nth(1).and_then(|ns| ns.parse().ok());
        if let (Some(id), Some(ns)) = (id, ready) {
            self.ready.insert(id, Duration::from_nanos(ns));
        }
        let stat = text("stat");
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('D'));
        self.on_disk |= state.unwrap_or_default();
    }

    /// The longest wait of a thread since `before`, where both are known.
    fn since(&self, before: &Waits) -> Duration {
        let one = |(id, now): (&u32, &Duration)| {
            before.ready.get(id).map(|before| now.saturating_sub(*before))
        };
        self.ready.iter().filter_map(one).max().unwrap_or_default()
    }
}

/// Progress, and the time that counts since it last changed. A slow machine does not make a run
/// stuck: time in which a thread waited for a processor or the disk does not count. At most, six
/// times the allowed time may pass.
#[derive(Debug)]
pub struct Moving<T> {
    seen: Option<Seen<T>>,
    within: Duration,
}

#[derive(Debug)]
struct Seen<T> {
    what: T,
    since: Instant,
    /// Time that counts.
    given: Duration,
    looked: Instant,
    waits: Option<Waits>,
}

impl<T: PartialEq> Moving<T> {
    /// Expects progress within this time.
    #[must_use]
    pub fn new(within: Duration) -> Moving<T> {
        Moving { seen: None, within }
    }

    /// How long it may stand still.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.within
    }

    /// Whether it moves. Takes the progress so far, and a function that measures the waits.
    pub fn is(&mut self, so_far: T, now: Instant, waits: impl FnOnce() -> Waits) -> bool {
        let Some(seen) = self.seen.as_mut().filter(|seen| seen.what == so_far) else {
            let (given, waits) = (Duration::ZERO, None);
            self.seen = Some(Seen { what: so_far, since: now, given, looked: now, waits });
            return true;
        };
        let passed = now.saturating_duration_since(seen.looked);
        if passed < LOOK {
            return true;
        }
        let waits = waits();
        // Waits before the first measurement are unknown: that time does not count.
        if let Some(before) = &seen.waits
            && !waits.on_disk
        {
            seen.given += passed.saturating_sub(waits.since(before));
        }
        (seen.looked, seen.waits) = (now, Some(waits));
        let all = now.saturating_duration_since(seen.since);
        seen.given <= self.within && all <= self.within * HARD
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_runtime::clock;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    /// Whether it moves at each of these seconds; with the seconds a thread has waited, and whether
    /// the disk is busy.
    fn moves(seen: &[(u64, u64, bool)]) -> Vec<bool> {
        let began = clock::now();
        let mut moving = Moving::new(Duration::from_secs(10));
        let is = |(at, waited, on_disk): &(u64, u64, bool)| {
            let ready = BTreeMap::from([(7, Duration::from_secs(*waited))]);
            let waits = || Waits { ready, on_disk: *on_disk };
            moving.is(1, began + Duration::from_secs(*at), waits)
        };
        seen.iter().map(is).collect()
    }

    #[test]
    fn what_stands_still_for_too_long_is_found() {
        let at = |ms| clock::now() + Duration::from_millis(ms);
        let mut moving = Moving::new(Duration::from_secs(10));
        let mut is = |what, ms| moving.is(what, at(ms), Waits::default);
        assert!(is(1, 0) && is(1, 300) && is(1, 9_000));
        assert!(is(2, 11_000) && is(2, 11_300) && is(2, 20_000));
        assert!(!is(2, 22_000));
    }

    #[test]
    fn a_machine_that_gives_nothing_is_waited_for_but_not_for_ever() {
        let free = moves(&[(0, 0, false), (1, 0, false), (11, 0, false), (12, 0, false)]);
        assert_eq!(free, [true, true, true, false]);
        let starved = moves(&[(0, 0, false), (1, 5, false), (31, 30, false), (37, 36, false)]);
        assert_eq!(starved, [true; 4], "it had 5 s of 36");
        let then = moves(&[(0, 0, false), (1, 0, false), (31, 30, false), (42, 30, false)]);
        assert_eq!(then, [true, true, true, false], "and now it has the machine");
        let disk = moves(&[(0, 0, false), (1, 0, false), (40, 0, true), (50, 0, false)]);
        assert_eq!(disk, [true; 4]);
        let never = moves(&[(0, 0, false), (1, 0, false), (59, 58, false), (61, 60, false)]);
        assert_eq!(never, [true, true, true, false], "a minute is too long whatever it was");
    }

    #[test]
    fn threads_that_want_a_processor_are_seen_to_wait_for_one() {
        let all = || std::thread::available_parallelism().map_or(4, usize::from) * 4;
        let (stop, me) = (AtomicBool::new(false), std::process::id());
        let before = Waits::of(&[me]);
        assert!(!before.ready.is_empty(), "the system reports it");
        std::thread::scope(|scope| {
            for _ in 0..all() {
                scope.spawn(|| {
                    while !stop.load(Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let first = Waits::of(&[me]);
            while Waits::of(&[me]).since(&first) < Duration::from_millis(20) {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            stop.store(true, Relaxed);
        });
        assert_eq!(Waits::of(&[]), Waits::default());
    }

    #[test]
    fn inputs_that_lead_to_no_close_are_found_though_each_of_them_is_new() {
        let mut closing = Closing::new(70);
        assert_eq!(closing.in_vain(None, 70 + INPUTS), None);
        assert_eq!(closing.in_vain(None, 71 + INPUTS), Some(INPUTS + 1), "before the first close");
        assert_eq!(closing.in_vain(Some(1), 9_000), None, "another close");
        assert_eq!(closing.in_vain(Some(1), 9_000 + INPUTS), None);
        assert_eq!(closing.in_vain(Some(2), 9_001 + INPUTS), None);
        assert_eq!(closing.in_vain(Some(2), 9_002 + 2 * INPUTS), Some(INPUTS + 1));
    }
}
