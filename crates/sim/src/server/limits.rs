//! The venue's request limits, counted in wall time over fixed windows. The windows follow the
//! clock: a minute ends at a full minute, not sixty seconds after a request.

use super::port;
use crate::wire::error::ApiError;
use crate::wire::info::Limits;
use everwarm_runtime::clock;
use everwarm_runtime::files::write_whole;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// Name of the file with the used limits, in the directory of the books.
pub const FILE: &str = "limits.json";

/// Refusals in one minute, of requests and of orders, before the address is banned.
pub const PATIENCE: u64 = 10;
/// Length of the first ban, seconds; each next one is twice as long.
pub const BAN: u64 = 120;
/// Length of the longest ban, seconds.
pub const BAN_MAX: u64 = 3 * 86_400;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    length: u64,
    number: u64,
    used: u64,
}

impl Spent {
    /// Writes the used limits into a directory.
    ///
    /// # Errors
    /// The error of the file system.
    pub fn keep(&self, dir: &Path) -> io::Result<()> {
        write_whole(&dir.join(FILE), &serde_json::to_vec(self)?)
    }
}

/// Prepares `dir` so that an exchange starts with `orders` already counted in the current 10 s.
///
/// # Errors
/// The error of the file system.
pub fn prepare(dir: &Path, orders: u64) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let mut counters = Counters::new(Limits::scaled(1));
    *counters.spent.orders.at(seconds()) = orders;
    counters.spent().keep(dir)
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

/// The used limits, as they are saved for a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    weight: Window,
    requests: Window,
    connections: Window,
    refused: Window,
    orders: Window,
    orders_day: Window,
    banned_until: u64,
    next_ban: u64,
}

/// The limits, and how much of them is used.
#[derive(Debug)]
pub struct Counters {
    limits: Limits,
    spent: Spent,
    /// Refusals for a limit since the process started.
    over: u64,
}

/// The used limits that the headers of a response show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Weight of this minute.
    pub weight: u64,
    /// Unfilled orders of the current 10 s and day, for requests that place orders.
    pub orders: Option<(u64, u64)>,
    /// Seconds to wait, if a limit is reached.
    pub retry_after: Option<u64>,
}

/// The requests of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Most of them.
    pub limit: u64,
    /// How many are left.
    pub left: u64,
    /// End of the minute, UTC seconds.
    pub reset: u64,
}

/// The wall clock in seconds.
#[must_use]
pub fn seconds() -> u64 {
    u64::try_from(clock::wall().utc() / 1000).unwrap_or(0)
}

impl Counters {
    /// Counters with nothing used.
    #[must_use]
    pub fn new(limits: Limits) -> Counters {
        let spent = Spent {
            weight: Window::new(60),
            requests: Window::new(300),
            connections: Window::new(300),
            refused: Window::new(60),
            orders: Window::new(10),
            orders_day: Window::new(86_400),
            banned_until: 0,
            next_ban: BAN,
        };
        Counters { limits, spent, over: 0 }
    }

    /// Counters with the used limits that an earlier process saved.
    ///
    /// # Errors
    /// The file is damaged. The text names the file and the remedy.
    pub fn restored(limits: Limits, dir: &Path) -> io::Result<Counters> {
        let mut counters = Counters::new(limits);
        let file = dir.join(FILE);
        let remedy = "remove the file: the exchange then counts its limits from zero";
        if let Some(spent) = port::read_json(&file, remedy)? {
            counters.spent = spent;
        }
        Ok(counters)
    }

