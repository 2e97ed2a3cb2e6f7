//! Tests the shape of sales at a limit or a stop, and their result.

use super::*;
use everwarm_domain::fact::{Body, Decision, Operator};
use everwarm_domain::money::parse_decimal;
use everwarm_domain::order::MANUAL;
use everwarm_kernel::fact::{Fact, Key};

fn dec(text: &str) -> Decimal {
    parse_decimal(text).unwrap()
}

fn symbol() -> Symbol {
    Symbol::new("BTCUSDT").unwrap()
}

/// A request with these members.
fn view(members: &str) -> ByHandView {
    let text = format!(r#"{{ "symbol": "BTCUSDT", "reason": "r", {members} }}"#);
    serde_json::from_str(&text).unwrap()
}

/// The request in words, or why it is refused.
fn read(members: &str) -> Result<String, String> {
    let none = |_: &str| Err(usage("no order"));
    view(members).request(none).map_or_else(|e| Err(e.text), |(of, _)| Ok(of.to_string()))
}

#[test]
fn a_sale_at_a_price_is_one_of_the_lot() {
    for (members, words) in [
        (r#""limit": "121.0""#, "sell the lot of manual in BTCUSDT at the limit 121"),
        (r#""stop": "104""#, "sell the lot of manual in BTCUSDT at the stop 104"),
        (
            r#""limit": "121", "stop": "104""#,
            "sell the lot of manual in BTCUSDT at the limit 121 or the stop 104",
        ),
        (r#""limit": "121", "quantity": "3""#, "sell 3 BTCUSDT at the limit 121"),
        (r#""stop": "104", "quote": "9""#, "sell BTCUSDT for 9 in quote units at the stop 104"),
        (r#""quantity": "3""#, "sell 3 BTCUSDT"),
    ] {
        let members = format!(r#""action": "sell", {members}"#);
        assert_eq!(read(&members).as_deref(), Ok(words));
        let (request, _) = view(&members).request(|_| Err(usage(""))).unwrap();
        assert!(view(&members).is(&request), "a repetition is the same request: {words}");
        assert!(!view(r#""action": "sell", "stop": "1""#).is(&request), "{words}");
    }
}

#[test]
fn a_price_that_no_order_takes_is_refused() {
    let first = "a purchase takes no stop: its lot has the default stop. Buy first, then set the \
                 stop: order sell SYMBOL --stop PRICE";
    for (members, words) in [
        (r#""action": "buy", "quote": "9", "stop": "104""#, first),
        (r#""action": "close", "stop": "104""#, "close takes no stop"),
        (r#""action": "sell", "stop": "104", "minutes": 5"#, "sell takes no minutes"),
        (r#""action": "sell", "stop": "0""#, "the stop 0 is not above 0"),
        (
            r#""action": "sell", "stop": "104.50", "limit": "104.5""#,
            "the stop 104.5 is not below the limit 104.5",
        ),
        (
            r#""action": "sell", "limit": "121", "quantity": "3", "quote": "9""#,
            "give a quantity or a quote amount: --quantity N or --quote N",
        ),
    ] {
        assert_eq!(read(members), Err(words.to_owned()));
    }
}

#[test]
fn the_result_of_a_sale_at_a_price_states_the_prices() {
    let (id, reason) = ("a".to_owned(), "r".to_owned());
    let (request, _) = view(r#""action": "sell", "stop": "104""#).request(|_| panic!()).unwrap();
    let manual = Body::Operator(Operator::Manual { id, request, reason });
    let key = Key { n: 5, rank: 0, i: 0 };
    let fact = |rank, body| {
        let (key, because) = (Key { rank, ..key }, if rank == 0 { Vec::new() } else { vec![key] });
        Fact { key, time: 0, version: 1, because, body }
    };
    let mut result = HandResult::new("a");
    result.take(&fact(0, manual));
    assert!(!result.rests());
    let (strategy, stop, target) = (MANUAL.to_owned(), Some(dec("104.0")), None);
    let (symbol, reason) = (symbol(), "r".to_owned());
    let given = Decision::Guarded { strategy, symbol, stop, target, reason };
    result.take(&fact(600, Body::Decision(given)));
    assert!(result.rests());
    let view = result.view().unwrap();
    assert_eq!(view.state, HandState::Done);
    assert_eq!(view.lines, ["the lot of manual in BTCUSDT is sold when its price falls to 104"]);
}
