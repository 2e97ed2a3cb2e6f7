//! Ratios of daily returns. They are floats in between and shown with few decimals; no decision
//! depends on them.

use everwarm_domain::money::{Decimal, float};
use everwarm_domain::time::{DAY, UtcMs};

/// Milliseconds of a year of 365.25 days.
const YEAR: f64 = 31_557_600_000.0;
/// Markets that this is about are open every day.
const DAYS_A_YEAR: f64 = 365.0;
/// Decimals of a ratio of returns, and of a share.
const RATIO: u32 = 4;
const SHARE: u32 = 6;

/// The change from one amount to another, as a share of the first.
pub(super) fn growth(before: Decimal, after: Decimal) -> Option<Decimal> {
    let change = after.saturating_sub(before).checked_div(before)?;
    Some(change.round_dp(SHARE).normalize())
}

/// The growth of a year that grows at this rate; none below one day or from nothing.
pub(super) fn growth_per_year(before: Decimal, after: Decimal, span: UtcMs) -> Option<Decimal> {
    if span < DAY || before <= Decimal::ZERO || after <= Decimal::ZERO {
        return None;
    }
    let years = YEAR.recip() * f64::from(u32::try_from(span / 1_000).ok()?) * 1_000.0;
    decimal((float(after) / float(before)).powf(years.recip()) - 1.0, SHARE)
}

/// The returns from each amount to the next.
pub(super) fn returns(amounts: &[Decimal]) -> Vec<f64> {
    let each = amounts.windows(2).map(|pair| float(pair[1]) / float(pair[0]) - 1.0);
    each.filter(|value| value.is_finite()).collect()
}

/// Mean divided by standard deviation (of a sample), times the root of the days of a year: Sharpe
/// 1994 with a riskless rate of 0.
pub(super) fn sharpe(returns: &[f64]) -> Option<Decimal> {
    let (count, mean) = mean(returns)?;
    let squares: f64 = returns.iter().map(|value| (value - mean).powi(2)).sum();
    ratio(mean, (squares / (count - 1.0)).sqrt())
}

/// Mean divided by the root of the mean square of the losses, times the root of the days of a year:
/// Sortino and Price 1994 with a target of 0.
pub(super) fn sortino(returns: &[f64]) -> Option<Decimal> {
    let (count, mean) = mean(returns)?;
    let squares: f64 = returns.iter().map(|value| value.min(0.0).powi(2)).sum();
    ratio(mean, (squares / count).sqrt())
}

/// Number and mean of at least two values.
fn mean(values: &[f64]) -> Option<(f64, f64)> {
    let count = f64::from(u32::try_from(values.len()).ok().filter(|count| *count > 1)?);
    Some((count, values.iter().sum::<f64>() / count))
}

fn ratio(mean: f64, deviation: f64) -> Option<Decimal> {
    (deviation > 0.0).then(|| decimal(mean / deviation * DAYS_A_YEAR.sqrt(), RATIO)).flatten()
}

fn decimal(value: f64, decimals: u32) -> Option<Decimal> {
    let value = Decimal::try_from(value).ok()?;
    Some(value.round_dp(decimals).normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(all: &[i64]) -> Vec<Decimal> {
        all.iter().map(|amount| Decimal::from(*amount)).collect()
    }

    #[test]
    fn ratios_of_known_returns() {
        // Returns of 10 %, -10 % and 10 %: mean 1/30, deviation of the sample 0.11547.
        let all = returns(&amounts(&[1_000, 1_100, 990, 1_089]));
        assert_eq!(sharpe(&all).unwrap().to_string(), "5.5151");
        // One loss of 10 % in three days: root of a third of 0.01.
        assert_eq!(sortino(&all).unwrap().to_string(), "11.0303");
        let steady = returns(&amounts(&[100, 100, 100]));
        assert_eq!((sharpe(&steady), sortino(&steady)), (None, None), "no deviation");
        assert_eq!(sharpe(&returns(&amounts(&[100, 110]))), None, "one day has no deviation");
        assert_eq!(sharpe(&returns(&amounts(&[0, 1, 2]))), None, "no return from nothing");
    }

    #[test]
    fn growth_of_a_year() {
        let [before, after] = [100, 121].map(Decimal::from);
        assert_eq!(growth(before, after).unwrap().to_string(), "0.21");
        let half = 31_557_600_000 / 2;
        assert_eq!(growth_per_year(before, after, half).unwrap().to_string(), "0.4641");
        assert_eq!(growth_per_year(before, after, DAY - 1), None);
        assert_eq!(growth_per_year(before, -after, DAY), None, "all is lost");
        assert_eq!(growth(Decimal::ZERO, after), None);
    }
}
