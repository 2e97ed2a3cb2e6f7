use crate::exchange::local::InitialBooks;
use crate::market::Market;
use crate::server::{Pace, Protocol, SimHandle, SimOptions, start};
use crate::testing::{START, bar, dec, sym};
use crate::wire::sign::{DEMO_KEY, DEMO_SECRET};
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::split::Split;
use everwarm_domain::time::{MINUTE, UtcMs};
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

mod brackets;
mod data;
mod faults;
mod fees;
mod fractions;
mod hostile;
mod market;
mod orders;
mod packed;
mod pairs;
mod refusals;
mod replace;
mod sessions;
mod splits;
mod stream;
mod trailing;

struct Dir(PathBuf);

impl Dir {
    fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let name = format!("everwarm-sim-alpaca-{}-{number}", std::process::id());
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

/// AAPL at 100 and MSFT at 10: ten flat bars before the start, then a minute that rises, one that
/// falls, one without trades of AAPL, and more after an hour.
struct Stocks {
    instruments: Vec<Instrument>,
    bars: Vec<Bar>,
    sessions: Option<Sessions>,
    splits: Vec<Split>,
}

impl Stocks {
    fn always() -> Stocks {
        let mut bars: Vec<Bar> = (-10..0)
            .flat_map(|m| [("AAPL", "100", m), ("MSFT", "10", m)])
            .map(|(symbol, price, m)| bar(symbol, m, [price; 4], "4000"))
            .collect();
        bars.extend([
            bar("AAPL", 0, ["100", "110", "95", "105"], "4000"),
            bar("MSFT", 0, ["10", "10", "10", "10"], "4000"),
            bar("AAPL", 1, ["105", "108", "90", "92"], "4000"),
            bar("AAPL", 2, ["92", "92", "92", "92"], "0"),
            bar("AAPL", 60, ["93", "94", "91", "91.5"], "4000"),
            bar("AAPL", 61, ["91.5", "91.5", "91.5", "91.5"], "4000"),
        ]);
        bars.sort_by_key(|bar| (bar.open_time, bar.symbol));
        let instruments = ["AAPL", "MSFT"].map(instrument).to_vec();
        Stocks { instruments, bars, sessions: None, splits: Vec::new() }
    }

    /// With a session that ends two minutes after the start, and one that lasts two minutes an hour
    /// later.
    fn in_sessions() -> Stocks {
        let session = |open: i64, close: i64| Session {
            open: START + open * MINUTE,
            close: START + close * MINUTE,
        };
        let (from, until) = (START - 60 * MINUTE, START + 1_000 * MINUTE);
        let sessions = Sessions::new(from, until, vec![session(-10, 2), session(60, 62)]);
        Stocks { sessions: Some(sessions.expect("sessions")), ..Stocks::always() }
    }
}

fn instrument(name: &str) -> Instrument {
    Instrument {
        symbol: sym(name),
        base: name.to_owned(),
        quote: "USD".to_owned(),
        trading: true,
        tick_size: dec("0.001"),
        lot_size: dec("0.1"),
        min_quantity: dec("0.1"),
        max_quantity: dec("90000"),
        market_lot_size: Decimal::ZERO,
        market_max_quantity: dec("50000"),
        min_notional: dec("5"),
        min_notional_for_market: true,
        venue: VenueId::default(),
    }
}

impl Market for Stocks {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn start(&self) -> UtcMs {
        START
    }

    fn sessions(&self) -> Option<&Sessions> {
        self.sessions.as_ref()
    }

    fn splits(&self) -> &[Split] {
        &self.splits
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        self.bars.iter().map(|bar| bar.open_time + MINUTE).find(|close| *close > after)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        self.bars.iter().filter(|bar| bar.open_time + MINUTE == close).copied().collect()
    }

    fn bars(&mut self, symbol: Symbol, from: UtcMs, to: UtcMs, limit: usize) -> Vec<Bar> {
        let all = self.bars.iter().filter(|bar| bar.symbol == symbol);
        let within = all.filter(|bar| (from..=to).contains(&bar.open_time));
        within.take(limit).copied().collect()
    }
}

fn options(dir: &Path, pace: Pace, market: Stocks) -> SimOptions {
    let balances = [("USD".to_owned(), dec("100000"))].into();
    let setup =
        InitialBooks { seed: 7, balances, protocol: Protocol::Alpaca, ..InitialBooks::default() };
    let market = Box::new(market);
    SimOptions { data_dir: dir.to_owned(), port: 0, pace, market, setup, idle_exit: None }
}

/// An exchange in lockstep, and a client of it.
struct Venue {
    sim: SimHandle,
    client: Client,
}

impl Venue {
    async fn open(dir: &Dir, market: Stocks) -> Venue {
        let sim = start(options(&dir.0, Pace::Lockstep, market)).await.expect("started");
        let client = Client::of(&sim);
        Venue { sim, client }
    }

    /// As [`Venue::open`], at the start of the market.
    async fn begun(dir: &Dir, market: Stocks) -> Venue {
        let venue = Venue::open(dir, market).await;
        venue.client.advance(START).await;
        venue
    }

