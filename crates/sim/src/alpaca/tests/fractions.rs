use super::{
    Client, Dir, Pace, START, Stocks, Value, Venue, id, limit_order, market_order, options,
    refusal, start,
};
use crate::testing::dec;
use everwarm_domain::money::Decimal;
use serde_json::json;

/// An exchange that trades fractions of shares, at the start of the market.
async fn fractional(dir: &Dir, market: Stocks) -> Venue {
    let mut options = options(&dir.0, Pace::Lockstep, market);
    options.setup.fractions = true;
    let sim = start(options).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    Venue { sim, client }
}

/// A market order for an amount in dollars.
fn amount(side: &str, notional: &str, id: &str) -> Value {
    let mut order = market_order(side, "1", id);
    order["qty"] = Value::Null;
    order["notional"] = notional.into();
    order
}

fn number(value: &Value) -> Decimal {
    dec(value.as_str().expect("a number"))
}

#[tokio::test]
async fn fractions_and_amounts_of_dollars_are_traded() {
    let dir = Dir::new();
    let venue = fractional(&dir, Stocks::always()).await;
    let client = &venue.client;
    assert_eq!(client.get("/v2/assets/AAPL").await.1["fractionable"], true);
    client.placed(market_order("buy", "0.5", "part")).await;
    assert_eq!(client.get("/v2/positions/AAPL").await.1["qty"], "0.5");

    let (status, order) = client.order(amount("buy", "123.45", "dollars")).await;
    assert_eq!((status, &order["notional"]), (200, &json!("123.45")), "{order}");
    assert_eq!((&order["qty"], &order["status"]), (&json!(null), &json!("accepted")));
    let filled = client.shown(id(&order)).await;
    assert_eq!(filled["status"], "filled");
    let quantity = number(&filled["filled_qty"]);
    assert!(quantity.scale() <= 9 && quantity.fract() > Decimal::ZERO, "{filled}");
    let cash = number(&client.get("/v2/account").await.1["cash"]);
    let part = client.get("/v2/orders:by_client_order_id?client_order_id=part").await.1;
    let paid = dec("100000") - cash - number(&part["filled_avg_price"]) * dec("0.5");
    assert!(paid <= dec("123.45") && paid > dec("123.44"), "{paid}");

    // All of it is sold, and nothing beyond.
    let held = quantity + dec("0.5");
    let more = held + dec("0.000000001");
    let answer = client.order(market_order("sell", &more.to_string(), "more")).await;
    assert_eq!(refusal(&answer).1, 40_310_000);
    client.placed(market_order("sell", &held.to_string(), "all")).await;
    assert_eq!(client.get("/v2/positions").await.1, json!([]));
    venue.stop().await;

    // The books know it without the setting.
    let venue = Venue::begun(&dir, Stocks::always()).await;
    assert_eq!(venue.client.get("/v2/assets/AAPL").await.1["fractionable"], true);
    venue.stop().await;
}

#[tokio::test]
async fn an_amount_outside_of_the_sessions_buys_by_the_last_price() {
    let dir = Dir::new();
    let venue = fractional(&dir, Stocks::in_sessions()).await;
    let client = &venue.client;
    client.minute(10).await;
    let (status, order) = client.order(amount("buy", "46", "dollars")).await;
    assert_eq!((status, &order["notional"]), (200, &json!("46")), "{order}");
    client.minute(59).await;
    assert_eq!(client.shown(id(&order)).await["status"], "new");
    client.minute(61).await;
    let filled = client.shown(id(&order)).await;
    assert_eq!((&filled["status"], &filled["filled_qty"]), (&json!("filled"), &json!("0.5")));
    venue.stop().await;
}

#[tokio::test]
async fn fractions_are_simple_orders_of_a_day() {
    let dir = Dir::new();
    let venue = fractional(&dir, Stocks::always()).await;
    let client = &venue.client;
    let with = |mut order: Value, changes: &[(&str, Value)]| {
        for (name, value) in changes {
            order[name] = value.clone();
        }
        order
    };
    let part = || market_order("buy", "0.5", "x");
    let bracket = [
        ("order_class", json!("bracket")),
        ("take_profit", json!({"limit_price": "120"})),
        ("stop_loss", json!({"stop_price": "80"})),
    ];
    for (order, text) in [
        (limit_order("buy", "0.5", "90", "x"), "fractional orders must be DAY orders"),
        (with(part(), &bracket), "fractional orders must be simple orders"),
        (with(amount("buy", "10", "x"), &bracket), "fractional orders must be simple orders"),
        (
            with(part(), &[("type", json!("trailing_stop")), ("trail_price", json!("1"))]),
            "fractional orders must not be trailing stop orders",
        ),
        (with(part(), &[("notional", json!("10"))]), "only one of qty or notional is accepted"),
        (amount("buy", "0.99", "x"), "notional must be >= 1.00"),
        (amount("buy", "1.001", "x"), "limited to 2 decimal places"),
        (market_order("buy", "0.0000000001", "x"), "limited to 9 decimal places"),
        (
            with(amount("buy", "10", "x"), &[("type", json!("limit"))]),
            "notional orders must be market orders",
        ),
    ] {
        let answer = client.order(order).await;
        let (status, code, message) = refusal(&answer);
        assert_eq!((status, code), (422, 42_210_000), "{answer:?}");
        assert!(message.contains(text), "{text}: {message}");
    }
    // Limits and stops of a day are fine.
    let day = [("time_in_force", json!("day"))];
    client.placed(with(limit_order("buy", "0.5", "96", "limit"), &day)).await;
    client.minute(1).await;
    assert_eq!(client.get("/v2/positions/AAPL").await.1["qty"], "0.5");
    let stop = with(
        market_order("sell", "0.5", "stop"),
        &[("type", json!("stop")), ("stop_price", json!("92"))],
    );
    client.placed(stop).await;
    client.minute(2).await;
    assert_eq!(client.get("/v2/positions").await.1, json!([]));
    venue.stop().await;
}
