//! Lots and realised profits by strategy: a pure fold over facts.

use super::views::LotView;
use everwarm_domain::fact::{Body, LOTS_FROM, Ledger, Order};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{Decimal, total};
use everwarm_domain::order::{FIRST_STRATEGY, OrderStatus, Protection};
use everwarm_domain::time::UtcMs;
use everwarm_history::records::quotient;
use everwarm_kernel::fact::Fact;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every lot, by symbol, then strategy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LotFold {
    lots: BTreeMap<(Symbol, String), Held>,
    /// Realised profit since the beginning, by symbol, then strategy.
    #[serde(default)]
    made: BTreeMap<(Symbol, String), Decimal>,
    /// Whether [`LotFold::begin`] has run.
    begun: bool,
    /// The orders that protect lots and are not final.
    #[serde(default)]
    stops: BTreeMap<ClientOrderId, StopOrder>,
}

/// A stop or target order of a lot.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StopOrder {
    symbol: Symbol,
    strategy: String,
    /// Its price, quote units.
    stop: Decimal,
    /// Whether the venue has it.
    open: bool,
    /// Whether it is a target order.
    #[serde(default)]
    target: bool,
}

/// One lot.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    quantity: Decimal,
    /// Quote units; none for lots from before the journal had lots.
    cost: Option<Decimal>,
    opened: Option<UtcMs>,
}

impl LotFold {
    /// Begins with positions and profits from before the journal had lots: they belong to the only
    /// strategy of that time. Only the first call has an effect.
    pub fn begin(
        &mut self,
        held: impl Iterator<Item = (Symbol, Decimal)>,
        made: &BTreeMap<Symbol, Decimal>,
    ) {
        if !self.begun {
            self.begun = true;
            for (symbol, quantity) in held {
                self.set(symbol, FIRST_STRATEGY, Held { quantity, cost: None, opened: None });
            }
            for (symbol, made) in made {
                self.made.insert((*symbol, FIRST_STRATEGY.to_owned()), *made);
            }
        }
    }

