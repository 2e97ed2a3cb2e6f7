//! The exit rules that every strategy has: stop, target, trailing stop, profit table, longest
//! holding time. A lot keeps the rules that were in force when it was opened.

use crate::money::Decimal;
use crate::time::{MINUTE, UtcMs};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Text of a rule that is off.
pub const NONE: &str = "none";
/// Most rows of a profit table.
const ROWS_MAX: usize = 16;
/// The longest age in a rule, minutes: ten years.
pub const MINUTES_MAX: u32 = 5_256_000;
/// The stop of a strategy that sets none, millionths: 5 percent.
const STOP_PPM: u32 = 50_000;
/// One, in millionths.
const MILLION: u32 = 1_000_000;
/// The largest target, millionths: 10,000 percent.
const TARGET_MAX: u32 = 100 * MILLION;

/// The exit rule that has a lot sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitRule {
    /// A price was at or below the stop.
    Stop,
    /// A price was at or below the trailing stop.
    TrailingStop,
    /// A price was at or above the target.
    Target,
    /// The close gave the net profit of a row.
    Profit,
    /// The lot was held for the longest time allowed.
    MaxHold,
}

impl ExitRule {
    /// Whether the lot is sold because its price fell.
    #[must_use]
    pub const fn is_stop(self) -> bool {
        matches!(self, ExitRule::Stop | ExitRule::TrailingStop)
    }
}

/// One row of a profit table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfitRow {
    /// Age of the lot from which the row counts, minutes.
    pub minutes: u32,
    /// Net profit at which the lot is sold, millionths of its cost; negative: a loss.
    pub profit_ppm: i32,
}

/// The exit rules of a strategy. Shares are millionths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRules {
    /// How far below the entry the lot is sold; none: never.
    pub stop_ppm: Option<u32>,
    /// How far above the entry the lot is sold; none: never.
    pub target_ppm: Option<u32>,
    /// How far below the highest price since the entry the lot is sold; none: never.
    pub trail_ppm: Option<u32>,
    /// How far above the entry the price must have been before the trailing stop counts; none: it
    /// counts from the entry on.
    pub trail_from_ppm: Option<u32>,
    /// Net profit at which the lot is sold, by its age, ascending.
    pub profit: Vec<ProfitRow>,
    /// Age at which the lot is sold, minutes; 0: never.
    pub max_hold_minutes: u32,
}

impl Default for ExitRules {
    fn default() -> Self {
        ExitRules { stop_ppm: Some(STOP_PPM), ..ExitRules::none() }
    }
}

/// Names of the members, as in a section of the configuration.
pub const MEMBERS: [&str; 6] =
    ["stop", "target", "trail", "trail_from", "profit", "max_hold_minutes"];

impl ExitRules {
    /// No rule at all.
    #[must_use]
    pub const fn none() -> ExitRules {
        ExitRules {
            stop_ppm: None,
            target_ppm: None,
            trail_ppm: None,
            trail_from_ppm: None,
            profit: Vec::new(),
            max_hold_minutes: 0,
        }
    }

    /// The row of the profit table for a lot that is `age` old, milliseconds.
    #[must_use]
    pub fn profit_at(&self, age: UtcMs) -> Option<ProfitRow> {
        let reached = |row: &&ProfitRow| i64::from(row.minutes) * MINUTE <= age;
        self.profit.iter().rev().find(reached).copied()
    }

    /// Takes the members of a section that are exit rules. Missing ones have their default; none
    /// if all are missing, as in texts of versions without such rules.
    ///
    /// # Errors
    /// The member, and what is wrong with it.
    pub fn take(section: &mut Map<String, Value>) -> Result<Option<ExitRules>, String> {
        if MEMBERS.iter().all(|name| !section.contains_key(*name)) {
            return Ok(None);
        }
        let mut rules = ExitRules::default();
        for name in MEMBERS {
            if let Some(value) = section.remove(name) {
                rules.set(name, &value).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        Ok(Some(rules))
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let text = || value.as_str().ok_or_else(|| format!("{value} is not text in quotes"));
        match name {
            "stop" => self.stop_ppm = below_all(text()?)?,
            "target" => self.target_ppm = percent(text()?, TARGET_MAX)?,
            "trail" => self.trail_ppm = below_all(text()?)?,
            "trail_from" => self.trail_from_ppm = percent(text()?, TARGET_MAX)?,
            "profit" => self.profit = table(text()?)?,
            _ => {
                let minutes = value.as_u64().and_then(|minutes| u32::try_from(minutes).ok());
                let minutes = minutes.filter(|minutes| *minutes <= MINUTES_MAX);
                let wrong = || format!("{value} is not in the range 0 to {MINUTES_MAX}");
                self.max_hold_minutes = minutes.ok_or_else(wrong)?;
            }
        }
        Ok(())
    }

    /// The members, as in a section of the configuration.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        let rows: Vec<String> = self.profit.iter().map(ProfitRow::to_string).collect();
        let values = [
            Value::from(share(self.stop_ppm)),
            Value::from(share(self.target_ppm)),
            Value::from(share(self.trail_ppm)),
            Value::from(share(self.trail_from_ppm)),
            Value::from(rows.join(", ")),
            Value::from(self.max_hold_minutes),
        ];
        MEMBERS.into_iter().map(str::to_owned).zip(values).collect()
    }
}

impl std::fmt::Display for ProfitRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}%", self.minutes, Decimal::new(self.profit_ppm.into(), 4).normalize())
    }
}

/// A share as text.
fn share(ppm: Option<u32>) -> String {
    ppm.map_or(NONE.to_owned(), |ppm| format!("{}%", Decimal::new(ppm.into(), 4).normalize()))
}

