//! Splits: the request for corporate actions, and its response.
//!
//! A response that names another symbol, another day or an impossible ratio is refused as a whole:
//! a split that it lacks would look like none.

use super::wire::{no_stock, short};
use crate::bar_rows::{RowDecimal, number};
use crate::keyed::ticker;
use everwarm_domain::id::Symbol;
use everwarm_domain::split::{Ratio, Split};
use everwarm_domain::time::{DAY, date_of};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::ops::RangeInclusive;

/// Most splits of a symbol in one query.
pub(super) const SPLITS_MAX: usize = 100;
/// Rows of one response.
const PAGE: usize = 100;
/// Years of an ex-date that is believed.
const YEARS: RangeInclusive<i16> = 1970..=2200;

/// The response to `GET /v1/corporate-actions`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Page {
    corporate_actions: Actions,
    /// Names the next page.
    next_page_token: Option<String>,
}

/// The lists of a page. Other kinds of actions were not requested, and are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Actions {
    forward_splits: Vec<Row>,
    reverse_splits: Vec<Row>,
}

/// A split.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Row {
    symbol: String,
    ex_date: String,
    #[serde(deserialize_with = "number")]
    new_rate: RowDecimal,
    #[serde(deserialize_with = "number")]
    old_rate: RowDecimal,
}

/// The query for the splits of a symbol with an ex-date in these days, as days since 1970-01-01.
///
/// # Errors
/// It is no symbol of a stock.
pub(super) fn query(symbol: Symbol, days: &RangeInclusive<i64>) -> Result<String, String> {
    let name = ticker(&symbol).ok_or_else(|| no_stock(symbol))?;
    let (from, to) = (date_of(*days.start()), date_of(*days.end()));
    let types = "types=forward_split,reverse_split";
    Ok(format!("symbols={name}&{types}&start={from}&end={to}&sort=asc&limit={PAGE}"))
}

/// Adds the splits of a page. Returns what names the next page.
///
/// # Errors
/// A split of another symbol or day, one with an impossible ratio or without a date, one that is
/// listed under the wrong kind or with two ratios, or more than [`SPLITS_MAX`].
pub(super) fn add(
    splits: &mut Vec<Split>,
    (symbol, days): (Symbol, &RangeInclusive<i64>),
    page: Page,
) -> Result<Option<String>, String> {
    let Actions { forward_splits, reverse_splits } = page.corporate_actions;
    let forward = forward_splits.into_iter().map(|row| (row, true));
    let reverse = reverse_splits.into_iter().map(|row| (row, false));
    for (row, is_forward) in forward.chain(reverse) {
        let split = row.read(symbol)?;
        let Split { ex_day, ratio, .. } = split;
        let named = |why: &str| format!("the split {ratio} of {symbol} on {} {why}", row.date());
        if !days.contains(&ex_day) {
            return Err(named("was not requested"));
        }
        if ratio.is_forward() != is_forward {
            return Err(named("is listed as the other kind"));
        }
        match splits.iter().find(|known| known.ex_day == ex_day) {
            // Pages may overlap.
            Some(known) if *known == split => continue,
            Some(known) => return Err(named(&format!("was {} before", known.ratio))),
            None => splits.push(split),
        }
        if splits.len() > SPLITS_MAX {
            return Err(format!("{symbol} has more than {SPLITS_MAX} splits"));
        }
    }
    Ok(page.next_page_token)
}

impl Row {
    fn date(&self) -> String {
        short(&self.ex_date)
    }

    fn read(&self, symbol: Symbol) -> Result<Split, String> {
        if self.symbol != symbol.as_str() {
            return Err(format!("the split is of {:?}, not of {symbol}", short(&self.symbol)));
        }
        let ex_day = day(&self.ex_date)
            .ok_or_else(|| format!("{symbol}: {:?} is no date of a split", self.date()))?;
        let rate = |rate: &RowDecimal| rate.0.clone();
        let ratio = rate(&self.new_rate)
            .and_then(|new| Ratio::of(new, rate(&self.old_rate)?))
            .map_err(|why| format!("the split of {symbol} on {}: {why}", self.date()))?;
        Ok(Split { symbol, ex_day, ratio })
    }
}

