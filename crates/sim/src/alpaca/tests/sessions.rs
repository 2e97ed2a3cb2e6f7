use super::{Dir, START, Stocks, Venue, limit_order, market_order, next, refusal};
use everwarm_domain::time::MINUTE;
use serde_json::{Value, json};

fn day(mut order: Value) -> Value {
    order["time_in_force"] = "day".into();
    order
}

#[tokio::test]
async fn a_day_order_expires_at_the_close() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::in_sessions()).await;
    let client = &venue.client;
    let mut updates = client.updates().await;
    let gone = client.placed(day(limit_order("buy", "1", "50", "day"))).await;
    let stays = client.placed(limit_order("buy", "1", "51", "gtc")).await;
    for _ in 0..2 {
        assert_eq!(next(&mut updates).await["data"]["event"], "new");
    }
    client.advance(START + 2 * MINUTE - 1).await;
    assert_eq!(client.get(&format!("/v2/orders/{gone}")).await.1["status"], "new");
    client.minute(2).await;
    let (_, order) = client.get(&format!("/v2/orders/{gone}")).await;
    assert_eq!(
        (&order["status"], &order["expired_at"]),
        (&json!("expired"), &json!("2023-11-14T22:16:00Z"))
    );
    let update = next(&mut updates).await;
    assert_eq!(
        (&update["data"]["event"], &update["data"]["order"]["id"]),
        (&json!("expired"), &json!(gone))
    );
    assert_eq!(client.get(&format!("/v2/orders/{stays}")).await.1["status"], "new");
    let (_, account) = client.get("/v2/account").await;
    assert_eq!(account["buying_power"], "99949");
    venue.stop().await;
}

#[tokio::test]
async fn an_order_after_the_close_waits_for_the_next_session() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::in_sessions()).await;
    let client = &venue.client;
    client.minute(10).await;
    let (_, clock) = client.get("/v2/clock").await;
    assert_eq!(clock["is_open"], json!(false));
    let bought = client.placed(market_order("buy", "10", "market")).await;
    // Both would trade at the last price of the session before.
    let dear = client.placed(day(limit_order("buy", "10", "99", "limit"))).await;
    for id in [&bought, &dear] {
        let (_, order) = client.get(&format!("/v2/orders/{id}")).await;
        assert_eq!((&order["status"], &order["filled_qty"]), (&json!("new"), &json!("0")));
    }
    for tif in ["ioc", "fok"] {
        let mut order = limit_order("buy", "1", "99", tif);
        order["time_in_force"] = tif.into();
        assert_eq!(refusal(&client.order(order).await).0, 403, "{tif}");
    }
    client.minute(59).await;
    assert_eq!(client.get(&format!("/v2/orders/{bought}")).await.1["status"], "new");
    client.minute(61).await;
    for id in [&bought, &dear] {
        let (_, order) = client.get(&format!("/v2/orders/{id}")).await;
        assert_eq!((&order["status"], &order["filled_qty"]), (&json!("filled"), &json!("10")));
    }
    // It was a day order of the second session.
    let late = client.placed(day(limit_order("buy", "1", "50", "late"))).await;
    client.minute(62).await;
    assert_eq!(client.get(&format!("/v2/orders/{late}")).await.1["status"], "expired");
    venue.stop().await;
}

#[tokio::test]
async fn a_sale_that_waits_for_the_next_session_holds_its_shares() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::in_sessions()).await;
    let client = &venue.client;
    client.placed(market_order("buy", "10", "entry")).await;
    client.minute(10).await;
    let sale = client.placed(market_order("sell", "10", "exit")).await;
    let (_, position) = client.get("/v2/positions/AAPL").await;
    assert_eq!((&position["qty"], &position["qty_available"]), (&json!("10"), &json!("0")));
    assert_eq!(refusal(&client.order(market_order("sell", "1", "again")).await).0, 403);
    client.minute(61).await;
    let (_, order) = client.get(&format!("/v2/orders/{sale}")).await;
    assert_eq!((&order["status"], &order["filled_qty"]), (&json!("filled"), &json!("10")));
    assert_eq!(client.get("/v2/positions").await.1, json!([]));
    venue.stop().await;
}

