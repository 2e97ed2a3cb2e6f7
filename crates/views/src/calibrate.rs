//! Compares own fills at a venue with those that paper trading assumes: a fold over the journal.
//!
//! The distance of a fill counts from the price at which paper trading begins: the last close for
//! a market order, the stop for a stop order, the limit for a limit order. It is positive if the
//! fill was worse. Fills of one order depend on each other, so each order counts once, with the
//! mean of its fills by quantity.
//!
//! Distances are floats: no decision depends on them.

use super::exit::{Exit, Failure};
use super::journal_reader::JournalFacts;
use super::views::{CalibratedView, CalibrationView, ProposedKeyView};
use everwarm_domain::fact::{Body, Market, Order};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, float};
use everwarm_domain::order::{OrderIntent, OrderType, Side, VenueFill};
use everwarm_kernel::fact::Fact;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// Fewest orders with fills.
const ORDERS: u32 = 20;
/// Half the width of a 95 % interval in standard errors: Student's t of 19 degrees of freedom. It
/// is a little too wide for more orders.
const INTERVAL: f64 = 2.093;
/// Basis points of one.
const BASIS_POINTS: f64 = 10_000.0;
/// Decimals of a number of basis points.
const DECIMALS: u32 = 2;
/// Minutes in a mean true range.
const RANGE_MINUTES: u32 = 14;

/// Mean of the slippage that paper trading draws, basis points.
const SLIPPAGE_BP: f64 = 0.7;
/// What paper trading on live prices assumes, as its keys have it.
pub const RANGE_SPREAD_PERCENT: u32 = 20;
/// See [`RANGE_SPREAD_PERCENT`].
pub const IMPACT: u32 = 1;
/// See [`RANGE_SPREAD_PERCENT`].
pub const VOLUME_PERCENT: u32 = 10;

/// The file of a data directory that names its market.
const MARKET_FILE: &str = "market.txt";
/// Beginnings of that name where the exchange is simulated.
const PLAYED: [&str; 3] = ["a synthetic market", "a recording", "live prices of"];

/// Compares the fills of a journal with what paper trading assumes.
///
/// # Errors
/// The journal cannot be read, its exchange is simulated, or it has too few fills.
pub fn calibrate(journal: &dyn JournalFacts, data_dir: &Path) -> Result<CalibrationView, Failure> {
    let market = std::fs::read_to_string(data_dir.join(MARKET_FILE)).unwrap_or_default();
    if PLAYED.iter().any(|played| market.starts_with(played)) {
        let dir = data_dir.display();
        let text = format!(
            "{dir} trades play money, and its fills show nothing about a venue. Name the data \
             directory of a daemon at a venue: everwarm calibrate --data-dir DIR"
        );
        return Err(Failure::new(Exit::Refused, text).coded("play-money"));
    }
    let mut fold = CalibrateFold::default();
    journal.each(1, &mut |_, fact| {
        fold.fold(fact);
        ControlFlow::Continue(())
    })?;
    fold.finish()
}

/// How an order is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Market,
    Stop,
    Limit,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::Market => "market",
            Kind::Stop => "stop",
            Kind::Limit => "limit",
        }
    }
}

/// What is known of a symbol at its last close.
#[derive(Debug, Default)]
struct Seen {
    close: f64,
    volume: f64,
    /// Mean true range, and its number of minutes.
    range: f64,
    minutes: u32,
}

impl Seen {
    fn bar(&mut self, bar: &Bar) {
        let [high, low, close] = [bar.high, bar.low, bar.close].map(|p| float(p.decimal()));
        let last = if self.minutes == 0 { close } else { self.close };
        self.minutes = (self.minutes + 1).min(RANGE_MINUTES);
        self.range += (high.max(last) - low.min(last) - self.range) / f64::from(self.minutes);
        (self.close, self.volume) = (close, float(bar.volume));
    }

