use super::{Dir, Method, Stocks, Venue, ask, market_order, next, refusal};
use crate::server::requests::{Entry, read};
use serde_json::{Value, json};

async fn fault(venue: &Venue, fault: Value) {
    let (status, body) = venue.client.send(Method::POST, "/sim/v1/fault", &fault.to_string()).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn faults_hit_requests_and_the_log_shows_them() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let once = |kind: &str, at: &str| json!({"kind": kind, "at": at, "times": 1});
    // The order is placed, and its response is lost.
    fault(&venue, once("no-answer", "POST order")).await;
    let url = format!("http://{}/v2/orders", client.at);
    let order = market_order("buy", "1", "lost").to_string();
    let lost = client.http.post(url).header("APCA-API-KEY-ID", &client.keys.0);
    let lost = lost.header("APCA-API-SECRET-KEY", &client.keys.1).body(order).send().await;
    assert!(lost.is_err(), "the connection is cut");
    let again = client.order(market_order("buy", "1", "lost")).await;
    assert_eq!(refusal(&again).1, 40_010_001, "the duplicate proves that the first arrived");
    let path = "/v2/orders:by_client_order_id?client_order_id=lost";
    fault(&venue, once("unknown-order", "GET order")).await;
    assert_eq!(refusal(&client.get(path).await), (404, 40_410_000, "order not found"));
    let found = client.get(path).await.1;
    assert_eq!(found["status"], "filled");

    fault(&venue, json!({"kind": "error-before", "at": "POST order", "times": 1, "value": 500}))
        .await;
    let broken = client.order(market_order("buy", "1", "broken")).await;
    assert_eq!(refusal(&broken), (500, 50_010_000, "internal server error occurred"));
    fault(&venue, json!({"kind": "limited", "at": "GET account", "times": 1, "value": 7})).await;
    let limited = client.raw(Method::GET, "/v2/account", "").await;
    assert_eq!(limited.status().as_u16(), 429);
    assert_eq!(limited.headers()["x-ratelimit-remaining"], "0");
    let id = found["id"].as_str().expect("an id");
    assert_eq!(client.delete(&format!("/v2/orders/{id}")).await.0, 422);
    venue.stop().await;

    let log: Vec<Entry> = read(&dir.0).expect("a log");
    let lines: Vec<String> = log
        .iter()
        .filter_map(|entry| match entry {
            Entry::Asked(a) => Some(format!("{} {} {} {:?}", a.what, a.symbol, a.id, a.fault)),
            Entry::Answered(a) => Some(format!("{} {:?}", a.status, a.code)),
            Entry::Started { .. } | Entry::Spoilt { .. } => None,
        })
        .collect();
    assert_eq!(
        lines,
        [
            "POST order AAPL lost Some(\"no-answer\")",
            "0 None",
            "POST order AAPL lost None",
            "422 Some(40010001)",
            "GET order AAPL lost Some(\"unknown-order\")",
            "404 Some(40410000)",
            "GET order AAPL lost None",
            "200 None",
            "POST order AAPL broken Some(\"error-before\")",
            "500 Some(50010000)",
            "GET account   Some(\"limited\")",
            "429 Some(42910000)",
            "DELETE order AAPL lost None",
            "422 Some(42210000)",
        ]
    );
}

#[tokio::test]
async fn revoked_keys_are_rejected_and_counted_until_they_are_accepted_again() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let revoke = async |revoked: bool| {
        let body = json!({"revoked": revoked}).to_string();
        assert_eq!(client.send(Method::POST, "/sim/v1/keys", &body).await.0, 200);
    };
    let rejected = async || client.get("/sim/v1/status").await.1["rejected_keys"].clone();
    let mut updates = client.updates().await;
    assert_eq!(rejected().await, json!(0));
    revoke(true).await;
    let text = "request is not authorized";
    assert_eq!(refusal(&client.get("/v2/account").await), (401, 40_110_000, text));
    let order = client.order(market_order("buy", "1", "revoked")).await;
    assert_eq!(refusal(&order), (401, 40_110_000, text));
    assert_eq!(client.get("/v2/stocks/bars?symbols=AAPL&timeframe=1Min").await.0, 403);
    let keys = json!({"key_id": client.keys.0, "secret_key": client.keys.1});
    let mut other = client.socket("/stream").await;
    let answer = ask(&mut other, json!({"action": "authenticate", "data": keys})).await;
    assert_eq!(answer["data"]["status"], "unauthorized");
    assert_eq!(rejected().await, json!(4));
    revoke(false).await;
    client.placed(market_order("buy", "1", "revoked")).await;
    assert_eq!(next(&mut updates).await["data"]["event"], "new", "the connection stayed open");
    venue.stop().await;
}

#[tokio::test]
async fn a_fault_hits_the_calendar_and_not_the_clock() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let at = "GET /sapi/v1/system/status";
    fault(&venue, json!({"kind": "error-before", "at": at})).await;
    assert_eq!(venue.client.get("/v2/calendar").await.0, 503);
    assert_eq!(venue.client.get("/v2/clock").await.0, 200);
    venue.stop().await;
}

#[tokio::test]
async fn faults_hit_messages() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let mut updates = client.updates().await;
    fault(&venue, json!({"kind": "missing", "at": "executionReport", "times": 1})).await;
    client.placed(market_order("buy", "1", "a")).await;
    let first = next(&mut updates).await;
    assert_eq!(first["data"]["event"], "fill", "the message before is missing");
    fault(&venue, json!({"kind": "duplicate", "at": "executionReport", "times": 1})).await;
    client.placed(super::limit_order("buy", "1", "50", "b")).await;
    assert_eq!(next(&mut updates).await, next(&mut updates).await);
    for kind in ["user-stream-ended", "shutdown"] {
        let mut updates = client.updates().await;
        fault(&venue, json!({"kind": kind, "times": 1})).await;
        client.placed(super::limit_order("buy", "1", "50", kind)).await;
        let message = next(&mut updates).await;
        let known =
            ["trade_updates", "listening"].contains(&message["stream"].as_str().unwrap_or(""));
        assert!(known, "{message}");
    }
    venue.stop().await;
}
