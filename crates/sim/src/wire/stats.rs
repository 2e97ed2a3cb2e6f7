//! Statistics over the last minutes: averages, days and other windows.

use super::book::best;
use super::klines::{Forming, forming};
use super::market::prints;
use super::number;
use crate::exchange::Exchange;
use crate::market::{Market, Total};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{Decimal, PRICE_SCALE};
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use serde_json::{Value, json};

/// Minutes of the average price.
const AVERAGE: i64 = 5;

/// Decimals of an average price: those of the tick, at least 8.
fn places(exchange: &Exchange, symbol: Symbol) -> u32 {
    let tick = exchange.instrument(symbol).map(|rules| rules.tick_size.normalize().scale());
    tick.unwrap_or_default().max(PRICE_SCALE.into())
}

/// The average price of the last minutes, by volume.
#[must_use]
pub fn average(
    exchange: &Exchange,
    market: &mut dyn Market,
    symbol: Symbol,
    now: UtcMs,
) -> Option<Value> {
    let (price, closed) = average_price(exchange, market, symbol, now)?;
    Some(json!({"mins": AVERAGE, "price": price, "closeTime": closed}))
}

/// The average price, and the time of the last trade.
fn average_price(
    exchange: &Exchange,
    market: &mut dyn Market,
    symbol: Symbol,
    now: UtcMs,
) -> Option<(String, UtcMs)> {
    let tape = exchange.tape(symbol)?;
    let (Total { volume, quote, .. }, _) =
        visible(exchange, market, symbol, now - AVERAGE * MINUTE, now);
    let price = if volume.is_zero() { tape.last } else { quote / volume };
    let price = number(price.trunc_with_scale(places(exchange, symbol)));
    let last = tape.minute - 1;
    if !market.ticks() || exchange.market() >= last {
        return Some((price, last));
    }
    let bar = market.bars(symbol, tape.minute - MINUTE, tape.minute - MINUTE, 1).pop();
    let newest = bar.and_then(|bar| prints(market, &bar, exchange.market()).pop());
    Some((price, newest.map_or(last, |print| print.time)))
}

/// The message with the average price.
#[must_use]
pub fn average_event(
    exchange: &Exchange,
    market: &mut dyn Market,
    symbol: Symbol,
) -> Option<String> {
    let now = exchange.now();
    let (price, last) = average_price(exchange, market, symbol, now)?;
    Some(format!(
        "{{\"e\":\"avgPrice\",\"E\":{now},\"s\":\"{symbol}\",\"i\":\"{AVERAGE}m\",\
         \"w\":\"{price}\",\"T\":{last}}}"
    ))
}

/// The sum of the bars that are visible now from opening time `from`, including the forming one,
/// which is returned too.
fn visible(
    exchange: &Exchange,
    market: &mut dyn Market,
    symbol: Symbol,
    from: UtcMs,
    now: UtcMs,
) -> (Total, Option<Forming>) {
    let mut total = market.total(symbol, from, exchange.market() - MINUTE);
    let forming = forming(exchange, market, symbol, now).filter(|f| f.bar.open_time >= from);
    if let Some(forming) = &forming {
        total.add(&forming.bar);
    }
    (total, forming)
}

/// The statistics of a day or another window.
#[derive(Clone, Copy, Debug)]
pub struct DayStats {
    symbol: Symbol,
    from: UtcMs,
    to: UtcMs,
    open: Decimal,
    high: Decimal,
    low: Decimal,
    last: Decimal,
    last_quantity: Decimal,
    volume: Decimal,
    quote: Decimal,
    first_id: i64,
    last_id: i64,
    count: i64,
    /// Decimals of an average price.
    places: u32,
}

impl DayStats {
    /// Statistics of the 24 hours before `now`. If nothing was traded, all prices are the last one.
    #[must_use]
    pub fn of(
        exchange: &Exchange,
        market: &mut dyn Market,
        symbol: Symbol,
        now: UtcMs,
    ) -> Option<DayStats> {
        DayStats::since(exchange, market, symbol, now - DAY, now)
    }

    /// Statistics from `from` to `now`. If nothing was traded, all prices are the last one.
    #[must_use]
    pub fn since(
        exchange: &Exchange,
        market: &mut dyn Market,
        symbol: Symbol,
        from: UtcMs,
        now: UtcMs,
    ) -> Option<DayStats> {
        let last = exchange.tape(symbol)?.last;
        let (total, forming) = visible(exchange, market, symbol, from, now);
        let each = market.trades_per_minute();
        let forming = forming.filter(|forming| !forming.bar.volume.is_zero());
        let hidden = forming.map_or(0, |forming| each - forming.released);
        let mut day = DayStats {
            symbol,
            from,
            to: now,
            open: last,
            high: last,
            low: last,
            last,
            last_quantity: Decimal::ZERO,
            volume: total.volume,
            quote: total.quote,
            first_id: -1,
            last_id: -1,
            count: (total.minutes * each - hidden).max(0),
            places: places(exchange, symbol),
        };
        if let Some(traded) = total.traded {
            (day.open, day.high) = (traded.open.decimal(), traded.high.decimal());
            day.low = traded.low.decimal();
            day.first_id = traded.from / MINUTE * each;
            day.last_id = traded.last.open_time / MINUTE * each + each - 1 - hidden;
            let newest = || prints(market, &traded.last, UtcMs::MAX).pop();
            let quantity = forming.map(|forming| forming.last_quantity);
            day.last_quantity = quantity.or_else(|| Some(newest()?.quantity)).unwrap_or_default();
        }
        Some(day)
    }

