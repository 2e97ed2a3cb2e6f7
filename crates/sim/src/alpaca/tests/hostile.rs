use super::{Dir, Method, Stocks, Venue, limit_order, market_order};
use everwarm_kernel::chance::draw;
use serde_json::{Map, Value, json};

const NAMES: [&str; 17] = [
    "symbol",
    "qty",
    "notional",
    "side",
    "type",
    "time_in_force",
    "limit_price",
    "stop_price",
    "client_order_id",
    "order_class",
    "take_profit",
    "stop_loss",
    "extended_hours",
    "trail_price",
    "trail_percent",
    "legs",
    "nothing",
];

#[rustfmt::skip]
const QUERY_NAMES: [&str; 18] = [
    "status", "limit", "after", "until", "direction", "nested", "symbols", "page_size",
    "page_token", "order_id", "start", "end", "timeframe", "sort", "feed", "client_order_id",
    "asset_class", "side",
];

#[rustfmt::skip]
const QUERY_VALUES: [&str; 29] = [
    "", "all", "closed", "1", "0", "-1", "100", "99999999999999999999", "asc", "desc", "true",
    "AAPL", "AAPL,MSFT", ",", "%00", "%ff", "%", "2023-11-14", "2023-11-14T22:14:00Z",
    "9999-12-31T00:00:00Z", "2200-12-31T23:59:59%2B23:59", "1Min", "1Day", "1Hour",
    "20231114221400000::0e8ec5ed-0000-4000-8000-000000000001", "::", "QUFQTHww",
    "QUFQTHw5MjIzMzcyMDM2ODU0Nzc1ODA3", "%C3%A9",
];

#[rustfmt::skip]
const PATHS: [&str; 20] = [
    "account", "positions", "positions/AAPL", "positions/%00", "assets", "assets/%20", "clock",
    "calendar", "orders", "orders/x", "orders/0edda5ed-0000-4000-8000-000000000001",
    "orders/0edda5ed-0000-4000-8000-ffffffffffff", "orders:by_client_order_id",
    "account/activities/FILL", "stocks/bars", "stocks/trades/latest", "stocks/AAPL/trades/latest",
    "stocks/snapshots", "stocks/%00/trades/latest", "",
];

fn values() -> Vec<Value> {
    vec![
        json!("AAPL"),
        json!("buy"),
        json!("sell"),
        json!("limit"),
        json!("market"),
        json!("stop_limit"),
        json!("gtc"),
        json!("day"),
        json!("oco"),
        json!("bracket"),
        json!("oto"),
        json!("trailing_stop"),
        json!("1"),
        json!("90"),
        json!(90.01),
        json!(-1),
        json!(1e300),
        json!("99999999999999999999999999999999"),
        json!("NaN"),
        json!(""),
        json!("\u{0}"),
        json!("é".repeat(200)),
        json!(null),
        json!(true),
        json!([]),
        json!([[[[1]]]]),
        json!({"limit_price": "120", "stop_price": {"stop_price": 1}}),
        json!({"stop_price": "50"}),
    ]
}

#[tokio::test]
async fn bodies_of_every_kind_are_answered() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["", "{", "null", "7", "\"\"", "[]", "{\"symbol\":", "\u{feff}{}", &deep] {
        let (status, answer) = client.send(Method::POST, "/v2/orders", body).await;
        assert_eq!((status, &answer["code"]), (400, &json!(40_010_000)), "{answer}");
    }
    let huge = "x".repeat(3 << 20);
    let (status, _) = client.send(Method::POST, "/v2/orders", &huge).await;
    assert_eq!(status, 413);
    let mut order = limit_order("buy", "1", "50", "with-more");
    order["unknown"] = json!({"members": ["have", "no", "effect"]});
    client.placed(order).await;

    let all = values();
    let mut dice = 7;
    let mut roll =
        |below: usize| usize::try_from(draw(&mut dice)).unwrap_or(usize::MAX) % below.max(1);
    for i in 0..600 {
        let id = format!("random-{i}");
        let mut order = if roll(2) == 0 {
            market_order("buy", "1", &id)
        } else {
            limit_order("buy", "1", "50", &id)
        };
        for _ in 0..=roll(4) {
            order[NAMES[roll(NAMES.len())]] = all[roll(all.len())].clone();
        }
        let (status, answer) = client.order(order.clone()).await;
        let known = [200, 400, 403, 422].contains(&status);
        assert!(known && answer.is_object(), "{order}: {status} {answer}");
        if let (200, Some(id)) = (status, answer["id"].as_str()) {
            let (status, answer) = client.patch(id, order.clone()).await;
            let known = [200, 403, 422].contains(&status);
            assert!(known && answer.is_object(), "{order}: {status} {answer}");
        }
    }
    let (status, account) = client.get("/v2/account").await;
    assert_eq!((status, account.get("cash").is_some()), (200, true), "it still works");
    venue.stop().await;
}

#[tokio::test]
async fn queries_of_every_kind_are_answered() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.placed(market_order("buy", "10", "one")).await;
    let mut dice = 3;
    let mut roll =
        |below: usize| usize::try_from(draw(&mut dice)).unwrap_or(usize::MAX) % below.max(1);
    for _ in 0..800 {
        let count = roll(4);
        let query: Vec<String> = (0..count)
            .map(|_| {
                let name = QUERY_NAMES[roll(QUERY_NAMES.len())];
                format!("{name}={}", QUERY_VALUES[roll(QUERY_VALUES.len())])
            })
            .collect();
        let path = format!("/v2/{}?{}", PATHS[roll(PATHS.len())], query.join("&"));
        let (status, answer) = client.get(&path).await;
        let known = [200, 400, 404, 422].contains(&status);
        assert!(known && !answer.is_string(), "{path}: {status} {answer}");
    }
    let empty: Map<String, Value> = Map::new();
    assert_eq!(client.order(Value::Object(empty)).await.0, 422);
    venue.stop().await;
}
