//! Computes the history that new features need while the daemon trades. For each symbol with
//! history, this is a range of bars that ends where the features joined.
//!
//! Inputs alone decide it: a configuration with a new feature sets the range, and a `HistoryLoaded`
//! with its plan ends it. A range that no feature waits for has no effect.

use super::SymbolCloses;
use crate::calendar::Calendar;
use crate::indicators::{Feature, Needs, number};
use everwarm_domain::id::SymbolMap;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The features that are computed, according to the inputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Number of the plan; 0: no plan is known.
    number: u64,
    /// The input that made the plan.
    n: u64,
    /// The features, as texts.
    features: Vec<String>,
    /// The features that still needed history of a symbol when the plan was made.
    joined: Vec<String>,
}

/// A range of 1m bars of a symbol that must be loaded from history, after the wide bars that
/// [`Closes::owed_needs`](super::Closes::owed_needs) names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Number of the plan that needs it.
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
    /// Applies the features that input `n` needs. Sets the owed range of each symbol for the new
    /// ones.
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
        let needs = Needs::of(joined().map(|(feature, _)| feature));
        for (symbol, of) in symbols.iter_mut() {
            let through = of.through.filter(|_| of.history && !needs.is_none());
            of.owed = through.map(|through| {
                let (from, to) = needs.minutes_before(through, calendar.of(symbol)).into_inner();
                Owed { plan: number, n, from, to }
            });
        }
        let joined = joined().map(|(_, text)| text).collect();
        let features = named().map(|(_, text)| text).collect();
        *self = Plan { number, n, features, joined };
    }

    /// The past bars that all features need.
    pub(super) fn needs(&self) -> Needs {
        needs(&self.features)
    }

    /// The past bars that the features need which still lacked history when the plan was made.
    pub(super) fn joined_needs(&self) -> Needs {
        needs(&self.joined)
    }

    /// The input that made the plan.
    pub(super) fn n(&self) -> u64 {
        self.n
    }
}

fn needs(texts: &[String]) -> Needs {
    let features: Vec<Feature> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    Needs::of(features.iter())
}
