//! Tests of injected faults, as a client sees them.

use super::{CLOSE, Client, Dir, Method, Socket, ask, next, options, subscribe_user};
use crate::faults::{Fault, Kind, prepare};
use crate::server::requests::{self, Entry};
use crate::server::{Pace, start};
use crate::testing::START;
use crate::wire::sign::{DEMO_KEY, DEMO_SECRET, hmac_hex};
use everwarm_domain::time::{MINUTE, UtcMs};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::error::Error as _;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

impl Client {
    async fn fault(&self, fault: Value) -> (u16, Value) {
        self.send(Method::POST, "/sim/v1/fault", "", &fault.to_string()).await
    }

    async fn lift(&self) -> Value {
        self.send(Method::POST, "/sim/v1/lift", "", "{}").await.1
    }

    /// Buys one unit at market. None: the connection was reset.
    async fn buy(&self, id: &str) -> Option<(u16, Option<u64>, Value)> {
        let order = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1&newClientOrderId=";
        let payload = format!("{order}{id}&timestamp={START}");
        let query = format!("{payload}&signature={}", hmac_hex(DEMO_SECRET, &payload));
        let url = format!("http://{}/api/v3/order?{query}", self.at);
        let sent = self.http.post(url).header("X-MBX-APIKEY", DEMO_KEY).send().await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                let mut cause = error.source();
                let mut words = String::new();
                while let Some(deeper) = cause {
                    words += &deeper.to_string();
                    cause = deeper.source();
                }
                assert!(words.contains("reset"), "{words}");
                return None;
            }
        };
        let wait = answer.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        Some((status, wait, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn found(&self, id: &str) -> i64 {
        let query = format!("symbol=BTCUSDT&origClientOrderId={id}");
        let (status, body) = self.signed(Method::GET, "/api/v3/order", &query, START).await;
        if status == 200 { 0 } else { body["code"].as_i64().expect("a code") }
    }
}

#[tokio::test]
async fn requests_meet_what_is_on() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let order = |kind: &str| json!({"kind": kind, "at": "POST order", "times": 1});

    client.fault(order("reset")).await;
    assert_eq!(client.buy("cut").await, None);
    assert_eq!(client.found("cut").await, -2013, "nothing was done");
    assert_eq!(client.buy("cut").await.map(|response| response.0), Some(200), "once only");

    client.fault(json!({"kind": "no-answer", "at": "order.place", "times": 1})).await;
    assert_eq!(client.buy("lost").await, None);
    client.fault(json!({"kind": "unknown-order", "value": 2})).await;
    let looks =
        [client.found("lost").await, client.found("lost").await, client.found("lost").await];
    assert_eq!(looks, [-2013, -2013, 0], "it was accepted");
    client.lift().await;

    for (status, code) in [(500, -1000), (503, -1006), (504, -1007)] {
        let broken =
            |kind: &str| json!({"kind": kind, "at": "POST order", "times": 1, "value": status});
        client.fault(broken("error-before")).await;
        let (id, done) = (format!("b{status}"), format!("a{status}"));
        let (got, _, body) = client.buy(&id).await.expect("an answer");
        assert_eq!((got, &body["code"], client.found(&id).await), (status, &json!(code), -2013));
        client.fault(broken("error-after")).await;
        let (got, _, body) = client.buy(&done).await.expect("an answer");
        assert_eq!((got, &body["code"], client.found(&done).await), (status, &json!(code), 0));
    }
    client.fault(json!({"kind": "error-before", "times": 1, "value": 502})).await;
    let (status, _, page) = client.buy("page").await.expect("an answer");
    assert!(status == 502 && page.as_str().is_some_and(|text| text.contains("<html>")), "{page}");

    client.fault(json!({"kind": "limited", "times": 1, "value": 7})).await;
    let (status, wait, body) = client.buy("many").await.expect("an answer");
    assert_eq!((status, wait, &body["code"]), (429, Some(7), &json!(-1003)));
    client.fault(json!({"kind": "banned", "times": 1})).await;
    let (status, wait, body) = client.buy("many").await.expect("an answer");
    assert_eq!((status, wait, &body["code"]), (418, Some(120), &json!(-1003)));
    assert_eq!(client.found("many").await, -2013);

    client.fault(json!({"kind": "slow", "at": "POST order", "times": 1, "value": 60})).await;
    let began = everwarm_runtime::clock::now();
    assert_eq!(client.buy("slow").await.map(|response| response.0), Some(200));
    assert!(began.elapsed().as_millis() >= 60);

    client.fault(json!({"kind": "clock-skew", "value": 7000})).await;
    assert_eq!(client.get("/api/v3/time").await.1["serverTime"], START + 7_000);
    assert_eq!(client.buy("old").await.expect("an answer").2["code"], -1021);
    // Both skews together: the clock is so far behind that a current timestamp is in its future.
    client.fault(json!({"kind": "clock-skew", "value": -8500})).await;
    assert_eq!(client.get("/api/v3/time").await.1["serverTime"], START - 1_500);
    assert_eq!(client.buy("early").await.expect("an answer").2["code"], -1021);
    client.fault(json!({"kind": "clock-skew", "value": 600})).await;
    assert_eq!(client.buy("early").await.map(|response| response.0), Some(200));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_active_faults_are_listed() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    for (fault, why) in [
        (json!({"kind": "flood"}), "there is no fault"),
        (json!({"kind": "reset", "when": 1}), "unknown field"),
        (json!({"kind": "reset", "chance": 0}), "is none"),
        (json!({"kind": "reset", "value": 3}), "has no number"),
        (json!({"kind": "slow", "at": "POST nowhere"}), "cannot be at"),
        (json!({"kind": "missing", "at": "POST order"}), "cannot be at"),
        (json!({"kind": "clock-skew", "at": "market"}), "cannot be at"),
        (json!({"kind": "error-after", "value": 404}), "cannot have the number 404"),
        (json!({"kind": "slow", "value": -1}), "cannot have the number -1"),
        (json!({"kind": "clock-skew", "value": -86_400_001}), "cannot have the number"),
        (json!({"kind": "clock-skew", "times": 2}), "takes no times"),
        (json!({"kind": "clock-skew", "skip": 2}), "takes no times"),
        (json!({"kind": "clock-skew", "chance": 500}), "takes no times"),
        // Places that do not exist, or that the kind cannot hit.
        (json!({"kind": "reset", "at": "order.plase"}), "did you mean \"order.place\"?"),
        (json!({"kind": "slow", "at": "post order"}), "did you mean \"POST order\"?"),
        (json!({"kind": "missing", "at": "btcusdt@klin_1m"}), "mean \"btcusdt@kline_1m\"?"),
        (json!({"kind": "missing", "at": "BTCUSDT@trade"}), "mean \"btcusdt@trade\"?"),
        (json!({"kind": "silent", "at": "xmrusdt@depth"}), "cannot be at"),
        (json!({"kind": "late-fills", "at": "BTCUSD"}), "did you mean \"BTCUSDT\"?"),
        (json!({"kind": "unknown-order", "at": "POST order"}), "did you mean \"GET order\"?"),
        (json!({"kind": "user-stream-ended", "at": "market"}), "cannot be at"),
        (json!({"kind": "user-stream-ended", "at": "btcusdt@trade"}), "cannot be at"),
        (json!({"kind": "partial-fills", "value": 100}), "cannot have the number"),
        (json!({"kind": "duplicate", "times": 0}), "never"),
    ] {
        let (status, response) = client.fault(fault.clone()).await;
        let msg = response["msg"].as_str().unwrap_or_default();
        assert!(status == 400 && msg.contains(why), "{fault}: {status} {response}");
    }
    let fault = json!({"kind": "reset", "at": "GET order", "skip": 1, "times": 2, "chance": 999});
    assert_eq!(client.fault(fault.clone()).await, (200, json!({"id": 1})));
    assert_eq!(client.fault(json!({"kind": "late-fills", "at": "BTCUSDT"})).await.0, 200);
    let on = client.get("/sim/v1/faults").await.1["on"].clone();
    assert_eq!(
        (&on[0]["kind"], &on[0]["hits"], &on[0]["id"]),
        (&json!("reset"), &json!(0), &json!(1))
    );
    sim.stop().await.expect("a clean end");

    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started again");
    let client = Client::of(&sim);
    assert_eq!(client.get("/sim/v1/faults").await.1["on"], on, "it stays on");
    let body = json!({"id": 1}).to_string();
    assert_eq!(client.send(Method::POST, "/sim/v1/lift", "", &body).await.1, json!({"off": 1}));
    let (status, response) = client.send(Method::POST, "/sim/v1/lift", "", &body).await;
    assert_eq!((status, &response["msg"]), (400, &json!("no fault 1 is on; on: 2")));
    assert_eq!(client.lift().await, json!({"off": 1}));
    sim.stop().await.expect("a clean end");
}

