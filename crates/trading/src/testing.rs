//! Builds facts for tests, of this crate and of the crates above it.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[cfg(test)]
pub mod golden;
pub mod world;

use everwarm_domain::fact::{Body, Ledger, Market, Operator, Order, Signal, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price, parse_decimal};
use everwarm_domain::order::{
    Balance, Charge, FIRST_STRATEGY, Liquidity, OrderStatus, SendAttempt, Side, Validity, VenueFill,
};
use everwarm_domain::settings::Settings;
use everwarm_domain::signal::Direction;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_kernel::stage::{Out, Stage};

/// Default settings, with these lengths for the first strategy.
pub fn crossing(fast: u32, slow: u32) -> Settings {
    let mut settings = Settings::default();
    settings.strategy.set(FIRST_STRATEGY, "fast", fast);
    settings.strategy.set(FIRST_STRATEGY, "slow", slow);
    settings
}

/// The saved bytes of a state with the head of another format and type, and without so many bytes
/// at their end.
pub fn rewritten(state: &[u8], (format, of): (u8, u64), less: usize) -> Vec<u8> {
    let mut crc = u32::MAX;
    let body = &state[14..state.len() - less];
    let head = [[format].as_slice(), &of.to_le_bytes()].concat();
    for byte in head.iter().chain(body) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        }
    }
    [&state[..1], &head, &(!crc).to_le_bytes(), body].concat()
}

/// A decimal from its text.
pub fn dec(text: &str) -> Decimal {
    parse_decimal(text).unwrap()
}

