//! What requests cost, and that everything a limit refuses is counted.

use super::{Client, Dir, Pace, ask, options};
use crate::sim::server::limits::seconds;
use crate::sim::server::start;
use crate::sim::testing::START;
use serde_json::{Value, json};

impl Client {
    /// What this minute has been used for after a request.
    async fn used(&self, path: &str) -> u64 {
        let url = format!("http://{}/api/v3/{path}", self.at);
        let answer = self.http.get(url).send().await.expect("an answer");
        let told = answer.headers().get("x-mbx-used-weight-1m").expect("told");
        told.to_str().ok().and_then(|t| t.parse().ok()).expect("a number")
    }

    /// What a request costs, measured within one minute.
    async fn cost(&self, path: &str) -> u64 {
        loop {
            let minute = seconds() / 60;
            let (before, after) = (self.used("ping").await, self.used(path).await);
            if seconds() / 60 == minute {
                return after - before;
            }
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
        let told = ask(&mut socket, json!({"id": 1, "method": method, "params": params})).await;
        told["rateLimits"][0]["count"].as_u64().expect("a count")
    };
    for (method, params, cost) in [
        ("depth", json!({"symbol": "BTCUSDT", "limit": 5_000}), 250),
        ("depth", json!({"symbol": "BTCUSDT&limit=5000"}), 5),
        ("ticker", json!({"symbols": ["BTCUSDT", "ETHUSDT"]}), 8),
        ("ticker.price", json!({"x": "1&symbol=BTCUSDT"}), 4),
    ] {
        let told = loop {
            let minute = seconds() / 60;
            let (before, after) =
                (used("ping", json!({})).await, used(method, params.clone()).await);
            if seconds() / 60 == minute {
                break after - before;
            }
        };
        assert_eq!(told, cost, "{method} {params}");
    }
    sim.stop().await.expect("a clean end");
}