    /// The used limits, to save them.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.spent.clone()
    }

    /// How many requests, connections and orders were refused for a limit since the process began.
    #[must_use]
    pub fn over(&self) -> u64 {
        self.over
    }

    /// Counts a connection that is dropped because it sent too many messages.
    pub fn dropped(&mut self) {
        self.over += 1;
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes `weight` for a request at `now`, in seconds.
    ///
    /// # Errors
    /// -1003 with status 429 if the weight exceeds a window, or with status 418 if the address is
    /// banned.
    pub fn weigh(&mut self, weight: u64, now: u64) -> Result<Used, (ApiError, Used)> {
        let mut used = Used { weight: *self.spent.weight.at(now), ..Used::default() };
        if now < self.spent.banned_until {
            used.retry_after = Some(self.spent.banned_until - now);
            self.over += 1;
            return Err((banned(self.spent.banned_until), used));
        }
        *self.spent.requests.at(now) += 1;
        *self.spent.weight.at(now) += weight;
        used.weight = *self.spent.weight.at(now);
        let (text, left) = if used.weight > self.limits.weight {
            (
                format!("{} request weight per 1 MINUTE", self.limits.weight),
                self.spent.weight.left(now),
            )
        } else if *self.spent.requests.at(now) > self.limits.requests {
            (
                format!("{} requests per 5 MINUTE", self.limits.requests),
                self.spent.requests.left(now),
            )
        } else {
            return Ok(used);
        };
        used.retry_after = Some(left);
        let error = self.refuse(&mut used, now).unwrap_or_else(|| too_much(&text));
        Err((error, used))
    }

    /// Takes one of `limit` requests of the minute at `now`, in seconds. For protocols that count
    /// requests and know no weight.
    ///
    /// # Errors
    /// None is left.
    pub fn take(&mut self, limit: u64, now: u64) -> Result<Quota, Quota> {
        let reset = now + self.spent.weight.left(now);
        let used = self.spent.weight.at(now);
        if *used >= limit {
            self.over += 1;
            return Err(Quota { limit, left: 0, reset });
        }
        *used += 1;
        Ok(Quota { limit, left: limit - *used, reset })
    }

    /// Counts a refusal. Returns the error of a ban if there were too many.
    fn refuse(&mut self, used: &mut Used, now: u64) -> Option<ApiError> {
        self.over += 1;
        *self.spent.refused.at(now) += 1;
        if *self.spent.refused.at(now) <= PATIENCE {
            return None;
        }
        self.spent.banned_until = now + self.spent.next_ban;
        used.retry_after = Some(self.spent.next_ban);
        self.spent.next_ban = (self.spent.next_ban * 2).min(BAN_MAX);
        Some(banned(self.spent.banned_until))
    }

    /// Takes more weight for an admitted request. Returns the used weight.
    pub fn charge(&mut self, weight: u64, now: u64) -> u64 {
        *self.spent.weight.at(now) += weight;
        *self.spent.weight.at(now)
    }

    /// The error of an injected limit or ban for `left` more seconds, independent of the counters.
    #[must_use]
    pub fn limit_error(&self, left: u64, ban: bool, now: u64) -> ApiError {
        if ban {
            return banned(now + left);
        }
        too_much(&format!("{} request weight per 1 MINUTE", self.limits.weight))
    }

    /// Counts a connection attempt at `now`, in seconds.
    ///
    /// # Errors
    /// -1034 if there were too many.
    pub fn connect(&mut self, now: u64) -> Result<(), (ApiError, Used)> {
        *self.spent.connections.at(now) += 1;
        let limit = self.limits.connections;
        if *self.spent.connections.at(now) <= limit {
            return Ok(());
        }
        self.over += 1;
        let msg = format!(
            "Too many connection attempts from IP; current limit is {limit} per '5 MINUTE'."
        );
        let retry_after = Some(self.spent.connections.left(now));
        Err((ApiError::new(-1034, msg), Used { retry_after, ..Used::default() }))
    }

    /// Counts `more` orders at `now`, in seconds.
    ///
    /// # Errors
    /// -1015 if there are too many unfilled orders, or -1003 with status 418 if the address is
    /// banned now.
    pub fn order(&mut self, used: &mut Used, more: u64, now: u64) -> Result<(), ApiError> {
        let (short, day) =
            (*self.spent.orders.at(now) + more, *self.spent.orders_day.at(now) + more);
        let over = if short > self.limits.orders {
            Some((self.limits.orders, "10 SECOND", self.spent.orders.left(now)))
        } else if day > self.limits.orders_day {
            Some((self.limits.orders_day, "1 DAY", self.spent.orders_day.left(now)))
        } else {
            None
        };
        if let Some((limit, every, left)) = over {
            used.orders = Some((short - more, day - more));
            used.retry_after = Some(left);
            let msg = format!("Too many new orders; current limit is {limit} orders per {every}.");
            return Err(self.refuse(used, now).unwrap_or_else(|| ApiError::new(-1015, msg)));
        }
        (*self.spent.orders.at(now), *self.spent.orders_day.at(now)) = (short, day);
        used.orders = Some((short, day));
        Ok(())
    }

    /// Frees the slots of `orders` that got their first fill.
    pub fn filled(&mut self, orders: u64, now: u64) {
        for slot in [self.spent.orders.at(now), self.spent.orders_day.at(now)] {
            *slot = slot.saturating_sub(orders);
        }
    }

    /// Unfilled orders of the current 10 s and day.
    pub fn orders(&mut self, now: u64) -> (u64, u64) {
        (*self.spent.orders.at(now), *self.spent.orders_day.at(now))
    }

    /// The rows in responses of the WebSocket API.
    #[must_use]
    pub fn rows(&self, used: &Used) -> Value {
        let row = |kind: &str, interval: &str, number: u64, limit: u64, count: u64| {
            json!({"rateLimitType": kind, "interval": interval, "intervalNum": number,
                "limit": limit, "count": count})
        };
        let limits = self.limits;
        let mut rows = vec![row("REQUEST_WEIGHT", "MINUTE", 1, limits.weight, used.weight)];
        if let Some((short, day)) = used.orders {
            rows.insert(0, row("ORDERS", "DAY", 1, limits.orders_day, day));
            rows.insert(0, row("ORDERS", "SECOND", 10, limits.orders, short));
        }
        Value::Array(rows)
    }
}