/// A market stream connection that is registered.
async fn bars(client: &Client) -> Socket {
    listen(client, "btcusdt@trade/ethusdt@trade").await
}

async fn listen(client: &Client, streams: &str) -> Socket {
    let mut socket = client.socket(&format!("/stream?streams={streams}"), "bars").await;
    ask(&mut socket, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;
    socket
}

async fn prices(socket: &mut Socket, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..count {
        let trade = next(socket).await["data"].clone();
        let price = trade["p"].as_str().unwrap_or_default().trim_end_matches('0').to_owned();
        lines.push(format!("{} {price}", &trade["s"].as_str().unwrap_or_default()[..3]));
    }
    lines
}

/// The end of a connection: its remaining messages, and how it ended.
async fn rest(socket: &mut Socket) -> (Vec<Value>, Result<(), String>) {
    let mut messages = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(5), socket.next());
        match next.await.unwrap_or_else(|_| panic!("it does not end: {messages:?}")) {
            Some(Ok(Message::Text(text))) => {
                messages.push(serde_json::from_str(&text).expect("JSON"));
            }
            Some(Ok(Message::Close(_))) | None => return (messages, Ok(())),
            Some(Ok(_)) => {}
            Some(Err(WsError::Io(error))) => return (messages, Err(error.kind().to_string())),
            Some(Err(error)) => return (messages, Err(error.to_string())),
        }
    }
}

