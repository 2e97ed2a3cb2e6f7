//! Decides which holdings are dust, by the venue's rules at the time of each change.

use super::projection::RULES;
use super::queries::{History, HistoryError, decode};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use std::collections::BTreeMap;
use std::ops::Bound::Included;

/// The rules of every instrument over time, by symbol and key of the fact.
pub(super) struct Rules(BTreeMap<Vec<u8>, Instrument>);

impl Rules {
    /// Whether nothing of `quantity` could be sold after a change. `change` is the key of the
    /// change in its table; it has the form of the keys of the rules. Without a rule only zero is
    /// dust.
    pub(super) fn dust(&self, change: &[u8], quantity: Decimal) -> bool {
        let symbol = change.get(..super::key_encoding::SYMBOL).unwrap_or(change);
        let latest = self.0.range::<[u8], _>((Included(symbol), Included(change))).next_back();
        quantity.is_zero() || latest.is_some_and(|(_, rule)| !rule.sells(quantity))
    }
}

impl History {
    /// All rules that were ever reported.
    pub(super) fn rules(&self) -> Result<Rules, HistoryError> {
        let rows = self.all(RULES)?.into_iter();
        let rules = rows.map(|(key, value)| Ok((key, decode(RULES, &value)?)));
        Ok(Rules(rules.collect::<Result<_, HistoryError>>()?))
    }
}
