use super::{Dir, Stocks, Venue, event, id, limit_order, market_order, next, refusal};
use serde_json::json;

#[tokio::test]
async fn a_replaced_order_goes_on_under_another_id() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let mut updates = client.updates().await;
    let old = client.placed(limit_order("buy", "10", "80", "old")).await;
    assert_eq!(next(&mut updates).await["data"]["event"], "new");
    let (status, new) =
        client.patch(&old, json!({"limit_price": "91", "client_order_id": "new"})).await;
    assert_eq!((status, &new["status"]), (200, &json!("accepted")), "{new}");
    assert_eq!((&new["limit_price"], &new["qty"]), (&json!("91"), &json!("10")));
    assert_eq!((&new["replaces"], &new["time_in_force"]), (&json!(old), &json!("gtc")));
    let new = id(&new).to_owned();
    assert_ne!(new, old);
    let ended = ("replaced".to_owned(), "replaced".to_owned(), old.clone());
    assert_eq!(event(&mut updates).await, ended);
    let begun = ("new".to_owned(), "new".to_owned(), new.clone());
    assert_eq!(event(&mut updates).await, begun);

    let before = client.shown(&old).await;
    assert_eq!((&before["status"], &before["replaced_by"]), (&json!("replaced"), &json!(new)));
    assert!(before["replaced_at"].is_string() && before["canceled_at"].is_null(), "{before}");
    let (_, open) = client.get("/v2/orders").await;
    assert_eq!((open.as_array().map(Vec::len), &open[0]["id"]), (Some(1), &json!(new)));
    assert_eq!(client.get("/v2/account").await.1["buying_power"], "99090");
    let by_client = client.get("/v2/orders:by_client_order_id?client_order_id=new").await;
    assert_eq!(by_client.1["id"], json!(new));

    let again = client.patch(&old, json!({"limit_price": "92"})).await;
    assert_eq!(refusal(&again), (422, 42_210_000, "order already replaced"));
    let again = client.delete(&format!("/v2/orders/{old}")).await;
    assert_eq!(refusal(&again).2, "order is already in \"replaced\" state");
    venue.stop().await;

    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    assert_eq!(client.shown(&old).await, before, "the same after a restart");
    client.minute(2).await;
    let filled = client.shown(&new).await;
    assert_eq!((&filled["status"], &filled["filled_avg_price"]), (&json!("filled"), &json!("91")));
    let late = client.patch(&new, json!({"limit_price": "92"})).await;
    assert_eq!(refusal(&late), (422, 42_210_000, "cannot replace order in filled status"));
    venue.stop().await;
}

#[tokio::test]
async fn a_replacement_that_is_refused_leaves_the_order() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.placed(market_order("buy", "5", "in")).await;
    let buy = client.placed(limit_order("buy", "10", "80", "buy")).await;
    let sale = client.placed(limit_order("sell", "5", "120", "sale")).await;
    let power = client.get("/v2/account").await.1["buying_power"].clone();
    for (order, changes, status, code, text) in [
        (&buy, json!({"limit_price": "80"}), 422, 42_210_000, "parameters are not changed"),
        (&buy, json!({}), 422, 42_210_000, "parameters are not changed"),
        (&buy, json!({"qty": "5000"}), 403, 40_310_000, "insufficient buying power"),
        (&buy, json!({"limit_price": "80.001"}), 422, 42_210_000, "sub-penny"),
        (&buy, json!({"stop_price": "90"}), 422, 42_210_000, "has no stop_price"),
        (&buy, json!({"trail": "1"}), 422, 42_210_000, "has no trail"),
        (&buy, json!({"time_in_force": "ioc"}), 422, 42_210_000, "day and gtc only"),
        (&buy, json!({"qty": "1.5"}), 403, 40_310_000, "not fractionable"),
        (&buy, json!({"limit_price": "81", "client_order_id": "in"}), 422, 40_010_001, "unique"),
        (&sale, json!({"qty": "6"}), 403, 40_310_000, "requested: 6, available: 0"),
    ] {
        let answer = client.patch(order, changes.clone()).await;
        let (got, number, message) = refusal(&answer);
        assert_eq!((got, number), (status, code), "{changes}: {answer:?}");
        assert!(message.contains(text), "{changes}: {message}");
        assert_eq!(client.shown(order).await["status"], "new", "{changes}");
    }
    assert_eq!(client.get("/v2/account").await.1["buying_power"], power);
    let unknown = "0edda5ed-0000-4000-8000-00000000ffff";
    assert_eq!(client.patch(unknown, json!({"qty": "1"})).await.0, 404);
    assert_eq!(client.patch(&buy, json!([])).await.0, 400);

    // What the other order holds is free for the new one.
    let (status, less) = client.patch(&sale, json!({"qty": "4", "time_in_force": "day"})).await;
    assert_eq!((status, &less["qty"], &less["time_in_force"]), (200, &json!("4"), &json!("day")));
    let (_, position) = client.get("/v2/positions/AAPL").await;
    assert_eq!((&position["qty"], &position["qty_available"]), (&json!("5"), &json!("1")));
    venue.stop().await;
}

#[tokio::test]
async fn a_replacement_may_fill_immediately() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let old = client.placed(limit_order("buy", "10", "80", "old")).await;
    let (_, new) = client.patch(&old, json!({"limit_price": "105"})).await;
    assert_eq!((&new["status"], &new["filled_qty"]), (&json!("accepted"), &json!("0")));
    let filled = client.shown(id(&new)).await;
    assert_eq!((&filled["status"], &filled["filled_qty"]), (&json!("filled"), &json!("10")));
    assert_eq!(client.get("/v2/positions/AAPL").await.1["qty"], "10");
    venue.stop().await;
}
