use super::{Dir, SinkExt, Stocks, Venue, ask, next, next_frame};
use crate::server::sockets::Patience;
use crate::wire::sign::DEMO_KEY;
use serde_json::json;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn bars_arrive_after_their_minute() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let mut feed = client.feed("/v2/iex").await;
    let wanted = json!({"action": "subscribe", "bars": ["AAPL"], "updatedBars": ["AAPL"]});
    let lists = ask(&mut feed, wanted).await;
    assert_eq!((&lists[0]["T"], &lists[0]["bars"]), (&json!("subscription"), &json!(["AAPL"])));
    assert_eq!((&lists[0]["updatedBars"], &lists[0]["trades"]), (&json!(["AAPL"]), &json!([])));
    client.minute(1).await;
    let (bar, binary) = next_frame(&mut feed).await.expect("a message");
    assert!(!binary, "text frames");
    assert_eq!(
        bar,
        json!([{"T": "b", "S": "AAPL", "t": "2023-11-14T22:14:00Z", "o": 100, "h": 110, "l": 95,
            "c": 105, "v": 4000, "n": 4, "vw": 102.5}])
    );
    // The third minute has no trades, so it has no bar.
    client.minute(3).await;
    assert_eq!(next(&mut feed).await[0]["t"], "2023-11-14T22:15:00Z");
    let lists =
        ask(&mut feed, json!({"action": "subscribe", "trades": ["*"], "bars": ["MSFT"]})).await;
    assert_eq!(lists[0]["code"], 405, "all symbols are too many for this feed");
    let lists = ask(&mut feed, json!({"action": "unsubscribe", "bars": ["AAPL"]})).await;
    assert_eq!(lists[0]["bars"], json!([]), "nothing of the refused request is kept");
    let lists = ask(&mut feed, json!({"action": "subscribe", "trades": ["AAPL"]})).await;
    assert_eq!(lists[0]["trades"], json!(["AAPL"]));
    client.minute(61).await;
    for price in [json!(93), json!(94), json!(91), json!(91.5)] {
        let message = next(&mut feed).await;
        let trade = &message[0];
        assert_eq!((&trade["T"], &trade["s"]), (&json!("t"), &json!(1000)));
        assert!(trade["p"] == price || trade["p"] == json!(91) || trade["p"] == json!(94));
    }
    venue.stop().await;
}

#[tokio::test]
async fn a_feed_refuses_what_the_venue_refuses() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let mut first = client.feed("/v2/iex").await;
    let mut early = client.socket("/v2/iex").await;
    next(&mut early).await;
    let bars = json!({"action": "subscribe", "bars": ["AAPL"]});
    assert_eq!(ask(&mut early, bars.clone()).await[0]["code"], 401);
    for text in ["", "{", "[]", "7", "{\"action\": 1}"] {
        early.send(Message::text(text)).await.expect("sent");
        assert_eq!(next(&mut early).await[0]["code"], 400, "{text}");
    }
    let wrong = json!({"action": "auth", "key": DEMO_KEY, "secret": "wrong"});
    assert_eq!(ask(&mut early, wrong).await[0]["code"], 402);
    assert_eq!(next_frame(&mut early).await, None, "it is closed");
    let keys = json!({"action": "auth", "key": DEMO_KEY, "secret": crate::wire::sign::DEMO_SECRET});
    let mut second = client.socket("/v2/iex").await;
    next(&mut second).await;
    assert_eq!(ask(&mut second, keys.clone()).await[0]["code"], 406, "one connection a feed");
    assert_eq!(next_frame(&mut second).await, None, "it is closed");
    let mut other = client.feed("/v2/sip").await;
    assert_eq!(ask(&mut first, keys).await[0]["code"], 403);

    let many: Vec<String> = (0..31).map(|i| format!("S{i}")).collect();
    let over = json!({"action": "subscribe", "bars": many});
    assert_eq!(ask(&mut first, over.clone()).await[0]["code"], 405);
    assert_eq!(ask(&mut other, over).await[0]["T"], "subscription");
    let some = json!({"action": "subscribe", "bars": many[..30], "quotes": many[..30]});
    assert_eq!(ask(&mut first, some).await[0]["T"], "subscription");
    for (wrong, code) in [
        (json!({"action": "subscribe", "news": ["AAPL"]}), 410),
        (json!({"action": "subscribe", "bars": "AAPL"}), 400),
        (json!({"action": "subscribe", "bars": ["no such"]}), 400),
        (json!({"action": "subscribe", "bars": [1]}), 400),
    ] {
        assert_eq!(ask(&mut first, wrong.clone()).await[0]["code"], code, "{wrong}");
    }
    // The feed is free again after the connection has ended.
    drop(first);
    loop {
        let mut again = client.socket("/v2/iex").await;
        next(&mut again).await;
        let keys = json!({"action": "auth", "key": DEMO_KEY,
            "secret": crate::wire::sign::DEMO_SECRET});
        if ask(&mut again, keys).await[0]["T"] == "success" {
            break;
        }
    }
    venue.stop().await;
}

#[tokio::test]
async fn a_connection_must_log_on_in_time() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    assert_eq!(Patience::default().log_on, Duration::from_secs(10));
    venue.sim.wait(Patience { log_on: Duration::from_millis(50), ..Patience::default() });
    let mut late = venue.client.socket("/v2/iex").await;
    next(&mut late).await;
    assert_eq!(next(&mut late).await, json!([{"T": "error", "code": 404, "msg": "auth timeout"}]));
    assert_eq!(next_frame(&mut late).await, None, "it is closed");
    venue.stop().await;
}
