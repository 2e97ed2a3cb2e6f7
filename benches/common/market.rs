//! Closes made before timing starts, and an in-process venue that fills every order immediately.

use everwarm_domain::fact::{Body, Ledger, Market as MarketFact, Operator, Order, Venue};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{
    Balance, FIRST_STRATEGY, Liquidity, OrderIntent, OrderReport, OrderStatus, ReportSource,
    SendAttempt, Validity, VenueFill,
};
use everwarm_domain::settings::Settings;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::{Fact, NoLibrary};
use everwarm_kernel::plain::PlainLoop;
use everwarm_sim::market::{Market, Seeded};
use everwarm_trading::testing::AccountFact;

/// Start of the market, on a full minute.
pub const START: UtcMs = 1_700_000_040_000;

/// Closes of a market, with the instruments and settings they need.
pub struct Tape {
    pub instruments: Vec<Instrument>,
    pub closes: Vec<(UtcMs, Vec<Bar>)>,
    pub settings: Settings,
}

fn settings(symbols: usize) -> Settings {
    let mut settings = Settings::default();
    for (length, bars) in [("fast", 10), ("slow", 30)] {
        settings.strategy.set(FIRST_STRATEGY, length, bars);
    }
    settings.trading.max_positions = u32::try_from(symbols).expect("a few symbols");
    settings
}

impl Tape {
    /// The demo's market: each symbol signals every 20 to 40 bars.
    pub fn seeded(symbols: usize, closes: usize) -> Tape {
        let mut market = Seeded::new(1, symbols, START, 0);
        let mut tape = Tape {
            instruments: market.instruments().to_vec(),
            closes: Vec::with_capacity(closes),
            settings: settings(symbols),
        };
        let mut time = START;
        while tape.closes.len() < closes {
            time = market.next_close(time).expect("a seeded market has no end");
            tape.closes.push((time, market.bars_closing(time)));
        }
        tape
    }

    /// Of all symbols, `trading` signal at every close. The others do not move.
    pub fn alternating(symbols: usize, trading: usize, closes: usize) -> Tape {
        let market = Seeded::new(1, symbols, START, 0);
        let mut settings = settings(symbols);
        for (length, bars) in [("fast", 1), ("slow", 2)] {
            settings.strategy.set(FIRST_STRATEGY, length, bars);
        }
        settings.trading.notional = Decimal::from(100);
        let names: Vec<Symbol> = market.instruments().iter().map(|i| i.symbol).collect();
        let close = |n: i64| {
            let time = START + n * MINUTE;
            let bar = |(i, symbol): (usize, &Symbol)| {
                let price =
                    Price::e8(if i < trading && n % 2 == 0 { 101 } else { 100 } * 100_000_000);
                let (open, high, low, close) = (price, price, price, price);
                let (open_time, volume) = (time - MINUTE, Decimal::ONE);
                Bar { symbol: *symbol, open_time, open, high, low, close, volume }
            };
            (time, names.iter().enumerate().map(bar).collect())
        };
        let closes = (1..=i64::try_from(closes).expect("a few closes")).map(close).collect();
        Tape { instruments: market.instruments().to_vec(), closes, settings }
    }

    /// The first facts of a journal: start, settings, rules, and an account of 250,000.
    pub fn prologue(&self) -> Vec<Body> {
        let installation = "bench".to_owned();
        let (asset, locked) = ("USDT".to_owned(), Decimal::ZERO);
        let balances = vec![Balance { asset, free: Decimal::from(250_000), locked }];
        vec![
            Body::Operator(Operator::Started { life: 1, installation, epoch: 1 }),
            Body::Operator(Operator::configured(1, &self.settings)),
            Body::Market(MarketFact::Instruments { rules: self.instruments.clone() }),
            AccountFact { time: START, balances, ..AccountFact::default() }.body(),
        ]
    }

