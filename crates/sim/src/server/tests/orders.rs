//! Tests of orders, lists and cancels over the wire.

use super::{CLOSE, Client, Dir, Method, next, options, subscribe_user};
use crate::server::{Pace, SimHandle, start};
use crate::testing::START;
use serde_json::{Value, json};

pub async fn opened(dir: &Dir) -> (SimHandle, Client) {
    let sim = start(options(&dir.0, Pace::Lockstep)).await.expect("started");
    let client = Client::of(&sim);
    client.advance(START).await;
    (sim, client)
}

impl Client {
    pub async fn call(&self, method: Method, path: &str, query: &str) -> (u16, Value) {
        let now = self.get("/api/v3/time").await.1["serverTime"].as_i64().expect("a time");
        self.signed(method, &format!("/api/v3/{path}"), query, now).await
    }

    pub async fn post(&self, path: &str, query: &str) -> (u16, Value) {
        self.call(Method::POST, path, query).await
    }

    pub async fn look(&self, path: &str, query: &str) -> Value {
        self.call(Method::GET, path, query).await.1
    }

    pub async fn delete(&self, path: &str, query: &str) -> (u16, Value) {
        self.call(Method::DELETE, path, query).await
    }
}

pub const OCO: &str = "symbol=BTCUSDT&side=SELL&quantity=1&listClientOrderId=exit\
    &aboveType=LIMIT_MAKER&abovePrice=104&aboveClientOrderId=profit\
    &belowType=STOP_LOSS_LIMIT&belowStopPrice=97&belowPrice=96&belowTimeInForce=GTC\
    &belowClientOrderId=loss";
pub const OTOCO: &str = "symbol=BTCUSDT&workingType=LIMIT&workingSide=BUY&workingPrice=101\
    &workingQuantity=2&workingTimeInForce=GTC&workingClientOrderId=in&pendingSide=SELL\
    &pendingQuantity=1.998&pendingAboveType=LIMIT_MAKER&pendingAbovePrice=120\
    &pendingBelowType=STOP_LOSS&pendingBelowStopPrice=90&listClientOrderId=bracket";