#[tokio::test]
async fn messages_are_lost_repeated_and_out_of_order() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    let mut socket = bars(&client).await;
    let at = "btcusdt@trade";
    client.fault(json!({"kind": "missing", "at": at, "times": 1})).await;
    client.fault(json!({"kind": "duplicate", "at": at, "times": 1})).await;
    client.fault(json!({"kind": "reorder", "at": at, "times": 1})).await;
    client.advance(CLOSE).await;
    // The minute has BTC at 100, 95, 110 and 105.
    let expected = ["BTC 95.", "BTC 95.", "BTC 105.", "BTC 110."];
    assert_eq!(prices(&mut socket, 4).await, expected);
    assert_eq!(prices(&mut socket, 4).await, ["ETH 10."; 4]);

    let at = "btcusdt@kline_1m";
    let mut socket = listen(&client, &format!("{at}/btcusdt@trade")).await;
    client.fault(json!({"kind": "channel-silent", "at": at, "times": 1, "value": 60_000})).await;
    client.advance(START + 2 * MINUTE).await;
    assert_eq!(prices(&mut socket, 4).await.len(), 4, "the other stream goes on");
    let state = client.advance(START + 4 * MINUTE).await;
    assert_eq!(state["frames"]["bars"], 5, "a minute later it is over: {state}");
    assert_eq!(next(&mut socket).await["stream"], at);
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn connections_end_in_every_way() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    let mut socket = bars(&client).await;
    client.fault(json!({"kind": "reset", "at": "market", "skip": 1, "times": 1})).await;
    client.advance(CLOSE).await;
    let (messages, end) = rest(&mut socket).await;
    assert!(messages.len() <= 1 && end.is_err_and(|e| e.contains("reset")), "{messages:?}");

    let mut socket = bars(&client).await;
    client.fault(json!({"kind": "rotate", "at": "btcusdt@trade", "times": 1})).await;
    client.advance(START + 2 * MINUTE).await;
    let (messages, end) = rest(&mut socket).await;
    assert_eq!((messages.len(), end), (1, Ok(())), "{messages:?}");

    let mut socket = listen(&client, "btcusdt@kline_1m").await;
    client.fault(json!({"kind": "shutdown", "times": 1, "value": 30})).await;
    client.advance(START + 4 * MINUTE).await;
    let (messages, end) = rest(&mut socket).await;
    assert_eq!((&messages[1]["stream"], end), (&json!("!serverShutdown"), Ok(())), "{messages:?}");
    assert_eq!(
        (&messages[1]["data"]["e"], messages.len()),
        (&json!("serverShutdown"), 2),
        "{messages:?}"
    );
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn the_accounts_events_stop() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let mut user = client.socket("/ws-api/v3", "user").await;
    subscribe_user(&mut user, START).await;
    client.fault(json!({"kind": "user-stream-ended", "at": "executionReport", "times": 1})).await;
    client.buy("one").await;
    assert_eq!(next(&mut user).await["event"]["e"], "eventStreamTerminated");
    assert_eq!(subscribe_user(&mut user, START).await["status"], 200, "nothing came in between");
    client.buy("two").await;
    assert_eq!(next(&mut user).await["event"]["x"], "NEW");
    client.fault(json!({"kind": "no-answer", "at": "order.status", "times": 1})).await;
    let payload = format!("apiKey={DEMO_KEY}&orderId=1&symbol=BTCUSDT&timestamp={START}");
    let params = json!({"apiKey": DEMO_KEY, "orderId": 1, "symbol": "BTCUSDT", "timestamp": START,
        "signature": hmac_hex(DEMO_SECRET, &payload)});
    let request = json!({"id": 9, "method": "order.status", "params": params}).to_string();
    futures_util::SinkExt::send(&mut user, Message::text(request)).await.expect("sent");
    let (_, end) = rest(&mut user).await;
    assert!(end.is_err_and(|e| e.contains("reset")), "requests over the socket are hit too");
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_subscription_is_refused_once_and_taken_when_it_is_asked_for_again() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let at = "userDataStream.subscribe.signature";
    let mut user = client.socket("/ws-api/v3", "user").await;
    client.fault(json!({"kind": "limited", "times": 9})).await;
    assert_eq!(subscribe_user(&mut user, START).await["status"], 200, "it is not named");
    client.lift().await;

    let mut user = client.socket("/ws-api/v3", "user").await;
    assert_eq!(client.fault(json!({"kind": "unknown-order", "at": at})).await.0, 400);
    for (kind, status, code) in [("limited", 429, -1003), ("banned", 418, -1003)] {
        client.fault(json!({"kind": kind, "at": at, "times": 1, "value": 7})).await;
        let response = subscribe_user(&mut user, START).await;
        assert_eq!(
            (&response["status"], &response["error"]["code"]),
            (&json!(status), &json!(code))
        );
        let data = &response["error"]["data"];
        let wait = data["retryAfter"].as_i64().zip(data["serverTime"].as_i64());
        assert_eq!(wait.map(|(until, now)| until - now), Some(7_000), "{response}");
    }
    let broken = |kind: &str| json!({"kind": kind, "at": at, "times": 1});
    client.fault(broken("error-before")).await;
    assert_eq!(subscribe_user(&mut user, START).await["error"]["code"], -1006);
    assert_eq!(subscribe_user(&mut user, START).await["status"], 200, "nothing was done");
    let mut user = client.socket("/ws-api/v3", "user").await;
    client.fault(broken("error-after")).await;
    assert_eq!(subscribe_user(&mut user, START).await["error"]["code"], -1006);
    client.buy("one").await;
    assert_eq!(next(&mut user).await["event"]["x"], "NEW", "it was done all the same");

    for kind in ["reset", "no-answer"] {
        let mut user = client.socket("/ws-api/v3", kind).await;
        client.fault(json!({"kind": kind, "at": "session.status", "times": 1})).await;
        let request = json!({"id": 9, "method": "session.status"}).to_string();
        futures_util::SinkExt::send(&mut user, Message::text(request)).await.expect("sent");
        let (_, end) = rest(&mut user).await;
        assert!(end.is_err_and(|e| e.contains("reset")), "{kind}");
    }
    sim.stop().await.expect("a clean end");
    let log = requests::read(&dir.0).expect("a log");
    let hit = |entry: &Entry| match entry {
        Entry::Spoilt { fault, message, .. } if message == at => Some(fault.clone()),
        Entry::Spoilt { .. } | Entry::Asked(_) | Entry::Started { .. } | Entry::Answered(_) => None,
    };
    let hits: Vec<String> = log.iter().filter_map(hit).collect();
    assert_eq!(hits, ["limited", "banned", "error-before", "error-after"]);
}

