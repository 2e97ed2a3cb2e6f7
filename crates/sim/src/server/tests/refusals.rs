//! Tests of every refusal, as a client sees it.

use super::orders::{OCO, OTOCO, opened};
use super::{Client, Dir, next, options, subscribe_user};
use crate::server::{Pace, SimOptions, start};
use crate::testing::{Fake, START};
use crate::wire::sign::{DEMO_KEY, DEMO_SECRET, hmac_hex};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The parameters of a limit purchase, and more.
macro_rules! limit {
    ($more:literal) => {
        concat!("symbol=BTCUSDT&type=LIMIT&timeInForce=GTC&side=BUY&", $more)
    };
}

/// The parameters of a stop sale, and more.
macro_rules! stop {
    ($more:literal) => {
        concat!("symbol=BTCUSDT&type=STOP_LOSS&side=SELL&quantity=1&", $more)
    };
}

const LIMIT: &str = "symbol=BTCUSDT&type=LIMIT&timeInForce=GTC";

/// Orders with wrong parameters: parameters, code, message.
const ORDERS: &[(&str, i32, &str)] = &[
    (limit!("quantity=1&price=90.001"), -1013, "Filter failure: PRICE_FILTER"),
    (limit!("quantity=1&price=501"), -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    (limit!("quantity=0.0005&price=90"), -1013, "Filter failure: LOT_SIZE"),
    (limit!("quantity=1000000000000000&price=90"), -1013, "Filter failure: LOT_SIZE"),
    (limit!("quantity=1000000000000000.1&price=90"), -1108, "Parameter 'quantity' overflowed."),
    ("symbol=BTCUSDT&type=MARKET&side=BUY&quantity=501", -1013, "Filter failure: MARKET_LOT_SIZE"),
    (limit!("quantity=0.05&price=90"), -1013, "Filter failure: NOTIONAL"),
    (
        limit!("quantity=5000&price=90"),
        -2010,
        "Account has insufficient balance for requested action.",
    ),
    (stop!("stopPrice=101"), -2010, "Order would trigger immediately."),
    (
        "symbol=BTCUSDT&type=LIMIT_MAKER&side=BUY&quantity=1&price=101",
        -2010,
        "Order would immediately match and take.",
    ),
    (stop!("trailingDelta=100"), -2010, "Trailing stop orders are not supported for this symbol."),
    (
        limit!("quantity=1&price=90&icebergQty=0.5"),
        -2010,
        "Iceberg orders are not supported for this symbol.",
    ),
    (
        limit!("quantity=1&price=90&pegPriceType=PRIMARY_PEG"),
        -2010,
        "Pegged orders are not supported for this symbol.",
    ),
    (
        limit!("quantity=1&price=90&selfTradePreventionMode=EXPIRE_TAKER"),
        -1130,
        "Data sent for parameter 'selfTradePreventionMode' is not valid.",
    ),
    (limit!("quantity=1&price=90&strategyType=7"), -1134, "`strategyType` was less than 1000000."),
    (
        limit!("quantity=1&price=90&newClientOrderId="),
        -1105,
        "Parameter 'newClientOrderId' was empty.",
    ),
    (
        limit!("quantity=1&price=90&recvWindow=60001"),
        -1102,
        "'recvWindow' contains unexpected value. Cannot be greater than 60000.",
    ),
    (
        limit!("quantity=1&price=90&recvWindow=1.0001"),
        -1111,
        "Parameter 'recvWindow' has too much precision.",
    ),
    (limit!("quantity=1&price=90&newClientOrderId=a"), -2010, "Duplicate order sent."),
];

const ABOVE: &str = "aboveType=LIMIT_MAKER&abovePrice=104";
const ABOVE_STOP: &str = "aboveType=STOP_LOSS&aboveStopPrice=104";
const ABOVE_PROFIT: &str = "aboveType=TAKE_PROFIT&aboveStopPrice=104";
const BELOW: &str =
    "belowType=STOP_LOSS_LIMIT&belowStopPrice=97&belowPrice=96&belowTimeInForce=GTC";
const BELOW_STOP: &str = "belowType=STOP_LOSS&belowStopPrice=97";
const BELOW_LIMIT: &str = "belowType=LIMIT_MAKER&belowPrice=96";
const BUY: (&str, &str) = ("side=SELL", "side=BUY");

/// The changes to a valid pair, code, message.
type Changed = (&'static [(&'static str, &'static str)], i32, &'static str);

/// Invalid pairs.
const PAIRS: &[Changed] = &[
    (&[("aboveType=LIMIT_MAKER", "aboveType=LIMIT")], -1158, "Order type not supported in OCO."),
    (&[BUY], -1165, "A limit order in a buy OCO must be below."),
    (
        &[(ABOVE, ABOVE_PROFIT), (BELOW, BELOW_LIMIT)],
        -1166,
        "A limit order in a sell OCO must be above.",
    ),
    (&[(BELOW, BELOW_LIMIT)], -1168, "At least one OCO order must be contingent."),
    (
        &[(ABOVE, ABOVE_STOP), (BELOW, BELOW_STOP), BUY],
        -1196,
        "A stop loss order in a buy OCO must be above.",
    ),
    (
        &[(ABOVE, ABOVE_STOP), (BELOW, BELOW_LIMIT)],
        -1197,
        "A stop loss order in a sell OCO must be below.",
    ),
    (&[(ABOVE, ABOVE_PROFIT), BUY], -1198, "A take profit order in a buy OCO must be below."),
    (
        &[("belowType=STOP_LOSS_LIMIT", "belowType=TAKE_PROFIT_LIMIT")],
        -1199,
        "A take profit order in a sell OCO must be above.",
    ),
    (
        &[("belowStopPrice=97", "belowStopPrice=101")],
        -2010,
        "The relationship of the prices for the orders is not correct.",
    ),
];

/// Refusals about existing and missing orders. Order `a` has id 1 and no fill; `b` is another
/// order.
const ABOUT: &[(&str, &str, &str, i32, &str)] = &[
    ("GET", "order", "symbol=BTCUSDT&orderId=9", -2013, "Order does not exist."),
    (
        "GET",
        "order",
        "symbol=BTCUSDT&orderId=1&origClientOrderId=b",
        -2039,
        "Client order ID is not correct for this order ID.",
    ),
    (
        "GET",
        "order",
        "symbol=BTCUSDT",
        -1102,
        "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
    ),
    ("DELETE", "order", "symbol=BTCUSDT&orderId=9", -2011, "Unknown order sent."),
    (
        "DELETE",
        "order",
        "symbol=BTCUSDT&orderId=1&origClientOrderId=b",
        -2039,
        "Client order ID is not correct for this order ID.",
    ),
    (
        "DELETE",
        "order",
        "symbol=BTCUSDT&orderId=1&cancelRestrictions=ONLY_PARTIALLY_FILLED",
        -2011,
        "Order was not canceled due to cancel restrictions.",
    ),
    (
        "DELETE",
        "order",
        "symbol=BTCUSDT&orderId=1&cancelRestrictions=SOMETIMES",
        -1145,
        "`cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.",
    ),
    ("DELETE", "openOrders", "symbol=ETHUSDT", -2011, "Unknown order sent."),
    (
        "GET",
        "allOrders",
        "symbol=BTCUSDT&startTime=0&endTime=86400001",
        -1127,
        "More than 24 hours between startTime and endTime.",
    ),
    (
        "GET",
        "myTrades",
        "symbol=BTCUSDT&fromId=1&startTime=1",
        -1128,
        "Combination of optional parameters invalid.",
    ),
    ("GET", "orderList", "orderListId=7", -2013, "Order list does not exist."),
    ("DELETE", "orderList", "symbol=BTCUSDT&orderListId=7", -2011, "Unknown order list sent."),
];

/// All cases: method, path, parameters, code, message.
fn cases() -> Vec<(&'static str, &'static str, String, i32, &'static str)> {
    let changed = |text: &str, changes: &[(&str, &str)]| {
        changes.iter().fold(text.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        })
    };
    let orders = ORDERS
        .iter()
        .map(|(query, code, words)| ("POST", "order", (*query).to_owned(), *code, *words));
    let pairs = PAIRS.iter().map(|(changes, code, words)| {
        ("POST", "orderList/oco", changed(OCO, changes), *code, *words)
    });
    let working = ("workingType=LIMIT&", "workingType=STOP_LOSS_LIMIT&workingStopPrice=102&");
    let bracket = changed(OTOCO, &[working]);
    let bracket = ("POST", "orderList/otoco", bracket, -1014, "Unsupported order combination.");
    let about = ABOUT.iter().map(|(method, path, query, code, words)| {
        (*method, *path, (*query).to_owned(), *code, *words)
    });
    orders.chain(pairs).chain([bracket]).chain(about).collect()
}

