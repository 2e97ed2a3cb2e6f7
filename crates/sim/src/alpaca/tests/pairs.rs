use super::{Dir, Stocks, Value, Venue, market_order, next, refusal};
use serde_json::json;

fn pair(qty: &str, target: &str, stop: &str, id: &str) -> Value {
    json!({
        "symbol": "AAPL", "qty": qty, "side": "sell", "type": "limit", "time_in_force": "gtc",
        "order_class": "oco", "take_profit": {"limit_price": target},
        "stop_loss": {"stop_price": stop}, "client_order_id": id,
    })
}

#[tokio::test]
async fn the_stop_of_a_pair_sells_and_cancels_the_limit() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.placed(market_order("buy", "10", "in")).await;
    let mut updates = client.updates().await;
    let (status, order) = client.order(pair("10", "120", "97", "out")).await;
    assert_eq!(
        (status, &order["order_class"], &order["type"]),
        (200, &json!("oco"), &json!("limit"))
    );
    let leg = &order["legs"][0];
    assert_eq!((&leg["type"], &leg["status"]), (&json!("stop"), &json!("held")), "{order}");
    for _ in 0..2 {
        assert_eq!(next(&mut updates).await["data"]["event"], "new");
    }
    let (_, position) = client.get("/v2/positions/AAPL").await;
    assert_eq!((&position["qty"], &position["qty_available"]), (&json!("10"), &json!("0")));
    assert_eq!(client.get("/v2/orders").await.1.as_array().map(Vec::len), Some(2));
    let (_, nested) = client.get("/v2/orders?nested=true").await;
    assert_eq!(
        (nested.as_array().map(Vec::len), &nested[0]["legs"][0]["id"]),
        (Some(1), &leg["id"])
    );

    client.minute(1).await;
    let (limit, stop) = (order["id"].as_str().expect("an id"), leg["id"].as_str().expect("an id"));
    assert_eq!(client.get(&format!("/v2/orders/{limit}")).await.1["status"], "canceled");
    assert_eq!(client.get(&format!("/v2/orders/{stop}")).await.1["status"], "filled");
    assert_eq!(refusal(&client.get("/v2/positions/AAPL").await).0, 404);
    let first = next(&mut updates).await;
    assert_eq!(
        (&first["data"]["event"], &first["data"]["order"]["id"]),
        (&json!("canceled"), &json!(limit))
    );
    loop {
        let update = next(&mut updates).await;
        assert_eq!(update["data"]["order"]["id"], json!(stop), "{update}");
        if update["data"]["event"] == "fill" {
            assert_eq!(update["data"]["position_qty"], "0");
            break;
        }
    }
    venue.stop().await;
}

#[tokio::test]
async fn a_cancel_ends_both_orders_of_a_pair() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.placed(market_order("buy", "10", "in")).await;
    let (_, order) = client.order(pair("10", "120", "80", "out")).await;
    let leg = order["legs"][0]["id"].as_str().expect("an id");
    assert_eq!(client.delete(&format!("/v2/orders/{leg}")).await.0, 204);
    assert_eq!(client.get("/v2/orders").await.1, json!([]));
    let again = client.order(pair("10", "120", "80", "out")).await;
    assert_eq!(refusal(&again).1, 40_010_001);
    for (order, code) in [
        (pair("11", "120", "80", "x"), 40_310_000),
        (pair("10", "99", "80", "x"), 42_210_000),
        (pair("10", "120", "101", "x"), 42_210_000),
        (pair("10", "90", "95", "x"), 42_210_000),
        (
            json!({"order_class": "oco", "symbol": "AAPL", "qty": 1, "side": "sell",
                "type": "limit", "time_in_force": "gtc", "limit_price": 120}),
            42_210_000,
        ),
    ] {
        let answer = client.order(order).await;
        assert_eq!(refusal(&answer).1, code, "{answer:?}");
    }
    venue.stop().await;
}
