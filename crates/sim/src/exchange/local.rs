//! The exchange without a journal, a socket or a clock, for tests and benches.

use super::costs::Costs;
use super::fact::{Accepted, Advance, Opened, SimFact, Tick, Ticks};
use super::order::{Order, OrderList, Status, Trade};
use super::request::{NewList, NewOrder};
use super::state::{Exchange, RANK};
use crate::alpaca::opening::of_shares;
use crate::market::{Market, Print};
use crate::server::Protocol;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{
    Balance, Liquidity, OrderReport, OrderStatus, ReportSource, VenueFill,
};
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_kernel::stage::{Out, Stage};
use std::collections::BTreeMap;
use std::fmt;

/// Default free amount of each quote asset of a fresh exchange.
pub const DEFAULT_BALANCE: i64 = 100_000;
/// How far back to search for the last bar before the start, in milliseconds.
const LOOK_BACK: UtcMs = 7 * 24 * 60 * MINUTE;

/// How far back the trades of a minute are released one by one, in milliseconds.
const TICKS_BACK: UtcMs = 60 * MINUTE;

/// The initial state of a fresh exchange.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct InitialBooks {
    /// Seed of every random choice.
    pub seed: u64,
    /// Free balances by asset; empty: [`DEFAULT_BALANCE`] of each quote asset.
    pub balances: BTreeMap<String, Decimal>,
    /// The largest holding of the base asset, for symbols that get such a filter.
    pub max_position: BTreeMap<Symbol, Decimal>,
    /// Most open stop orders, for symbols that take fewer than others; 0: none at all.
    pub max_stop_orders: BTreeMap<Symbol, u32>,
    /// What trading costs; books of an earlier start take them over.
    pub costs: Costs,
    /// The protocol that the exchange speaks. It decides what the instruments are.
    pub protocol: Protocol,
    /// Whether fractions of a share are traded, if the instruments are shares.
    pub fractions: bool,
}

impl fmt::Debug for InitialBooks {
    /// Digests contain this text, so the usual protocol is left out: they stay as they were before
    /// there were others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InitialBooks { seed, balances, max_position, max_stop_orders, costs, .. } = self;
        let (protocol, fractions) = (self.protocol, self.fractions);
        let mut text = f.debug_struct("InitialBooks");
        text.field("seed", seed).field("balances", balances).field("max_position", max_position);
        text.field("max_stop_orders", max_stop_orders).field("costs", costs);
        if protocol != Protocol::default() {
            text.field("protocol", &protocol);
        }
        if fractions {
            text.field("fractions", &fractions);
        }
        text.finish()
    }
}

impl InitialBooks {
    /// The fact that gives an exchange these costs; none: it has them.
    #[must_use]
    pub fn prices(&self, exchange: &Exchange) -> Option<SimFact> {
        let (costs, at) = (self.costs_in_effect(), exchange.now());
        (costs != *exchange.costs()).then_some(SimFact::Priced { costs, at })
    }

    /// What trading costs. Stocks have no commission.
    fn costs_in_effect(&self) -> Costs {
        match self.protocol {
            Protocol::Binance => self.costs,
            Protocol::Alpaca => Costs { fee: Decimal::ZERO, ..self.costs },
        }
    }

    /// The first fact of books over `market`.
    #[must_use]
    pub fn open(&self, market: &mut dyn Market) -> SimFact {
        let instruments = market.instruments().to_vec();
        let at = market.start();
        let mut balances = self.balances.clone();
        if balances.is_empty() {
            let each = Decimal::from(DEFAULT_BALANCE);
            balances.extend(instruments.iter().map(|i| (i.quote.clone(), each)));
        }
        let mut before = |i: &everwarm_domain::instrument::Instrument| {
            last_bars(market, i.symbol, at - MINUTE, 1).pop()
        };
        let last = instruments.iter().filter_map(&mut before).collect();
        let InitialBooks { seed, max_position, max_stop_orders, .. } = self.clone();
        let opened =
            Opened { seed, at, instruments, balances, max_position, last, max_stop_orders };
        SimFact::Opened(match self.protocol {
            Protocol::Binance => opened,
            Protocol::Alpaca => of_shares(opened, self.fractions),
        })
    }
}

/// The newest `limit` bars with opening times up to `to_open`, ascending. The search goes back at
/// least a week.
pub fn last_bars(
    market: &mut dyn Market,
    symbol: Symbol,
    to_open: UtcMs,
    limit: usize,
) -> Vec<Bar> {
    let wanted = UtcMs::try_from(limit).unwrap_or(UtcMs::MAX / MINUTE);
    let mut width = wanted.saturating_mul(MINUTE);
    loop {
        let from = to_open.saturating_sub(width).saturating_add(MINUTE);
        let mut bars = market.bars(symbol, from, to_open, usize::MAX);
        let enough = bars.len() >= limit;
        if enough || width > LOOK_BACK.max(wanted.saturating_mul(2 * MINUTE)) {
            bars.drain(..bars.len().saturating_sub(limit));
            return bars;
        }
        width = width.saturating_mul(2);
    }
}

