//! Bars of a minute from raw trades, and from points of a price.
//!
//! The time of a trade selects its minute, never the time at which it was received. The first trade
//! opens a bar and the last one closes it, in their order at the venue. A minute without a trade
//! has no bar: nothing is invented for it. Prices and sums are exact. A trade that is older than
//! its predecessor, or repeats one, is refused.

use everwarm_domain::money::{Decimal, product};
use everwarm_domain::time::{Timeframe, UtcMs};

/// A trade, as a venue reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// When it happened, UTC milliseconds.
    pub time: UtcMs,
    /// Its number at the venue. Later trades have larger ones.
    pub id: u64,
    /// Its price, quote units.
    pub price: Decimal,
    /// Its quantity, base units.
    pub quantity: Decimal,
    /// Whether the buyer's order rested in the book, so that the seller traded actively.
    pub buyer_maker: bool,
}

/// The bar of one minute, from its trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeBar {
    /// Its prices.
    pub prices: PointBar,
    /// The traded quantity, base units.
    pub volume: Decimal,
    /// Price times quantity over all trades, quote units.
    pub quote_volume: Decimal,
    /// The quantity that buyers traded actively, base units.
    pub taker_buy_volume: Decimal,
    /// The number of its first trade.
    pub first_id: u64,
    /// The number of its last trade.
    pub last_id: u64,
}

/// The bar of one minute, from points of a price. Points have no volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointBar {
    /// Its start, UTC milliseconds.
    pub open_time: UtcMs,
    /// The first price.
    pub open: Decimal,
    /// The highest price.
    pub high: Decimal,
    /// The lowest price.
    pub low: Decimal,
    /// The last price.
    pub close: Decimal,
    /// Number of points or trades.
    pub count: u64,
}

/// Makes bars of trades, which come in their order.
#[derive(Clone, Debug, Default)]
pub struct TradeBars {
    present: Option<TradeBar>,
    /// Time and number of the last trade.
    last: Option<(UtcMs, u64)>,
}

/// Makes bars of points, which come in their order.
#[derive(Clone, Debug, Default)]
pub struct PointBars {
    present: Option<PointBar>,
    last: Option<UtcMs>,
}

impl TradeBars {
    /// Takes the next trade. Returns the bar that it completes: that of an earlier minute.
    ///
    /// # Errors
    /// The trade is older than the last one, or repeats it. Or its price is not above 0, its
    /// quantity is below 0, or a sum is not exact in 28 digits. The bars do not change.
    pub fn take(&mut self, trade: &Trade) -> Result<Option<TradeBar>, String> {
        let Trade { time, id, price, quantity, buyer_maker } = *trade;
        if let Some((last, number)) = self.last {
            if id <= number {
                return Err(format!("trade {id} repeats or is before trade {number}"));
            }
            if time < last {
                return Err(format!("trade {id} at {time} is older than trade {number} at {last}"));
            }
        }
        if price <= Decimal::ZERO || quantity < Decimal::ZERO {
            return Err(format!("trade {id}: {quantity} for {price} cannot be traded"));
        }
        let inexact = || format!("trade {id}: its sums are not exact in 28 digits");
        let quote = product(price, quantity).ok_or_else(inexact)?;
        let bought = if buyer_maker { Decimal::ZERO } else { quantity };
        let is_open = |bar: &TradeBar| bar.prices.open_time == minute(time);
        let next = match self.present.filter(is_open) {
            Some(bar) => TradeBar {
                prices: bar.prices.with(price),
                volume: sum(bar.volume, quantity).ok_or_else(inexact)?,
                quote_volume: sum(bar.quote_volume, quote).ok_or_else(inexact)?,
                taker_buy_volume: sum(bar.taker_buy_volume, bought).ok_or_else(inexact)?,
                last_id: id,
                ..bar
            },
            None => TradeBar {
                prices: PointBar::of(time, price),
                volume: quantity,
                quote_volume: quote,
                taker_buy_volume: bought,
                first_id: id,
                last_id: id,
            },
        };
        self.last = Some((time, id));
        Ok(self.present.replace(next).filter(|bar| !is_open(bar)))
    }

    /// The bar of the last minute, which further trades may change.
    #[must_use]
    pub fn present(&self) -> Option<TradeBar> {
        self.present
    }
}

impl PointBars {
    /// Takes the next point. Returns the bar that it completes: that of an earlier minute.
    ///
    /// # Errors
    /// The point is not newer than the last one, or its price is not above 0. The bars do not
    /// change.
    pub fn take(&mut self, time: UtcMs, price: Decimal) -> Result<Option<PointBar>, String> {
        if let Some(last) = self.last.filter(|last| *last >= time) {
            return Err(format!("the point at {time} is not newer than the one at {last}"));
        }
        if price <= Decimal::ZERO {
            return Err(format!("the point at {time}: {price} is not above 0"));
        }
        let is_open = |bar: &PointBar| bar.open_time == minute(time);
        let next = match self.present.filter(is_open) {
            Some(bar) => bar.with(price),
            None => PointBar::of(time, price),
        };
        self.last = Some(time);
        Ok(self.present.replace(next).filter(|bar| !is_open(bar)))
    }

    /// The bar of the last minute, which further points may change.
    #[must_use]
    pub fn present(&self) -> Option<PointBar> {
        self.present
    }
}

impl PointBar {
    fn of(time: UtcMs, price: Decimal) -> PointBar {
        let [open, high, low, close] = [price; 4];
        PointBar { open_time: minute(time), open, high, low, close, count: 1 }
    }

    fn with(self, price: Decimal) -> PointBar {
        let PointBar { high, low, count, .. } = self;
        PointBar {
            high: high.max(price),
            low: low.min(price),
            close: price,
            count: count + 1,
            ..self
        }
    }
}

/// The start of the minute of a time.
fn minute(time: UtcMs) -> UtcMs {
    Timeframe::M1.open_of(time)
}

/// The sum, if it is exact.
fn sum(one: Decimal, other: Decimal) -> Option<Decimal> {
    let sum = one.checked_add(other)?;
    let is_exact = sum.checked_sub(other) == Some(one) && sum.checked_sub(one) == Some(other);
    is_exact.then_some(sum)
}

#[cfg(test)]
#[path = "trade_bars_tests.rs"]
mod tests;
