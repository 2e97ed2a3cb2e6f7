//! Metrics of the edge: what came by streams, and how long the way to an order took. No decision
//! depends on them.

use everwarm_domain::clean::clean;
use everwarm_domain::time::UtcMs;
use everwarm_runtime::clock;
use everwarm_runtime::meter::{HANDLE, Histogram, REMOTE};
use everwarm_venue::session::Event;
use everwarm_venue::sparse_log::Sparsely;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Metrics of the streams of one sort.
#[derive(Debug, Default)]
pub struct StreamMeter {
    /// Closed bars, or reports on orders.
    pub used: AtomicU64,
    /// Other frames that were read.
    pub other: AtomicU64,
    /// Messages that could not be read.
    pub garbled: AtomicU64,
    /// Lost connections that are retried automatically, and refused ones.
    pub lost: [AtomicU64; 2],
    /// Gaps: something may be missing and is fetched.
    pub gaps: AtomicU64,
    /// Messages dropped because too many waited. Their content is fetched.
    pub dropped: AtomicU64,
    /// Our wall time of the newest data, UTC milliseconds; 0: none yet.
    pub newest: AtomicI64,
    /// Limits how often unreadable messages are logged.
    logged: Sparsely,
    /// Whether each connection is subscribed, by number.
    up: Mutex<Vec<bool>>,
    /// Our wall time since which not all are, UTC milliseconds; 0: all are, or none ever was.
    down: AtomicI64,
}

impl StreamMeter {
    /// Resets it when its actor begins: no connection is up.
    pub fn begin(&self) {
        self.change(Vec::clear);
    }

    /// Counts an event of a connection. `used`: it is of the sort that is used.
    pub fn count<F>(&self, number: usize, event: &Event<F>, used: bool) {
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
                if let Some(left_out) = self.logged.due() {
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

    /// Wall time since which not all its connections are subscribed, UTC milliseconds; 0: they
    /// never were. None: all are subscribed.
    #[must_use]
    pub fn down_since(&self) -> Option<UtcMs> {
        (!self.is_up()).then(|| self.down.load(Relaxed))
    }

    /// Whether there is a connection, and all are subscribed.
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

/// All metrics of the edge.
#[derive(Debug)]
pub struct Meters {
    /// The streams of the market.
    pub market: StreamMeter,
    /// The stream of the account.
    pub private: StreamMeter,
    /// From the venue's timestamp on a bar to its arrival, including the skew of the clocks.
    pub latency: Histogram,
    /// From the append of a close to the announcement of its orders.
    pub decide: Histogram,
    /// From the announcement of orders to its flush to disk.
    pub sync: Histogram,
    /// From the close to the first byte of a request.
    pub total: Histogram,
    /// From the request of an order to its response.
    pub submit: Histogram,
    /// The same for a query of an order.
    pub query: Histogram,
    /// The newest close, and when it was appended.
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
    /// Notes that a close is being appended.
    pub fn close(&self, time: UtcMs) {
        *self.close.lock().unwrap_or_else(PoisonError::into_inner) = Some((time, clock::now()));
    }

    /// When the close of this time was appended; none if the newest close is another one.
    #[must_use]
    pub fn appended_at(&self, time: UtcMs) -> Option<Instant> {
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
        meter.count(1, &Event::<()>::Subscribed, false);
        assert_eq!(meter.down_since(), Some(0), "the other one never was");
        meter.count(0, &Event::<()>::Subscribed, false);
        meter.count(0, &Event::Frame(()), true);
        assert!(meter.down_since().is_none() && meter.newest.load(Relaxed) > 0);
        meter.count(1, &Event::<()>::Lost { why: String::new(), again: true }, false);
        assert!(meter.down_since().is_some_and(|since| since > 0));
        assert_eq!((meter.gaps.load(Relaxed), meter.lost[0].load(Relaxed)), (2, 1));
        meter.begin();
        assert!(!meter.is_up());
    }
}
