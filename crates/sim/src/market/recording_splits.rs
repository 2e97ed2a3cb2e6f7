//! The splits that a recording declares.

use super::recording_config::SplitConfig;
use crate::alpaca::times;
use everwarm_domain::id::Symbol;
use everwarm_domain::split::{Ratio, Split};

/// The splits by day and symbol.
///
/// # Errors
/// A symbol without a file, a wrong date or ratio, or two splits of a symbol on one day.
pub(super) fn read(all: &[SplitConfig], known: &[Symbol]) -> Result<Vec<Split>, String> {
    let mut splits = all
        .iter()
        .enumerate()
        .map(|(i, config)| {
            let named = |why: String| format!("splits[{i}]: {why}");
            one(config, known).map_err(named)
        })
        .collect::<Result<Vec<Split>, String>>()?;
    splits.sort_by_key(|split| (split.ex_day, split.symbol));
    let same =
        |pair: &&[Split]| (pair[0].ex_day, pair[0].symbol) == (pair[1].ex_day, pair[1].symbol);
    match splits.windows(2).find(same) {
        Some(pair) => Err(format!("splits: {} has two splits on one day", pair[0].symbol)),
        None => Ok(splits),
    }
}

fn one(config: &SplitConfig, known: &[Symbol]) -> Result<Split, String> {
    let SplitConfig { symbol: name, ex_date, new_rate, old_rate } = config;
    let symbol = Symbol::new(name).ok().filter(|symbol| known.contains(symbol));
    let symbol = symbol.ok_or_else(|| format!("the recording has no file {name}_1m.csv[.gz]"))?;
    let ex_day = times::day(ex_date);
    let ex_day =
        ex_day.ok_or_else(|| format!("ex_date: {ex_date:?} is no date like 2014-06-09"))?;
    let ratio = Ratio::new(*new_rate, *old_rate)?;
    Ok(Split { symbol, ex_day, ratio })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sym;

    fn config(symbol: &str, ex_date: &str, new_rate: u32, old_rate: u32) -> SplitConfig {
        let (symbol, ex_date) = (symbol.to_owned(), ex_date.to_owned());
        SplitConfig { symbol, ex_date, new_rate, old_rate }
    }

    #[test]
    fn splits_come_by_day_and_wrong_ones_are_refused() {
        let known = [sym("AAPL"), sym("SPY")];
        let apple = config("AAPL", "2014-06-09", 7, 1);
        let spy = config("SPY", "2014-06-06", 1, 2);
        let days: Vec<(i64, String)> = read(&[apple, spy], &known)
            .unwrap()
            .iter()
            .map(|split| (split.ex_day, split.ratio.to_string()))
            .collect();
        assert_eq!(days, [(16_227, "1:2".to_owned()), (16_230, "7:1".to_owned())]);
        for (wrong, why) in [
            (config("IBM", "2014-06-09", 7, 1), "no file IBM"),
            (config("AAPL", "2014-02-30", 7, 1), "no date"),
            (config("AAPL", "2014-06-09", 0, 1), "no shares"),
            (config("AAPL", "2014-06-09", 1, 1), "changes nothing"),
        ] {
            let error = read(&[wrong], &known).unwrap_err();
            assert!(error.starts_with("splits[0]: ") && error.contains(why), "{error}");
        }
        let twice = [config("SPY", "2014-06-09", 7, 1), config("SPY", "2014-06-09", 2, 1)];
        assert!(read(&twice, &known).unwrap_err().contains("two splits"));
    }
}
