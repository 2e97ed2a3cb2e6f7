//! Limits of every number that a venue sends. Values beyond them are rejected.
//!
//! The limits are far above the values of any market. They are low enough that sums and products of
//! thousands of such numbers fit a decimal (7.9e28):
//!
//! | number | limit |
//! |---|---|
//! | quantity, balance, volume of a bar | 1e15 base units, not below 0 |
//! | quote amount, volume of a day | 1e18 quote units, not below 0 |
//! | price | above 0, at most 9e10 quote units |
//! | decimals of quantities | 12 |
//! | decimals of prices | 18 |
//! | fee | at most 1e15 units of its asset; a discount may be below 0 |
//! | time | 1970 to 2099 |
//! | name of an asset | 1 to 32 visible characters |
//! | id of an order that a client chose | 1 to 64 characters |
//!
//! Adapters reject values beyond the limits when they decode. Stages check again, because journals
//! of earlier versions may hold such values.

use super::fact::{Body, Market, Operator, Venue};
use super::id::Symbol;
use super::market::Bar;
use super::money::{self, Decimal, PRICE_SCALE_MAX};
use super::order::{Balance, OrderReport, VenueFill};
use super::settings::Settings;
use super::time::UtcMs;
use std::ops::RangeInclusive;

/// Highest quantity, balance, fee or volume of a bar, in units of its asset.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000_000;
/// Highest amount, in quote units.
pub const QUOTE_MAX: i64 = 1_000_000_000_000_000_000;
/// Highest price, in quote units.
pub const PRICE_MAX: i64 = 90_000_000_000;
/// Most decimals of a quantity.
pub const DECIMALS_MAX: u32 = 12;
/// The last instant, UTC milliseconds: the end of 2099.
pub const TIME_MAX: UtcMs = 4_102_444_799_999;
/// Most characters of the name of an asset.
pub const ASSET_MAX: usize = 32;
/// Most characters of an order id that a client chose.
pub const ID_MAX: usize = 64;

/// Checks a quantity, a balance or a volume.
///
/// # Errors
/// Names `what` and the limit.
pub fn amount(what: &str, value: Decimal) -> Result<Decimal, String> {
    within(what, value, Decimal::ZERO, AMOUNT_MAX)
}

/// Checks a price step. Zero means that no step is known.
///
/// # Errors
/// Names `what` and the limit.
pub fn tick(what: &str, value: Decimal) -> Result<Decimal, String> {
    let most = PRICE_SCALE_MAX.into();
    within(what, value, Decimal::ZERO, PRICE_MAX).and_then(|value| short(what, value, most))
}

/// Checks the quantity of an order or a fill.
///
/// # Errors
/// As [`amount`], or it has too many decimals.
pub fn quantity(what: &str, value: Decimal) -> Result<Decimal, String> {
    amount(what, value).and_then(|value| short(what, value, DECIMALS_MAX))
}

/// Checks an amount in quote units.
///
/// # Errors
/// As [`amount`].
pub fn quote(what: &str, value: Decimal) -> Result<Decimal, String> {
    within(what, value, Decimal::ZERO, QUOTE_MAX)
}

/// Checks the price of a trade.
///
/// # Errors
/// As [`quantity`], or it is not above zero.
pub fn price(what: &str, value: Decimal) -> Result<Decimal, String> {
    if value <= Decimal::ZERO {
        return Err(format!("{what} {value} is not above 0"));
    }
    let most = PRICE_SCALE_MAX.into();
    within(what, value, Decimal::ZERO, PRICE_MAX).and_then(|value| short(what, value, most))
}

/// Checks a fee. A fee below zero is a discount.
///
/// # Errors
/// As [`amount`].
pub fn fee(what: &str, value: Decimal) -> Result<Decimal, String> {
    within(what, value, -Decimal::from(AMOUNT_MAX), AMOUNT_MAX)
}

