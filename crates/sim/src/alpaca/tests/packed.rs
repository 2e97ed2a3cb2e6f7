use super::{Dir, SinkExt, Socket, Stocks, StreamExt, Venue, connect_async};
use crate::testing::START;
use crate::wire::sign::{DEMO_KEY, DEMO_SECRET};
use everwarm_domain::time::MINUTE;
use everwarm_kernel::chance::draw;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

async fn socket(venue: &Venue, path: &str, kind: &'static str) -> Socket {
    let url = format!("ws://{}{path}", venue.client.at);
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    connect_async(request).await.expect("a connection").0
}

/// The bytes of the next message. None: the connection has ended.
async fn next_bytes(socket: &mut Socket) -> Option<Vec<u8>> {
    loop {
        match socket.next().await?.ok()? {
            Message::Binary(bytes) => return Some(bytes.to_vec()),
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return None,
            other @ (Message::Text(_) | Message::Frame(_)) => panic!("{other:?}"),
        }
    }
}

/// The next message without times.
async fn next(socket: &mut Socket) -> Value {
    let bytes = next_bytes(socket).await.expect("a message");
    rmp_serde::from_slice(&bytes).expect("MessagePack")
}

async fn send(socket: &mut Socket, bytes: Vec<u8>) {
    socket.send(Message::binary(bytes)).await.expect("sent");
}

async fn ask(socket: &mut Socket, request: Value) -> Value {
    send(socket, rmp_serde::to_vec(&request).expect("bytes")).await;
    next(socket).await
}

async fn logged_on(venue: &Venue, path: &str, kind: &'static str) -> Socket {
    let mut socket = socket(venue, path, kind).await;
    assert_eq!(next(&mut socket).await, json!([{"T": "success", "msg": "connected"}]));
    let keys = json!({"action": "auth", "key": DEMO_KEY, "secret": DEMO_SECRET});
    let answer = ask(&mut socket, keys).await;
    assert_eq!(answer, json!([{"T": "success", "msg": "authenticated"}]));
    socket
}

/// Whether the bytes contain a member with this name and this value.
fn has(bytes: &[u8], name: &str, value: &[u8]) -> bool {
    let length = u8::try_from(name.len()).expect("a short name");
    let member = [&[0xa0 | length], name.as_bytes(), value].concat();
    bytes.windows(member.len()).any(|window| window == member)
}

fn float(value: f64) -> Vec<u8> {
    [&[0xcb][..], &value.to_be_bytes()].concat()
}

#[tokio::test]
async fn bars_and_trades_have_numbers_and_times() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let mut feed = logged_on(&venue, "/v2/iex", "application/msgpack").await;
    let lists = ask(&mut feed, json!({"action": "subscribe", "bars": ["AAPL"]})).await;
    assert_eq!((&lists[0]["T"], &lists[0]["bars"]), (&json!("subscription"), &json!(["AAPL"])));
    venue.client.minute(1).await;
    let bar = next_bytes(&mut feed).await.expect("a bar");
    assert_eq!(bar[..2], [0x91, 0x8a], "a list with a map of ten members");
    for (name, value) in [("o", 100.0), ("h", 110.0), ("l", 95.0), ("c", 105.0), ("vw", 102.5)] {
        assert!(has(&bar, name, &float(value)), "{name} of {bar:x?}");
    }
    assert!(has(&bar, "v", &[0xcd, 0x0f, 0xa0]) && has(&bar, "n", &[4]), "{bar:x?}");
    let second = u32::try_from(START / 1_000).expect("a time").to_be_bytes();
    assert!(has(&bar, "t", &[&[0xd6, 0xff][..], &second].concat()), "{bar:x?}");

    let change = json!({"action": "subscribe", "trades": ["AAPL"]});
    assert_eq!(ask(&mut feed, change).await[0]["trades"], json!(["AAPL"]));
    venue.client.minute(2).await;
    let trade = next_bytes(&mut feed).await.expect("a trade");
    assert!(has(&trade, "T", b"\xa1t") && has(&trade, "p", &float(105.0)), "{trade:x?}");
    assert!(has(&trade, "t", &[0xd7, 0xff]), "a time with milliseconds: {trade:x?}");
    venue.stop().await;
}

