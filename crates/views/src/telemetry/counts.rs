//! Counters and sums for metrics, from the facts of all runs. No counter falls at a restart.
//!
//! Over 500 lines: one counter a kind of fact.

use super::Page;
use super::table::{RULES, SLIPPAGE};
use crate::lots::LotFold;
use everwarm_domain::fact::{Analysis, Body, Decision, Ledger, Market, Operator, Order, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, total};
use everwarm_domain::order::{Liquidity, OrderIntent, OrderStatus, Side, VenueFill};
use everwarm_domain::settings::Settings;
use everwarm_kernel::fact::Fact;
use everwarm_kernel::stage::Stage as _;
use everwarm_runtime::meter::Reading;
use everwarm_trading::risk::{Breaker, limits};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Label values for the side of an order, fill or signal.
pub const SIDES: &[&str] = &["buy", "sell"];
/// Label values for the liquidity of an execution.
pub const LIQUIDITY: &[&str] = &["maker", "taker", "unknown"];

/// Invariants of every position: no negative quantity, and no cost without a quantity.
pub const CHECKS: &[&str] = &["quantity", "cost"];

/// Label values for the status of an order.
pub const OUTCOMES: &[&str] = &[
    "intent",
    "sent",
    "unknown",
    "accepted",
    "partly_filled",
    "filled",
    "cancelled",
    "rejected",
    "expired",
];

const fn outcome(status: OrderStatus) -> &'static str {
    OUTCOMES[match status {
        OrderStatus::Intent => 0,
        OrderStatus::Sent => 1,
        OrderStatus::Unknown => 2,
        OrderStatus::Open => 3,
        OrderStatus::PartlyFilled => 4,
        OrderStatus::Filled => 5,
        OrderStatus::Cancelled => 6,
        OrderStatus::Rejected => 7,
        OrderStatus::Expired => 8,
    }]
}

const fn side(side: Side) -> &'static str {
    SIDES[match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }]
}

const fn liquidity(liquidity: Option<Liquidity>) -> &'static str {
    LIQUIDITY[match liquidity {
        Some(Liquidity::Maker) => 0,
        Some(Liquidity::Taker) => 1,
        None => 2,
    }]
}

/// The position in one symbol: base units, its cost in quote units, and its mark price.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    quantity: Decimal,
    cost: Decimal,
    mark: Decimal,
}

/// The fees of one strategy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    /// Fees by asset.
    fees: BTreeMap<String, Decimal>,
}

/// Everything that metrics count in facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    closes: u64,
    missing: u64,
    /// By side and liquidity; none for fills without a known liquidity.
    fills: BTreeMap<(Side, Option<Liquidity>), u64>,
    orders: BTreeMap<(Side, OrderStatus), u64>,
    signals: BTreeMap<(String, Side), u64>,
    approved: u64,
    declined: BTreeMap<String, u64>,
    /// Rejections of the venue: those that are retried, and final ones.
    refused: [u64; 2],
    /// Orders that are not final: side, and price of their signal.
    working: BTreeMap<ClientOrderId, (Side, Option<Decimal>)>,
    /// The newest input with signals: strategy, symbol and price of each.
    #[serde(rename = "wished")]
    newest_signals: (u64, Vec<(String, Symbol, Decimal)>),
    held: BTreeMap<Symbol, Held>,
    /// By strategy.
    made: BTreeMap<String, Made>,
    equity: Option<Decimal>,
    cash: Decimal,
    adjusted: Decimal,
    /// The highest equity, without adjustments.
    peak: Decimal,
    slippage: (Vec<u64>, i64),
    settings: Option<Settings>,
    /// Violated invariants, in the order of [`CHECKS`], since the process began.
    #[serde(skip)]
    broken: [u64; CHECKS.len()],
    /// The breaker stage; it counts the usage of the limits.
    breaker: Breaker,
}

