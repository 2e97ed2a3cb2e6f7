//! The venue's limit in the client: requests of a minute, counted for each account.

use super::{AlpacaClient, Patience};
use crate::alpaca::error::Kind;
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use everwarm_venue::clock::Pace;
use everwarm_venue::port::{ErrorClass, MayPlace, VenueError};
use everwarm_venue::rate_limit::{
    Care, ConnectionLimit, Hold, Priority, Spent, WINDOW, WeightLimit,
};
use everwarm_venue::transport::HttpAnswer;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

/// Requests of a minute: <https://docs.alpaca.markets/docs/usage-limit-api-calls>. Responses report
/// the limit of larger plans.
const USUAL: u32 = 200;
/// How long an impatient read still waits, milliseconds.
const SOON: u64 = 20;

/// The priority of an order by its side.
pub(super) fn priority(side: Side) -> Priority {
    match side {
        Side::Buy => Priority::Entry,
        Side::Sell => Priority::Stop,
    }
}

/// A counter that admits nothing before `until`, UTC milliseconds. `times` is the factor of the
/// limits.
pub(super) fn new(until: UtcMs, times: usize) -> WeightLimit {
    let mut limit = WeightLimit::after(until, times);
    let times = u32::try_from(times.max(1)).unwrap_or(u32::MAX);
    limit.set_limit(USUAL.saturating_mul(times));
    limit.uncounted();
    limit
}

impl AlpacaClient {
    /// The clock that the venue's windows are aligned to, UTC milliseconds.
    pub(super) fn real(&self) -> UtcMs {
        self.0.clock.lock().real((self.0.wall)())
    }

    fn limit(&self) -> MutexGuard<'_, WeightLimit> {
        self.0.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the venue's time passes automatically.
    fn moves(&self) -> bool {
        !matches!(self.0.clock.lock().pace(), Pace::Manual(_))
    }

    /// Books a request. A patient read waits for its turn. An order does not wait: it was decided
    /// for this moment.
    pub(super) async fn admitted(&self, kind: Kind, priority: Priority) -> Result<(), VenueError> {
        let patience = match self.1 {
            Patience::Waits => WINDOW.unsigned_abs(),
            Patience::Returns => SOON,
        };
        while self.moves() {
            let now = self.real();
            let wait = match self.limit().admit(now, 1, priority) {
                Ok(()) => break,
                Err(Hold::Wait(wait)) => wait.0,
                Err(Hold::Ask) => SOON,
            };
            self.waits(now, wait);
            if kind != Kind::Read || wait > patience {
                let class = ErrorClass::RateLimited { retry_after_ms: wait };
                let text = "the venue's requests of this minute are used up".to_owned();
                return Err(VenueError::new(class, 0, text));
            }
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        Ok(())
    }

    /// Adopts the venue's count from the response to a request sent at `sent`.
    pub(super) fn observe(&self, sent: UtcMs, answer: &HttpAnswer) {
        let now = self.real();
        let mut limit = self.limit();
        if let Some((most, left)) = answer.limit.zip(answer.limit_remaining) {
            limit.set_limit(most);
            limit.observe(sent, now, most.saturating_sub(left));
        }
        let ended = (200..300).contains(&answer.status) && limit.passed();
        drop(limit);
        if ended {
            tracing::info!("the venue takes requests again");
            self.note();
        }
    }

    /// How long the venue's limit still holds by a response, milliseconds.
    pub(super) fn asked_wait(&self, answer: &HttpAnswer) -> Option<u64> {
        let reset = answer.limit_reset_s.and_then(|s| i64::try_from(s).ok()?.checked_mul(1_000));
        let by_reset = reset.and_then(|at| u64::try_from(at.saturating_sub(self.real())).ok());
        answer.retry_after_s.map(|s| s.saturating_mul(1_000)).or(by_reset)
    }

    /// Sends nothing for this time, milliseconds, also in later processes.
    pub(super) fn block(&self, wait_ms: u64) {
        tracing::warn!(wait_ms, "the venue wants fewer requests");
        self.limit().block(self.real(), wait_ms);
        self.note();
    }

    fn note(&self) {
        let banned_until = self.limit().blocked_until();
        let spent = Spent { banned_until, ..self.0.note.before.clone() };
        (self.0.note.write)(&spent, Care::Synced);
    }

    fn waits(&self, now: UtcMs, wait: u64) {
        let until = now.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX));
        if wait >= 1000 && self.0.waiting.fetch_max(until, Relaxed) < now {
            tracing::warn!("waiting for venue budget, {} s", wait.div_ceil(1000));
        }
    }

    /// Whether a connection may be opened now.
    ///
    /// # Errors
    /// How long to wait, milliseconds.
    pub(in crate::alpaca) fn admit_connection(&self, own: &mut ConnectionLimit) -> Result<(), u64> {
        if !self.moves() {
            return Ok(());
        }
        let now = self.real();
        self.limit().silent(now).map_err(|wait| wait.0)?;
        own.admit(now).map_err(|wait| wait.0)
    }

    /// The venue requested a wait on a stream, milliseconds. Requests go on: they have a limit of
    /// their own.
    pub(in crate::alpaca) fn limited(wait_ms: u64) {
        tracing::warn!(wait_ms, "the venue accepts no connection for a while");
    }

    /// Which orders of these sides may be sent now. It books nothing.
    pub(in crate::alpaca) fn may_place(&self, sides: &[Side]) -> MayPlace {
        let mut may = MayPlace { now: vec![true; sides.len()], wait: None };
        if !self.moves() {
            return may;
        }
        let now = self.real();
        let mut limit = self.limit().clone();
        for turn in [Side::Sell, Side::Buy] {
            for (at, _) in sides.iter().enumerate().filter(|(_, side)| **side == turn) {
                let wait = match limit.admit(now, 1, priority(turn)) {
                    // The first order sent checks whether a ban still applies.
                    Ok(()) | Err(Hold::Ask) => continue,
                    Err(Hold::Wait(wait)) => wait.0,
                };
                may.now[at] = false;
                may.wait = Some(may.wait.map_or(wait, |least: u64| least.min(wait)));
            }
        }
        if let Some(wait) = may.wait {
            self.waits(now, wait);
        }
        may
    }

    /// The waits that the venue requested: those for orders are those for all requests.
    pub(in crate::alpaca) fn banned(&self) -> [Option<(UtcMs, UtcMs)>; 2] {
        [self.limit().banned(self.real()), None]
    }

    /// Ends such waits by command of an operator. Returns whether there was one.
    pub(in crate::alpaca) fn clear_bans(&self) -> bool {
        let was = self.banned()[0].is_some();
        self.limit().clear();
        self.0.waiting.store(i64::MIN, Relaxed);
        self.note();
        was
    }

    /// How long a request still waits for the budget, seconds; none if none waits.
    pub(in crate::alpaca) fn waiting(&self) -> Option<i64> {
        let left = self.0.waiting.load(Relaxed).saturating_sub(self.real());
        (left > 0).then_some(left.saturating_add(999) / 1000)
    }

    /// Share of this minute's budget that is used, 0 to 1.
    pub(in crate::alpaca) fn used(&self) -> f64 {
        let now = self.real();
        self.limit().used_share(now)
    }
}
