//! What the exchange reads before it looks at anything else: query strings, bodies, streams.
//! Whole requests and frames are sent to a running one in `crates/sim/src/server/tests/hostile.rs`.

use super::spoil::spoiled;
use everwarm::chaos::feed::{START, Small};
use everwarm_sim::exchange::ListKind;
use everwarm_sim::faults::Fault;
use everwarm_sim::server::requests::Entry;
use everwarm_sim::server::routes::TABLE;
use everwarm_sim::wire::params::Params;
use everwarm_sim::wire::sign::{DEMO_KEY, When, check, rest_payload};
use everwarm_sim::wire::{klines::KlineQuery, lists, orders, queries};
use everwarm_sim::{InitialBooks, Local};

const ORDER: &str = "symbol=AAAUSD&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1.5&price=99.01&\
                     newClientOrderId=one&newOrderRespType=FULL&recvWindow=5000&\
                     timestamp=1700000040000&signature=00";
const STOP: &str = "symbol=BBBUSD&side=SELL&type=STOP_LOSS_LIMIT&timeInForce=IOC&quantity=1&\
                    price=500&stopPrice=501.5&strategyId=1&strategyType=1000000";
const QUOTE: &str = "symbol=AAAUSD&side=BUY&type=MARKET&quoteOrderQty=100.25";
const REPLACE: &str = "symbol=AAAUSD&side=BUY&type=MARKET&quantity=1&\
                       cancelReplaceMode=STOP_ON_FAILURE&\
                       cancelOrigClientOrderId=one&cancelRestrictions=ONLY_NEW";
const LIST: &str = "symbol=AAAUSD&listClientOrderId=l&workingType=LIMIT&workingSide=BUY&\
                    workingPrice=100&workingQuantity=1&workingTimeInForce=GTC&pendingSide=SELL&\
                    pendingQuantity=1&pendingAboveType=LIMIT_MAKER&pendingAbovePrice=120&\
                    pendingBelowType=STOP_LOSS&pendingBelowStopPrice=80";
const PAIR: &str = "symbol=AAAUSD&side=SELL&quantity=1&aboveType=LIMIT_MAKER&abovePrice=120&\
                    belowType=STOP_LOSS_LIMIT&belowStopPrice=90&belowPrice=89&\
                    belowTimeInForce=GTC";
const LOOK: &str = "symbol=AAAUSD&interval=1m&startTime=1700000040000&endTime=1700000940000&\
                    limit=1000&orderId=7&fromId=3&symbols=%5B%22AAAUSD%22%2C%22BBBUSD%22%5D";

#[test]
fn any_request_gives_a_value_or_an_error() {
    let exchange = Local::open(Box::new(Small::new()), &InitialBooks::default());
    let exchange = exchange.exchange();
    let seeds =
        [ORDER, STOP, QUOTE, REPLACE, LIST, PAIR, LOOK].map(|text| text.as_bytes().to_vec());
    let when = When { now: START, factor: 1, skew: 0 };
    let read = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let (query, body) = text.split_once('\n').unwrap_or((&text, ""));
        let parse = || Params::parse(query, body);
        let Ok(params) = parse() else { return };
        drop(check(Some(DEMO_KEY), &params, &rest_payload(query, body), when));
        drop(orders::new_order(exchange, &params, START, START));
        drop(orders::replace(exchange, &params, START, START));
        drop(orders::cancel(exchange, &params, START, START));
        drop(orders::cancel_all(exchange, &params, START, START));
        drop(orders::target(exchange, &params));
        for kind in [ListKind::Oco, ListKind::Oto, ListKind::Otoco] {
            drop(lists::new_list(exchange, &params, kind, START, START));
        }
        drop(lists::find(exchange, &params));
        drop(queries::Past::read(&params, "orderId"));
        drop(queries::TradeQuery::read(&params));
        drop(KlineQuery::read(&params));
        drop(params.finish());
        for row in TABLE {
            assert!(row.weight.of(&params) <= 250, "{query}");
        }
    };
    spoiled(&seeds, 6_000, read);
}

#[test]
fn any_line_of_the_small_files_gives_a_value_or_an_error() {
    let fault = br#"{"kind":"reset","at":"POST order","times":3,"chance":10,"value":1,"seed":9}"#;
    let asked = br#"{"asked":{"n":1,"at":1,"what":"POST order","symbol":"A","id":"b","timestamp":1,
        "window":5000,"since":null,"fault":null}}"#;
    spoiled(&[fault.to_vec(), asked.to_vec()], 4_000, |bytes| {
        if let Ok(fault) = serde_json::from_slice::<Fault>(bytes) {
            drop(fault.check());
        }
        drop(serde_json::from_slice::<Entry>(bytes));
    });
}
