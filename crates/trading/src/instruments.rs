//! Keeps the instrument rules of the venue for stages.

use everwarm_domain::id::{Symbol, SymbolMap, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::settings::Settings;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// The newest rules of each instrument.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "SymbolMap<Instrument>")]
pub(super) struct Instruments {
    rules: SymbolMap<Instrument>,
    /// The instruments of each base asset, by name. Derived from the rules, so not saved.
    of_base: BTreeMap<String, Vec<Symbol>>,
}

impl Serialize for Instruments {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.rules.serialize(to)
    }
}

impl From<SymbolMap<Instrument>> for Instruments {
    fn from(rules: SymbolMap<Instrument>) -> Instruments {
        let mut of_base: BTreeMap<String, Vec<Symbol>> = BTreeMap::new();
        for (symbol, rule) in rules.iter() {
            of_base.entry(rule.base.clone()).or_default().push(symbol);
        }
        Instruments { rules, of_base }
    }
}

impl Instruments {
    /// Adds new rules or replaces older ones.
    pub(super) fn learn(&mut self, rules: &[Instrument]) {
        let mut all = std::mem::take(self).rules;
        for rule in rules {
            all.insert(rule.symbol, rule.clone());
        }
        *self = Instruments::from(all);
    }

    /// The rules of one symbol.
    pub(super) fn get(&self, symbol: Symbol) -> Option<&Instrument> {
        self.rules.get(symbol)
    }

    /// The rules of one symbol, for lookups in the order of names: see [`SymbolMap::find_near`].
    pub(super) fn near(&self, near: &mut usize, symbol: Symbol) -> Option<&Instrument> {
        self.rules.find_near(near, symbol)
    }

    /// The instruments that trade an asset, by name.
    pub(super) fn of_base(&self, asset: &str) -> &[Symbol] {
        self.of_base.get(asset).map_or(&[], Vec::as_slice)
    }

    /// All rules, by symbol name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Instrument> {
        self.rules.iter().map(|(_, rule)| rule)
    }

    /// The venue of the account: the one that trades the instruments. An account has one venue.
    pub(super) fn venue(&self) -> VenueId {
        self.iter().next().map(|rule| rule.venue).unwrap_or_default()
    }

    /// The asset of the cash: as configured, or the quote asset of the first instrument by name.
    pub(super) fn quote_asset<'a>(&'a self, settings: &'a Settings) -> Option<&'a str> {
        match settings.trading.quote_asset.as_str() {
            "" => self.iter().next().map(|rule| rule.quote.as_str()),
            set => Some(set),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instrument, sym};
    use everwarm_kernel::state;

    #[test]
    fn the_instruments_of_an_asset_follow_the_rules() {
        let mut known = Instruments::default();
        let in_euro = Instrument { base: "BTC".into(), ..instrument("BTCEUR") };
        known.learn(&[instrument("BTCUSDT"), in_euro, instrument("ETHUSDT")]);
        assert_eq!(known.of_base("BTC"), [sym("BTCEUR"), sym("BTCUSDT")]);
        known.learn(&[Instrument { base: "XBT".into(), ..instrument("BTCUSDT") }]);
        assert_eq!(known.of_base("BTC"), [sym("BTCEUR")]);
        assert_eq!(known.of_base("XBT"), [sym("BTCUSDT")]);
        assert!(known.of_base("LTC").is_empty());
        let saved = state::load::<Instruments>(1, &state::save(1, &known));
        assert_eq!(saved, Ok(known));
    }
}
