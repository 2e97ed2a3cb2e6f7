//! Trades within the minute, and that they change nothing where there are none.

use crate::exchange::fact::SimFact;
use crate::exchange::local::advances;
use crate::exchange::{Local, Shape, TimeInForce, Trigger};
use crate::market::{Market, Seeded, Ticking};
use crate::testing::{Fake, START, at_limit, at_market, dec, leg, maker, order, setup, stop, sym};
use everwarm_domain::order::Side;
use everwarm_domain::time::MINUTE;
use everwarm_kernel::fact::Body;
use everwarm_kernel::stage::Stage;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The digests of all facts of a run with orders of many kinds, and of its last state.
fn digests(market: Box<dyn Market>) -> [String; 2] {
    let mut local = Local::open(market, &setup());
    let mut hash = Sha256::new();
    let mut add = |facts: Vec<SimFact>| {
        for fact in facts {
            let mut bytes = Vec::new();
            fact.encode(&mut bytes);
            hash.update(bytes);
        }
    };
    let symbol = sym("BTCUSDT");
    for minute in 0..240_i64 {
        let last = local.exchange().tape(symbol).map(|tape| tape.last).expect("it trades");
        let price = |millionths: i64| {
            let price = last + last * dec(&millionths.to_string()) / dec("1000000");
            price.round_dp(2).to_string()
        };
        let id = |head: &str| format!("{head}{minute}");
        let (below, above) = (price(-400), price(400));
        let new = match minute % 6 {
            0 => at_market(Side::Buy, "0.05", &id("m")),
            1 => at_limit(Side::Buy, "0.2", &below, TimeInForce::Gtc, &id("b")),
            2 => at_limit(Side::Sell, "0.2", &above, TimeInForce::Gtc, &id("s")),
            3 => order(Side::Sell, stop(Trigger::StopLoss, "0.02", &below, None), &id("t")),
            4 => order(Side::Sell, maker("0.1", &above), &id("k")),
            _ => at_limit(Side::Buy, "0.1", &above, TimeInForce::Ioc, &id("i")),
        };
        add(local.step(SimFact::Place(new)));
        if minute % 7 == 0 {
            let profit = leg(Side::Sell, maker("0.01", &price(900)), &id("p"));
            let loss = stop(Trigger::StopLoss, "0.01", &price(-900), None);
            let loss = leg(Side::Sell, loss, &id("l"));
            let shape = Shape::Oco { above: profit, below: loss };
            add(local.step(SimFact::PlaceList(crate::testing::listed(shape, &id("o")))));
        }
        let close = START + (minute + 1) * MINUTE;
        for to in [close - 30_000, close - 3, close] {
            let (exchange, market) = local.parts();
            let inputs = advances(exchange, market, to, to);
            add(inputs.clone());
            for input in inputs {
                add(local.step(input));
            }
        }
    }
    [hash, Sha256::new_with_prefix(local.exchange().save())].map(|hash| {
        hash.finalize().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("memory takes it");
            text
        })
    })
}

fn made() -> Box<dyn Market> {
    Box::new(Seeded::new(5, 3, START, 60))
}

/// The facts are those of the version before ticks, each request with the terms that orders have
/// since then: none. The state is that of version 8.
#[test]
fn without_ticks_every_stored_byte_is_as_before() {
    let [facts, state] = digests(made());
    assert_eq!(facts, "02a7e764032d5d7609527537b2bce956cea871b95cc8718f198d67700fd908fa");
    assert_eq!(state, "8e3a55d020c7e1755ee2e870859a5053650dd6f13a5fc0467e4e88c020586239");
    let [others, _] = digests(Box::new(Ticking::over(made(), 7)));
    assert_ne!(others, facts);
}

#[test]
fn steps_of_any_length_end_in_the_same_books() {
    let run = |steps: i64| {
        let mut local = Local::open(Box::new(Ticking::over(made(), 7)), &setup());
        let last = local.exchange().tape(sym("BTCUSDT")).map(|tape| tape.last).expect("it trades");
        for (i, part) in ["0.9995", "0.999", "1.0005", "1.001"].into_iter().enumerate() {
            let side = if i < 2 { Side::Buy } else { Side::Sell };
            let price = (last * dec(part)).round_dp(2).to_string();
            let id = format!("r{i}");
            local.place(at_limit(side, "0.5", &price, TimeInForce::Gtc, &id)).expect("it rests");
        }
        for step in 1..=steps {
            let to = START + 30 * MINUTE * step / steps;
            local.advance(to, to);
        }
        local.exchange().check();
        let orders: Vec<_> = local.exchange().orders().cloned().collect();
        (orders, local.account(), local.exchange().trades(sym("BTCUSDT")).to_vec())
    };
    let whole = run(30);
    assert!(!whole.2.is_empty(), "something fills");
    assert_eq!(run(30 * 240), whole, "each quarter of a second");
    assert_eq!(run(7), whole, "several minutes at once");
}

#[test]
fn a_long_pause_is_released_as_bars() {
    let ticking = || Box::new(Ticking::over(made(), 7));
    let local = Local::open(ticking(), &setup());
    let to = START + 200 * MINUTE + 20_000;
    let inputs = advances(local.exchange(), &mut *ticking(), to, to);
    let (mut bars, mut ticks) = (0, 0);
    for input in &inputs {
        bars += usize::from(matches!(input, SimFact::Advance(advance) if advance.minute.is_some()));
        ticks += usize::from(matches!(input, SimFact::Ticked(_)));
    }
    assert_eq!((bars, ticks), (140, 61));
    let mut fake = Local::open(Box::new(Ticking::over(Box::new(Fake::usual()), 7)), &setup());
    let end = START + 9 * MINUTE;
    fake.advance(end, end);
    assert_eq!((fake.exchange().market(), fake.next_close()), (end, None), "a market that ends");
    assert!(advances(fake.exchange(), &mut *ticking(), end, end).is_empty(), "nothing is left");
}
