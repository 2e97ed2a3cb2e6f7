//! The response to `GET /global`, and what it means.

use crate::bar_rows::{RowDecimal, number};
use everwarm_domain::dominance::DECIMALS;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{MINUTE, UtcMs, date_of, day_of};
use serde::Deserialize;

/// How far its clock may be ahead of ours, milliseconds.
const AHEAD: UtcMs = 2 * MINUTE;
/// The first possible time, seconds: it began in 2014.
const FIRST_S: i64 = 1_388_534_400;
/// A number of seconds from here on is one of milliseconds: it would be after the year 5000.
const MILLISECONDS: i64 = 100_000_000_000;

/// The response to `GET /global`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Global {
    /// Its only member.
    pub data: Data,
}

/// What it reports of all assets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Data {
    /// Shares in the market capitalisation of all assets.
    pub market_cap_percentage: Percentages,
    /// When it computed them, UTC seconds.
    pub updated_at: i64,
}

/// Shares in percent, by asset. It reports those of the largest assets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Percentages {
    /// The share of BTC.
    #[serde(deserialize_with = "number")]
    pub btc: RowDecimal,
    /// The share of USDT.
    #[serde(deserialize_with = "number")]
    pub usdt: RowDecimal,
}

/// The shares at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// When they were computed, UTC milliseconds.
    pub time: UtcMs,
    /// The share of BTC, percent, at most 8 decimals.
    pub btc: Decimal,
    /// The share of USDT, likewise.
    pub usdt: Decimal,
}

/// The shares of a response that was received at `now`, UTC milliseconds.
///
/// # Errors
/// The time or a share is not possible.
pub fn shares(global: &Global, now: UtcMs) -> Result<Shares, String> {
    let Data { market_cap_percentage: Percentages { btc, usdt }, updated_at } = &global.data;
    let time = time(*updated_at, now)?;
    let (btc, usdt) = (share("btc", btc)?, share("usdt", usdt)?);
    if btc + usdt > Decimal::ONE_HUNDRED {
        return Err(format!("market_cap_percentage: btc {btc} and usdt {usdt} are above 100"));
    }
    Ok(Shares { time, btc, usdt })
}

fn time(seconds: i64, now: UtcMs) -> Result<UtcMs, String> {
    if seconds >= MILLISECONDS {
        return Err(format!("updated_at is {seconds}: milliseconds, and it must be seconds"));
    }
    if seconds < FIRST_S {
        return Err(format!("updated_at is {seconds}: it must be seconds, from 2014 on"));
    }
    let time = seconds * 1_000;
    if time > now.saturating_add(AHEAD) {
        let (ahead, date) = ((time - now) / 1_000, date_of(day_of(time)));
        return Err(format!(
            "updated_at is {seconds} ({date}): {ahead} s in the future. Check the clock of this \
             machine"
        ));
    }
    Ok(time)
}

fn share(name: &str, value: &RowDecimal) -> Result<Decimal, String> {
    let of = |why: String| format!("market_cap_percentage.{name}: {why}");
    let share = value.0.clone().map_err(of)?;
    let rounded = share.round_dp(DECIMALS).normalize();
    if rounded > Decimal::ZERO && rounded <= Decimal::ONE_HUNDRED {
        return Ok(rounded);
    }
    Err(of(format!("{share} is not above 0 and at most 100")))
}
