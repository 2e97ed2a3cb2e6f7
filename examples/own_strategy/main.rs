//! Buys a close far below its average and sells a close above it.

use everwarm::sdk::{Exit, Intent, Setting, Strategy, StrategySignal, Timeframe, View, ppm};
use serde::{Deserialize, Serialize};

struct OwnStrategy;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Section {
    length: u32,
    percent: u32,
}

impl Default for Section {
    fn default() -> Section {
        Section { length: 48, percent: 1 }
    }
}

impl Strategy for OwnStrategy {
    const KIND: &'static str = "own_strategy";
    const VERSION: u16 = 1;
    const SETTINGS: &'static [Setting] = &[
        Setting::whole("length", 2..=1000, "Bars of the average."),
        Setting::whole("percent", 0..=50, "It buys this many percent below the average."),
    ];
    type Section = Section;
    type Memory = ();

    fn timeframe(_: &Section) -> Timeframe {
        Timeframe::M5
    }

    fn features(section: &Section) -> Vec<String> {
        vec!["close@5m".to_owned(), format!("sma({})@5m", section.length)]
    }

    fn update(s: &Section, (): &mut (), long: bool, view: &View<'_>) -> Option<StrategySignal> {
        let [close, average] = *view.values else { return None };
        let below = 100.0 * (1.0 - close / average);
        let decides = if long { below <= 0.0 } else { below >= f64::from(s.percent) };
        let (intent, side) = if long { (Intent::Close, "above") } else { (Intent::Open, "below") };
        let reason = format!("the close {close} is {:.2} % {side} the average", below.abs());
        decides.then(|| StrategySignal::new(intent, ppm(below.abs() / 100.0), reason))
    }

    fn why_not(s: &Section, (): &(), long: bool, view: &View<'_>) -> String {
        let [close, average] = *view.values else { return "it has no values".to_owned() };
        if average.is_nan() {
            return format!("the average of {} bars is not known yet", s.length);
        }
        let wanted = if long { 0 } else { s.percent };
        format!("the close {close} is not yet {wanted} % from the average {average:.2}")
    }
}

fn main() -> Exit {
    everwarm::main_with(&[everwarm::kind::<OwnStrategy>()])
}

#[cfg(test)]
mod tests;
