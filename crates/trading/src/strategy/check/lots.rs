//! The lots of a strategy in a check: each signal is filled at its closing price, and the exit
//! rules sell at closing prices. Fees, orders and limits play no part.

use super::Subject;
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Body, Ledger, Order};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{ExitPrices, OrderIntent, OrderStatus, OrderType, Side};
use everwarm_domain::settings::ExitRules;
use everwarm_domain::signal::{Intent, Signal};
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::Rank;
use std::collections::BTreeMap;

/// One million, the unit of sizes.
const MILLION: u32 = 1_000_000;

/// One lot.
#[derive(Debug)]
struct Lot {
    quantity: Decimal,
    cost: Decimal,
    opened: UtcMs,
    highest: Decimal,
    exits: ExitPrices,
}

/// All lots of a run.
#[derive(Debug)]
pub(super) struct Lots<'a> {
    id: &'a str,
    rules: &'a ExitRules,
    held: BTreeMap<Symbol, Lot>,
    orders: u64,
    /// Lots that an exit rule closed.
    pub by_rule: u64,
    /// Lots that a signal closed.
    pub by_signal: u64,
}

impl<'a> Lots<'a> {
    pub fn new(subject: &'a Subject<'a>) -> Lots<'a> {
        let (id, rules, held) = (subject.id, &subject.rules, BTreeMap::new());
        Lots { id, rules, held, orders: 0, by_rule: 0, by_signal: 0 }
    }

    /// The number of open lots.
    pub fn open(&self) -> u64 {
        self.held.len() as u64
    }

    /// What the later stages append about a close: the fills of its signals, and of the exit rules.
    pub fn close(&mut self, bars: &[Bar], signals: &[Signal]) -> Vec<(Rank, Body)> {
        let mut changes = Vec::new();
        for bar in bars {
            let due = self.held.get_mut(&bar.symbol).is_some_and(|lot| {
                let price = bar.close.decimal();
                lot.highest = lot.highest.max(price);
                is_due(self.rules, lot, price, bar.open_time + MINUTE)
            });
            if due {
                self.by_rule += 1;
                changes.push(self.sold(bar.symbol));
            }
        }
        for signal in signals {
            match signal.intent {
                Intent::Open | Intent::Add => changes.extend(self.bought(signal)),
                Intent::Reduce | Intent::Close if self.held.contains_key(&signal.symbol) => {
                    self.by_signal += 1;
                    changes.push(self.sold(signal.symbol));
                }
                Intent::Reduce | Intent::Close => {}
            }
        }
        changes.sort_by_key(|(rank, _)| *rank);
        changes
    }

    fn sold(&mut self, symbol: Symbol) -> (Rank, Body) {
        self.held.remove(&symbol);
        (rank::LEDGER, self.lot(symbol))
    }

    /// The order of an entry, its end, and the lot.
    fn bought(&mut self, signal: &Signal) -> [(Rank, Body); 3] {
        self.orders += 1;
        let client_id = ClientOrderId(format!("check-{}", self.orders));
        let ppm = signal.terms.size_ppm.unwrap_or(MILLION).max(1);
        let part = Decimal::new(ppm.into(), 6);
        let (quantity, price) = (part, signal.price.decimal());
        let symbol = signal.symbol;
        let lot = self.held.entry(symbol).or_insert_with(|| Lot {
            quantity: Decimal::ZERO,
            cost: Decimal::ZERO,
            opened: signal.close_time,
            highest: price,
            exits: signal.exits(),
        });
        lot.quantity += quantity;
        lot.cost += quantity * price;
        let intent = OrderIntent {
            client_id: client_id.clone(),
            strategy: self.id.to_owned(),
            symbol,
            side: Side::Buy,
            order_type: OrderType::Market,
            quantity,
            price: None,
            close_time: signal.close_time,
            valid_until: signal.close_time,
            terms: Box::default(),
        };
        let filled = Order::Changed {
            client_id,
            symbol,
            venue_order_id: None,
            status: OrderStatus::Filled,
            executed: quantity,
            executed_quote: quantity * price,
            reason: String::new(),
        };
        [
            (rank::ORDER_MANAGER, Body::Order(Order::Intent(intent))),
            (rank::ORDER_MANAGER, Body::Order(filled)),
            (rank::LEDGER, self.lot(symbol)),
        ]
    }

    /// The ledger's fact about the lot of a symbol.
    fn lot(&self, symbol: Symbol) -> Body {
        let lot = self.held.get(&symbol);
        let (quantity, cost) = lot.map(|lot| (lot.quantity, lot.cost)).unwrap_or_default();
        let (opened, realized_pnl) = (lot.map(|lot| lot.opened), Decimal::ZERO);
        let strategy = self.id.to_owned();
        Body::Ledger(Ledger::Lot { strategy, symbol, quantity, cost, opened, realized_pnl })
    }
}

/// Whether an exit rule sells a lot at a closing price.
fn is_due(rules: &ExitRules, lot: &Lot, price: Decimal, time: UtcMs) -> bool {
    let share = |ppm: u32| Decimal::new(ppm.into(), 6);
    let entry = lot.cost / lot.quantity;
    let below = |ppm: u32, from: Decimal| price <= from * (Decimal::ONE - share(ppm));
    let above = |ppm: u32, at: Decimal| at >= entry * (Decimal::ONE + share(ppm));
    let stop = match lot.exits.stop {
        Some(stop) => price <= stop,
        None => rules.stop_share().is_some_and(|ppm| below(ppm, entry)),
    };
    let target = match lot.exits.target {
        Some(target) => price >= target,
        None => rules.target_ppm.is_some_and(|ppm| above(ppm, price)),
    };
    let trails = rules.trail_from_ppm.is_none_or(|ppm| above(ppm, lot.highest));
    let trail = trails && rules.trail_ppm.is_some_and(|ppm| below(ppm, lot.highest));
    let age = time - lot.opened;
    let enough =
        |profit_ppm: i32| price >= entry * (Decimal::ONE + Decimal::new(profit_ppm.into(), 6));
    let profit = rules.profit_at(age).is_some_and(|row| enough(row.profit_ppm));
    let longest = i64::from(rules.max_hold_minutes) * MINUTE;
    stop || target || trail || profit || (longest > 0 && age >= longest)
}
