//! Request weight and order counts, in fixed windows aligned to the clock on the wall.

use crate::sim::wire::error::ApiError;
use crate::sim::wire::info::Limits;
use everwarm_runtime::clock;

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    length: u64,
    number: u64,
    used: u64,
}

impl Window {
    fn new(length: u64) -> Window {
        Window { length, ..Window::default() }
    }

    fn at(&mut self, seconds: u64) -> &mut u64 {
        let number = seconds / self.length;
        if self.number != number {
            (self.number, self.used) = (number, 0);
        }
        &mut self.used
    }

    fn left(&self, seconds: u64) -> u64 {
        self.length - seconds % self.length
    }
}

/// What has been used of the limits.
#[derive(Debug)]
pub struct Counters {
    limits: Limits,
    weight: Window,
    orders: Window,
    orders_day: Window,
}

/// What the headers of an answer say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Weight of this minute.
    pub weight: u64,
    /// Unfilled orders of these 10 s and of this day, for requests that place one.
    pub orders: Option<(u64, u64)>,
    /// Seconds to wait, where a limit is reached.
    pub retry_after: Option<u64>,
}

fn seconds() -> u64 {
    u64::try_from(clock::wall_ms() / 1000).unwrap_or(0)
}

impl Counters {
    /// Nothing used yet.
    #[must_use]
    pub fn new(limits: Limits) -> Counters {
        Counters {
            limits,
            weight: Window::new(60),
            orders: Window::new(10),
            orders_day: Window::new(86_400),
        }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes `weight`.
    ///
    /// # Errors
    /// -1003 where that is more than is left of this minute.
    pub fn weigh(&mut self, weight: u64) -> Result<Used, (ApiError, Used)> {
        let now = seconds();
        let used = self.weight.at(now);
        *used += weight;
        let mut says = Used { weight: *used, ..Used::default() };
        if *used <= self.limits.weight {
            return Ok(says);
        }
        says.retry_after = Some(self.weight.left(now));
        let msg = format!(
            "Too much request weight used; current limit is {} request weight per 1 MINUTE. {}",
            self.limits.weight,
            "Please use WebSocket Streams for live updates to avoid polling the API."
        );
        Err((ApiError::new(-1003, msg), says))
    }

    /// Counts an order.
    ///
    /// # Errors
    /// -1015 where there are too many unfilled ones.
    pub fn order(&mut self, used: &mut Used) -> Result<(), ApiError> {
        let now = seconds();
        let (short, day) = (*self.orders.at(now), *self.orders_day.at(now));
        used.orders = Some((short, day));
        let over = if short >= self.limits.orders {
            Some((self.limits.orders, "10 SECOND", self.orders.left(now)))
        } else if day >= self.limits.orders_day {
            Some((self.limits.orders_day, "1 DAY", self.orders_day.left(now)))
        } else {
            None
        };
        if let Some((limit, every, left)) = over {
            used.retry_after = Some(left);
            let msg = format!("Too many new orders; current limit is {limit} orders per {every}.");
            return Err(ApiError::new(-1015, msg));
        }
        *self.orders.at(now) += 1;
        *self.orders_day.at(now) += 1;
        used.orders = Some((short + 1, day + 1));
        Ok(())
    }

    /// Gives the slot of an order back that got a fill.
    pub fn filled(&mut self, used: &mut Used) {
        let now = seconds();
        let slots = [self.orders.at(now), self.orders_day.at(now)];
        let [short, day] = slots.map(|slot| {
            *slot = slot.saturating_sub(1);
            *slot
        });
        used.orders = Some((short, day));
    }
}
