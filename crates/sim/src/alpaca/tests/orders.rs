use super::{Dir, Stocks, Value, Venue, limit_order, market_order, refusal};
use crate::testing::dec;
use everwarm_domain::money::Decimal;
use serde_json::json;

fn number(value: &Value) -> Decimal {
    dec(value.as_str().expect("a text"))
}

fn sum(rows: &Value, name: &str) -> Decimal {
    rows.as_array().expect("rows").iter().map(|row| number(&row[name])).sum()
}

#[tokio::test]
async fn a_market_order_fills_and_shows_everywhere() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let (status, order) = client.order(market_order("buy", "10", "one")).await;
    assert_eq!(
        (status, &order["status"], &order["filled_qty"]),
        (200, &json!("accepted"), &json!("0"))
    );
    let id = order["id"].as_str().expect("an id");
    let (status, order) = client.get(&format!("/v2/orders/{id}")).await;
    assert_eq!(
        (status, &order["status"], &order["filled_qty"]),
        (200, &json!("filled"), &json!("10"))
    );
    assert_eq!((&order["time_in_force"], &order["type"]), (&json!("day"), &json!("market")));
    assert!(order["filled_at"].is_string() && order["canceled_at"].is_null(), "{order}");
    let same = client.get("/v2/orders:by_client_order_id?client_order_id=one").await;
    assert_eq!(same, (200, order.clone()));

    let (_, fills) = client.get(&format!("/v2/account/activities/FILL?order_id={id}")).await;
    assert_eq!(sum(&fills, "qty"), dec("10"), "{fills}");
    let row = &fills[0];
    assert_eq!(
        (&row["order_id"], &row["side"], &row["symbol"]),
        (&order["id"], &json!("buy"), &json!("AAPL"))
    );
    let amount: Decimal = fills
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| number(&row["qty"]) * number(&row["price"]))
        .sum();

    let (_, position) = client.get("/v2/positions/AAPL").await;
    let whole = (&position["qty"], &position["qty_available"], &position["side"]);
    assert_eq!(whole, (&json!("10"), &json!("10"), &json!("long")), "no commission: {position}");
    assert_eq!(position["avg_entry_price"], order["filled_avg_price"]);
    assert_eq!(number(&position["avg_entry_price"]) * dec("10"), amount);
    assert_eq!(client.get("/v2/positions").await.1, json!([position]));
    let (_, account) = client.get("/v2/account").await;
    let left = super::super::number(dec("100000") - amount);
    for name in ["cash", "buying_power", "non_marginable_buying_power"] {
        assert_eq!(account[name], json!(left), "{name}");
    }
    assert_eq!(
        (&account["status"], &account["trading_blocked"]),
        (&json!("ACTIVE"), &json!(false))
    );
    venue.stop().await;
}

#[tokio::test]
async fn a_client_id_is_used_up_for_good() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let filled = client.placed(market_order("buy", "1", "filled")).await;
    let resting = client.placed(limit_order("buy", "1", "50", "cancelled")).await;
    assert_eq!(client.delete(&format!("/v2/orders/{resting}")).await.0, 204);
    client.placed(limit_order("buy", "1", "50", "open")).await;
    let unique = (422, 40_010_001, "client_order_id must be unique");
    let all = ["filled", "cancelled", "open"];
    for id in all {
        // Other terms and another symbol do not help.
        let mut other = market_order("sell", "1", id);
        other["symbol"] = "MSFT".into();
        assert_eq!(refusal(&client.order(other).await), unique, "{id}");
        assert_eq!(refusal(&client.order(market_order("buy", "1", id)).await), unique, "{id}");
    }
    let account = client.get("/v2/account").await;
    venue.stop().await;

    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    for id in all {
        assert_eq!(refusal(&client.order(market_order("buy", "1", id)).await), unique, "{id}");
    }
    let path = "/v2/orders:by_client_order_id?client_order_id=filled";
    assert_eq!(client.get(path).await.1["id"], json!(filled), "the same id after a restart");
    assert_eq!(client.get("/v2/account").await, account, "no order was placed twice");
    // A refused order uses no id up.
    let order = market_order("sell", "50", "refused");
    assert_eq!(client.order(order).await.0, 403);
    client.placed(market_order("buy", "2", "refused")).await;
    venue.stop().await;
}

