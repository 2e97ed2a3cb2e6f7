//! Tests of market data and limits over the wire.

use super::{CLOSE, Client, Dir, ask, next, options};
use crate::server::{Pace, start};
use crate::testing::{Fake, START, bar};
use everwarm_domain::time::MINUTE;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::io::Read;

#[tokio::test]
async fn prices_follow_the_released_trades() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let price = "/api/v3/ticker/price";
    let one = client.get(&format!("{price}?symbol=BTCUSDT")).await.1;
    assert_eq!(one, json!({"symbol": "BTCUSDT", "price": "100.00000000"}));
    client.advance(CLOSE - 3).await;
    assert_eq!(client.get(&format!("{price}?symbol=BTCUSDT")).await.1["price"], "95.00000000");
    client.advance(CLOSE).await;
    let all = client.get(price).await.1;
    assert_eq!(
        (all[0]["price"].as_str(), all[1]["price"].as_str()),
        (Some("105.00000000"), Some("10.00000000"))
    );
    let list = client.get(&format!("{price}?symbols=[%22ETHUSDT%22]")).await.1;
    assert_eq!(list.as_array().map(Vec::len), Some(1));

    let book = client.get("/api/v3/depth?symbol=BTCUSDT&limit=5").await.1;
    let level = |side: &str, i: usize| -> f64 {
        book[side][i][0].as_str().and_then(|p| p.parse().ok()).expect("a price")
    };
    assert_eq!(book["bids"].as_array().map(Vec::len), Some(5));
    assert!(level("bids", 0) < 105.0 && level("asks", 0) > 105.0, "{book}");
    assert!(level("bids", 1) < level("bids", 0) && level("asks", 1) > level("asks", 0));
    let best = client.get("/api/v3/ticker/bookTicker?symbol=BTCUSDT").await.1;
    assert_eq!((&best["bidPrice"], &best["askQty"]), (&book["bids"][0][0], &book["asks"][0][1]));

    let average = client.get("/api/v3/avgPrice?symbol=BTCUSDT").await.1;
    assert_eq!((&average["mins"], &average["closeTime"]), (&json!(5), &json!(CLOSE - 1)));
    let trades = client.get("/api/v3/trades?symbol=BTCUSDT&limit=3").await.1;
    let shown =
        |v: &Value| v.as_array().map(|t| t.iter().map(|t| t["price"].clone()).collect::<Vec<_>>());
    assert_eq!(
        shown(&trades),
        Some(vec![json!("95.00000000"), json!("110.00000000"), json!("105.00000000")])
    );
    let id = trades[1]["id"].clone();
    let older = client.get(&format!("/api/v3/aggTrades?symbol=BTCUSDT&fromId={id}")).await.1;
    assert_eq!(
        (older.as_array().map(Vec::len), &older[0]["a"], &older[1]["T"]),
        (Some(2), &id, &json!(CLOSE - 1))
    );
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn the_statistics_of_a_day_follow_from_its_bars() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(CLOSE).await;
    let day = client.get("/api/v3/ticker/24hr?symbol=BTCUSDT").await.1;
    // Ten bars at 100 with a volume of 10, then one of 40 from 100 to 105.
    for (name, value) in [
        ("openPrice", json!("100.00000000")),
        ("highPrice", json!("110.00000000")),
        ("lowPrice", json!("95.00000000")),
        ("lastPrice", json!("105.00000000")),
        ("priceChange", json!("5.00000000")),
        ("priceChangePercent", json!("5.000")),
        ("volume", json!("140.00000000")),
        ("lastQty", json!("10.00000000")),
        ("count", json!(44)),
        ("closeTime", json!(CLOSE)),
    ] {
        assert_eq!(day[name], value, "{name}: {day}");
    }
    let mini = client.get("/api/v3/ticker/24hr?type=MINI").await.1;
    assert_eq!((mini.as_array().map(Vec::len), mini[0].get("lastQty")), (Some(2), None));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn market_data_is_refused_in_the_protocols_words() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    for (query, code) in [
        ("ticker/price?symbol=NOUSDT", -1121),
        ("ticker/price?symbol=btcusdt", -1100),
        ("ticker/price?symbol=BTCUSDT&symbols=[]", -1128),
        ("ticker/bookTicker?symbols=BTCUSDT", -1130),
        ("ticker/bookTicker?symbols=[%22BTCUSDT%22,%22BTCUSDT%22]", -1151),
        ("ticker/24hr?type=HUGE", -1139),
        ("depth", -1102),
        ("depth?symbol=BTCUSDT&limit=0", -1130),
        ("depth?symbol=BTCUSDT&limit=x", -1100),
        ("trades?symbol=BTCUSDT&fromId=3", -1104),
        ("avgPrice?symbol=BTCUSDT&symbol=BTCUSDT", -1101),
    ] {
        let (status, body) = client.get(&format!("/api/v3/{query}")).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{query}");
    }
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn weights_are_reported_and_enforced() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Times(1))).await.expect("started");
    let client = Client::of(&sim);
    let ask = |path: &'static str| {
        let url = format!("http://{}/api/v3/{path}", client.at);
        client.http.get(url).header("accept-encoding", "gzip").send()
    };
    let weight = |answer: &reqwest::Response| -> u64 {
        let used = answer.headers().get("x-mbx-used-weight-1m").expect("a weight");
        used.to_str().ok().and_then(|t| t.parse().ok()).expect("a number")
    };
    let mut costs = Vec::new();
    // A minute may end in between; then the count begins again.
    for path in ["ping", "depth?symbol=BTCUSDT&limit=600", "ticker/24hr", "openOrders"] {
        let before = weight(&ask("ping").await.expect("an answer"));
        let after = weight(&ask(path).await.expect("an answer"));
        costs.push(after.checked_sub(before));
    }
    let known = [1, 50, 80, 80].map(Some);
    assert!(costs.iter().zip(known).all(|(c, k)| *c == k || c.is_none()), "{costs:?}");

    let zipped = ask("exchangeInfo").await.expect("an answer");
    assert_eq!(
        zipped.headers().get("content-encoding").map(reqwest::header::HeaderValue::as_bytes),
        Some(&b"gzip"[..])
    );
    let bytes = zipped.bytes().await.expect("a body");
    let mut text = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzip");
    assert!(text.contains("RAW_REQUESTS"));

    // Uses up all the weight of a minute, and more.
    let mut refused = None;
    for _ in 0..400 {
        let answer = ask("ticker/24hr").await.expect("an answer");
        if answer.status() != 200 {
            let status = answer.status().as_u16();
            let wait = answer.headers().get("retry-after").and_then(|v| v.to_str().ok());
            let wait: u64 = wait.and_then(|t| t.parse().ok()).expect("how long to wait");
            refused.get_or_insert((status, wait));
            if status == 418 {
                assert_eq!(refused.map(|r| r.0), Some(429), "first a warning");
                assert!(refused.is_some_and(|r| (1..=60).contains(&r.1)) && wait > 60);
                sim.stop().await.expect("a clean end");
                return;
            }
        }
    }
    panic!("never banned: {refused:?}, from {START}");
}

