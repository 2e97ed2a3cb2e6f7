//! Takes the signals of an external program. It decides nothing: a buy opens the lot, a sell closes
//! it, and sizes, limits and exit rules apply as for every strategy.
//!
//! A signal is decided when it arrives, at the newest close of its symbol. Its id counts once, also
//! over restarts: each symbol remembers an id for as long as the API accepts signals of its time.

use super::setting::Setting;
use super::{Strategy, StrategySignal, View};
use everwarm_domain::external::{AGE_MAX_S, AHEAD_MS, ExternalSignal};
use everwarm_domain::features::FeatureHead;
use everwarm_domain::money::Price;
use everwarm_domain::order::ExitPrices;
use everwarm_domain::time::{Timeframe, UtcMs};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How long an id is remembered, milliseconds: the highest age of a signal, and how far the clock
/// of a sender may be ahead.
const REMEMBERED_MS: UtcMs = (AGE_MAX_S as UtcMs) * 1_000 + AHEAD_MS;
/// Most ids that a symbol remembers: more than one a second. Beyond that, new signals are ignored.
const KNOWN_MAX: usize = 4_000;

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
    /// Ids of the newest signals with their times, UTC milliseconds, in the order of arrival.
    known: VecDeque<(String, UtcMs)>,
    /// The newest time of a signal.
    latest: UtcMs,
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
        memory.latest = memory.latest.max(given.time);
        let oldest = memory.latest.saturating_sub(REMEMBERED_MS);
        memory.known.retain(|(_, time)| *time >= oldest);
        let is_known = memory.known.iter().any(|(id, _)| *id == given.id);
        if is_known || memory.known.len() >= KNOWN_MAX {
            return None;
        }
        memory.known.push_back((given.id.clone(), given.time));
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