    /// The closes as facts.
    pub fn bodies(&self) -> Vec<(UtcMs, Body)> {
        let body = |(time, bars): &(UtcMs, Vec<Bar>)| {
            let (time, bars, missing) = (*time, bars.clone(), Vec::new());
            (time, Body::Market(MarketFact::close(time, bars, missing)))
        };
        self.closes.iter().map(body).collect()
    }

    /// Number of all bars of the tape.
    pub fn bars(&self) -> usize {
        self.closes.iter().map(|(_, bars)| bars.len()).sum()
    }
}

/// A venue without a network. It announces, sends and fills each intent at the price of the close.
#[derive(Default)]
pub struct Instant {
    trades: u64,
    /// Orders filled so far.
    pub orders: u64,
}

impl Instant {
    /// The inputs that follow from these intents.
    pub fn answer(&mut self, intents: &[OrderIntent], time: UtcMs, bars: &[Bar]) -> Vec<Body> {
        if intents.is_empty() {
            return Vec::new();
        }
        let mut inputs = vec![announce(intents, time)];
        inputs.extend(intents.iter().map(|intent| self.fill(intent, time, bars)));
        inputs
    }

    fn fill(&mut self, intent: &OrderIntent, time: UtcMs, bars: &[Bar]) -> Body {
        self.trades += 1;
        self.orders += 1;
        let at = bars.binary_search_by(|bar| bar.symbol.cmp(&intent.symbol));
        let price = bars[at.expect("an order is in a symbol of the close")].close.decimal();
        let quote = price * intent.quantity;
        let fill = VenueFill {
            trade_id: self.trades.into(),
            price,
            quantity: intent.quantity,
            fee: quote * Decimal::new(1, 3),
            fee_asset: "USDT".to_owned(),
            time,
            liquidity: Some(Liquidity::Taker),
        };
        Body::Venue(Venue::Reported(OrderReport {
            source: ReportSource::Answer,
            client_id: intent.client_id.clone(),
            venue_order_id: self.trades.into(),
            symbol: intent.symbol,
            side: intent.side,
            status: OrderStatus::Filled,
            quantity: intent.quantity,
            executed: intent.quantity,
            executed_quote: quote,
            fills: vec![fill],
            time,
        }))
    }
}

/// Result of the plain loop for a tape whose orders fill immediately: no actor, store or thread.
pub fn undisturbed(tape: &Tape) -> Seen {
    let mut plain = PlainLoop::new(everwarm_trading::stages(), Box::new(NoLibrary));
    let (mut seen, mut venue) = (Seen::default(), Instant::default());
    for body in tape.prologue() {
        plain.input(0, body, &mut |fact| seen.note(fact)).expect("nothing is referred to");
    }
    for ((time, body), (_, bars)) in tape.bodies().into_iter().zip(&tape.closes) {
        plain.input(time, body, &mut |fact| seen.note(fact)).expect("nothing is referred to");
        let intents = std::mem::take(&mut seen.intents);
        for answer in venue.answer(&intents, time, bars) {
            plain.input(time, answer, &mut |fact| seen.note(fact)).expect("the same");
        }
    }
    seen
}

/// The announcement of first attempts.
pub fn announce(intents: &[OrderIntent], timestamp: UtcMs) -> Body {
    let attempt = |intent: &OrderIntent| {
        let client_id = intent.client_id.clone();
        SendAttempt { client_id, attempt: 1, validity: Validity::within(timestamp, 5_000) }
    };
    Body::Venue(Venue::Sent { attempts: intents.iter().map(attempt).collect() })
}

/// What a run has shown so far: the last equity, and the intents that are not filled yet.
#[derive(Default)]
pub struct Seen {
    pub facts: u64,
    pub equity: Option<(UtcMs, Decimal)>,
    pub intents: Vec<OrderIntent>,
}

impl Seen {
    pub fn note(&mut self, fact: &Fact<Body>) {
        self.facts += 1;
        match &fact.body {
            Body::Order(Order::Intent(intent)) => self.intents.push(intent.clone()),
            Body::Ledger(Ledger::Equity { time, equity, .. }) => {
                self.equity = Some((*time, *equity));
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
}
