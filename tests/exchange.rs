//! The simulated exchange against what the real one sends: every field of a documented answer is in
//! ours, with a value of the same kind.

use crate::kit::{Folder, Process, ask, run, wait_until};
use crate::shared::shared;
use everwarm::chaos::feed::{START, Small};
use everwarm_domain::time::MINUTE;
use everwarm_sim::faults::{KINDS, MODES, Row};
use everwarm_sim::server::routes::{Endpoint, TABLE};
use everwarm_sim::wire::sign::{DEMO_ED25519_KEY, DEMO_KEY, DEMO_SECRET, hmac_hex};
use everwarm_sim::{InitialBooks, Pace, SimHandle, SimOptions, start};
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use tokio_tungstenite::tungstenite::Message;

/// Where the clock of these tests stands.
const NOW: i64 = START + MINUTE;
/// Fields of what is not simulated: iceberg orders, orders routed elsewhere.
const ABSENT: [&str; 2] = ["icebergQty", "sors"];

struct Exchange {
    sim: SimHandle,
    http: reqwest::Client,
}

impl Exchange {
    async fn start(dir: &Path) -> Exchange {
        // Whichever test is first installs it; the others find it there.
        drop(rustls::crypto::ring::default_provider().install_default());
        let options = SimOptions {
            data_dir: dir.to_owned(),
            port: 0,
            pace: Pace::Lockstep,
            market: Box::new(Small::new()),
            setup: InitialBooks::default(),
            idle_exit: None,
        };
        let sim = start(options).await.unwrap();
        let exchange =
            Exchange { sim, http: reqwest::Client::builder().no_proxy().build().unwrap() };
        exchange.advance(NOW).await;
        exchange
    }

    async fn advance(&self, to: i64) {
        let url = format!("http://{}/sim/v1/advance", self.sim.addr);
        let body = json!({"to": to, "market": to}).to_string();
        let asked = self.http.post(url).bearer_auth(&self.sim.token).body(body);
        assert!(asked.send().await.unwrap().status().is_success());
    }

