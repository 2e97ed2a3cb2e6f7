//! Holds back bars that a split may explain, until the venue has reported its splits.
//!
//! Only a venue that reports splits is queried. Before such a bar enters a close, the closer
//! appends that the venue is queried. From then on, no order of the symbol leaves. Then comes the
//! response, and the bar enters its close after it. So every stage takes the split before the first
//! new price.
//!
//! The other symbols of the close wait with it, for at most a minute of venue time. After that they
//! close without it. Its bars are late when the response comes. In lockstep the close waits without
//! limit, so that its place does not depend on how fast the venue responds.

use super::Closes;
use super::close_assembly::{HOLE, Held, Next};
use everwarm_domain::fact::Market;
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::market::Bar;
use everwarm_domain::split::{CorporateAction, Found};
use everwarm_domain::time::{MINUTE, UtcMs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The bars that a split may explain, according to the inputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SplitDoubts {
    /// By symbol, the opening time of the bar for which the venue is queried.
    asked: BTreeMap<Symbol, UtcMs>,
    /// By symbol, the opening time of the last bar about which the venue responded.
    answered: BTreeMap<Symbol, UtcMs>,
}

impl Closes {
    /// Takes what is known about a bar that a split may explain.
    pub(super) fn split_reported(&mut self, action: &CorporateAction) {
        let CorporateAction { symbol, bar, found, .. } = action;
        match found {
            Found::Asked(_) => drop(self.splits.asked.insert(*symbol, *bar)),
            Found::Nothing | Found::Split { .. } => {
                self.splits.asked.remove(symbol);
                self.splits.answered.insert(*symbol, *bar);
            }
        }
        if let Some(ratio) = action.split()
            && let Some(of) = self.symbols.get_mut(*symbol)
        {
            of.recent.split(ratio);
        }
    }

    /// The symbols whose splits are queried, with the opening time of the bar, by name.
    pub fn split_doubts(&self) -> impl Iterator<Item = (Symbol, UtcMs)> {
        self.splits.asked.iter().map(|(symbol, bar)| (*symbol, *bar))
    }

    /// Whether the splits of a symbol are queried.
    #[must_use]
    pub fn doubts_split(&self, symbol: Symbol) -> bool {
        self.splits.asked.contains_key(&symbol)
    }

    /// Whether the venue is to be queried for a split before this bar.
    fn wants_splits(&self, bar: &Bar) -> bool {
        let answered = self.splits.answered.get(&bar.symbol) == Some(&bar.open_time);
        let of = self.symbols.get(bar.symbol).filter(|_| !answered);
        of.is_some_and(|of| of.recent.may_be_split(bar))
    }
}

/// What becomes of a late bar.
#[derive(Debug)]
pub(super) enum Late {
    /// No split explains it.
    Passes,
    /// It is held back until the venue responds.
    Waits,
    /// The query is announced first.
    Asks(Market),
}

/// The bars that are held back.
#[derive(Clone, Debug, Default)]
pub(super) struct SplitChecks {
    /// The venue, if it reports splits.
    venue: Option<VenueId>,
    /// By symbol, the venue time at which its close began to wait.
    since: BTreeMap<Symbol, UtcMs>,
    /// By symbol and close.
    back: BTreeMap<(Symbol, UtcMs), Held>,
}

impl SplitChecks {
    /// Queries the splits of this venue.
    pub(super) fn of(venue: VenueId) -> SplitChecks {
        SplitChecks { venue: Some(venue), ..SplitChecks::default() }
    }

    fn asks(venue: VenueId, bar: &Bar) -> Market {
        let (symbol, bar) = (bar.symbol, bar.open_time);
        Market::CorporateAction(CorporateAction { venue, symbol, bar, found: Found::Asked(None) })
    }

    /// Takes out the bars whose symbols are no longer in doubt.
    pub(super) fn decided(&mut self, closes: &Closes) -> Vec<Held> {
        self.since.retain(|symbol, _| closes.doubts_split(*symbol));
        let over = |(symbol, _): &(Symbol, UtcMs)| !closes.doubts_split(*symbol);
        let over: Vec<_> = self.back.keys().copied().filter(over).collect();
        over.iter().filter_map(|key| self.back.remove(key)).collect()
    }

    fn hold_back(&mut self, held: Held) {
        self.back.insert((held.bar.symbol, held.bar.open_time + MINUTE), held);
    }

    /// Checks a bar of an earlier close.
    pub(super) fn late(&mut self, closes: &Closes, held: &Held) -> Late {
        let Some(venue) = self.venue else { return Late::Passes };
        let in_doubt = closes.doubts_split(held.bar.symbol);
        if !in_doubt && !closes.wants_splits(&held.bar) {
            return Late::Passes;
        }
        self.hold_back(*held);
        if in_doubt { Late::Waits } else { Late::Asks(SplitChecks::asks(venue, &held.bar)) }
    }

    /// Checks the bars of the next close at venue time `now`. Holds back those that waited for too
    /// long, and adds their symbols to the missing ones. `None`: the close goes on.
    pub(super) fn close(
        &mut self,
        closes: &Closes,
        bars: &mut BTreeMap<Symbol, Held>,
        missing: &mut Vec<Symbol>,
        (now, lockstep): (UtcMs, bool),
    ) -> Option<Next> {
        let venue = self.venue?;
        let asks =
            |held: &&Held| !closes.doubts_split(held.bar.symbol) && closes.wants_splits(&held.bar);
        if let Some(held) = bars.values().find(asks) {
            return Some(Next::Append(SplitChecks::asks(venue, &held.bar)));
        }
        let doubted: Vec<Symbol> =
            bars.keys().copied().filter(|symbol| closes.doubts_split(*symbol)).collect();
        for symbol in &doubted {
            let since = *self.since.entry(*symbol).or_insert(now);
            let until = since.saturating_add(HOLE);
            if lockstep {
                return Some(Next::Asked);
            }
            if now <= until {
                return Some(Next::Wait(until.saturating_add(1)));
            }
        }
        for symbol in doubted {
            if let Some(held) = bars.remove(&symbol) {
                self.hold_back(held);
                missing.push(symbol);
            }
        }
        missing.sort_unstable();
        None
    }
}
