//! Tests of request weights, and of the count of refusals for a limit.

use super::{Client, Dir, Method, Pace, Socket, ask, options};
use crate::server::limits::{FILE, PATIENCE, seconds};
use crate::server::start;
use crate::testing::START;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

impl Client {
    /// The used weight of this minute after a request.
    async fn used(&self, path: &str) -> u64 {
        let url = format!("http://{}/api/v3/{path}", self.at);
        let answer = self.http.get(url).send().await.expect("an answer");
        let weight = answer.headers().get("x-mbx-used-weight-1m").expect("a weight");
        weight.to_str().ok().and_then(|t| t.parse().ok()).expect("a number")
    }

    /// The weight of a request, measured within one minute.
    async fn cost(&self, path: &str) -> u64 {
        loop {
            let minute = seconds() / 60;
            let (before, after) = (self.used("ping").await, self.used(path).await);
            if seconds() / 60 == minute {
                return after - before;
            }
        }
    }

    async fn over(&self) -> u64 {
        let status = self.get("/sim/v1/status").await.1;
        status["over_limits"].as_u64().expect("a count")
    }

    /// The HTTP status of a refused connection.
    async fn shut(&self, path: &str) -> u16 {
        let refused = connect_async(format!("ws://{}{path}", self.at)).await.err();
        let Some(WsError::Http(answer)) = refused else { panic!("{path}: {refused:?}") };
        answer.status().as_u16()
    }
}

/// Used limits in windows that do not end during a test.
fn nearly_used(weight: u64, connections: u64, orders: u64) -> String {
    let window = |used: u64| json!({"length": 1_u64 << 40, "number": 0, "used": used});
    let spent = json!({
        "weight": window(weight), "connections": window(connections), "orders": window(orders),
        "requests": window(0), "refused": window(0), "orders_day": window(0),
        "banned_until": 0, "next_ban": 120,
    });
    spent.to_string()
}

async fn until_closed(socket: &mut Socket) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_close() {
            return;
        }
    }
}

#[tokio::test]
async fn a_request_pays_for_what_it_gets_however_it_is_written() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    for (path, cost) in [
        ("depth?symbol=BTCUSDT&limit=5000", 250),
        ("depth?symbol=BTCUSDT&%6Cimit=5000", 250),
        ("depth?symbol=BTCUSDT&limit=%35000", 250),
        ("ticker?symbols=%5B%22BTCUSDT%22%2C%22ETHUSDT%22%5D", 8),
        ("ticker?symbols=%5B%22BTCUSDT%22%2c%22ETHUSDT%22%5D", 8),
        ("ticker/24hr?symbol=BTCUSDT", 2),
        ("ticker/24hr?%73ymbol=BTCUSDT", 2),
        ("ticker/price?%73ymbol=BTCUSDT", 2),
        ("ticker/price?x=symbol=BTCUSDT", 4),
        ("myTrades?symbol=BTCUSDT&orderI%64=1", 5),
    ] {
        assert_eq!(client.cost(path).await, cost, "{path}");
    }
    let names = (0..21).map(|n| format!("%22A{n}%22")).collect::<Vec<_>>().join("%2c");
    assert_eq!(client.cost(&format!("ticker/24hr?symbols=%5B{names}%5D")).await, 40);

    let mut socket = client.socket("/ws-api/v3", "api").await;
    let mut used = async |method: &str, params: Value| {
        let response = ask(&mut socket, json!({"id": 1, "method": method, "params": params})).await;
        response["rateLimits"][0]["count"].as_u64().expect("a count")
    };
    for (method, params, cost) in [
        ("depth", json!({"symbol": "BTCUSDT", "limit": 5_000}), 250),
        ("depth", json!({"symbol": "BTCUSDT&limit=5000"}), 5),
        ("ticker", json!({"symbols": ["BTCUSDT", "ETHUSDT"]}), 8),
        ("ticker.price", json!({"x": "1&symbol=BTCUSDT"}), 4),
    ] {
        let weight = loop {
            let minute = seconds() / 60;
            let (before, after) =
                (used("ping", json!({})).await, used(method, params.clone()).await);
            if seconds() / 60 == minute {
                break after - before;
            }
        };
        assert_eq!(weight, cost, "{method} {params}");
    }
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn whatever_a_limit_refuses_is_counted() {
    let dir = Dir::new();
    std::fs::write(dir.0.join(FILE), nearly_used(5_998, 297, 100)).expect("written");
    let sim = start(options(&dir.0, Pace::Times(1))).await.expect("started");
    let client = Client::of(&sim);
    let mut api = client.socket("/ws-api/v3", "api").await;
    let mut bars = client.socket("/ws", "bars").await;
    assert_eq!(client.over().await, 0, "all that there is");

    let now = client.get("/sim/v1/status").await.1["now"].as_i64().expect("a time");
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=90";
    let (status, body) = client.signed(Method::POST, "/api/v3/order", order, now).await;
    assert_eq!((status, &body["code"]), (429, &json!(-1015)), "{body}");
    assert_eq!(client.over().await, 1, "an order");
    assert_eq!(client.get("/api/v3/ping").await.0, 429);
    assert_eq!(client.over().await, 2, "a request");
    assert_eq!(ask(&mut api, json!({"id": 1, "method": "ping"})).await["status"], 429);
    assert_eq!(client.over().await, 3, "a frame");
    assert_eq!(client.shut("/ws-api/v3").await, 429);
    assert_eq!(client.over().await, 4, "a connection that is too much weight");
    let _last = client.socket("/ws", "last").await;
    assert_eq!(client.shut("/ws").await, 429);
    assert_eq!(client.over().await, 5, "a connection that is one too many");

    for _ in 4..PATIENCE {
        assert_eq!(client.get("/api/v3/ping").await.0, 429);
    }
    assert_eq!(client.get("/api/v3/ping").await.0, 418);
    let before = client.over().await;
    assert_eq!(before, 5 + PATIENCE - 4 + 1, "and who went on");
    assert_eq!(client.shut("/ws-api/v3").await, 418);
    assert_eq!(ask(&mut api, json!({"id": 1, "method": "ping"})).await["status"], 418);
    assert_eq!(client.over().await, before + 2, "whatever comes from who is banned");

    // Twice the limit, because a second may end in between. The last messages may find the
    // connection closed.
    for _ in 0..12 {
        let text = json!({"method": "LIST_SUBSCRIPTIONS"}).to_string();
        drop(bars.send(Message::text(text)).await);
    }
    until_closed(&mut bars).await;
    assert_eq!(client.over().await, before + 3, "and one that sends too much");
    sim.stop().await.expect("a clean end");
}
