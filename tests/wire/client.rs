//! What the client reads: answers, refusals, stream messages, events of the account.

use super::spoil::{Step, spoiled, with_more, with_new_words, with_other_types};
use super::{lines, real, recorded};
use everwarm_adapters::binance::error::{Kind, of_answer};
use everwarm_adapters::binance::frames::{MarketFrame, UserFrame, decode_market, decode_user};
use everwarm_adapters::binance::map;
use everwarm_adapters::binance::wire::{self, OrderAnswer, decode, decode_order_answer};
use everwarm_domain::id::Symbol;
use everwarm_domain::order::ReportSource;
use everwarm_domain::time::Timeframe;
use serde_json::Value;
use std::collections::BTreeSet;

/// A decoder: what it reads, how, and real messages of it. The result is in words.
struct Decoder {
    name: &'static str,
    read: fn(&[u8]) -> Result<String, String>,
    real: Vec<Vec<u8>>,
}

fn symbol() -> Symbol {
    Symbol::new("BTCUSDT").unwrap()
}

fn rules(bytes: &[u8]) -> Result<String, String> {
    let info: wire::ExchangeInfo = decode("exchangeInfo", bytes)?;
    Ok(format!("{:?} {:?}", map::weight_limit(&info), map::instruments(&info)))
}

fn klines(bytes: &[u8]) -> Result<String, String> {
    let rows: Vec<wire::KlineRow> = decode("klines", bytes)?;
    Ok(format!("{:?}", map::bars(symbol(), Timeframe::M1, &rows)))
}

fn account(bytes: &[u8]) -> Result<String, String> {
    let account: wire::Account = decode("account", bytes)?;
    Ok(format!("{} {:?}", account.can_trade, map::balances(&account.balances, false)))
}

fn order(bytes: &[u8]) -> Result<String, String> {
    let order: wire::OrderState = decode("order", bytes)?;
    Ok(format!("{:?}", map::order_state(ReportSource::Query, &order, &[])))
}

fn new_order(bytes: &[u8]) -> Result<String, String> {
    Ok(match decode_order_answer(bytes)? {
        OrderAnswer::Ack(ack) => format!("{ack:?}"),
        OrderAnswer::State(state) => {
            format!("{:?}", map::order_state(ReportSource::Answer, &state, &[]))
        }
    })
}

fn orders(bytes: &[u8]) -> Result<String, String> {
    let orders: Vec<wire::OrderState> = decode("orders", bytes)?;
    Ok(format!("{:?}", map::open_orders(&orders)))
}

fn trades(bytes: &[u8]) -> Result<String, String> {
    let rows: Vec<wire::TradeRow> = decode("trades", bytes)?;
    Ok(format!("{:?}", map::trades(&rows)))
}

fn order_counts(bytes: &[u8]) -> Result<String, String> {
    let counts: Vec<wire::RateLimit> = decode("rateLimit/order", bytes)?;
    Ok(format!("{:?}", map::order_counts(&counts)))
}

fn time(bytes: &[u8]) -> Result<String, String> {
    let time: wire::ServerTime = decode("time", bytes)?;
    Ok(format!("{time:?}"))
}

fn days(bytes: &[u8]) -> Result<String, String> {
    let days: Vec<wire::Day> = decode("ticker/24hr", bytes)?;
    Ok(format!("{days:?}"))
}

fn price(bytes: &[u8]) -> Result<String, String> {
    let price: wire::TickerPrice = decode("price", bytes)?;
    Ok(format!("{price:?}"))
}

fn market(bytes: &[u8]) -> Result<String, String> {
    Ok(match decode_market(bytes)? {
        MarketFrame::Kline(event) => format!("{:?}", map::kline_event(&event)),
        other @ (MarketFrame::Answer(_) | MarketFrame::Shutdown | MarketFrame::Other(_)) => {
            format!("{other:?}")
        }
    })
}

