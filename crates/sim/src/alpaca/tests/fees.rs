use super::{Client, Dir, START, Stocks, Value, Venue, market_order, options, start};
use crate::alpaca::new_york;
use crate::server::Pace;
use crate::testing::dec;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::DAY;
use serde_json::json;

const FEES: &str = "/v2/account/activities/FEE";

async fn cash(client: &Client) -> Decimal {
    let (_, account) = client.get("/v2/account").await;
    dec(account["cash"].as_str().expect("a text"))
}

/// What was paid for purchases, and received for sales.
async fn turnover(client: &Client) -> (Decimal, Decimal) {
    let (_, fills) = client.get("/v2/account/activities/FILL").await;
    let number = |row: &Value, name: &str| dec(row[name].as_str().expect("a text"));
    let sum = |side: &str| -> Decimal {
        let rows = fills.as_array().expect("rows").iter().filter(|row| row["side"] == side);
        rows.map(|row| number(row, "price") * number(row, "qty")).sum()
    };
    (sum("buy"), sum("sell"))
}

#[tokio::test]
async fn the_sales_of_a_day_cost_fees_at_its_end_and_once() {
    let dir = Dir::new();
    let pace = Pace::Times(1);
    let sim = start(options(&dir.0, pace, Stocks::always())).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    client.placed(market_order("buy", "10", "in")).await;
    client.placed(market_order("sell", "10", "out")).await;
    let (paid, received) = turnover(&client).await;
    assert!(received > dec("900") && received < dec("1100"), "{received}");
    let of_fills = dec("100000") - paid + received;
    assert_eq!((cash(&client).await, client.get(FEES).await.1), (of_fills, json!([])));

    // 20.60 dollars a million of about 1,000, and 0.000195 dollars for each of 10 shares.
    let end = new_york::midnight(new_york::day(START) + 1);
    client.advance(end - 1).await;
    assert_eq!(cash(&client).await, of_fills, "before the end of the day");
    client.advance(end).await;
    let left = of_fills - dec("0.03") - dec("0.01");
    assert_eq!(cash(&client).await, left);
    let (_, rows) = client.get(&format!("{FEES}?direction=asc")).await;
    let shown = |row: &Value| {
        (row["activity_sub_type"].clone(), row["net_amount"].clone(), row["status"].clone())
    };
    let shown: Vec<_> = rows.as_array().expect("rows").iter().map(shown).collect();
    let fee = |name: &str, amount: &str| (json!(name), json!(amount), json!("executed"));
    assert_eq!(shown, [fee("REG", "-0.03"), fee("TAF", "-0.01")], "{rows}");
    let first = rows[0]["id"].as_str().expect("an id");
    let (_, rest) = client.get(&format!("{FEES}?direction=asc&page_token={first}")).await;
    assert_eq!(rest, json!([rows[1]]));

    // A purchase costs nothing, and a restart takes no fee again.
    client.placed(market_order("buy", "1", "more")).await;
    let (now_paid, _) = turnover(&client).await;
    sim.stop().await.expect("a clean end");
    let sim = start(options(&dir.0, pace, Stocks::always())).await.expect("started again");
    let client = Client::of(&sim);
    client.advance(end + 3 * DAY).await;
    assert_eq!(cash(&client).await, left - (now_paid - paid));
    assert_eq!(client.get(&format!("{FEES}?direction=asc")).await.1, rows);
    assert_eq!(client.get(&format!("{FEES}?page_token=x")).await.0, 422);
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn in_lockstep_there_are_no_fees() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    venue.client.placed(market_order("buy", "10", "in")).await;
    venue.client.placed(market_order("sell", "10", "out")).await;
    let before = cash(&venue.client).await;
    venue.client.advance(START + 2 * DAY).await;
    assert_eq!((cash(&venue.client).await, venue.client.get(FEES).await.1), (before, json!([])));
    venue.stop().await;
}
