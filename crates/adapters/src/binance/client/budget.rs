//! The venue's limits in the client: which requests may be sent, and how long others wait.

use super::{BinanceClient, Cost, Patience};
use crate::binance::error::Kind;
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use everwarm_venue::clock::Pace;
use everwarm_venue::port::{ErrorClass, MayPlace, TimeSample, VenueError};
use everwarm_venue::rate_limit::{
    Care, ConnectionLimit, DAY_MS, Hold, OrderLimit, Priority, SHORT_MS, Spent, WINDOW, WaitMs,
    WeightLimit,
};
use everwarm_venue::transport::HttpAnswer;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// How long an impatient read still waits, milliseconds. Another attempt would cost more.
const SOON: u64 = 20;

/// The priority of an order by its side.
pub(super) fn priority(side: Side) -> Priority {
    match side {
        Side::Buy => Priority::Entry,
        Side::Sell => Priority::Stop,
    }
}

impl BinanceClient {
    /// Whether a connection of this weight may be opened now. It checks the weight, its own share
    /// of connections, and that of all connections, also of earlier processes. It saves the
    /// connection before it is opened. A venue whose time stands has no such limit.
    ///
    /// # Errors
    /// How long to wait, milliseconds.
    pub fn admit_connection(&self, own: &mut ConnectionLimit, weight: u32) -> Result<(), u64> {
        if !self.moves() {
            return Ok(());
        }
        let now = self.real();
        let wait = match self.admit_weight(now, weight) {
            Ok(()) => None,
            Err(Hold::Wait(wait)) => Some(wait.0),
            Err(Hold::Ask) => Some(SOON),
        };
        if let Some(wait) = wait {
            self.waits(now, wait);
            return Err(wait);
        }
        let mut connections = self.connections();
        let admitted = own.admit(now).and_then(|()| connections.admit(now));
        admitted.inspect_err(|wait| self.waits(now, wait.0)).map_err(|wait| wait.0)?;
        self.note(&connections, Care::Synced);
        Ok(())
    }

    /// A connection without weight needs no count, but waits for a ban, too.
    fn admit_weight(&self, now: UtcMs, weight: u32) -> Result<(), Hold> {
        let mut limit = self.limit();
        limit.silent(now).map_err(Hold::Wait)?;
        if weight == 0 { Ok(()) } else { limit.admit(now, weight, Priority::Fills) }
    }

    /// The venue requested a wait on a stream, milliseconds. It applies to every request, and to
    /// later processes.
    pub fn limited(&self, wait_ms: u64) {
        self.limit().block(self.real(), wait_ms);
        self.note(&self.connections(), Care::Synced);
    }

    /// Whether the venue has reported the used weight, so that requests with weight may be booked.
    #[must_use]
    pub fn knows_count(&self) -> bool {
        !self.moves() || self.limit().is_known()
    }

    /// Which orders of these sides may be sent now. Orders that close a position come first. It
    /// checks the weight, the order counts and the venue's waits. It books nothing.
    #[must_use]
    pub fn may_place(&self, sides: &[Side]) -> MayPlace {
        let now = self.real();
        let (mut weight, mut orders) = (self.limit().clone(), self.orders().clone());
        let mut may = MayPlace { now: vec![false; sides.len()], wait: None };
        for turn in [Side::Sell, Side::Buy] {
            for (at, side) in sides.iter().enumerate().filter(|(_, side)| **side == turn) {
                let by_weight = match weight.admit(now, 0, priority(*side)) {
                    Err(Hold::Wait(wait)) => Err(wait),
                    // The first order sent checks whether a ban still applies.
                    Ok(()) | Err(Hold::Ask) => Ok(()),
                };
                match by_weight.and_then(|()| orders.admit(now, priority(*side))) {
                    Ok(()) => may.now[at] = true,
                    Err(wait) => may.wait = Some(may.wait.map_or(wait.0, |w| w.min(wait.0))),
                }
            }
        }
        if let Some(wait) = may.wait {
            self.waits(now, wait);
        }
        may
    }

    /// The waits that the venue requested, for all requests and for orders: the end, and the time
    /// of the next request, UTC milliseconds.
    #[must_use]
    pub fn banned(&self) -> [Option<(UtcMs, UtcMs)>; 2] {
        let now = self.real();
        [self.limit().banned(now), self.orders().banned(now)]
    }

    /// Ends such waits by command of an operator. The next request shows whether the venue agrees.
    /// Returns whether there was one.
    pub fn clear_bans(&self) -> bool {
        let were = self.banned().iter().any(Option::is_some);
        self.limit().clear();
        self.orders().clear();
        self.0.waiting.store(i64::MIN, Relaxed);
        self.note(&self.connections(), Care::Synced);
        were
    }

