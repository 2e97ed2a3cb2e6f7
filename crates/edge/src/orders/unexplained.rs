//! Balances that the books do not explain, and the trades of `everwarm panic` and of external
//! orders. The gateway fetches these trades before it reports the account.
//!
//! `everwarm panic` sells while no daemon writes the journal. Its trades show as less of a base
//! asset than the books have. Only then are trades fetched, and only for these symbols. If external
//! orders are adopted, a surplus counts, too, and so do symbols in which the private stream has
//! reported a fill of one.

use crate::orders::findings::Findings;
use crate::orders::report_checks::Known;
use crate::retry;
use crate::world::World;
use everwarm_domain::fact::{Body, Dispute, Ledger, Market, Order, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol, SymbolMap};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{Balance, ExternalTrade, OrderReport, PanicTrade, Side};
use everwarm_domain::time::UtcMs;
use everwarm_domain::venue_ids::{VenueOrderId, VenueTradeId};
use everwarm_kernel::fact::Fact;
use everwarm_trading::orders::adopted::AdoptedTrades;
use everwarm_trading::orders::order_states::OrderStates;
use everwarm_venue::port::{ErrorClass, Trade, TradesSince, VenueError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most symbols whose trades are fetched in one comparison: weight 1,000 of 6,000 a minute.
const SEARCHES_MAX: usize = 50;
/// How often the venue is queried for the order of a trade, if it does not know the order.
const TRIES: u32 = 5;
/// How far the balances of the venue may lag behind its trades, milliseconds.
const LAG_MS: UtcMs = 10_000;

/// What the books expect of each base asset, as the ledger reported it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Expected {
    bases: SymbolMap<String>,
    held: SymbolMap<Decimal>,
    foreign: BTreeMap<String, Decimal>,
    /// Fees paid, by asset. Fees in the base asset are part of the position.
    fees: BTreeMap<String, Decimal>,
    /// The newest booked trade.
    newest: SymbolMap<Newest>,
    /// The last account: the number of its input, and its venue time.
    account: Option<(u64, UtcMs)>,
    /// The last explained account: the newest trade booked then, and its venue time.
    explained: SymbolMap<(Option<Newest>, UtcMs)>,
}

/// Venue time and id of a trade.
type Newest = (UtcMs, VenueTradeId);

/// [`Expected`] as it was saved while trade ids were numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ExpectedOfNumbers {
    bases: SymbolMap<String>,
    held: SymbolMap<Decimal>,
    foreign: BTreeMap<String, Decimal>,
    fees: BTreeMap<String, Decimal>,
    newest: SymbolMap<u64>,
    account: Option<(u64, UtcMs)>,
    explained: SymbolMap<(Option<u64>, UtcMs)>,
}

impl From<ExpectedOfNumbers> for Expected {
    fn from(before: ExpectedOfNumbers) -> Expected {
        let ExpectedOfNumbers { bases, held, foreign, fees, newest, account, explained } = before;
        // Venue times were not saved: each trade booked next counts as newer.
        let of = |id: u64| (UtcMs::MIN, id.into());
        let (mut new, mut known) = (SymbolMap::default(), SymbolMap::default());
        for (symbol, id) in newest.iter() {
            new.insert(symbol, of(*id));
        }
        for (symbol, (id, time)) in explained.iter() {
            known.insert(symbol, (id.map(of), *time));
        }
        Expected { bases, held, foreign, fees, newest: new, account, explained: known }
    }
}

/// A symbol whose trades are to be fetched: the venue has less of its base asset than expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    symbol: Symbol,
    from: TradesSince,
    /// Older trades are explained.
    since: UtcMs,
}

