//! Random and hostile requests: each gets a response, and the exchange keeps running.

use super::{CLOSE, Client, Dir, Duration, Method, TcpStream, ask, options};
use crate::server::routes::{Route, TABLE};
use crate::server::sockets::Patience;
use crate::server::{Pace, start};
use crate::testing::START;
use crate::wire::sign::{DEMO_KEY, DEMO_SECRET, hmac_hex, socket_payload};
use everwarm_kernel::chance::draw;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NAMES: &[&str] = &[
    "symbol",
    "symbols",
    "side",
    "type",
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "price",
    "stopPrice",
    "newClientOrderId",
    "newOrderRespType",
    "orderId",
    "origClientOrderId",
    "limit",
    "startTime",
    "endTime",
    "fromId",
    "interval",
    "orderListId",
    "listClientOrderId",
    "aboveType",
    "abovePrice",
    "aboveStopPrice",
    "aboveTimeInForce",
    "belowType",
    "belowPrice",
    "belowStopPrice",
    "belowTimeInForce",
    "workingType",
    "workingSide",
    "workingPrice",
    "workingQuantity",
    "workingTimeInForce",
    "pendingSide",
    "pendingQuantity",
    "pendingType",
    "pendingAboveType",
    "pendingAbovePrice",
    "pendingBelowType",
    "pendingBelowStopPrice",
    "cancelReplaceMode",
    "cancelOrderId",
    "cancelRestrictions",
    "computeCommissionRates",
    "omitZeroBalances",
    "recvWindow",
    "trailingDelta",
    "icebergQty",
    "strategyType",
    "nonsense",
];
const VALUES: &[&str] = &[
    "BTCUSDT",
    "ETHUSDT",
    "[\"BTCUSDT\"]",
    "[]",
    "BUY",
    "SELL",
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
    "GTC",
    "IOC",
    "FOK",
    "0",
    "1",
    "2",
    "0.001",
    "0.00000001",
    "90",
    "95.5",
    "104",
    "100",
    "99999999",
    "9223372036854775807",
    "99999999999999999999",
    "99999999999999999999.99999999",
    "-1",
    "1e9",
    "",
    "1m",
    "1w",
    "5m",
    "true",
    "false",
    "FULL",
    "ACK",
    "STOP_ON_FAILURE",
    "ALLOW_FAILURE",
    "ONLY_NEW",
    "a",
    "b",
    "1700000040000",
    "1000000",
    "\u{0}",
    "ä",
    "%",
    "' or 1=1",
    "NaN",
    "500",
    "5000",
];

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).expect("small");
        usize::try_from(draw(&mut self.0) % n).expect("small")
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    /// Parameters that the path knows, with values of the right kind and any size. Sometimes there
    /// is one more, one less, or a value of another kind.
    fn parameters(&mut self, path: &str) -> Vec<(String, String)> {
        let known = match path {
            "klines" | "uiKlines" => "symbol interval startTime endTime limit timeZone=5:45",
            "depth" | "trades" => "symbol limit",
            "historicalTrades" => "symbol fromId limit",
            "aggTrades" => "symbol fromId startTime endTime limit",
            "avgPrice" | "openOrders" | "account/commission" | "/sapi/v1/asset/tradeFee" => {
                "symbol"
            }
            "allOrders" => "symbol orderId startTime endTime limit",
            "myTrades" => self.one(&["symbol orderId fromId limit", "symbol startTime endTime"]),
            "allOrderList" => self.one(&["fromId limit", "startTime endTime limit"]),
            "order" | "order/test" => self.one(&ORDERS),
            "order/cancelReplace" => REPLACE,
            "orderList/oco" => OCO,
            "order/oco" => "symbol side quantity price stopPrice",
            "orderList/otoco" => OTOCO,
            "orderList" => self.one(&["symbol orderListId", "orderListId", "symbol"]),
            _ => "",
        };
        let mut list: Vec<(&str, &str)> = Vec::new();
        for part in known.split(' ').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let optional = matches!(name, "startTime" | "endTime" | "limit" | "fromId" | "orderId");
            if value.is_empty() && optional && self.below(2) == 0 {
                continue;
            }
            list.push((name, if value.is_empty() { self.value(name) } else { value }));
        }
        if self.below(8) == 0 {
            list.push((self.one(NAMES), self.one(VALUES)));
        }
        if self.below(8) == 0 && !list.is_empty() {
            let place = self.below(list.len());
            list[place].1 = self.one(VALUES);
        }
        list.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    fn value(&mut self, name: &str) -> &'static str {
        const PRICES: &[&str] =
            &["90", "95.5", "98", "99.99", "100", "100.01", "104", "110", "0.01", "99999999"];
        const SIZES: &[&str] = &["0.05", "1", "7.001", "30", "600", "99999999999999999999"];
        const WHOLE: &[&str] = &["0", "1", "2", "3", "7", "500", "9223372036854775807"];
        const TIMES: &[&str] = &["0", "1699999440000", "1700000040000", "9223372036854775807"];
        const WIDTHS: &[&str] = &["1m", "3m", "1h", "1w"];
        match name {
            "symbol" => "BTCUSDT",
            "interval" => self.one(WIDTHS),
            "startTime" | "endTime" => self.one(TIMES),
            "limit" | "fromId" | "orderId" | "orderListId" | "cancelOrderId" => self.one(WHOLE),
            "side" | "workingSide" | "pendingSide" => self.one(&["BUY", "SELL"]),
            "timeInForce" => self.one(&["GTC", "GTC", "IOC", "FOK"]),
            "cancelReplaceMode" => self.one(&["STOP_ON_FAILURE", "ALLOW_FAILURE"]),
            _ if name.to_lowercase().contains("price") => self.one(PRICES),
            _ => self.one(SIZES),
        }
    }
}

