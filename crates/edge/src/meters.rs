//! What the edge counts of itself: what came by streams, and how long the way to an order was.
//! Nothing that is decided looks here.

use everwarm_domain::clean::clean;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::clock;
use everwarm_runtime::meter::{HANDLE, Histogram, REMOTE};
use everwarm_venue::session::Event;
use everwarm_venue::sparse_log::Sparsely;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What came by the streams of one sort.
#[derive(Debug, Default)]
pub struct StreamMeter {
    /// Closed bars, or words about orders.
    pub used: AtomicU64,
    /// Anything else that was read.
    pub other: AtomicU64,
    /// Messages that could not be read.
    pub garbled: AtomicU64,
    /// Connections lost that are tried again by themselves, and those refused for good.
    pub lost: [AtomicU64; 2],
    /// Times after which something may be missing and is fetched.
    pub gaps: AtomicU64,
    /// Messages left out because too many waited; what they said is fetched.
    pub dropped: AtomicU64,
    /// Our wall time of the newest data, UTC milliseconds; 0: none yet.
    pub newest: AtomicI64,
    /// What could not be read was said.
    said: Sparsely,
    /// Which connections are subscribed.
    up: Mutex<Vec<bool>>,
    /// Our wall time since which not all are, UTC milliseconds; 0: all are, or none ever was.
    down: AtomicI64,
}

impl StreamMeter {
    /// Its actor begins: no connection is up.
    pub fn begin(&self) {
        self.change(Vec::clear);
    }

    /// Something came by a connection; `used`: of the sort that is used.
    pub fn heard<F>(&self, number: usize, event: &Event<F>, used: bool) {
        let one = |count: &AtomicU64| {
            count.fetch_add(1, Relaxed);
        };
        match event {
            Event::Frame(_) => {
                one(if used { &self.used } else { &self.other });
                self.newest.store(clock::wall().utc(), Relaxed);
            }
            Event::Subscribed => {
                one(&self.gaps);
                self.stands(number, true);
            }
            Event::Garbled { why } => {
                if let Some(left_out) = self.said.due() {
                    let why = clean(why);
                    tracing::warn!(why, left_out, "an impossible message");
                }
                one(&self.garbled);
                one(&self.gaps);
            }
            Event::Lost { again, .. } => {
                one(&self.lost[usize::from(!*again)]);
                self.stands(number, false);
            }
            Event::Turned | Event::Ending { .. } => {}
        }
    }

    /// Since when not all its connections are subscribed, wall time in UTC milliseconds; 0: they
    /// never were. None: they are.
    #[must_use]
    pub fn down_since(&self) -> Option<UtcMs> {
        (!self.is_up()).then(|| self.down.load(Relaxed))
    }

    /// Whether all its connections are subscribed, and there is one.
    #[must_use]
    pub fn is_up(&self) -> bool {
        all_up(&self.lines())
    }

    fn stands(&self, number: usize, up: bool) {
        self.change(|lines| {
            if lines.len() <= number {
                lines.resize(number + 1, false);
            }
            lines[number] = up;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Vec<bool>)) {
        let mut lines = self.lines();
        let was_up = all_up(&lines);
        change(&mut lines);
        if was_up && !all_up(&lines) {
            self.down.store(clock::wall().utc(), Relaxed);
        }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<bool>> {
        self.up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn all_up(lines: &[bool]) -> bool {
    !lines.is_empty() && lines.iter().all(|up| *up)
}

/// All of it.
#[derive(Debug)]
pub struct Meters {
    /// The market's streams.
    pub market: StreamMeter,
    /// The account's stream.
    pub private: StreamMeter,
    /// From the venue's stamp on a bar to its arrival, skew of the clocks included.
    pub latency: Histogram,
    /// From a close being said to its orders being announced.
    pub decide: Histogram,
    /// From there to their announcement being on disk.
    pub sync: Histogram,
    /// From the close to the first byte of a request.
    pub total: Histogram,
    /// From an order's request to its answer.
    pub submit: Histogram,
    /// The same for a question about an order.
    pub query: Histogram,
    /// The newest close said, and when.
    close: Mutex<Option<(UtcMs, Instant)>>,
}

impl Default for Meters {
    fn default() -> Meters {
        Meters {
            market: StreamMeter::default(),
            private: StreamMeter::default(),
            latency: Histogram::new(REMOTE),
            decide: Histogram::new(HANDLE),
            sync: Histogram::new(HANDLE),
            total: Histogram::new(HANDLE),
            submit: Histogram::new(REMOTE),
            query: Histogram::new(REMOTE),
            close: Mutex::default(),
        }
    }
}

impl Meters {
    /// A close is being said.
    pub fn close(&self, time: UtcMs) {
        *self.close.lock().unwrap_or_else(PoisonError::into_inner) = Some((time, clock::now()));
    }

    /// When the close of this time was said; none where that was another.
    #[must_use]
    pub fn said(&self, time: UtcMs) -> Option<Instant> {
        let close = *self.close.lock().unwrap_or_else(PoisonError::into_inner);
        close.filter(|(of, _)| *of == time).map(|(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_up_when_all_its_connections_are() {
        let meter = StreamMeter::default();
        assert!(!meter.is_up());
        meter.heard(1, &Event::<()>::Subscribed, false);
        assert_eq!(meter.down_since(), Some(0), "the other one never was");
        meter.heard(0, &Event::<()>::Subscribed, false);
        meter.heard(0, &Event::Frame(()), true);
        assert!(meter.down_since().is_none() && meter.newest.load(Relaxed) > 0);
        meter.heard(1, &Event::<()>::Lost { why: String::new(), again: true }, false);
        assert!(meter.down_since().is_some_and(|since| since > 0));
        assert_eq!((meter.gaps.load(Relaxed), meter.lost[0].load(Relaxed)), (2, 1));
        meter.begin();
        assert!(!meter.is_up());
    }
}