#[tokio::test]
async fn a_pair_is_reported_as_documented_from_placing_to_its_end() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    let mut user = client.socket("/ws-api/v3", "user").await;
    subscribe_user(&mut user, START).await;
    let (status, list) = client.post("orderList/oco", OCO).await;
    assert_eq!(status, 200, "{list}");
    assert_eq!(
        (&list["contingencyType"], &list["listStatusType"], &list["listOrderStatus"]),
        (&json!("OCO"), &json!("EXEC_STARTED"), &json!("EXECUTING"))
    );
    let reports = &list["orderReports"];
    assert_eq!(
        (&reports[0]["type"], &reports[0]["workingTime"]),
        (&json!("STOP_LOSS_LIMIT"), &json!(-1))
    );
    assert_eq!(
        (&reports[0]["stopPrice"], &reports[0]["price"]),
        (&json!("97.00000000"), &json!("96.00000000"))
    );
    assert_eq!((&reports[1]["type"], reports[1].get("stopPrice")), (&json!("LIMIT_MAKER"), None));
    assert_eq!(
        (&list["orders"][1]["clientOrderId"], &reports[1]["orderListId"]),
        (&json!("profit"), &json!(1))
    );
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(next(&mut user).await["event"].clone());
    }
    let kinds: Vec<_> = events.iter().map(|e| e["e"].as_str().unwrap_or_default()).collect();
    assert_eq!(
        kinds,
        ["executionReport", "executionReport", "listStatus", "outboundAccountPosition"]
    );
    assert_eq!(
        (&events[0]["w"], events[0].get("W"), &events[1]["w"]),
        (&json!(false), None, &json!(true))
    );
    assert_eq!(
        (&events[2]["l"], &events[2]["L"], &events[2]["C"]),
        (&json!("EXEC_STARTED"), &json!("EXECUTING"), &json!("exit"))
    );
    assert_eq!(events[3]["B"][0], json!({"a": "BTC", "f": "999.00000000", "l": "1.00000000"}));

    let open = client.look("openOrderList", "").await;
    assert_eq!((&open[0]["orderListId"], open[0].get("orderReports")), (&json!(1), None));
    let stop = client.look("order", "symbol=BTCUSDT&origClientOrderId=loss").await;
    assert_eq!((&stop["isWorking"], &stop["stopPrice"]), (&json!(false), &json!("97.00000000")));

    client.advance(CLOSE).await;
    let mut events = Vec::new();
    for _ in 0..5 {
        events.push(next(&mut user).await["event"].clone());
    }
    let lines: Vec<_> =
        events.iter().map(|e| format!("{} {} {}", e["c"], e["x"], e["X"])).collect();
    assert_eq!(lines[0], "\"profit\" \"EXPIRED\" \"EXPIRED\"", "95 reaches the stop: {lines:?}");
    assert_eq!(lines[1], "\"loss\" \"NEW\" \"NEW\"", "it works now, at 96");
    assert_eq!(
        (&events[1]["w"], &events[2]["x"], &events[2]["m"]),
        (&json!(true), &json!("TRADE"), &json!(true))
    );
    assert_eq!((&events[3]["e"], &events[3]["l"]), (&json!("listStatus"), &json!("ALL_DONE")));
    let list = client.look("orderList", "origClientOrderId=exit").await;
    assert_eq!((&list["listOrderStatus"], &list["orderListId"]), (&json!("ALL_DONE"), &json!(1)));
    assert_eq!(client.look("openOrderList", "").await, json!([]));
    assert_eq!(client.look("allOrderList", "").await, json!([list]));
    let trades = client.look("myTrades", "symbol=BTCUSDT").await;
    assert_eq!(trades[0]["orderListId"], 1);
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_bracket_is_reported_as_placed_though_it_filled_at_once() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    let (status, list) = client.post("orderList/otoco", OTOCO).await;
    assert_eq!((status, &list["contingencyType"]), (200, &json!("OTO")), "{list}");
    let statuses: Vec<_> = list["orderReports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|o| o["status"].clone())
        .collect();
    assert_eq!(statuses, ["FILLED", "PENDING_NEW", "PENDING_NEW"]);
    let open = client.look("openOrders", "symbol=BTCUSDT").await;
    let statuses: Vec<_> =
        open.as_array().into_iter().flatten().map(|o| o["status"].clone()).collect();
    assert_eq!(statuses, ["NEW", "NEW"], "the query has the current states");
    let counts = client.look("rateLimit/order", "").await;
    // The count of the day, because the window of 10 s may have ended by now.
    assert_eq!(counts[1]["count"], 2, "three were placed and one is filled: {counts}");
    let (status, gone) = client.delete("orderList", "symbol=BTCUSDT&orderListId=1").await;
    assert_eq!((status, &gone["listOrderStatus"]), (200, &json!("ALL_DONE")), "{gone}");
    assert_eq!(gone["orderReports"].as_array().map(Vec::len), Some(2));
    let again = client.delete("orderList", "symbol=BTCUSDT&listClientOrderId=bracket").await;
    assert_eq!(again, (400, json!({"code": -2011, "msg": "Unknown order list sent."})));
    let none = client.look("orderList", "orderListId=7").await;
    assert_eq!(none, json!({"code": -2013, "msg": "Order list does not exist."}));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn lists_are_refused_in_the_protocols_words() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    for (path, from, to, code) in [
        ("oco", "aboveType=LIMIT_MAKER", "aboveType=LIMIT", -1158),
        ("oco", "side=SELL", "side=BUY", -1165),
        ("oco", "belowType=STOP_LOSS_LIMIT", "belowType=TAKE_PROFIT_LIMIT", -1199),
        ("oco", "&belowTimeInForce=GTC", "", -1102),
        ("oco", "belowStopPrice=97", "belowStopPrice=101", -2010),
        ("oco", "abovePrice=104", "abovePrice=104.001", -1013),
        ("oco", "aboveClientOrderId=profit", "aboveClientOrderId=loss", -2010),
        ("otoco", "workingType=LIMIT", "workingType=MARKET", -1106),
        ("otoco", "pendingSide=SELL", "", -1102),
        ("otoco", "pendingBelowType=STOP_LOSS", "pendingBelowType=LIMIT_MAKER", -1102),
    ] {
        let query = if path == "oco" { OCO } else { OTOCO };
        let (status, body) =
            client.post(&format!("orderList/{path}"), &query.replace(from, to)).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{path} {to}: {body}");
    }
    assert_eq!(client.look("allOrders", "symbol=BTCUSDT").await, json!([]));
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn all_open_orders_are_cancelled_lists_as_lists() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    let limit = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=90";
    client.post("order", &format!("{limit}&newClientOrderId=alone")).await;
    client.post("orderList/oco", OCO).await;
    let (status, rows) = client.delete("openOrders", "symbol=BTCUSDT").await;
    assert_eq!((status, rows.as_array().map(Vec::len)), (200, Some(2)), "{rows}");
    assert_eq!(
        (&rows[0]["origClientOrderId"], &rows[0]["status"]),
        (&json!("alone"), &json!("CANCELED"))
    );
    assert_eq!(rows[1]["orderReports"].as_array().map(Vec::len), Some(2));
    let none = client.delete("openOrders", "symbol=BTCUSDT").await;
    assert_eq!(none, (400, json!({"code": -2011, "msg": "Unknown order sent."})));
    let all = client.look("allOrders", "symbol=BTCUSDT&orderId=2").await;
    let ids: Vec<_> = all.as_array().into_iter().flatten().map(|o| o["orderId"].clone()).collect();
    assert_eq!(ids, [2, 3]);
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn replacing_reports_both_halves() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    let limit = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=90";
    client.post("order", &format!("{limit}&newClientOrderId=a")).await;
    let ask = |mode: &str, cancel: &str, quantity: &str| {
        format!(
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity={quantity}&price=90\
             &cancelReplaceMode={mode}&cancelOrigClientOrderId={cancel}&newClientOrderId=b"
        )
    };
    let path = "order/cancelReplace";
    let (status, body) = client.post(path, &ask("STOP_ON_FAILURE", "a", "2")).await;
    assert_eq!(
        (status, &body["cancelResult"], &body["newOrderResult"]),
        (200, &json!("SUCCESS"), &json!("SUCCESS"))
    );
    assert_eq!(
        (&body["cancelResponse"]["origClientOrderId"], &body["newOrderResponse"]["status"]),
        (&json!("a"), &json!("NEW"))
    );
    let (status, body) = client.post(path, &ask("STOP_ON_FAILURE", "a", "2")).await;
    assert_eq!((status, &body["code"]), (400, &json!(-2022)));
    let data = &body["data"];
    assert_eq!(
        (&data["cancelResponse"]["code"], &data["newOrderResult"]),
        (&json!(-2011), &json!("NOT_ATTEMPTED"))
    );
    assert_eq!(data["newOrderResponse"], Value::Null);
    let (status, body) = client.post(path, &ask("ALLOW_FAILURE", "a", "2")).await;
    assert_eq!((status, &body["code"]), (400, &json!(-2022)), "the name is taken still");
    assert_eq!(body["data"]["newOrderResponse"]["msg"], "Duplicate order sent.");
    let (status, body) = client.post(path, &ask("STOP_ON_FAILURE", "b", "5000")).await;
    assert_eq!(
        (status, &body["code"], &body["data"]["cancelResult"]),
        (409, &json!(-2021), &json!("SUCCESS"))
    );
    let (status, body) = client.post(path, &ask("ALLOW_FAILURE", "b", "2")).await;
    assert_eq!((status, &body["data"]["newOrderResult"]), (409, &json!("SUCCESS")));
    let (status, body) = client.post(path, &ask("NEVER", "b", "2")).await;
    assert_eq!((status, &body["code"]), (400, &json!(-1130)));
    let (status, body) = client.post(path, &ask("STOP_ON_FAILURE", "b", "0.00001")).await;
    assert_eq!((status, &body["code"]), (400, &json!(-1013)), "{body}");
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn a_test_changes_nothing_and_commission_is_reported() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    let order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1000&price=200";
    assert_eq!(
        client.post("order/test", order).await,
        (200, json!({})),
        "balances are not looked at"
    );
    let rates = client.post("order/test", &format!("{order}&computeCommissionRates=true")).await.1;
    assert_eq!(rates["standardCommissionForOrder"]["taker"], "0.00100000");
    let wrong = client.post("order/test", &order.replace("200", "200.001")).await;
    assert_eq!(wrong.1["msg"], "Filter failure: PRICE_FILTER");
    assert_eq!(client.look("allOrders", "symbol=BTCUSDT").await, json!([]));
    let commission = client.look("account/commission", "symbol=BTCUSDT").await;
    assert_eq!(commission["standardCommission"]["maker"], "0.00100000");
    let old = "symbol=BTCUSDT&startTime=0&endTime=86400001";
    assert_eq!(client.look("allOrders", old).await["code"], -1127);
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn what_stands_survives_a_kill() {
    let (dir, image) = (Dir::new(), Dir::new());
    let (sim, client) = opened(&dir).await;
    client.post("orderList/oco", OCO).await;
    client.post("orderList/otoco", &OTOCO.replace("workingPrice=101", "workingPrice=80")).await;
    let look = async |client: &Client| {
        (
            client.look("openOrders", "").await,
            client.look("openOrderList", "").await,
            client.get("/sim/v1/ledger").await.1,
        )
    };
    let before = look(&client).await;
    assert_eq!(before.0.as_array().map(Vec::len), Some(5));
    std::fs::copy(dir.0.join("books.redb"), image.0.join("books.redb")).expect("copied");
    let after = start(options(&image.0, Pace::Lockstep)).await.expect("started from the image");
    let client = Client::of(&after);
    client.advance(START).await;
    assert_eq!(look(&client).await, before);
    client.advance(CLOSE).await;
    let left = client.look("openOrderList", "").await;
    assert_eq!(left.as_array().map(Vec::len), Some(1), "the pair went on where it was");
    sim.stop().await.expect("a clean end");
    after.stop().await.expect("a clean end");
}

/// The old form of [`OCO`].
const OLD: &str = "symbol=BTCUSDT&side=SELL&quantity=1&listClientOrderId=exit&price=104\
    &limitClientOrderId=profit&stopPrice=97&stopLimitPrice=96&stopLimitTimeInForce=GTC\
    &stopClientOrderId=loss";

#[tokio::test]
async fn the_old_form_of_a_pair_is_the_same_pair() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    let (status, old) = client.post("order/oco", OLD).await;
    assert_eq!(status, 200, "{old}");
    let kept = client.get("/sim/v1/ledger").await.1;
    client.delete("orderList", "symbol=BTCUSDT&listClientOrderId=exit").await;
    let (_, new) = client.post("orderList/oco", OCO).await;
    let shape = |list: &Value| {
        let reports = list["orderReports"].as_array().expect("reports").clone();
        let names = ["type", "price", "stopPrice", "clientOrderId", "timeInForce", "side"];
        let row = |report: &Value| names.map(|name| report[name].clone());
        (list["contingencyType"].clone(), reports.iter().map(row).collect::<Vec<_>>())
    };
    assert_eq!(shape(&old), shape(&new));
    assert_eq!(kept["orders"].as_array().map(Vec::len), Some(2));
    client.delete("orderList", "symbol=BTCUSDT&listClientOrderId=exit").await;
    let buy = "symbol=BTCUSDT&side=BUY&quantity=1&price=95&stopPrice=103&newOrderRespType=ACK";
    let (status, list) = client.post("order/oco", buy).await;
    assert_eq!((status, list.get("orderReports")), (200, None), "{list}");
    let open = client.look("openOrders", "").await;
    let types: Vec<&Value> = open.as_array().expect("orders").iter().map(|o| &o["type"]).collect();
    assert_eq!(types, ["STOP_LOSS", "LIMIT_MAKER"]);
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn the_old_form_of_a_pair_is_refused_in_the_protocols_words() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    for (wrong, code) in [
        (OLD.replace("&price=104", ""), -1102),
        (OLD.replace("&stopPrice=97", ""), -1102),
        (OLD.replace("&stopLimitTimeInForce=GTC", ""), -1102),
        (OLD.replace("&stopLimitPrice=96", ""), -1102),
        (OLD.replace("TimeInForce=GTC", "TimeInForce=GTX"), -1115),
        (OLD.replace("price=104", "price=96"), -2010),
        (format!("{OLD}&limitIcebergQty=1"), -2010),
        (format!("{OLD}&trailingDelta=10"), -2010),
        (format!("{OLD}&limitStrategyType=7"), -1134),
        (format!("{OLD}&selfTradePreventionMode=EXPIRE_TAKER"), -1130),
        (format!("{OLD}&aboveType=LIMIT_MAKER"), -1104),
    ] {
        let (status, body) = client.post("order/oco", &wrong).await;
        assert_eq!((status, &body["code"]), (400, &json!(code)), "{wrong}: {body}");
    }
    sim.stop().await.expect("a clean end");
}