#[tokio::test]
async fn fills_come_late_and_in_parts() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    client.fault(json!({"kind": "late-fills", "times": 1})).await;
    let (_, _, body) = client.buy("late").await.expect("an answer");
    assert_eq!((&body["status"], &body["executedQty"]), (&json!("NEW"), &json!("0.00000000")));
    client.fault(json!({"kind": "partial-fills", "times": 1, "value": 30})).await;
    let (_, _, body) = client.buy("part").await.expect("an answer");
    assert_eq!(
        (&body["status"], &body["executedQty"]),
        (&json!("PARTIALLY_FILLED"), &json!("0.30000000"))
    );
    let order = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=FOK&quantity=1&price=99";
    client.fault(json!({"kind": "late-fills"})).await;
    let body = client.signed(Method::POST, "/api/v3/order", order, START).await.1;
    assert_eq!(body["status"], "FILLED", "all or nothing is at once");
    client.advance(CLOSE).await;
    let before = client.get("/sim/v1/ledger").await.1;
    for order in before["orders"].as_array().expect("orders") {
        assert_eq!((&order["status"], &order["executed"]), (&json!("FILLED"), &json!("1")));
    }
    sim.stop().await.expect("a clean end");
    std::fs::remove_file(dir.0.join("faults.json")).expect("what is on");
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started again");
    assert_eq!(Client::of(&sim).get("/sim/v1/ledger").await.1, before, "it is in the books");
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn the_same_run_is_hit_in_the_same_places() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let dir = Dir::new();
        let half = |kind| Fault { chance: 500, seed, ..Fault::of(kind) };
        prepare(&dir.0, &[half(Kind::Missing), half(Kind::NoAnswer)]).expect("prepared");
        let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
        let client = Client::of(&sim);
        client.advance(START).await;
        let _socket = bars(&client).await;
        for id in 0..12 {
            client.buy(&format!("order-{id}")).await;
        }
        client.advance(CLOSE).await;
        sim.stop().await.expect("a clean end");
        let log = requests::read(&dir.0).expect("a log");
        let hit = |entry: &Entry| match entry {
            Entry::Asked(asked) => Some(format!("{} {:?}", asked.id, asked.fault)),
            Entry::Spoilt { at, fault, message } => Some(format!("{at} {fault} {message}")),
            Entry::Started { .. } | Entry::Answered(_) => None,
        };
        runs.push(log.iter().filter_map(hit).collect::<Vec<String>>());
    }
    let lost = runs[0].iter().filter(|line| line.contains("no-answer")).count();
    let missing = runs[0].iter().filter(|line| line.contains("missing")).count();
    assert!((1..12).contains(&lost) && (1..8).contains(&missing), "{:?}", runs[0]);
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2], "another seed");
}