    /// Mean true range in basis points of a price.
    fn range_bp(&self, price: f64) -> f64 {
        self.range / price * BASIS_POINTS
    }

    /// What paper trading adds besides the spread by range, basis points.
    fn other_bp(&self, price: f64, quantity: f64) -> f64 {
        let most = f64::from(VOLUME_PERCENT) / 100.0;
        let share = if self.volume > 0.0 { (quantity / self.volume).min(most) } else { most };
        SLIPPAGE_BP + self.range_bp(price) * f64::from(IMPACT) * share.sqrt()
    }
}

/// An order that is not final.
#[derive(Debug)]
struct Tracked {
    kind: Kind,
    side: Side,
    /// Its limit or its stop.
    price: Option<f64>,
    quantity: f64,
    filled: f64,
    /// Sums over its fills, weighted by quantity.
    live: f64,
    other: f64,
    range: f64,
}

/// The mean distances of one order, basis points.
#[derive(Clone, Copy, Debug)]
struct Distance {
    live: f64,
    other: f64,
    range: f64,
}

impl Distance {
    /// What paper trading assumes.
    fn paper(self) -> f64 {
        self.other + self.range * f64::from(RANGE_SPREAD_PERCENT) / 200.0
    }
}

/// The comparison so far.
#[derive(Debug, Default)]
pub struct CalibrateFold {
    seen: BTreeMap<Symbol, Seen>,
    orders: BTreeMap<ClientOrderId, Tracked>,
    done: BTreeMap<Kind, Vec<Distance>>,
}

