use super::{
    Client, Dir, Pace, START, Stocks, Venue, limit_order, market_order, options, refusal, start,
};
use everwarm_domain::time::MINUTE;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn orders_that_the_account_cannot_pay_are_refused() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let poor = (403, 40_310_000, "insufficient buying power");
    assert_eq!(refusal(&client.order(market_order("buy", "1001", "a")).await), poor);
    assert_eq!(refusal(&client.order(limit_order("buy", "2000", "50.01", "b")).await), poor);
    client.placed(market_order("buy", "3", "c")).await;
    let text = "insufficient qty available for order (requested: 5, available: 3)";
    let sale = client.order(market_order("sell", "5", "d")).await;
    assert_eq!(refusal(&sale), (403, 40_310_000, text));
    assert_eq!(client.get("/v2/orders").await.1, json!([]));
    venue.stop().await;
}

#[tokio::test]
async fn wrong_orders_are_refused_with_the_reason() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let with = |name: &str, value: Value| {
        let mut order = limit_order("buy", "1", "90", "x");
        order[name] = value;
        order
    };
    for (order, status, text) in [
        (with("symbol", json!("NOPE")), 422, "asset \"NOPE\" not found"),
        (with("symbol", json!("no such")), 422, "not found"),
        (with("symbol", json!(null)), 422, "symbol is required"),
        (with("side", json!("hold")), 422, "side must be"),
        (with("qty", json!("0.5")), 403, "asset \"AAPL\" is not fractionable"),
        (with("qty", json!(1.5)), 403, "not fractionable"),
        (with("qty", json!("0")), 422, "qty must be > 0"),
        (with("qty", json!("-1")), 422, "qty is not a valid number"),
        (with("qty", json!("1e3")), 422, "qty is not a valid number"),
        (with("qty", json!(["1"])), 422, "qty must be a number"),
        (with("qty", json!(null)), 422, "qty or notional is required"),
        (with("qty", json!("100000")), 422, "qty is out of range"),
        (with("notional", json!("10")), 403, "not fractionable"),
        (with("limit_price", json!("90.001")), 422, "sub-penny increment"),
        (with("limit_price", json!("0.12345")), 422, "sub-penny increment"),
        (with("limit_price", json!("1")), 422, "too far away"),
        (with("limit_price", json!(null)), 422, "limit orders require"),
        (with("stop_price", json!("91")), 422, "limit orders require"),
        (with("type", json!("twap")), 422, "type must be"),
        (with("type", json!("trailing_stop")), 422, "require no stop or limit price"),
        (with("trail_price", json!("1")), 422, "limit orders must not have trail_price"),
        (with("time_in_force", json!("opg")), 422, "this market has no sessions"),
        (with("time_in_force", json!("cls")), 422, "this market has no sessions"),
        (with("time_in_force", json!("gtd")), 422, "time_in_force must be"),
        (with("time_in_force", json!(null)), 422, "time_in_force is required"),
        (with("extended_hours", json!(true)), 422, "extended_hours is not supported"),
        (with("order_class", json!("mleg")), 422, "order_class must be"),
        (with("order_class", json!("bracket")), 422, "require take_profit.limit_price"),
        (with("order_class", json!("oto")), 422, "require either take_profit or stop_loss"),
        (with("client_order_id", json!("x".repeat(129))), 422, "no more than 128 characters"),
    ] {
        let answer = client.order(order).await;
        let (got, code, message) = refusal(&answer);
        let wanted = if status == 403 { 40_310_000 } else { 42_210_000 };
        assert_eq!((got, code), (status, wanted), "{answer:?}");
        assert!(message.contains(text), "{text}: {message}");
    }
    // A stop that is already reached. A number may be a JSON number.
    let mut stop = market_order("buy", "1", "x");
    (stop["type"], stop["stop_price"]) = ("stop".into(), json!(99));
    let answer = client.order(stop.clone()).await;
    assert_eq!(refusal(&answer).2, "stop price must be greater than current price");
    stop["stop_price"] = json!(101.5);
    stop["qty"] = json!(1);
    let (status, order) = client.order(stop).await;
    assert_eq!((status, &order["stop_price"], &order["qty"]), (200, &json!("101.5"), &json!("1")));
    for path in ["/v2/orders/x", "/v2/orders:by_client_order_id?client_order_id=none"] {
        assert_eq!(refusal(&client.get(path).await), (404, 40_410_000, "order not found"));
    }
    assert_eq!(refusal(&client.get("/v2/assets/NOPE").await).1, 40_410_000);
    venue.stop().await;
}

