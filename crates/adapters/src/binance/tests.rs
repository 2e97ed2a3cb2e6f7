//! Tests of the wire format: recorded and documented messages, samples, and corrupted bytes.
//!
//! Over 500 lines: one subject, one test for each promise.

use super::error::{Kind, of_answer, of_error, of_transport};
use super::frames::{MarketFrame, UserFrame, decode_market, decode_user};
use super::wire::{self, OrderAnswer, OrderState, decode, decode_order_answer, error_body};
use super::{map, stream};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::{Decimal, parse_decimal};
use everwarm_domain::order::{OrderReport, OrderStatus, ReportSource, Side};
use everwarm_domain::time::Timeframe;
use everwarm_venue::port::{AccountReport, ErrorClass, MarketReport};
use everwarm_venue::session::{Hello, Parsed, Protocol};
use everwarm_venue::transport::TransportError;
use serde_json::{Value, json};
use std::io::Read;
use std::sync::Arc;

fn shared(file: &str) -> Vec<u8> {
    let path = crate::shared::shared("wire/binance").join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if path.extension().is_none_or(|e| e != "gz") {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
    plain
}

/// The bodies in a file of recorded responses, with their paths.
fn recorded(file: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = shared(&format!("rest_recorded/{file}"));
    let all: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    let mut bodies = Vec::new();
    for one in all.iter().filter(|one| !one["response"].is_null()) {
        let query = one["query"].as_str().unwrap_or_default().to_owned();
        bodies.push((query, serde_json::to_vec(&one["response"]).unwrap()));
    }
    bodies
}

fn lines(file: &str) -> Vec<String> {
    let bytes = shared(file);
    let text = String::from_utf8(bytes).unwrap();
    text.lines().filter_map(|l| l.find('{').map(|at| l[at..].to_owned())).collect()
}

fn dec(text: &str) -> Decimal {
    parse_decimal(text).unwrap()
}

fn state(body: &[u8]) -> OrderReport {
    let state: OrderState = decode("order", body).unwrap();
    map::order_state(ReportSource::Query, &state, &[]).unwrap()
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn recorded_rules_of_instruments() {
    for (_, body) in recorded("api_v3_exchangeInfo.get.json") {
        let info: wire::ExchangeInfo = decode("exchangeInfo", &body).unwrap();
        assert_eq!(map::weight_limit(&info), Some(6000));
        let rules = map::instruments(&info).unwrap();
        assert_eq!(rules.len(), 25);
        assert!(rules.is_sorted_by_key(|r| r.symbol));
        let eth = rules.iter().find(|r| r.symbol.as_str() == "ETHBTC").unwrap();
        assert_eq!((eth.base.as_str(), eth.quote.as_str(), eth.trading), ("ETH", "BTC", true));
        assert_eq!((eth.tick_size, eth.lot_size), (dec("0.00001"), dec("0.0001")));
        assert_eq!((eth.min_quantity, eth.max_quantity), (dec("0.0001"), dec("100000")));
        assert!(map::stop_orders(&info).all(|(_, most)| most == 5));
        let market = (eth.market_lot_size, eth.market_max_quantity);
        assert_eq!(market, (dec("0"), dec("1378.22417541")));
        assert_eq!((eth.min_notional, eth.min_notional_for_market), (dec("0.0001"), true));
    }
}

#[test]
fn a_symbol_without_stop_losses_takes_no_stop_order() {
    let info = br#"{"serverTime":1,"rateLimits":[],"symbols":[
        {"symbol":"AUSD","status":"TRADING","baseAsset":"A","quoteAsset":"USD",
         "orderTypes":["LIMIT","MARKET"],
         "filters":[{"filterType":"MAX_NUM_ALGO_ORDERS","maxNumAlgoOrders":5}]},
        {"symbol":"BUSD","status":"TRADING","baseAsset":"B","quoteAsset":"USD",
         "orderTypes":["MARKET","STOP_LOSS"],
         "filters":[{"filterType":"MAX_NUM_ALGO_ORDERS","maxNumAlgoOrders":-2}]},
        {"symbol":"CUSD","status":"TRADING","baseAsset":"C","quoteAsset":"USD",
         "orderTypes":["STOP_LOSS"],
         "filters":[{"filterType":"MAX_NUM_ALGO_ORDERS","maxNumAlgoOrders":3}]},
        {"symbol":"DUSD","status":"TRADING","baseAsset":"D","quoteAsset":"USD",
         "orderTypes":["STOP_LOSS"],"filters":[]},
        {"symbol":"EUSD","status":"TRADING","baseAsset":"E","quoteAsset":"USD"}]}"#;
    let info: wire::ExchangeInfo = decode("exchangeInfo", info).unwrap();
    let found: Vec<_> =
        map::stop_orders(&info).map(|(symbol, most)| (symbol.to_string(), most)).collect();
    let expected = [("AUSD", 0), ("BUSD", 0), ("CUSD", 3), ("EUSD", 0)];
    assert_eq!(found, expected.map(|(symbol, most)| (symbol.to_owned(), most)));
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn recorded_klines_are_bars() {
    let mut seen = 0;
    for (query, body) in recorded("api_v3_klines.get.json") {
        let rows: Vec<wire::KlineRow> = decode("klines", &body).unwrap();
        let interval = query.split("interval=").nth(1).unwrap().split('&').next().unwrap();
        let timeframe: Timeframe = interval.parse().unwrap();
        let bars = map::bars(Symbol::new("BTCUSDT").unwrap(), timeframe, &rows).unwrap();
        assert_eq!(bars.len(), rows.len());
        let again: Vec<wire::KlineRow> =
            decode("klines", &serde_json::to_vec(&rows).unwrap()).unwrap();
        assert_eq!(again, rows, "what is written is what was read");
        assert!(map::bars(bars[0].symbol, Timeframe::H4, &rows).is_err());
        seen += bars.len();
    }
    assert_eq!(seen, 1431);
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn recorded_orders_and_accounts() {
    for (_, body) in recorded("api_v3_account.get.json") {
        let account: wire::Account = decode("account", &body).unwrap();
        assert!(map::balances(&account.balances, false).0.len() <= account.balances.len());
        assert_eq!(map::balances(&account.balances, true).0.len(), account.balances.len());
    }
    for (_, body) in recorded("api_v3_order.get.json") {
        let report = state(&body);
        assert_eq!(
            (report.client_id.0.as_str(), report.venue_order_id.as_str()),
            ("eliteOrder", "1337")
        );
        assert_eq!((report.status, report.time), (OrderStatus::Open, 1_499_827_319_559));
    }
    for (_, body) in recorded("api_v3_order.delete.json") {
        let report = state(&body);
        assert_eq!(report.client_id.0, "myOrder1", "not the id of the cancel");
        assert_eq!((report.status, report.executed), (OrderStatus::Cancelled, dec("8")));
    }
    for file in ["api_v3_openOrders.get.json", "api_v3_allOrders.get.json"] {
        for (_, body) in recorded(file) {
            let orders: Vec<OrderState> = decode("orders", &body).unwrap();
            assert_eq!(map::open_orders(&orders).unwrap().len(), 1);
        }
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn documented_answers() {
    let full = shared("rest_docs/new_order_full_response.json");
    let OrderAnswer::State(full) = decode_order_answer(&full).unwrap() else { panic!("an ack") };
    let report = map::order_state(ReportSource::Answer, &full, &[]).unwrap();
    assert_eq!((report.fills.len(), report.fills[4].trade_id.as_str()), (5, "60"));
    assert_eq!(report.fills[1].fee, dec("19.995"));
    let trades = shared("rest_docs/account_trades_response.json");
    let trades: Vec<wire::TradeRow> = decode("trades", &trades).unwrap();
    let trades = map::trades(&trades).unwrap();
    assert_eq!((trades[0].side, trades[0].fill.fee_asset.as_str()), (Side::Buy, "BNB"));
    assert_eq!(trades[0].venue_order_id.as_str(), "100234");
    for file in ["account", "exchange_info", "klines", "order", "server_time"] {
        let body = shared(&format!("rest_docs/{file}_response.json"));
        let read = match file {
            "account" => decode::<wire::Account>(file, &body).map(drop),
            "exchange_info" => decode::<wire::ExchangeInfo>(file, &body).map(drop),
            "klines" => decode::<Vec<wire::KlineRow>>(file, &body).map(drop),
            "order" => decode::<OrderState>(file, &body).map(drop),
            _ => decode::<wire::ServerTime>(file, &body).map(drop),
        };
        assert_eq!(read, Ok(()), "{file}");
    }
}

#[test]
fn what_comes_and_goes_is_subscribed_on_the_connection_there_is() {
    let symbols = |names: &[&str]| -> Arc<[Symbol]> {
        names.iter().map(|name| Symbol::new(name).unwrap()).collect()
    };
    let (wanted, receiver) = tokio::sync::watch::channel(symbols(&["AUSDT", "BUSDT"]));
    let mut streams = stream::MarketStreams::new(receiver, Timeframe::M1, true);
    let texts = |asked: Vec<Hello>| asked.into_iter().map(|h| h.text).collect::<Vec<_>>();
    let request = |id, method: &str, names: &[&str]| {
        let names: Vec<String> = names.iter().map(|n| format!("{n}usdt@kline_1m")).collect();
        json!({"method": method, "params": names, "id": id}).to_string()
    };
    assert_eq!(streams.quiet(), None, "nothing is asked for yet");
    assert_eq!(texts(streams.hello(0)), [request(1, "SUBSCRIBE", &["a", "b"])]);
    assert_eq!(texts(streams.turn()), [""; 0]);
    wanted.send_replace(symbols(&["BUSDT", "CUSDT"]));
    let turned = [request(2, "SUBSCRIBE", &["c"]), request(3, "UNSUBSCRIBE", &["a"])];
    assert_eq!(texts(streams.turn()), turned);
    assert_eq!(texts(streams.hello(0)), [request(4, "SUBSCRIBE", &["b", "c"])], "a new one");
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn recorded_market_streams() {
    let (_, wanted) = tokio::sync::watch::channel(Arc::default());
    let streams = stream::MarketStreams::new(wanted, Timeframe::M1, true);
    let (mut bars, mut closed, mut others) = (0, 0, 0);
    for file in [
        "ws_market/cryptofeed_spot_klines_depth_aggtrade.txt.gz",
        "ws_market/cryptofeed_futures.txt.gz",
        "ws_market/spot_btcusdt_20240809_head.txt.gz",
    ] {
        for line in lines(file) {
            match streams.read(&line).unwrap() {
                Parsed::Data(MarketReport::Bar { closed: true, .. }) => closed += 1,
                Parsed::Data(MarketReport::Bar { .. }) => bars += 1,
                Parsed::Data(MarketReport::Other { name }) => {
                    assert_ne!(name, "unnamed", "{line}");
                    others += 1;
                }
                other @ (Parsed::Data(MarketReport::Unheld(_))
                | Parsed::Answer { .. }
                | Parsed::Ending(_)
                | Parsed::Many(_)
                | Parsed::Over(_)) => {
                    panic!("{other:?}: {line}")
                }
            }
        }
    }
    assert_eq!((bars, closed), (65, 4));
    assert!(others > 0);
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn documented_user_streams() {
    let read = |file: &str| decode_user(&shared(&format!("ws_user/{file}.json")));
    let UserFrame::Execution(trade) = read("execution_report_trade").unwrap() else {
        panic!("not an order")
    };
    let report = map::execution_report(&trade).unwrap();
    assert_eq!((report.status, report.fills.len()), (OrderStatus::Filled, 1));
    let fill = &report.fills[0];
    assert_eq!(
        (fill.trade_id.as_str(), fill.fee, &*fill.fee_asset),
        ("98765432", dec("0.001"), "ETH")
    );
    for (file, status) in [
        ("execution_report_new", OrderStatus::Open),
        ("execution_report_wrapped", OrderStatus::Open),
        ("execution_report_stop_loss", OrderStatus::Open),
        ("execution_report_canceled", OrderStatus::Cancelled),
        ("execution_report_expired", OrderStatus::Expired),
    ] {
        let UserFrame::Execution(event) = read(file).unwrap() else { panic!("{file}") };
        let report = map::execution_report(&event).unwrap();
        assert_eq!((report.status, report.fills.len()), (status, 0), "{file}");
    }
    for file in ["account_position", "account_position_wrapped"] {
        assert!(matches!(read(file), Ok(UserFrame::Position(_))), "{file}");
    }
    let list = read("list_status_wrapped").unwrap();
    assert!(matches!(list, UserFrame::List(l) if l.order_status == "EXECUTING"));
    for file in ["balance_update", "balance_update_wrapped"] {
        assert_eq!(read(file).unwrap(), UserFrame::Other("balanceUpdate".into()));
    }
    for line in lines("ws_user/gct_ws_messages.jsonl") {
        decode_market(line.as_bytes()).unwrap();
    }
}

const FULL: &str = r#"{"symbol":"BTCUSDT","orderId":1032,"orderListId":-1,
 "clientOrderId":"qt-7f3a-e-1","transactTime":1795156858814,"price":"0.00000000",
 "origQty":"0.00200000","executedQty":"0.00200000","origQuoteOrderQty":"0.00000000",
 "cummulativeQuoteQty":"117.27624000","status":"FILLED","timeInForce":"GTC","type":"MARKET",
 "side":"BUY","workingTime":1795156858814,"selfTradePreventionMode":"NONE",
 "fills":[{"price":"58638.12000000","qty":"0.00100000","commission":"0.00000100",
  "commissionAsset":"BTC","tradeId":5024},
  {"price":"58638.12000000","qty":"0.00100000","commission":"0.00000100",
  "commissionAsset":"BTC","tradeId":5023}]}"#;

const EXECUTION: &str = r#"{"subscriptionId":0,"event":{"e":"executionReport",
 "E":1795156858814,"s":"BTCUSDT","c":"qt-7f3a-e-1","S":"BUY","o":"MARKET","f":"GTC",
 "q":"0.00200000","p":"0.00000000","P":"0.00000000","F":"0.00000000","g":-1,"C":"",
 "x":"TRADE","X":"PARTIALLY_FILLED","r":"NONE","i":1032,"l":"0.00100000","z":"0.00100000",
 "L":"58638.12000000","n":"0.00000100","N":"BTC","T":1795156858814,"t":5023,"I":8641984,
 "w":false,"m":false,"M":false,"O":1795156858814,"Z":"58.63812000","Y":"58.63812000",
 "Q":"0.00000000","W":1795156858814,"V":"NONE"}}"#;

const POSITION: &str = r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition",
 "E":1795156858814,"u":1795156858814,"B":[{"a":"USDT","f":"99598.25207504","l":"0.00000000"},
 {"a":"BTC","f":"2.00683515","l":"0.00000000"}]}}"#;

#[test]
fn sample_of_a_full_answer_and_its_events() {
    let OrderAnswer::State(order) = decode_order_answer(FULL.as_bytes()).unwrap() else {
        panic!("an ack")
    };
    let report = map::order_state(ReportSource::Answer, &order, &[]).unwrap();
    let ids: Vec<&str> = report.fills.iter().map(|f| f.trade_id.as_str()).collect();
    assert_eq!(ids, ["5023", "5024"], "ascending");
    assert_eq!((report.executed, report.executed_quote), (dec("0.002"), dec("117.27624")));
    let ack = r#"{"symbol":"BTCUSDT","orderId":1032,"orderListId":-1,"clientOrderId":"x",
        "transactTime":1795156858814}"#;
    assert!(matches!(decode_order_answer(ack.as_bytes()), Ok(OrderAnswer::Ack(_))));

    let UserFrame::Execution(event) = decode_user(EXECUTION.as_bytes()).unwrap() else {
        panic!("not an order")
    };
    let report = map::execution_report(&event).unwrap();
    assert_eq!(
        (report.status, report.fills[0].trade_id.as_str()),
        (OrderStatus::PartlyFilled, "5023")
    );
    let cancel = EXECUTION
        .replace(r#""x":"TRADE","X":"PARTIALLY_FILLED""#, r#""x":"CANCELED","X":"CANCELED""#)
        .replace(r#""C":"""#, r#""C":"qt-7f3a-e-2""#);
    let UserFrame::Execution(event) = decode_user(cancel.as_bytes()).unwrap() else {
        panic!("not an order")
    };
    let report = map::execution_report(&event).unwrap();
    assert_eq!(report.client_id, ClientOrderId("qt-7f3a-e-2".into()));
    assert_eq!((report.status, report.fills.len()), (OrderStatus::Cancelled, 0));

    let UserFrame::Position(position) = decode_user(POSITION.as_bytes()).unwrap() else {
        panic!("not balances")
    };
    let AccountReport::Balances { balances, .. } = map::account_position(position) else {
        panic!("not balances")
    };
    assert_eq!((balances[0].asset.as_str(), balances[0].free), ("BTC", dec("2.00683515")));
}

#[test]
fn control_answers_and_endings() {
    let answer = |text: &str| {
        let Ok(MarketFrame::Answer(a)) = decode_market(text.as_bytes()) else { panic!("{text}") };
        (a.id, a.status, a.error.map(|e| e.code))
    };
    assert_eq!(answer(r#"{"result":null,"id":1}"#), (Some(1), 200, None));
    assert_eq!(answer(r#"{"id":"7","status":200,"result":{}}"#), (Some(7), 200, None));
    assert_eq!(answer(r#"{"error":{"code":2,"msg":"no"},"id":null}"#), (None, 400, Some(2)));
    assert_eq!(answer(r#"{"code":3,"msg":"no"}"#), (None, 400, Some(3)));
    let failed = r#"{"id":"7","status":400,"error":{"code":-2013,"msg":"Order does not exist."},
        "rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE"}]}"#;
    assert_eq!(answer(failed), (Some(7), 400, Some(-2013)));
    let subscribed = r#"{"id":"1","status":200,"result":{"subscriptionId":0}}"#;
    assert!(matches!(decode_user(subscribed.as_bytes()), Ok(UserFrame::Answer(_))));
    let over = r#"{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}"#;
    assert_eq!(decode_user(over.as_bytes()), Ok(UserFrame::Terminated));
    for text in [
        r#"{"e":"serverShutdown","E":1}"#,
        r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}"#,
    ] {
        assert_eq!(decode_market(text.as_bytes()), Ok(MarketFrame::Shutdown));
    }
    let shutdown = r#"{"event":{"e":"serverShutdown","E":1}}"#;
    assert_eq!(decode_user(shutdown.as_bytes()), Ok(UserFrame::Shutdown));
}

#[test]
fn unknown_words_are_kept_and_wrong_types_are_named() {
    let other = FULL.replace("\"FILLED\"", "\"MELTED\"");
    let Ok(OrderAnswer::State(order)) = decode_order_answer(other.as_bytes()) else {
        panic!("an unknown word is no fault of the message")
    };
    let error = map::order_state(ReportSource::Answer, &order, &[]).unwrap_err();
    assert!(error.contains("MELTED"), "{error}");
    let error = decode_order_answer(FULL.replace("\"0.00200000\"", "0.002").as_bytes());
    let error = error.unwrap_err();
    assert!(error.contains("a decimal number in a string"), "{error}");
    assert!(error.contains("line 3 column 16") && error.contains("origQty"), "{error}");
    let error = decode::<OrderState>("order", FULL.replace("117.27624000", "1e2").as_bytes());
    assert!(error.unwrap_err().contains("1e2"));
}

#[test]
fn contradictions_are_errors() {
    let read = |text: String| {
        let order: OrderState = decode("order", text.as_bytes()).unwrap();
        map::order_state(ReportSource::Answer, &order, &[])
    };
    let quote = "\"cummulativeQuoteQty\":\"117.27624000\"";
    let summed = read(FULL.replace(quote, "\"cummulativeQuoteQty\":\"-1\"")).unwrap();
    assert_eq!(summed.executed_quote, dec("117.27624"), "taken from the fills");
    for (from, to) in [
        ("\"executedQty\":\"0.00200000\"", "\"executedQty\":\"0.003\""),
        ("\"executedQty\":\"0.00200000\"", "\"executedQty\":\"0\""),
        ("\"executedQty\":\"0.00200000\"", "\"executedQty\":\"-1\""),
        ("\"qty\":\"0.00100000\"", "\"qty\":\"0\""),
        ("\"tradeId\":5024", "\"tradeId\":5023"),
        ("\"side\":\"BUY\"", "\"side\":\"BOTH\""),
        ("\"symbol\":\"BTCUSDT\"", "\"symbol\":\"\""),
    ] {
        assert!(read(FULL.replace(from, to)).is_err(), "{to}");
    }
    let kline = r#"{"e":"kline","E":120000,"s":"BTCUSDT","k":{"t":60000,"T":119999,"s":"BTCUSDT",
        "i":"1m","f":1,"L":2,"o":"1.5","c":"2","h":"3","l":"1","v":"0","n":0,"x":true}}"#;
    let read = |text: &str| {
        let Ok(MarketFrame::Kline(event)) = decode_market(text.as_bytes()) else {
            panic!("{text}")
        };
        map::kline_event(&event)
    };
    assert!(matches!(read(kline), Ok(MarketReport::Bar { closed: true, .. })));
    let later = read(&kline.replace("1m", "3m"));
    assert!(matches!(later, Ok(MarketReport::Other { name }) if name == "kline_3m"));
    for (from, to) in
        [("\"T\":119999", "\"T\":120000"), ("\"t\":60000", "\"t\":9223372036854775807")]
    {
        assert!(read(&kline.replace(from, to)).is_err(), "{to}");
    }
    // Contradicting prices are judged later.
    let odd = read(&kline.replace("\"l\":\"1\"", "\"l\":\"1.8\""));
    assert!(matches!(odd, Ok(MarketReport::Bar { closed: true, .. })), "{odd:?}");
    for (from, to) in [
        ("\"h\":\"3\"", "\"h\":\"3.0000000000000000001\""),
        ("\"h\":\"3\"", "\"h\":\"99999999999999999999999999999999999\""),
        ("\"h\":\"3\"", "\"h\":\"three\""),
        ("\"l\":\"1\"", "\"l\":\"-1\""),
        ("\"c\":\"2\"", "\"c\":\"0\""),
        ("\"v\":\"0\"", "\"v\":\"1000000000000001\""),
    ] {
        let Ok(MarketReport::Unheld(bar)) = read(&kline.replace(from, to)) else { panic!("{to}") };
        assert_eq!(bar.open_time, 60_000);
        assert!(bar.why.starts_with("BTCUSDT kline 60000: "), "{}", bar.why);
        assert!(read(&kline.replace(from, to).replace("true", "false")).is_err(), "{to}");
    }
}

#[test]
fn decimals_on_the_wire() {
    assert_eq!(map::plain(dec("0.00200000")), "0.002");
    assert_eq!(map::plain(dec("1000000.000")), "1000000");
    assert_eq!(map::plain(dec("0.00000001")), "0.00000001");
    assert_eq!(map::plain_on_step(dec("12.30"), dec("0.1")), Ok("12.3".into()));
    assert_eq!(map::plain_on_step(dec("12.34"), dec("0")), Ok("12.34".into()));
    assert!(map::plain_on_step(dec("12.34"), dec("0.1")).is_err());
}

#[test]
fn the_table_of_errors() {
    use ErrorClass::{Absent, Funds, Halt, NotSent, Refused, Rules, Unknown};
    let (no, again) = (Refused { again: false }, Refused { again: true });
    let limited = |s: u64| ErrorClass::RateLimited { retry_after_ms: s * 1000 };
    // Status, code, text; then the meaning for an order, a cancel and a read.
    let table = [
        (500, 0, "", [Unknown, Unknown, NotSent]),
        (503, -1000, "?", [Unknown, Unknown, NotSent]),
        (502, -2010, "x", [Unknown, Unknown, NotSent]),
        (400, -1006, "?", [Unknown, Unknown, NotSent]),
        (504, -1007, "?", [Unknown, Unknown, NotSent]),
        (408, 0, "", [Unknown, Unknown, NotSent]),
        (503, -1008, "busy", [NotSent; 3]),
        (429, 0, "", [limited(60); 3]),
        (418, -1003, "banned", [limited(120); 3]),
        (429, -1015, "orders", [limited(10); 3]),
        (403, 0, "", [limited(300); 3]),
        (400, -1021, "time", [again; 3]),
        (400, -1022, "sig", [Halt; 3]),
        (401, -2015, "key", [Halt; 3]),
        (401, 0, "", [Halt; 3]),
        (400, -1013, "Filter failure: LOT_SIZE", [Rules; 3]),
        (400, -1111, "precision", [no; 3]),
        (400, -1121, "symbol", [no; 3]),
        (400, -2010, "Account has insufficient balance for requested action.", [Funds; 3]),
        (400, -2010, "Duplicate order sent.", [Unknown, Unknown, NotSent]),
        (400, -2010, "This account may not place or cancel orders.", [Halt; 3]),
        (400, -2011, "Unknown order sent.", [Unknown, Absent, Absent]),
        (400, -2011, "Order was not canceled due to cancel restrictions.", [no; 3]),
        (400, -2013, "Order does not exist.", [Unknown, Absent, Absent]),
        (400, -2026, "archived", [no; 3]),
        (409, -2021, "half", [Unknown, Unknown, NotSent]),
        (404, 0, "", [no, no, NotSent]),
        (400, -9999, "new", [no, no, NotSent]),
    ];
    for (status, code, text, classes) in table {
        let body = match code {
            0 => "<html>\n<h1>Oops</h1></html>".to_owned(),
            code => format!(r#"{{"code":{code},"msg":"{text}"}}"#),
        };
        for (kind, class) in [Kind::Place, Kind::Cancel, Kind::Read].into_iter().zip(classes) {
            let error = of_answer(kind, status, None, body.as_bytes());
            assert_eq!((error.class, error.code), (class, code), "{kind:?} {status} {body}");
            let words = if code == 0 { format!("HTTP {status} Oops") } else { text.to_owned() };
            assert_eq!(error.text, words);
        }
    }
    let body = r#"{"code":-1003,"msg":"banned","data":{"serverTime":1000,"retryAfter":8500}}"#;
    let banned = of_error(Kind::Read, 418, error_body(body.as_bytes()).unwrap());
    assert_eq!(banned.class, limited(8), "the WebSocket API has it in the body");
    for data in ["null", "7", r#"{"retryAfter":"soon"}"#, r#"{"cancelResult":"FAILURE"}"#] {
        let body = format!(r#"{{"code":-1003,"msg":"banned","data":{data}}}"#);
        let banned = of_error(Kind::Read, 418, error_body(body.as_bytes()).unwrap());
        assert_eq!(banned.class, limited(120), "{data}");
    }
    let waits = of_answer(Kind::Read, 429, Some(7), b"");
    assert_eq!((waits.class, waits.text.as_str()), (limited(7), "HTTP 429"));
    let unknown = || TransportError::Unknown("reset".into());
    assert_eq!(of_transport(Kind::Place, unknown()).class, Unknown);
    assert_eq!(of_transport(Kind::Read, unknown()).class, NotSent);
    let refused = TransportError::NotSent("connection refused".into());
    assert_eq!(of_transport(Kind::Place, refused).class, NotSent);
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn every_documented_error_has_a_meaning() {
    let bytes = shared("documented_error_bodies.json");
    let all: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    let ambiguous = [-1000, -1001, -1006, -1007, -2011, -2013, -2021];
    for one in &all {
        let body = serde_json::to_vec(&one["body"]).unwrap();
        let text = one["body"]["msg"].as_str().unwrap();
        let error = of_answer(Kind::Place, 400, None, &body);
        assert_eq!(Value::from(error.code), one["code"]);
        let doubt = ambiguous.contains(&error.code)
            || ["Duplicate order sent.", "Unknown order sent."].contains(&text);
        assert_eq!(error.class == ErrorClass::Unknown, doubt, "{one}");
        let server = of_answer(Kind::Place, 503, None, &body);
        let no = [ErrorClass::Refused { again: false }, ErrorClass::Rules, ErrorClass::Funds];
        assert!(!no.contains(&server.class), "5xx proves nothing: {one}");
        let read = of_answer(Kind::Read, 400, None, &body);
        assert_ne!(read.class, ErrorClass::Unknown, "a read executes nothing: {one}");
    }
    for (_, body) in recorded("error_bodies.json") {
        assert!(of_answer(Kind::Read, 400, None, &body).code < 0);
    }
}

/// Random numbers for corrupting bytes.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        usize::try_from(everwarm_kernel::chance::draw(&mut self.0) % below as u64).unwrap()
    }

    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        const TELLING: &[u8] = b"\"{}[]:,-.0919eEnull\\\xff\x00";
        for _ in 0..=self.roll(3) {
            if bytes.is_empty() {
                return;
            }
            let at = self.roll(bytes.len());
            match self.roll(5) {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << self.roll(8),
                2 => bytes[at] = TELLING[self.roll(TELLING.len())],
                3 => bytes.insert(at, TELLING[self.roll(TELLING.len())]),
                _ => {
                    let end = at + self.roll(bytes.len() - at);
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
    }
}

/// Reads bytes as every message type: each gives a value or an error.
fn read_as_all(bytes: &[u8]) {
    let symbol = Symbol::new("BTCUSDT").unwrap();
    if let Ok(info) = decode::<wire::ExchangeInfo>("x", bytes) {
        map::instruments(&info).ok();
    }
    if let Ok(rows) = decode::<Vec<wire::KlineRow>>("x", bytes) {
        map::bars(symbol, Timeframe::M1, &rows).ok();
    }
    if let Ok(account) = decode::<wire::Account>("x", bytes) {
        drop(map::balances(&account.balances, false));
    }
    if let Ok(OrderAnswer::State(order)) = decode_order_answer(bytes) {
        map::order_state(ReportSource::Answer, &order, &[]).ok();
    }
    if let Ok(orders) = decode::<Vec<OrderState>>("x", bytes) {
        map::open_orders(&orders).ok();
    }
    if let Ok(rows) = decode::<Vec<wire::TradeRow>>("x", bytes) {
        map::trades(&rows).ok();
    }
    if let Ok(MarketFrame::Kline(event)) = decode_market(bytes) {
        map::kline_event(&event).ok();
    }
    match decode_user(bytes) {
        Ok(UserFrame::Execution(event)) => drop(map::execution_report(&event)),
        Ok(UserFrame::Position(event)) => drop(map::account_position(event)),
        _ => {}
    }
    drop(of_answer(Kind::Place, 400, None, bytes));
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn bytes_gone_bad_never_panic() {
    let mut seeds: Vec<Vec<u8>> = [FULL, EXECUTION, POSITION].map(Into::into).into();
    seeds.push(b"{\"result\":null,\"id\":1}".to_vec());
    for file in [
        "rest_docs/account_response.json",
        "rest_docs/account_trades_response.json",
        "rest_docs/klines_response.json",
        "rest_docs/open_orders_response.json",
        "rest_docs/new_order_full_response.json",
        "ws_market_docs/kline_stream_closed.json",
        "ws_user/execution_report_wrapped.json",
        "ws_user/list_status_wrapped.json",
    ] {
        seeds.push(shared(file));
    }
    for (_, body) in recorded("api_v3_exchangeInfo.get.json") {
        let mut info: Value = serde_json::from_slice(&body).unwrap();
        info["symbols"].as_array_mut().unwrap().truncate(1);
        info["symbols"][0]["permissionSets"] = Value::Null;
        seeds.push(serde_json::to_vec(&info).unwrap());
    }
    seeds.extend(lines("ws_user/gct_ws_messages.jsonl").into_iter().map(String::into_bytes));
    let mut dice = Dice(7);
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        dice.spoil(&mut bytes);
        read_as_all(&bytes);
    }
}

#[test]
fn a_bar_is_not_closed_before_its_end() {
    let frame = |closed: bool, at: i64| {
        let text = json!({"e": "kline", "E": at, "s": "BTCUSDT", "k": {"t": 60_000, "T": 119_999,
            "i": "1m", "o": "1", "c": "1", "h": "1", "l": "1", "v": "1", "n": 1, "x": closed}});
        let MarketFrame::Kline(event) = decode_market(text.to_string().as_bytes()).unwrap() else {
            panic!("no kline");
        };
        map::kline_event(&event)
    };
    assert!(frame(true, 119_999).is_ok() && frame(false, 60_001).is_ok());
    let why = frame(true, 119_998).unwrap_err();
    assert!(why.starts_with("BTCUSDT kline 60000: called closed at 119998"), "{why}");
}

#[test]
fn rules_that_nobody_can_obey_are_refused() {
    let rules = |min: &str, max: &str, notional: &str| {
        let filters = json!([
            {"filterType": "LOT_SIZE", "minQty": min, "maxQty": max, "stepSize": "0.001"},
            {"filterType": "NOTIONAL", "minNotional": notional, "applyMinToMarket": true},
        ]);
        let info = json!({"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC",
            "quoteAsset": "USDT", "filters": filters});
        map::instrument(&serde_json::from_value(info).unwrap())
    };
    assert!(rules("0.001", "9000", "5").is_ok() && rules("1", "0", "5").is_ok());
    assert_eq!(rules("9", "1", "5").unwrap_err(), "BTCUSDT: minQty 9 is above maxQty 1");
    assert_eq!(rules("1", "9", "-5").unwrap_err(), "BTCUSDT: minNotional -5 is below 0");
}
