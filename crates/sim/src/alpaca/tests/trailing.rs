use super::{Dir, Stocks, Value, Venue, event, id, market_order, refusal};
use serde_json::json;

fn trailing(side: &str, distance: &str, by: &str) -> Value {
    json!({
        "symbol": "AAPL", "qty": "10", "side": side, "type": "trailing_stop",
        "time_in_force": "gtc", distance: by,
    })
}

fn trail(order: &Value) -> [&str; 2] {
    ["hwm", "stop_price"].map(|name| order[name].as_str().expect("a price"))
}

#[tokio::test]
async fn a_trailing_stop_follows_the_market_over_a_restart() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.placed(market_order("buy", "10", "in")).await;
    let (status, order) = client.order(trailing("sell", "trail_price", "8")).await;
    assert_eq!((status, &order["type"]), (200, &json!("trailing_stop")), "{order}");
    assert_eq!((&order["trail_price"], &order["trail_percent"]), (&json!("8"), &json!(null)));
    assert_eq!((trail(&order), &order["limit_price"]), (["100", "92"], &json!(null)));
    // The market goes over 95, 110 and 105.
    client.minute(1).await;
    let higher = client.shown(id(&order)).await;
    assert_eq!((&higher["status"], trail(&higher)), (&json!("new"), ["110", "102"]));
    venue.stop().await;

    let venue = Venue::open(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.minute(1).await;
    let mut updates = client.updates().await;
    assert_eq!(client.shown(id(&order)).await, higher);
    // Then to 108 and to 90.
    client.minute(2).await;
    let sold = client.shown(id(&order)).await;
    assert_eq!((&sold["status"], trail(&sold)), (&json!("filled"), ["110", "102"]));
    assert_eq!(client.get("/v2/positions").await.1, json!([]));
    let (name, _, of) = event(&mut updates).await;
    assert_eq!((name.contains("fill"), of.as_str()), (true, id(&order)));
    venue.stop().await;
}

#[tokio::test]
async fn a_trail_in_per_cent_can_be_replaced() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.placed(market_order("buy", "10", "in")).await;
    let (_, order) = client.order(trailing("sell", "trail_percent", "20")).await;
    assert_eq!((trail(&order), &order["trail_percent"]), (["100", "80"], &json!("20")));
    client.minute(1).await;
    let (status, new) = client.patch(id(&order), json!({"trail": "5"})).await;
    assert_eq!((status, &new["trail_percent"]), (200, &json!("5")), "{new}");
    assert_eq!(trail(&new), ["110", "104.5"], "the best price stays");
    client.minute(2).await;
    assert_eq!(client.shown(id(&new)).await["status"], "filled");

    // A purchase follows the market down.
    let (_, order) = client.order(trailing("buy", "trail_price", "0.5")).await;
    assert_eq!(trail(&order), ["92", "92.5"]);
    venue.stop().await;
}

#[tokio::test]
async fn wrong_trails_are_refused() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.placed(market_order("buy", "10", "in")).await;
    let with = |name: &str, value: Value| {
        let mut order = trailing("sell", "trail_price", "1");
        order[name] = value;
        order
    };
    for (order, text) in [
        (with("trail_percent", json!("1")), "must specify one of trail_price or trail_percent"),
        (with("trail_price", json!(null)), "must specify one of trail_price or trail_percent"),
        (with("trail_price", json!("100")), "the trail must be less than the price"),
        (with("trail_price", json!("1.001")), "sub-penny"),
        (with("time_in_force", json!("ioc")), "time_in_force day or gtc"),
        (with("stop_price", json!("90")), "require no stop or limit price"),
    ] {
        let answer = client.order(order).await;
        let (status, code, message) = refusal(&answer);
        assert_eq!((status, code), (422, 42_210_000), "{answer:?}");
        assert!(message.contains(text), "{text}: {message}");
    }
    venue.stop().await;
}