impl Counts {
    /// Takes one fact in, in the order of their keys.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other group of facts is as one")]
    pub fn fold(&mut self, fact: &Fact<Body>) {
        // A configuration that is unreadable here is unreadable for every stage of this version.
        let unread = |text: &str| Settings::from_text(text).is_err();
        let foreign = matches!(&fact.body,
            Body::Operator(Operator::ConfigApplied { text, .. }) if unread(text));
        if !foreign {
            self.breaker.evolve(fact);
        }
        match &fact.body {
            Body::Market(Market::Close { bars, missing, .. }) => self.close(bars, missing),
            Body::Venue(Venue::Refused { again, .. }) => self.refused[usize::from(!again)] += 1,
            Body::Operator(Operator::ConfigApplied { text, .. }) => {
                self.settings = Settings::from_text(text).ok();
            }
            Body::Analysis(Analysis::Signals { rows }) => {
                if self.newest_signals.0 != fact.key.n {
                    self.newest_signals = (fact.key.n, Vec::new());
                }
                for signal in rows {
                    let of = (signal.strategy.clone(), signal.side());
                    *self.signals.entry(of).or_default() += 1;
                    let price = signal.price.decimal();
                    self.newest_signals.1.push((signal.strategy.clone(), signal.symbol, price));
                }
            }
            Body::Decision(Decision::Approved { .. }) => self.approved += 1,
            Body::Decision(Decision::Declined { code, .. }) => {
                // The code may belong to a rule of an earlier or later version.
                let rule = RULES.iter().find(|rule| *rule == code).unwrap_or(&"other");
                *self.declined.entry((*rule).to_owned()).or_default() += 1;
            }
            Body::Order(Order::Intent(intent)) => self.intent(intent),
            Body::Order(Order::Changed { client_id, status, .. }) => {
                self.changed(client_id, *status);
            }
            Body::Order(Order::Filled { client_id, strategy, side, fill, .. }) => {
                let fees = &mut self.made.entry(strategy.clone()).or_default().fees;
                let fee = fees.entry(fill.fee_asset.clone()).or_default();
                *fee = fee.saturating_add(fill.fee);
                self.filled(client_id, *side, fill);
            }
            Body::Ledger(ledger) => self.ledger(ledger),
            _ => {}
        }
    }

    fn close(&mut self, bars: &[Bar], missing: &[Symbol]) {
        self.closes += 1;
        self.missing += missing.len() as u64;
        for (symbol, held) in self.held.iter_mut().filter(|(_, held)| !held.quantity.is_zero()) {
            if let Ok(at) = bars.binary_search_by_key(symbol, |bar| bar.symbol) {
                held.mark = bars[at].close.decimal();
            }
        }
    }

    fn intent(&mut self, intent: &OrderIntent) {
        *self.orders.entry((intent.side, OrderStatus::Intent)).or_default() += 1;
        let of = |(strategy, symbol, _): &&(String, Symbol, Decimal)| {
            *strategy == intent.strategy && *symbol == intent.symbol
        };
        let price = self.newest_signals.1.iter().find(of).map(|(_, _, price)| *price);
        self.working.insert(intent.client_id.clone(), (intent.side, price));
    }

    fn changed(&mut self, id: &ClientOrderId, status: OrderStatus) {
        let Some((side, _)) = self.working.get(id).copied() else { return };
        *self.orders.entry((side, status)).or_default() += 1;
        if status.is_final() {
            self.working.remove(id);
        }
    }

    fn filled(&mut self, id: &ClientOrderId, side: Side, fill: &VenueFill) {
        *self.fills.entry((side, fill.liquidity)).or_default() += 1;
        let decided = self.working.get(id).and_then(|(_, price)| *price);
        let Some(decided) = decided.filter(|price| !price.is_zero()) else { return };
        let worse = match side {
            Side::Buy => fill.price.saturating_sub(decided),
            Side::Sell => decided.saturating_sub(fill.price),
        };
        let share = worse.checked_div(decided);
        let Some(parts) = share.and_then(|s| s.checked_mul(Decimal::from(1_000_000_000))) else {
            return;
        };
        let parts = i64::try_from(parts.trunc()).unwrap_or(i64::MAX >> 16);
        let (counts, sum) = &mut self.slippage;
        counts.resize(SLIPPAGE.len() + 1, 0);
        counts[SLIPPAGE.partition_point(|bound| *bound < parts)] += 1;
        *sum = sum.saturating_add(parts);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
    fn ledger(&mut self, ledger: &Ledger) {
        match ledger {
            Ledger::Position { symbol, quantity, cost, cash, .. } => {
                self.broken[0] += u64::from(*quantity < Decimal::ZERO);
                self.broken[1] += u64::from(quantity.is_zero() && !cost.is_zero());
                let held = self.held.entry(*symbol).or_default();
                if held.quantity.is_zero() && !quantity.is_zero() {
                    held.mark = cost.checked_div(*quantity).unwrap_or_default();
                }
                (held.quantity, held.cost) = (*quantity, *cost);
                self.cash = *cash;
            }
            Ledger::Equity { equity, cash, adjusted, .. } => {
                (self.equity, self.cash, self.adjusted) = (Some(*equity), *cash, *adjusted);
                self.peak = self.peak.max(equity.saturating_sub(*adjusted));
            }
            Ledger::Reconciled { cash, .. } => self.cash = *cash,
            _ => {}
        }
    }

    /// The usage of the limits, as of the newest fact.
    #[must_use]
    pub fn used(&self) -> &limits::Counts {
        self.breaker.counted().0
    }

    /// Whether a limit of the breaker restricts trading.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.breaker.is_limited()
    }