/// The inputs that bring `exchange` to venue time `to` with trades up to `market_to` released: one
/// for each minute with trades to release, and one for the remaining time. Empty if the exchange is
/// already there.
///
/// A market of live prices is released as far as it has arrived.
///
/// If the market ticks, the inputs hold the trades. Minutes further back than [`TICKS_BACK`] are
/// released as bars, so that an exchange that was away for long starts soon.
pub fn advances(
    exchange: &Exchange,
    market: &mut dyn Market,
    to: UtcMs,
    market_to: UtcMs,
) -> Vec<SimFact> {
    let known = market.known_until(exchange.market());
    let (now, released) = (exchange.now().max(to), exchange.market().max(market_to.min(known)));
    let mut inputs = Vec::new();
    let (mut at, mut reached) = (exchange.now(), exchange.market());
    while let Some(close) = market.next_close(reached + 1) {
        let ticks = market.ticks() && released - close < TICKS_BACK;
        let first = if ticks { close - MINUTE } else { close - 4 };
        if first > released {
            break;
        }
        let upto = released.min(close);
        let list =
            if ticks { ticks_of(exchange, market, close, (reached, upto)) } else { Vec::new() };
        if ticks && list.is_empty() {
            break;
        }
        reached = upto;
        at = at.max(reached.min(now));
        inputs.push(if ticks {
            SimFact::Ticked(Ticks { now: at, market: reached, close, list })
        } else {
            let minute = Some((close, market.bars_closing(close)));
            SimFact::Advance(Advance { now: at, market: reached, minute })
        });
        if reached == released {
            break;
        }
    }
    if (at, reached) != (now, released) {
        inputs.push(SimFact::Advance(Advance { now, market: released, minute: None }));
    }
    inputs
}

/// The trades of the minute that closes at `close`, later than `before` and up to `reached`.
/// Ordered by time and symbol.
fn ticks_of(
    exchange: &Exchange,
    market: &mut dyn Market,
    close: UtcMs,
    (before, reached): (UtcMs, UtcMs),
) -> Vec<Tick> {
    let mut list = Vec::new();
    for bar in market.bars_closing(close) {
        let known = exchange.tape(bar.symbol).is_some_and(|tape| tape.minute == close);
        let mut volume = (!known).then_some(bar.volume);
        let fresh = |print: &Print| before < print.time && print.time <= reached;
        for print in market.prints(&bar).into_iter().filter(fresh) {
            let (symbol, time, price) = (bar.symbol, print.time, print.price);
            list.push(Tick { symbol, time, price, volume: volume.take() });
        }
    }
    list.sort_by_key(|tick| (tick.time, tick.symbol));
    list
}

/// Applies one input to `exchange` and returns the facts that follow.
pub fn step(exchange: &mut Exchange, n: u64, input: SimFact) -> Vec<SimFact> {
    let time = exchange.now();
    let key = Key { n, rank: 0, i: 0 };
    let fact = Fact { key, time, version: 0, because: Vec::new(), body: input };
    exchange.evolve(&fact);
    let mut out = Out::default();
    exchange.decide(&fact, &mut out);
    let mut facts = Vec::new();
    for (i, draft) in out.take().into_iter().enumerate() {
        let i = u16::try_from(i).expect("one request says fewer than 65,536 facts");
        let key = Key { n, rank: RANK.0, i };
        let version = exchange.version();
        let fact = Fact { key, time, version, because: draft.because, body: draft.body };
        exchange.evolve(&fact);
        facts.push(fact.body);
    }
    facts
}

/// An exchange in this process, with the same core and market as the server.
pub struct Local {
    exchange: Exchange,
    market: Box<dyn Market>,
    n: u64,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("exchange", &self.exchange)
            .field("n", &self.n)
            .finish_non_exhaustive()
    }
}

impl Local {
    /// Opens fresh books over `market`.
    #[must_use]
    pub fn open(mut market: Box<dyn Market>, setup: &InitialBooks) -> Local {
        let mut exchange = Exchange::default();
        step(&mut exchange, 1, setup.open(market.as_mut()));
        let mut local = Local { exchange, market, n: 1 };
        if let Some(prices) = setup.prices(&local.exchange) {
            local.step(prices);
        }
        local
    }