    async fn ask(&self, method: Method, path: &str, query: &str, signed: bool) -> Value {
        let mut query = query.to_owned();
        if signed {
            query = format!("{query}&timestamp={NOW}");
            query = format!("{query}&signature={}", hmac_hex(DEMO_SECRET, &query));
        }
        let url = format!("http://{}/api/v3/{path}?{query}", self.sim.addr);
        let asked = self.http.request(method, url).header("X-MBX-APIKEY", DEMO_KEY);
        let text = asked.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// What of `documented` is not in `ours`, or of another kind.
fn missing(documented: &Value, ours: &Value, at: &str) -> Vec<String> {
    match (documented, ours) {
        (Value::Object(all), Value::Object(have)) => {
            let wanted = all.iter().filter(|(name, _)| !ABSENT.contains(&name.as_str()));
            wanted
                .flat_map(|(name, value)| {
                    let at = format!("{at}.{name}");
                    match have.get(name) {
                        None => vec![format!("{at} is absent")],
                        Some(own) => missing(value, own, &at),
                    }
                })
                .collect()
        }
        (Value::Array(all), Value::Array(have)) => match (all.first(), have.first()) {
            (Some(_), None) => vec![format!("{at} is empty")],
            (Some(Value::String(_) | Value::Number(_)), Some(_)) => {
                let pairs = all.iter().zip(have);
                pairs.flat_map(|(a, b)| missing(a, b, &format!("{at}[]"))).collect()
            }
            (Some(first), Some(own)) => missing(first, own, &format!("{at}[0]")),
            (None, _) => Vec::new(),
        },
        (Value::Null, _)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => Vec::new(),
        _ => vec![format!("{at} is {ours}, documented is {documented}")],
    }
}

const LIMIT: &str = "symbol=AAAUSD&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=60";
const OCO: &str = "symbol=AAAUSD&side=BUY&quantity=1&aboveType=STOP_LOSS_LIMIT&aboveStopPrice=130\
    &abovePrice=131&aboveTimeInForce=GTC&belowType=LIMIT_MAKER&belowPrice=80";

#[tokio::test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
async fn answers_have_every_documented_field() {
    let wire = shared("wire/binance/rest_docs");
    let folder = Folder::new("exchange-shapes");
    let exchange = Exchange::start(&folder.0).await;
    let buy = "symbol=AAAUSD&side=BUY&type=MARKET&quantity=2";
    let bought = exchange.ask(Method::POST, "order", buy, true).await;
    let mut wrong = missing(&read(&wire.join("new_order_full_response.json")), &bought, "order");
    exchange.ask(Method::POST, "order", &format!("{LIMIT}&newClientOrderId=a"), true).await;
    let get = Method::GET;
    for (file, path, query, signed) in [
        ("ping", "ping", "", false),
        ("server_time", "time", "", false),
        ("exchange_info", "exchangeInfo", "", false),
        ("klines", "klines", "symbol=AAAUSD&interval=1m", false),
        ("depth", "depth", "symbol=AAAUSD", false),
        ("trades", "trades", "symbol=AAAUSD", false),
        ("avg_price", "avgPrice", "symbol=AAAUSD", false),
        ("ticker_price", "ticker/price", "symbol=AAAUSD", false),
        ("book_ticker", "ticker/bookTicker", "symbol=AAAUSD", false),
        ("ticker_24hr", "ticker/24hr", "symbol=AAAUSD", false),
        ("account", "account", "omitZeroBalances=false", true),
        ("account_trades", "myTrades", "symbol=AAAUSD", true),
        ("all_orders", "allOrders", "symbol=AAAUSD", true),
        ("open_orders", "openOrders", "symbol=AAAUSD", true),
        ("order", "order", "symbol=AAAUSD&origClientOrderId=a", true),
    ] {
        let documented = read(&wire.join(format!("{file}_response.json")));
        let ours = exchange.ask(get.clone(), path, query, signed).await;
        wrong.extend(missing(&documented, &ours, path));
    }
    let named = "symbol=AAAUSD&origClientOrderId=a";
    let gone = exchange.ask(Method::DELETE, "order", named, true).await;
    wrong.extend(missing(&read(&wire.join("cancel_order_response.json")), &gone, "cancel"));
    exchange.ask(Method::POST, "order", LIMIT, true).await;
    exchange.ask(Method::POST, "orderList/oco", OCO, true).await;
    let gone = exchange.ask(Method::DELETE, "openOrders", "symbol=AAAUSD", true).await;
    let documented = read(&wire.join("cancel_open_orders_response.json"));
    wrong.extend(missing(&documented[0], &gone[0], "cancelled"));
    wrong.extend(missing(&documented[2], &gone[1], "cancelled list"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    exchange.sim.stop().await.unwrap();
}

#[tokio::test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
async fn events_have_every_documented_field() {
    let wire = shared("wire/binance/ws_user");
    let folder = Folder::new("exchange-events");
    let exchange = Exchange::start(&folder.0).await;
    let url = format!("ws://{}/ws-api/v3", exchange.sim.addr);
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let signature = hmac_hex(DEMO_SECRET, &format!("apiKey={DEMO_KEY}&timestamp={NOW}"));
    let params = json!({"apiKey": DEMO_KEY, "timestamp": NOW, "signature": signature});
    let method = "userDataStream.subscribe.signature";
    let request = json!({"id": 1, "method": method, "params": params});
    socket.send(Message::text(request.to_string())).await.unwrap();
    let cancelled = format!("{LIMIT}&newClientOrderId=a");
    exchange.ask(Method::POST, "order", &cancelled, true).await;
    let named = "symbol=AAAUSD&origClientOrderId=a";
    exchange.ask(Method::DELETE, "order", named, true).await;
    let unfilled = LIMIT.replace("GTC", "IOC");
    exchange.ask(Method::POST, "order", &unfilled, true).await;
    let bought = "symbol=AAAUSD&side=BUY&type=MARKET&quantity=2";
    exchange.ask(Method::POST, "order", bought, true).await;
    exchange.ask(Method::POST, "orderList/oco", OCO, true).await;
    let mut seen = Vec::new();
    while !seen.iter().any(|event: &Value| event["e"] == "listStatus") {
        if let Some(Ok(Message::Text(text))) = socket.next().await {
            let frame: Value = serde_json::from_str(&text).unwrap();
            seen.push(frame["event"].clone());
        }
    }
    let find = |kind: &str, what: &str| {
        let found = seen.iter().find(|e| e["e"] == kind && (what.is_empty() || e["x"] == what));
        found.unwrap_or_else(|| panic!("no {kind} {what}"))
    };
    let mut wrong = Vec::new();
    for (file, kind, what) in [
        ("execution_report_new", "executionReport", "NEW"),
        ("execution_report_canceled", "executionReport", "CANCELED"),
        ("execution_report_expired", "executionReport", "EXPIRED"),
        ("execution_report_trade", "executionReport", "TRADE"),
        ("execution_report_stop_loss", "executionReport", "NEW"),
        ("account_position", "outboundAccountPosition", ""),
    ] {
        let documented = read(&wire.join(format!("{file}.json")));
        wrong.extend(missing(&documented, find(kind, what), file));
    }
    let documented = read(&wire.join("list_status_wrapped.json"));
    wrong.extend(missing(&documented["event"], find("listStatus", ""), "list_status"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    exchange.sim.stop().await.unwrap();
}

/// Codes and texts the exchange writes that take nothing in: each stands in the documentation.
#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn refusals_are_the_documented_ones() {
    let wire = shared("wire/binance");
    let documented = read(&wire.join("documented_error_bodies.json"));
    let texts: Vec<&str> =
        documented.as_array().unwrap().iter().filter_map(|e| e["body"]["msg"].as_str()).collect();
    for text in [
        "Account has insufficient balance for requested action.",
        "Duplicate order sent.",
        "Order would trigger immediately.",
        "Order would immediately match and take.",
        "The relationship of the prices for the orders is not correct.",
        "Order was not canceled due to cancel restrictions.",
        "Unknown order sent.",
        "Order does not exist.",
        "Market is closed.",
        "Iceberg orders are not supported for this symbol.",
        "Trailing stop orders are not supported for this symbol.",
        "Pegged orders are not supported for this symbol.",
        "Order book liquidity is less than `LOT_SIZE` filter minimum quantity.",
        "Unsupported order combination.",
        "Order type not supported in OCO.",
        "A limit order in a buy OCO must be below.",
        "A limit order in a sell OCO must be above.",
        "At least one OCO order must be contingent.",
        "A stop loss order in a buy OCO must be above.",
        "A stop loss order in a sell OCO must be below.",
        "A take profit order in a buy OCO must be below.",
        "A take profit order in a sell OCO must be above.",
        "No orders on book for symbol.",
        "Symbol is present multiple times in the list.",
        "Invalid ticker type.",
        "`strategyType` was less than 1000000.",
        "This operation is not supported.",
        "Invalid JSON Request",
        "Filter failure: MAX_NUM_ALGO_ORDERS",
        "Filter failure: MAX_NUM_ORDER_LISTS",
    ] {
        assert!(texts.contains(&text), "not documented: {text}");
    }
}

/// The page lists every endpoint with its name and weight, as the table in the code has them.
#[test]
fn the_page_has_every_endpoint() {
    let page = include_str!("../docs/EXCHANGE.md");
    let row = |e: &Endpoint| {
        let name = if e.name.is_empty() { "-".to_owned() } else { format!("`{}`", e.name) };
        format!("| {} `{}` | {name} | {} |", e.method, e.path, e.weight)
    };
    let absent: Vec<String> = TABLE.iter().map(row).filter(|row| !page.contains(row)).collect();
    assert!(absent.is_empty(), "not in docs/EXCHANGE.md:\n{}", absent.join("\n"));
    assert!([DEMO_KEY, DEMO_SECRET, DEMO_ED25519_KEY].iter().all(|text| page.contains(text)));
}

/// The page lists every fault with its place, number and meaning, as the table in the code has
/// them.
#[test]
fn the_page_has_every_fault() {
    let page = include_str!("../docs/EXCHANGE.md");
    let row = |row: &Row| {
        let number = row.value.map_or("-".to_owned(), |(what, of)| format!("{what} [{of}]"));
        let transparent = if row.transparent { "yes" } else { "no" };
        let hits = row.scope.word();
        format!("| `{}` | {hits} | {transparent} | {number} | {} |", row.name, row.text)
    };
    let modes = MODES.iter().map(|row| format!("| `{}` | {} |", row.name, row.text));
    let all = KINDS.iter().map(row).chain(modes);
    let absent: Vec<String> = all.filter(|row| !page.contains(row)).collect();
    assert!(absent.is_empty(), "not in docs/EXCHANGE.md:\n{}", absent.join("\n"));
}

#[test]
fn faults_are_switched_by_command() {
    let folder = Folder::new("faults");
    let dir = folder.0.as_path();
    let (code, _, err) = run(dir, &["sim", "lift"]);
    assert!(code == Some(3) && err.contains("no exchange is running"), "{code:?} {err}");
    let exchange = Process::start(dir, &["sim", "--pace", "lockstep"]);
    wait_until("it says where it listens", || dir.join("port.json").exists());
    let on = ["sim", "fault", "limited", "--at", "GET order", "--times", "2", "--value", "9"];
    let (code, out, err) = run(dir, &on);
    assert!(
        code == Some(0) && out.starts_with("fault 1 is on, seed 0: responds 429"),
        "{out}{err}"
    );
    let (code, _, err) = run(dir, &["sim", "fault", "limited", "--at", "GET nothing"]);
    assert!(code == Some(2) && err.contains("cannot be at"), "{code:?} {err}");
    let faults = ask(dir, &["sim", "faults"]);
    assert_eq!(faults["kinds"].as_array().map(Vec::len), Some(KINDS.len()));
    assert_eq!(
        (&faults["on"][0]["at"], &faults["on"][0]["number"]),
        (&json!("GET order"), &json!(9))
    );
    let (_, table, _) = run(dir, &["sim", "faults"]);
    assert!(KINDS.iter().all(|row| table.contains(row.name)), "{table}");
    assert!(table.lines().last().is_some_and(|line| line.contains("GET order")), "{table}");
    assert_eq!(ask(dir, &["sim", "lift"]), json!({"off": 1}));

    let hostile = ["sim", "fault", "hostile"];
    let (code, _, err) = run(dir, &hostile);
    assert!(code == Some(2) && err.contains("needs a mode: wrong-types"), "{code:?} {err}");
    let (code, _, err) = run(dir, &[&hostile[..], &["--mode", "nice"]].concat());
    assert!(code == Some(2) && err.contains("there are wrong-types"), "{code:?} {err}");
    let placed = ["--mode", "absurd-filters", "--at", "GET account"];
    let (code, _, err) = run(dir, &[&hostile[..], &placed].concat());
    assert!(code == Some(2) && err.contains("cannot be at"), "{code:?} {err}");
    let (code, _, err) = run(dir, &["sim", "fault", "slow", "--mode", "truncated"]);
    assert!(code == Some(2) && err.contains("has no mode"), "{code:?} {err}");
    for row in MODES {
        let on = ["--mode", row.name, "--seed", "77", "--times", "3"];
        let (code, out, err) = run(dir, &[&hostile[..], &on].concat());
        assert!(code == Some(0) && out.contains("seed 77") && out.contains(row.text), "{out}{err}");
    }
    let faults = ask(dir, &["sim", "faults"]);
    assert_eq!(faults["on"].as_array().map(Vec::len), Some(MODES.len()));
    assert_eq!(faults["on"][0]["mode"], "wrong-types");
    let (_, table, _) = run(dir, &["sim", "faults"]);
    assert!(MODES.iter().all(|row| table.matches(row.name).count() >= 2), "{table}");
    assert_eq!(ask(dir, &["sim", "lift"]), json!({"off": MODES.len()}));
    exchange.kill();
}

/// A client of the program at the pace of real time sees trades and the open bar within the minute.
/// In lockstep there are none unless a flag asks for them.
#[tokio::test]
async fn the_program_trades_within_the_minute() {
    let folder = Folder::new("exchange-ticks");
    let begin = |name: &str, flags: &[&str]| {
        let dir = folder.join(name);
        let process = Process::start(&dir, &[&["sim", "--idle-exit", "0"], flags].concat());
        wait_until("it says where it listens", || dir.join("port.json").exists());
        (process, read(&dir.join("port.json")))
    };
    let (real, port) = begin("real", &["--pace", "real"]);
    let url = format!(
        "ws://127.0.0.1:{}/stream?streams=btcusdt@trade/btcusdt@depth/btcusdt@kline_1m",
        port["port"]
    );
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 3 {
        let Some(Ok(Message::Text(text))) = socket.next().await else { continue };
        let message: Value = serde_json::from_str(&text).unwrap();
        let data = &message["data"];
        let time = data["T"].as_i64().or(data["E"].as_i64()).unwrap();
        // The last five milliseconds had trades before, too.
        let within = time.rem_euclid(MINUTE) < MINUTE - 5 && data["k"]["x"] != true;
        if within {
            seen.insert(data["e"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["depthUpdate", "kline", "trade"]);
    real.kill();
    drop(rustls::crypto::ring::default_provider().install_default());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (name, flags, ticks) in [
        ("quiet", &["--pace", "lockstep"][..], false),
        ("asked", &["--pace", "lockstep", "--ticks", "on"][..], true),
    ] {
        let (process, port) = begin(name, flags);
        let base = format!("http://127.0.0.1:{}", port["port"]);
        let text = http.get(format!("{base}/sim/v1/status")).send().await.unwrap().text().await;
        let status: Value = serde_json::from_str(&text.unwrap()).unwrap();
        let now = status["now"].as_i64().unwrap();
        let body = json!({"to": now + 30_000, "market": now + 30_000}).to_string();
        let asked = http.post(format!("{base}/sim/v1/advance"));
        let asked = asked.bearer_auth(port["token"].as_str().unwrap()).body(body);
        assert!(asked.send().await.unwrap().status().is_success());
        let url = format!("{base}/api/v3/trades?symbol=BTCUSDT&limit=1");
        let text = http.get(url).send().await.unwrap().text().await.unwrap();
        let trades: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(trades[0]["time"].as_i64() > Some(now), ticks, "{name}: {trades}");
        process.kill();
    }
    let wrong = ["sim", "--ticks", "sometimes"];
    let (code, _, err) = run(&folder.0, &wrong);
    assert!(code == Some(2) && err.contains("auto, on, off"), "{code:?} {err}");
}

#[test]
fn an_exchange_whose_folder_was_taken_away_ends_and_leaves_its_successor_alone() {
    let folder = Folder::new("taken away");
    let dir = folder.join("exchange");
    let begin = || {
        let exchange = Process::start(&dir, &["sim", "--pace", "lockstep", "--idle-exit", "0"]);
        wait_until("it says where it listens", || dir.join("port.json").exists());
        exchange
    };
    let first = begin();
    std::fs::rename(&dir, folder.join("away")).unwrap();
    let second = begin();
    let port = read(&dir.join("port.json"));
    let (code, _, err) = first.result();
    assert!(code == Some(0) && err.contains("no longer this exchange's"), "{code:?} {err}");
    assert_eq!(read(&dir.join("port.json")), port);
    assert!(!ask(&dir, &["sim", "faults"])["kinds"].is_null());
    second.kill();
}