    fn change(&self) -> (Decimal, Decimal) {
        let change = self.last - self.open;
        let percent = (change * Decimal::ONE_HUNDRED).checked_div(self.open).unwrap_or_default();
        (change, percent.round_dp(3))
    }

    fn average(&self) -> Decimal {
        let average = self.quote.checked_div(self.volume).unwrap_or(self.last);
        average.trunc_with_scale(self.places)
    }

    /// The row of a window: the short row and the price changes.
    #[must_use]
    pub fn window(&self) -> Value {
        let mut row = self.mini();
        let (change, percent) = self.change();
        row["priceChange"] = number(change).into();
        row["priceChangePercent"] = format!("{percent:.3}").into();
        row["weightedAvgPrice"] = number(self.average()).into();
        row
    }

    /// The short row.
    #[must_use]
    pub fn mini(&self) -> Value {
        json!({
            "symbol": self.symbol.as_str(), "openPrice": number(self.open),
            "highPrice": number(self.high), "lowPrice": number(self.low),
            "lastPrice": number(self.last), "volume": number(self.volume),
            "quoteVolume": number(self.quote), "openTime": self.from, "closeTime": self.to,
            "firstId": self.first_id, "lastId": self.last_id, "count": self.count,
        })
    }

    /// The full row.
    #[must_use]
    pub fn full(&self, exchange: &Exchange, rules: &Instrument) -> Value {
        let mut row = self.mini();
        let (change, percent) = self.change();
        let tape = exchange.tape(self.symbol);
        let best = tape.map(|tape| best(tape, rules, exchange.costs()));
        let [bid, bid_quantity, ask, ask_quantity] = best.unwrap_or_default();
        let more = json!({
            "priceChange": number(change), "priceChangePercent": format!("{percent:.3}"),
            "weightedAvgPrice": number(self.average()), "prevClosePrice": number(self.open),
            "lastQty": number(self.last_quantity), "bidPrice": bid, "bidQty": bid_quantity,
            "askPrice": ask, "askQty": ask_quantity,
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut row, more) {
            all.extend(more);
        }
        row
    }

    /// The stream message with the short row.
    #[must_use]
    pub fn mini_event(&self) -> Value {
        json!({
            "e": "24hrMiniTicker", "E": self.to, "s": self.symbol.as_str(),
            "c": number(self.last), "o": number(self.open), "h": number(self.high),
            "l": number(self.low), "v": number(self.volume), "q": number(self.quote),
        })
    }

    /// The stream message of a window, which is named like `1h`.
    #[must_use]
    pub fn window_event(&self, name: &str) -> String {
        let (change, percent) = self.change();
        let texts = [
            ("p", number(change)),
            ("P", format!("{percent:.3}")),
            ("o", number(self.open)),
            ("h", number(self.high)),
            ("l", number(self.low)),
            ("c", number(self.last)),
            ("w", number(self.average())),
            ("v", number(self.volume)),
            ("q", number(self.quote)),
        ];
        let texts = texts.map(|(field, text)| format!("\"{field}\":\"{text}\"")).join(",");
        let &DayStats { symbol, from, to, first_id, last_id, count, .. } = self;
        format!(
            "{{\"e\":\"{name}Ticker\",\"E\":{to},\"s\":\"{symbol}\",{texts},\
             \"O\":{from},\"C\":{to},\"F\":{first_id},\"L\":{last_id},\"n\":{count}}}"
        )
    }

    /// The stream message with the full row.
    #[must_use]
    pub fn event(&self, exchange: &Exchange, rules: &Instrument) -> Value {
        let mut row = self.mini_event();
        let (change, percent) = self.change();
        let tape = exchange.tape(self.symbol);
        let best = tape.map(|tape| best(tape, rules, exchange.costs()));
        let [bid, bid_quantity, ask, ask_quantity] = best.unwrap_or_default();
        let more = json!({
            "e": "24hrTicker", "p": number(change), "P": format!("{percent:.3}"),
            "w": number(self.average()), "x": number(self.open), "Q": number(self.last_quantity),
            "b": bid, "B": bid_quantity, "a": ask, "A": ask_quantity, "O": self.from,
            "C": self.to, "F": self.first_id, "L": self.last_id, "n": self.count,
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut row, more) {
            all.extend(more);
        }
        row
    }
}