/// A share in percent, like `5%` or `0.75%`, in millionths; none: `none`. It is above 0 and at most
/// `most`.
///
/// # Errors
/// The reason as text.
fn percent(text: &str, most: u32) -> Result<Option<u32>, String> {
    if text == NONE {
        return Ok(None);
    }
    let ppm = signed(text)?;
    let range = || {
        let most = Decimal::new(most.into(), 4).normalize();
        format!("{text:?} is not above 0% and at most {most}%")
    };
    u32::try_from(ppm).ok().filter(|ppm| (1..=most).contains(ppm)).map(Some).ok_or_else(range)
}

/// A share of a price that is below all of it.
///
/// # Errors
/// The reason as text.
pub fn below_all(text: &str) -> Result<Option<u32>, String> {
    percent(text, MILLION - 1).map_err(|_| match signed(text) {
        Ok(_) => format!("{text:?} is not above 0% and below 100%"),
        Err(why) => why,
    })
}

/// A target or the start of a trailing stop.
///
/// # Errors
/// The reason as text.
pub fn above(text: &str) -> Result<Option<u32>, String> {
    percent(text, TARGET_MAX)
}

/// A share of at most `most` millionths in percent, like `0.1%`; zero: `none`.
///
/// # Errors
/// The reason as text.
pub(super) fn share_of(text: &str, most: u32) -> Result<u32, String> {
    percent(text, most).map(Option::unwrap_or_default)
}

fn signed(text: &str) -> Result<i32, String> {
    let wrong = || format!("{text:?} is not \"none\" or a share like \"5%\"");
    let number = text.strip_suffix('%').ok_or_else(wrong)?.trim();
    let number = Decimal::from_str_exact(number).map_err(|_| wrong())?;
    let ppm = number.checked_mul(Decimal::new(10_000, 0)).ok_or_else(wrong)?.normalize();
    if ppm.scale() > 0 {
        return Err(format!("{text:?} has more than 4 decimals"));
    }
    i32::try_from(ppm.mantissa()).map_err(|_| wrong())
}

/// A profit table, like `0: 4%, 60: 1%, 240: -2%`.
///
/// # Errors
/// The reason as text.
pub fn table(text: &str) -> Result<Vec<ProfitRow>, String> {
    let mut rows: Vec<ProfitRow> = Vec::new();
    for row in text.split(',').map(str::trim).filter(|row| !row.is_empty()) {
        let form = || format!("{row:?} is not a row like \"60: 1%\"");
        let (minutes, share) = row.split_once(':').ok_or_else(form)?;
        let minutes = minutes.trim().parse().ok().filter(|minutes| *minutes <= MINUTES_MAX);
        let minutes = minutes.ok_or_else(form)?;
        let profit_ppm = signed(share.trim()).map_err(|_| form())?;
        if rows.last().is_some_and(|last| last.minutes >= minutes) {
            return Err(format!("the minutes of {row:?} are not above those of the row before"));
        }
        rows.push(ProfitRow { minutes, profit_ppm });
    }
    if rows.len() > ROWS_MAX {
        return Err(format!("it has {} rows, at most {ROWS_MAX} are possible", rows.len()));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ExitRules, String> {
        let mut members: Map<String, Value> = serde_json::from_str(text).unwrap();
        let rules = ExitRules::take(&mut members);
        assert!(members.is_empty(), "all are taken");
        rules.map(Option::unwrap_or_default)
    }

    #[test]
    fn a_strategy_has_a_stop_unless_it_says_none() {
        assert_eq!(ExitRules::take(&mut Map::new()), Ok(None));
        assert_eq!(read(r#"{"target":"3%"}"#).unwrap().stop_ppm, Some(50_000));
        assert_eq!(read(r#"{"stop":"none"}"#).unwrap(), ExitRules::none());
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        let text = r#"{"max_hold_minutes":90,"profit":"0: 4%, 60: 0.5%, 240: -2%","stop":"2.5%",
            "target":"150%","trail":"0.0001%","trail_from":"3%"}"#;
        let rules = read(text).unwrap();
        let again = read(&Value::Object(rules.members()).to_string()).unwrap();
        assert_eq!(again, rules);
        assert_eq!((rules.target_ppm, rules.trail_ppm), (Some(1_500_000), Some(1)));
        let at = |minutes| rules.profit_at(minutes * MINUTE).map(|row| row.profit_ppm);
        assert_eq!(
            [at(0), at(59), at(60), at(500)].map(Option::unwrap),
            [40_000, 40_000, 5_000, -20_000]
        );
    }

    #[test]
    fn a_rule_beyond_its_limits_is_refused_by_its_name() {
        let why = |text: &str| read(text).unwrap_err();
        assert_eq!(why(r#"{"stop":"0%"}"#), "stop: \"0%\" is not above 0% and below 100%");
        assert_eq!(why(r#"{"stop":"100%"}"#), "stop: \"100%\" is not above 0% and below 100%");
        assert_eq!(why(r#"{"stop":"5"}"#), "stop: \"5\" is not \"none\" or a share like \"5%\"");
        assert_eq!(why(r#"{"stop":5}"#), "stop: 5 is not text in quotes");
        assert_eq!(why(r#"{"trail":"0.00001%"}"#), "trail: \"0.00001%\" has more than 4 decimals");
        assert!(why(r#"{"target":"-1%"}"#).starts_with("target: \"-1%\" is not above 0%"));
        assert!(why(r#"{"profit":"60: 1%, 60: 2%"}"#).contains("are not above those"));
        assert!(why(r#"{"profit":"1%"}"#).contains("is not a row like"));
        assert!(why(r#"{"max_hold_minutes":-1}"#).starts_with("max_hold_minutes: -1 is not in"));
    }
}