    /// Maximum age of a symbol's newest bar, seconds of event time.
    #[must_use]
    pub fn stale_s(&self) -> i64 {
        self.settings.as_ref().map_or(i64::MAX / 1000, |settings| settings.trading.stale_s)
    }

    /// Sets the metrics on `page`; `currency` is the unit of money. `taken` is the number of used
    /// position slots, as the decision counts them. `owners` has the lots and profits by strategy.
    pub fn show(
        &self,
        page: &mut Page,
        (venue, currency): (&str, &str),
        (taken, owners): (u64, &LotFold),
    ) {
        page.count("everwarm_closes_total", &[], self.closes);
        page.count("everwarm_close_bars_missing_total", &[], self.missing);
        for ((of, status), n) in &self.orders {
            page.count("everwarm_orders_total", &[side(*of), outcome(*status)], *n);
        }
        for ((of, how), n) in &self.fills {
            page.count("everwarm_fills_total", &[side(*of), liquidity(*how)], *n);
        }
        for ((strategy, of), n) in &self.signals {
            page.count("everwarm_strategy_signals_total", &[strategy, side(*of)], *n);
        }
        page.count("everwarm_risk_checks_total", &["all", "pass"], self.approved);
        for (rule, n) in &self.declined {
            page.count("everwarm_risk_checks_total", &[rule, "reject"], *n);
        }
        page.count("everwarm_order_rejects_total", &[venue, "transient"], self.refused[0]);
        page.count("everwarm_order_rejects_total", &[venue, "final"], self.refused[1]);
        let (counts, sum) = self.slippage.clone();
        if !counts.is_empty() {
            let reading = Reading { bounds: SLIPPAGE, counts, sum };
            page.spread("everwarm_fill_slippage_ratio", &[], reading);
        }
        for (check, n) in CHECKS.iter().zip(self.broken) {
            page.count("everwarm_ledger_violations_total", &[check], n);
        }
        self.show_money(page, currency, owners);
        self.show_limits(page, taken);
    }

    fn show_money(&self, page: &mut Page, currency: &str, owners: &LotFold) {
        let mut money = |name, amount: Decimal| page.set(name, &[currency], number(amount));
        let worth = |held: &Held| held.quantity.saturating_mul(held.mark);
        let gross = total(self.held.values().map(|held| worth(held).abs()));
        let net = total(self.held.values().map(worth));
        money("everwarm_equity", self.equity.unwrap_or_default());
        money("everwarm_cash", self.cash);
        money("everwarm_exposure_gross", gross);
        money("everwarm_exposure_net", net);
        for (symbol, held) in &self.held {
            let labels = [symbol.as_str(), currency];
            page.set("everwarm_position_value", &labels, number(worth(held)));
        }
        self.show_made(page, currency, owners);
        if let Some(equity) = self.equity.filter(|_| self.peak > Decimal::ZERO) {
            // An adjustment is neither profit nor loss: it moves the peak too.
            let peak = self.peak.saturating_add(self.adjusted);
            let left = equity.checked_div(peak).unwrap_or_default();
            let share = Decimal::ONE.saturating_sub(left);
            page.set("everwarm_drawdown_ratio", &[], number(share.max(Decimal::ZERO)));
        }
    }

