//! The exit rules that every strategy has: stop, target, trailing stop, profit table, longest
//! holding time. A lot keeps the rules that were in force when it was opened.

use crate::money::Decimal;
use crate::time::{MINUTE, Timeframe, UtcMs};
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
    /// How far below the entry the lot is sold; none: never, or as `stop_atr` says.
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
    /// How far below the signal's price the lot is sold, by the average true range then; none: as
    /// `stop_ppm` says.
    #[serde(default)]
    pub stop_atr: Option<AtrStop>,
}

/// A stop distance as a multiple of the average true range of the bars of its strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtrStop {
    /// The multiple, in hundredths: 1 to 10,000.
    pub hundredths: u32,
    /// Length of the average, bars: 1 to 10,000.
    pub length: u32,
}

impl AtrStop {
    /// Length of the average if the text gives none.
    const LENGTH: u32 = 14;
    /// The longest average, and the largest multiple in hundredths.
    const MAX: u32 = 10_000;

    /// The name of the feature that it needs, on bars of this width.
    #[must_use]
    pub fn feature(&self, timeframe: Timeframe) -> String {
        format!("atr({})@{timeframe}", self.length)
    }

    /// A text like `2 atr` or `1.5 atr(20)`.
    ///
    /// # Errors
    /// The reason as text.
    fn read(text: &str) -> Result<AtrStop, String> {
        let wrong = || format!("{text:?} is not a multiple like \"2 atr\" or \"1.5 atr(20)\"");
        let (multiple, atr) = text.split_once(' ').ok_or_else(wrong)?;
        let multiple = Decimal::from_str_exact(multiple).map_err(|_| wrong())?;
        let hundredths = multiple.checked_mul(Decimal::ONE_HUNDRED).ok_or_else(wrong)?.normalize();
        let length = match atr.trim_start().strip_prefix("atr").ok_or_else(wrong)? {
            "" => AtrStop::LENGTH,
            length => {
                let length = length.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
                length.and_then(|length| length.parse().ok()).ok_or_else(wrong)?
            }
        };
        if hundredths.scale() > 0 {
            return Err(format!("{text:?} has more than 2 decimals"));
        }
        let hundredths = u32::try_from(hundredths.mantissa()).unwrap_or_default();
        if !(1..=AtrStop::MAX).contains(&hundredths) {
            return Err(format!("the multiple in {text:?} is not above 0 and at most 100"));
        }
        if !(1..=AtrStop::MAX).contains(&length) {
            return Err(format!("the length in {text:?} is not from 1 to {}", AtrStop::MAX));
        }
        Ok(AtrStop { hundredths, length })
    }
}

impl std::fmt::Display for AtrStop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} atr", Decimal::new(self.hundredths.into(), 2).normalize())?;
        if self.length == AtrStop::LENGTH { Ok(()) } else { write!(f, "({})", self.length) }
    }
}

/// A stop: a share like `5%`, a multiple like `2 atr`, or `none`.
///
/// # Errors
/// The reason as text.
pub fn stop(text: &str) -> Result<(Option<u32>, Option<AtrStop>), String> {
    if text.contains("atr") {
        return AtrStop::read(text).map(|atr| (None, Some(atr)));
    }
    if text != NONE && !text.ends_with('%') {
        let forms = "\"none\", a share like \"5%\" or a multiple like \"2 atr\"";
        return Err(format!("{text:?} is not {forms}"));
    }
    below_all(text).map(|share| (share, None))
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
            stop_atr: None,
        }
    }

    /// How far below its entry a lot is sold that has no price for its stop. It may have none if it
    /// came from another owner; then the usual share counts in place of the average true range.
    #[must_use]
    pub fn stop_share(&self) -> Option<u32> {
        self.stop_ppm.or(self.stop_atr.map(|_| STOP_PPM))
    }

    /// Whether it sells a lot because its price fell.
    #[must_use]
    pub const fn has_stop(&self) -> bool {
        self.stop_ppm.is_some() || self.stop_atr.is_some()
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
            "stop" => (self.stop_ppm, self.stop_atr) = stop(text()?)?,
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
            Value::from(self.stop_atr.map_or_else(|| share(self.stop_ppm), |atr| atr.to_string())),
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
    fn a_stop_may_be_a_multiple_of_the_average_true_range() {
        let stop = |text: &str| {
            let rules = read(&format!(r#"{{"stop":"{text}"}}"#)).unwrap();
            assert_eq!((rules.stop_ppm, rules.has_stop()), (None, true));
            assert_eq!(rules.stop_share(), Some(50_000), "for a lot without a price");
            assert_eq!(rules.members()["stop"], text, "it is written as it is read");
            rules.stop_atr.unwrap()
        };
        assert_eq!(stop("2 atr"), AtrStop { hundredths: 200, length: 14 });
        assert_eq!(stop("1.5 atr(20)"), AtrStop { hundredths: 150, length: 20 });
        assert_eq!(stop("2 atr").feature(Timeframe::H1), "atr(14)@1h");
    }

    #[test]
    fn a_rule_beyond_its_limits_is_refused_by_its_name() {
        let why = |text: &str| read(text).unwrap_err();
        assert_eq!(why(r#"{"stop":"0%"}"#), "stop: \"0%\" is not above 0% and below 100%");
        assert_eq!(why(r#"{"stop":"100%"}"#), "stop: \"100%\" is not above 0% and below 100%");
        assert_eq!(
            why(r#"{"stop":"5"}"#),
            "stop: \"5\" is not \"none\", a share like \"5%\" or a multiple like \"2 atr\""
        );
        assert_eq!(why(r#"{"stop":"0.00001%"}"#), "stop: \"0.00001%\" has more than 4 decimals");
        assert_eq!(why(r#"{"trail":"5"}"#), "trail: \"5\" is not \"none\" or a share like \"5%\"");
        assert_eq!(why(r#"{"stop":5}"#), "stop: 5 is not text in quotes");
        assert_eq!(why(r#"{"trail":"0.00001%"}"#), "trail: \"0.00001%\" has more than 4 decimals");
        assert!(why(r#"{"stop":"atr"}"#).contains("is not a multiple like \"2 atr\""));
        assert!(why(r#"{"stop":"2 atr(x)"}"#).contains("is not a multiple like"));
        assert!(why(r#"{"stop":"0 atr"}"#).contains("is not above 0 and at most 100"));
        assert!(why(r#"{"stop":"-1 atr"}"#).contains("is not above 0 and at most 100"));
        assert!(why(r#"{"stop":"1.005 atr"}"#).contains("has more than 2 decimals"));
        assert!(why(r#"{"stop":"2 atr(0)"}"#).contains("is not from 1 to 10000"));
        assert!(why(r#"{"target":"-1%"}"#).starts_with("target: \"-1%\" is not above 0%"));
        assert!(why(r#"{"profit":"60: 1%, 60: 2%"}"#).contains("are not above those"));
        assert!(why(r#"{"profit":"1%"}"#).contains("is not a row like"));
        assert!(why(r#"{"max_hold_minutes":-1}"#).starts_with("max_hold_minutes: -1 is not in"));
    }
}
