use super::{Dir, Stocks, Value, Venue, event, id, limit_order, market_order, refusal};
use serde_json::json;

/// A purchase with orders that sell at a profit and at a loss.
fn bracket(mut entry: Value, target: &str, stop: &str) -> Value {
    entry["order_class"] = "bracket".into();
    entry["take_profit"] = json!({"limit_price": target});
    entry["stop_loss"] = json!({"stop_price": stop});
    entry
}

fn oto(mut entry: Value, stop: &str) -> Value {
    entry["order_class"] = "oto".into();
    entry["stop_loss"] = json!({"stop_price": stop});
    entry
}

/// The statuses of an order and of its legs.
fn statuses(order: &Value) -> Vec<&str> {
    let legs = order["legs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let all = std::iter::once(order).chain(legs);
    all.map(|order| order["status"].as_str().expect("a status")).collect()
}

#[tokio::test]
async fn the_legs_of_a_bracket_wait_for_the_entry_and_one_ends_the_other() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let mut updates = client.updates().await;
    let entry = limit_order("buy", "10", "97", "entry");
    let (status, order) = client.order(bracket(entry, "108", "90")).await;
    assert_eq!((status, &order["order_class"]), (200, &json!("bracket")), "{order}");
    assert_eq!(statuses(&order), ["accepted", "held", "held"]);
    let legs = [&order["legs"][0], &order["legs"][1]];
    assert_eq!(legs.map(|leg| &leg["type"]), [&json!("limit"), &json!("stop")]);
    assert_eq!(legs.map(|leg| &leg["side"]), [&json!("sell"), &json!("sell")]);
    assert_eq!(legs.map(|leg| &leg["order_class"]), [&json!("bracket"), &json!("bracket")]);
    let (entry, target, stop) = (id(&order), id(legs[0]), id(legs[1]));
    assert_eq!(client.get("/v2/account").await.1["buying_power"], "99030");
    assert_eq!(client.get("/v2/orders").await.1.as_array().map(Vec::len), Some(3));
    let (_, nested) = client.get("/v2/orders?nested=true").await;
    let rows = nested.as_array().expect("rows");
    assert_eq!((rows.len(), statuses(&rows[0])), (1, vec!["new", "held", "held"]));
    assert_eq!(client.get(&format!("/v2/orders/{entry}")).await.1["legs"], json!(null));

    // Over 95, where the entry fills, to 110.
    client.minute(1).await;
    assert_eq!(statuses(&client.shown(entry).await), ["filled", "filled", "canceled"]);
    assert_eq!(client.shown(target).await["filled_avg_price"], "108");
    assert_eq!(client.get("/v2/positions").await.1, json!([]));
    for (name, status, of) in [
        ("new", "new", entry),
        ("fill", "filled", entry),
        ("new", "held", stop),
        ("new", "new", target),
        ("canceled", "canceled", stop),
        ("fill", "filled", target),
    ] {
        let wanted = (name.to_owned(), status.to_owned(), of.to_owned());
        assert_eq!(event(&mut updates).await, wanted);
    }
    venue.stop().await;
}

#[tokio::test]
async fn an_entry_below_its_stop_is_sold_at_once() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    // The trade that fills the entry is at 95.
    let entry = limit_order("buy", "10", "99", "entry");
    let (_, order) = client.order(bracket(entry, "120", "96")).await;
    client.minute(1).await;
    assert_eq!(statuses(&client.shown(id(&order)).await), ["filled", "canceled", "filled"]);
    assert_eq!(client.get("/v2/positions").await.1, json!([]));
    venue.stop().await;
}

#[tokio::test]
async fn a_cancel_of_the_entry_ends_its_legs_and_one_of_a_leg_the_other() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let entry = limit_order("buy", "10", "80", "waits");
    let (_, order) = client.order(bracket(entry, "120", "70")).await;
    assert_eq!(client.delete(&format!("/v2/orders/{}", id(&order))).await.0, 204);
    assert_eq!(statuses(&client.shown(id(&order)).await), ["canceled"; 3]);
    assert_eq!(client.get("/v2/account").await.1["buying_power"], "100000");

    let (_, order) = client.order(bracket(market_order("buy", "10", "fills"), "120", "70")).await;
    assert_eq!(statuses(&client.shown(id(&order)).await), ["filled", "new", "held"]);
    let (_, position) = client.get("/v2/positions/AAPL").await;
    assert_eq!((&position["qty"], &position["qty_available"]), (&json!("10"), &json!("0")));
    // Its parent is no open order, so each leg is a row.
    let (_, open) = client.get("/v2/orders?nested=true").await;
    assert_eq!(open.as_array().map(Vec::len), Some(2));
    let answer = client.delete(&format!("/v2/orders/{}", id(&order))).await;
    assert_eq!(refusal(&answer).2, "order is already in \"filled\" state");
    assert_eq!(client.delete(&format!("/v2/orders/{}", id(&order["legs"][0]))).await.0, 204);
    assert_eq!(statuses(&client.shown(id(&order)).await), ["filled", "canceled", "canceled"]);
    assert_eq!(client.get("/v2/positions/AAPL").await.1["qty_available"], "10");
    venue.stop().await;
}