const ORDERS: [&str; 7] = [
    "symbol orderId",
    "symbol side type=MARKET quantity",
    "symbol side type=MARKET quoteOrderQty",
    "symbol side type=LIMIT quantity price timeInForce",
    "symbol side type=LIMIT_MAKER quantity price",
    "symbol side type=STOP_LOSS quantity stopPrice",
    "symbol side type=TAKE_PROFIT_LIMIT quantity price stopPrice timeInForce",
];
const REPLACE: &str =
    "symbol side type=LIMIT quantity price timeInForce cancelReplaceMode cancelOrderId";
const OCO: &str = "symbol side quantity aboveType=LIMIT_MAKER abovePrice belowType=STOP_LOSS_LIMIT \
                   belowStopPrice belowPrice belowTimeInForce=GTC";
const OTOCO: &str = "symbol workingType=LIMIT workingSide workingPrice workingQuantity \
                     workingTimeInForce=GTC pendingSide pendingQuantity \
                     pendingAboveType=LIMIT_MAKER pendingAbovePrice pendingBelowType=STOP_LOSS \
                     pendingBelowStopPrice";

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
            all + &char::from(byte).to_string()
        }
        other => format!("{all}%{other:02X}"),
    })
}

#[tokio::test]
async fn every_request_has_an_answer_and_harms_nothing() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let mut chance = Chance(7);
    let (mut taken, mut refused) = (0, 0);
    for round in 0..2_000 {
        let endpoint = &TABLE[chance.below(TABLE.len())];
        let list = chance.parameters(endpoint.path);
        let pairs = list.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        let query = pairs.collect::<Vec<_>>().join("&");
        let method = Method::from_bytes(endpoint.method.as_bytes()).expect("a method");
        let path = endpoint.address();
        let now = if round < 1_000 { START } else { CLOSE };
        let (status, body) = if matches!(endpoint.route, Route::Market(_) | Route::ExchangeInfo) {
            client.get(&format!("{path}?{query}")).await
        } else {
            client.signed(method, &path, &query, now).await
        };
        assert!(matches!(status, 200 | 400 | 401 | 409), "{status} {path}?{query}: {body}");
        assert!(status == 200 || body["code"].is_i64(), "{path}?{query}: {body}");
        if status == 200 {
            taken += 1;
        } else {
            refused += 1;
        }
        if round == 1_000 {
            client.advance(CLOSE).await;
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
    assert_eq!(client.get("/api/v3/ping").await, (200, json!({})));
    sim.stop().await.expect("a clean end: the books were never left in between");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_as_the_exchange_refuses() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    for (body, code, status) in
        [(vec![b'a', b'=', 0xff, 0xfe], -1100, 400), (vec![b'a'; (2 << 20) + 1], -1101, 413)]
    {
        let url = format!("http://{}/api/v3/order", client.at);
        let answer = client.http.post(url).body(body).send().await.expect("an answer");
        let used = answer.headers().contains_key("x-mbx-used-weight-1m");
        assert!(answer.status() == status && used, "{answer:?}");
        let text = answer.text().await.expect("a body");
        let error: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(error["code"], code, "{error}");
    }
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn every_frame_has_an_answer() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let mut socket = client.socket("/ws-api/v3", "api").await;
    let mut chance = Chance(11);
    for _ in 0..500 {
        let endpoint = &TABLE[chance.below(TABLE.len())];
        let mut list = chance.parameters(endpoint.path);
        list.push(("apiKey".to_owned(), DEMO_KEY.to_owned()));
        list.push(("timestamp".to_owned(), START.to_string()));
        let mut params: Map<String, Value> =
            list.into_iter().map(|(name, value)| (name, value.into())).collect();
        let text = |(name, value): (&String, &Value)| {
            (name.clone(), value.as_str().unwrap_or_default().to_owned())
        };
        let payload = socket_payload(&params.iter().map(text).collect::<Vec<_>>());
        params.insert("signature".to_owned(), hmac_hex(DEMO_SECRET, &payload).into());
        let method = endpoint.name;
        let response = ask(&mut socket, json!({"id": 1, "method": method, "params": params})).await;
        let status = response["status"].as_u64();
        assert!(matches!(status, Some(200 | 400 | 401 | 409)), "{method} {params:?}: {response}");
    }
    for frame in [
        json!(null),
        json!([]),
        json!({"id": {}, "method": "ping"}),
        json!({"id": "x".repeat(37), "method": "ping"}),
        json!({"id": 1, "method": 7}),
        json!({"id": 1, "method": "time", "params": []}),
        json!({"id": 1, "method": "time", "params": {"a": null}}),
        json!({"id": 1, "method": "order.place", "params": {"price": {"deep": {}}}}),
    ] {
        let response = ask(&mut socket, frame.clone()).await;
        assert_eq!(response["status"], 400, "{frame}: {response}");
    }
    let gone = json!({"id": 1, "method": "userDataStream.unsubscribe", "params": {}});
    assert_eq!(ask(&mut socket, gone).await["error"]["code"], -2036);
    sim.stop().await.expect("a clean end");
}

/// The response to these bytes, until the exchange ends the connection.
async fn answered(at: &str, bytes: &str) -> String {
    let mut stream = TcpStream::connect(at).await.expect("a connection");
    stream.write_all(bytes.as_bytes()).await.expect("room");
    let mut answer = Vec::new();
    // A connection that is cut ends with an error.
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_head_and_a_body_that_do_not_end_are_given_up() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("it starts");
    let client = Client::of(&sim);
    let short = Duration::from_millis(50);
    sim.wait(Patience { head: short, ..Patience::default() });
    for head in ["", "GET /api/v3/ping HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        assert_eq!(answered(&client.at, head).await, "", "{head:?}");
    }
    sim.wait(Patience { body: short, ..Patience::default() });
    let body = "POST /api/v3/order HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\ns";
    let response = answered(&client.at, body).await;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    sim.wait(Patience::default());
    assert_eq!(client.get("/api/v3/ping").await.0, 200, "others are answered");
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn pages_of_other_sites_are_no_clients() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("it starts");
    let client = Client::of(&sim);
    for (path, upgrade) in [("/api/v3/ping", ""), ("/sim/v1/status", ""), ("/ws", UPGRADE)] {
        for (more, status) in [
            ("Host: localhost\r\n", 200),
            ("Host: 127.0.0.1:80\r\nOrigin: http://localhost:3000\r\n", 200),
            ("Host: evil.example\r\n", 403),
            ("Host: localhost\r\nOrigin: https://evil.example\r\n", 403),
            ("Host: localhost\r\nOrigin: null\r\n", 403),
        ] {
            let close = if upgrade.is_empty() { "Connection: close\r\n" } else { upgrade };
            let status = if status == 200 && !upgrade.is_empty() { 101 } else { status };
            let mut stream = TcpStream::connect(&client.at).await.expect("a connection");
            let request = format!("GET {path} HTTP/1.1\r\n{more}{close}\r\n");
            stream.write_all(request.as_bytes()).await.expect("room");
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.expect("an answer");
            let line = String::from_utf8_lossy(&answer);
            assert_eq!(line, format!("HTTP/1.1 {status}"), "{path} {more}");
        }
    }
    sim.stop().await.expect("a clean end");
}

/// The headers of a WebSocket upgrade.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
