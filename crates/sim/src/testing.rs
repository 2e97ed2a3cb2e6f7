//! Test helpers: a small market with known bars, and builders for orders.

use super::exchange::{
    Amount, Leg, Local, NewList, NewOrder, OrderKind, Shape, Stop, TimeInForce, Trigger,
};
use super::market::Market;
use crate::exchange::local::InitialBooks;
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price, parse_decimal};
use everwarm_domain::order::Side;
use everwarm_domain::time::{MINUTE, UtcMs};

/// Venue time at which the fake market opens.
pub const START: UtcMs = 1_700_000_040_000;
/// Minutes of history before that.
pub const HISTORY: i64 = 10;

/// Parses a decimal.
pub fn dec(text: &str) -> Decimal {
    parse_decimal(text).expect("a decimal")
}

/// Parses a symbol.
pub fn sym(text: &str) -> Symbol {
    Symbol::new(text).expect("a symbol")
}

/// A market of BTCUSDT and ETHUSDT: ten flat bars at 100 and 10 before the start, then the given
/// bars.
pub struct Fake {
    instruments: Vec<Instrument>,
    bars: Vec<Bar>,
}

/// A bar that opens `minute` minutes after the start.
pub fn bar(symbol: &str, minute: i64, prices: [&str; 4], volume: &str) -> Bar {
    let price = |text| Price::exact(dec(text)).expect("a price");
    let [open, high, low, close] = prices.map(price);
    let open_time = START + minute * MINUTE;
    Bar { symbol: sym(symbol), open_time, open, high, low, close, volume: dec(volume) }
}

fn instrument(base: &str) -> Instrument {
    Instrument {
        symbol: sym(&format!("{base}USDT")),
        base: base.to_owned(),
        quote: "USDT".to_owned(),
        trading: true,
        tick_size: dec("0.01"),
        lot_size: dec("0.001"),
        min_quantity: dec("0.001"),
        max_quantity: dec("9000"),
        market_lot_size: Decimal::ZERO,
        market_max_quantity: dec("500"),
        min_notional: dec("5"),
        min_notional_for_market: true,
        venue: VenueId::default(),
    }
}

impl Fake {
    /// A market with these bars after its start.
    pub fn new(after: &[Bar]) -> Fake {
        let mut bars: Vec<Bar> = (-HISTORY..0)
            .flat_map(|m| [("BTCUSDT", "100", m), ("ETHUSDT", "10", m)])
            .map(|(symbol, price, m)| bar(symbol, m, [price; 4], "10"))
            .collect();
        bars.extend_from_slice(after);
        bars.sort_by_key(|b| (b.open_time, b.symbol));
        Fake { instruments: vec![instrument("BTC"), instrument("ETH")], bars }
    }

    /// A market with four minutes after the start: rising, falling, no bars, flat without volume.
    pub fn usual() -> Fake {
        Fake::new(&[
            bar("BTCUSDT", 0, ["100", "110", "95", "105"], "40"),
            bar("ETHUSDT", 0, ["10", "10", "10", "10"], "40"),
            bar("BTCUSDT", 1, ["105", "108", "90", "92"], "40"),
            bar("BTCUSDT", 3, ["92", "92", "92", "92"], "0"),
        ])
    }

    /// The same market without one symbol.
    pub fn without(mut self, symbol: &str) -> Fake {
        let symbol = sym(symbol);
        self.instruments.retain(|i| i.symbol != symbol);
        self.bars.retain(|b| b.symbol != symbol);
        self
    }

    /// The same market without any bar of one symbol.
    pub fn never_traded(mut self, symbol: &str) -> Fake {
        let symbol = sym(symbol);
        self.bars.retain(|b| b.symbol != symbol);
        self
    }

    /// The rules of one symbol, to change.
    pub fn rules(&mut self, symbol: &str) -> &mut Instrument {
        let symbol = sym(symbol);
        self.instruments.iter_mut().find(|i| i.symbol == symbol).expect("a known symbol")
    }

    /// An exchange over this market, with the initial books of [`setup`].
    pub fn local(self) -> Local {
        Local::open(Box::new(self), &setup())
    }
}

/// Initial books: seed 7, 100,000 USDT, 1,000 BTC.
pub fn setup() -> InitialBooks {
    let balances = [("USDT".to_owned(), dec("100000")), ("BTC".to_owned(), dec("1000"))];
    InitialBooks { seed: 7, balances: balances.into(), ..InitialBooks::default() }
}

impl Market for Fake {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn start(&self) -> UtcMs {
        START
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        self.bars.iter().map(|b| b.open_time + MINUTE).find(|close| *close > after)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        self.bars.iter().filter(|b| b.open_time + MINUTE == close).copied().collect()
    }

    fn bars(&mut self, symbol: Symbol, from: UtcMs, to: UtcMs, limit: usize) -> Vec<Bar> {
        let all = self.bars.iter().filter(|b| b.symbol == symbol);
        let within = all.filter(|b| (from..=to).contains(&b.open_time));
        within.take(limit).copied().collect()
    }
}

/// A market order for a quantity.
pub fn at_market(side: Side, quantity: &str, id: &str) -> NewOrder {
    order(side, OrderKind::Market(Amount::Base(dec(quantity))), id)
}

/// A limit order.
pub fn at_limit(side: Side, quantity: &str, price: &str, tif: TimeInForce, id: &str) -> NewOrder {
    order(side, OrderKind::Limit { quantity: dec(quantity), price: dec(price), tif }, id)
}

/// A stop order. With a limit price it works until cancelled.
pub fn stop(trigger: Trigger, quantity: &str, at: &str, limit: Option<&str>) -> OrderKind {
    let limit = limit.map(|price| (dec(price), TimeInForce::Gtc));
    OrderKind::Stop(Stop { quantity: dec(quantity), at: dec(at), trigger, limit })
}

/// A limit maker: an order that must rest.
pub fn maker(quantity: &str, price: &str) -> OrderKind {
    OrderKind::LimitMaker { quantity: dec(quantity), price: dec(price) }
}

/// An order of a list.
pub fn leg(side: Side, kind: OrderKind, id: &str) -> Leg {
    Leg { side, kind, client_id: Some(id.to_owned()) }
}

/// A list of BTCUSDT orders without a deadline.
pub fn listed(shape: Shape, id: &str) -> NewList {
    let (at, deadline) = (0, UtcMs::MAX);
    let client_id = Some(id.to_owned());
    NewList { symbol: sym("BTCUSDT"), client_id, shape, at, deadline, terms: None }
}

/// A BTCUSDT order of any kind, without a deadline.
pub fn order(side: Side, kind: OrderKind, id: &str) -> NewOrder {
    let client_id = Some(id.to_owned());
    let (at, deadline) = (0, UtcMs::MAX);
    let symbol = sym("BTCUSDT");
    NewOrder { symbol, side, kind, client_id, at, deadline, at_once: None, terms: None }
}
