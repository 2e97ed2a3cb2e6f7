//! Tests of the client against a small server that plays back responses and records requests.
//!
//! Over 500 lines: one client, and a test for each of its requests.

use super::*;
use crate::binance::sign::tests::documented_key;
use axum::extract::State as ServerState;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, Method as HttpMethod, StatusCode, Uri};
use everwarm_domain::order::{OrderStatus, OrderType, Side, Terms, Validity};
use everwarm_venue::clock::Pace;
use everwarm_venue::port::{MayPlace, Request, Venue};
use everwarm_venue::source::{BarRange, Source};
use std::collections::VecDeque;

/// Status, body, and seconds to wait.
type Answer = (u16, String, Option<u64>);

#[derive(Clone, Default)]
struct Script {
    asked: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

impl Script {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn answer(&self, status: u16, body: &str) {
        self.answers.lock().unwrap().push_back((status, body.to_owned(), None));
    }

    /// Adds a response with a `Retry-After`, seconds.
    fn answer_after(&self, status: u16, body: &str, seconds: u64) {
        self.answers.lock().unwrap().push_back((status, body.to_owned(), Some(seconds)));
    }
}

async fn play(
    ServerState(script): ServerState<Script>,
    method: HttpMethod,
    uri: Uri,
) -> (StatusCode, HeaderMap, String) {
    script.asked.lock().unwrap().push(format!("{method} {uri}"));
    let answer = script.answers.lock().unwrap().pop_front();
    let (status, body, after) = answer.unwrap_or((500, "no answer left".to_owned(), None));
    let mut headers = HeaderMap::new();
    headers.insert("x-mbx-used-weight-1m", 30.into());
    headers.extend(after.map(|seconds| (RETRY_AFTER, seconds.into())));
    (StatusCode::from_u16(status).unwrap(), headers, body)
}

const NOW: UtcMs = 1_795_156_858_000;

/// A client that knows the venue's count of weight.
async fn client() -> (BinanceClient, Script) {
    let (client, script) = fresh().await;
    client.limit().uncounted();
    (client, script)
}

async fn fresh() -> (BinanceClient, Script) {
    let script = Script::default();
    let router = axum::Router::new().fallback(play).with_state(script.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = Config {
        rest: format!("http://{address}/"),
        stream: format!("ws://{address}"),
        ws_api: format!("ws://{address}/ws-api/v3"),
        key: Some(documented_key()),
        recv_window: 5000,
        clock: SharedClock::new(Pace::Real),
        wall: Arc::new(|| everwarm_domain::time::WallMs::from_utc(NOW)),
        probe: Probe::default(),
        note: Note::default(),
    };
    (BinanceClient::new(config).unwrap(), script)
}

fn symbol() -> Symbol {
    Symbol::new("BTCUSDT").unwrap()
}

fn id() -> ClientOrderId {
    ClientOrderId("ew-1".to_owned())
}

fn intent() -> OrderIntent {
    OrderIntent {
        client_id: id(),
        strategy: "sma_cross".to_owned(),
        symbol: symbol(),
        side: Side::Buy,
        order_type: OrderType::Market,
        quantity: Decimal::new(200_000, 8),
        price: None,
        close_time: NOW,
        valid_until: NOW + 1,
        terms: Box::default(),
    }
}

fn attempt() -> SendAttempt {
    SendAttempt { client_id: id(), attempt: 1, validity: Validity::within(NOW - 7, 3000) }
}

fn order(status: &str, executed: &str, quote: &str, more: &str) -> String {
    format!(
        r#"{{"symbol":"BTCUSDT","orderId":9,"clientOrderId":"ew-1","price":"0","origQty":"0.002",
        "executedQty":"{executed}","cummulativeQuoteQty":"{quote}","status":"{status}",
        "type":"MARKET","side":"BUY","updateTime":5{more}}}"#
    )
}

fn trade(id: u64, qty: &str) -> String {
    format!(
        r#"{{"symbol":"BTCUSDT","id":{id},"orderId":9,"price":"2","qty":"{qty}","quoteQty":"1",
        "commission":"0","commissionAsset":"BTC","time":6,"isBuyer":true}}"#
    )
}