#[tokio::test]
async fn what_was_asked_about_orders_is_written_down() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    client.fault(json!({"kind": "no-answer", "at": "POST order", "times": 1})).await;
    client.buy("one").await;
    client.found("nobody").await;
    client.get("/api/v3/time").await;
    let since = format!("symbol=BTCUSDT&startTime={}", START - 5);
    client.signed(Method::GET, "/api/v3/myTrades", &since, START).await;
    sim.stop().await.expect("a clean end");
    // A kill may cut off the last line.
    let file = dir.0.join(requests::FILE);
    let mut text = std::fs::read_to_string(&file).expect("a log");
    text += "{\"asked\":{\"n\":4,\"at";
    std::fs::write(&file, text).expect("written");
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started again");
    sim.stop().await.expect("a clean end");

    let log = requests::read(&dir.0).expect("a log");
    let line = |entry: &Entry| match entry {
        Entry::Started { .. } => "started".to_owned(),
        Entry::Asked(a) => {
            let (fault, since) = (&a.fault, a.since.map(|at: UtcMs| START - at));
            format!("{} {} {} {} {fault:?} {since:?}", a.n, a.what, a.symbol, a.id)
        }
        Entry::Answered(a) => format!("{} {} {:?}", a.n, a.status, a.code),
        Entry::Spoilt { .. } => "spoilt".to_owned(),
    };
    let lines: Vec<String> = log.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "started",
            "1 POST order BTCUSDT one Some(\"no-answer\") None",
            "1 0 None",
            "2 GET order BTCUSDT nobody None None",
            "2 400 Some(-2013)",
            "3 GET myTrades BTCUSDT  None Some(5)",
            "3 200 None",
            "started",
        ]
    );
}

