use super::Pace;
use super::port::{PORT_FILE, PortFile};
use super::run::{SimError, SimHandle, SimOptions, start};
use super::sockets::CONNECTION_HEADER;
use crate::testing::{Fake, START, bar, setup};
use crate::wire::sign::{DEMO_KEY, DEMO_SECRET, hmac_hex};
use everwarm_domain::time::{MINUTE, UtcMs};
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

mod faults;
mod hostile;
mod keys;
mod limits;
mod market;
mod orders;
mod refusals;
mod sockets;
mod ticks;

const CLOSE: UtcMs = START + MINUTE;

struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("everwarm-sim-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let dir = std::env::temp_dir().join(name);
        // An earlier process with this id may have left one.
        std::fs::remove_dir_all(&dir).ok();
        std::fs::create_dir_all(&dir).expect("a directory");
        Dir(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn options(dir: &Path, pace: Pace) -> SimOptions {
    SimOptions {
        data_dir: dir.to_owned(),
        port: 0,
        pace,
        market: Box::new(Fake::usual()),
        setup: setup(),
        idle_exit: None,
    }
}

struct Client {
    http: reqwest::Client,
    at: String,
    token: String,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Client {
    fn of(sim: &SimHandle) -> Client {
        // The first test installs the provider. Later calls fail, which is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().no_gzip().build().expect("a client");
        Client { http, at: sim.addr.to_string(), token: sim.token.clone() }
    }

    async fn send(&self, method: Method, path: &str, key: &str, body: &str) -> (u16, Value) {
        let request = self
            .http
            .request(method, format!("http://{}{path}", self.at))
            .header("X-MBX-APIKEY", key)
            .bearer_auth(&self.token)
            .body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, DEMO_KEY, "").await
    }

    async fn signed(&self, method: Method, path: &str, query: &str, now: UtcMs) -> (u16, Value) {
        let comma = if query.is_empty() { "" } else { "&" };
        let payload = format!("{query}{comma}timestamp={now}");
        let query = format!("{payload}&signature={}", hmac_hex(DEMO_SECRET, &payload));
        self.send(method, &format!("{path}?{query}"), DEMO_KEY, "").await
    }

    async fn advance(&self, at: UtcMs) -> Value {
        let body = json!({"to": at, "market": at}).to_string();
        let (status, value) = self.send(Method::POST, "/sim/v1/advance", "", &body).await;
        assert_eq!(status, 200, "{value}");
        value
    }

    async fn socket(&self, path: &str, name: &str) -> Socket {
        let mut request =
            format!("ws://{}{path}", self.at).into_client_request().expect("a request");
        let name = name.parse().expect("a header");
        request.headers_mut().insert(CONNECTION_HEADER, name);
        connect_async(request).await.expect("a connection").0
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is expected")]
async fn next(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.expect("a message").expect("no error") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn ask(socket: &mut Socket, request: Value) -> Value {
    socket.send(Message::text(request.to_string())).await.expect("sent");
    next(socket).await
}

async fn subscribe_user(socket: &mut Socket, now: UtcMs) -> Value {
    let payload = format!("apiKey={DEMO_KEY}&timestamp={now}");
    let signature = hmac_hex(DEMO_SECRET, &payload);
    let params = json!({"apiKey": DEMO_KEY, "timestamp": now, "signature": signature});
    let method = "userDataStream.subscribe.signature";
    ask(socket, json!({"id": "1", "method": method, "params": params})).await
}

#[tokio::test]
async fn an_order_goes_through_the_whole_protocol() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    assert_eq!(client.get("/api/v3/ping").await, (200, json!({})));
    assert_eq!(client.get("/api/v3/time").await.1, json!({"serverTime": START}));
    let order = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=9&newClientOrderId=one";
    let early = client.signed(Method::POST, "/api/v3/order", order, START).await;
    assert_eq!((early.0, &early.1["code"]), (503, &json!(-1008)), "venue time is not known yet");
    for path in ["exchangeInfo", "klines?symbol=BTCUSDT&interval=1m", "ticker/price"] {
        let (status, body) = client.get(&format!("/api/v3/{path}")).await;
        assert_eq!((status, &body["code"]), (503, &json!(-1008)), "{path}");
    }
    client.advance(START).await;
    let info = client.get("/api/v3/exchangeInfo?symbol=BTCUSDT").await.1;
    assert_eq!(info["symbols"][0]["filters"][0]["tickSize"], "0.01000000");
    assert_eq!(client.get("/api/v3/exchangeInfo?symbols=[%22BTCUSDT%22]").await.1, info);
    assert_eq!(client.get("/api/v3/exchangeInfo?symbol=NOUSDT").await.1["code"], -1121);
    let klines = client.get("/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=3").await.1;
    assert_eq!(klines.as_array().map(Vec::len), Some(3));

    let mut user = client.socket("/ws-api/v3", "user-1").await;
    let response = subscribe_user(&mut user, START).await;
    assert_eq!(
        (&response["status"], &response["result"]),
        (&json!(200), &json!({"subscriptionId": 0}))
    );
    assert_eq!(subscribe_user(&mut user, START).await["error"]["code"], -2035);

    let (status, body) = client.signed(Method::POST, "/api/v3/order", order, START).await;
    assert_eq!((status, &body["status"]), (200, &json!("FILLED")), "{body}");
    let fills = body["fills"].as_array().expect("fills").len();
    let first = next(&mut user).await;
    assert_eq!((&first["subscriptionId"], &first["event"]["x"]), (&json!(0), &json!("NEW")));
    for _ in 0..fills {
        assert_eq!(next(&mut user).await["event"]["x"], "TRADE");
    }
    assert_eq!(next(&mut user).await["event"]["e"], "outboundAccountPosition");
    let frames = client.advance(START).await["user_frames"].clone();
    assert_eq!(frames, json!({"user-1": fills + 2}));

    let query = "symbol=BTCUSDT&origClientOrderId=one";
    let found = client.signed(Method::GET, "/api/v3/order", query, START).await;
    assert_eq!((found.0, &found.1["orderId"]), (200, &json!(1)));
    let none = client.signed(Method::GET, "/api/v3/order", "symbol=BTCUSDT&orderId=7", START).await;
    assert_eq!(none, (400, json!({"code": -2013, "msg": "Order does not exist."})));
    let trades = client.signed(Method::GET, "/api/v3/myTrades", "symbol=BTCUSDT", START).await.1;
    assert_eq!(trades.as_array().map(Vec::len), Some(fills));
    let account =
        client.signed(Method::GET, "/api/v3/account", "omitZeroBalances=true", START).await.1;
    assert_eq!(
        account["balances"][0],
        json!({"asset": "BTC", "free": "991.00000000", "locked": "0.00000000"})
    );
    assert_eq!(account["balances"].as_array().map(Vec::len), Some(2));
    sim.stop().await.expect("a clean end");
    assert!(!dir.0.join(PORT_FILE).exists());
}

#[tokio::test]
async fn limits_rest_and_are_cancelled_over_the_wire() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=90.5";
    let body = format!("{order}&newClientOrderId=a&newOrderRespType=ACK&timestamp={START}");
    let body = format!("{body}&signature={}", hmac_hex(DEMO_SECRET, &body));
    let (status, ack) = client.send(Method::POST, "/api/v3/order", DEMO_KEY, &body).await;
    assert_eq!((status, ack.as_object().map(serde_json::Map::len)), (200, Some(5)), "{ack}");
    let again = client.send(Method::POST, "/api/v3/order", DEMO_KEY, &body).await;
    assert_eq!(again, (400, json!({"code": -2010, "msg": "Duplicate order sent."})));
    let open = client.signed(Method::GET, "/api/v3/openOrders", "", START).await.1;
    assert_eq!((&open[0]["clientOrderId"], &open[0]["status"]), (&json!("a"), &json!("NEW")));
    let off = "symbol=BTCUSDT&origClientOrderId=a&newClientOrderId=off";
    let (status, cancelled) = client.signed(Method::DELETE, "/api/v3/order", off, START).await;
    assert_eq!(
        (status, &cancelled["status"], &cancelled["clientOrderId"]),
        (200, &json!("CANCELED"), &json!("off"))
    );
    let repeated = client.signed(Method::DELETE, "/api/v3/order", off, START).await;
    assert_eq!(repeated, (400, json!({"code": -2011, "msg": "Unknown order sent."})));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn refusals_have_the_status_of_the_venue() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let (status, body) = client.send(Method::GET, "/api/v3/account", "", "").await;
    assert_eq!((status, &body["code"]), (401, &json!(-2014)));
    let (status, body) = client.send(Method::GET, "/api/v3/account", &"x".repeat(64), "").await;
    assert_eq!((status, &body["code"]), (401, &json!(-2015)));
    let early = client.signed(Method::GET, "/api/v3/account", "", START + 1_000).await;
    assert_eq!((early.0, &early.1["code"]), (400, &json!(-1021)));
    let query = format!("timestamp={START}&signature=00");
    let forged = client.get(&format!("/api/v3/account?{query}")).await;
    assert_eq!((forged.0, &forged.1["code"]), (400, &json!(-1022)));
    assert_eq!(client.get("/api/v3/nothing").await.0, 404);
    let gone = client.send(Method::POST, "/api/v3/userDataStream", DEMO_KEY, "").await;
    assert_eq!(gone.0, 410);
    let thief = Client { token: "guess".to_owned(), ..Client::of(&sim) };
    assert_eq!(thief.get("/sim/v1/ledger").await.0, 401);
    let status = thief.get("/sim/v1/status").await.1;
    assert_eq!((&status["pace"], &status["now"]), (&json!("lockstep"), &json!(START)));
    assert_eq!((&status["last_close"], &status["factor"]), (&Value::Null, &json!(0)));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn bars_arrive_closed_and_are_counted() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    let mut raw = client.socket("/ws", "raw").await;
    let ack =
        ask(&mut raw, json!({"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 1}))
            .await;
    assert_eq!(ack, json!({"result": null, "id": 1}));
    let list = ask(&mut raw, json!({"method": "LIST_SUBSCRIPTIONS", "id": "x"})).await;
    assert_eq!(list, json!({"result": ["btcusdt@kline_1m"], "id": "x"}));
    let wrong = ask(&mut raw, json!({"method": "DANCE", "id": 3})).await;
    assert_eq!(wrong["error"]["code"], 2);
    let mut both = client.socket("/stream?streams=btcusdt@kline_1m/ethusdt@kline_1m", "both").await;
    // A response on a connection shows that it is registered.
    ask(&mut both, json!({"method": "LIST_SUBSCRIPTIONS", "id": 1})).await;

    let state = client.advance(CLOSE).await;
    assert_eq!(state["frames"], json!({"raw": 1, "both": 2}));
    let next_close = START + 2 * MINUTE;
    assert_eq!((&state["last_close"], &state["next_close"]), (&json!(CLOSE), &json!(next_close)));
    assert_eq!(state["closed"], json!(["BTCUSDT", "ETHUSDT"]));
    let bar = next(&mut raw).await;
    assert_eq!(
        (&bar["k"]["x"], &bar["k"]["c"], &bar["E"]),
        (&json!(true), &json!("105.00000000"), &json!(CLOSE))
    );
    let bar = next(&mut both).await;
    assert_eq!(
        (&bar["stream"], &bar["data"]["s"]),
        (&json!("btcusdt@kline_1m"), &json!("BTCUSDT"))
    );
    assert_eq!(next(&mut both).await["data"]["s"], "ETHUSDT");
    assert_eq!(client.advance(CLOSE).await["frames"], state["frames"], "nothing happens twice");

    client.advance(next_close - 3).await;
    let forming = next(&mut raw).await;
    assert_eq!((&forming["k"]["x"], &forming["k"]["c"]), (&json!(false), &json!("108.00000000")));
    let ack =
        ask(&mut raw, json!({"method": "UNSUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 2}))
            .await;
    assert_eq!(ack["result"], Value::Null);
    let state = client.advance(START + 9 * MINUTE).await;
    assert_eq!((&state["ended"], &state["frames"]["raw"]), (&json!(true), &json!(2)));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_restart_continues_with_the_same_books() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    let rest = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=20&price=96";
    client.signed(Method::POST, "/api/v3/order", rest, START).await;
    client.advance(CLOSE).await;
    let order = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1&newClientOrderId=m";
    client.signed(Method::POST, "/api/v3/order", order, CLOSE).await;
    let before = client.get("/sim/v1/ledger").await.1;
    assert_eq!(before["orders"][0]["trades"][0]["price"], "96");
    assert_eq!(before["orders"][1]["status"], "FILLED");
    let twice = start(options(&dir.0, Pace::Lockstep)).await;
    assert!(matches!(twice, Err(SimError::Books(_))), "the books are held");
    sim.stop().await.expect("a clean end");

    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started again");
    let client = Client::of(&sim);
    let file = PortFile::read(&dir.0).expect("readable").expect("there");
    assert_eq!((file.port, file.token.as_str()), (sim.addr.port(), sim.token.as_str()));
    assert_eq!(client.get("/sim/v1/ledger").await.1, before);
    assert_eq!(client.get("/sim/v1/status").await.1["now"], CLOSE);
    sim.stop().await.expect("a clean end");
    let mut other = options(&dir.0, Pace::Lockstep);
    let fewer = |fake: Fake| fake.without("ETHUSDT");
    other.market = Box::new(fewer(Fake::new(&[bar("BTCUSDT", 0, ["1"; 4], "1")])));
    assert!(matches!(start(other).await, Err(SimError::OtherMarket { .. })));
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("the file is free");
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn what_was_answered_is_in_the_file() {
    let (dir, image) = (Dir::new(), Dir::new());
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(CLOSE).await;
    let order = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=9&newClientOrderId=m";
    client.signed(Method::POST, "/api/v3/order", order, CLOSE).await;
    let before = client.get("/sim/v1/ledger").await.1;
    // A killed process leaves the file as it is now.
    std::fs::copy(dir.0.join("books.redb"), image.0.join("books.redb")).expect("copied");
    let after = start(options(&image.0, Pace::Lockstep)).await.expect("started from the image");
    assert_eq!(Client::of(&after).get("/sim/v1/ledger").await.1, before);
    assert_eq!(Client::of(&after).get("/sim/v1/status").await.1["market"], CLOSE);
    sim.stop().await.expect("a clean end");
    after.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_running_clock_releases_minutes_by_itself() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Times(100_000))).await.expect("started");
    let client = Client::of(&sim);
    let mut user = client.socket("/ws-api/v3", "u").await;
    let now = client.get("/api/v3/time").await.1["serverTime"].as_i64().expect("a time");
    assert!(now >= START);
    assert_eq!(subscribe_user(&mut user, now).await["status"], 200, "the window is scaled");
    while client.get("/sim/v1/status").await.1["ended"] == json!(false) {
        tokio::task::yield_now().await;
    }
    let status = client.get("/sim/v1/status").await.1;
    assert_eq!(
        (&status["pace"], &status["last_close"]),
        (&json!("100000x"), &json!(START + 4 * MINUTE))
    );
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn nobody_there_ends_it() {
    let dir = Dir::new();
    let mut options = options(&dir.0, Pace::Lockstep);
    options.idle_exit = Some(Duration::from_millis(50));
    let sim = start(options).await.expect("started");
    sim.ended().await.expect("a clean end");
    assert!(!dir.0.join(PORT_FILE).exists());
}

#[tokio::test]
async fn it_ends_when_asked_and_takes_payments() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    let body = json!({"asset": "ETH", "amount": "2.5"}).to_string();
    assert_eq!(client.send(Method::POST, "/sim/v1/fund", "", &body).await.0, 200);
    let ledger = client.get("/sim/v1/ledger").await.1;
    assert_eq!(ledger["balances"][1], json!({"asset": "ETH", "free": "2.5", "locked": "0"}));
    assert_eq!(client.send(Method::POST, "/sim/v1/stop", "", "").await.0, 200);
    sim.ended().await.expect("a clean end");
}

#[test]
fn paces_are_words() {
    for (text, pace) in
        [("lockstep", Pace::Lockstep), ("real", Pace::Times(1)), ("60x", Pace::Times(60))]
    {
        assert_eq!((text.parse(), pace.to_string().as_str()), (Ok(pace), text));
    }
    assert!(["", "0x", "x", "-1x", "fast"].iter().all(|t| t.parse::<Pace>().is_err()));
}