    /// Saves the counts. The lock on `connections` prevents concurrent saves.
    pub(super) fn note(&self, connections: &ConnectionLimit, care: Care) {
        let banned_until = self.limit().blocked_until();
        let (orders_until, orders) = {
            let orders = self.orders();
            (orders.blocked_until(), orders.noted())
        };
        let connections = connections.opened().clone();
        let spent = Spent { banned_until, connections, orders_until, orders };
        (self.0.config.note.write)(&spent, care);
    }

    fn waits(&self, now: UtcMs, wait: u64) {
        let until = now.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX));
        if wait >= 1000 && self.0.waiting.fetch_max(until, Relaxed) < now {
            tracing::warn!("waiting for venue budget, {} s", wait.div_ceil(1000));
        }
    }

    /// How long a request still waits for the venue's budget, seconds; none if none waits.
    #[must_use]
    pub fn waiting(&self) -> Option<i64> {
        let left = self.0.waiting.load(Relaxed).saturating_sub(self.real());
        (left > 0).then_some(left.saturating_add(999) / 1000)
    }

    /// Share of this minute's budget that is used, 0 to 1.
    #[must_use]
    pub fn used(&self) -> f64 {
        let now = self.real();
        self.limit().used_share(now)
    }

    /// The clock that the venue's windows are aligned to, UTC milliseconds.
    pub(super) fn real(&self) -> UtcMs {
        self.0.config.clock.lock().real((self.0.config.wall)())
    }

    /// The cheapest request: its response has the count of weight.
    fn ask_count(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<TimeSample, VenueError>> + Send + '_>> {
        Box::pin(self.server_time())
    }

    /// Books the weight of a request. A patient read waits for its turn. An order does not wait: it
    /// was signed for this moment.
    pub(super) async fn admitted(
        &self,
        kind: Kind,
        Cost(weight, priority): Cost,
    ) -> Result<(), VenueError> {
        let patience = match self.1 {
            Patience::Waits => WINDOW.unsigned_abs(),
            Patience::Returns => SOON,
        };
        loop {
            let now = self.real();
            let admitted = self.limit().admit(now, weight, priority);
            let wait = match admitted {
                Ok(()) => return Ok(()),
                Err(Hold::Wait(wait)) => wait,
                Err(Hold::Ask) => {
                    self.ask_count().await?;
                    continue;
                }
            };
            self.waits(now, wait.0);
            if kind != Kind::Read || wait.0 > patience {
                return Err(spent(wait, "the venue's request weight is used up"));
            }
            tokio::time::sleep(Duration::from_millis(wait.0)).await;
        }
    }

    /// Books an order that is sent now.
    pub(super) fn slot(&self, Cost(_, priority): Cost) -> Result<Slot<'_>, VenueError> {
        let now = self.real();
        let (admitted, is_to_be_noted) = {
            let mut orders = self.orders();
            (orders.admit(now, priority), orders.is_to_be_noted())
        };
        admitted.map_err(|wait| {
            self.waits(now, wait.0);
            spent(wait, "the venue takes no more orders for now")
        })?;
        let slot = Slot { client: self, sent: now, counts: Vec::new() };
        if is_to_be_noted {
            // Before the order is sent, but without waiting for the disk, since this delays the
            // order.
            self.note(&self.connections(), Care::Quick);
        }
        Ok(slot)
    }

    /// Whether the venue's time passes automatically.
    pub(super) fn moves(&self) -> bool {
        !matches!(self.0.config.clock.lock().pace(), Pace::Manual(_))
    }

    pub(super) fn limit(&self) -> MutexGuard<'_, WeightLimit> {
        self.0.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn orders(&self) -> MutexGuard<'_, OrderLimit> {
        self.0.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn connections(&self) -> MutexGuard<'_, ConnectionLimit> {
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spent(wait: WaitMs, text: &str) -> VenueError {
    let class = ErrorClass::RateLimited { retry_after_ms: wait.0 };
    VenueError { class, code: 0, text: text.to_owned() }
}

/// A request that may be the first. However it ends, others then stop waiting for it.
pub(super) struct First<'a>(pub(super) &'a BinanceClient);

impl Drop for First<'_> {
    fn drop(&mut self) {
        self.0.limit().unobserved();
    }
}

/// An order in flight. Its end is counted, whatever it is.
pub(super) struct Slot<'a> {
    client: &'a BinanceClient,
    sent: UtcMs,
    counts: Vec<(UtcMs, u32)>,
}

impl Slot<'_> {
    /// Takes the counts from the response.
    pub(super) fn take_counts(mut self, answer: &HttpAnswer) {
        let counts = [(SHORT_MS, answer.orders_short), (DAY_MS, answer.orders_day)];
        self.counts.extend(counts.into_iter().filter_map(|(width, count)| Some((width, count?))));
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let now = self.client.real();
        self.client.orders().landed(self.sent, now, &self.counts);
    }
}
