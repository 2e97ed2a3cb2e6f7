//! Bars from the numbers of a message.

use everwarm_domain::bounds;
use everwarm_domain::clean::clean;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price, parse_decimal};
use everwarm_domain::time::Timeframe;
use everwarm_venue::port::UnheldBar;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A decimal of one row of many. One that cannot be read affects only its own row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowDecimal(pub Result<Decimal, String>);

impl<'de> Deserialize<'de> for RowDecimal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from).map(|text| RowDecimal(parse_decimal(&text)))
    }
}

impl Serialize for RowDecimal {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(value) => to.collect_str(value),
            Err(why) => to.serialize_str(why),
        }
    }
}

/// A bar. Contradicting prices are judged elsewhere.
///
/// # Errors
/// The values that no type can represent, or that exceed the limits.
pub(crate) fn bar(
    symbol: Symbol,
    open_time: i64,
    prices: [&RowDecimal; 4],
    volume: &RowDecimal,
) -> Result<Bar, UnheldBar> {
    let price = |decimal: &RowDecimal| decimal.0.clone().and_then(Price::exact);
    let make = || -> Result<Bar, String> {
        let [open, high, low, close] = prices;
        let bar = Bar {
            symbol,
            open_time,
            open: price(open)?,
            high: price(high)?,
            low: price(low)?,
            close: price(close)?,
            volume: volume.0.clone()?.normalize(),
        };
        Ok(bar)
    };
    let bar = make().map_err(|e| format!("{symbol} kline {open_time}: {e}"));
    bar.and_then(|bar| bounds::bar(&bar).map(|()| bar)).map_err(|why| {
        let [open, high, low, close] = prices.map(claimed);
        let volume = claimed(volume);
        let text = format!("open {open}, high {high}, low {low}, close {close}, volume {volume}");
        UnheldBar { symbol, open_time, why: clean(&why), claimed: clean(&text) }
    })
}

/// The text of a number, or the reason why it cannot be read.
fn claimed(decimal: &RowDecimal) -> String {
    match &decimal.0 {
        Ok(number) => number.normalize().to_string(),
        Err(why) => why.chars().take(80).collect(),
    }
}

/// Checks the opening time of a bar and its last millisecond.
///
/// # Errors
/// They are not those of a bar of this width.
pub(crate) fn check_width(timeframe: Timeframe, open: i64, close: i64) -> Result<(), String> {
    let aligned = timeframe.open_of(open) == open;
    if aligned && open.checked_add(timeframe.ms() - 1) == Some(close) {
        return Ok(());
    }
    Err(format!("kline {open} to {close} is not a bar of {timeframe}"))
}
