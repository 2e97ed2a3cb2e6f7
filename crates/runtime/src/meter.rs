//! Measurements of actors: counted in place, as whole numbers, and read on request.
//!
//! A histogram is an array of counters. It needs no upkeep, never grows, and no value can corrupt
//! it. A message costs two reads of the clock and a few uncontended additions. Nothing here locks,
//! waits or allocates once an actor is up.

use crate::clock;
use std::any::{Any, TypeId};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Scale of histograms: the number of parts of one. Bounds and sums are whole numbers of these
/// parts; for times, nanoseconds.
pub const ONE: i64 = 1_000_000_000;

/// Longest time that is counted, about four days. Longer times count as this, so that no sum
/// overflows.
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

/// Upper bounds for times that involve another machine: 1 ms to 30 s.
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

/// Upper bounds for the time between send and receipt: 10 µs to 10 s.
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

/// Distribution of values over fixed bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [i64],
    /// One count for each bound, and one for values above the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicI64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Upper bounds, inclusive, ascending; parts of [`ONE`].
    pub bounds: &'static [i64],
    /// Number of values in each bucket; the last is for values above all bounds.
    pub counts: Vec<u64>,
    /// Sum of all values.
    pub sum: i64,
}

impl Histogram {
    /// An empty histogram; `bounds` ascend.
    #[must_use]
    pub fn new(bounds: &'static [i64]) -> Histogram {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds, counts, sum: AtomicI64::new(0) }
    }

    /// Counts one value, in parts of [`ONE`].
    pub fn count(&self, value: i64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Counts one time.
    pub fn time(&self, took: Duration) {
        self.nanos(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    fn nanos(&self, nanos: u64) {
        self.count(i64::try_from(nanos).unwrap_or(i64::MAX).min(LONGEST));
    }

    /// Its current values.
    #[must_use]
    pub fn read(&self) -> Reading {
        let counts = self.counts.iter().map(|count| count.load(Relaxed)).collect();
        Reading { bounds: self.bounds, counts, sum: self.sum.load(Relaxed) }
    }
}

/// The kinds of one type of message, for counting.
#[derive(Clone, Copy, Debug)]
pub struct Kinds {
    of: TypeId,
    /// Their names; at most [`KINDS`].
    pub names: &'static [&'static str],
    kind: fn(&dyn Any) -> usize,
}

/// Maximum of message kinds of one actor. Further kinds are counted as the last.
pub const KINDS: usize = 8;

/// A message type with several kinds.
pub trait Kind: 'static {
    /// Their names, at most [`KINDS`].
    const NAMES: &'static [&'static str];
    /// Index of this message's kind in `NAMES`.
    fn kind(&self) -> usize;
}

impl Kinds {
    /// The kinds of a message type.
    #[must_use]
    pub fn of<M: Kind>() -> Kinds {
        let kind = |message: &dyn Any| message.downcast_ref::<M>().map_or(0, Kind::kind);
        Kinds { of: TypeId::of::<M>(), names: M::NAMES, kind }
    }

    /// One kind for all messages of a type.
    const fn one(of: TypeId) -> Kinds {
        Kinds { of, names: &["message"], kind: |_| 0 }
    }
}

/// Measurements that an application adds to the standard ones.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Paths of supervisors whose children share one meter, because the children change often.
    pub pools: &'static [&'static str],
    /// Types of messages whose kinds are counted separately.
    pub kinds: Vec<Kinds>,
}

/// Measurements of one actor, over all its instances.
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
    /// Time of the last message, nanoseconds since `born`; 0: never.
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

    /// Sets the type of the actor's messages.
    pub(crate) fn expect<M: Any>(&self) {
        let of = TypeId::of::<M>();
        let known = || self.wanted.kinds.iter().find(|kinds| kinds.of == of).copied();
        self.kinds.get_or_init(|| known().unwrap_or(Kinds::one(of)));
    }

    pub(crate) fn kind(&self, message: &dyn Any) -> usize {
        self.kinds.get().map_or(0, |kinds| (kinds.kind)(message)).min(KINDS - 1)
    }

    /// Counts a handled message. `well` is false if the handler returned an error.
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

    /// Number of handlers that panicked, including injected panics.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panicked.load(Relaxed)
    }

    pub(crate) fn waited(&self, nanos: u64) {
        self.waited.nanos(nanos);
    }

    /// Counts a message that had no receiver.
    pub(crate) fn unsent(&self) {
        self.stopped.fetch_add(1, Relaxed);
    }

    /// Counts a message for which there was no room.
    pub(crate) fn refused(&self) {
        self.full.fetch_add(1, Relaxed);
    }

    /// Nanoseconds since the meter was made; never 0.
    pub(crate) fn now(&self) -> u64 {
        let since = self.born.elapsed();
        since.as_secs() * ONE.unsigned_abs() + u64::from(since.subsec_nanos()) + 1
    }

    /// Its current values.
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

/// The values of an actor's meter at one moment.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Name of each message kind, number of handled messages, and how many of those returned an
    /// error.
    pub kinds: Vec<(&'static str, u64, u64)>,
    /// Number of handlers that panicked, including injected panics.
    pub panicked: u64,
    /// Times in handlers.
    pub took: Reading,
    /// Times between send and receipt, of messages with a ticket and of wake-ups.
    pub waited: Reading,
    /// Time since the last message; none if there was none.
    pub idle: Option<Duration>,
    /// Number of messages that had no receiver.
    pub stopped: u64,
    /// Number of messages for which there was no room.
    pub full: u64,
}

/// Measurements of a store.
#[derive(Debug)]
pub struct StoreMeter {
    /// Commits that did not wait for the disk.
    pub lazy: Histogram,
    /// Commits that waited for the disk.
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