/// A symbol from its text.
pub fn sym(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

/// The bar of a minute (counted from the epoch) at one price, in whole quote units.
pub fn bar(symbol: &str, minute: i64, price: i64) -> Bar {
    let price = Price::e8(price * 100_000_000);
    Bar {
        symbol: sym(symbol),
        open_time: minute * MINUTE,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: Decimal::ONE,
    }
}

/// The close of a minute with one bar.
pub fn close(symbol: &str, minute: i64, price: i64) -> Body {
    let bars = vec![bar(symbol, minute, price)];
    Body::Market(Market::close((minute + 1) * MINUTE, bars, Vec::new()))
}

/// An input fact.
pub fn input(n: u64, body: Body) -> Fact<Body> {
    fact(n, 0, body)
}

/// A fact appended by the stage of a rank.
pub fn fact(n: u64, rank: u16, body: Body) -> Fact<Body> {
    let key = Key { n, rank, i: 0 };
    Fact { key, time: 0, version: 0, because: Vec::new(), body }
}

/// Gives one fact to a single stage. Returns the facts it appends, which it has folded too.
pub fn facts_of(stage: &mut dyn Stage<Body = Body>, given: &Fact<Body>) -> Vec<Body> {
    let mut facts = Vec::new();
    let mut out = Out::default();
    stage.evolve(given);
    stage.decide(given, &mut out);
    take(stage, given.key.n, &mut out, &mut facts);
    stage.conclude(&mut out);
    take(stage, given.key.n, &mut out, &mut facts);
    stage.check();
    facts
}

fn take(stage: &mut dyn Stage<Body = Body>, n: u64, out: &mut Out<Body>, facts: &mut Vec<Body>) {
    for draft in out.take() {
        let own = fact(n, stage.rank().0, draft.body.clone());
        let (version, because) = (stage.version(), draft.because);
        stage.evolve(&Fact { version, because, ..own });
        facts.push(draft.body);
    }
}

/// A state as versions before live layout 5 saved it: a format byte, then positional MessagePack.
pub fn old_state<T: serde::Serialize>(format: u8, state: &T) -> Vec<u8> {
    let mut bytes = vec![format];
    rmp_serde::encode::write(&mut bytes, state).expect("states are plain values");
    bytes
}

/// The input that puts settings in force.
pub fn configured(settings: &Settings) -> Body {
    Body::Operator(Operator::configured(1, settings))
}

/// An instrument `XXXUSDT` with steps of 0.0001, from 0.0001 to 9000, worth at least 10.
pub fn instrument(symbol: &str) -> Instrument {
    Instrument {
        symbol: sym(symbol),
        base: symbol.trim_end_matches("USDT").to_owned(),
        quote: "USDT".to_owned(),
        trading: true,
        tick_size: dec("0.01"),
        lot_size: dec("0.0001"),
        min_quantity: dec("0.0001"),
        max_quantity: dec("9000"),
        market_lot_size: Decimal::ZERO,
        market_max_quantity: Decimal::ZERO,
        min_notional: dec("10"),
        min_notional_for_market: true,
        venue: VenueId::default(),
    }
}

/// A signal of `sma_cross` at a price of 100.
pub fn signal(symbol: &str, side: Side, close_time: i64) -> Signal {
    Signal {
        strategy: "sma_cross".to_owned(),
        symbol: sym(symbol),
        intent: side.into(),
        direction: Direction::Long,
        confidence_ppm: 1,
        price: Price::e8(10_000_000_000),
        close_time,
        reason: "because".to_owned(),
        terms: Box::default(),
    }
}

/// A change of an order in `BTCUSDT` whose fills were at 100.
pub fn changed(id: &str, status: OrderStatus, executed: &str) -> Body {
    Body::Order(Order::Changed {
        client_id: ClientOrderId(id.to_owned()),
        symbol: sym("BTCUSDT"),
        venue_order_id: Some(1.into()),
        status,
        executed: dec(executed),
        executed_quote: dec(executed) * dec("100"),
        reason: String::new(),
    })
}

/// The `k`-th fill of an order in `BTCUSDT`, without fees.
pub fn filled(id: &str, side: Side, k: u32, price: &str, quantity: &str) -> Body {
    Body::Order(Order::Filled {
        client_id: ClientOrderId(id.to_owned()),
        strategy: "sma_cross".to_owned(),
        symbol: sym("BTCUSDT"),
        side,
        k,
        fill: trade(u64::from(k), price, quantity),
    })
}

/// An execution without fee.
pub fn trade(trade_id: u64, price: &str, quantity: &str) -> VenueFill {
    VenueFill {
        trade_id: trade_id.into(),
        price: dec(price),
        quantity: dec(quantity),
        fee: Decimal::ZERO,
        fee_asset: "USDT".to_owned(),
        time: 0,
        liquidity: Some(Liquidity::Taker),
    }
}

/// A request that leaves at `timestamp` and may arrive for 5 s.
pub fn sent(id: &str, attempt: u32, timestamp: i64) -> Body {
    let client_id = ClientOrderId(id.to_owned());
    let attempts =
        vec![SendAttempt { client_id, attempt, validity: Validity::within(timestamp, 5_000) }];
    Body::Venue(Venue::Sent { attempts })
}

/// The account as a venue reports it. By default run 1 queried it at time 0, and it is empty.
#[derive(Clone, Debug)]
pub struct AccountFact {
    /// Number of the run that queried it.
    pub life: u64,
    /// Venue time of the snapshot.
    pub time: UtcMs,
    /// Balances other than zero, by asset.
    pub balances: Vec<Balance>,
    /// Client ids and symbols of the open orders, by id.
    pub open: Vec<(ClientOrderId, Symbol)>,
    /// Assets with implausible balances, by name.
    pub unread: Vec<String>,
    /// Amounts that no fill reports, by time.
    pub charges: Vec<Charge>,
    /// The venue's ids of these charges.
    pub charge_ids: Vec<String>,
}

impl Default for AccountFact {
    fn default() -> AccountFact {
        AccountFact {
            life: 1,
            time: 0,
            balances: Vec::new(),
            open: Vec::new(),
            unread: Vec::new(),
            charges: Vec::new(),
            charge_ids: Vec::new(),
        }
    }
}

impl AccountFact {
    /// The fact, from the default venue.
    pub fn body(self) -> Body {
        let AccountFact { life, time, balances, open, unread, charges, charge_ids } = self;
        let venue = VenueId::default();
        Body::Venue(Venue::Account {
            life,
            time,
            balances,
            open,
            unread,
            venue,
            charges,
            charge_ids,
        })
    }
}

/// A reconciliation without conflicts.
pub fn reconciled(life: u64, cash: &str) -> Body {
    let (conflicts, foreign) = (Vec::new(), Vec::new());
    Body::Ledger(Ledger::Reconciled {
        life,
        conflicts,
        cash: dec(cash),
        foreign,
        venue: VenueId::default(),
    })
}

/// A position without cost.
pub fn position(symbol: &str, quantity: &str, cash: &str) -> Body {
    Body::Ledger(Ledger::Position {
        symbol: sym(symbol),
        quantity: dec(quantity),
        cost: Decimal::ZERO,
        realized_pnl: Decimal::ZERO,
        cash: dec(cash),
    })
}