/// The closing prices of the first closed bars: from the stream, and from the query.
async fn closing_prices(fault: Value) -> (Vec<f64>, Vec<f64>) {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    let mut socket = listen(&client, "btcusdt@kline_1m").await;
    assert_eq!(client.fault(fault).await.0, 200);
    let price = |value: &Value| value.as_str().expect("a price").parse().expect("a number");
    let (mut streamed, mut first) = (Vec::new(), None);
    // The third minute has no trades.
    for minute in [1, 2, 4] {
        client.advance(START + minute * MINUTE).await;
        let bar = loop {
            let bar = next(&mut socket).await["data"]["k"].clone();
            if bar["x"] == true {
                break bar;
            }
        };
        first = first.or(bar["t"].as_i64());
        streamed.push(price(&bar["c"]));
    }
    let from = first.expect("a bar");
    let query = format!("symbol=BTCUSDT&interval=1m&startTime={from}&limit=3");
    let (_, rows) = client.get(&format!("/api/v3/klines?{query}")).await;
    let records = rows.as_array().expect("rows").iter().map(|row| price(&row[4])).collect();
    sim.stop().await.expect("a clean end");
    (streamed, records)
}

#[tokio::test]
async fn a_bar_is_odd_in_the_stream_alone_or_everywhere() {
    let (streamed, true_ones) =
        closing_prices(json!({"kind": "odd-bar", "times": 1, "skip": 1})).await;
    assert_eq!(streamed[0].to_bits(), true_ones[0].to_bits());
    assert!((streamed[1] - true_ones[1] / 10.0).abs() < 0.01, "{streamed:?} {true_ones:?}");
    assert_eq!(streamed[2..], true_ones[2..]);
    let odd = json!({"kind": "odd-records", "at": "BTCUSDT", "times": 1, "skip": 1, "value": 60});
    let (streamed, records) = closing_prices(odd).await;
    assert_eq!(streamed, records, "they agree");
    let other = |at: usize| (records[at] - true_ones[at]).abs() > 0.01;
    assert_eq!([0, 1, 2].map(other), [false, true, false], "{records:?} {true_ones:?}");
    assert!((records[1] - true_ones[1] * 0.6).abs() < 0.01);
}
