//! Limits what is open: the exposure of the account, of a symbol, a strategy, a group of symbols
//! and a venue.
//!
//! Exposure is the value of open lots at the last close, plus what open entries have reserved. Lots
//! that are being sold still count until the sale is filled. Exits are never capped.

use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::settings::SizeRules;

/// The exposure of one lot, or of its open entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Open<'a> {
    /// The symbol.
    pub symbol: Symbol,
    /// The owner.
    pub strategy: &'a str,
    /// The venue of the symbol.
    pub venue: VenueId,
    /// Quote units.
    pub amount: Decimal,
}

/// What is open.
#[derive(Clone, Debug, Default)]
pub struct Exposure<'a>(Vec<Open<'a>>);

/// A cap that limits an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Machine-readable reason of a refusal.
    pub code: &'static str,
    /// What is capped: a symbol, a strategy, a group, a venue or the account.
    pub what: String,
    /// The configuration key, or the name of the group.
    pub key: String,
    /// Present exposure, quote units.
    pub used: Decimal,
    /// The cap, quote units.
    pub most: Decimal,
}

impl Limit {
    /// What a further entry may reserve, quote units.
    #[must_use]
    pub fn room(&self) -> Decimal {
        self.most.saturating_sub(self.used).max(Decimal::ZERO)
    }

    /// Why no order is small enough.
    #[must_use]
    pub fn refusal(&self) -> String {
        let Limit { what, key, .. } = self;
        let (used, most) = (self.used.normalize(), self.most.normalize());
        format!("the exposure of {what} is {used}, the cap is {most} ({key}): no order fits")
    }
}

impl<'a> Exposure<'a> {
    /// Counts one more.
    pub fn add(&mut self, open: Open<'a>) {
        self.0.push(open);
    }

    /// The caps for a further entry.
    #[must_use]
    pub fn limits(&self, rules: &SizeRules, entry: &Open<'_>) -> Vec<Limit> {
        let sum = |counts: &dyn Fn(&Open<'_>) -> bool| {
            let of = self.0.iter().filter(|open| counts(open));
            money::total(of.map(|open| open.amount))
        };
        let key = |name: &str| format!("risk.{name}");
        let mut limits = Vec::new();
        if let Some(most) = rules.max_symbol_exposure {
            let used = sum(&|open| open.symbol == entry.symbol);
            let (what, key) = (entry.symbol.to_string(), key("max_symbol_exposure"));
            limits.push(Limit { code: "cap-symbol", what, key, used, most });
        }
        if let Some(most) = rules.max_strategy_exposure {
            let used = sum(&|open| open.strategy == entry.strategy);
            let (what, key) = (entry.strategy.to_owned(), key("max_strategy_exposure"));
            limits.push(Limit { code: "cap-strategy", what, key, used, most });
        }
        let is_in = |symbols: &[Symbol], symbol| symbols.binary_search(&symbol).is_ok();
        for group in rules.groups.iter().filter(|group| is_in(&group.symbols, entry.symbol)) {
            let used = sum(&|open| is_in(&group.symbols, open.symbol));
            let (what, key) = (format!("the group {}", group.name), key("groups"));
            limits.push(Limit { code: "cap-group", what, key, used, most: group.most });
        }
        if let Some(most) = rules.max_venue_exposure {
            let used = sum(&|open| open.venue == entry.venue);
            let (what, key) = ("the venue".to_owned(), key("max_venue_exposure"));
            limits.push(Limit { code: "cap-venue", what, key, used, most });
        }
        if let Some(most) = rules.max_exposure {
            let used = sum(&|_| true);
            let (what, key) = ("the account".to_owned(), key("max_exposure"));
            limits.push(Limit { code: "cap-total", what, key, used, most });
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dec, sym};
    use everwarm_domain::settings::sizes::groups;

    fn open<'a>(symbol: &str, strategy: &'a str, amount: &str) -> Open<'a> {
        let (symbol, venue) = (sym(symbol), VenueId::default());
        Open { symbol, strategy, venue, amount: dec(amount) }
    }

    #[test]
    fn each_cap_counts_what_is_open_of_its_own() {
        let mut exposure = Exposure::default();
        for (symbol, strategy, amount) in [
            ("BTCUSDT", "a", "100"),
            ("BTCUSDT", "b", "20"),
            ("ETHUSDT", "a", "3"),
            ("ADAUSDT", "b", "0.5"),
        ] {
            exposure.add(open(symbol, strategy, amount));
        }
        let rules = SizeRules {
            max_exposure: Some(dec("1000")),
            max_symbol_exposure: Some(dec("150")),
            max_strategy_exposure: Some(dec("101")),
            max_venue_exposure: Some(dec("900")),
            groups: groups("majors: BTCUSDT, ETHUSDT = 500; rest: ADAUSDT = 7").unwrap(),
            ..SizeRules::default()
        };
        let limits = exposure.limits(&rules, &open("BTCUSDT", "a", "0"));
        let rows: Vec<String> = limits
            .iter()
            .map(|limit| format!("{} {} {}", limit.code, limit.used, limit.room()))
            .collect();
        assert_eq!(
            rows,
            [
                "cap-symbol 120 30",
                "cap-strategy 103 0",
                "cap-group 123 377",
                "cap-venue 123.5 776.5",
                "cap-total 123.5 876.5",
            ]
        );
        assert_eq!(
            limits[2].refusal(),
            "the exposure of the group majors is 123, the cap is 500 (risk.groups): no order fits"
        );
        let none = SizeRules::default();
        assert_eq!(exposure.limits(&none, &open("BTCUSDT", "a", "0")), []);
    }
}