    /// The books.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The market, for the parts of the protocol that read it directly.
    pub fn market(&mut self) -> &mut dyn Market {
        self.market.as_mut()
    }

    /// The books and the market, for the parts of the protocol that read both.
    pub fn parts(&mut self) -> (&Exchange, &mut dyn Market) {
        (&self.exchange, self.market.as_mut())
    }

    /// The next minute close with bars to release; none if the market has ended.
    pub fn next_close(&mut self) -> Option<UtcMs> {
        self.market.next_close(self.exchange.market())
    }

    /// The bars of the minutes that closed after `after`, up to what is released, by close and
    /// symbol.
    pub fn closed_since(&mut self, after: UtcMs) -> Vec<(UtcMs, Vec<Bar>)> {
        closed_between(self.market.as_mut(), after, self.exchange.market())
    }

    /// Raises venue time and the released market. Returns the facts that follow.
    pub fn advance(&mut self, to: UtcMs, market_to: UtcMs) -> Vec<SimFact> {
        let inputs = advances(&self.exchange, self.market.as_mut(), to, market_to);
        inputs.into_iter().flat_map(|input| self.step(input)).collect()
    }

    /// Places an order.
    ///
    /// # Errors
    /// The protocol's code and message of a refusal.
    pub fn place(&mut self, order: NewOrder) -> Result<OrderReport, (i32, String)> {
        let facts = self.step(SimFact::Place(order));
        match facts.first() {
            Some(SimFact::Rejected { code, msg }) => Err((*code, msg.clone())),
            Some(SimFact::Accepted(Accepted { order, .. })) => {
                let order = self.exchange.order(*order).expect("an accepted order is in the books");
                Ok(report(&self.exchange, order))
            }
            _ => unreachable!("a request for an order is accepted or rejected"),
        }
    }

    /// Places a list of orders. Returns their reports, a stop order before its pair.
    ///
    /// # Errors
    /// The protocol's code and message of a refusal.
    pub fn place_list(&mut self, list: NewList) -> Result<Vec<OrderReport>, (i32, String)> {
        let facts = self.step(SimFact::PlaceList(list));
        match facts.first() {
            Some(SimFact::Rejected { code, msg }) => Err((*code, msg.clone())),
            Some(SimFact::Listed(OrderList { orders, .. })) => {
                let orders = orders.iter().filter_map(|id| self.exchange.order(*id));
                Ok(orders.map(|order| report(&self.exchange, order)).collect())
            }
            _ => unreachable!("a request for a list is accepted or rejected"),
        }
    }

    /// Applies any input, such as a cancel or a payment.
    pub fn step(&mut self, input: SimFact) -> Vec<SimFact> {
        self.n += 1;
        step(&mut self.exchange, self.n, input)
    }

    /// Balances other than zero, by asset.
    #[must_use]
    pub fn account(&self) -> Vec<Balance> {
        let mut balances = self.exchange.balances();
        balances.retain(|b| !b.free.is_zero() || !b.locked.is_zero());
        balances
    }
}

/// The bars of the minutes that closed after `after`, up to and including `upto`.
pub fn closed_between(
    market: &mut dyn Market,
    after: UtcMs,
    upto: UtcMs,
) -> Vec<(UtcMs, Vec<Bar>)> {
    let mut closed = Vec::new();
    let mut reached = after;
    while let Some(close) = market.next_close(reached).filter(|close| *close <= upto) {
        closed.push((close, market.bars_closing(close)));
        reached = close;
    }
    closed
}

/// The report of `order` that a client reads from the response to its request.
#[must_use]
pub fn report(exchange: &Exchange, order: &Order) -> OrderReport {
    let fill = |trade: &Trade| VenueFill {
        trade_id: trade.id.into(),
        price: trade.price,
        quantity: trade.quantity,
        fee: trade.fee,
        fee_asset: trade.fee_asset.clone(),
        time: trade.time,
        liquidity: Some(Liquidity::of(trade.maker)),
    };
    OrderReport {
        source: ReportSource::Answer,
        client_id: ClientOrderId(order.client_id.clone()),
        venue_order_id: order.id.into(),
        symbol: order.symbol,
        side: order.side,
        status: match order.status {
            Status::New | Status::PendingNew => OrderStatus::Open,
            Status::PartiallyFilled => OrderStatus::PartlyFilled,
            Status::Filled => OrderStatus::Filled,
            Status::Canceled => OrderStatus::Cancelled,
            Status::Expired => OrderStatus::Expired,
        },
        quantity: order.quantity,
        executed: order.executed,
        executed_quote: order.executed_quote,
        fills: exchange.trades_of(order).map(fill).collect(),
        time: order.updated,
    }
}
