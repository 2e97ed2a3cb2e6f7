//! What is measured of actors: counted in place, in whole numbers, and read when somebody asks.
//!
//! A histogram is an array of counters, so it needs no upkeep, never grows, and no value can spoil
//! it. A message costs two looks at the clock and a handful of uncontended additions; nothing here
//! locks, waits or allocates once an actor is up.

use crate::clock;
use std::any::{Any, TypeId};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Parts of one: bounds and sums of histograms are whole numbers of these, nanoseconds for times.
pub const ONE: i64 = 1_000_000_000;

/// Longest time that is counted as such, four days: so that no sum overflows.
const LONGEST: i64 = 350_000 * ONE;

const US: i64 = 1_000;
const MS: i64 = 1_000_000;

/// Upper bounds for the time in one handler: 5 µs to 1 s.
pub const HANDLE: &[i64] = &[
    5 * US,
    10 * US,
    20 * US,
    50 * US,
    100 * US,
    200 * US,
    500 * US,
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    500 * MS,
    ONE,
];

/// Upper bounds for what another machine takes part in: 1 ms to 30 s.
pub const REMOTE: &[i64] = &[
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    ONE,
    2 * ONE,
    5 * ONE,
    10 * ONE,
    30 * ONE,
];

/// Upper bounds for the time from being sent to being taken: 10 µs to 10 s.
pub const WAIT: &[i64] = &[
    10 * US,
    20 * US,
    50 * US,
    100 * US,
    200 * US,
    500 * US,
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    50 * MS,
    100 * MS,
    500 * MS,
    ONE,
    5 * ONE,
    10 * ONE,
];

/// Upper bounds for one commit: 100 µs to 5 s.
pub const COMMIT: &[i64] = &[
    100 * US,
    200 * US,
    500 * US,
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    500 * MS,
    ONE,
    5 * ONE,
];

/// How values are spread over fixed bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [i64],
    /// One more than there are bounds.
    counts: Box<[AtomicU64]>,
    sum: AtomicI64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Upper bounds, inclusive, ascending; parts of [`ONE`].
    pub bounds: &'static [i64],
    /// Values in each, and above the last.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: i64,
}

impl Histogram {
    /// Nothing yet; `bounds` ascend.
    #[must_use]
    pub fn new(bounds: &'static [i64]) -> Histogram {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds, counts, sum: AtomicI64::new(0) }
    }

    /// One value, in parts of [`ONE`].
    pub fn count(&self, value: i64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// One time.
    pub fn time(&self, took: Duration) {
        self.nanos(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    fn nanos(&self, nanos: u64) {
        self.count(i64::try_from(nanos).unwrap_or(i64::MAX).min(LONGEST));
    }

    /// As it stands.
    #[must_use]
    pub fn read(&self) -> Reading {
        let counts = self.counts.iter().map(|count| count.load(Relaxed)).collect();
        Reading { bounds: self.bounds, counts, sum: self.sum.load(Relaxed) }
    }
}

/// The kinds of one type of message, for those who count.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    of: TypeId,
    /// Their names; at most [`KINDS`].
    pub names: &'static [&'static str],
    kind: fn(&dyn Any) -> usize,
}

/// Kinds of message of one actor, at most; more are counted as the last.
pub const KINDS: usize = 8;

/// A message that tells its kinds apart.
pub trait Kind: 'static {
    /// Their names, at most [`KINDS`].
    const NAMES: &'static [&'static str];
    /// Which of them this is.
    fn kind(&self) -> usize;
}

impl Kinds {
    /// Those of a type.
    #[must_use]
    pub fn of<M: Kind>() -> Kinds {
        let kind = |message: &dyn Any| message.downcast_ref::<M>().map_or(0, Kind::kind);
        Kinds { of: TypeId::of::<M>(), names: M::NAMES, kind }
    }

    /// All messages as one.
    const fn one(of: TypeId) -> Kinds {
        Kinds { of, names: &["message"], kind: |_| 0 }
    }
}

/// What an application wants to be measured, beside what always is.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Paths whose children share one meter: they come and go, and nobody asks for each.
    pub pools: &'static [&'static str],
    /// Types of messages whose kinds are told apart.
    pub kinds: Vec<Kinds>,
}

/// What is measured of one actor, over all its instances.
#[derive(Debug)]
pub struct Meter {
    born: Instant,
    wanted: Arc<Wanted>,
    kinds: OnceLock<Kinds>,
    handled: [AtomicU64; KINDS],
    failed: [AtomicU64; KINDS],
    panicked: AtomicU64,
    took: Histogram,
    waited: Histogram,
    /// Nanoseconds since `born`; 0: never.
    last: AtomicU64,
    stopped: AtomicU64,
    full: AtomicU64,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter::new(Arc::default())
    }
}

impl Meter {
    pub(crate) fn new(wanted: Arc<Wanted>) -> Meter {
        Meter {
            born: clock::now(),
            wanted,
            kinds: OnceLock::new(),
            handled: Default::default(),
            failed: Default::default(),
            panicked: AtomicU64::new(0),
            took: Histogram::new(HANDLE),
            waited: Histogram::new(WAIT),
            last: AtomicU64::new(0),
            stopped: AtomicU64::new(0),
            full: AtomicU64::new(0),
        }
    }

