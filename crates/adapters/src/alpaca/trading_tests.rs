//! Orders, the account and the streams: recorded messages, and a server that plays responses.
//!
//! Over 500 lines: a test for each kind of message and each request.

use super::Key;
use super::client::AlpacaClient;
use super::hosts::Hosts;
use super::map;
use super::stream::{AccountStream, BarStream};
use super::trading_wire::{Account, Day, Order, Position};
use crate::json::decode;
use crate::keyed::played::{KEYS, Played, shows_key};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{
    OrderIntent, OrderStatus, OrderType, Proof, ReportSource, Side, Terms, TimeInForce,
};
use everwarm_domain::secret::Secret;
use everwarm_domain::time::{MINUTE, UtcMs, WallMs};
use everwarm_domain::venue_ids::VenueTradeId;
use everwarm_venue::Opening;
use everwarm_venue::clock::{Pace, SharedClock};
use everwarm_venue::port::{
    AccountReport, ErrorClass, MarketReport, TradesSince, Venue, VenueError,
};
use everwarm_venue::rate_limit::Note;
use everwarm_venue::session::{Parsed, Protocol};
use serde_json::{Value, json};
use std::sync::Arc;

/// 2026-01-05 15:00 UTC.
const NOW: UtcMs = 1_767_625_200_000;
const ORDER: &str = "904837e3-3b76-47ec-b432-046db621571b";

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn spy() -> Symbol {
    Symbol::named("SPY").unwrap()
}

fn ours() -> ClientOrderId {
    ClientOrderId("ew-1".to_owned())
}

fn key() -> Key {
    Key { id: Secret::new(KEYS[0]), secret: Secret::new(KEYS[1]) }
}

fn client(address: &str) -> AlpacaClient {
    let opening = Opening {
        recv_window: 5_000,
        clock: SharedClock::new(Pace::Real),
        wall: Arc::new(|| WallMs::from_utc(NOW)),
        note: Note::default(),
    };
    let hosts = Hosts::of(&["", "/v2/iex", "", ""].map(|path| format!("{address}{path}")));
    AlpacaClient::new(hosts, key(), opening).unwrap()
}

fn intent(side: Side, kind: OrderType) -> OrderIntent {
    OrderIntent {
        client_id: ours(),
        strategy: "swing".to_owned(),
        symbol: spy(),
        side,
        order_type: kind,
        quantity: dec("10"),
        price: (kind == OrderType::Limit).then(|| dec("499.10")),
        close_time: NOW,
        valid_until: NOW,
        terms: Box::default(),
    }
}

fn order(status: &str, filled: &str) -> Value {
    json!({
        "id": ORDER, "client_order_id": "ew-1", "symbol": "SPY", "side": "buy", "type": "market",
        "qty": "10", "filled_qty": filled, "filled_avg_price": null, "status": status,
        "created_at": "2026-01-05T15:00:00.123456789Z", "updated_at": "2026-01-05T15:00:01Z",
    })
}

fn fill(number: u32, qty: &str, order: &str) -> Value {
    json!({
        "id": format!("20260105150000{number:03}::8efc7b9a"), "activity_type": "FILL",
        "transaction_time": format!("2026-01-05T15:00:00.{number:03}Z"), "type": "partial_fill",
        "price": "499.125", "qty": qty, "side": "buy", "symbol": "SPY", "order_id": order,
    })
}

fn decoded<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    decode("test", value.to_string().as_bytes()).unwrap()
}

#[test]
fn an_order_is_written_as_the_venue_wants_it() {
    let body = |intent: &OrderIntent| -> Value {
        serde_json::from_str(&map::new_order(intent).unwrap()).unwrap()
    };
    let mut market = intent(Side::Buy, OrderType::Market);
    assert_eq!(
        body(&market),
        json!({"symbol": "SPY", "qty": "10", "side": "buy", "type": "market",
               "time_in_force": "day", "client_order_id": "ew-1"})
    );
    let limit = body(&intent(Side::Sell, OrderType::Limit));
    assert_eq!((&limit["type"], &limit["limit_price"]), (&json!("limit"), &json!("499.1")));
    assert_eq!(limit["time_in_force"], "gtc", "a limit order lasts over nights");
    *market.terms = Terms {
        stop: Some(dec("480.5")),
        tif: Some(TimeInForce::GoodTilCancelled),
        ..Terms::default()
    };
    let stop = body(&market);
    assert_eq!((&stop["type"], &stop["stop_price"]), (&json!("stop"), &json!("480.5")));
    assert_eq!(stop["time_in_force"], "gtc");
    market.quantity = dec("0.5");
    assert!(map::new_order(&market).unwrap_err().contains("fraction"));
    market.quantity = dec("1");
    market.terms.trail_ppm = Some(1);
    assert!(map::new_order(&market).unwrap_err().contains("trailing"));
}

