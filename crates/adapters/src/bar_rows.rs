//! Bars from the numbers of a message, and the order of its rows.

use everwarm_domain::bounds;
use everwarm_domain::clean::clean;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price, parse_decimal};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_venue::port::{Bars, UnheldBar};
use everwarm_venue::source::BarRange;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Longest text of a JSON number that is read, characters.
const NUMBER_MAX: usize = 64;

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

/// Reads a decimal that a message has as a JSON number, without rounding it to a float.
///
/// # Errors
/// The value is no number. A number that no decimal can represent affects only its own row.
pub fn number<'de, D: Deserializer<'de>>(from: D) -> Result<RowDecimal, D::Error> {
    let text = <&RawValue>::deserialize(from)?.get();
    if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Ok(RowDecimal(exact(text)));
    }
    let found = match text.chars().next() {
        Some('"') => "a string",
        Some('{') => "an object",
        Some('[') => "a list",
        Some(_) | None => text,
    };
    Err(D::Error::custom(format!("invalid type: {found}, expected a number")))
}

/// The decimal of a JSON number, which may have an exponent.
pub(crate) fn exact(text: &str) -> Result<Decimal, String> {
    if text.len() > NUMBER_MAX {
        return Err(format!("a number of {} characters", text.len()));
    }
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else { return parse_decimal(text) };
    let beyond = || format!("{text} is beyond every limit");
    let exponent: i32 = exponent.parse().map_err(|_| beyond())?;
    let digits = parse_decimal(digits)?.normalize();
    let scale = i64::from(digits.scale()) - i64::from(exponent);
    let (units, scale) = if let Ok(scale) = u32::try_from(scale) {
        (Some(digits.mantissa()), scale)
    } else {
        let power = u32::try_from(-scale).ok().and_then(|zeros| 10_i128.checked_pow(zeros));
        (power.and_then(|power| digits.mantissa().checked_mul(power)), 0)
    };
    let value = units.and_then(|units| Decimal::try_from_i128_with_scale(units, scale).ok());
    value.ok_or_else(beyond)
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

/// The rows of a response, one after the other. They may come in several parts.
pub struct Rows<'a> {
    range: &'a BarRange,
    last: Option<UtcMs>,
    count: usize,
    bars: Bars,
}

impl<'a> Rows<'a> {
    /// No rows of a range.
    #[must_use]
    pub fn of(range: &'a BarRange) -> Rows<'a> {
        Rows { range, last: None, count: 0, bars: Bars::default() }
    }

    /// Adds the next row. A row just beside the range is left out: some sources also send the bar
    /// that holds the start or the end.
    ///
    /// # Errors
    /// No bar of the width opens at this time, it is not after the row before, or nobody requested
    /// it.
    pub fn add(
        &mut self,
        time: UtcMs,
        prices: [&RowDecimal; 4],
        volume: &RowDecimal,
    ) -> Result<(), String> {
        let BarRange { symbol, timeframe, times } = self.range;
        if timeframe.open_of(time) != time {
            return Err(format!("{symbol}: no bar of {timeframe} opens at {time}"));
        }
        if self.last.replace(time).is_some_and(|last| last >= time) {
            return Err(format!("{symbol}: bar {time} is out of order"));
        }
        self.count += 1;
        if !times.contains(&time) {
            let from = times.start().saturating_sub(timeframe.ms());
            let to = times.end().saturating_add(timeframe.ms());
            if (from..=to).contains(&time) {
                return Ok(());
            }
            let (from, to) = (times.start(), times.end());
            return Err(format!("{symbol}: bar {time} is not from {from} to {to}"));
        }
        match bar(*symbol, time, prices, volume) {
            Ok(bar) => self.bars.held.push(bar),
            Err(unheld) => self.bars.unheld.push(unheld),
        }
        Ok(())
    }

    /// Rows so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Its bars.
    #[must_use]
    pub fn into_bars(self) -> Bars {
        self.bars
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::from_str;

    #[derive(Deserialize)]
    struct One {
        #[serde(deserialize_with = "number")]
        n: RowDecimal,
    }

    fn read(text: &str) -> Result<Result<String, String>, String> {
        let one = from_str::<One>(&format!("{{\"n\":{text}}}"));
        let plain = |one: One| one.n.0.map(|value| value.normalize().to_string());
        one.map(plain).map_err(|e| e.to_string())
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (text, value) in [
            ("174", "174"),
            ("3376.3001", "3376.3001"),
            // The nearest float has 0.1000000000000000055….
            ("0.1000000000000000000000000001", "0.1000000000000000000000000001"),
            ("642646396.0", "642646396"),
            ("7.0790813e+07", "70790813"),
            ("1E3", "1000"),
            ("12.50e-4", "0.00125"),
            ("-2.5e0", "-2.5"),
        ] {
            assert_eq!(read(text), Ok(Ok(value.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_number_that_no_decimal_holds_costs_its_row_and_another_type_the_response() {
        let long = format!("1{}", "0".repeat(1 << 20));
        for text in ["1e400", "1e-400", "1e99999999999", "1e29", &long] {
            let why = read(text).unwrap().unwrap_err();
            assert!(why.len() < 120, "{why}");
        }
        for (text, found) in [("\"1.5\"", "a string"), ("null", "null"), ("[1]", "a list")] {
            let why = read(text).unwrap_err();
            assert!(why.contains(&format!("{found}, expected a number")), "{why}");
        }
        assert!(read("NaN").is_err() && read("01").is_err() && read("+1").is_err());
    }
}