impl Expected {
    /// Applies one fact.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(Market::Instruments { rules }) => {
                for rule in rules {
                    self.bases.insert(rule.symbol, rule.base.clone());
                }
            }
            Body::Venue(Venue::Account { time, .. }) => self.account = Some((fact.key.n, *time)),
            Body::Order(Order::Filled { symbol, fill, .. }) => {
                let booked = (fill.time, fill.trade_id.clone());
                if self.newest.get(*symbol).is_none_or(|newest| *newest < booked) {
                    self.newest.insert(*symbol, booked);
                }
                if self.bases.get(*symbol) != Some(&fill.fee_asset) {
                    *self.fees.entry(fill.fee_asset.clone()).or_default() += fill.fee;
                }
            }
            Body::Ledger(Ledger::Position { symbol, quantity, .. }) => {
                if quantity.is_zero() {
                    self.held.remove(*symbol);
                } else {
                    self.held.insert(*symbol, *quantity);
                }
            }
            Body::Ledger(Ledger::Reconciled { conflicts, foreign, .. }) => {
                self.foreign = foreign.iter().cloned().collect();
                let Some((_, time)) = self.account.filter(|(n, _)| *n == fact.key.n) else {
                    return;
                };
                let open: BTreeSet<&str> = conflicts
                    .iter()
                    .filter(|conflict| conflict.dispute == Dispute::Balance)
                    .map(|conflict| conflict.about.as_str())
                    .collect();
                for (symbol, base) in self.bases.iter() {
                    if !open.contains(base.as_str()) {
                        let newest = self.newest.get(symbol).cloned();
                        self.explained.insert(symbol, (newest, time));
                    }
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

    /// The symbols whose balance is not explained by the books or by `reports`, which are not
    /// booked yet. If external orders are adopted, also symbols with a surplus and those that are
    /// `named`.
    #[must_use]
    pub fn searches(
        &self,
        balances: &[Balance],
        reports: &[(OrderReport, BTreeSet<VenueTradeId>)],
        adopts: Option<&BTreeSet<Symbol>>,
    ) -> Vec<Search> {
        let mut expected = self.foreign.clone();
        for (asset, fee) in &self.fees {
            *expected.entry(asset.clone()).or_default() -= *fee;
        }
        for (symbol, held) in self.held.iter() {
            if let Some(base) = self.bases.get(symbol) {
                *expected.entry(base.clone()).or_default() += *held;
            }
        }
        for (report, applied) in reports {
            let Some(base) = self.bases.get(report.symbol) else { continue };
            for fill in report.fills.iter().filter(|fill| !applied.contains(&fill.trade_id)) {
                let expected = expected.entry(base.clone()).or_default();
                match report.side {
                    Side::Buy => *expected += fill.quantity,
                    Side::Sell => *expected -= fill.quantity,
                }
                if fill.fee_asset == *base {
                    *expected -= fill.fee;
                }
            }
        }
        for Balance { asset, free, locked } in balances {
            if adopts.is_some() {
                *expected.entry(asset.clone()).or_default() -= *free + *locked;
            } else if let Some(expected) = expected.get_mut(asset) {
                *expected -= *free + *locked;
            }
        }
        let differs = |symbol: Symbol, base: &String| {
            let left = expected.get(base).copied().unwrap_or_default();
            let found = adopts.is_some_and(|named| !left.is_zero() || named.contains(&symbol));
            left > Decimal::ZERO || found
        };
        let symbols = self.bases.iter().filter(|(symbol, base)| differs(*symbol, base));
        symbols.filter_map(|(symbol, _)| self.search(symbol)).take(SEARCHES_MAX).collect()
    }

    /// The search for trades of a symbol since its balance was explained last; none if it never
    /// was.
    fn search(&self, symbol: Symbol) -> Option<Search> {
        let (newest, time) = self.explained.get(symbol).cloned()?;
        let since = time - LAG_MS;
        let behind = |(time, id)| TradesSince::Trade(id, time);
        let from = newest.map_or(TradesSince::Time(since), behind);
        Some(Search { symbol, from, since })
    }
}

/// What trades are compared with.
#[derive(Clone, Debug, Default)]
pub struct Booked {
    /// The venue's ids of our own orders.
    pub known: Known,
    /// The booked trades of external orders; none: external orders are not adopted.
    pub adopted: Option<AdoptedTrades>,
}

/// The reports among `bodies`, each with its booked trades.
#[must_use]
pub fn reports(bodies: &[Body], applied: &Applied) -> Vec<(OrderReport, BTreeSet<VenueTradeId>)> {
    let reports = bodies.iter().filter_map(|body| match body {
        Body::Venue(Venue::Reported(report)) => {
            let of = |id: &VenueTradeId| applied.contains(&(report.symbol, id.clone()));
            let ids = report.fills.iter().map(|fill| fill.trade_id.clone()).filter(of).collect();
            Some((report.clone(), ids))
        }
        Body::Venue(_)
        | Body::Market(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => None,
    });
    reports.collect()
}

/// Booked trades of the queried orders.
pub type Applied = BTreeSet<(Symbol, VenueTradeId)>;

/// The booked trades of the live orders.
#[must_use]
pub fn applied(orders: &OrderStates) -> Applied {
    let living = orders.living();
    living.flat_map(|o| o.applied_trades().map(|id| (o.intent.symbol, id.clone()))).collect()
}

/// Fetches the trades of `everwarm panic`, and those of external orders if these are adopted.
/// Weight 20 for each search, and 4 for each order found in it.
///
/// # Errors
/// The venue was not reached. What was found before is returned, too.
pub async fn fetch(
    world: &World,
    searches: &[Search],
    booked: &Booked,
) -> (Findings, Option<VenueError>) {
    let mut found = Findings::default();
    for search in searches {
        if let Err(error) = look(world, search, booked, &mut found).await {
            return (found, Some(error));
        }
    }
    (found, None)
}

async fn look(
    world: &World,
    search: &Search,
    booked: &Booked,
    found: &mut Findings,
) -> Result<(), VenueError> {
    let Booked { known, adopted } = booked;
    let mut trades = world.venue.trades_since(search.symbol, search.from.clone()).await?;
    trades.retain(|t| {
        let is_new = adopted.as_ref().is_none_or(|adopted| !adopted.has(t.symbol, &t.fill));
        is_new && t.fill.time >= search.since && !known.has(t.symbol, &t.venue_order_id)
    });
    let mut strange = BTreeSet::new();
    for (client_id, trade) in with_ids(world, trades).await? {
        let Trade { venue_order_id, symbol, side, fill } = trade;
        if client_id.is_panic() {
            found.panicked.push(PanicTrade { client_id, symbol, side, fill });
        } else if adopted.is_some() && client_id.is_external() {
            let trade = ExternalTrade { client_id, venue_order_id, symbol, side, fill };
            found.external.push(trade);
        } else if adopted.is_some() {
            strange.insert((symbol, client_id));
        }
    }
    // The order manager decides whether such an order is one of a twin.
    for (symbol, client_id) in strange {
        let report = match world.venue.find_order(symbol, &client_id).await {
            Ok(report) => report,
            Err(e) if e.class == ErrorClass::Absent => None,
            Err(e) => return Err(e),
        };
        found.strange.extend(report.filter(|report| known.believes(world, report, 0)));
    }
    Ok(())
}

/// Trades with the client ids of their orders. Trades of an order that the venue does not know are
/// left out.
async fn with_ids(
    world: &World,
    trades: Vec<Trade>,
) -> Result<Vec<(ClientOrderId, Trade)>, VenueError> {
    let mut ids = BTreeMap::new();
    let mut named = Vec::new();
    for trade in trades {
        if !ids.contains_key(&trade.venue_order_id) {
            let id = whose(world, trade.symbol, &trade.venue_order_id).await?;
            ids.insert(trade.venue_order_id.clone(), id);
        }
        if let Some(id) = ids.get(&trade.venue_order_id).cloned().flatten() {
            named.push((id, trade));
        }
    }
    Ok(named)
}

/// The trades among these that `everwarm panic` made.
///
/// # Errors
/// The venue was not reached.
pub async fn of_panic(world: &World, trades: Vec<Trade>) -> Result<Vec<PanicTrade>, VenueError> {
    let mut named = with_ids(world, trades).await?;
    named.retain(|(id, _)| id.is_panic());
    let of = |(client_id, trade)| {
        let Trade { symbol, side, fill, .. } = trade;
        PanicTrade { client_id, symbol, side, fill }
    };
    Ok(named.into_iter().map(of).collect())
}

/// The client id of an order that has traded; none if the venue does not know the order after
/// several queries. It may know the trade before the order.
async fn whose(
    world: &World,
    symbol: Symbol,
    order: &VenueOrderId,
) -> Result<Option<ClientOrderId>, VenueError> {
    for tries in 0..TRIES {
        if let Some(id) = world.venue.client_id_of(symbol, order).await? {
            return Ok(Some(id));
        }
        tokio::time::sleep(retry::after(tries, world.passing)).await;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::Conflict;
    use everwarm_domain::id::VenueId;
    use everwarm_domain::order::{OrderStatus, ReportSource};
    use everwarm_trading::testing::{
        AccountFact, dec, fact, filled, input, instrument, position, sym, trade,
    };

    fn balance(asset: &str, free: &str) -> Balance {
        Balance { asset: asset.to_owned(), free: dec(free), locked: Decimal::ZERO }
    }

    fn compared(expected: &mut Expected, n: u64, time: UtcMs, short: &[&str]) {
        let account = AccountFact { time, ..AccountFact::default() };
        expected.fold(&input(n, account.body()));
        let conflict = |about: &&str| Conflict {
            about: (*about).to_owned(),
            ours: String::new(),
            theirs: String::new(),
            dispute: Dispute::Balance,
        };
        let conflicts = short.iter().map(conflict).collect();
        let (cash, foreign) = (Decimal::ZERO, vec![("ETH".to_owned(), dec("3"))]);
        let outcome =
            Ledger::Reconciled { life: 1, conflicts, cash, foreign, venue: VenueId::default() };
        expected.fold(&fact(n, 800, Body::Ledger(outcome)));
    }

    #[test]
    fn what_was_saved_with_numbers_goes_on_behind_the_same_trade() {
        let mut before = ExpectedOfNumbers::default();
        before.bases.insert(sym("BTCUSDT"), "BTC".to_owned());
        before.held.insert(sym("BTCUSDT"), dec("2"));
        before.newest.insert(sym("BTCUSDT"), 41);
        before.explained.insert(sym("BTCUSDT"), (Some(41), 100_000));
        let mut expected = Expected::from(before);
        let from =
            |expected: &Expected| expected.searches(&[balance("BTC", "1")], &[], None)[0].clone();
        let since = 100_000 - LAG_MS;
        let behind = |id: u64, time| TradesSince::Trade(id.into(), time);
        let search = |from| Search { symbol: sym("BTCUSDT"), from, since };
        assert_eq!(from(&expected), search(behind(41, UtcMs::MIN)));
        // Any trade booked next is newer. Of later ones the last by venue time counts.
        expected.fold(&fact(3, 700, filled("ew-1", Side::Buy, 7, "100", "2")));
        compared(&mut expected, 4, 100_000, &[]);
        assert_eq!(from(&expected), search(behind(7, 0)));
    }

    #[test]
    fn only_what_is_less_than_the_books_and_reports_say_is_looked_for() {
        let mut expected = Expected::default();
        let rules = vec![instrument("BTCUSDT"), instrument("ETHUSDT")];
        expected.fold(&input(1, Body::Market(Market::Instruments { rules })));
        compared(&mut expected, 2, 100_000, &[]);
        expected.fold(&fact(3, 700, filled("ew-1", Side::Buy, 7, "100", "2")));
        expected.fold(&fact(3, 800, position("BTCUSDT", "2", "0")));
        let found = |expected: &Expected, btc: &str, eth: &str| {
            expected.searches(&[balance("BTC", btc), balance("ETH", eth)], &[], None)
        };
        assert_eq!(found(&expected, "2", "3.5"), [], "a surplus is no sale");
        let since = 100_000 - LAG_MS;
        let search = |symbol, from| Search { symbol: sym(symbol), from, since };
        let all = [
            search("BTCUSDT", TradesSince::Time(since)),
            search("ETHUSDT", TradesSince::Time(since)),
        ];
        assert_eq!(found(&expected, "1", "2"), all, "external holdings are sold, too");
        // A sale of ours that is not in the books yet.
        let report = OrderReport {
            source: ReportSource::Query,
            client_id: ClientOrderId("ew-2".to_owned()),
            venue_order_id: 1.into(),
            symbol: sym("BTCUSDT"),
            side: Side::Sell,
            status: OrderStatus::Filled,
            quantity: dec("2"),
            executed: dec("2"),
            executed_quote: dec("200"),
            fills: vec![trade(8, "100", "1"), trade(9, "100", "1")],
            time: 0,
        };
        let eth = [balance("ETH", "3")];
        let explained = |applied: &[u64]| {
            let applied = applied.iter().map(|id| (*id).into()).collect();
            expected.searches(&eth, &[(report.clone(), applied)], None)
        };
        assert_eq!(explained(&[]), []);
        assert_eq!(explained(&[8]), [search("BTCUSDT", TradesSince::Time(since))]);
        // An explained account moves both on, another one does not.
        compared(&mut expected, 4, 200_000, &["BTC"]);
        assert_eq!(found(&expected, "1", "3")[0].since, since);
        compared(&mut expected, 5, 300_000, &[]);
        let since = 300_000 - LAG_MS;
        let newest =
            Search { symbol: sym("BTCUSDT"), from: TradesSince::Trade(7.into(), 0), since };
        assert_eq!(found(&expected, "1", "3"), [newest]);
    }

    #[test]
    fn what_is_more_or_was_traded_is_looked_for_if_external_orders_are_adopted() {
        let mut expected = Expected::default();
        let rules = ["BTCUSDT", "ETHUSDT", "SOLUSDT"].map(instrument).to_vec();
        expected.fold(&input(1, Body::Market(Market::Instruments { rules })));
        let named = |of: &[&str]| of.iter().map(|name| sym(name)).collect::<BTreeSet<Symbol>>();
        let found = |expected: &Expected, of: &[&str], balances: &[(&str, &str)]| {
            let all = balances.iter().map(|(asset, free)| balance(asset, free));
            let balances: Vec<Balance> = all.collect();
            let found = expected.searches(&balances, &[], Some(&named(of)));
            found.iter().map(|search| search.symbol.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(found(&expected, &[], &[("BTC", "1")]), [""; 0], "no account came before");
        // It has 3 ETH of others.
        compared(&mut expected, 2, 100_000, &[]);
        expected.fold(&fact(3, 700, filled("ew-1", Side::Buy, 7, "100", "2")));
        expected.fold(&fact(3, 800, position("BTCUSDT", "2", "0")));
        let same = [("BTC", "2"), ("ETH", "3"), ("USDT", "5")];
        assert_eq!(found(&expected, &[], &same), [""; 0]);
        assert_eq!(found(&expected, &["BTCUSDT"], &same), ["BTCUSDT"], "sold again at once");
        let other = [("BTC", "2.5"), ("ETH", "2"), ("SOL", "1"), ("USDT", "5")];
        assert_eq!(found(&expected, &[], &other), ["BTCUSDT", "ETHUSDT", "SOLUSDT"]);
        assert_eq!(found(&expected, &[], &[("ETH", "3")]), ["BTCUSDT"], "all of it was sold");
    }
}