/// Checks an instant, UTC milliseconds.
///
/// # Errors
/// Names `what` and the limits.
pub fn time(what: &str, value: UtcMs) -> Result<UtcMs, String> {
    if (0..=TIME_MAX).contains(&value) {
        return Ok(value);
    }
    Err(format!("{what} {value} is not a time from 1970 to 2099"))
}

/// Checks the name of an asset.
///
/// # Errors
/// The name is empty, too long or has invisible characters. The error quotes it.
pub fn asset(name: &str) -> Result<(), String> {
    let visible = name.chars().all(|c| !c.is_control() && !c.is_whitespace());
    let length = name.chars().take(ASSET_MAX + 1).count();
    if visible && (1..=ASSET_MAX).contains(&length) {
        return Ok(());
    }
    let shown: String = name.chars().filter(|c| !c.is_control()).take(ASSET_MAX).collect();
    Err(format!("{shown:?} is not the name of an asset"))
}

/// Checks an order id that a client chose.
///
/// # Errors
/// It is empty or too long.
pub fn client_id(id: &str) -> Result<(), String> {
    let fits = (1..=ID_MAX).contains(&id.len());
    if fits { Ok(()) } else { Err(format!("a client order id has 1 to {ID_MAX} characters")) }
}

/// Checks a balance of an account.
///
/// # Errors
/// Names the asset, the field and the limit.
pub fn balance(it: &Balance) -> Result<(), String> {
    let checked = amount("free", it.free).and(amount("locked", it.locked));
    checked.map(drop).map_err(|why| format!("balance of {}: {why}", it.asset))
}

/// Checks a bar.
///
/// # Errors
/// Names the symbol, the bar, the field and the limit.
pub fn bar(it: &Bar) -> Result<(), String> {
    let checked = time("open time", it.open_time).and(amount("volume", it.volume).map(drop));
    let prices = [("open", it.open), ("high", it.high), ("low", it.low), ("close", it.close)];
    let mut prices = prices.into_iter().map(|(name, value)| price(name, value.decimal()));
    let wrong = prices.find_map(Result::err).map_or(Ok(()), Err);
    checked
        .and(wrong)
        .and_then(|()| it.fits())
        .map_err(|why| format!("{} kline {}: {why}", it.symbol, it.open_time))
}

/// Checks the numbers of an order report and of its fills, but not their times.
///
/// # Errors
/// Names the order, the field and the limit.
pub fn report(it: &OrderReport) -> Result<(), String> {
    let check = || {
        quantity("quantity", it.quantity)?;
        quantity("executed quantity", it.executed)?;
        quote("executed quote amount", it.executed_quote)?;
        let mut filled = Decimal::ZERO;
        for fill in &it.fills {
            fill_of(it, fill)?;
            filled = filled.saturating_add(fill.quantity);
        }
        if !it.quantity.is_zero() && filled > it.quantity {
            return Err(format!("fills of {filled} are more than the ordered {}", it.quantity));
        }
        Ok(())
    };
    check().map_err(|why| format!("order {} in {}: {why}", it.venue_order_id, it.symbol))
}

/// Checks the times of an order report and of its fills.
///
/// # Errors
/// Names the order and the allowed times.
pub fn times(it: &OrderReport, allowed: &RangeInclusive<UtcMs>) -> Result<(), String> {
    let all = it.fills.iter().map(|fill| (Some(&fill.trade_id), fill.time));
    let wrong = all.chain([(None, it.time)]).find(|(_, time)| !allowed.contains(time));
    let Some((trade, time)) = wrong else { return Ok(()) };
    let trade = trade.map_or(String::new(), |id| format!(", trade {id}"));
    let (order, symbol) = (&it.venue_order_id, it.symbol);
    let (from, to) = allowed.clone().into_inner();
    Err(format!("order {order} in {symbol}{trade}: time {time} is not from {from} to {to}"))
}

fn fill_of(it: &OrderReport, trade: &VenueFill) -> Result<(), String> {
    fill(it.symbol, trade).map_err(|why| format!("trade {}: {why}", trade.trade_id))
}

