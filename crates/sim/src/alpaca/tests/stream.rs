use super::{Dir, SinkExt, Stocks, Value, Venue, ask, limit_order, market_order, next, next_frame};
use crate::testing::dec;
use crate::wire::sign::{DEMO_KEY, DEMO_SECRET};
use everwarm_domain::money::Decimal;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn updates_come_as_binary_frames_in_order() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let client = &venue.client;
    let mut updates = client.updates().await;
    let id = client.placed(market_order("buy", "900", "big")).await;
    let refused = client.order(market_order("buy", "10", "big")).await;
    assert_eq!(refused.0, 422, "a refusal has no message");
    let id = json!(id);
    let (first, binary) = next_frame(&mut updates).await.expect("a message");
    assert!(binary, "JSON in binary frames");
    let (data, order) = (&first["data"], &first["data"]["order"]);
    assert_eq!((&first["stream"], &data["event"]), (&json!("trade_updates"), &json!("new")));
    assert_eq!(
        (&order["id"], &order["status"], &order["filled_qty"]),
        (&id, &json!("new"), &json!("0"))
    );
    assert!(data.get("price").is_none() && data["execution_id"].is_string(), "{data}");

    let mut filled = Decimal::ZERO;
    let mut executions = vec![data["execution_id"].clone()];
    loop {
        let update = next(&mut updates).await;
        let data = &update["data"];
        filled += dec(data["qty"].as_str().expect("a quantity"));
        let so_far = json!(super::super::number(filled));
        assert_eq!((&data["order"]["filled_qty"], &data["position_qty"]), (&so_far, &so_far));
        assert!(!executions.contains(&data["execution_id"]), "each execution has its own id");
        executions.push(data["execution_id"].clone());
        let last = filled == dec("900");
        let (event, status) =
            if last { ("fill", "filled") } else { ("partial_fill", "partially_filled") };
        assert_eq!((&data["event"], &data["order"]["status"]), (&json!(event), &json!(status)));
        if last {
            break;
        }
    }
    assert!(executions.len() > 2, "a large order has several fills");
    let (_, fills) = client.get("/v2/account/activities/FILL?direction=asc").await;
    let same: Vec<Value> =
        fills.as_array().expect("rows").iter().map(|row| row["execution_id"].clone()).collect();
    assert_eq!(same, executions[1..]);

    let id = client.placed(limit_order("sell", "5", "200", "rest")).await;
    client.delete(&format!("/v2/orders/{id}")).await;
    for event in ["new", "canceled"] {
        assert_eq!(next(&mut updates).await["data"]["event"], event);
    }
    // What a limit does not fill immediately is cancelled.
    let mut order = limit_order("buy", "5", "90", "ioc");
    order["time_in_force"] = "ioc".into();
    client.placed(order).await;
    for event in ["new", "canceled"] {
        assert_eq!(next(&mut updates).await["data"]["event"], event);
    }
    venue.stop().await;
}

#[tokio::test]
async fn only_the_account_listens() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let mut socket = venue.client.socket("/stream").await;
    let listen = json!({"action": "listen", "data": {"streams": ["trade_updates"]}});
    assert_eq!(ask(&mut socket, listen.clone()).await["data"]["status"], "unauthorized");
    let wrong = json!({"action": "auth", "key": DEMO_KEY, "secret": "wrong"});
    let denied = json!({"stream": "authorization",
        "data": {"status": "unauthorized", "action": "authenticate"}});
    assert_eq!(ask(&mut socket, wrong).await, denied);
    let keys = json!({"action": "auth", "key": DEMO_KEY, "secret": DEMO_SECRET});
    // Binary frames are read, too.
    socket.send(Message::binary(keys.to_string().into_bytes())).await.expect("sent");
    assert_eq!(next(&mut socket).await["data"]["status"], "authorized");
    for text in ["", "nothing", "[]", "{\"action\": 7}", "{\"action\": \"dance\"}"] {
        socket.send(Message::text(text)).await.expect("sent");
        assert_eq!(next(&mut socket).await["stream"], "error", "{text}");
    }
    socket.send(Message::binary(vec![0xff, 0xfe])).await.expect("sent");
    assert_eq!(next(&mut socket).await["stream"], "error");
    let other = json!({"action": "listen", "data": {"streams": ["account_updates"]}});
    assert_eq!(ask(&mut socket, other).await["data"]["streams"], json!([]));
    assert_eq!(ask(&mut socket, listen).await["data"]["streams"], json!(["trade_updates"]));
    venue.stop().await;
}