#[tokio::test]
async fn a_restart_expires_what_ended_meanwhile() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::in_sessions()).await;
    let id = venue.client.placed(day(limit_order("buy", "1", "91", "day"))).await;
    venue.stop().await;
    // The next session trades below its price.
    let venue = Venue::open(&dir, Stocks::in_sessions()).await;
    venue.client.minute(62).await;
    let (_, order) = venue.client.get(&format!("/v2/orders/{id}")).await;
    // The second minute of its session fell to 90.
    assert_eq!(
        (&order["status"], &order["filled_at"]),
        (&json!("filled"), &json!("2023-11-14T22:15:59.998Z"))
    );
    venue.stop().await;
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::in_sessions()).await;
    let id = venue.client.placed(day(limit_order("buy", "1", "89.99", "day"))).await;
    venue.stop().await;
    let venue = Venue::open(&dir, Stocks::in_sessions()).await;
    venue.client.minute(62).await;
    let (_, order) = venue.client.get(&format!("/v2/orders/{id}")).await;
    assert_eq!(
        (&order["status"], &order["expired_at"]),
        (&json!("expired"), &json!("2023-11-14T22:16:00Z"))
    );
    venue.stop().await;
}

#[tokio::test]
async fn the_calendar_has_the_sessions_in_the_time_of_new_york() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::in_sessions()).await;
    let client = &venue.client;
    let (_, clock) = client.get("/v2/clock").await;
    assert_eq!(
        clock,
        json!({"timestamp": "2023-11-14T17:14:00-05:00", "is_open": true,
            "next_open": "2023-11-14T18:14:00-05:00", "next_close": "2023-11-14T17:16:00-05:00"})
    );
    let (_, days) = client.get("/v2/calendar?start=2023-11-01&end=2023-11-30").await;
    assert_eq!(
        days,
        json!([
            {"date": "2023-11-14", "open": "17:04", "close": "17:16"},
            {"date": "2023-11-14", "open": "18:14", "close": "18:16"},
        ])
    );
    assert_eq!(client.get("/v2/calendar?start=2023-11-15&end=2023-11-30").await.1, json!([]));
    for query in ["start=yesterday", "start=2023-02-30", "start=1970-01-01&end=2199-01-01"] {
        assert_eq!(client.get(&format!("/v2/calendar?{query}")).await.0, 422, "{query}");
    }
    venue.stop().await;

    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let (_, days) = venue.client.get("/v2/calendar?start=2023-11-11&end=2023-11-12").await;
    assert_eq!(
        days,
        json!([
            {"date": "2023-11-11", "open": "00:00", "close": "24:00"},
            {"date": "2023-11-12", "open": "00:00", "close": "24:00"},
        ])
    );
    assert_eq!(venue.client.get("/v2/clock").await.1["is_open"], json!(true));
    venue.stop().await;
}

#[tokio::test]
async fn an_order_for_the_open_or_the_close_fills_there_or_not_at_all() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::in_sessions()).await;
    let client = &venue.client;
    let with = |mut order: Value, tif: &str| {
        order["time_in_force"] = tif.into();
        order
    };
    let answer = client.order(with(market_order("buy", "1", "x"), "opg")).await;
    assert_eq!(refusal(&answer).2, "opg orders are accepted outside of market hours only");
    let answer = client.order(with(market_order("buy", "1", "x"), "cls")).await;
    let text = "cls orders are accepted until 10 minutes before the close only";
    assert_eq!(refusal(&answer).2, text);
    client.minute(10).await;
    let open = client.placed(with(market_order("buy", "1", "open"), "opg")).await;
    let close = client.placed(with(market_order("buy", "1", "close"), "cls")).await;
    let low = client.placed(with(limit_order("buy", "1", "90", "low"), "opg")).await;
    let stop = json!({"type": "stop", "stop_price": "99", "symbol": "AAPL", "qty": "1",
        "side": "buy", "time_in_force": "opg"});
    assert_eq!(refusal(&client.order(stop).await).0, 422);
    client.minute(61).await;
    let (_, filled) = client.get(&format!("/v2/orders/{open}")).await;
    assert_eq!((&filled["status"], &filled["time_in_force"]), (&json!("filled"), &json!("opg")));
    assert_eq!(filled["filled_at"], "2023-11-14T23:14:59.996Z", "at the first trade");
    assert_eq!(client.get(&format!("/v2/orders/{low}")).await.1["status"], "expired");
    assert_eq!(client.get(&format!("/v2/orders/{close}")).await.1["status"], "new");
    client.minute(62).await;
    let (_, filled) = client.get(&format!("/v2/orders/{close}")).await;
    assert_eq!((&filled["status"], &filled["time_in_force"]), (&json!("filled"), &json!("cls")));
    assert_eq!(filled["filled_at"], "2023-11-14T23:15:59.999Z", "at the last trade");
    venue.stop().await;
}