    /// Takes one fact in.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Ledger(Ledger::Lot {
                strategy,
                symbol,
                quantity,
                cost,
                opened,
                realized_pnl,
            }) => {
                let (quantity, cost, opened) = (*quantity, Some(*cost), *opened);
                self.set(*symbol, strategy, Held { quantity, cost, opened });
                self.made.insert((*symbol, strategy.clone()), *realized_pnl);
            }
            Body::Ledger(Ledger::Position { symbol, quantity, cost, realized_pnl, .. })
                if fact.version < LOTS_FROM =>
            {
                let (quantity, cost) = (*quantity, Some(*cost));
                self.set(*symbol, FIRST_STRATEGY, Held { quantity, cost, opened: None });
                self.made.insert((*symbol, FIRST_STRATEGY.to_owned()), *realized_pnl);
            }
            Body::Order(Order::Intent(intent)) => {
                if let Some(protection) = intent.protection() {
                    let (symbol, strategy) = (intent.symbol, intent.strategy.clone());
                    let (stop, target) = match protection {
                        Protection::Stop(stop) => (stop, false),
                        Protection::Target(target) => (target, true),
                    };
                    let stop = StopOrder { symbol, strategy, stop, open: false, target };
                    self.stops.insert(intent.client_id.clone(), stop);
                }
            }
            Body::Order(Order::Changed { client_id, status, .. }) => {
                if status.is_final() {
                    self.stops.remove(client_id);
                } else if let Some(stop) = self.stops.get_mut(client_id) {
                    let open = [OrderStatus::Open, OrderStatus::PartlyFilled];
                    stop.open = open.contains(status);
                }
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }

    /// The price of the open stop order or target order of a lot, in quote units.
    fn rests(&self, symbol: Symbol, strategy: &str, target: bool) -> Option<Decimal> {
        let open = self.stops.values().filter(|order| order.open && order.target == target);
        let mut of = open.filter(|order| order.symbol == symbol && order.strategy == strategy);
        of.next().map(|order| order.stop.normalize())
    }

    fn set(&mut self, symbol: Symbol, strategy: &str, held: Held) {
        let name = (symbol, strategy.to_owned());
        if held.quantity.is_zero() {
            self.lots.remove(&name);
        } else {
            self.lots.insert(name, held);
        }
    }

    /// Quantity of one lot, base units; 0 if there is none.
    #[must_use]
    pub fn held(&self, symbol: Symbol, strategy: &str) -> Decimal {
        let lot = self.lots.get(&(symbol, strategy.to_owned()));
        lot.map(|lot| lot.quantity).unwrap_or_default()
    }

    /// Realised profit of each strategy that ever had a lot.
    #[must_use]
    pub fn made(&self) -> BTreeMap<&str, Decimal> {
        let mut all: BTreeMap<&str, Decimal> = BTreeMap::new();
        for ((_, strategy), made) in &self.made {
            let of = all.entry(strategy).or_default();
            *of = of.saturating_add(*made);
        }
        all
    }

    /// The lots: symbol, strategy, quantity and cost. An unknown cost is the position's cost less
    /// the cost of the symbol's other lots.
    pub fn costs<'a>(
        &'a self,
        position: impl Fn(Symbol) -> Decimal + 'a,
    ) -> impl Iterator<Item = (Symbol, &'a str, Decimal, Decimal)> {
        self.lots.iter().map(move |((symbol, strategy), held)| {
            let cost = held.cost.unwrap_or_else(|| {
                let of = self.lots.iter().filter(|((of, _), _)| of == symbol);
                let others = total(of.filter_map(|(_, held)| held.cost));
                position(*symbol).saturating_sub(others)
            });
            (*symbol, strategy.as_str(), held.quantity, cost)
        })
    }

    /// The views of all lots, by symbol, then strategy.
    pub fn views(&self) -> impl Iterator<Item = LotView> {
        self.lots.iter().map(|((symbol, strategy), held)| LotView {
            symbol: *symbol,
            strategy: strategy.clone(),
            quantity: held.quantity.normalize(),
            average_price: held.cost.and_then(|cost| quotient(cost, held.quantity)),
            opened: held.opened,
            stop: self.rests(*symbol, strategy, false),
            target: self.rests(*symbol, strategy, true),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_trading::testing::{dec, fact, position, sym};

    #[test]
    fn lots_are_told_as_the_ledger_says_them_and_before_as_one() {
        let lot = |strategy: &str, quantity: &str, opened| {
            let (strategy, symbol, cost) = (strategy.to_owned(), sym("BTCUSDT"), dec("300"));
            let (quantity, realized_pnl) = (dec(quantity), dec("7"));
            let ledger = Ledger::Lot { strategy, symbol, quantity, cost, opened, realized_pnl };
            Fact { version: LOTS_FROM, ..fact(1, 800, Body::Ledger(ledger)) }
        };
        let lines = |fold: &LotFold| {
            let line = |view: LotView| {
                let price = view.average_price.map_or("-".to_owned(), |price| price.to_string());
                format!("{} {} at {price} {:?}", view.strategy, view.quantity, view.opened)
            };
            fold.views().map(line).collect::<Vec<_>>()
        };
        let mut fold = LotFold::default();
        fold.fold(&fact(1, 800, position("BTCUSDT", "2", "0")));
        assert_eq!(lines(&fold), ["sma_cross 2 at 0 None"]);
        fold.fold(&lot("b", "3", Some(60_000)));
        assert_eq!(lines(&fold), ["b 3 at 100 Some(60000)", "sma_cross 2 at 0 None"]);
        assert_eq!(fold.held(sym("BTCUSDT"), "b"), dec("3"));
        fold.fold(&lot("sma_cross", "0", None));
        assert_eq!(lines(&fold), ["b 3 at 100 Some(60000)"]);
        // State from before the journal had lots.
        let mut fold = LotFold::default();
        let made = BTreeMap::from([(sym("BTCUSDT"), dec("-3"))]);
        fold.begin([(sym("BTCUSDT"), dec("2"))].into_iter(), &made);
        fold.begin([(sym("ETHUSDT"), dec("2"))].into_iter(), &BTreeMap::new());
        assert_eq!(lines(&fold), ["sma_cross 2 at - None"]);
        fold.fold(&lot("b", "3", Some(60_000)));
        assert_eq!(fold.made(), BTreeMap::from([("b", dec("7")), ("sma_cross", dec("-3"))]));
        let costs = fold.costs(|_| dec("480")).map(|(_, name, held, cost)| (name, held, cost));
        let want = [("b", dec("3"), dec("300")), ("sma_cross", dec("2"), dec("180"))];
        assert_eq!(costs.collect::<Vec<_>>(), want, "what the position cost beyond b's");
    }
}