    async fn stop(self) {
        self.sim.stop().await.expect("a clean end");
    }
}

struct Client {
    http: reqwest::Client,
    at: String,
    token: String,
    keys: (String, String),
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Client {
    fn of(sim: &SimHandle) -> Client {
        // The first test installs the provider. Later calls fail, which is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().no_gzip().build().expect("a client");
        let keys = (DEMO_KEY.to_owned(), DEMO_SECRET.to_owned());
        Client { http, at: sim.addr.to_string(), token: sim.token.clone(), keys }
    }

    async fn raw(&self, method: Method, path: &str, body: &str) -> reqwest::Response {
        let request = self
            .http
            .request(method, format!("http://{}{path}", self.at))
            .header("APCA-API-KEY-ID", &self.keys.0)
            .header("APCA-API-SECRET-KEY", &self.keys.1)
            .bearer_auth(&self.token)
            .body(body.to_owned());
        request.send().await.expect("a response")
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let response = self.raw(method, path, body).await;
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, "").await
    }

    /// Replaces an order.
    async fn patch(&self, id: &str, changes: Value) -> (u16, Value) {
        self.send(Method::PATCH, &format!("/v2/orders/{id}"), &changes.to_string()).await
    }

    /// An order, by the id of the venue, with its legs.
    async fn shown(&self, id: &str) -> Value {
        let (status, order) = self.get(&format!("/v2/orders/{id}?nested=true")).await;
        assert_eq!(status, 200, "{order}");
        order
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        self.send(Method::DELETE, path, "").await
    }

    async fn order(&self, order: Value) -> (u16, Value) {
        self.send(Method::POST, "/v2/orders", &order.to_string()).await
    }

    /// Places an order, and returns the id of the venue.
    async fn placed(&self, order: Value) -> String {
        let (status, body) = self.order(order).await;
        assert_eq!(status, 200, "{body}");
        body["id"].as_str().expect("an id").to_owned()
    }

    /// Advances venue time to some minutes after the start.
    async fn minute(&self, minute: i64) {
        self.advance(START + minute * MINUTE).await;
    }

    async fn advance(&self, at: UtcMs) {
        let body = json!({"to": at, "market": at}).to_string();
        let (status, value) = self.send(Method::POST, "/sim/v1/advance", &body).await;
        assert_eq!(status, 200, "{value}");
    }

    async fn socket(&self, path: &str) -> Socket {
        connect_async(format!("ws://{}{path}", self.at)).await.expect("a connection").0
    }

    /// A connection that listens to the messages about orders.
    async fn updates(&self) -> Socket {
        let mut socket = self.socket("/stream").await;
        let keys = json!({"key_id": DEMO_KEY, "secret_key": DEMO_SECRET});
        let answer = ask(&mut socket, json!({"action": "authenticate", "data": keys})).await;
        assert_eq!(answer["data"]["status"], "authorized", "{answer}");
        let streams = json!({"streams": ["trade_updates"]});
        let answer = ask(&mut socket, json!({"action": "listen", "data": streams})).await;
        assert_eq!(answer, json!({"stream": "listening", "data": streams}));
        socket
    }

    /// A connection to a feed that has logged on.
    async fn feed(&self, path: &str) -> Socket {
        let mut socket = self.socket(path).await;
        assert_eq!(next(&mut socket).await, json!([{"T": "success", "msg": "connected"}]));
        let keys = json!({"action": "auth", "key": DEMO_KEY, "secret": DEMO_SECRET});
        let answer = ask(&mut socket, keys).await;
        assert_eq!(answer, json!([{"T": "success", "msg": "authenticated"}]));
        socket
    }
}

/// A market order.
fn market_order(side: &str, qty: &str, id: &str) -> Value {
    json!({
        "symbol": "AAPL", "qty": qty, "side": side, "type": "market", "time_in_force": "day",
        "client_order_id": id,
    })
}

/// A limit order that works until cancelled.
fn limit_order(side: &str, qty: &str, price: &str, id: &str) -> Value {
    json!({
        "symbol": "AAPL", "qty": qty, "side": side, "type": "limit", "limit_price": price,
        "time_in_force": "gtc", "client_order_id": id,
    })
}

/// The event and the status of the next message about an order, and its id.
async fn event(socket: &mut Socket) -> (String, String, String) {
    let update = next(socket).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (event, order) = (&update["data"]["event"], &update["data"]["order"]);
    (text(event), text(&order["status"]), text(&order["id"]))
}

/// The id in a response.
fn id(order: &Value) -> &str {
    order["id"].as_str().expect("an id")
}

/// The next message, and whether it came in a binary frame. None: the connection has ended.
async fn next_frame(socket: &mut Socket) -> Option<(Value, bool)> {
    loop {
        match socket.next().await?.ok()? {
            Message::Text(text) => {
                return Some((serde_json::from_str(&text).expect("JSON"), false));
            }
            Message::Binary(bytes) => {
                return Some((serde_json::from_slice(&bytes).expect("JSON"), true));
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return None,
            Message::Frame(frame) => panic!("{frame:?}"),
        }
    }
}

async fn next(socket: &mut Socket) -> Value {
    next_frame(socket).await.expect("a message").0
}

async fn ask(socket: &mut Socket, request: Value) -> Value {
    socket.send(Message::text(request.to_string())).await.expect("sent");
    next(socket).await
}

/// The status and the code of a refusal.
fn refusal((status, body): &(u16, Value)) -> (u16, i64, &str) {
    let text = body["message"].as_str().unwrap_or_default();
    (*status, body["code"].as_i64().unwrap_or_default(), text)
}