fn banned(until: u64) -> ApiError {
    let msg = format!(
        "Way too much request weight used; IP banned until {}. Please use WebSocket Streams for \
         live updates to avoid bans.",
        until * 1000
    );
    ApiError { status: 418, ..ApiError::new(-1003, msg) }
}

fn too_much(limit: &str) -> ApiError {
    let msg = format!(
        "Too much request weight used; current limit is {limit}. Please use WebSocket Streams for \
         live updates to avoid polling the API."
    );
    ApiError::new(-1003, msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_040;

    fn counters() -> Counters {
        let limits = Limits { weight: 10, requests: 99, connections: 2, orders: 3, orders_day: 9 };
        Counters::new(limits)
    }

    fn refusal(result: Result<Used, (ApiError, Used)>) -> (u16, i32, Option<u64>) {
        let (error, used) = result.expect_err("refused");
        (error.status, error.code, used.retry_after)
    }

    #[test]
    fn a_minute_ends_by_the_clock() {
        let mut counters = counters();
        assert_eq!(counters.weigh(10, NOW + 59).map(|u| u.weight), Ok(10));
        assert_eq!(refusal(counters.weigh(1, NOW + 59)), (429, -1003, Some(1)));
        assert_eq!(counters.weigh(10, NOW + 60).map(|u| u.weight), Ok(10), "a second later");
    }

    #[test]
    fn who_goes_on_is_banned_for_longer_and_longer() {
        let mut counters = counters();
        let mut at = NOW;
        for ban in [BAN, 2 * BAN, 4 * BAN] {
            counters.weigh(10, at).expect("all there is");
            for _ in 0..PATIENCE {
                assert_eq!(refusal(counters.weigh(1, at)), (429, -1003, Some(60 - at % 60)));
            }
            assert_eq!(refusal(counters.weigh(1, at)), (418, -1003, Some(ban)));
            assert_eq!(refusal(counters.weigh(0, at + ban - 1)), (418, -1003, Some(1)));
            at += ban;
            at += 60 - at % 60;
        }
        for _ in 0..20 {
            counters.spent.next_ban = (counters.spent.next_ban * 2).min(BAN_MAX);
        }
        assert_eq!(counters.spent.next_ban, BAN_MAX);
    }

    #[test]
    fn orders_are_counted_until_they_fill() {
        let mut counters = counters();
        let mut used = Used::default();
        counters.order(&mut used, 2, NOW).expect("a pair counts twice");
        assert_eq!(used.orders, Some((2, 2)));
        let refused = counters.order(&mut used, 2, NOW).expect_err("too many");
        assert_eq!((refused.status, refused.code, used.retry_after), (429, -1015, Some(10)));
        assert_eq!(refused.msg, "Too many new orders; current limit is 3 orders per 10 SECOND.");
        counters.filled(1, NOW);
        counters.order(&mut used, 2, NOW).expect("one was filled");
        assert_eq!(counters.orders(NOW + 10), (0, 3));
    }

    #[test]
    fn who_goes_on_placing_orders_is_banned_too() {
        let mut counters = counters();
        let mut used = Used::default();
        counters.order(&mut used, 3, NOW).expect("all there is");
        for _ in 0..PATIENCE {
            assert_eq!(counters.order(&mut used, 1, NOW).map_err(|e| e.code), Err(-1015));
        }
        let banned = counters.order(&mut used, 1, NOW).expect_err("went on");
        assert_eq!((banned.status, banned.code, used.retry_after), (418, -1003, Some(BAN)));
        assert_eq!(refusal(counters.weigh(1, NOW + 1)), (418, -1003, Some(BAN - 1)));
    }

    #[test]
    fn connections_are_counted() {
        let mut counters = counters();
        assert!(counters.connect(NOW).is_ok() && counters.connect(NOW).is_ok());
        assert_eq!(counters.connect(NOW).map_err(|(e, _)| e.code), Err(-1034));
        assert_eq!(counters.over(), 1);
    }

    #[test]
    fn a_damaged_file_is_named_with_what_helps() {
        let name = format!("everwarm-limits-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).expect("a folder");
        let limits = Limits::scaled(1);
        std::fs::write(dir.join(FILE), "{\"weight\":").expect("a file");
        let error = Counters::restored(limits, &dir).expect_err("damaged").to_string();
        let file = dir.join(FILE).display().to_string();
        assert!(error.starts_with(&file) && error.contains("remove the file"), "{error}");
        std::fs::remove_file(dir.join(FILE)).expect("it is there");
        assert!(Counters::restored(limits, &dir).is_ok());
        std::fs::remove_dir_all(&dir).expect("it is there");
    }
}
