//! The venue's rules as stages know them.

use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::settings::Settings;
use serde::{Deserialize, Serialize};

/// The newest rules of each instrument.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Instruments(SymbolMap<Instrument>);

impl Instruments {
    /// Takes over new rules.
    pub(super) fn learn(&mut self, rules: &[Instrument]) {
        for rule in rules {
            self.0.insert(rule.symbol, rule.clone());
        }
    }

    /// The rules of one.
    pub(super) fn get(&self, symbol: Symbol) -> Option<&Instrument> {
        self.0.get(symbol)
    }

    /// All, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Instrument> {
        self.0.iter().map(|(_, rule)| rule)
    }

    /// The asset cash is counted in: as set, or the quote asset of the first instrument by name.
    pub(super) fn quote_asset<'a>(&'a self, settings: &'a Settings) -> Option<&'a str> {
        match settings.trading.quote_asset.as_str() {
            "" => self.iter().next().map(|rule| rule.quote.as_str()),
            set => Some(set),
        }
    }
}
