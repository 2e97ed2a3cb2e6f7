//! What of a holding could be sold when the books changed, by the venue's rules of that time.

use super::projection::RULES;
use super::queries::{History, HistoryError, decode};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use std::collections::BTreeMap;
use std::ops::Bound::Included;

/// The rules of every instrument whenever they were told anew, by symbol and key of the fact.
pub(super) struct Rules(BTreeMap<Vec<u8>, Instrument>);

impl Rules {
    /// Whether nothing of `quantity` could be sold after the change with this key of its table,
    /// which is made as the keys of the rules are. Without a rule only nothing is too little.
    pub(super) fn dust(&self, change: &[u8], quantity: Decimal) -> bool {
        let symbol = change.get(..super::key_encoding::SYMBOL).unwrap_or(change);
        let told = self.0.range::<[u8], _>((Included(symbol), Included(change))).next_back();
        quantity.is_zero() || told.is_some_and(|(_, rule)| !rule.sells(quantity))
    }
}

impl History {
    /// All rules that were ever told.
    pub(super) fn rules(&self) -> Result<Rules, HistoryError> {
        let rows = self.all(RULES)?.into_iter();
        let rules = rows.map(|(key, value)| Ok((key, decode(RULES, &value)?)));
        Ok(Rules(rules.collect::<Result<_, HistoryError>>()?))
    }
}