#[test]
fn every_status_is_final_only_if_the_venue_says_so() {
    let status = |text: &str, filled: &str| {
        let order: Order = decoded(&order(text, filled));
        map::report(ReportSource::Query, &order, Vec::new()).map(|report| report.status)
    };
    for open in [
        "new",
        "accepted",
        "pending_new",
        "held",
        "pending_cancel",
        "pending_replace",
        "stopped",
        "suspended",
        "calculated",
        "done_for_day",
        "accepted_for_bidding",
        "pending_review",
        "something_new",
    ] {
        assert_eq!(status(open, "0"), Ok(OrderStatus::Open), "{open}");
        assert_eq!(status(open, "4"), Ok(OrderStatus::PartlyFilled), "{open}");
    }
    assert_eq!(status("filled", "10"), Ok(OrderStatus::Filled));
    assert_eq!(status("canceled", "4"), Ok(OrderStatus::Cancelled));
    assert_eq!(status("replaced", "0"), Ok(OrderStatus::Cancelled));
    assert_eq!(status("expired", "0"), Ok(OrderStatus::Expired));
    assert_eq!(status("rejected", "0"), Ok(OrderStatus::Rejected));
    assert!(status("filled", "0").is_err() && status("filled", "11").is_err());
    assert!(status("new", "-1").is_err());
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn recorded_orders_and_accounts_are_read() {
    let path = crate::shared::shared("wire/alpaca").join("py_account_routes.json");
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let body = rows.iter().find(|row| row["test"] == "test_get_account").unwrap();
    let mut account: Account =
        decode("account", body["body_text"].as_str().unwrap().as_bytes()).unwrap();
    let picture = map::account(&account, &[]).unwrap();
    assert_eq!(picture.unread, ["USD"], "it owes dollars, so nothing may be spent");
    assert!(picture.can_trade);
    account.trading_blocked = true;
    assert!(!map::account(&account, &[]).unwrap().can_trade);
    let lines = crate::shared::shared("wire/alpaca").join("shape_trade_updates.jsonl");
    let stream = AccountStream::new(key());
    let mut seen = Vec::new();
    for line in std::fs::read_to_string(lines).unwrap().lines() {
        match stream.read(line).unwrap() {
            Parsed::Data(AccountReport::Order(report)) => {
                assert!(report.fills.is_empty(), "the stream's fills have other ids");
                seen.push((report.status, report.executed, report.executed_quote));
            }
            Parsed::Answer { id: Some(_), outcome: Ok(()) } => {}
            other @ (Parsed::Data(_)
            | Parsed::Answer { .. }
            | Parsed::Ending(_)
            | Parsed::Over(_)
            | Parsed::Many(_)) => panic!("{other:?}"),
        }
    }
    let partly = (OrderStatus::PartlyFilled, dec("0.5"), dec("249.5625"));
    let filled = (OrderStatus::Filled, dec("2"), dec("998.2575"));
    assert_eq!(seen, [(OrderStatus::Open, dec("0"), dec("0")), partly, filled]);
}

#[test]
fn a_connection_without_the_stream_of_the_account_is_over() {
    let stream = AccountStream::new(key());
    let listening =
        |data: Value| stream.read(&json!({"stream": "listening", "data": data}).to_string());
    let subscribed = |parsed| matches!(parsed, Ok(Parsed::Answer { id: Some(_), outcome: Ok(()) }));
    assert!(subscribed(listening(json!({"streams": ["trade_updates"]}))));
    assert!(subscribed(listening(json!({}))), "it does not say");
    for streams in [json!([]), json!(["account_updates"])] {
        let parsed = listening(json!({"streams": streams}));
        assert!(matches!(parsed, Ok(Parsed::Over(_))), "no events come any more: {parsed:?}");
    }
}

#[test]
fn an_account_is_dollars_and_shares_and_never_credit() {
    let account: Account = decoded(&json!({
        "account_number": "PA1", "status": "ACTIVE", "currency": "USD", "cash": "1000",
        "buying_power": "4000", "non_marginable_buying_power": "900",
    }));
    let position = |symbol: &str, qty: &str, free: &str| -> Position {
        decoded(&json!({"symbol": symbol, "qty": qty, "qty_available": free}))
    };
    let positions = [position("SPY", "10", "4"), position("A", "-3", "0"), position("B", "0", "0")];
    let picture = map::account(&account, &positions).unwrap();
    let shown: Vec<String> = picture
        .balances
        .iter()
        .map(|it| format!("{} {} {}", it.asset, it.free, it.locked))
        .collect();
    assert_eq!(shown, ["SPY 4 6", "USD 900 100"]);
    assert_eq!(picture.unread, ["A"], "a short position");
    assert_eq!(picture.id.as_deref(), Some("PA1"));
    let rich = Account { non_marginable_buying_power: None, ..account };
    let picture = map::account(&rich, &[]).unwrap();
    assert_eq!(picture.balances[0].free, dec("1000"), "buying power above cash is credit");
    let other = Account { currency: Some("EUR".to_owned()), ..rich };
    assert!(map::account(&other, &[]).unwrap_err().contains("EUR"));
}

#[test]
fn the_calendar_has_half_days_and_both_changes_of_the_clock() {
    let day = |date: &str, close: &str| Day {
        date: date.to_owned(),
        open: "09:30".to_owned(),
        close: close.to_owned(),
    };
    let days = [day("2026-10-30", "16:00"), day("2026-11-02", "16:00"), day("2026-11-27", "13:00")];
    let dates = ("2026-10-29".parse().unwrap(), "2026-11-29".parse().unwrap());
    let sessions = map::sessions(dates, &days).unwrap();
    let minute = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let spans: Vec<_> = sessions.spans().iter().map(|it| (it.open, it.close)).collect();
    assert_eq!(
        spans,
        [
            (minute("2026-10-30T13:30:00Z"), minute("2026-10-30T20:00:00Z")),
            (minute("2026-11-02T14:30:00Z"), minute("2026-11-02T21:00:00Z")),
            (minute("2026-11-27T14:30:00Z"), minute("2026-11-27T18:00:00Z")),
        ]
    );
    assert!(!sessions.is_open(minute("2026-11-27T18:00:00Z")));
    for wrong in [day("2026-13-01", "16:00"), day("2026-11-28", "4pm"), day("2026-10-30", "09:00")]
    {
        assert!(map::sessions(dates, std::slice::from_ref(&wrong)).is_err(), "{wrong:?}");
    }
}

#[tokio::test]
async fn an_order_whose_id_is_known_already_proves_nothing_about_this_request() {
    let (server, address) = Played::start().await;
    let it = client(&address);
    let body = r#"{"code":40010001,"message":"client_order_id must be unique"}"#;
    server.play(422, &[], body);
    let failed = it.place(&intent(Side::Buy, OrderType::Market)).await.unwrap_err();
    assert_eq!(failed.class, ErrorClass::Unknown);
    server.play(200, &[], &order("filled", "10").to_string());
    server.play(200, &[], &json!([fill(1, "4", ORDER), fill(2, "6", ORDER)]).to_string());
    let found = it.find_order(spy(), &ours()).await.unwrap().unwrap();
    assert_eq!((found.status, found.executed), (OrderStatus::Filled, dec("10")));
    assert_eq!(found.executed_quote, dec("4991.25"));
    assert_eq!(found.fills.len(), 2);
    let asked: Vec<String> = server.asked().into_iter().map(|(target, _)| target).collect();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[1], "/v2/orders:by_client_order_id?client_order_id=ew-1");
    assert!(asked[2].contains(&format!("order_id={ORDER}")), "{}", asked[2]);
}

