//! Tests of trades that are spread over the minute.

use super::{CLOSE, Client, Dir, Method, Socket, ask, next, options};
use crate::market::{Market, Ticking};
use crate::server::{Pace, SimHandle, SimOptions, start};
use crate::testing::{Fake, START};
use everwarm_domain::time::{MINUTE, UtcMs};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The usual market with its trades spread over the minutes. Its first minute goes from 100 over 95
/// and 110 to 105.
fn ticking(dir: &Dir, pace: Pace) -> SimOptions {
    let market: Box<dyn Market> = Box::new(Ticking::over(Box::new(Fake::usual()), 7));
    SimOptions { market, ..options(&dir.0, pace) }
}

async fn open(dir: &Dir) -> (SimHandle, Client) {
    let sim = start(ticking(dir, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    (sim, client)
}

/// Waits until a connection is registered, which a response on it shows.
async fn settled(socket: &mut Socket) {
    ask(socket, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
}

fn number(value: &Value) -> f64 {
    value.as_str().and_then(|text| text.parse().ok()).expect("a number in a text")
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}

#[tokio::test]
async fn a_minute_trades_from_its_begin_to_its_end_and_is_its_bar() {
    let dir = Dir::new();
    let (sim, client) = open(&dir).await;
    let mut trades = client.socket("/ws/btcusdt@trade", "trades").await;
    let mut bars = client.socket("/ws/btcusdt@kline_1m/btcusdt@kline_3m", "bars").await;
    settled(&mut trades).await;
    settled(&mut bars).await;
    let mut seen: Vec<Value> = Vec::new();
    let mut last_bar = Value::Null;
    for step in 1..=12 {
        let to = START + step * MINUTE / 12;
        client.advance(if step == 12 { CLOSE - 1 } else { to }).await;
        let shown = client.get("/api/v3/trades?symbol=BTCUSDT&limit=1000").await.1;
        let shown = shown.as_array().cloned().unwrap_or_default();
        let now = shown.iter().filter(|trade| trade["time"].as_i64() > Some(START)).count();
        assert!(now > seen.len(), "five seconds have trades");
        while seen.len() < now {
            seen.push(next(&mut trades).await);
        }
        let newest = shown.last().expect("trades");
        let event = seen.last().expect("trades");
        assert_eq!((&newest["id"], &newest["price"]), (&event["t"], &event["p"]));
        assert!(event["T"].as_i64() <= Some(to));
        let (minute, wide) = (next(&mut bars).await, next(&mut bars).await);
        assert_eq!((&minute["k"]["x"], &minute["k"]["c"]), (&json!(false), &event["p"]));
        assert_eq!((&minute["k"]["n"], &minute["k"]["L"]), (&json!(now), &event["t"]));
        assert_eq!((&wide["k"]["i"], &wide["k"]["c"]), (&json!("3m"), &event["p"]));
        last_bar = minute["k"].clone();
    }
    let prices = || seen.iter().map(|trade| number(&trade["p"]));
    assert_eq!(seen.len(), 60);
    let (low, high) = (prices().fold(f64::MAX, f64::min), prices().fold(0.0, f64::max));
    let quantity: f64 = seen.iter().map(|trade| number(&trade["q"])).sum();
    assert!(same(low, 95.0) && same(high, 110.0) && same(quantity, 40.0), "{low} {high}");
    let ids: Vec<i64> = seen.iter().filter_map(|trade| trade["t"].as_i64()).collect();
    assert!(ids.is_sorted_by(|a, b| a + 1 == *b), "{ids:?}");

    client.advance(CLOSE).await;
    let closed = next(&mut bars).await["k"].clone();
    assert_eq!(closed["x"], true);
    for name in ["o", "h", "l", "c", "v", "n", "f", "L", "q"] {
        assert_eq!(closed[name], last_bar[name], "{name}: nothing changes at the close");
    }
    let bar = ["o", "h", "l", "c", "v"].map(|name| number(&closed[name]));
    assert!(bar.iter().zip([100.0, 110.0, 95.0, 105.0, 40.0]).all(|(a, b)| same(*a, b)), "{bar:?}");
    let rows = client.get("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=2").await.1;
    assert_eq!((&rows[0][1], &rows[0][5], &rows[0][8]), (&closed["o"], &closed["v"], &json!(60)));
    let day = client.get("/api/v3/ticker/24hr?symbol=BTCUSDT").await.1;
    assert_eq!((&day["count"], &day["lastId"]), (&json!(11 * 60), &closed["L"]));
    assert_eq!(day["lastQty"], seen[59]["q"]);
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn an_order_fills_when_a_trade_reaches_it() {
    let dir = Dir::new();
    let (sim, client) = open(&dir).await;
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=96";
    let path = "/api/v3/order";
    let placed = client.signed(Method::POST, path, order, START).await.1;
    assert_eq!(placed["status"], "NEW");
    let mut filled = None;
    for second in 1..60 {
        let now = START + second * 1_000;
        client.advance(now).await;
        let price = client.get("/api/v3/ticker/price?symbol=BTCUSDT").await.1;
        let query = format!("symbol=BTCUSDT&orderId={}", placed["orderId"]);
        let found = client.signed(Method::GET, path, &query, now).await.1;
        if found["status"] == "FILLED" {
            filled = Some((now, found["updateTime"].clone(), found["cummulativeQuoteQty"].clone()));
            break;
        }
        assert!(number(&price["price"]) > 96.0, "it was reached and did not fill: {price}");
    }
    let (now, at, paid) = filled.expect("the minute trades at 95");
    assert!(at.as_i64() > Some(now - 1_000) && at.as_i64() <= Some(now), "{at}");
    assert_eq!(paid, "96.00000000", "at its own price");
    let rows = client.signed(Method::GET, "/api/v3/myTrades", "symbol=BTCUSDT", now).await.1;
    assert_eq!(rows[0]["isMaker"], true);
    sim.stop().await.expect("a clean end");
}

type Side = BTreeMap<String, String>;

/// A local book, kept as the documentation of the venue says.
struct Book {
    id: i64,
    sides: [Side; 2],
}

impl Book {
    fn of(snapshot: &Value) -> Book {
        let mut book = Book { id: 0, sides: [Side::new(), Side::new()] };
        book.id = snapshot["lastUpdateId"].as_i64().expect("an id");
        book.take(&snapshot["bids"], 0);
        book.take(&snapshot["asks"], 1);
        book
    }

    fn take(&mut self, rows: &Value, side: usize) {
        for row in rows.as_array().expect("levels") {
            let text = |i: usize| row[i].as_str().expect("a text").to_owned();
            if number(&row[1]) > 0.0 {
                self.sides[side].insert(text(0), text(1));
            } else {
                self.sides[side].remove(&text(0));
            }
        }
    }

    fn apply(&mut self, event: &Value) {
        let id = |name: &str| event[name].as_i64().expect("an id");
        if id("u") <= self.id {
            return;
        }
        assert!(id("U") <= self.id + 1, "no gap: {} {}", id("U"), self.id);
        self.take(&event["b"], 0);
        self.take(&event["a"], 1);
        self.id = id("u");
    }
}

#[tokio::test]
async fn differences_of_the_book_give_the_book_of_later() {
    let dir = Dir::new();
    let (sim, client) = open(&dir).await;
    let mut socket = client.socket("/ws/btcusdt@depth/btcusdt@depth@100ms", "book").await;
    settled(&mut socket).await;
    let snapshot = async || client.get("/api/v3/depth?symbol=BTCUSDT&limit=5000").await.1;
    client.advance(START + 5_000).await;
    let mut book = Book::of(&snapshot().await);
    // Within minutes, over their ends, and over a minute without trades.
    let times = [7_000, 12_250, 59_999, 60_000, 61_000, 119_999, 170_000, 185_000, 240_000];
    let mut last = None;
    for time in times {
        client.advance(START + time).await;
        let later = snapshot().await;
        while book.id < later["lastUpdateId"].as_i64().expect("an id") {
            let event = next(&mut socket).await;
            assert_eq!((&event["e"], &event["s"]), (&json!("depthUpdate"), &json!("BTCUSDT")));
            assert_eq!(event, next(&mut socket).await, "both streams are equal");
            let (from, to) = (event["U"].as_i64(), event["u"].as_i64());
            assert!(from <= to && last.is_none_or(|last| from == Some(last + 1)), "{event}");
            last = to;
            book.apply(&event);
        }
        let fresh = Book::of(&later);
        assert_eq!((book.id, &book.sides), (fresh.id, &fresh.sides), "at {time}");
        assert_eq!(fresh.sides.each_ref().map(Side::len), [100, 100]);
    }
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn the_books_of_a_minute_at_once_differ_too() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let mut socket = client.socket("/ws/btcusdt@depth", "book").await;
    settled(&mut socket).await;
    let snapshot = async || client.get("/api/v3/depth?symbol=BTCUSDT").await.1;
    let mut book = Book::of(&snapshot().await);
    for time in [CLOSE - 3, CLOSE - 1, CLOSE + MINUTE, CLOSE + 4 * MINUTE] {
        client.advance(time).await;
        let fresh = Book::of(&snapshot().await);
        while book.id < fresh.id {
            book.apply(&next(&mut socket).await);
        }
        assert_eq!((book.id, book.sides.clone()), (fresh.id, fresh.sides), "at {time}");
    }
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn averages_and_windows_go_on_within_the_minute() {
    let dir = Dir::new();
    let (sim, client) = open(&dir).await;
    let path = "/stream?streams=btcusdt@avgPrice/btcusdt@ticker_1h/!ticker_4h@arr/ethusdt@ticker_1d\
        /btcusdt@kline_1d@+08:00";
    let mut socket = client.socket(path, "all").await;
    settled(&mut socket).await;
    client.advance(START + 30_000).await;
    let mut got = BTreeMap::new();
    for _ in 0..5 {
        let message = next(&mut socket).await;
        let stream = message["stream"].as_str().expect("a name").to_owned();
        got.insert(stream, message["data"].clone());
    }
    let newest = client.get("/api/v3/trades?symbol=BTCUSDT&limit=1").await.1[0].clone();
    let average = &got["btcusdt@avgPrice"];
    let rest = client.get("/api/v3/avgPrice?symbol=BTCUSDT").await.1;
    assert_eq!((&average["e"], &average["i"]), (&json!("avgPrice"), &json!("5m")));
    assert_eq!((&average["w"], &average["T"]), (&rest["price"], &rest["closeTime"]));
    assert_eq!(average["T"], newest["time"]);
    let hour = &got["btcusdt@ticker_1h"];
    let row = client.get("/api/v3/ticker?symbol=BTCUSDT&windowSize=1h").await.1;
    for (short, long) in [
        ("p", "priceChange"),
        ("P", "priceChangePercent"),
        ("o", "openPrice"),
        ("h", "highPrice"),
        ("l", "lowPrice"),
        ("c", "lastPrice"),
        ("w", "weightedAvgPrice"),
        ("v", "volume"),
        ("q", "quoteVolume"),
        ("O", "openTime"),
        ("C", "closeTime"),
        ("F", "firstId"),
        ("L", "lastId"),
        ("n", "count"),
    ] {
        assert_eq!(hour[short], row[long], "{long}");
    }
    assert_eq!((&hour["e"], &hour["L"]), (&json!("1hTicker"), &newest["id"]));
    let all = &got["!ticker_4h@arr"];
    assert_eq!((all.as_array().map(Vec::len), &all[0]["e"]), (Some(2), &json!("4hTicker")));
    assert_eq!(got["ethusdt@ticker_1d"]["s"], "ETHUSDT");
    let day = &got["btcusdt@kline_1d@+08:00"]["k"];
    let open = day["t"].as_i64().expect("a time");
    assert_eq!(open.rem_euclid(24 * 60 * MINUTE), 16 * 60 * MINUTE, "midnight in UTC+8");
    assert_eq!((&day["i"], &day["c"]), (&json!("1d"), &newest["price"]));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_restart_goes_on_within_the_minute() {
    let dir = Dir::new();
    let (sim, client) = open(&dir).await;
    let rest = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=109";
    client.signed(Method::POST, "/api/v3/order", rest, START).await;
    let at = START + 20_000;
    client.advance(at).await;
    let ledger = async |client: &Client| client.get("/sim/v1/ledger").await.1;
    let trades = "/api/v3/trades?symbol=BTCUSDT";
    let before = (ledger(&client).await, client.get(trades).await.1);
    sim.stop().await.expect("a clean end");
    let sim = start(ticking(&dir, Pace::Lockstep)).await.expect("started again");
    let client = Client::of(&sim);
    client.advance(at).await;
    assert_eq!((ledger(&client).await, client.get(trades).await.1), before);
    client.advance(CLOSE).await;
    assert_eq!(ledger(&client).await["orders"][0]["status"], "FILLED");
    // The same books without ticks: the bars are the same.
    let bars = "/api/v3/klines?symbol=BTCUSDT&interval=1m";
    let shown = client.get(bars).await.1;
    sim.stop().await.expect("a clean end");
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started without ticks");
    let client = Client::of(&sim);
    client.advance(CLOSE).await;
    let again = client.get(bars).await.1;
    let prices = |rows: &Value| -> Vec<Value> {
        let rows = rows.as_array().expect("rows");
        rows.iter().map(|row| json!([row[0], row[1], row[2], row[3], row[4], row[5]])).collect()
    };
    assert_eq!(prices(&again), prices(&shown));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_halt_lets_the_minute_end() {
    let dir = Dir::new();
    let (sim, client) = open(&dir).await;
    client.advance(START + 30_000).await;
    let url = format!("http://{}/sim/v1/standing", client.at);
    let body = json!({"symbol": "BTCUSDT", "standing": "halted"}).to_string();
    let sent = client.http.post(url).bearer_auth(&sim.token).body(body).send().await;
    assert!(sent.expect("a response").status().is_success());
    let rows = async || {
        let path = format!("/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={START}");
        client.get(&path).await.1.as_array().map_or(0, Vec::len)
    };
    assert_eq!(rows().await, 1, "its trades were shown");
    client.advance(CLOSE + MINUTE).await;
    assert_eq!(rows().await, 1, "the next minute has no trades");
    let last = client.get("/api/v3/ticker/price?symbol=BTCUSDT").await.1;
    assert_eq!(last["price"], "105.00000000", "the minute went on to its close");
    let statuses = async |query: &str| {
        let (status, body) = client.get(&format!("/api/v3/{query}")).await;
        (status, body["code"].as_i64(), body.as_array().map(Vec::len))
    };
    let one = "symbol=BTCUSDT";
    for path in ["ticker/price", "ticker/bookTicker", "ticker/24hr"] {
        assert_eq!(statuses(&format!("{path}?symbolStatus=TRADING")).await, (200, None, Some(1)));
        assert_eq!(statuses(&format!("{path}?symbolStatus=HALT")).await, (200, None, Some(0)));
    }
    for path in ["ticker/price", "ticker/tradingDay", "ticker", "depth"] {
        let wrong = format!("{path}?{one}&symbolStatus=TRADING");
        assert_eq!(statuses(&wrong).await, (400, Some(-1220), None), "{path}");
        assert_eq!(statuses(&format!("{path}?{one}&symbolStatus=BREAK")).await.0, 200, "{path}");
        let unknown = format!("{path}?{one}&symbolStatus=trading");
        assert_eq!(statuses(&unknown).await, (400, Some(-1122), None), "{path}");
    }
    let info = client.get("/api/v3/exchangeInfo?symbolStatus=BREAK").await.1;
    assert_eq!(
        (info["symbols"].as_array().map(Vec::len), &info["symbols"][0]["symbol"]),
        (Some(1), &json!("BTCUSDT"))
    );
    let both = format!("exchangeInfo?{one}&symbolStatus=BREAK");
    assert_eq!(statuses(&both).await, (400, Some(-1128), None));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_running_clock_sends_trades_at_their_times() {
    let dir = Dir::new();
    let sim = start(ticking(&dir, Pace::Times(20))).await.expect("started");
    let client = Client::of(&sim);
    let mut socket = client.socket("/ws/btcusdt@aggTrade/btcusdt@kline_1m", "raw").await;
    let mut times: Vec<UtcMs> = Vec::new();
    let closed = loop {
        let message = next(&mut socket).await;
        match message["e"].as_str() {
            Some("aggTrade") => times.push(message["T"].as_i64().expect("a time")),
            _ if message["k"]["x"] == true => break message["k"].clone(),
            _ => {}
        }
    };
    let open = closed["t"].as_i64().expect("a time");
    let within = times.iter().filter(|time| (open..open + MINUTE - 5).contains(*time)).count();
    assert!(within > 0 && times.is_sorted(), "trades come before the last milliseconds: {times:?}");
    sim.stop().await.expect("a clean end");
}
