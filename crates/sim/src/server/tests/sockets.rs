//! Tests of streams and the WebSocket API.

use super::{CLOSE, Client, Dir, Duration, Method, Socket, TcpStream, ask, next, options};
use crate::server::sockets::Patience;
use crate::server::{Pace, start};
use crate::testing::START;
use crate::wire::sign::{DEMO_KEY, DEMO_SECRET, hmac_hex, socket_payload};
use everwarm_domain::time::MINUTE;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn streams_carry_what_was_asked_for() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    let mut socket = client.socket("/ws/btcusdt@trade", "raw").await;
    let more =
        json!(["btcusdt@bookTicker", "btcusdt@miniTicker", "btcusdt@depth5", "!miniTicker@arr"]);
    ask(&mut socket, json!({"method": "SUBSCRIBE", "params": more, "id": 1})).await;
    client.advance(CLOSE - 3).await;
    let trade = next(&mut socket).await;
    assert_eq!(
        (&trade["e"], &trade["p"], &trade["T"]),
        (&json!("trade"), &json!("100.00000000"), &json!(CLOSE - 4))
    );
    let book = next(&mut socket).await;
    assert!(book["b"] == "99.99000000" && book["u"] == trade["t"], "{book}");
    let trade = next(&mut socket).await;
    assert_eq!(
        (&trade["p"], &trade["q"], &trade["m"]),
        (&json!("95.00000000"), &json!("10.00000000"), &json!(true))
    );
    next(&mut socket).await;
    let part = next(&mut socket).await;
    assert_eq!((part["bids"].as_array().map(Vec::len), part.get("e")), (Some(5), None));
    let mini = next(&mut socket).await;
    assert_eq!((&mini["e"], &mini["c"]), (&json!("24hrMiniTicker"), &json!("95.00000000")));
    let all = next(&mut socket).await;
    assert_eq!(all.as_array().map(Vec::len), Some(2), "{all}");

    let ack =
        ask(&mut socket, json!({"method": "SET_PROPERTY", "params": ["combined", true], "id": 2}))
            .await;
    assert_eq!(ack, json!({"result": null, "id": 2}));
    let property =
        ask(&mut socket, json!({"method": "GET_PROPERTY", "params": ["combined"], "id": 3})).await;
    assert_eq!(property["result"], true);
    client.advance(CLOSE).await;
    let trade = next(&mut socket).await;
    assert_eq!(
        (&trade["stream"], &trade["data"]["p"]),
        (&json!("btcusdt@trade"), &json!("110.00000000"))
    );
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn wider_bars_go_on_with_each_minute() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    let mut socket = client.socket("/ws/btcusdt@kline_3m", "raw").await;
    // A response on a connection shows that it is registered.
    ask(&mut socket, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    client.advance(START + 5 * MINUTE).await;
    let mut bars = Vec::new();
    for _ in 0..3 {
        let bar = next(&mut socket).await["k"].clone();
        let open = bar["t"].as_i64().expect("a time");
        bars.push(((open - START) / MINUTE, bar["x"].clone(), bar["c"].clone(), bar["i"].clone()));
    }
    let bar = |open, x: bool, c: &str| (open, json!(x), json!(c), json!("3m"));
    let wanted =
        [bar(-2, true, "105.00000000"), bar(1, false, "92.00000000"), bar(1, true, "92.00000000")];
    assert_eq!(bars, wanted, "three minutes begin two before the start");
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn who_talks_too_much_is_dropped() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    let mut socket = client.socket("/ws", "raw").await;
    let list = json!({"method": "LIST_SUBSCRIPTIONS", "id": 1}).to_string();
    for _ in 0..12 {
        let message = super::Message::text(list.clone());
        // The connection may have been dropped already.
        if super::SinkExt::send(&mut socket, message).await.is_err() {
            break;
        }
    }
    let mut answers = 0;
    while let Some(Ok(message)) = super::StreamExt::next(&mut socket).await {
        answers += usize::from(message.is_text());
    }
    assert!(answers <= 10, "five a second: {answers}");
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn what_was_given_up_is_not_sent() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let path = "/stream?streams=btcusdt@trade/ethusdt@trade";
    let mut socket = client.socket(path, "some").await;
    let less = json!({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": "less"});
    assert_eq!(ask(&mut socket, less).await, json!({"result": null, "id": "less"}));
    let left = ask(&mut socket, json!({"method": "LIST_SUBSCRIPTIONS", "id": 2})).await;
    assert_eq!(left["result"], json!(["ethusdt@trade"]));
    client.advance(CLOSE).await;
    for _ in 0..4 {
        assert_eq!(next(&mut socket).await["stream"], "ethusdt@trade");
    }
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn more_streams_than_a_connection_may_have_are_refused() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    let names = |count: usize| (0..count).map(|i| format!("a{i}@trade")).collect::<Vec<_>>();
    let path = |count| format!("/stream?streams={}", names(count).join("/"));
    let url = format!("ws://{}{}", client.at, path(1_025));
    let refused = super::connect_async(url).await.expect_err("too many");
    let tokio_tungstenite::tungstenite::Error::Http(refused) = refused else { panic!("{refused}") };
    let body = refused.body().as_deref().map(serde_json::from_slice::<Value>);
    let body = body.expect("a body").expect("JSON");
    assert_eq!((refused.status().as_u16(), &body["code"]), (400, &json!(-1191)));
    let mut socket = client.socket(&path(1_024), "full").await;
    let more = |names: &[&str], id: u32| json!({"method": "SUBSCRIBE", "params": names, "id": id});
    let response = ask(&mut socket, more(&["b@trade"], 1)).await;
    assert_eq!(response["error"]["code"], 2, "{response}");
    let response = ask(&mut socket, more(&["a0@trade"], 2)).await;
    assert_eq!(
        (&response["result"], &response["id"]),
        (&Value::Null, &json!(2)),
        "it has that already"
    );
    sim.stop().await.expect("a clean end");
}

/// Collects pings until there are `pings` of them, or the connection is over.
async fn pinged(socket: &mut Socket, pings: usize) -> (Vec<Vec<u8>>, bool) {
    let mut payloads = Vec::new();
    while payloads.len() < pings {
        match super::StreamExt::next(socket).await {
            Some(Ok(super::Message::Ping(payload))) => payloads.push(payload.to_vec()),
            Some(Ok(super::Message::Close(_)) | Err(_)) | None => return (payloads, true),
            Some(Ok(_)) => {}
        }
    }
    (payloads, false)
}

#[tokio::test]
async fn who_answers_pings_stays_and_who_does_not_is_dropped() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    let venue = Patience::default();
    assert_eq!([venue.ping, venue.pong].map(|t| t.as_secs()), [20, 60]);
    assert_eq!(venue.life.as_secs(), 86_400);
    // A client that reads answers each ping with its payload.
    let (ping, within) = (Duration::from_millis(20), Duration::from_secs(3));
    sim.wait(Patience { ping, pong: within, ..venue });
    let mut socket = client.socket("/ws-api/v3", "answers").await;
    let began = everwarm_runtime::clock::now();
    while began.elapsed() < within + Duration::from_secs(1) {
        let (payloads, over) = pinged(&mut socket, 1).await;
        assert!(!over && payloads.iter().all(|payload| !payload.is_empty()));
    }
    // Unsolicited pongs do not keep a connection alive.
    sim.wait(Patience { ping, pong: Duration::from_millis(100), ..venue });
    for (path, pongs) in [("/ws", false), ("/ws-api/v3", true)] {
        let over = silent(raw(&client, path).await, pongs);
        let over = tokio::time::timeout(Duration::from_mins(1), over).await;
        assert!(over.is_ok(), "{path}: still there");
    }
    sim.wait(Patience { life: Duration::from_millis(50), ..venue });
    for path in ["/ws", "/ws-api/v3"] {
        let mut socket = client.socket(path, "old").await;
        assert!(pinged(&mut socket, 1).await.1, "{path}: its life is over");
    }
    sim.stop().await.expect("a clean end");
}

/// A raw connection that answers no frame.
async fn raw(client: &Client, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&client.at).await.expect("a connection");
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        client.at
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

/// Answers no ping until the exchange ends the connection. With `pongs`, it sends unsolicited
/// pongs.
async fn silent(mut stream: TcpStream, pongs: bool) {
    let (mut read, mut write) = stream.split();
    let mut bytes = [0; 1024];
    loop {
        // A pong of one byte, masked by zeros.
        if pongs && write.write_all(&[0x8a, 0x81, 0, 0, 0, 0, b'x']).await.is_err() {
            return;
        }
        match read.read(&mut bytes).await {
            Ok(0) | Err(_) => return,
            // After a close frame the stream ends, too.
            Ok(_) => {}
        }
    }
}

async fn call(socket: &mut Socket, method: &str, mut params: Value, signed: bool) -> Value {
    if signed {
        params["apiKey"] = DEMO_KEY.into();
        params["timestamp"] = START.into();
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        let list: Vec<(String, String)> =
            params.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect();
        params["signature"] = hmac_hex(DEMO_SECRET, &socket_payload(&list)).into();
    }
    ask(socket, json!({"id": method, "method": method, "params": params})).await
}

#[tokio::test]
async fn the_websocket_api_takes_the_same_requests() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let mut socket = client.socket("/ws-api/v3", "api").await;
    let order = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "1", "price": "90", "newClientOrderId": "a"});
    let response = call(&mut socket, "order.place", order.clone(), true).await;
    assert_eq!(
        (&response["id"], &response["status"]),
        (&json!("order.place"), &json!(200)),
        "{response}"
    );
    assert_eq!(
        (&response["result"]["status"], &response["rateLimits"][0]["count"]),
        (&json!("NEW"), &json!(1))
    );
    assert_eq!(response["rateLimits"][2]["rateLimitType"], "REQUEST_WEIGHT");
    let again = call(&mut socket, "order.place", order.clone(), true).await;
    assert_eq!(
        (&again["status"], &again["error"]["msg"]),
        (&json!(400), &json!("Duplicate order sent."))
    );
    let open = call(&mut socket, "openOrders.status", json!({}), true).await;
    let rest = client.signed(Method::GET, "/api/v3/openOrders", "", START).await.1;
    assert_eq!(open["result"], rest);
    let same = json!({"symbol": "BTCUSDT", "origClientOrderId": "a"});
    let state = call(&mut socket, "order.status", same.clone(), true).await;
    assert_eq!(state["result"], rest[0]);
    let gone = call(&mut socket, "order.cancel", same.clone(), true).await;
    assert_eq!(gone["result"]["status"], "CANCELED");
    let gone = call(&mut socket, "order.cancel", same, true).await;
    assert_eq!(gone["error"], json!({"code": -2011, "msg": "Unknown order sent."}));
    let account =
        call(&mut socket, "account.status", json!({"omitZeroBalances": true}), true).await;
    assert_eq!(account["result"]["balances"][0]["asset"], "BTC");
    let list = json!({"symbol": "BTCUSDT", "side": "SELL", "quantity": "1",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "104", "belowType": "STOP_LOSS", "belowStopPrice": "97"});
    let response = call(&mut socket, "orderList.place.oco", list, true).await;
    assert_eq!(response["result"]["orders"].as_array().map(Vec::len), Some(2), "{response}");

    let two = json!({"symbols": ["BTCUSDT", "ETHUSDT"]});
    let response = call(&mut socket, "ticker.price", two, false).await;
    assert_eq!(response["result"].as_array().map(Vec::len), Some(2), "{response}");
    let quiet = call(&mut socket, "time", json!({"returnRateLimits": false}), false).await;
    assert_eq!(quiet.get("rateLimits"), None);
    let unsigned = call(&mut socket, "order.place", order, false).await;
    assert_eq!((&unsigned["status"], &unsigned["error"]["code"]), (&json!(401), &json!(-2014)));
    for (method, code) in [("userDataStream.start", -1020), ("nothing", -1020)] {
        assert_eq!(call(&mut socket, method, json!({}), false).await["error"]["code"], code);
    }
    let nonsense = ask(&mut socket, json!({"id": 5})).await;
    assert_eq!((&nonsense["error"]["code"], &nonsense["id"]), (&json!(-1135), &json!(5)));
    sim.stop().await.expect("a clean end");
}
