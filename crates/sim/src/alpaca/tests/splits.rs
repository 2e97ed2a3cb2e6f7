use super::{Client, Dir, START, Stocks, Value, Venue, market_order};
use crate::alpaca::new_york;
use crate::testing::{dec, sym};
use everwarm_domain::money::Decimal;
use everwarm_domain::split::{Ratio, Split};
use everwarm_domain::time::{DAY, date_of};
use serde_json::json;

const ACTIONS: &str = "/v1/corporate-actions";

/// The day after the start.
fn ex_day() -> i64 {
    new_york::day(START) + 1
}

fn split(symbol: &str, ex_day: i64, new: u32, old: u32) -> Split {
    Split { symbol: sym(symbol), ex_day, ratio: Ratio::new(new, old).expect("a ratio") }
}

fn with(splits: &[Split]) -> Stocks {
    Stocks { splits: splits.to_vec(), ..Stocks::always() }
}

/// Shares and average price of AAPL.
async fn position(client: &Client) -> (Decimal, Decimal) {
    let (status, row) = client.get("/v2/positions/AAPL").await;
    assert_eq!(status, 200, "{row}");
    let number = |name: &str| dec(row[name].as_str().expect("a text"));
    assert_eq!(number("qty"), number("qty_available"), "{row}");
    (number("qty"), number("avg_entry_price"))
}

async fn cash(client: &Client) -> Decimal {
    let (_, account) = client.get("/v2/account").await;
    dec(account["cash"].as_str().expect("a text"))
}

#[tokio::test]
async fn a_split_cancels_orders_and_replaces_the_shares_once() {
    let dir = Dir::new();
    let splits = [split("AAPL", ex_day(), 7, 1)];
    let venue = Venue::begun(&dir, with(&splits)).await;
    venue.client.placed(market_order("buy", "10", "in")).await;
    let (shares, price) = position(&venue.client).await;
    let stop = json!({
        "symbol": "AAPL", "qty": "10", "side": "sell", "type": "stop", "stop_price": "50",
        "time_in_force": "gtc", "client_order_id": "stop",
    });
    let stop = venue.client.placed(stop).await;
    let status = async |client: &Client| client.get(&format!("/v2/orders/{stop}")).await.1;
    let (begin, money) = (new_york::midnight(ex_day()), cash(&venue.client).await);
    venue.client.advance(begin - 1).await;
    assert_eq!(status(&venue.client).await["status"], "new");

    venue.client.advance(begin).await;
    assert_eq!(status(&venue.client).await["status"], "canceled");
    let after = position(&venue.client).await;
    assert_eq!(after.0, shares * dec("7"));
    let off = (after.1 * dec("7") - price).abs();
    assert!(off < dec("0.00000001"), "{after:?} from {price}");
    assert_eq!(cash(&venue.client).await, money);
    let (_, fills) = venue.client.get("/v2/account/activities/FILL").await;
    assert_eq!(fills[0]["cum_qty"], "10", "a fill stays as it happened: {fills}");
    venue.stop().await;

    let venue = Venue::open(&dir, with(&splits)).await;
    venue.client.advance(begin + 3 * DAY).await;
    assert_eq!(position(&venue.client).await, after, "no restart repeats it");
    venue.stop().await;
}

#[tokio::test]
async fn a_reverse_split_pays_for_the_fraction_of_a_share() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, with(&[split("AAPL", ex_day(), 1, 10)])).await;
    venue.client.placed(market_order("buy", "15", "in")).await;
    let (begin, money) = (new_york::midnight(ex_day()), cash(&venue.client).await);
    venue.client.advance(begin - 1).await;
    let (_, row) = venue.client.get("/v2/positions/AAPL").await;
    let last = dec(row["current_price"].as_str().expect("a text"));
    venue.client.advance(begin).await;
    assert_eq!(position(&venue.client).await.0, Decimal::ONE);
    let half = last * dec("10") / dec("2");
    assert_eq!(cash(&venue.client).await - money, half.round_dp(2));
    venue.stop().await;
}

#[tokio::test]
async fn splits_are_listed_by_day_type_and_symbol_in_pages() {
    let dir = Dir::new();
    let splits = [
        split("AAPL", ex_day(), 7, 1),
        split("MSFT", ex_day(), 1, 10),
        split("MSFT", ex_day() + 2, 3, 2),
    ];
    let venue = Venue::begun(&dir, with(&splits)).await;
    let client = &venue.client;
    let list = async |query: &str| client.get(&format!("{ACTIONS}?{query}")).await;
    let (status, none) = list("").await;
    let nothing = json!({"corporate_actions": {}, "next_page_token": null});
    assert_eq!((status, none), (200, nothing), "today there is none");
    let (from, to) = (date_of(ex_day()), date_of(ex_day() + 2));
    let range = format!("start={from}&end={to}");
    let (_, all) = list(&range).await;
    let rates = |rows: &Value| -> Vec<String> {
        let row =
            |row: &Value| format!("{} {}:{}", row["symbol"], row["new_rate"], row["old_rate"]);
        rows.as_array().map(|rows| rows.iter().map(row).collect()).unwrap_or_default()
    };
    let forward = |page: &Value| rates(&page["corporate_actions"]["forward_splits"]);
    let reverse = |page: &Value| rates(&page["corporate_actions"]["reverse_splits"]);
    assert_eq!(forward(&all), ["\"AAPL\" 7:1", "\"MSFT\" 3:2"]);
    assert_eq!(reverse(&all), ["\"MSFT\" 1:10"]);
    assert_eq!(all["corporate_actions"]["forward_splits"][0]["ex_date"], json!(from));
    let (_, some) = list(&format!("{range}&types=reverse_split&symbols=AAPL,MSFT")).await;
    assert_eq!((forward(&some).len(), reverse(&some).len()), (0, 1));

    let (_, first) = list(&format!("{range}&limit=2")).await;
    let token = first["next_page_token"].as_str().expect("a token");
    let (_, second) = list(&format!("{range}&limit=2&page_token={token}")).await;
    assert_eq!(forward(&second), ["\"MSFT\" 3:2"]);
    assert_eq!(second["next_page_token"], Value::Null);
    for wrong in ["start=yesterday", "limit=0", "page_token=x", "start=2030-01-02&end=2030-01-01"] {
        assert_eq!(list(wrong).await.0, 400, "{wrong}");
    }
    venue.stop().await;
}