#[tokio::test]
async fn orders_rest_and_are_cancelled() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let first = client.placed(limit_order("buy", "10", "90.25", "a")).await;
    let second = client.placed(limit_order("buy", "20", "91", "b")).await;
    let (_, account) = client.get("/v2/account").await;
    assert_eq!((&account["cash"], &account["buying_power"]), (&json!("100000"), &json!("97277.5")));
    let (_, open) = client.get("/v2/orders").await;
    let ids: Vec<&str> =
        open.as_array().expect("rows").iter().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!(ids, [second.as_str(), &first], "the newest first");
    assert_eq!(client.get("/v2/orders?direction=asc&limit=1").await.1[0]["id"], json!(first));
    assert_eq!(client.get("/v2/orders?symbols=MSFT").await.1, json!([]));

    assert_eq!(client.delete(&format!("/v2/orders/{first}")).await, (204, json!("")));
    let again = client.delete(&format!("/v2/orders/{first}")).await;
    assert_eq!(refusal(&again), (422, 42_210_000, "order is already in \"canceled\" state"));
    let unknown = client.delete("/v2/orders/00000000-0000-4000-8000-000000000000").await;
    assert_eq!(refusal(&unknown), (404, 40_410_000, "order not found"));
    let (status, rows) = client.delete("/v2/orders").await;
    assert_eq!((status, &rows[0]["id"], &rows[0]["status"]), (207, &json!(second), &json!(200)));
    assert_eq!(client.delete("/v2/orders").await, (207, json!([])));
    let (_, closed) = client.get("/v2/orders?status=closed&direction=asc").await;
    assert_eq!((&closed[0]["id"], &closed[0]["status"]), (&json!(first), &json!("canceled")));
    assert!(closed[0]["canceled_at"].is_string(), "{closed}");
    assert_eq!(client.get("/v2/account").await.1["buying_power"], "100000");
    venue.stop().await;
}

#[tokio::test]
async fn executions_are_paged_without_gaps() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let page = |token: Option<&str>| {
        let token = token.map_or(String::new(), |token| format!("&page_token={token}"));
        format!("/v2/account/activities/FILL?direction=asc&page_size=2{token}")
    };
    let mut known = Vec::new();
    let mut token: Option<String> = None;
    // Venue time stands still, so all executions have the same time.
    for (i, symbol) in ["MSFT", "AAPL", "MSFT", "AAPL"].into_iter().enumerate() {
        let mut order = market_order("buy", "300", &format!("order-{i}"));
        order["symbol"] = symbol.into();
        client.placed(order).await;
        loop {
            let (status, rows) = client.get(&page(token.as_deref())).await;
            assert_eq!(status, 200, "{rows}");
            let rows = rows.as_array().expect("rows").clone();
            let Some(last) = rows.last() else { break };
            token = last["id"].as_str().map(str::to_owned);
            known.extend(rows);
        }
    }
    // From the beginning, a page may begin between executions of two symbols.
    let (mut again, mut token) = (Vec::new(), None);
    loop {
        let rows = client.get(&page(token.as_deref())).await.1;
        let rows = rows.as_array().expect("rows").clone();
        let Some(last) = rows.last() else { break };
        token = last["id"].as_str().map(str::to_owned);
        again.extend(rows);
    }
    assert_eq!(again, known);
    let total: Decimal = known.iter().map(|row| number(&row["qty"])).sum();
    assert_eq!(total, dec("1200"), "every execution once");
    for row in &known {
        assert!(row["id"].as_str().expect("an id").starts_with("20231114221400000::"), "{row}");
        let whole = row["leaves_qty"] == "0";
        assert_eq!(row["type"], if whole { "fill" } else { "partial_fill" });
        assert_eq!(number(&row["cum_qty"]) + number(&row["leaves_qty"]), dec("300"));
    }
    let (_, newest) = client.get("/v2/account/activities/FILL").await;
    let mut reversed = newest.as_array().expect("rows").clone();
    reversed.reverse();
    assert_eq!(reversed, known);
    let (_, later) = client.get("/v2/account/activities/FILL?after=2023-11-14T22:14:00Z").await;
    assert_eq!(later, json!([]));
    venue.stop().await;
}