    /// Messages of this type are what comes.
    pub(crate) fn expect<M: Any>(&self) {
        let of = TypeId::of::<M>();
        let known = || self.wanted.kinds.iter().find(|kinds| kinds.of == of).copied();
        self.kinds.get_or_init(|| known().unwrap_or(Kinds::one(of)));
    }

    pub(crate) fn kind(&self, message: &dyn Any) -> usize {
        self.kinds.get().map_or(0, |kinds| (kinds.kind)(message)).min(KINDS - 1)
    }

    /// A message was handled, well or not.
    pub(crate) fn handled(&self, kind: usize, began: u64, well: bool) {
        let now = self.now();
        self.handled[kind].fetch_add(1, Relaxed);
        self.took.nanos(now.saturating_sub(began));
        self.last.store(now, Relaxed);
        if !well {
            self.failed[kind].fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn panicked(&self) {
        self.panicked.fetch_add(1, Relaxed);
    }

    /// Handlers that panicked so far, on purpose or not.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panicked.load(Relaxed)
    }

    pub(crate) fn waited(&self, nanos: u64) {
        self.waited.nanos(nanos);
    }

    /// A message found nobody.
    pub(crate) fn unsent(&self) {
        self.stopped.fetch_add(1, Relaxed);
    }

    /// A message found no room.
    pub(crate) fn refused(&self) {
        self.full.fetch_add(1, Relaxed);
    }

    /// Nanoseconds since it was made; never 0.
    pub(crate) fn now(&self) -> u64 {
        let since = self.born.elapsed();
        since.as_secs() * ONE.unsigned_abs() + u64::from(since.subsec_nanos()) + 1
    }

    /// As it stands.
    #[must_use]
    pub fn read(&self) -> Measured {
        let names = self.kinds.get().map_or(&[][..], |kinds| kinds.names);
        let kinds = names.iter().take(KINDS).enumerate().map(|(at, name)| {
            (*name, self.handled[at].load(Relaxed), self.failed[at].load(Relaxed))
        });
        let last = Some(self.last.load(Relaxed)).filter(|last| *last > 0);
        Measured {
            kinds: kinds.collect(),
            panicked: self.panicked.load(Relaxed),
            took: self.took.read(),
            waited: self.waited.read(),
            idle: last.map(|last| self.born.elapsed().saturating_sub(Duration::from_nanos(last))),
            stopped: self.stopped.load(Relaxed),
            full: self.full.load(Relaxed),
        }
    }
}

/// What was measured of an actor so far.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Name of each kind of message, how many were handled, and how many of those with an error.
    pub kinds: Vec<(&'static str, u64, u64)>,
    /// Handlers that panicked, on purpose or not.
    pub panicked: u64,
    /// Time in handlers.
    pub took: Reading,
    /// From being sent to being taken, of messages with a ticket and of wakes.
    pub waited: Reading,
    /// Since the last message; none: there was none.
    pub idle: Option<Duration>,
    /// Messages that found nobody.
    pub stopped: u64,
    /// Messages that found no room.
    pub full: u64,
}

/// What is measured of a store.
#[derive(Debug)]
pub struct StoreMeter {
    /// Commits that did not wait for the disk.
    pub lazy: Histogram,
    /// Commits that did.
    pub synced: Histogram,
}

impl Default for StoreMeter {
    fn default() -> StoreMeter {
        StoreMeter { lazy: Histogram::new(COMMIT), synced: Histogram::new(COMMIT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_below_their_bounds_and_nothing_spoils_a_sum() {
        let histogram = Histogram::new(&[-10, 0, 10]);
        for value in [-11, -10, 0, 1, 10, 11, 500] {
            histogram.count(value);
        }
        let Reading { counts, sum, .. } = histogram.read();
        assert_eq!((counts, sum), (vec![2, 1, 2, 2], 501));
        histogram.time(Duration::MAX);
        assert_eq!(histogram.read().counts, [2, 1, 2, 3]);
    }

    enum Two {
        First,
        Second,
    }

    impl Kind for Two {
        const NAMES: &'static [&'static str] = &["first", "second"];
        fn kind(&self) -> usize {
            match self {
                Two::First => 0,
                Two::Second => 1,
            }
        }
    }

    #[test]
    fn kinds_are_told_apart_where_that_is_wanted() {
        let wanted = Wanted { pools: &[], kinds: vec![Kinds::of::<Two>()] };
        let meter = Meter::new(Arc::new(wanted));
        meter.expect::<Two>();
        for (message, well) in [(Two::First, true), (Two::Second, true), (Two::Second, false)] {
            meter.handled(meter.kind(&message), meter.now(), well);
        }
        assert_eq!(meter.read().kinds, [("first", 1, 0), ("second", 2, 1)]);
        assert_eq!(meter.read().took.counts.iter().sum::<u64>(), 3);
        assert!(meter.read().idle.is_some());
        let plain = Meter::default();
        plain.expect::<u8>();
        plain.handled(plain.kind(&7_u8), plain.now(), true);
        assert_eq!(plain.read().kinds, [("message", 1, 0)]);
    }
}