impl CalibrateFold {
    /// Takes one fact in, in the order of the journal.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(Market::Close { bars, .. }) => {
                for bar in bars {
                    self.seen.entry(bar.symbol).or_default().bar(bar);
                }
            }
            Body::Order(Order::Intent(intent)) => self.intended(intent),
            Body::Order(Order::Filled { client_id, symbol, fill, .. }) => {
                self.filled(client_id, *symbol, fill);
            }
            Body::Order(Order::Changed { client_id, status, .. }) if status.is_final() => {
                if let Some(order) = self.orders.remove(client_id) {
                    self.ended(&order);
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

    fn intended(&mut self, intent: &OrderIntent) {
        let kind = match (intent.terms.stop, intent.order_type) {
            (Some(_), _) => Kind::Stop,
            (None, OrderType::Market) => Kind::Market,
            (None, OrderType::Limit) => Kind::Limit,
        };
        let tracked = Tracked {
            kind,
            side: intent.side,
            price: intent.terms.stop.or(intent.price).map(float),
            quantity: float(intent.quantity),
            filled: 0.0,
            live: 0.0,
            other: 0.0,
            range: 0.0,
        };
        self.orders.insert(intent.client_id.clone(), tracked);
    }

    fn filled(&mut self, id: &ClientOrderId, symbol: Symbol, fill: &VenueFill) {
        let (Some(order), Some(seen)) = (self.orders.get_mut(id), self.seen.get(&symbol)) else {
            return;
        };
        let (price, quantity) = (float(fill.price), float(fill.quantity));
        let from = order.price.unwrap_or(seen.close);
        let away = match order.side {
            Side::Buy => price - from,
            Side::Sell => from - price,
        };
        order.filled += quantity;
        order.live += away / from * BASIS_POINTS * quantity;
        if order.kind != Kind::Limit {
            order.other += seen.other_bp(from, order.quantity) * quantity;
            order.range += seen.range_bp(from) * quantity;
        }
    }

    fn ended(&mut self, order: &Tracked) {
        let Tracked { kind, filled, live, other, range, .. } = *order;
        let [live, other, range] = [live, other, range].map(|sum| sum / filled);
        if [live, other, range].iter().all(|value| value.is_finite()) {
            self.done.entry(kind).or_default().push(Distance { live, other, range });
        }
    }

    /// The result.
    ///
    /// # Errors
    /// There are too few fills.
    pub fn finish(mut self) -> Result<CalibrationView, Failure> {
        for order in std::mem::take(&mut self.orders).into_values() {
            self.ended(&order);
        }
        let orders = self.done.values().map(Vec::len).sum::<usize>();
        if orders < ORDERS as usize {
            let text = format!(
                "{orders} filled orders are too few to compare: calibrate needs {ORDERS}. Trade \
                 longer, with small orders"
            );
            return Err(Failure::new(Exit::Refused, text).coded("too-few-fills"));
        }
        let types = self.done.iter().filter_map(|(kind, all)| row(*kind, all)).collect();
        let taking = [Kind::Market, Kind::Stop].map(|kind| self.done.get(&kind));
        let taking: Vec<Distance> = taking.into_iter().flatten().flatten().copied().collect();
        let orders = u64::try_from(orders).unwrap_or(u64::MAX);
        Ok(CalibrationView { orders, types, proposed: proposed(&taking).into_iter().collect() })
    }
}

/// Number, mean, and half the width of the interval; none: one value has no interval.
fn estimate(values: impl Iterator<Item = f64> + Clone) -> Option<(u32, f64, Option<f64>)> {
    let number = u32::try_from(values.clone().count()).ok().filter(|number| *number > 0)?;
    let count = f64::from(number);
    let mean = values.clone().sum::<f64>() / count;
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    let half = (number > 1).then(|| INTERVAL * (squares / (count - 1.0) / count).sqrt());
    Some((number, mean, half))
}

fn row(kind: Kind, all: &[Distance]) -> Option<CalibratedView> {
    let (orders, live, _) = estimate(all.iter().map(|one| one.live))?;
    let (_, paper, _) = estimate(all.iter().map(|one| one.paper()))?;
    let (_, difference, half) = estimate(all.iter().map(|one| one.live - one.paper()))?;
    Some(CalibratedView {
        order_type: kind.name().to_owned(),
        orders,
        live_bp: rounded(live)?,
        paper_bp: rounded(paper)?,
        difference_bp: rounded(difference)?,
        low_bp: half.and_then(|half| rounded(difference - half)),
        high_bp: half.and_then(|half| rounded(difference + half)),
    })
}

/// The spread with which paper trading is as dear as the upper end of the interval.
fn proposed(taking: &[Distance]) -> Option<ProposedKeyView> {
    let (orders, spread, half) = estimate(taking.iter().map(|one| one.live - one.other))?;
    let (_, range, _) = estimate(taking.iter().map(|one| one.range))?;
    let half = half.filter(|_| orders >= ORDERS && range > 0.0)?;
    let percent = ((spread + half) / range * 200.0).ceil().clamp(0.0, 100.0);
    let because = format!(
        "{orders} orders that took paid {} bp besides slippage and impact, at a mean true range of \
         {} bp; the value covers the upper end of the 95 % interval",
        rounded(spread)?,
        rounded(range)?
    );
    let (key, value) = ("market.fills.range_spread_percent".to_owned(), rounded(percent)?);
    Some(ProposedKeyView { key, value: value.to_string(), because })
}

fn rounded(value: f64) -> Option<Decimal> {
    Decimal::try_from(value).ok().map(|value| value.round_dp(DECIMALS).normalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::symbol;
    use everwarm_domain::money::Price;
    use everwarm_domain::order::OrderStatus;
    use everwarm_domain::time::MINUTE;
    use everwarm_trading::testing::{bar, dec, fact, filled};

    /// A minute that closes at 100 after a range of 10 bp, with a volume of 100.
    fn close(minute: i64) -> Body {
        let price = |hundredths: i64| Price::e8(hundredths * 1_000_000);
        let (high, low) = (price(10_005), price(9_995));
        let one = Bar { high, low, volume: dec("100"), ..bar("BTCUSDT", minute, 100) };
        Body::Market(Market::close((minute + 1) * MINUTE, vec![one], Vec::new()))
    }

    fn intent(id: &str, side: Side, order_type: OrderType, price: Option<&str>) -> Body {
        Body::Order(Order::Intent(OrderIntent {
            client_id: ClientOrderId(id.to_owned()),
            strategy: "sma_cross".to_owned(),
            symbol: symbol("BTCUSDT"),
            side,
            order_type,
            quantity: dec("1"),
            price: price.map(dec),
            close_time: MINUTE,
            valid_until: 2 * MINUTE,
            terms: Box::default(),
        }))
    }

    fn ended(id: &str) -> Body {
        Body::Order(Order::Changed {
            client_id: ClientOrderId(id.to_owned()),
            symbol: symbol("BTCUSDT"),
            venue_order_id: None,
            status: OrderStatus::Filled,
            executed: Decimal::ONE,
            executed_quote: Decimal::ZERO,
            reason: String::new(),
        })
    }

    /// Market orders, each filled in two parts at these two prices, and one limit order.
    fn folded(count: usize, prices: [&str; 2]) -> Result<CalibrationView, Failure> {
        let mut facts = vec![close(0)];
        for n in 0..count {
            let id = format!("m{n}");
            let price = prices[n % 2];
            facts.push(intent(&id, Side::Buy, OrderType::Market, None));
            facts.push(filled(&id, Side::Buy, 1, price, "0.5"));
            facts.push(filled(&id, Side::Buy, 2, price, "0.5"));
            facts.extend([ended(&id), close(1)]);
        }
        facts.push(intent("l", Side::Sell, OrderType::Limit, Some("101")));
        facts.push(filled("l", Side::Sell, 1, "101", "0.2"));
        let mut fold = CalibrateFold::default();
        for (n, body) in (1..).zip(facts) {
            fold.fold(&fact(n, 600, body));
        }
        fold.finish()
    }

    #[test]
    fn fills_are_compared_by_type_and_a_wider_spread_is_proposed() {
        let view = folded(20, ["100.03", "100.05"]).unwrap();
        assert_eq!(view.orders, 21);
        let [market, limit] = &view.types[..] else { panic!("{view:?}") };
        assert_eq!((market.order_type.as_str(), market.orders), ("market", 20));
        // 0.7 of slippage, a tenth of the range of 10, and a tenth of it for a hundredth of 100.
        let bp = |text: &str| dec(text);
        assert_eq!([market.live_bp, market.paper_bp], [bp("4"), bp("2.7")]);
        assert_eq!(market.difference_bp, bp("1.3"));
        // Deviation of the sample: 1.026; its error 0.2294.
        assert_eq!([market.low_bp, market.high_bp], [Some(bp("0.82")), Some(bp("1.78"))]);
        assert_eq!((limit.order_type.as_str(), limit.orders), ("limit", 1));
        assert_eq!([limit.live_bp, limit.paper_bp], [Decimal::ZERO; 2]);
        assert_eq!(limit.low_bp, None);
        // 4 less 1.7, and 0.48 for the interval, are 27.8 % of the range on each side.
        let [spread] = &view.proposed[..] else { panic!("{view:?}") };
        assert_eq!(spread.key, "market.fills.range_spread_percent");
        assert_eq!(spread.value, "56", "{}", spread.because);
    }

    #[test]
    fn better_fills_propose_a_narrower_spread_and_few_fills_are_refused() {
        let view = folded(30, ["99.99", "100.01"]).unwrap();
        assert_eq!(view.proposed[0].value, "0");
        let few = folded(18, ["100.03", "100.05"]).unwrap_err();
        assert_eq!((few.exit, few.code), (Exit::Refused, "too-few-fills"));
        assert!(few.text.starts_with("19 filled orders are too few to compare"), "{}", few.text);
        // With 19 of them and a limit order, there is a comparison, but nothing to propose.
        assert!(folded(19, ["100.03", "100.05"]).unwrap().proposed.is_empty());
    }
}