fn user(bytes: &[u8]) -> Result<String, String> {
    Ok(match decode_user(bytes)? {
        UserFrame::Execution(event) => format!("{:?}", map::execution_report(&event)),
        UserFrame::Position(event) => format!("{:?}", map::account_position(event)),
        other @ (UserFrame::List(_)
        | UserFrame::Answer(_)
        | UserFrame::Terminated
        | UserFrame::Shutdown
        | UserFrame::Other(_)) => format!("{other:?}"),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of the decoders, and has no errors")]
fn refusal(bytes: &[u8]) -> Result<String, String> {
    let classes = [Kind::Place, Kind::Cancel, Kind::Read].map(|kind| {
        [200, 400, 409, 429, 503]
            .map(|status| format!("{:?}", of_answer(kind, status, None, bytes)))
    });
    Ok(format!("{classes:?}"))
}

fn few(mut all: Vec<Vec<u8>>, most: usize) -> Vec<Vec<u8>> {
    all.truncate(most);
    all
}

/// Orders counted by windows, as the venue's documentation has it.
const COUNTS: &[u8] = br#"[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,
    "limit":10000,"count":12},{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,
    "limit":20000,"count":77}]"#;

/// A list of one.
fn list(one: &[u8]) -> Vec<u8> {
    [b"[", one, b"]"].concat()
}

/// One symbol of the rules: all are as many as take long.
fn one_symbol() -> Vec<u8> {
    let body = recorded("api_v3_exchangeInfo.get.json").remove(0);
    let mut info: Value = serde_json::from_slice(&body).unwrap();
    info["symbols"].as_array_mut().unwrap().truncate(1);
    serde_json::to_vec(&info).unwrap()
}

fn decoders() -> Vec<Decoder> {
    let doc = |name: &str| real(&format!("rest_docs/{name}_response.json"));
    let event = |name: &str| real(&format!("ws_user/{name}.json"));
    let kline = |name: &str| real(&format!("ws_market_docs/{name}.json"));
    let mut rows: Value =
        serde_json::from_slice(&recorded("api_v3_klines.get.json").remove(0)).unwrap();
    rows.as_array_mut().unwrap().truncate(3);
    let rows = serde_json::to_vec(&rows).unwrap();
    let subscribed = b"{\"id\":\"1\",\"status\":200,\"result\":{\"subscriptionId\":0}}".to_vec();
    let events = [
        "account_position",
        "account_position_wrapped",
        "balance_update",
        "balance_update_wrapped",
        "execution_report_canceled",
        "execution_report_expired",
        "execution_report_new",
        "execution_report_stop_loss",
        "execution_report_trade",
        "execution_report_wrapped",
        "list_status_wrapped",
    ];
    let mut users: Vec<Vec<u8>> = events.iter().map(|name| event(name)).collect();
    // Some are wrapped as listen keys were, which are gone.
    let old = lines("ws_user/gct_ws_messages.jsonl", 20);
    users.extend(old.into_iter().filter(|message| user(message).is_ok()));
    users.push(subscribed);
    let names = [
        "agg_trade_stream",
        "book_ticker_stream",
        "depth_update_stream",
        "kline_stream_closed",
        "kline_stream_open",
        "ticker_stream",
        "trade_stream",
    ];
    let mut markets: Vec<Vec<u8>> = names.iter().map(|name| kline(name)).collect();
    markets.extend(lines("ws_market/cryptofeed_spot_klines_depth_aggtrade.txt.gz", 5));
    markets.push(b"{\"result\":null,\"id\":1}".to_vec());
    let documented: Vec<Value> =
        serde_json::from_slice(&real("documented_error_bodies.json")).unwrap();
    let refusals = documented.iter().map(|e| serde_json::to_vec(&e["body"]).unwrap());
    let decoder = |name, read, real| Decoder { name, read, real };
    vec![
        decoder("exchangeInfo", rules as fn(&[u8]) -> _, vec![one_symbol()]),
        decoder("klines", klines, vec![doc("klines"), rows]),
        decoder("account", account, vec![doc("account")]),
        decoder("order", order, vec![doc("order"), doc("cancel_order")]),
        decoder("new order", new_order, vec![doc("new_order_full")]),
        decoder("orders", orders, vec![doc("open_orders"), doc("all_orders")]),
        decoder("trades", trades, vec![doc("account_trades")]),
        decoder("counts of orders", order_counts, vec![COUNTS.to_vec()]),
        decoder("time", time, vec![doc("server_time")]),
        decoder("days", days, vec![list(&doc("ticker_24hr"))]),
        decoder("price", price, vec![doc("ticker_price")]),
        decoder("market stream", market, markets),
        decoder("account's events", user, users),
        decoder("refusal", refusal, few(refusals.collect(), 40)),
    ]
}

/// The types that the client reads answers as, by the lines in which it does.
fn read_by_the_client() -> BTreeSet<String> {
    let text = concat!(
        include_str!("../../crates/adapters/src/binance/client.rs"),
        include_str!("../../crates/adapters/src/binance/client/time.rs")
    );
    let reads = |statement: &String| {
        ["= read(\"", "self.signed_read(", "wire::decode("]
            .iter()
            .any(|call| statement.contains(call))
    };
    // Statement by statement: one may go over several lines.
    let statements =
        text.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "));
    let named = statements.filter(reads).filter_map(|statement| {
        let (_, rest) = statement.rsplit_once("let ")?.1.split_once(": ")?;
        let (shape, _) = rest.split_once(" = ")?;
        let inner = shape.trim_start_matches("Vec<").trim_start_matches("Result<");
        let name = inner.trim_start_matches("wire::");
        Some(name.split(['>', ',']).next()?.to_owned())
    });
    named.collect()
}

#[test]
fn no_answer_is_read_that_is_not_tried_here() {
    let here = include_str!("client.rs");
    let read = read_by_the_client();
    assert!(read.len() >= 9 && read.contains("Day") && read.contains("RateLimit"), "{read:?}");
    let untried = |name: &&String| !here.contains(&format!("wire::{name}"));
    let untried: Vec<&String> = read.iter().filter(untried).collect();
    assert!(untried.is_empty(), "{untried:?}");
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn any_bytes_give_a_value_or_an_error() {
    for Decoder { read, real, .. } in decoders() {
        spoiled(&real, 4_000, |bytes| drop(read(bytes)));
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn what_is_new_is_tolerated() {
    for Decoder { name, read, real } in decoders() {
        for message in &real {
            let text = String::from_utf8_lossy(message);
            let known = read(message).unwrap_or_else(|e| panic!("{name}: {e}: {text}"));
            let value: Value = serde_json::from_slice(message).unwrap();
            for more in with_more(&value) {
                let more = serde_json::to_vec(&more).unwrap();
                let result = read(&more);
                assert_eq!(
                    result.as_ref(),
                    Ok(&known),
                    "{name}: {}",
                    String::from_utf8_lossy(&more)
                );
            }
            for (path, other) in with_new_words(&value) {
                let result = read(&serde_json::to_vec(&other).unwrap());
                assert!(result.is_ok(), "{name}: a new word at {path:?}: {result:?}");
            }
        }
    }
}

/// A place as an error writes it.
fn dotted(path: &[Step]) -> String {
    let steps = path.iter().map(|step| match step {
        Step::Place(place) => format!("[{place}]"),
        Step::Key(key) => format!(".{key}"),
    });
    steps.collect::<String>().trim_start_matches('.').to_owned()
}

/// Whether an error names where: the place itself, or the first in it. What differs by a word
/// of its own is read whole: there it is the object.
fn names(error: &str, path: &[Step]) -> bool {
    let (here, within) = (dotted(path), dotted(&path[..path.len().saturating_sub(1)]));
    let whole = within.ends_with(']') && within.contains("filters");
    let has_place = |place: &str| error.contains(&format!(" at {place}"));
    path.is_empty() || has_place(&here) || (whole && has_place(&within))
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn another_type_is_an_error_that_says_where() {
    let mut wrong = Vec::new();
    let mut refused = 0;
    for Decoder { name, read, real } in decoders() {
        // A refusal is read as far as it can be: whatever its text, the status counts.
        for message in real.iter().filter(|_| name != "refusal") {
            let known = read(message).unwrap();
            let value: Value = serde_json::from_slice(message).unwrap();
            for (path, other) in with_other_types(&value) {
                let text = serde_json::to_string(&other).unwrap();
                match read(text.as_bytes()) {
                    Err(error) if names(&error, &path) => refused += 1,
                    Err(error) => wrong.push(format!("{name} {path:?}: {error}")),
                    // Nobody reads it, or it is what names the message.
                    Ok(result) if result == known || result.starts_with("Other(") => {}
                    // The number of a request is the venue's echo: what is none answers nothing.
                    Ok(_) if path == [Step::Key("id".to_owned())] => {}
                    Ok(result) => wrong.push(format!("{name} {path:?}: read as {result:.300}")),
                }
            }
        }
    }
    println!("{refused} refused");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}