#[tokio::test]
async fn clients_find_what_they_ask_before_they_start() {
    let dir = Dir::new();
    let (sim, client) = opened(&dir).await;
    let status = client.get("/sapi/v1/system/status").await;
    assert_eq!(status, (200, json!({"msg": "normal", "status": 0})));
    let signed = async |path: &str, query: &str| {
        client.signed(Method::GET, &format!("/sapi/v1/{path}"), query, START).await
    };
    let fee = json!({"symbol": "BTCUSDT", "makerCommission": "0.001", "takerCommission": "0.001"});
    assert_eq!(signed("asset/tradeFee", "symbol=BTCUSDT").await, (200, json!([fee])));
    let all = signed("asset/tradeFee", "").await.1;
    assert_eq!((all.as_array().map(Vec::len), &all[0]), (Some(2), &fee));
    assert_eq!(signed("asset/tradeFee", "symbol=NOUSDT").await.1["code"], -1121);
    let coins = signed("capital/config/getall", "").await.1;
    let coins = coins.as_array().expect("assets");
    let usdt = coins.iter().find(|coin| coin["coin"] == "USDT").expect("there");
    assert_eq!(
        (&usdt["free"], &usdt["trading"], &usdt["networkList"]),
        (&json!("100000.00000000"), &json!(true), &json!([]))
    );
    assert_eq!(coins.len(), 3);
    assert_eq!(signed("capital/config/getall", "coin=USDT").await.1["code"], -1104);
    for path in ["asset/tradeFee", "capital/config/getall"] {
        let unsigned = client.get(&format!("/sapi/v1/{path}")).await;
        assert_eq!((unsigned.0, &unsigned.1["code"]), (400, &json!(-1102)), "{path}");
    }
    assert_eq!(client.get("/sapi/v1/account/status").await.0, 404);
    assert_eq!(client.get("/api/v3//sapi/v1/system/status").await.0, 404);
    sim.stop().await.expect("a clean end");
}