#[tokio::test]
async fn wrong_keys_are_refused() {
    let dir = Dir::new();
    let mut venue = Venue::begun(&dir, Stocks::always()).await;
    let whole = venue.client.keys.clone();
    for keys in [("", ""), (whole.0.as_str(), "wrong"), ("wrong", &whole.1)] {
        venue.client.keys = (keys.0.to_owned(), keys.1.to_owned());
        let client = &venue.client;
        let text = "request is not authorized";
        for path in ["/v2/account", "/v2/clock", "/v2/orders"] {
            assert_eq!(refusal(&client.get(path).await), (401, 40_110_000, text), "{path}");
        }
        let order = client.order(market_order("buy", "1", "x")).await;
        assert_eq!(refusal(&order), (401, 40_110_000, text));
        let bars = client.get("/v2/stocks/bars?symbols=AAPL&timeframe=1Min").await;
        assert_eq!(bars, (403, json!({"message": "forbidden."})));
    }
    venue.client.keys = whole;
    assert_eq!(venue.client.get("/v2/orders?status=all").await.1, json!([]));
    assert_eq!(venue.client.get("/v2/nothing").await.0, 404);
    venue.stop().await;
}

#[tokio::test]
async fn requests_have_a_limit_in_a_minute() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Times(1), Stocks::always())).await.expect("started");
    let client = Client::of(&sim);
    let mut before = None;
    let refused = loop {
        let response = client.raw(Method::GET, "/v2/clock", "").await;
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let left: u64 =
            header("x-ratelimit-remaining").expect("a header").parse().expect("a number");
        let reset: i64 = header("x-ratelimit-reset").expect("a header").parse().expect("a number");
        assert_eq!(header("x-ratelimit-limit").as_deref(), Some("200"));
        assert_eq!((reset % 60, header("x-request-id").map(|id| id.len())), (0, Some(32)));
        if response.status().as_u16() != 200 {
            break response;
        }
        // A new minute may begin meanwhile.
        if let Some((then, end)) = before {
            assert!(end != reset || left + 1 == then, "{left} after {then}");
        }
        before = Some((left, reset));
    };
    assert_eq!(refused.status().as_u16(), 429);
    let body: Value = refused.json().await.expect("JSON");
    assert_eq!(body, json!({"code": 42_910_000, "message": "rate limit exceeded"}));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn requests_wait_for_the_pacer_of_a_lockstep() {
    let dir = Dir::new();
    let venue = Venue::open(&dir, Stocks::always()).await;
    let early = venue.client.order(market_order("buy", "1", "a")).await;
    assert_eq!(refusal(&early), (503, 50_310_000, "service unavailable"));
    venue.client.advance(START + MINUTE).await;
    venue.client.placed(market_order("buy", "1", "a")).await;
    venue.stop().await;
}

#[tokio::test]
async fn books_of_another_protocol_are_refused() {
    let dir = Dir::new();
    let mut other = options(&dir.0, Pace::Lockstep, Stocks::always());
    other.setup.protocol = crate::Protocol::Binance;
    start(other).await.expect("started").stop().await.expect("a clean end");
    let refused = start(options(&dir.0, Pace::Lockstep, Stocks::always())).await;
    let text = refused.expect_err("other books").to_string();
    assert!(text.contains("books of another protocol"), "{text}");
}
