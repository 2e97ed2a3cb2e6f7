//! Nothing is stuck: in a feed that goes on something new is said every now and then, and what is
//! said leads to another close.

use everwarm_domain::time::UtcMs;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Inputs from one close to the next, at most: a hundred times the most that a run under kills and
/// all faults was seen to take (39; undisturbed ones take 15).
pub const INPUTS: u64 = 4_000;

/// The inputs of one life since its last close.
#[derive(Debug)]
pub struct Closing {
    close: Option<UtcMs>,
    at: u64,
}

impl Closing {
    /// A life begins, at this input.
    #[must_use]
    pub fn new(head: u64) -> Closing {
        Closing { close: None, at: head }
    }

    /// The last close and the last input now; how many inputs led to no other close, where they are
    /// too many.
    pub fn in_vain(&mut self, close: Option<UtcMs>, head: u64) -> Option<u64> {
        if self.close != close {
            (self.close, self.at) = (close, head);
        }
        let since = head.saturating_sub(self.at);
        (since > INPUTS).then_some(since)
    }
}

/// Wall time that counts at most for each second that may pass in which the machine gives nothing.
const HARD: u32 = 6;
/// Between two looks at what the machine gave.
const LOOK: Duration = Duration::from_millis(250);

/// What kept the threads of processes waiting for the machine: time in which each was ready and had
/// no processor, and whether one waits for the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// By thread.
    pub ready: BTreeMap<u32, Duration>,
    /// Whether a thread stands in a call to the disk.
    pub on_disk: bool,
}

impl Waits {
    /// Of all threads of these processes. Where the system does not tell, nobody waits.
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

    /// The longest that a thread waited since `before`, where that is known.
    fn since(&self, before: &Waits) -> Duration {
        let one = |(id, now): (&u32, &Duration)| {
            before.ready.get(id).map(|before| now.saturating_sub(*before))
        };
        self.ready.iter().filter_map(one).max().unwrap_or_default()
    }
}

/// What was seen last, and how much of the machine was given since. A slow machine is no reason to
/// be stuck: time in which a thread was ready and had no processor, or waited for the disk, does
/// not count, up to six times as long.
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
    /// Something new is expected within so long.
    #[must_use]
    pub fn new(within: Duration) -> Moving<T> {
        Moving { seen: None, within }
    }

    /// How long it may stand still.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.within
    }

    /// How far it is now, and how to learn what kept it waiting for the machine; whether it moves.
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
        // Before the first look nobody knows who waited: that time does not count.
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

    /// Whether it moves at each of these seconds, at which a thread has waited for so many and the
    /// disk is busy or not.
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
        assert!(!before.ready.is_empty(), "the system tells");
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
