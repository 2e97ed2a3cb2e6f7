//! Sales of external orders that sold more than the lot of `manual`: what the rest was is up to an
//! operator.

use crate::views::ExternalSaleView;
use everwarm_domain::fact::{Body, Conflict, Dispute, Ledger as Books, Operator, Order, Venue};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{Side, is_adopted};
use everwarm_domain::venue_ids::VenueTradeId;
use everwarm_kernel::fact::Fact;
use everwarm_kernel::stage::Stage as _;
use everwarm_trading::ledger::Ledger;
use std::collections::BTreeMap;

/// Such sales since the last comparison without a difference of their asset.
#[derive(Default)]
pub(super) struct ExternalSales {
    /// The venue's ids of the orders, by trade.
    orders: BTreeMap<(Symbol, VenueTradeId), String>,
    sales: Vec<ExternalSaleView>,
    /// The input of the last account.
    account: u64,
}

/// Base units that are ours according to the books.
fn ours(books: &Ledger, asset: &str) -> Decimal {
    let line = books.lines().into_iter().find(|line| line.asset == asset);
    line.map_or(Decimal::ZERO, |line| line.ours)
}

impl ExternalSales {
    /// Takes one fact, and has the books take it. `assets`: base and quote asset by symbol.
    pub(super) fn evolve(
        &mut self,
        fact: &Fact<Body>,
        books: &mut Ledger,
        assets: &BTreeMap<Symbol, (String, String)>,
    ) {
        self.fold(fact);
        let Body::Order(Order::Filled { client_id, strategy, symbol, side, fill, .. }) = &fact.body
        else {
            return books.evolve(fact);
        };
        let is_sale = *side == Side::Sell && is_adopted(client_id, strategy);
        let Some((asset, _)) = assets.get(symbol).filter(|_| is_sale) else {
            return books.evolve(fact);
        };
        let before = ours(books, asset);
        books.evolve(fact);
        let booked = before.saturating_sub(ours(books, asset));
        let order = self.orders.remove(&(*symbol, fill.trade_id.clone()));
        let beyond = fill.quantity.saturating_sub(booked);
        if beyond > Decimal::ZERO {
            self.sales.push(ExternalSaleView {
                asset: asset.clone(),
                symbol: *symbol,
                client_order_id: client_id.clone(),
                venue_order_id: order.unwrap_or_default(),
                quantity: fill.quantity.normalize(),
                beyond: beyond.normalize(),
                time: fill.time,
            });
        }
    }

    fn fold(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Venue(Venue::ExternalTraded(external)) => {
                let each = external.trades.iter().map(|trade| {
                    let name = (trade.symbol, trade.fill.trade_id.clone());
                    (name, trade.venue_order_id.to_string())
                });
                self.orders.extend(each);
            }
            Body::Venue(Venue::Account { .. }) => self.account = fact.key.n,
            Body::Ledger(Books::Reconciled { conflicts, .. }) if fact.key.n == self.account => {
                self.sales.retain(|sale| conflicts.iter().any(|c| is_about(c, &sale.asset)));
            }
            Body::Operator(Operator::Resolved { conflict, .. }) => {
                self.sales.retain(|sale| !is_about(conflict, &sale.asset));
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

    /// The sales that are part of one of these conflicts.
    pub(super) fn of(self, conflicts: &[Conflict]) -> Vec<ExternalSaleView> {
        let mut sales = self.sales;
        sales.retain(|sale| conflicts.iter().any(|conflict| is_about(conflict, &sale.asset)));
        sales
    }
}

fn is_about(conflict: &Conflict, asset: &str) -> bool {
    conflict.dispute == Dispute::Balance && conflict.about == asset
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Facts;
    use super::super::reconcile;
    use super::*;
    use everwarm_domain::fact::{Accept, Market};
    use everwarm_domain::id::{ClientOrderId, VenueId};
    use everwarm_domain::order::{ExternalTrade, ExternalTrades, MANUAL};
    use everwarm_domain::settings::Settings;
    use everwarm_trading::testing::{AccountFact, configured, dec, fact, instrument, sym, trade};

    /// A trade of 2 BTC, as found and as filled.
    fn traded(id: u64, side: Side) -> [Body; 2] {
        let client_id = ClientOrderId(format!("web-{id}"));
        let (symbol, fill, venue) = (sym("BTCUSDT"), trade(id, "100", "2"), VenueId::default());
        let trade = ExternalTrade {
            client_id: client_id.clone(),
            venue_order_id: (70 + id).into(),
            symbol,
            side,
            fill: fill.clone(),
        };
        let trades = vec![trade];
        let found = Body::Venue(Venue::ExternalTraded(ExternalTrades { trades, venue }));
        let strategy = MANUAL.to_owned();
        [found, Body::Order(Order::Filled { client_id, strategy, symbol, side, k: 1, fill })]
    }

    fn conflict() -> Conflict {
        Conflict {
            about: "BTC".to_owned(),
            ours: String::new(),
            theirs: String::new(),
            dispute: Dispute::Balance,
        }
    }

    #[test]
    fn a_sale_of_more_than_manual_holds_is_shown_until_its_conflict_ends() {
        let (mut facts, mut n) = (Vec::new(), 0);
        let mut append = |bodies: Vec<(u16, Body)>| {
            n += 1;
            facts.extend(bodies.into_iter().map(|(rank, body)| fact(n, rank, body)));
            reconcile(&Facts(facts.clone())).unwrap().sales
        };
        let compared = |short: bool| {
            let conflicts = Vec::from_iter(short.then(conflict));
            let (cash, foreign, venue) = (Decimal::ZERO, Vec::new(), VenueId::default());
            let books = Books::Reconciled { life: 1, conflicts, cash, foreign, venue };
            vec![(0, AccountFact::default().body()), (800, Body::Ledger(books))]
        };
        append(vec![(0, configured(&Settings::default()))]);
        let rules = vec![instrument("BTCUSDT")];
        append(vec![(0, Body::Market(Market::Instruments { rules }))]);
        append(compared(false));
        let trades = |id, side| {
            let [found, filled] = traded(id, side);
            vec![(0, found), (700, filled)]
        };
        append(trades(1, Side::Buy));
        assert_eq!(append(trades(2, Side::Sell)), [], "manual held all of it");
        assert_eq!(append(trades(3, Side::Sell)), [], "no account shows it yet");
        let sales = append(compared(true));
        let ids = (sales[0].client_order_id.0.as_str(), sales[0].venue_order_id.as_str());
        assert_eq!((sales.len(), ids), (1, ("web-3", "73")));
        assert_eq!((sales[0].quantity, sales[0].beyond), (dec("2"), dec("2")));
        let (conflict, accept) = (conflict(), Accept::Venue);
        let (reason, venue) = ("mine".to_owned(), VenueId::default());
        let resolved = Operator::Resolved { conflict, accept, reason, venue };
        assert_eq!(append(vec![(0, Body::Operator(resolved))]), []);
        assert_eq!(append(compared(true)), [], "another shortage");
    }
}