    fn show_made(&self, page: &mut Page, currency: &str, owners: &LotFold) {
        let position = |symbol: Symbol| self.held.get(&symbol).cloned().unwrap_or_default();
        let mut open: BTreeMap<&str, Decimal> = BTreeMap::new();
        for (symbol, strategy, quantity, cost) in owners.costs(|symbol| position(symbol).cost) {
            let worth = quantity.saturating_mul(position(symbol).mark);
            let of = open.entry(strategy).or_default();
            *of = of.saturating_add(worth.saturating_sub(cost));
        }
        let locked_in = owners.made();
        let configured = self.settings.iter().flat_map(|settings| settings.strategy.0.keys());
        let known = self.made.keys().chain(configured).map(String::as_str);
        let known = known.chain(open.keys().copied()).chain(locked_in.keys().copied());
        let strategies: BTreeSet<&str> = known.collect();
        for strategy in strategies {
            let made = self.made.get(strategy).cloned().unwrap_or_default();
            let labels = [strategy, currency];
            let locked_in = locked_in.get(strategy).copied().unwrap_or_default();
            page.set("everwarm_pnl_realized", &labels, number(locked_in));
            let gain = open.get(strategy).copied().unwrap_or_default();
            page.set("everwarm_pnl_unrealized", &labels, number(gain));
            page.set("everwarm_fees_paid", &labels, 0.0);
            for (asset, paid) in &made.fees {
                page.set("everwarm_fees_paid", &[strategy, asset], number(*paid));
            }
        }
    }

    fn show_limits(&self, page: &mut Page, taken: u64) {
        let Some(settings) = &self.settings else { return };
        for (name, one) in &settings.strategy.0 {
            page.flag("everwarm_strategy_enabled", &[name], one.enabled);
            let silent = [Side::Buy, Side::Sell]
                .into_iter()
                .filter(|side| !self.signals.contains_key(&(name.clone(), *side)));
            silent.for_each(|of| {
                page.count("everwarm_strategy_signals_total", &[name, side(of)], 0);
            });
        }
        let most = Decimal::from(settings.trading.max_positions);
        let taken = Decimal::from(taken);
        let share = if most.is_zero() {
            Decimal::ZERO
        } else {
            taken.checked_div(most).unwrap_or(Decimal::MAX)
        };
        for (limit, share) in [("positions", share)].into_iter().chain(self.breaker.used()) {
            page.set("everwarm_risk_limit_used_ratio", &[limit], number(share));
        }
    }
}

