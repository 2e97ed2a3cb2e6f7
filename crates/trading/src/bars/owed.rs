//! What the history owes to features that join while it trades: of each symbol with a past a range
//! of bars that ends where they joined.
//!
//! That it is owed follows from inputs alone: a configuration that needs another feature owes it, a
//! `HistoryLoaded` that names its plan ends that. A range that nobody waits for does no harm.

use super::SymbolCloses;
use crate::calendar::Calendar;
use crate::indicators::{Feature, minutes, number};
use everwarm_domain::id::SymbolMap;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// What is computed, as far as inputs tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Its number; 0: none is known.
    number: u64,
    /// The input that it follows from.
    n: u64,
    /// Its features, as texts.
    features: Vec<String>,
    /// Those whose past was not loaded of every symbol when the plan was made.
    joined: Vec<String>,
}

/// A range of past 1m bars of a symbol that is to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The plan it is for.
    pub plan: u64,
    /// The input that made the plan. Bars of later inputs are not part of the range.
    pub n: u64,
    /// Opening time of the first bar.
    pub from: UtcMs,
    /// Opening time of the last bar.
    pub to: UtcMs,
}

impl Owed {
    /// The opening times of the bars.
    #[must_use]
    pub fn times(&self) -> RangeInclusive<UtcMs> {
        self.from..=self.to
    }
}

impl Plan {
    /// Input `n` needs these features: writes down what is owed to those that are new.
    pub(super) fn turn(
        &mut self,
        features: &[Feature],
        n: u64,
        symbols: &mut SymbolMap<SymbolCloses>,
        calendar: &Calendar,
    ) {
        let number = number(features);
        if self.number == number {
            return;
        }
        let before = std::mem::take(self);
        let waits = symbols.iter().any(|(_, of)| of.owed.is_some());
        let joins = |text: &String| {
            !before.features.contains(text) || (waits && before.joined.contains(text))
        };
        let named = || features.iter().map(|feature| (feature, feature.to_string()));
        let joined = || named().filter(|(_, text)| joins(text));
        let minutes = minutes(joined().map(|(feature, _)| feature));
        for (symbol, of) in symbols.iter_mut() {
            let through = of.through.filter(|_| of.history && minutes > 0);
            of.owed = through.map(|through| {
                let from = calendar.of(symbol).first_of(Timeframe::M1, minutes, through);
                Owed { plan: number, n, from, to: through.saturating_sub(MINUTE) }
            });
        }
        let joined = joined().map(|(_, text)| text).collect();
        let features = named().map(|(_, text)| text).collect();
        *self = Plan { number, n, features, joined };
    }

    /// The input that the plan follows from.
    pub(super) fn n(&self) -> u64 {
        self.n
    }
}