/// The number of the day with this date.
fn day(text: &str) -> Option<i64> {
    let text = Some(text).filter(|text| text.len() == "2014-06-09".len())?;
    let date: Date = text.parse().ok()?;
    let begin = date.to_zoned(TimeZone::UTC).ok().filter(|_| YEARS.contains(&date.year()))?;
    Some(begin.timestamp().as_millisecond().div_euclid(DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::decode;
    use serde_json::{Value, json};

    const DAYS: RangeInclusive<i64> = 16_225..=16_235;

    fn aapl() -> Symbol {
        Symbol::named("AAPL").unwrap()
    }

    fn row(member: &str, value: Value) -> Value {
        let mut row = json!({
            "id": "5c4f2d0b", "cusip": "037833100", "symbol": "AAPL", "new_rate": 7, "old_rate": 1,
            "ex_date": "2014-06-09", "process_date": "2014-06-09", "payable_date": "2014-06-06",
        });
        row[member] = value;
        row
    }

    fn read(lists: &Value) -> Result<Vec<String>, String> {
        let body = json!({"corporate_actions": lists, "next_page_token": null});
        let page: Page = decode("corporate actions", body.to_string().as_bytes())?;
        let mut splits = Vec::new();
        add(&mut splits, (aapl(), &DAYS), page)?;
        Ok(splits.iter().map(|split| format!("{} {}", split.ex_day, split.ratio)).collect())
    }

    #[test]
    fn splits_are_read_exactly() {
        let forward = row("id", json!("1"));
        let mut reverse = row("ex_date", json!("2014-06-10"));
        (reverse["new_rate"], reverse["old_rate"]) = (json!(0.05), json!(1));
        let lists = json!({
            "forward_splits": [forward, forward], "reverse_splits": [reverse],
            "cash_dividends": [{"symbol": "AAPL", "rate": 0.47}],
        });
        assert_eq!(read(&lists).unwrap(), ["16230 7:1", "16231 1:20"]);
        assert_eq!(read(&json!({})).unwrap(), Vec::<String>::new());
        let asked = query(aapl(), &DAYS).unwrap();
        let wanted = "symbols=AAPL&types=forward_split,reverse_split&start=2014-06-04\
                      &end=2014-06-14&sort=asc&limit=100";
        assert_eq!(asked, wanted);
        assert!(query(Symbol::named("1INCHUSDT").unwrap(), &DAYS).is_err());
    }

    #[test]
    fn a_hostile_response_is_refused_with_its_reason() {
        for (member, value, why) in [
            ("symbol", json!("MSFT"), "not of AAPL"),
            ("new_rate", json!(0), "no shares"),
            ("new_rate", json!(-7), "no ratio"),
            ("new_rate", json!(1), "changes nothing"),
            ("old_rate", json!(0), "no shares"),
            ("old_rate", json!(1e300), "beyond"),
            ("new_rate", json!(1_000_001), "beyond"),
            ("new_rate", json!(3.333_333_33), "beyond"),
            ("new_rate", json!("7"), "expected a number"),
            ("new_rate", Value::Null, "expected a number"),
            ("old_rate", json!(8), "the other kind"),
            ("ex_date", json!("2014-02-30"), "no date"),
            ("ex_date", json!("2014-06-09T00:00:00Z"), "no date"),
            ("ex_date", json!("2014-06-30"), "was not requested"),
            ("ex_date", json!("9".repeat(100_000)), "no date"),
        ] {
            let error = read(&json!({"forward_splits": [row(member, value)]})).unwrap_err();
            assert!(error.contains(why) && error.len() < 300, "{member}: {error}");
        }
        let two = json!({"forward_splits": [row("id", json!("1")), row("new_rate", json!(6))]});
        assert!(read(&two).unwrap_err().contains("was 7:1 before"));
        for wrong in [json!(null), json!({"forward_splits": {}})] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }
}
