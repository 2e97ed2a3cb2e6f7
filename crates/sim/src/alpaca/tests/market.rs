use super::{Dir, Method, Stocks, Venue};
use serde_json::{Value, json};

const BARS: &str = "/v2/stocks/bars?symbols=MSFT,AAPL&start=2023-11-14T22:00:00Z";

#[tokio::test]
async fn bars_are_paged_symbol_by_symbol() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.minute(3).await;
    let (status, all) = client.get(&format!("{BARS}&timeframe=1Min")).await;
    assert_eq!((status, &all["next_page_token"]), (200, &Value::Null));
    let count = |rows: &Value| rows.as_array().map_or(0, Vec::len);
    // The minute without trades is missing.
    assert_eq!((count(&all["bars"]["AAPL"]), count(&all["bars"]["MSFT"])), (12, 11));
    assert_eq!(
        all["bars"]["AAPL"][11],
        json!({"t": "2023-11-14T22:15:00Z", "o": 105, "h": 108, "l": 90, "c": 92, "v": 4000, "n": 4,
            "vw": 98.75})
    );
    for sort in ["asc", "desc"] {
        let (_, whole) = client.get(&format!("{BARS}&timeframe=1Min&sort={sort}")).await;
        for limit in [1, 5, 11, 12, 23] {
            let mut pages: Vec<(String, Value)> = Vec::new();
            let mut token = String::new();
            loop {
                let path = format!("{BARS}&timeframe=1Min&sort={sort}&limit={limit}{token}");
                let (status, page) = client.get(&path).await;
                assert_eq!(status, 200, "{page}");
                let mut on_page = 0;
                for (symbol, rows) in page["bars"].as_object().expect("bars") {
                    let rows = rows.as_array().expect("rows");
                    on_page += rows.len();
                    pages.extend(rows.iter().map(|row| (symbol.clone(), row.clone())));
                }
                assert!((1..=limit).contains(&on_page), "{on_page} of {limit}");
                let Some(next) = page["next_page_token"].as_str() else { break };
                token = format!("&page_token={}", next.replace('=', "%3D").replace('+', "%2B"));
            }
            let wanted = ["AAPL", "MSFT"].into_iter().flat_map(|symbol| {
                let rows = whole["bars"][symbol].as_array().expect("rows");
                rows.iter().map(move |row| (symbol.to_owned(), row.clone()))
            });
            assert_eq!(pages, wanted.collect::<Vec<_>>(), "{sort} {limit}");
        }
    }
    venue.stop().await;
}

#[tokio::test]
async fn wider_bars_are_sums_of_minutes() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.minute(62).await;
    let get = async |rest: &str| {
        let (status, answer) = client.get(&format!("/v2/stocks/bars?symbols=AAPL&{rest}")).await;
        assert_eq!(status, 200, "{answer}");
        answer["bars"]["AAPL"].as_array().cloned().unwrap_or_default()
    };
    let hours = get("timeframe=1Hour&start=2023-11-14T22:00:00Z").await;
    let opens: Vec<&Value> = hours.iter().map(|row| &row["t"]).collect();
    assert_eq!(opens, ["2023-11-14T22:00:00Z", "2023-11-14T23:00:00Z"]);
    assert_eq!(
        (
            &hours[0]["o"],
            &hours[0]["h"],
            &hours[0]["l"],
            &hours[0]["c"],
            &hours[0]["v"],
            &hours[0]["n"]
        ),
        (&json!(100), &json!(110), &json!(90), &json!(92), &json!(48_000), &json!(48))
    );
    // A bar that opened before the start is not in the range.
    assert_eq!(get("timeframe=1Hour&start=2023-11-14T22:00:01Z").await, hours[1..]);
    assert_eq!(
        get("timeframe=1Hour&start=2023-11-14T22:00:00Z&end=2023-11-14T22:59:59Z").await,
        hours[..1]
    );
    let quarters = get("timeframe=15Min&start=2023-11-14&limit=2").await;
    assert_eq!(
        (&quarters[0]["t"], &quarters[0]["n"]),
        (&json!("2023-11-14T22:00:00Z"), &json!(44))
    );
    // Without a start: the day in New York, which is one bar.
    let days = get("timeframe=1Day").await;
    assert_eq!((days.len(), &days[0]["t"]), (1, &json!("2023-11-14T05:00:00Z")));
    assert_eq!(
        (&days[0]["o"], &days[0]["c"], &days[0]["n"]),
        (&json!(100), &json!(91.5), &json!(56))
    );
    for wrong in [
        "symbols=AAPL",
        "timeframe=1Min",
        "symbols=AAPL&timeframe=7Min",
        "symbols=no%20such&timeframe=1Min",
        "symbols=AAPL&timeframe=1Min&limit=0",
        "symbols=AAPL&timeframe=1Min&limit=10001",
        "symbols=AAPL&timeframe=1Min&start=soon",
        "symbols=AAPL&timeframe=1Min&page_token=x",
        "symbols=AAPL&timeframe=1Min&start=2023-11-14&end=2023-11-13",
    ] {
        let (status, body) = client.get(&format!("/v2/stocks/bars?{wrong}")).await;
        assert_eq!((status, body["message"].is_string()), (400, true), "{wrong}");
    }
    let unknown = client.get("/v2/stocks/bars?symbols=NOPE&timeframe=1Min").await.1;
    assert_eq!(unknown, json!({"bars": {}, "next_page_token": null}));
    venue.stop().await;
}

#[tokio::test]
async fn last_trades_and_assets_are_shown() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    client.minute(1).await;
    let (_, trades) = client.get("/v2/stocks/trades/latest?symbols=AAPL,NOPE").await;
    assert_eq!(trades["trades"].as_object().map(serde_json::Map::len), Some(1));
    let last = &trades["trades"]["AAPL"];
    assert_eq!((&last["p"], &last["t"]), (&json!(105), &json!("2023-11-14T22:14:59.999Z")));
    let (_, one) = client.get("/v2/stocks/AAPL/trades/latest").await;
    assert_eq!((&one["symbol"], &one["trade"]), (&json!("AAPL"), last));
    let (_, snapshots) = client.get("/v2/stocks/snapshots?symbols=AAPL").await;
    let shot = &snapshots["AAPL"];
    assert_eq!((&shot["latestTrade"], &shot["minuteBar"]["c"]), (last, &json!(105)));
    assert_eq!((&shot["dailyBar"]["o"], &shot["prevDailyBar"]), (&json!(100), &Value::Null));

    let (_, assets) = client.get("/v2/assets?status=active&asset_class=us_equity").await;
    assert_eq!(assets.as_array().map(Vec::len), Some(2));
    let (_, asset) = client.get("/v2/assets/AAPL").await;
    assert_eq!(
        (&asset["class"], &asset["tradable"], &asset["fractionable"]),
        (&json!("us_equity"), &json!(true), &json!(false))
    );
    let id = asset["id"].as_str().expect("an id");
    assert_eq!(client.get(&format!("/v2/assets/{id}")).await.1, asset);
    let body = json!({"symbol": "AAPL", "standing": "halted"}).to_string();
    assert_eq!(client.send(Method::POST, "/sim/v1/standing", &body).await.0, 200);
    assert_eq!(client.get("/v2/assets/AAPL").await.1["tradable"], json!(false));
    let refused = client.order(super::market_order("buy", "1", "x")).await;
    assert_eq!(super::refusal(&refused), (403, 40_310_000, "trading of AAPL is halted"));
    venue.stop().await;
}
