//! The account of a daemon as somebody sees it who asks its exchange directly.

use crate::kit::{Process, ask, wait_until};
use everwarm_domain::money::Decimal;
use everwarm_sim::server::port::PortFile;
use everwarm_sim::wire::sign::hmac_hex;
use reqwest::Method;
use serde_json::Value;
use std::path::Path;

/// A symbol that is held, and how much of it. What a sale left for its fee is too little to sell.
pub fn held(dir: &Path) -> Option<(String, String)> {
    let positions = ask(dir, &["positions"]);
    let number = |text: &Value| text.as_str().map_or(0.0, |text| text.parse::<f64>().unwrap());
    let sells = |row: &&Value| number(&row["quantity"]) * number(&row["average_price"]) > 50.0;
    let held = positions.as_array().unwrap().iter().find(sells)?;
    let text = |field: &str| held[field].as_str().unwrap().to_owned();
    Some((text("symbol"), text("quantity")))
}

/// Kills a daemon that holds something: a symbol, and how much of it can be sold by hand in whole
/// lots. Where it was being sold when the kill came, the next life holds something else.
pub fn held_and_killed(
    dir: &Path,
    mut daemon: Process,
    start: impl Fn() -> Process,
) -> (String, String) {
    for _ in 0..10 {
        wait_until("something is held", || held(dir).is_some());
        daemon.kill();
        let hand = ManualTrader::new(dir);
        if let Some((symbol, quantity)) = held(dir) {
            for answer in hand.cancel_stops(&symbol) {
                assert_eq!(answer["status"], "CANCELED", "{answer}");
            }
            let quantity = hand.lots(&symbol, &quantity);
            if hand.free(&symbol) >= quantity.parse().unwrap() {
                return (symbol, quantity);
            }
        }
        daemon = start();
    }
    panic!("whatever is held is sold while the daemon is killed");
}

/// Somebody who trades by hand on the account of the daemon.
pub struct ManualTrader {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    port: PortFile,
}

impl ManualTrader {
    pub fn new(dir: &Path) -> ManualTrader {
        // Whichever test is first installs it; the others find it there.
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let port = PortFile::read(&dir.join("exchange")).unwrap().unwrap();
        ManualTrader { runtime, http, port }
    }

    fn send(&self, method: Method, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v3/{path}", self.port.port);
        let request = self.http.request(method, url).header("X-MBX-APIKEY", &self.port.api_key);
        let answer = async { request.send().await.unwrap().text().await.unwrap() };
        serde_json::from_str(&self.runtime.block_on(answer)).unwrap()
    }

    pub fn ask(&self, method: Method, path: &str, query: &str) -> Value {
        let now = self.send(Method::GET, "time")["serverTime"].as_i64().unwrap();
        let query = format!("{query}&recvWindow=60000&timestamp={now}");
        let signature = hmac_hex(&self.port.api_secret, &query);
        self.send(method, &format!("{path}?{query}&signature={signature}"))
    }

    /// Pays something in, or out where the amount is negative.
    pub fn fund(&self, asset: &str, amount: &str) {
        let url = format!("http://127.0.0.1:{}/sim/v1/fund", self.port.port);
        let body = serde_json::json!({"asset": asset, "amount": amount}).to_string();
        let token = format!("Bearer {}", self.port.token);
        let request = self.http.request(Method::POST, url).header("authorization", token);
        let answer = async { request.body(body).send().await.unwrap().status() };
        assert!(self.runtime.block_on(answer).is_success());
    }

    pub fn order(&self, order: &str) {
        let answer = self.ask(Method::POST, "order", order);
        assert!(answer["orderId"].is_u64(), "{order}: {answer}");
    }

    /// Cancels the stop orders of a symbol, which lock what is held. Returns the answers.
    pub fn cancel_stops(&self, symbol: &str) -> Vec<Value> {
        let open = self.ask(Method::GET, "openOrders", &format!("symbol={symbol}"));
        let stops = open.as_array().unwrap().iter().filter(|order| order["type"] == "STOP_LOSS");
        let query = |order: &Value| format!("symbol={symbol}&orderId={}", order["orderId"]);
        stops.map(|order| self.ask(Method::DELETE, "order", &query(order))).collect()
    }

    /// How much of the base asset of a symbol may be sold.
    fn free(&self, symbol: &str) -> Decimal {
        let base = symbol.strip_suffix("USDT").expect("a symbol of the made market");
        let account = self.ask(Method::GET, "account", "");
        let balances = account["balances"].as_array().unwrap();
        let row = balances.iter().find(|row| row["asset"] == base);
        row.map_or(Decimal::ZERO, |row| row["free"].as_str().unwrap().parse().unwrap())
    }

    /// The quantity in whole lots: what a fee took of the base asset is not.
    pub fn lots(&self, symbol: &str, quantity: &str) -> String {
        let info = self.send(Method::GET, &format!("exchangeInfo?symbol={symbol}"));
        let filters = info["symbols"][0]["filters"].as_array().unwrap();
        let lot = filters.iter().find(|f| f["filterType"] == "LOT_SIZE").unwrap();
        let step: Decimal = lot["stepSize"].as_str().unwrap().parse().unwrap();
        let quantity: Decimal = quantity.parse().unwrap();
        ((quantity / step).trunc() * step).normalize().to_string()
    }

    /// Our ids of all orders the exchange ever took of a symbol.
    pub fn ids(&self, symbol: &str) -> Vec<String> {
        let all = self.ask(Method::GET, "allOrders", &format!("symbol={symbol}"));
        let all = all.as_array().unwrap_or_else(|| panic!("{all}")).iter();
        all.map(|order| order["clientOrderId"].as_str().unwrap().to_owned()).collect()
    }

    pub fn open(&self) -> Vec<String> {
        let open = self.ask(Method::GET, "openOrders", "");
        let ids = open.as_array().unwrap().iter();
        ids.map(|order| order["clientOrderId"].as_str().unwrap().to_owned()).collect()
    }
}
