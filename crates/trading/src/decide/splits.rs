//! Stops the orders of a symbol that may have been split, and puts its prices into new shares.
//!
//! At a venue that reports splits, shares may be new ones from the beginning of each day. So from
//! then on no entry and no exit of a symbol is requested, and no order is placed that protects its
//! lots, until the first bar of the day was compared with the ones before. A stop that the venue
//! cancelled at a split does not return with a price of old shares. What works at the venue stays.
//!
//! The same applies from the input that announces the query for a split until the one with the
//! response. Its limit orders of entries are cancelled then, too. The ledger counts the new shares
//! at the input of the response, after this stage. So orders are possible from the next input on.

use super::{Decide, Newest, Refusal, no};
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use everwarm_domain::split::{CorporateAction, Found};
use everwarm_domain::time::{UtcMs, date_of, day_of};
use everwarm_kernel::fact::{Key, Rank};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Decimals of a price in new shares.
const PLACES: u32 = 8;

/// The symbols that may have been split.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Splits {
    /// The symbols whose splits are queried.
    doubts: BTreeMap<Symbol, Doubt>,
    /// Venues that report splits.
    #[serde(default)]
    venues: BTreeSet<VenueId>,
    /// By symbol, the opening time of the last bar about which the venue responded.
    #[serde(default)]
    answered: BTreeMap<Symbol, UtcMs>,
}

/// A query for a split.
#[derive(Debug, Serialize, Deserialize)]
struct Doubt {
    /// Why it failed last.
    failed: Option<String>,
    /// The input with the response.
    ended: Option<u64>,
}

impl Splits {
    /// Begins a fact: ends the doubts with a response at an earlier input. Returns their symbols.
    pub(super) fn ended(&mut self, key: Key) -> Vec<Symbol> {
        let mut symbols = Vec::new();
        if key.rank == Rank::INPUT.0 && !self.doubts.is_empty() {
            let over = |doubt: &Doubt| doubt.ended.is_some_and(|n| n < key.n);
            let ended = self.doubts.iter().filter(|(_, doubt)| over(doubt));
            symbols.extend(ended.map(|(symbol, _)| *symbol));
            self.doubts.retain(|_, doubt| !over(doubt));
        }
        symbols
    }

    /// Notes whether a venue reports splits.
    pub(super) fn venue_reports(&mut self, venue: VenueId, splits: bool) {
        if splits {
            self.venues.insert(venue);
        } else {
            self.venues.remove(&venue);
        }
    }

    /// Whether any venue reports splits.
    pub(super) fn any_venue(&self) -> bool {
        !self.venues.is_empty()
    }
}

impl Decide {
    /// Takes what is known about a bar that a split may explain.
    pub(super) fn corporate_action(&mut self, key: Key, action: &CorporateAction) {
        let symbol = action.symbol;
        let (failed, ended) = match &action.found {
            Found::Asked(failed) => (failed.clone(), None),
            Found::Nothing | Found::Split { .. } => (None, Some(key.n)),
        };
        if ended.is_some() {
            self.splits.answered.insert(symbol, action.bar);
        }
        self.splits.doubts.insert(symbol, Doubt { failed, ended });
        let Some(ratio) = action.split() else { return };
        self.guards.split(symbol, ratio);
        self.limit_entries.forget(symbol);
        let newest = self.newest.get(symbol).copied();
        // Values of features are in old shares.
        self.unlisted(&[symbol]);
        if let Some(Newest { time, close }) = newest {
            let price = ratio.price(close.decimal()).round_dp(PLACES);
            let close = Price::exact(price).unwrap_or(close);
            self.newest.insert(symbol, Newest { time, close });
        }
        if let Some(rule) = self.instruments.get(symbol) {
            self.exits.recounted(&rule.base);
        }
    }

    /// Whether a symbol is compared, so that its orders may leave.
    pub(super) fn split_allows(&self, symbol: Symbol) -> Result<(), Refusal> {
        self.response_allows(symbol)?;
        let Some(day) = self.day_in_doubt(symbol, self.time) else { return Ok(()) };
        let date = date_of(day);
        no("split", format!("{symbol} may have been split: it has no bar of {date} yet"))
    }

    /// Whether no query for a split of a symbol is open.
    pub(super) fn response_allows(&self, symbol: Symbol) -> Result<(), Refusal> {
        match self.splits.doubts.get(&symbol) {
            None => Ok(()),
            Some(Doubt { failed: Some(why), .. }) => {
                no("split", format!("{symbol} may have been split, and the query failed: {why}"))
            }
            Some(Doubt { failed: None, .. }) => {
                no("split", format!("{symbol} may have been split: the venue is queried"))
            }
        }
    }

    /// The day of a time in UTC, if no bar of the symbol was compared on it and splits may happen.
    fn day_in_doubt(&self, symbol: Symbol, time: UtcMs) -> Option<i64> {
        let rule = self.instruments.get(symbol)?;
        if !self.splits.venues.contains(&rule.venue) {
            return None;
        }
        // Before its first bar, nothing is known of old shares.
        let bar = self.newest.get(symbol)?.time.saturating_sub(1);
        let known = self.splits.answered.get(&symbol).map_or(bar, |answered| bar.max(*answered));
        // The session of a stock is over before midnight in UTC, and shares change after it.
        let today = day_of(time);
        (today > day_of(known)).then_some(today)
    }

    /// Has the orders that protect lots decided on again whose symbols have their first bar of a
    /// day in this close.
    pub(super) fn days_begin(&mut self, key: Key, close: UtcMs, bars: &[Bar]) {
        if !self.splits.any_venue() {
            return;
        }
        let begins = |bar: &&Bar| self.day_in_doubt(bar.symbol, close - 1).is_some();
        let begun: Vec<Symbol> = bars.iter().filter(begins).map(|bar| bar.symbol).collect();
        for symbol in begun {
            self.guards.touch_all(Some(symbol), key);
        }
    }
}