/// Checks the numbers of a fill, but not its time.
///
/// # Errors
/// Names the field and the limit.
pub fn fill(symbol: Symbol, fill: &VenueFill) -> Result<(), String> {
    price("price", fill.price)?;
    quantity("quantity", fill.quantity)?;
    if fill.quantity.is_zero() {
        return Err("its quantity is 0".to_owned());
    }
    let Some(worth) = money::product(fill.price, fill.quantity) else {
        let (price, quantity) = (fill.price, fill.quantity);
        return Err(format!("price {price} x quantity {quantity} is not exact in 28 digits"));
    };
    let worth = quote("price x quantity", worth)?;
    fee("fee", fill.fee)?;
    // A fee in a traded asset is at most the traded amount.
    let (symbol, asset) = (symbol.as_str(), fill.fee_asset.as_str());
    let base = symbol.starts_with(asset).then_some(fill.quantity);
    let most = base.or(symbol.ends_with(asset).then_some(worth));
    match most {
        Some(most) if !asset.is_empty() && fill.fee.abs() > most => {
            Err(format!("fee {} is more than the {most} that was traded", fill.fee))
        }
        Some(_) | None => Ok(()),
    }
}

/// Lists the values of an input that are beyond the limits, in words. Only journals of earlier
/// versions hold such values.
#[must_use]
pub fn beyond(body: &Body) -> Vec<String> {
    let checks: Vec<Result<(), String>> = match body {
        Body::Market(Market::Close { bars, .. } | Market::HistoryBars { bars, .. }) => {
            bars.iter().map(bar).collect()
        }
        Body::Market(Market::LateBar { bar: late, .. }) => vec![bar(late)],
        Body::Venue(Venue::Account { balances, .. }) => balances.iter().map(balance).collect(),
        Body::Venue(Venue::Reported(reported)) => vec![report(reported)],
        Body::Operator(Operator::ConfigApplied { text, .. }) => {
            vec![Settings::from_text(text).map(drop)]
        }
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => Vec::new(),
    };
    checks.into_iter().filter_map(Result::err).collect()
}

fn within(what: &str, value: Decimal, least: Decimal, most: i64) -> Result<Decimal, String> {
    if value < least {
        return Err(format!("{what} {value} is below {least}"));
    }
    if value > Decimal::from(most) {
        return Err(format!("{what} {value} is above the limit of {most}"));
    }
    Ok(value)
}

fn short(what: &str, value: Decimal, most: u32) -> Result<Decimal, String> {
    if value.normalize().scale() > most {
        return Err(format!("{what} {value} has more than {most} decimals"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::parse_decimal;

    fn dec(text: &str) -> Decimal {
        parse_decimal(text).unwrap()
    }

    #[test]
    fn each_number_has_its_limits_and_an_error_names_the_field() {
        assert!(amount("free", dec("1000000000000000")).is_ok());
        let far = amount("free", dec("1000000000000000.1")).unwrap_err();
        assert_eq!(far, "free 1000000000000000.1 is above the limit of 1000000000000000");
        assert_eq!(amount("free", dec("-0.1")).unwrap_err(), "free -0.1 is below 0");
        assert!(price("price", dec("0.00000001")).is_ok());
        assert!(price("price", Decimal::ZERO).is_err() && price("price", Decimal::MAX).is_err());
        assert!(quantity("quantity", dec("0.0000000000001")).is_err(), "13 decimals");
        assert!(quantity("quantity", dec("1.0000000000000")).is_ok(), "they are zeros");
        assert!(fee("fee", dec("-1")).is_ok() && fee("fee", Decimal::MIN).is_err());
        assert!(time("t", 0).is_ok() && time("t", -1).is_err() && time("t", i64::MAX).is_err());
        assert!(asset("1000SATS").is_ok() && asset("币安人生").is_ok());
        assert!(["", "A\u{1b}[2J", "A B", &"A".repeat(33)].iter().all(|a| asset(a).is_err()));
    }
}
