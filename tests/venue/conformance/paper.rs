//! The same for stocks: a walk over the protocol of Alpaca, in an open and in a closed market.

use super::super::stocks::{Place, SYMBOLS};
use super::proxy::{Passing, Planted, Proxy};
use super::{check, json_of, text, with};
use crate::cli::api::holding;
use crate::kit::{Folder, plain};
use crate::under_kills::runtime;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_sim::market::stocks;
use everwarm_sim::wire::sign::{DEMO_KEY, DEMO_SECRET};
use everwarm_sim::{InitialBooks, Pace, Protocol, SimHandle, SimOptions, start};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// Two hours after an opening: 2026-01-05T16:30Z.
const OPEN: UtcMs = 1_767_630_600_000;
/// An hour after the close of that day.
const CLOSED: UtcMs = OPEN + 330 * MINUTE;
/// How fast time passes.
const FACTOR: u32 = 60;
/// Steps that need an open market.
const AT_HOURS: [&str; 10] = [
    "bar-event",
    "cancel-filled",
    "fills",
    "ioc-fok",
    "market-buy",
    "market-sale",
    "position",
    "replace",
    "stop-limit-sale",
    "stop-sale",
];

/// An exchange in this process.
struct Exchange {
    at: Place,
    on: Runtime,
    running: SimHandle,
}

impl Exchange {
    fn begin(name: &str, now: UtcMs) -> Exchange {
        let (folder, on) = (Folder::new(name), runtime(2));
        let names = SYMBOLS.map(|name| Symbol::named(name).unwrap());
        let options = SimOptions {
            data_dir: folder.join("books"),
            port: 0,
            pace: Pace::Times(FACTOR),
            market: stocks::market(5, &names, now).unwrap(),
            setup: InitialBooks { protocol: Protocol::Alpaca, ..InitialBooks::default() },
            idle_exit: None,
        };
        let running = on.block_on(start(options)).unwrap();
        let at = Place::new(folder, running.addr.port(), FACTOR);
        Exchange { at, on, running }
    }

    /// The configuration of a walk there, or over a proxy in front of it.
    fn configured(&self, port: u16) -> String {
        let file = self.at.configured("paper.toml", "");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace(&format!(":{}", self.at.port), &format!(":{port}"))).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// A request as the owner of the account sends it.
    fn send(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        everwarm_venue::install_tls();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://127.0.0.1:{}/v2/{path}", self.at.port);
        let request = client.request(method, url).header("content-type", "application/json");
        let request = request.header("apca-api-key-id", DEMO_KEY);
        let request = request.header("apca-api-secret-key", DEMO_SECRET);
        let request = request.body(body.map(|body| body.to_string()).unwrap_or_default());
        self.on.block_on(async { request.send().await.unwrap().json().await.unwrap() })
    }

    fn get(&self, path: &str) -> Value {
        self.send(reqwest::Method::GET, path, None)
    }

    /// Nothing of a walk is left: no order, no share.
    fn is_as_before(&self) {
        assert_eq!(self.get("orders?status=open"), json!([]));
        assert_eq!(self.get("positions"), json!([]));
    }
}

/// The steps that were not tried, with the reason.
fn untried(report: &Value) -> Vec<(String, String)> {
    let text = |step: &Value, field: &str| step[field].as_str().unwrap().to_owned();
    let steps = report["steps"].as_array().unwrap().iter();
    let untried = steps.filter(|step| step["verdict"] == "not_tried");
    untried.map(|step| (text(step, "name"), text(step, "came"))).collect()
}

#[test]
fn stocks_are_walked_over_and_the_record_holds_nothing_of_the_account() {
    let there = Exchange::begin("conformance-paper", OPEN);
    // A killed run left this order. The other one belongs to somebody else.
    let order = |id: &str| {
        json!({"symbol": "AAPL", "qty": "1", "side": "buy", "type": "limit",
            "time_in_force": "gtc", "limit_price": "60", "client_order_id": id})
    };
    there.send(reqwest::Method::POST, "orders", Some(order("ewc-dead-1")));
    let other = there.send(reqwest::Method::POST, "orders", Some(order("of-somebody-else")));
    let other = other["id"].as_str().unwrap();
    let config = there.configured(there.at.port);
    let folder = there.at.folder.join("record");
    let record = folder.to_str().unwrap();
    let walked = check(&config, &["--venue", "alpaca-paper", "--record", record]);
    let shown = text(&walked);
    assert_eq!(walked.status.code(), Some(0), "{shown}");
    assert!(shown.contains("alpaca-paper, AAPL") && shown.contains("0 differs"), "{shown}");
    assert!(shown.contains("0 not tried"), "{shown}");
    assert!(shown.contains("1 open order of earlier runs cancelled"), "{shown}");
    let open = there.get("orders?status=open");
    assert_eq!(open.as_array().map(Vec::len), Some(1), "{open}");
    assert_eq!(there.get("positions"), json!([]));

    let account = there.get("account");
    let secret = |name: &str| account[name].as_str().unwrap().to_owned();
    let secrets = ["id", "account_number", "cash"].map(secret);
    let secrets = secrets.iter().map(String::as_str).chain([DEMO_KEY, DEMO_SECRET, other]);
    for secret in secrets.chain(["of-somebody-else"]) {
        assert_eq!(holding(&folder, secret), Vec::<PathBuf>::new(), "{secret}");
    }
    plays(there, &folder, record);
}