#[tokio::test]
async fn windows_are_counted_from_where_they_begin() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(CLOSE).await;
    let (status, row) = client.get("/api/v3/ticker?symbol=BTCUSDT&windowSize=2m").await;
    assert_eq!(
        (status, &row["openTime"], &row["closeTime"]),
        (200, &json!(CLOSE - 2 * MINUTE), &json!(CLOSE))
    );
    assert_eq!(
        (&row["highPrice"], &row["priceChange"]),
        (&json!("110.00000000"), &json!("5.00000000"))
    );
    assert!(row.get("bidPrice").is_none(), "{row}");
    let (_, all) =
        client.get("/api/v3/ticker?symbols=[%22BTCUSDT%22,%22ETHUSDT%22]&type=MINI").await;
    assert_eq!((all.as_array().map(Vec::len), all[0].get("priceChange")), (Some(2), None));
    let (_, day) = client.get("/api/v3/ticker/tradingDay?symbol=BTCUSDT&timeZone=-3:30").await;
    let (open, close) = (day["openTime"].as_i64(), day["closeTime"].as_i64());
    assert_eq!(close.zip(open).map(|(close, open)| close - open), Some(24 * 60 * MINUTE - 1));
    let (status, none) = client.get("/api/v3/ticker").await;
    assert_eq!((status, &none["code"]), (400, &json!(-1102)));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_wide_bar_that_ends_in_silence_is_sent() {
    let dir = Dir::new();
    let mut options = options(&dir.0, Pace::Lockstep);
    // The third minute of three has no trades, and nothing comes for a while.
    let bars = [bar("BTCUSDT", 1, ["100"; 4], "1"), bar("BTCUSDT", 9, ["101"; 4], "1")];
    options.market = Box::new(Fake::new(&bars));
    let sim = start(options).await.expect("started");
    let client = Client::of(&sim);
    let mut socket = client.socket("/ws/btcusdt@kline_3m", "wide").await;
    ask(&mut socket, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    client.advance(START + 10 * MINUTE).await;
    let mut received = Vec::new();
    for _ in 0..3 {
        let bar = next(&mut socket).await["k"].clone();
        received.push((bar["t"].as_i64().expect("a time"), bar["x"] == true));
    }
    // The minute before the start was the second of its three.
    let (before, first) = (START - 2 * MINUTE, START + MINUTE);
    assert_eq!(received, [(before, true), (first, false), (first, true)]);
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn what_was_used_and_who_is_banned_outlive_the_process() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Times(1))).await.expect("started");
    let client = Client::of(&sim);
    // Enough to exceed the limit and the tolerated refusals, wherever the minute ends.
    let mut statuses = Vec::new();
    while statuses.last() != Some(&418) && statuses.len() < 400 {
        statuses.push(client.get("/api/v3/ticker/24hr").await.0);
    }
    assert_eq!(statuses.last(), Some(&418), "6,000 of weight, and ten more than are forgiven");
    sim.stop().await.expect("a clean end");
    let sim = start(options(&dir.0, Pace::Times(1))).await.expect("started again");
    let client = Client::of(&sim);
    let (status, body) = client.get("/api/v3/ping").await;
    assert_eq!((status, &body["code"]), (418, &json!(-1003)));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_symbol_that_is_halted_does_not_trade_and_one_that_is_delisted_is_not_there() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let stand = async |standing: &str| {
        let url = format!("http://{}/sim/v1/standing", client.at);
        let body = json!({"symbol": "BTCUSDT", "standing": standing}).to_string();
        let sent = client.http.post(url).bearer_auth(&sim.token).body(body).send().await;
        assert!(sent.expect("an answer").status().is_success());
    };
    let status = async || {
        let info = client.get("/api/v3/exchangeInfo").await.1;
        let all = info["symbols"].as_array().cloned().unwrap_or_default();
        all.iter().find(|row| row["symbol"] == "BTCUSDT").map(|row| row["status"].clone())
    };
    let bar = async || {
        let path =
            format!("/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime={}", CLOSE - 60_000);
        client.get(&path).await.1.as_array().map_or(0, Vec::len)
    };
    assert_eq!(status().await, Some(json!("TRADING")));
    stand("halted").await;
    client.advance(CLOSE).await;
    assert_eq!((status().await, bar().await), (Some(json!("BREAK")), 0), "no bar of that minute");
    stand("delisted").await;
    assert_eq!(status().await, None);
    let (code, error) = client.get("/api/v3/ticker/price?symbol=BTCUSDT").await;
    assert_eq!((code, &error["code"]), (400, &json!(-1121)));
    stand("trading").await;
    assert_eq!(status().await, Some(json!("TRADING")), "and back");
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn bars_open_as_in_the_time_zone() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START + 5 * MINUTE).await;
    let rows = async |query: &str| {
        let path = format!("/api/v3/klines?symbol=BTCUSDT&{query}");
        client.get(&path).await.1.as_array().cloned().expect("rows")
    };
    let day = 24 * 60 * MINUTE;
    let opens = async |zone: &str| {
        let rows = rows(&format!("interval=1d&timeZone={zone}")).await;
        rows.iter().filter_map(|row| row[0].as_i64()).map(|open| open % day).collect::<Vec<_>>()
    };
    assert_eq!(opens("0").await, [0]);
    assert_eq!(opens("8").await, [16 * 60 * MINUTE]);
    assert_eq!(opens("-1:30").await, [90 * MINUTE]);
    assert_eq!(opens("%2B05:45").await, [(24 * 60 - 345) * MINUTE]);
    let minutes = rows("interval=1m").await;
    assert_eq!(rows("interval=1m&timeZone=5:45").await, minutes, "a minute is a minute");
    let half = rows("interval=1h&timeZone=0:30").await;
    let sum = |rows: &[Value]| rows.iter().filter_map(|row| row[8].as_i64()).sum::<i64>();
    assert_eq!(sum(&half), sum(&minutes), "nothing is lost");
    assert_eq!(half[0][0].as_i64().map(|open| open % (60 * MINUTE)), Some(30 * MINUTE));
    for wrong in ["15", "-12:01", "1:60", "UTC", "08:00:00"] {
        let path = format!("/api/v3/uiKlines?symbol=BTCUSDT&interval=1d&timeZone={wrong}");
        let (status, body) = client.get(&path).await;
        assert_eq!((status, &body["code"]), (400, &json!(-1130)), "{wrong}");
    }
    sim.stop().await.expect("a clean end");
}