#[tokio::test]
async fn a_leg_is_replaced_in_its_place() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let (_, order) = client.order(oto(market_order("buy", "10", "entry"), "90")).await;
    let parent = id(&order);
    assert_eq!(order["order_class"], "oto");
    assert_eq!(statuses(&client.shown(parent).await), ["filled", "new"]);
    let leg = id(&order["legs"][0]);
    let (status, new) = client.patch(leg, json!({"stop_price": "96"})).await;
    assert_eq!((status, &new["order_class"]), (200, &json!("oto")), "{new}");
    let shown = client.shown(parent).await;
    assert_eq!((id(&shown["legs"][0]), &shown["legs"][0]["stop_price"]), (id(&new), &json!("96")));
    assert_eq!(client.shown(leg).await["status"], "replaced");
    let more = client.patch(id(&new), json!({"qty": "11"})).await;
    assert_eq!(refusal(&more).1, 42_210_000);

    // Entries and held legs can be replaced, too.
    let entry = limit_order("buy", "5", "50", "later");
    let (_, order) = client.order(bracket(entry, "120", "40")).await;
    let (_, entry) = client.patch(id(&order), json!({"limit_price": "51"})).await;
    assert_eq!(statuses(&entry), ["accepted", "held", "held"]);
    let (_, stop) = client.patch(id(&order["legs"][1]), json!({"stop_price": "45"})).await;
    assert_eq!(stop["status"], "held");
    let shown = client.shown(id(&entry)).await;
    assert_eq!((statuses(&shown), id(&shown["legs"][1])), (vec!["new", "held", "held"], id(&stop)));
    assert_eq!(statuses(&client.shown(id(&order)).await), ["replaced"]);
    venue.stop().await;

    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.minute(1).await;
    assert_eq!(statuses(&client.shown(parent).await), ["filled", "filled"], "sold at 95");
    assert_eq!(client.delete(&format!("/v2/orders/{}", id(&stop))).await.0, 204);
    assert_eq!(client.get("/v2/orders").await.1, json!([]));
    venue.stop().await;
}

#[tokio::test]
async fn a_bracket_outside_of_the_sessions_waits_and_ends_with_its_day() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::in_sessions()).await;
    let client = &venue.client;
    client.minute(10).await;
    let (_, order) = client.order(bracket(market_order("buy", "10", "entry"), "110", "80")).await;
    client.minute(59).await;
    assert_eq!(statuses(&client.shown(id(&order)).await), ["new", "held", "held"]);
    client.minute(61).await;
    assert_eq!(statuses(&client.shown(id(&order)).await), ["filled", "new", "held"]);
    client.minute(62).await;
    assert_eq!(statuses(&client.shown(id(&order)).await), ["filled", "expired", "expired"]);
    assert_eq!(client.get("/v2/positions/AAPL").await.1["qty_available"], "10");
    venue.stop().await;
}

#[tokio::test]
async fn wrong_brackets_are_refused() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let entry = || limit_order("buy", "10", "97", "x");
    let with = |name: &str, value: Value| {
        let mut order = bracket(entry(), "108", "90");
        order[name] = value;
        order
    };
    for (order, text) in [
        (with("side", json!("sell")), "bracket orders must be entry orders"),
        (with("type", json!("stop")), "bracket orders must be market or limit orders"),
        (with("time_in_force", json!("ioc")), "time_in_force day or gtc"),
        (with("stop_loss", json!(null)), "bracket orders require stop_loss.stop_price"),
        (with("take_profit", json!({})), "take_profit.limit_price is required"),
        (bracket(entry(), "97", "90"), "take_profit.limit_price must be >= base_price + 0.01"),
        (bracket(entry(), "108", "97"), "stop_loss.stop_price must be <= base_price - 0.01"),
        (
            bracket(market_order("buy", "1", "x"), "100", "90"),
            "take_profit.limit_price must be >= base_price + 0.01",
        ),
        (
            with("stop_loss", json!({"stop_price": "90", "limit_price": "91"})),
            "the limit price must not be before the stop price",
        ),
        (with("order_class", json!("oto")), "either take_profit or stop_loss"),
    ] {
        let answer = client.order(order).await;
        let (status, code, message) = refusal(&answer);
        assert_eq!((status, code), (422, 42_210_000), "{answer:?}");
        assert!(message.contains(text), "{text}: {message}");
    }
    assert_eq!(client.get("/v2/orders?status=all").await.1, json!([]));
    venue.stop().await;
}