/// A record is judged as the venue was, without the venue.
fn plays(there: Exchange, folder: &Path, record: &str) {
    let file = folder.join("wire.jsonl");
    let recorded = fs::read_to_string(&file).unwrap();
    for field in ["secret", "secret_key", "cash", "position_qty"] {
        assert!(recorded.contains(&format!(r#"\"{field}\":"#)), "{field}");
    }
    let Exchange { at, on, running } = there;
    on.block_on(running.stop()).unwrap();
    let play = || plain(&["conformance", "--play", record, "--json"]);
    let played = play();
    assert_eq!(played.status.code(), Some(0), "{}", text(&played));
    assert_eq!(with(&json_of(&played), "not_tried"), BTreeSet::new());
    fs::write(&file, recorded.replace("asset not found", "who knows")).unwrap();
    let played = play();
    assert_eq!(played.status.code(), Some(4), "{}", text(&played));
    assert_eq!(with(&json_of(&played), "differs"), BTreeSet::from(["unknown-asset".to_owned()]));
    drop(at);
}

#[test]
fn steps_that_need_an_open_market_are_not_tried_while_it_is_closed() {
    let there = Exchange::begin("conformance-closed", CLOSED);
    let config = there.configured(there.at.port);
    let walked = check(&config, &["--json"]);
    let report = json_of(&walked);
    assert_eq!(walked.status.code(), Some(0), "{report:#}");
    let untried = untried(&report);
    let names: BTreeSet<&str> = untried.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(AT_HOURS));
    for name in ["bar-event", "ioc-fok", "market-buy", "stop-sale", "market-sale"] {
        let why = untried.iter().find(|(of, _)| of == name).map(|(_, why)| why.as_str());
        assert!(why.unwrap().contains("market closed"), "{name}: {why:?}");
    }
    there.is_as_before();
}

/// Walks over the exchange with planted differences. Exactly these steps must find them, and the
/// report must contain these sentences.
fn finds(there: &Exchange, planted: Planted, wait: &str, steps: &[&str], says: &[&str]) {
    let proxy = Proxy::start(there.at.port, planted);
    let config = there.configured(proxy.port);
    let found = check(&config, &["--wait", wait, "--json"]);
    let report = json_of(&found);
    let steps: BTreeSet<String> = steps.iter().map(|step| (*step).to_owned()).collect();
    assert_eq!(with(&report, "differs"), steps, "{report:#}");
    assert_eq!(found.status.code(), Some(4));
    let sentences = report["steps"].as_array().unwrap().iter();
    let sentences: Vec<&str> = sentences.map(|step| step["came"].as_str().unwrap()).collect();
    for says in says {
        assert!(sentences.iter().any(|came| came.contains(says)), "{says}: {sentences:#?}");
    }
    there.is_as_before();
}

/// What the venue could do otherwise, in responses.
fn otherwise(passing: &mut Passing) {
    let Passing { request, status, remaining, body, .. } = passing;
    match request.as_str() {
        "POST /v2/orders" if body["code"] == 40_010_001 => body["code"] = json!(42_210_000),
        "GET /v2/account" if body.get("cash").is_some() => {
            body["cash"] = json!(1.5);
            body["daytrade_count"] = json!(0);
        }
        "GET /v2/stocks/bars" => {
            if let Some(bar) = body["bars"]["AAPL"].as_array_mut().and_then(|bars| bars.first_mut())
            {
                let text = bar["t"].as_str().unwrap();
                bar["t"] = json!(text.replace(":00Z", ":30Z"));
            }
        }
        "GET /v2/calendar" => {
            for day in body.as_array_mut().into_iter().flatten() {
                day["close"] = json!("15:59");
            }
        }
        cancel if cancel.starts_with("DELETE /v2/orders/") && *status == 422 => *status = 200,
        _ => {}
    }
    *remaining = remaining.map(|_| 7);
}

#[test]
fn a_venue_of_stocks_that_differs_is_named_by_its_steps() {
    let there = Exchange::begin("conformance-stocks", OPEN);
    let limit = |message: &mut Value| {
        for it in message.as_array_mut().into_iter().flatten() {
            if it["code"] == 405 {
                it["code"] = json!(400);
            }
        }
    };
    let planted =
        Planted { response: Box::new(otherwise), message: Box::new(limit), ..Planted::default() };
    let steps = [
        "account",
        "calendar",
        "cancel-again",
        "cancel-filled",
        "duplicate",
        "duplicate-ended",
        "limit-falls",
        "next-page",
        "past-bars",
        "removed-fields",
        "symbol-limit",
    ];
    let says = [
        "\"cash\" of GET /v2/account is 1.5, expected is a decimal in a string",
        "\"daytrade_count\" of GET /v2/account is 0, expected is missing",
        "the error code of POST /v2/orders is 42210000, expected is 40010001",
        "expected is the begin of a minute",
        "\"next_close\", compared with the calendar",
        "is 200, expected is 422",
        "the fall of X-RateLimit-Remaining by one request is 0, expected is 1",
        "\"code\" of the answer of the market stream is 400, expected is 405",
    ];
    finds(&there, planted, "10", &steps, &says);

    let (mut sales, mut dropped) = (0, false);
    let events = move |mut event: Value| {
        if event["event"] == "new" {
            event.as_object_mut().unwrap().remove("timestamp");
        }
        if event["event"] == "canceled" && !dropped {
            dropped = true;
            return Vec::new();
        }
        let sold = event["event"] == "fill" && event["order"]["side"] == "sell";
        sales += u32::from(sold);
        if sold && sales == 1 { vec![event.clone(), event] } else { vec![event] }
    };
    let planted = Planted { event: Box::new(events), ..Planted::default() };
    let steps = ["cancel", "event-fields", "events-once"];
    let says = [
        "is [], expected is [\"canceled\"]",
        "\"timestamp\" of event \"new\" is missing",
        "the count of execution",
    ];
    finds(&there, planted, "5", &steps, &says);
}