#[tokio::test]
async fn fills_that_came_after_the_order_was_read_wait_for_the_next_query() {
    let (server, address) = Played::start().await;
    let it = client(&address);
    server.play(200, &[], &order("partially_filled", "4").to_string());
    server.play(200, &[], &json!([fill(1, "4", ORDER), fill(2, "6", ORDER)]).to_string());
    let found = it.find_order(spy(), &ours()).await.unwrap().unwrap();
    assert_eq!((found.executed, found.fills.len()), (dec("4"), 1));
    server.play(404, &[], r#"{"code":40410000,"message":"order not found"}"#);
    assert_eq!(it.find_order(spy(), &ours()).await, Ok(None));
}

#[tokio::test]
async fn a_cancel_is_one_request_and_an_ended_order_needs_none() {
    let (server, address) = Played::start().await;
    let it = client(&address);
    server.play(200, &[], &order("new", "0").to_string());
    server.play(204, &[], "");
    server.play(200, &[], &order("pending_cancel", "0").to_string());
    let report = it.cancel(spy(), &ours()).await.unwrap();
    assert_eq!(report.status, OrderStatus::Open, "the venue only accepted it");
    server.play(200, &[], &order("filled", "10").to_string());
    let class = |e: VenueError| e.class;
    assert_eq!(it.cancel(spy(), &ours()).await.map_err(class), Err(ErrorClass::Absent));
    server.play(200, &[], &order("new", "0").to_string());
    server.play(422, &[], r#"{"code":42210000,"message":"order is not cancelable"}"#);
    assert_eq!(it.cancel(spy(), &ours()).await.map_err(class), Err(ErrorClass::Absent));
    server.play(200, &[], &order("new", "0").to_string());
    server.play(204, &[], "");
    server.play(500, &[], "");
    let report = it.cancel(spy(), &ours()).await.unwrap();
    assert_eq!(report.status, OrderStatus::Open, "accepted, whatever the read says");
}

#[tokio::test]
async fn trades_are_paged_and_those_known_are_left_out() {
    let (server, address) = Played::start().await;
    let it = client(&address);
    let page: Vec<Value> = (0..100).map(|n| fill(n, "1", ORDER)).collect();
    server.play(200, &[], &json!(page).to_string());
    let mut other = fill(101, "1", ORDER);
    other["symbol"] = "QQQ".into();
    server.play(200, &[], &json!([fill(100, "1", ORDER), other]).to_string());
    let known = VenueTradeId::new("20260105150000000::8efc7b9a").unwrap();
    let trades = it.trades_since(spy(), TradesSince::Trade(known, NOW)).await.unwrap();
    assert_eq!(trades.len(), 100);
    assert!(trades.is_sorted_by_key(|trade| trade.fill.time));
    let asked: Vec<String> = server.asked().into_iter().map(|(target, _)| target).collect();
    assert!(asked[0].contains("after=2026-01-05T14%3A59%3A59.999Z"), "{}", asked[0]);
    // The next page overlaps by the last millisecond of this one.
    assert!(asked[1].ends_with("page_token=20260105150000098%3A%3A8efc7b9a"), "{}", asked[1]);
    // A venue that repeats its page.
    server.play(200, &[], &json!(page).to_string());
    server.play(200, &[], &json!(page).to_string());
    let failed = it.trades_since(spy(), TradesSince::Time(NOW)).await.unwrap_err();
    assert!(failed.text.contains("comes again"), "{failed}");
}

#[tokio::test]
async fn the_venue_s_count_holds_and_a_rejection_waits() {
    let (server, address) = Played::start().await;
    let it = client(&address).impatient();
    let left = |n: &'static str| {
        [
            ("x-ratelimit-limit", "200"),
            ("x-ratelimit-remaining", n),
            ("x-ratelimit-reset", "1767625260"),
        ]
    };
    server.play(200, &left("10"), &order("new", "0").to_string());
    assert!(it.find_order(spy(), &ours()).await.unwrap().is_some());
    let held = it.find_order(spy(), &ours()).await.unwrap_err();
    assert!(matches!(held.class, ErrorClass::RateLimited { .. }), "{held}");
    let may = it.may_place(&[Side::Buy, Side::Sell]);
    assert_eq!(may.now, [false, true], "sales may use what entries may not");
    server.play(429, &left("0"), r#"{"code":42910000,"message":"rate limit exceeded"}"#);
    let failed = it.place(&intent(Side::Sell, OrderType::Market)).await.unwrap_err();
    assert_eq!(failed.class, ErrorClass::RateLimited { retry_after_ms: 60_000 });
    assert!(it.banned()[0].is_some());
    assert_eq!(it.may_place(&[Side::Sell]).now, [false]);
    assert!(it.clear_bans() && it.banned()[0].is_none());
}

#[tokio::test]
async fn what_nobody_can_read_is_left_out_unless_it_is_ours() {
    let (server, address) = Played::start().await;
    let it = client(&address);
    let foreign = json!({"id": "x", "client_order_id": "c-1", "symbol": null, "status": "new"});
    server.play(200, &[], &json!([foreign, order("new", "0")]).to_string());
    let open = it.open_orders(None).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].client_id, ours());
    let mut broken = order("new", "0");
    broken["qty"] = json!("ten");
    server.play(200, &[], &json!([broken]).to_string());
    assert!(it.open_orders(None).await.is_err());
    let mut coin = fill(1, "1", "another");
    coin["symbol"] = "BTC/USD".into();
    server.play(200, &[], &json!([coin, fill(2, "1", ORDER)]).to_string());
    assert_eq!(it.trades_since(spy(), TradesSince::Time(NOW)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_a_symbol_that_is_listed_twice_the_one_that_trades_counts() {
    let (server, address) = Played::start().await;
    let it = client(&address);
    let row = |status, tradable| {
        let class = "us_equity";
        json!({"symbol": "SPY", "class": class, "status": status, "tradable": tradable})
    };
    server.play(200, &[], &json!([row("inactive", false), row("active", true)]).to_string());
    let rules = it.instruments(&[]).await.unwrap();
    assert!(rules.len() == 1 && rules[0].trading, "{rules:?}");
}

#[test]
fn a_request_ends_and_then_its_absence_is_certain() {
    let it = client("http://127.0.0.1:1");
    let validity = Venue::validity(&it, NOW);
    assert_eq!((validity.deadline, validity.proof), (NOW + 5_000, Proof::ById));
    assert!(validity.settled_at.is_some_and(|at| at > validity.deadline));
}

#[tokio::test]
async fn a_key_is_in_no_error() {
    let (server, address) = Played::start().await;
    let it = client(&address);
    let shown = format!("{{\"code\":40110000,\"message\":\"unknown key {}\"}}", KEYS[0]);
    server.play(401, &[], &shown);
    let failed = it.account().await.unwrap_err();
    assert_eq!(failed.class, ErrorClass::Halt);
    assert!(!shows_key(&failed.to_string()) && !shows_key(&format!("{it:?}")), "{failed}");
    let (_, headers) = server.asked().remove(0);
    assert_eq!(headers["apca-api-key-id"], KEYS[0]);
    assert_eq!(headers["apca-api-secret-key"], KEYS[1]);
}

#[tokio::test]
async fn an_account_has_the_fees_that_were_taken_by_time() {
    let (server, address) = Played::start().await;
    let it = client(&address);
    let fee = |number: u32, name: &str, amount: &str| {
        json!({
            "id": format!("20260102000000000::{number}"), "activity_type": "FEE",
            "activity_sub_type": name, "date": "2026-01-02",
            "created_at": format!("2026-01-03T01:0{number}:00.5Z"), "net_amount": amount,
            "description": format!("{name} fee"), "status": "executed", "currency": "USD",
        })
    };
    let with = |member: &str, value: &str| {
        let mut fee = fee(1, "REG", "-9");
        fee[member] = json!(value);
        fee
    };
    let mut bare = fee(0, "CAT", "-0.01");
    bare["id"] = json!("");
    for member in ["created_at", "status", "currency"] {
        bare.as_object_mut().unwrap().remove(member);
    }
    let rows = [
        fee(7, "REG", "-0.03"),
        with("status", "pending"),
        with("currency", "EUR"),
        with("net_amount", "much"),
        fee(2, "TAF", "-0.010"),
        bare,
    ];
    server.play(
        200,
        &[],
        &json!({"status": "ACTIVE", "cash": "5", "buying_power": "5"}).to_string(),
    );
    server.play(200, &[], "[]");
    server.play(200, &[], &json!(rows).to_string());
    let picture = it.account().await.unwrap();
    let shown =
        picture.charges.iter().map(|(_, it)| format!("{} {} {}", it.what, it.amount, it.asset));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        ["CAT of 2026-01-02 0.01 USD", "TAF of 2026-01-02 0.01 USD", "REG of 2026-01-02 0.03 USD"]
    );
    let ids: Vec<&str> = picture.charges.iter().map(|(id, _)| id.as_str()).collect();
    let made = "1767312000000 CAT of 2026-01-02 0.01 #1";
    assert_eq!(ids, [made, "20260102000000000::2", "20260102000000000::7"]);
    let (asked, _) = server.asked().remove(2);
    assert!(asked.contains("/v2/account/activities/FEE?direction=desc"), "{asked}");
}

#[tokio::test]
async fn splits_come_in_pages_and_one_that_cannot_be_read_is_an_error() {
    let (server, address) = Played::start().await;
    let it: &dyn Venue = &client(&address);
    let page = |ex_date: &str, symbol: &str, token: Option<&str>| {
        let row = json!({"symbol": symbol, "ex_date": ex_date, "new_rate": 2, "old_rate": 1});
        let actions = json!({"forward_splits": [row]});
        json!({"corporate_actions": actions, "next_page_token": token}).to_string()
    };
    server.play(200, &[], &page("2026-01-06", "SPY", Some("next/1")));
    server.play(200, &[], &page("2026-01-05", "SPY", None));
    let splits = it.splits_of(spy(), 20_457..=20_460).await.unwrap();
    let days: Vec<i64> = splits.iter().map(|split| split.ex_day).collect();
    assert_eq!(days, [20_458, 20_459]);
    let asked: Vec<String> = server.asked().into_iter().map(|(target, _)| target).collect();
    assert!(asked[0].starts_with("/v1/corporate-actions?symbols=SPY&types="), "{asked:?}");
    assert!(asked[1].ends_with("&page_token=next%2F1"), "{asked:?}");
    server.play(200, &[], &page("2026-01-05", "QQQ", None));
    let failed = it.splits_of(spy(), 20_457..=20_460).await.unwrap_err();
    assert!(failed.text.contains("not of SPY"), "{failed}");
    assert!(it.splits(), "the daemon queries them");
}

#[test]
fn bars_come_in_lists_after_the_key_was_accepted() {
    let (send, wanted) = tokio::sync::watch::channel(Arc::from([spy()]));
    let mut stream = BarStream::new(key(), wanted, 30);
    let text = |hello: &[everwarm_venue::session::Hello]| -> Vec<Value> {
        hello.iter().map(|it| serde_json::from_str(&it.text).unwrap()).collect()
    };
    assert_eq!(
        text(&stream.hello(0)),
        [json!({"action": "auth", "key": KEYS[0], "secret": KEYS[1]})]
    );
    assert_eq!(text(&stream.then(1)), [json!({"action": "subscribe", "bars": ["SPY"]})]);
    assert!(stream.then(2).is_empty());
    assert!(!stream.takes_turns(&[1].into()) && stream.takes_turns(&[2].into()));
    send.send_replace(Arc::from([Symbol::named("QQQ").unwrap()]));
    assert_eq!(
        text(&stream.turn()),
        [
            json!({"action": "subscribe", "bars": ["QQQ"]}),
            json!({"action": "unsubscribe", "bars": ["SPY"]}),
        ]
    );
    let read = |text: &str| match stream.read(text) {
        Ok(Parsed::Many(all)) => all,
        other => panic!("{other:?}"),
    };
    let bar = r#"{"T":"b","S":"SPY","o":500.1,"h":5.009e2,"l":499.8,"c":500.4,"v":12345,"n":3,
                  "vw":500.3,"t":"2026-01-05T15:00:00Z"}"#;
    let all = read(&format!("[{bar},{{\"T\":\"q\",\"S\":\"SPY\"}}]"));
    match &all[..] {
        [
            Parsed::Data(MarketReport::Bar { bar, closed: true, time, .. }),
            Parsed::Data(MarketReport::Other { name }),
        ] => {
            assert_eq!((bar.open_time, *time), (NOW, NOW + MINUTE));
            assert_eq!((bar.high.decimal(), bar.volume), (dec("500.9"), dec("12345")));
            assert_eq!(name, "q");
        }
        other => panic!("{other:?}"),
    }
    for (text, again, wait_ms) in [
        (r#"[{"T":"error","code":402,"msg":"auth failed"}]"#, false, None),
        (r#"[{"T":"error","code":405,"msg":"symbol limit exceeded"}]"#, false, None),
        (r#"[{"T":"error","code":406,"msg":"connection limit exceeded"}]"#, true, Some(10_000)),
        (r#"[{"T":"error","code":407,"msg":"slow client"}]"#, true, None),
    ] {
        match &read(text)[..] {
            [Parsed::Answer { outcome: Err(refusal), .. }] => {
                assert_eq!((refusal.again, refusal.wait_ms), (again, wait_ms), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    for bad in ["", "{}", "[{}]", "[1]", r#"[{"T":"b"}]"#, "[[[[["] {
        assert!(stream.read(bad).is_err(), "{bad}");
    }
    let odd =
        r#"[{"T":"b","S":"SPY","o":-1,"h":1e400,"l":1,"c":1,"v":1,"t":"2026-01-05T15:00:00Z"}]"#;
    assert!(matches!(&read(odd)[..], [Parsed::Data(MarketReport::Unheld(_))]));
}
