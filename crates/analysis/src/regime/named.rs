//! Regimes and drivers as indicators: a number for each state.

use super::driver::{Driver, Drivers};
use super::symbol::{Basis, Regime, Regimes};
use crate::{Bar, Catalogued, Indicator, Param};
use serde::{Deserialize, Serialize};

/// The regime of a series: 1 is *tight*, 2 *wide*, 3 *consolidation*. While there is no data, it
/// has no value. The output `adx` is decided by the average directional index alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegimeNumber {
    regimes: Regimes,
    basis: Basis,
}

impl Indicator for RegimeNumber {
    fn update(&mut self, bar: &Bar) -> f64 {
        let _ = self.regimes.update(bar, self.basis);
        match self.regimes.regime() {
            Regime::NoData(_) => f64::NAN,
            Regime::TightSmc => 1.0,
            Regime::WideStructure => 2.0,
            Regime::Consolidation => 3.0,
        }
    }

    fn rescale(&mut self, factor: i64) -> bool {
        self.regimes.rescale(factor)
    }
}

impl Catalogued for RegimeNumber {
    const NAME: &'static str = "regime";
    const PARAMS: &'static [Param] = &[];
    const OUTPUTS: &'static [&'static str] = &["", "adx"];
    const WORDS: &'static [&'static str] =
        &[Regime::TightSmc.name(), Regime::WideStructure.name(), Regime::Consolidation.name()];
    const COLUMNS: &'static [(usize, &'static str)] = &[(0, "regime"), (1, "regime_adx")];
    const STATE_BYTES: u64 = 10_000;
    fn make(_: &[u32], output: usize) -> RegimeNumber {
        let basis = if output == 0 { Basis::Structures } else { Basis::Adx };
        RegimeNumber { regimes: Regimes::new(), basis }
    }
    fn warm_up(_: &[u32], _: usize) -> u32 {
        Regimes::BARS
    }
}

/// The driver of a series: 1 is *failing*, 2 *basing*, 3 *turning*, 4 *up*, 5 *extended*; 0 is
/// *none*, which it can be from 200 bars on. Below 200 bars it has no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriverNumber {
    drivers: Drivers,
}

impl Indicator for DriverNumber {
    fn update(&mut self, bar: &Bar) -> f64 {
        let _ = self.drivers.update(bar);
        if !self.drivers.is_warm() {
            return f64::NAN;
        }
        match self.drivers.driver() {
            Driver::None => 0.0,
            Driver::Failing => 1.0,
            Driver::Basing => 2.0,
            Driver::Turning => 3.0,
            Driver::Up => 4.0,
            Driver::Extended => 5.0,
        }
    }

    fn rescale(&mut self, factor: i64) -> bool {
        self.drivers.rescale(factor)
    }
}

impl Catalogued for DriverNumber {
    const NAME: &'static str = "driver";
    const PARAMS: &'static [Param] = &[];
    const WORDS: &'static [&'static str] = &[
        Driver::Failing.name(),
        Driver::Basing.name(),
        Driver::Turning.name(),
        Driver::Up.name(),
        Driver::Extended.name(),
    ];
    const STATE_BYTES: u64 = 1_000;
    fn make(_: &[u32], _: usize) -> DriverNumber {
        DriverNumber { drivers: Drivers::new() }
    }
    fn warm_up(_: &[u32], _: usize) -> u32 {
        Drivers::BARS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{SETS, bars, by_restarts};

    #[test]
    fn each_number_is_the_state_at_that_close_after_restarts_too() {
        let (path, limit) = SETS[0];
        let bars = bars(path, limit);
        let word = |words: &[&str], value: f64| match value {
            v if v.is_nan() => "no_data".to_owned(),
            v if v < 0.5 => "none".to_owned(),
            v => words[format!("{v}").parse::<usize>().unwrap() - 1].to_owned(),
        };
        for (output, basis) in [(0, Basis::Structures), (1, Basis::Adx)] {
            let (mut regimes, mut seen) = (Regimes::new(), std::collections::BTreeSet::new());
            let values = by_restarts(&RegimeNumber::make(&[], output), &bars);
            for (bar, value) in bars.iter().zip(values) {
                let regime = regimes.update(bar, basis).unwrap();
                assert_eq!(word(RegimeNumber::WORDS, value), regime.name());
                seen.insert(regime.name());
            }
            assert_eq!(seen.len(), if output == 0 { 4 } else { 3 }, "{seen:?}");
        }
        let (mut drivers, mut seen) = (Drivers::new(), std::collections::BTreeSet::new());
        let values = by_restarts(&DriverNumber::make(&[], 0), &bars);
        for (at, (bar, value)) in bars.iter().zip(values).enumerate() {
            let driver = drivers.update(bar).unwrap();
            assert_eq!(value.is_nan(), at < 199, "at {at}");
            if at >= 199 {
                assert_eq!(word(DriverNumber::WORDS, value), driver.name());
                seen.insert(driver.name());
            }
        }
        assert!(seen.len() >= 5, "{seen:?}");
    }
}