#[tokio::test]
async fn an_order_is_one_request_signed_for_the_time_named() {
    let (client, script) = client().await;
    script.answer(200, &order("NEW", "0", "0", r#","transactTime":4,"fills":[]"#));
    let report = client.place(&intent(), &attempt()).await.unwrap();
    assert_eq!((report.venue_order_id.as_str(), report.time), ("9", 4));
    let payload = format!(
        "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.002&newClientOrderId=ew-1\
         &newOrderRespType=FULL&recvWindow=3000&timestamp={}",
        NOW - 7
    );
    let signature = documented_key().sign(&payload);
    let expected = format!("POST /api/v3/order?{payload}&signature={signature}");
    assert_eq!(script.asked(), [expected]);

    let limit = OrderIntent {
        order_type: OrderType::Limit,
        price: Some(Decimal::new(5_000_000, 2)),
        ..intent()
    };
    script.answer(400, r#"{"code":-1021,"msg":"Timestamp"}"#);
    let error = client.place(&limit, &attempt()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused { again: true });
    let asked = script.asked();
    let orders = asked.iter().filter(|request| request.starts_with("POST ")).count();
    assert_eq!(orders, 1, "an order is never repeated");
    assert!(asked[0].contains("&timeInForce=GTC&quantity=0.002&price=50000&"), "{asked:?}");
}

fn pair() -> [(OrderIntent, SendAttempt); 2] {
    let leg = |name: &str, order_type, price, stop| {
        let client_id = ClientOrderId(name.to_owned());
        let list = Some(ClientOrderId("ew-both".to_owned()));
        let terms = Box::new(Terms { list, stop, ..Terms::default() });
        let attempt = SendAttempt { client_id: client_id.clone(), ..attempt() };
        let side = Side::Sell;
        (OrderIntent { client_id, side, order_type, price, terms, ..intent() }, attempt)
    };
    let (low, high) = (Decimal::new(90, 0), Decimal::new(1205, 1));
    [
        leg("ew-stop", OrderType::Market, None, Some(low)),
        leg("ew-target", OrderType::Limit, Some(high), None),
    ]
}

#[tokio::test]
async fn a_pair_is_one_request_and_both_orders_are_reported_or_none() {
    let (client, script) = client().await;
    let of = |name: &str, id: &str| {
        let order = order("NEW", "0", "0", r#","transactTime":4"#).replace("ew-1", name);
        order.replace("BUY", "SELL").replace(r#""orderId":9"#, &format!(r#""orderId":{id}"#))
    };
    let answer = |first: &str, second: &str| {
        format!(r#"{{"orderListId":1,"orderReports":[{first},{second}]}}"#)
    };
    // The venue may list them in any order.
    script.answer(200, &answer(&of("ew-target", "8"), &of("ew-stop", "7")));
    let [stop, target] = client.place_pair(&pair()).await.unwrap();
    assert_eq!((stop.venue_order_id.as_str(), target.venue_order_id.as_str()), ("7", "8"));
    let [asked] = &script.asked()[..] else { panic!("one request") };
    let expected = "POST /api/v3/orderList/oco?symbol=BTCUSDT&listClientOrderId=ew-both&side=SELL\
                    &quantity=0.002&aboveType=LIMIT_MAKER&aboveClientOrderId=ew-target\
                    &abovePrice=120.5&belowType=STOP_LOSS&belowClientOrderId=ew-stop\
                    &belowStopPrice=90&newOrderRespType=FULL&recvWindow=3000&timestamp=";
    assert!(asked.starts_with(expected), "{asked}");
    for (status, body, class) in [
        (400, r#"{"code":-1013,"msg":"Filter failure: PRICE_FILTER"}"#.to_owned(), None),
        (200, answer(&of("ew-stop", "7"), &of("ew-other", "8")), Some(ErrorClass::Unknown)),
        (503, String::new(), Some(ErrorClass::Unknown)),
    ] {
        script.answer(status, &body);
        let error = client.place_pair(&pair()).await.unwrap_err();
        assert!(class.is_none_or(|class| class == error.class), "{error:?}");
    }
    // Without a common quantity, nothing is sent.
    script.asked();
    let mut other = pair();
    other[1].0.quantity = Decimal::ONE;
    let error = client.place_pair(&other).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Refused { again: false });
    assert_eq!(script.asked(), [""; 0]);
}

#[tokio::test]
async fn the_answer_to_the_cancel_of_a_pair_may_be_of_its_list() {
    let (client, script) = client().await;
    let of = |name: &str, id: &str| {
        let more = format!(r#","origClientOrderId":"{name}""#);
        let ours = r#""clientOrderId":"ew-1""#;
        let order = order("CANCELED", "0", "0", &more);
        let order = order.replacen(ours, r#""clientOrderId":"cancel-7""#, 1);
        order.replace(r#""orderId":9"#, &format!(r#""orderId":{id}"#))
    };
    let list = |first: &str, second: &str| {
        format!(r#"{{"orderListId":1,"orderReports":[{first},{second}]}}"#)
    };
    let stamp = Stamp { timestamp: NOW, deadline: NOW + 1 };
    script.answer(200, &list(&of("ew-2", "8"), &of("ew-1", "7")));
    let report = client.cancel(intent().symbol, &id(), stamp).await.unwrap();
    assert_eq!((report.venue_order_id.as_str(), report.status), ("7", OrderStatus::Cancelled));
    script.answer(200, &list(&of("ew-2", "8"), &of("ew-3", "7")));
    let error = client.cancel(intent().symbol, &id(), stamp).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unknown);
}

#[tokio::test]
async fn an_answer_that_proves_nothing_is_unknown() {
    let (client, script) = client().await;
    let other = order("NEW", "0", "0", "");
    for body in [
        "{}",
        "<html>",
        "",
        &other.replace("ew-1", "ew-2"),
        &other.replace("BUY", "SELL"),
        &other.replace("NEW", "MELTED"),
    ] {
        script.answer(200, body);
        let error = client.place(&intent(), &attempt()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Unknown, "{body}: {error}");
    }
    assert_eq!(script.asked().len(), 6);
}

#[tokio::test]
async fn what_is_wrong_in_itself_never_leaves() {
    let (client, script) = client().await;
    let other = ClientOrderId("ew-2".to_owned());
    let odd = ClientOrderId("ew:1".to_owned());
    for (intent, attempt) in [
        (intent(), SendAttempt { client_id: other, ..attempt() }),
        (
            OrderIntent { client_id: odd.clone(), ..intent() },
            SendAttempt { client_id: odd, ..attempt() },
        ),
        (OrderIntent { quantity: Decimal::ZERO, ..intent() }, attempt()),
        (OrderIntent { order_type: OrderType::Limit, ..intent() }, attempt()),
        (OrderIntent { price: Some(Decimal::ONE), ..intent() }, attempt()),
    ] {
        let error = client.place(&intent, &attempt).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused { again: false }, "{error}");
    }
    assert_eq!(script.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_order_is_found_with_its_fills_or_not_at_all() {
    let (client, script) = client().await;
    script.answer(400, r#"{"code":-2013,"msg":"Order does not exist."}"#);
    assert_eq!(client.find_order(symbol(), &id()).await, Ok(None));
    // The order fills between the two queries, so the first state is not reported.
    script.answer(200, &order("PARTIALLY_FILLED", "0.001", "0.002", ""));
    script.answer(200, &format!("[{},{}]", trade(8, "0.001"), trade(7, "0.001")));
    script.answer(200, &order("FILLED", "0.002", "0.004", ""));
    script.answer(200, &format!("[{},{}]", trade(8, "0.001"), trade(7, "0.001")));
    let report = client.find_order(symbol(), &id()).await.unwrap().unwrap();
    assert_eq!((report.source, report.executed), (ReportSource::Query, Decimal::new(2, 3)));
    let ids: Vec<&str> = report.fills.iter().map(|f| f.trade_id.as_str()).collect();
    assert_eq!(ids, ["7", "8"]);
    let asked = script.asked();
    assert_eq!(asked.len(), 5);
    assert!(asked[1].starts_with("GET /api/v3/order?symbol=BTCUSDT&origClientOrderId=ew-1&"));
    assert!(asked[2].starts_with("GET /api/v3/myTrades?symbol=BTCUSDT&orderId=9&limit=1000&"));
    script.answer(500, "");
    let error = client.find_order(symbol(), &id()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotSent, "trouble is not absence");
}

#[tokio::test]
async fn trades_are_read_page_by_page() {
    let (client, script) = client().await;
    let page: Vec<String> = (1..=1000).map(|id| trade(id, "1")).collect();
    script.answer(200, &format!("[{}]", page.join(",")));
    script.answer(200, &format!("[{}]", trade(1001, "1")));
    let trades = client.trades_since(symbol(), TradesSince::Time(3)).await.unwrap();
    assert_eq!(trades.len(), 1001);
    let asked = script.asked();
    assert!(asked[0].contains("symbol=BTCUSDT&startTime=3&limit=1000&"), "{}", asked[0]);
    assert!(asked[1].contains("symbol=BTCUSDT&fromId=1001&limit=1000&"), "{}", asked[1]);
}

#[tokio::test]
async fn a_read_refused_for_its_time_is_repeated_once() {
    let (client, script) = client().await;
    let late = r#"{"code":-1021,"msg":"Timestamp"}"#;
    script.answer(400, late);
    // The change is so large that the clock is read twice.
    for _ in 0..2 {
        script.answer(200, &format!(r#"{{"serverTime":{}}}"#, NOW + 9_000));
    }
    let balance = r#"{"asset":"BTC","free":"1.50","locked":"0"}"#;
    script.answer(200, &format!(r#"{{"canTrade":true,"balances":[{balance}]}}"#));
    let account = client.account().await.unwrap();
    assert_eq!(account.balances[0].free.to_string(), "1.5");
    let asked = script.asked();
    assert!(asked[0].contains(&format!("timestamp={NOW}&")), "{}", asked[0]);
    assert_eq!(asked[1], "GET /api/v3/time");
    assert_eq!(asked[2], "GET /api/v3/time");
    assert!(asked[3].contains(&format!("timestamp={}&", NOW + 9_000)), "{}", asked[3]);
    let early = r#"{"serverTime":1}"#;
    for body in [late, early, early, late] {
        script.answer(if body == late { 400 } else { 200 }, body);
    }
    assert_eq!(client.account().await.unwrap_err().code, BAD_TIMESTAMP);
    assert_eq!(script.asked().len(), 4);
    // A clock with a different time on each reading is not trusted.
    script.answer(400, late);
    for time in [5_000_000, 90_000_000, 700_000_000] {
        script.answer(200, &format!(r#"{{"serverTime":{time}}}"#));
    }
    let unsure = client.account().await.unwrap_err();
    assert!(unsure.text.contains("[5000000, 90000000, 700000000]"), "{unsure}");
    assert_eq!((client.now(), script.asked().len()), (1, 4));
}

#[tokio::test]
async fn an_order_refused_for_its_time_is_not_repeated_and_the_next_one_knows_better() {
    let (client, script) = client().await;
    let late = r#"{"code":-1021,"msg":"Timestamp"}"#;
    // A clock that was right once and is close again.
    script.answer(200, &format!(r#"{{"serverTime":{NOW}}}"#));
    client.server_time().await.unwrap();
    assert_eq!((client.now(), script.asked().len()), (NOW, 1));
    let stamp = Stamp::from(&attempt());
    for round in [1, 2] {
        let ahead = 9_000 * round;
        script.answer(400, late);
        for _ in 0..2 {
            script.answer(200, &format!(r#"{{"serverTime":{}}}"#, NOW + ahead));
        }
        let refused = if round == 1 {
            client.place(&intent(), &attempt()).await.unwrap_err()
        } else {
            client.cancel(symbol(), &id(), stamp).await.unwrap_err()
        };
        assert_eq!(refused.class, ErrorClass::Refused { again: true });
        let asked = script.asked();
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert!(asked[0].contains("/api/v3/order?") && asked[1] == "GET /api/v3/time", "{asked:?}");
        assert_eq!(client.now(), NOW + ahead);
    }
}

#[tokio::test]
async fn the_count_of_weight_is_asked_for_before_anything_else() {
    let (client, script) = fresh().await;
    script.answer(200, &format!(r#"{{"serverTime":{NOW}}}"#));
    script.answer(200, "[]");
    script.answer(200, "[]");
    let both = futures_util::future::join(
        client.klines(symbol(), Timeframe::M1, 0, 1, 1),
        client.klines(symbol(), Timeframe::M1, 0, 1, 1),
    );
    let (first, second) = both.await;
    assert_eq!((first.unwrap().held, second.unwrap().held), (Vec::new(), Vec::new()));
    let asked = script.asked();
    assert_eq!(asked[0], "GET /api/v3/time");
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(client.waiting(), None);
}

#[tokio::test]
async fn a_venue_that_is_too_busy_is_left_alone() {
    let (client, script) = client().await;
    script.answer(429, r#"{"code":-1015,"msg":"Too many new orders."}"#);
    script.answer(429, r#"{"code":-1003,"msg":"Too many requests queued."}"#);
    let limited = |ms| ErrorClass::RateLimited { retry_after_ms: ms };
    let error = client.place(&intent(), &attempt()).await.unwrap_err();
    assert_eq!(error.class, limited(10_000));
    let error = client.open_orders(None).await.unwrap_err();
    assert_eq!(error.class, limited(60_000), "too many orders does not stop reads");
    let error = client.place(&intent(), &attempt()).await.unwrap_err();
    assert_eq!(error.class, limited(60_000));
    assert_eq!(script.asked().len(), 2, "the third never left");
}

#[tokio::test]
async fn an_absurd_wait_is_cut_and_ends_by_a_word() {
    let (client, script) = client().await;
    let limited = |ms| ErrorClass::RateLimited { retry_after_ms: ms };
    script.answer_after(418, r#"{"code":-1003,"msg":"banned"}"#, u64::MAX);
    let error = client.open_orders(None).await.unwrap_err();
    assert_eq!(error.class, limited(259_200_000), "the venue's own words: its longest ban");
    let [Some((until, next)), None] = client.banned() else { panic!("{:?}", client.banned()) };
    assert_eq!((until, next), (NOW + 259_200_000, NOW + 120_000));
    assert!(client.clear_bans() && !client.clear_bans());

    script.answer_after(429, "<html>go away</html>", u64::MAX);
    let error = client.open_orders(None).await.unwrap_err();
    assert_eq!(error.class, limited(300_000), "somebody else's words");
    assert!(client.clear_bans());
    script.answer(200, "[]");
    client.open_orders(None).await.unwrap();
    assert_eq!(script.asked().len(), 3);
}

#[tokio::test]
async fn no_order_leaves_before_the_wait_after_one_too_many() {
    let (client, script) = client().await;
    assert_eq!(client.may_place(&[Side::Buy]), MayPlace { now: vec![true], wait: None });
    script.answer(429, r#"{"code":-1015,"msg":"Too many new orders."}"#);
    client.place(&intent(), &attempt()).await.unwrap_err();
    let may = MayPlace { now: vec![false; 2], wait: Some(10_000) };
    assert_eq!(client.may_place(&[Side::Buy, Side::Sell]), may);
    let error = client.place(&intent(), &attempt()).await.unwrap_err();
    let class = ErrorClass::RateLimited { retry_after_ms: 10_000 };
    assert_eq!((error.class, error.code), (class, 0));
    assert_eq!(client.waiting(), Some(10));
    script.answer(200, "[]");
    client.open_orders(None).await.unwrap();
    assert_eq!(script.asked().len(), 2, "the second order never left");
}

#[tokio::test]
async fn an_exit_may_leave_while_an_impatient_question_comes_back() {
    let (client, script) = client().await;
    client.limit().observe(NOW, NOW, 5_860);
    let error = client.impatient().find_order(symbol(), &id()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::RateLimited { retry_after_ms: 2_000 });
    let may = client.may_place(&[Side::Buy, Side::Sell]);
    assert_eq!(may, MayPlace { now: vec![false, true], wait: Some(2_000) });
    assert_eq!(script.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn reads_are_signed_for_the_window_in_force_and_orders_for_the_one_announced() {
    let (client, script) = client().await;
    let same = client.clone();
    for window in [5000, 2500] {
        same.set_recv_window(window);
        script.answer(200, r#"{"balances":[]}"#);
        let port: &dyn Venue = &client;
        port.request(Request::Account).await.unwrap();
        let asked = script.asked();
        assert!(asked[0].contains(&format!("&recvWindow={window}&")), "{asked:?}");
    }
    script.answer(200, &order("NEW", "0", "0", r#","transactTime":4,"fills":[]"#));
    client.place(&intent(), &attempt()).await.unwrap();
    let asked = script.asked();
    assert!(asked[0].contains("&recvWindow=3000&"), "{asked:?}");
}

#[tokio::test]
async fn the_port_speaks_for_every_request() {
    let (client, script) = client().await;
    let bar = r#"[60000,"1","2","1","2","5",119999,"7",1,"1","1","0"]"#;
    let done = order("CANCELED", "0", "0", r#","transactTime":4"#)
        .replace(r#""clientOrderId":"ew-1""#, r#""clientOrderId":"c","origClientOrderId":"ew-1""#);
    let stamp = Stamp { timestamp: 11, deadline: 23 };
    let (one, client_id) = (Some(symbol()), id());
    let table = [
        (Request::ServerTime, format!(r#"{{"serverTime":{NOW}}}"#), "GET /api/v3/time"),
        (
            Request::Instruments { symbols: vec![symbol()] },
            r#"{"serverTime":5,"symbols":[]}"#.to_owned(),
            "GET /api/v3/exchangeInfo?symbols=%5B%22BTCUSDT%22%5D",
        ),
        (
            Request::Account,
            r#"{"balances":[]}"#.to_owned(),
            "GET /api/v3/account?omitZeroBalances=true&recv",
        ),
        (
            Request::OpenOrders { symbol: one },
            "[]".to_owned(),
            "GET /api/v3/openOrders?symbol=BTCUSDT&recv",
        ),
        (
            Request::Cancel { symbol: symbol(), client_id, stamp },
            done,
            "DELETE /api/v3/order?symbol=BTCUSDT&origClientOrderId=ew-1\
             &recvWindow=12&timestamp=11&",
        ),
        (
            Request::OrderTrades { symbol: symbol(), venue_order_id: 9.into() },
            format!("[{}]", trade(1, "1")),
            "GET /api/v3/myTrades?symbol=BTCUSDT&orderId=9&limit=1000&recv",
        ),
        (
            Request::TradesSince { symbol: symbol(), since: TradesSince::Trade(3.into(), 5) },
            "[]".to_owned(),
            "GET /api/v3/myTrades?symbol=BTCUSDT&fromId=4&limit=1000&recv",
        ),
    ];
    for (request, body, expected) in table {
        script.answer(200, &body);
        let port: &dyn Venue = &client;
        port.request(request.clone()).await.unwrap_or_else(|e| panic!("{request:?}: {e}"));
        let asked = script.asked();
        assert!(asked[0].starts_with(expected), "{}", asked[0]);
    }
    script.answer(200, &format!("[{bar}]"));
    let (timeframe, times) = (Timeframe::M1, 60_000..=60_000);
    let range = BarRange { symbol: symbol(), timeframe, times };
    let source: &dyn Source = &client;
    assert_eq!(source.bars(range).await.unwrap().held.len(), 1);
    let expected =
        "GET /api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=60000&endTime=60000&limit=1000";
    assert_eq!(script.asked(), [expected]);
}
