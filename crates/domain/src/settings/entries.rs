//! How entries are ordered: at the market, or by a limit order that works for some minutes.

use super::exits::share_of;
use super::sizes::percent;
use crate::money::{Decimal, floor_to_step};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Names of the members, as in a section of the configuration.
pub const MEMBERS: [&str; 3] = ["entry", "entry_minutes", "entry_orders"];
/// Most minutes that one order works: a day.
pub const MINUTES_MAX: u32 = 1_440;
/// Most orders for one signal.
pub const ORDERS_MAX: u32 = 10;
const MARKET: &str = "market";
/// The name of a limit order, before its distance.
const LIMIT: &str = "limit ";
/// The largest distance below the close, millionths: 20 percent.
const BELOW_MAX: u32 = 200_000;

/// How entries of a strategy are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRule {
    /// How far below the close the limit is, millionths; none: market orders.
    pub below_ppm: Option<u32>,
    /// How long a limit order works, minutes. Counted from the close it was decided at.
    pub minutes: u32,
    /// Most orders for one signal: one that ends without any fill is replaced at the new close.
    pub orders: u32,
}

impl Default for EntryRule {
    fn default() -> Self {
        EntryRule { below_ppm: None, minutes: 5, orders: 1 }
    }
}

impl EntryRule {
    /// Reads `market` or `limit 0.1%`: how far below the close, millionths.
    ///
    /// # Errors
    /// The reason as text.
    pub fn read(text: &str) -> Result<Option<u32>, String> {
        if text == MARKET {
            return Ok(None);
        }
        let form = || format!("{text:?} is not \"market\" or a limit like \"limit 0.1%\"");
        let share = text.strip_prefix(LIMIT).ok_or_else(form)?;
        if share == "0%" {
            return Ok(Some(0));
        }
        match share_of(share, BELOW_MAX) {
            Ok(0) => Err(form()),
            Ok(ppm) => Ok(Some(ppm)),
            Err(why) => Err(format!("{text:?}: {why}")),
        }
    }

    /// Takes the members of a section. Missing ones have their default.
    ///
    /// # Errors
    /// The member, and what is wrong with it.
    pub fn take(section: &mut Map<String, Value>) -> Result<EntryRule, String> {
        let mut rule = EntryRule::default();
        for name in MEMBERS {
            if let Some(value) = section.remove(name) {
                rule.set(name, &value).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        Ok(rule)
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let whole = |most: u32| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            let wrong = || format!("{value} is not in the range 1 to {most}");
            number.filter(|number| (1..=most).contains(number)).ok_or_else(wrong)
        };
        match name {
            "entry" => {
                let text =
                    value.as_str().ok_or_else(|| format!("{value} is not text in quotes"))?;
                self.below_ppm = EntryRule::read(text)?;
            }
            "entry_minutes" => self.minutes = whole(MINUTES_MAX)?,
            _ => self.orders = whole(ORDERS_MAX)?,
        }
        Ok(())
    }

    /// The members, as in a section of the configuration.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        let entry =
            self.below_ppm.map_or(MARKET.to_owned(), |ppm| format!("{LIMIT}{}", percent(ppm)));
        let values = [Value::from(entry), Value::from(self.minutes), Value::from(self.orders)];
        MEMBERS.into_iter().map(str::to_owned).zip(values).collect()
    }

    /// The limit of an entry decided at a close of `price`, on the ticks below it; none: a market
    /// order.
    #[must_use]
    pub fn limit(&self, price: Decimal, tick: Decimal) -> Option<Decimal> {
        let share = Decimal::new((1_000_000 - i64::from(self.below_ppm?)).max(0), 6);
        Some(floor_to_step(price.saturating_mul(share), tick).normalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EntryRule, String> {
        let mut members: Map<String, Value> = serde_json::from_str(text).unwrap();
        let rule = EntryRule::take(&mut members);
        assert!(members.is_empty(), "all are taken");
        rule
    }

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        assert_eq!(read("{}").unwrap(), EntryRule::default());
        let text = r#"{"entry":"limit 0.25%","entry_minutes":3,"entry_orders":2}"#;
        let rule = read(text).unwrap();
        assert_eq!(rule, EntryRule { below_ppm: Some(2_500), minutes: 3, orders: 2 });
        assert_eq!(Value::Object(rule.members()), serde_json::from_str::<Value>(text).unwrap());
        let at_close = read(r#"{"entry":"limit 0%"}"#).unwrap();
        assert_eq!(at_close.below_ppm, Some(0));
        assert_eq!(read(&Value::Object(at_close.members()).to_string()).unwrap(), at_close);
    }

    #[test]
    fn a_limit_is_on_the_ticks_below_its_share_of_the_close() {
        let rule = EntryRule { below_ppm: Some(1_000), ..EntryRule::default() };
        let [price, tick] = [Decimal::new(10_005, 2), Decimal::new(1, 2)];
        assert_eq!(rule.limit(price, tick), Some(Decimal::new(9_994, 2)), "99.94995");
        assert_eq!(EntryRule::default().limit(price, tick), None);
    }

    #[test]
    fn a_wrong_member_is_refused_by_its_name() {
        let why = |text: &str| read(text).unwrap_err();
        let form = "entry: \"stop 1%\" is not \"market\" or a limit like \"limit 0.1%\"";
        assert_eq!(why(r#"{"entry":"stop 1%"}"#), form);
        assert!(why(r#"{"entry":"limit 21%"}"#).contains("is not above 0% and at most 20%"));
        assert!(why(r#"{"entry":"limit none"}"#).starts_with("entry: \"limit none\" is not"));
        assert!(why(r#"{"entry":7}"#).ends_with("7 is not text in quotes"));
        assert_eq!(why(r#"{"entry_minutes":0}"#), "entry_minutes: 0 is not in the range 1 to 1440");
        assert_eq!(why(r#"{"entry_orders":11}"#), "entry_orders: 11 is not in the range 1 to 10");
    }
}
