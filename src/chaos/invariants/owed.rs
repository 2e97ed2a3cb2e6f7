//! A lot large enough to sell belongs to a strategy whose last signal is an entry, or its exit is
//! owed.

use everwarm_domain::fact::{Analysis, Body, Decision, Market, Signal};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_kernel::fact::Fact;
use everwarm_trading::lots::Lots;
use everwarm_trading::risk::sizing;
use std::collections::{BTreeMap, BTreeSet};

/// Exits and lots so far.
#[derive(Debug, Default)]
pub struct Owed {
    rules: BTreeMap<Symbol, Instrument>,
    prices: BTreeMap<Symbol, Decimal>,
    lots: Lots,
    /// The newest signal for each lot.
    signals: BTreeMap<(Symbol, String), Side>,
    open: BTreeSet<(Symbol, String)>,
    /// Size of each lot when its last exit ended.
    left: BTreeMap<(Symbol, String), Decimal>,
}

impl Owed {
    /// Takes one fact, in the order of the journal.
    pub fn see(&mut self, fact: &Fact<Body>) {
        self.lots.fold(fact);
        if let Body::Market(Market::Instruments { rules }) = &fact.body {
            self.rules.extend(rules.iter().map(|rule| (rule.symbol, rule.clone())));
        } else if let Body::Market(Market::Close { bars, .. }) = &fact.body {
            self.prices.extend(bars.iter().map(|bar| (bar.symbol, bar.close.decimal())));
        } else if let Body::Analysis(Analysis::Signals { rows }) = &fact.body {
            let name = |s: &Signal| ((s.symbol, s.strategy.clone()), s.side());
            self.signals.extend(rows.iter().map(name));
        } else if let Body::Decision(Decision::Owed { symbol, strategy, ended, .. }) = &fact.body {
            let name = (*symbol, strategy.clone());
            if ended.is_none() {
                self.open.insert(name);
            } else {
                self.open.remove(&name);
                let left = self.lots.get(*symbol, strategy);
                self.left.insert(name, left);
            }
        }
    }

    /// Lots that break the invariant at the end, one sentence each.
    #[must_use]
    pub fn end(&self) -> Vec<String> {
        let stays = |(symbol, strategy, held): (Symbol, &str, Decimal)| {
            let (rule, price) = (self.rules.get(&symbol)?, self.prices.get(&symbol)?);
            let name = (symbol, strategy.to_owned());
            let sells = sizing::market(rule, held, *price).is_ok();
            let owed = self.open.contains(&name);
            let sold = self.signals.get(&name) == Some(&Side::Sell);
            let dust = self.left.get(&name) == Some(&held);
            let stays = sells && sold && !owed && !dust;
            let text = || {
                format!(
                    "{held} of {symbol} is held by {strategy}, was to be sold, and no exit is owed"
                )
            };
            stays.then(text)
        };
        self.lots.iter().filter_map(stays).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{lot, position};
    use super::*;
    use everwarm_trading::testing::{close, input, instrument, signal};

    #[test]
    fn what_is_to_be_sold_and_forgotten_is_found() {
        let rules = vec![instrument("BTCUSDT")];
        let rows = vec![signal("BTCUSDT", Side::Sell, 60_000)];
        let mut owed = Owed::default();
        owed.see(&input(1, Body::Market(Market::Instruments { rules })));
        owed.see(&input(2, close("BTCUSDT", 1, 100)));
        owed.see(&position(2, 3));
        assert_eq!(owed.end(), [""; 0], "no strategy has sent a signal");
        owed.see(&input(3, Body::Analysis(Analysis::Signals { rows })));
        let found = "3 of BTCUSDT is held by sma_cross, was to be sold, and no exit is owed";
        assert_eq!(owed.end(), [found]);
        let mut broken_after = |ended: Option<&str>| {
            let decision = Decision::Owed {
                strategy: "sma_cross".into(),
                symbol: everwarm_trading::testing::sym("BTCUSDT"),
                since: 0,
                cause: String::new(),
                revision: 0,
                tries: 0,
                refusal: None,
                ended: ended.map(str::to_owned),
                rule: None,
            };
            owed.see(&input(4, Body::Decision(decision)));
            owed.end()
        };
        assert_eq!(broken_after(None), [""; 0]);
        assert_eq!(broken_after(Some("too small")), [""; 0], "the rest is dust");
        owed.see(&position(5, 4));
        assert_eq!(owed.end().len(), 1, "more is held since");
        owed.see(&lot(6, "b", 2));
        let rows = vec![Signal { strategy: "b".into(), ..signal("BTCUSDT", Side::Sell, 60_000) }];
        owed.see(&input(7, Body::Analysis(Analysis::Signals { rows })));
        assert_eq!(owed.end().len(), 2, "each lot by itself");
    }
}