/// Converts an amount for display. The result is inexact, so the books never use it.
fn number(amount: Decimal) -> f64 {
    f64::try_from(amount).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::super::Rejected;
    use super::*;
    use crate::status_fold::StatusFold;
    use crate::testing::journal;
    use everwarm_domain::fact::{Conflict, Dispute};
    use everwarm_domain::id::VenueId;
    use everwarm_trading::testing::{
        close, configured, crossing, dec, fact, filled, input, instrument, sym,
    };

    #[test]
    fn a_position_that_cannot_be_is_a_violation() {
        let mut counts = Counts::default();
        journal().0.iter().for_each(|fact| counts.fold(fact));
        assert_eq!(counts.broken, [0, 0]);
        let position = |quantity: i64, cost: i64| Ledger::Position {
            symbol: Symbol::new("ETHUSD").unwrap(),
            quantity: quantity.into(),
            cost: cost.into(),
            realized_pnl: Decimal::ZERO,
            cash: Decimal::ZERO,
        };
        for (quantity, cost, broken) in [(0, 0, [0, 0]), (-1, 0, [1, 0]), (0, 5, [1, 1])] {
            counts.ledger(&position(quantity, cost));
            assert_eq!(counts.broken, broken, "{quantity} {cost}");
        }
    }

    #[test]
    fn what_is_too_little_to_be_sold_takes_no_place() {
        let (mut counts, mut status) = (Counts::default(), StatusFold::default());
        let rules = ["BTCUSD", "ETHUSD"].map(instrument).to_vec();
        let held = |name: &str, quantity: &str| {
            Body::Ledger(Ledger::Position {
                symbol: sym(name),
                quantity: dec(quantity),
                cost: Decimal::ONE,
                realized_pnl: Decimal::ZERO,
                cash: Decimal::ZERO,
            })
        };
        let facts = [
            configured(&Settings::default()),
            Body::Market(Market::Instruments { rules }),
            held("BTCUSD", "1"),
            held("ETHUSD", "0.00009"),
        ];
        for (n, body) in (1..).zip(facts) {
            counts.fold(&input(n, body.clone()));
            status.fold(&input(n, body));
        }
        assert_eq!(status.view().positions, 1);
        let mut page = Page::new(&Rejected::default());
        counts.show(&mut page, ("simulated", "USD"), (status.taken(), status.owners()));
        let text = page.text();
        let line = "everwarm_risk_limit_used_ratio{limit=\"positions\"} 0.1";
        assert!(text.lines().any(|l| l == line), "{text}");
    }

    fn page_text(counts: &Counts) -> String {
        let mut page = Page::new(&Rejected::default());
        counts.show(&mut page, ("simulated", "USD"), (0, &LotFold::default()));
        page.text()
    }

    #[test]
    fn limits_are_counted_as_the_breaker_counts_them() {
        let mut settings = Settings::default();
        settings.risk.max_trades_per_day = 2;
        settings.risk.max_consecutive_failures = 0;
        let mut counts = Counts::default();
        let mut then = |body: Body, rank: u16, used: &str, limited: bool| {
            counts.fold(&fact(1, rank, body));
            let line =
                format!("everwarm_risk_limit_used_ratio{{limit=\"entries_per_day\"}} {used}");
            let text = page_text(&counts);
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
            assert_eq!(counts.is_limited(), limited);
        };
        then(configured(&settings), 0, "0", false);
        for fact in journal().0 {
            if let Body::Order(Order::Intent(intent)) = fact.body {
                then(Body::Order(Order::Intent(intent)), 600, "0", false);
            }
        }
        then(filled("ew-1", Side::Buy, 1, "5", "1"), 700, "0.5", false);
        then(filled("ew-1", Side::Buy, 2, "5", "1"), 700, "0.5", false);
        let conflict = Conflict {
            about: "USD".into(),
            ours: "5".into(),
            theirs: "4".into(),
            dispute: Dispute::Balance,
        };
        let at_odds = Ledger::Reconciled {
            life: 1,
            conflicts: vec![conflict],
            cash: Decimal::ONE,
            foreign: Vec::new(),
            venue: VenueId::default(),
        };
        then(Body::Ledger(at_odds), 800, "0.5", false);
        then(filled("ew-2", Side::Buy, 1, "5", "1"), 700, "1", true);
        then(close("A", 1439, 1), 0, "0", false);
    }

    #[test]
    fn every_strategy_is_there_before_its_first_signal() {
        let mut counts = Counts::default();
        let mut settings = crossing(10, 30);
        settings.strategy.0.insert("other".to_owned(), settings.strategy.0["sma_cross"].clone());
        counts.fold(&input(1, configured(&settings)));
        let text = page_text(&counts);
        for name in ["sma_cross", "other"] {
            for line in [
                format!("everwarm_strategy_enabled{{strategy=\"{name}\"}} 1"),
                format!("everwarm_strategy_signals_total{{strategy=\"{name}\",side=\"buy\"}} 0"),
                format!("everwarm_strategy_signals_total{{strategy=\"{name}\",side=\"sell\"}} 0"),
                format!("everwarm_pnl_realized{{strategy=\"{name}\",currency=\"USD\"}} 0"),
            ] {
                assert!(text.lines().any(|l| l == line), "{line}: {text}");
            }
        }
    }

    #[test]
    fn facts_are_counted() {
        let (mut counts, mut lots) = (Counts::default(), LotFold::default());
        for fact in journal().0 {
            counts.fold(&fact);
            lots.fold(&fact);
        }
        let mut page = Page::new(&Rejected::default());
        counts.show(&mut page, ("simulated", "USD"), (1, &lots));
        let text = page.text();
        for line in [
            "everwarm_closes_total 2",
            "everwarm_fills_total{side=\"buy\",liquidity=\"taker\"} 2",
            "everwarm_fills_total{side=\"buy\",liquidity=\"maker\"} 0",
            "everwarm_orders_total{side=\"buy\",outcome=\"filled\"} 1",
            "everwarm_orders_total{side=\"sell\",outcome=\"filled\"} 0",
            "everwarm_equity{currency=\"USD\"} 9999.6",
            "everwarm_pnl_realized{strategy=\"sma_cross\",currency=\"USD\"} -0.25",
            "everwarm_fees_paid{strategy=\"sma_cross\",currency=\"USD\"} 0.5",
            "everwarm_risk_checks_total{rule=\"all\",outcome=\"pass\"} 1",
            "everwarm_strategy_signals_total{strategy=\"sma_cross\",side=\"buy\"} 2",
            "everwarm_fill_slippage_ratio_count 2",
            "everwarm_metrics_rejected_total{metric=\"everwarm_equity\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
    }
}
