//! Stops all orders of a symbol while its splits are queried, and puts its prices into new shares.
//!
//! From the input that announces the query until the one with the response, no entry and no exit of
//! the symbol is requested, and no order is placed that protects its lots. Its limit orders of
//! entries are cancelled. The ledger counts the new shares at the input of the response, after this
//! stage. So orders are possible from the next input on.

use super::{Decide, Newest, Refusal, no};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Price;
use everwarm_domain::split::{CorporateAction, Found};
use everwarm_kernel::fact::{Key, Rank};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Decimals of a price in new shares.
const PLACES: u32 = 8;

/// The symbols whose splits are queried.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Splits {
    doubts: BTreeMap<Symbol, Doubt>,
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
    /// Begins a fact: ends the doubts with a response at an earlier input.
    pub(super) fn at(&mut self, key: Key) {
        if key.rank == Rank::INPUT.0 && !self.doubts.is_empty() {
            self.doubts.retain(|_, doubt| doubt.ended.is_none_or(|n| n >= key.n));
        }
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

    /// Whether orders of a symbol may leave as far as splits are concerned.
    pub(super) fn split_allows(&self, symbol: Symbol) -> Result<(), Refusal> {
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
}