#[tokio::test]
async fn a_request_may_come_in_several_frames() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let mut feed = logged_on(&venue, "/v2/test", "Application/MsgPack; q=1").await;
    let request = json!({"action": "subscribe", "bars": ["AAPL", "MSFT"]});
    let bytes = rmp_serde::to_vec(&request).expect("bytes");
    let last = bytes.len() / 7;
    for (i, part) in bytes.chunks(7).enumerate() {
        let kind = if i == 0 { Data::Binary } else { Data::Continue };
        let frame = Frame::message(part.to_vec(), OpCode::Data(kind), i == last);
        feed.send(Message::Frame(frame)).await.expect("sent");
    }
    assert_eq!(next(&mut feed).await[0]["bars"], json!(["AAPL", "MSFT"]));
    venue.client.minute(1).await;
    for symbol in [b"\xa4AAPL", b"\xa4MSFT"] {
        let bar = next_bytes(&mut feed).await.expect("a bar");
        assert!(has(&bar, "S", symbol), "{bar:x?}");
    }
    venue.stop().await;
}

#[tokio::test]
async fn hostile_bytes_get_an_error() {
    let dir = Dir::new();
    let venue = Venue::begun(&dir, Stocks::always()).await;
    let mut feed = socket(&venue, "/v2/sip", "application/msgpack").await;
    next(&mut feed).await;
    let invalid = json!([{"T": "error", "code": 400, "msg": "invalid syntax"}]);
    for wrong in [
        Vec::new(),
        b"{\"action\":\"auth\"}".to_vec(),
        vec![0x80],
        vec![0xdf, 0xff, 0xff, 0xff, 0xff],
        [0x91].repeat(1 << 20),
        [&b"\x81\xa6action"[..], &[0x91].repeat(1 << 19)].concat(),
    ] {
        send(&mut feed, wrong.clone()).await;
        assert_eq!(next(&mut feed).await, invalid, "{:x?}", &wrong[..wrong.len().min(9)]);
    }
    let mut dice = 11;
    let mut roll = |below: u64| draw(&mut dice) % below;
    let request = json!({"action": "subscribe", "bars": ["AAPL"], "trades": [7, null]});
    let whole = rmp_serde::to_vec(&request).expect("bytes");
    for _ in 0..500 {
        let mut bytes = whole.clone();
        for _ in 0..=roll(3) {
            let at = usize::try_from(roll(whole.len() as u64)).expect("a place");
            bytes[at] = u8::try_from(roll(256)).expect("a byte");
        }
        send(&mut feed, bytes.clone()).await;
        let answer = next(&mut feed).await;
        let known = [json!(400), json!(401)].contains(&answer[0]["code"]);
        assert!(known, "{bytes:x?}: {answer}");
    }
    feed.send(Message::text("{\"action\": \"auth\"}")).await.expect("sent");
    assert_eq!(next(&mut feed).await, invalid, "text is another format");
    let early = ask(&mut feed, json!({"action": "subscribe", "bars": ["AAPL"]})).await;
    assert_eq!(early[0]["code"], 401);
    let wrong = json!({"action": "auth", "key": DEMO_KEY, "secret": "wrong"});
    assert_eq!(ask(&mut feed, wrong).await[0]["code"], 402);
    assert_eq!(next_bytes(&mut feed).await, None, "it is closed");
    // Other connections work, and those without the header have JSON.
    logged_on(&venue, "/v2/sip", "application/msgpack").await;
    venue.client.feed("/v2/iex").await;
    venue.client.advance(START + MINUTE).await;
    venue.stop().await;
}