#[tokio::test]
async fn what_is_refused_is_refused_with_its_code_and_its_words() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    for id in ["a", "b"] {
        let order = format!("{LIMIT}&side=BUY&quantity=1&price=90&newClientOrderId={id}");
        assert_eq!(client.post("order", &order).await.0, 200);
    }
    let before = client.look("account", "").await["balances"].clone();
    for (method, path, query, code, words) in cases() {
        let method: Method = method.parse().expect("a method");
        let response = client.call(method, path, &query).await;
        assert_eq!(response, (400, json!({"code": code, "msg": words})), "{path}?{query}");
    }
    assert_eq!(client.look("account", "").await["balances"], before, "nothing was held");
    let open = client.look("openOrders", "symbol=BTCUSDT").await;
    assert_eq!(open.as_array().map(Vec::len), Some(2));
    // As many orders as allowed, and one more.
    let order = |i: u32| format!("{LIMIT}&side=BUY&quantity=1&price=80&newClientOrderId=n{i}");
    for i in 2..200 {
        assert_eq!(client.post("order", &order(i)).await.0, 200, "{i}");
    }
    let response = client.post("order", &order(200)).await;
    assert_eq!(response, (400, json!({"code": -1013, "msg": "Filter failure: MAX_NUM_ORDERS"})));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn what_was_never_traded_has_no_price() {
    let dir = Dir::new();
    let market = Box::new(Fake::usual().never_traded("ETHUSDT"));
    let options = SimOptions { market, ..options(&dir.0, Pace::Lockstep) };
    let sim = start(options).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    for path in ["ticker/price", "ticker/bookTicker", "ticker/24hr", "ticker", "avgPrice"] {
        let response = client.get(&format!("/api/v3/{path}?symbol=ETHUSDT")).await;
        let want = json!({"code": -1112, "msg": "No orders on book for symbol."});
        assert_eq!(response, (400, want), "{path}");
    }
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_replacement_whose_second_half_was_refused_is_reported_as_such() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    client.post("order", &format!("{LIMIT}&side=BUY&quantity=1&price=90&newClientOrderId=a")).await;
    let mut user = client.socket("/ws-api/v3", "user").await;
    subscribe_user(&mut user, START).await;
    let replace = format!(
        "{LIMIT}&side=BUY&quantity=5000&price=90&newClientOrderId=b\
         &cancelReplaceMode=STOP_ON_FAILURE&cancelOrigClientOrderId=a"
    );
    let (status, body) = client.post("order/cancelReplace", &replace).await;
    assert_eq!((status, &body["code"]), (409, &json!(-2021)));
    let cancelled = next(&mut user).await["event"].clone();
    assert_eq!((&cancelled["x"], &cancelled["C"]), (&json!("CANCELED"), &json!("a")));
    let refused = next(&mut user).await["event"].clone();
    let fields = ["e", "s", "c", "S", "x", "X", "r", "q", "z", "w"].map(|name| &refused[name]);
    let want = [
        json!("executionReport"),
        json!("BTCUSDT"),
        json!("b"),
        json!("BUY"),
        json!("REJECTED"),
        json!("REJECTED"),
        json!("INSUFFICIENT_BALANCES"),
        json!("5000.00000000"),
        json!("0.00000000"),
        json!(false),
    ];
    assert_eq!(fields, want.each_ref(), "{refused}");
    let balances = next(&mut user).await["event"].clone();
    assert_eq!(balances["e"], "outboundAccountPosition");
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn orders_are_counted_in_headers_and_too_many_must_wait() {
    let dir = Dir::new();
    let sim = start(options(&dir.0, Pace::Times(1))).await.expect("started");
    let client = Client::of(&sim);
    let place = async |path: &str, query: &str| {
        let now = client.get("/api/v3/time").await.1["serverTime"].as_i64().expect("a time");
        let payload = format!("{query}&timestamp={now}");
        let signature = hmac_hex(DEMO_SECRET, &payload);
        let url = format!("http://{}/api/v3/{path}?{payload}&signature={signature}", client.at);
        let request = client.http.post(url).header("X-MBX-APIKEY", DEMO_KEY);
        let answer = request.send().await.expect("an answer");
        let number =
            |name: &str| -> Option<u64> { answer.headers().get(name)?.to_str().ok()?.parse().ok() };
        let counts = [
            number("x-mbx-used-weight-1m"),
            number("x-mbx-order-count-10s"),
            number("x-mbx-order-count-1d"),
            number("retry-after"),
        ];
        let status = answer.status().as_u16();
        let body: Value =
            serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
        (status, counts, body)
    };
    let order = format!("{LIMIT}&side=BUY&quantity=1&price=90");
    let (status, [weight, short, day, wait], _) = place("order", &order).await;
    assert_eq!((status, short, day, wait), (200, Some(1), Some(1), None));
    assert!(weight.is_some_and(|weight| weight > 0), "the clock was asked for");
    let (status, [_, _, day, _], response) = place("orderList/oco", OCO).await;
    assert_eq!((status, day), (200, Some(3)), "a list counts each of its orders: {response}");
    let began = everwarm_runtime::clock::now();
    // Two windows allow fewer orders than this.
    for _ in 0..200 {
        let (status, [_, short, _, wait], response) = place("order", &order).await;
        if status == 200 {
            continue;
        }
        assert_eq!((status, &response["code"], short), (429, &json!(-1015), Some(100)));
        let words = "Too many new orders; current limit is 100 orders per 10 SECOND.";
        assert_eq!(response["msg"], words);
        assert!(wait.is_some_and(|wait| (1..=10).contains(&wait)), "{wait:?}");
        sim.stop().await.expect("a clean end");
        return;
    }
    // Only a slow machine takes more than one window for a hundred orders.
    assert!(began.elapsed().as_secs() >= 10, "never refused");
    sim.stop().await.expect("a clean end");
}

/// Error codes in the sources: those that the exchange writes, and those that tests name.
fn codes(folder: &Path, tests: bool, found: &mut (BTreeSet<i32>, BTreeSet<i32>)) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (path, name) = (entry.path(), entry.file_name());
        let tests = tests || name.to_string_lossy().starts_with("tests");
        if path.is_dir() {
            codes(&path, tests, found);
            continue;
        }
        let text = fs::read_to_string(&path).expect("text");
        let (code, inside) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
        for (part, tests) in [(code, tests), (inside, true)] {
            let of = if tests { &mut found.1 } else { &mut found.0 };
            for line in part.lines().filter(|line| !line.trim_start().starts_with("//")) {
                of.extend(line.split(|c: char| !(c.is_ascii_digit() || c == '-')).filter_map(
                    |word| {
                        let code: i32 = word.parse().ok()?;
                        ((-4_100..=-1_000).contains(&code)).then_some(code)
                    },
                ));
            }
        }
    }
}

#[test]
fn every_code_the_exchange_writes_is_met_in_a_test_of_its() {
    let mut found = (BTreeSet::new(), BTreeSet::new());
    codes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), false, &mut found);
    let (written, met) = found;
    assert!(written.len() > 40, "{written:?}");
    let never: Vec<_> = written.difference(&met).collect();
    assert!(never.is_empty(), "written and never met: {never:?}");
}
