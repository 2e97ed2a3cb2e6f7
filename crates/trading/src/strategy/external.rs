//! Takes the signals of an external program. It decides nothing: a buy opens the lot, a sell closes
//! it, and sizes, limits and exit rules apply as for every strategy.
//!
//! A signal is decided when it arrives, at the newest close of its symbol. Its id counts once, also
//! over restarts: each symbol remembers its newest ids.

use super::setting::Setting;
use super::{Strategy, StrategySignal, View};
use everwarm_domain::external::ExternalSignal;
use everwarm_domain::features::FeatureHead;
use everwarm_domain::money::Price;
use everwarm_domain::order::ExitPrices;
use everwarm_domain::time::{Timeframe, UtcMs};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Most ids that a symbol remembers. The API refuses old signals, so an older id does not return.
const KNOWN_MAX: usize = 200;

/// The strategy that takes the signals of an external program.
#[derive(Clone, Copy, Debug)]
pub struct External;

/// Settings of the strategy: only those of every strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {}

/// What it remembers of a symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Time and price of the newest close.
    newest: Option<(UtcMs, Price)>,
    /// Ids of the newest signals, the oldest first.
    known: VecDeque<String>,
}

impl Strategy for External {
    const KIND: &'static str = "external";
    const VERSION: u16 = 1;
    const ENDS_WITH_LOT: bool = true;
    const EXTERNAL: bool = true;
    const SETTINGS: &'static [Setting] = &[];
    type Section = Section;
    type Memory = Memory;

    fn timeframe(_: &Section) -> Timeframe {
        Timeframe::M1
    }

    fn features(_: &Section) -> Vec<String> {
        vec!["close@1m".to_owned()]
    }

    fn update(
        _: &Section,
        memory: &mut Memory,
        _: bool,
        view: &View<'_>,
    ) -> Option<StrategySignal> {
        memory.newest = Some((view.head.time, view.head.close));
        None
    }

    fn external(
        _: &Section,
        memory: &mut Memory,
        given: &ExternalSignal,
    ) -> Option<(FeatureHead, StrategySignal)> {
        if memory.known.contains(&given.id) {
            return None;
        }
        memory.known.push_back(given.id.clone());
        if memory.known.len() > KNOWN_MAX {
            memory.known.pop_front();
        }
        // Without a close there is no price, and the decision declines an entry.
        let (time, close) = memory.newest.unwrap_or((0, Price::e8(0)));
        let head = FeatureHead { symbol: given.symbol, time, close };
        let ExternalSignal { side, confidence_ppm, stop, target, .. } = *given;
        let reason = format!("an external program signals it: {}", given.reason);
        let mut signal = StrategySignal::new(side.into(), confidence_ppm, reason);
        signal.exits = ExitPrices { stop, target };
        Some((head, signal))
    }

    fn why_not(_: &Section, _: &Memory, _: bool, _: &View<'_>) -> String {
        "it takes the signals of an external program, and a close gives none: see everwarm signals"
            .to_owned()
    }
}

#[cfg(test)]
#[path = "external_tests.rs"]
mod tests;
