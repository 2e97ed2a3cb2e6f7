use super::answers::placed;
use super::error::ApiError;
use super::events::events;
use super::intervals::{INTERVALS, Interval, Kline};
use super::klines::{KlineQuery, event, rows};
use super::orders::{ResponseType, new_order};
use super::params::Params;
use super::queries::TradeQuery;
use super::sign::{self, DEMO_KEY, DEMO_SECRET, When, hmac_hex};
use crate::exchange::{Local, SimFact, TimeInForce};
use crate::market::Market;
use crate::testing::{Fake, HISTORY, START, at_limit, at_market, bar, dec, setup, sym};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::order::Side;
use everwarm_domain::time::{DAY, MINUTE, Timeframe, UtcMs};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

fn params(query: &str) -> Params {
    Params::parse(query, "").expect("well formed")
}

fn code(error: ApiError) -> (i32, String) {
    (error.code, error.msg)
}

#[test]
fn signatures_are_those_of_the_venue() {
    let secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
    let payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
        &recvWindow=5000&timestamp=1499827319559";
    let hex = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
    assert_eq!(hmac_hex(secret, payload), hex);
    assert_eq!(sign::rest_payload("a=1&signature=x&b=2", "c=%203&signature=y"), "a=1&b=2c=%203");
    let list = [("timestamp", "2"), ("signature", "x"), ("apiKey", "1")];
    let list = list.map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(sign::socket_payload(&list), "apiKey=1&timestamp=2");
}

fn checked(query: &str, key: Option<&str>, now: UtcMs, factor: u32) -> Result<UtcMs, i32> {
    let signed = format!("{query}&signature={}", hmac_hex(DEMO_SECRET, query).to_uppercase());
    let when = When { now, factor, skew: 0 };
    sign::check(key, &params(&signed), &sign::rest_payload(&signed, ""), when).map_err(|e| e.code)
}

#[test]
fn the_window_of_time_is_the_venues() {
    let check = |query: &str, now, factor| checked(query, Some(DEMO_KEY), now, factor);
    let at = |ahead: i64| format!("timestamp={}", START + ahead);
    assert_eq!(check(&at(0), START, 1), Ok(START + 5_000));
    assert_eq!(check(&at(999), START, 1), Ok(START + 5_999));
    assert_eq!(check(&at(1_000), START, 1), Err(-1021));
    assert_eq!(check(&at(-5_000), START, 1), Ok(START));
    assert_eq!(check(&at(-5_001), START, 1), Err(-1021));
    assert_eq!(check(&at(-300_000), START, 60), Ok(START), "scaled by the pace");
    assert_eq!(check(&at(59_999), START, 60), Ok(START + 359_999));
    assert_eq!(check(&at(60_000), START, 60), Err(-1021));
    let micros = format!("timestamp={}&recvWindow=10.5", (START - 10) * 1_000);
    assert_eq!(check(&micros, START, 1), Ok(START));
    assert_eq!(check(&format!("{micros}001"), START, 1), Err(-1111));
    assert_eq!(check(&format!("{}&recvWindow=60001", at(0)), START, 1), Err(-1102));
}

#[test]
fn keys_and_signatures_are_checked() {
    let stamp = format!("timestamp={START}");
    assert_eq!(checked(&stamp, None, START, 1), Err(-2014));
    assert_eq!(checked(&stamp, Some("short"), START, 1), Err(-2014));
    assert_eq!(checked(&stamp, Some(&"x".repeat(64)), START, 1), Err(-2015));
    assert_eq!((DEMO_KEY.len(), DEMO_SECRET.len()), (64, 64));
    let when = When { now: START, factor: 1, skew: 0 };
    let check = |query: &str| {
        let payload = sign::rest_payload(query, "");
        sign::check(Some(DEMO_KEY), &params(query), &payload, when).map_err(code)
    };
    let error = check(&format!("{stamp}&signature=00")).expect_err("wrong");
    assert_eq!(error, (-1022, "Signature for this request is not valid.".to_owned()));
    let missing = |name| ApiError::mandatory(name).msg;
    assert_eq!(check(&stamp).expect_err("unsigned"), (-1102, missing("signature")));
    assert_eq!(check("signature=00").expect_err("undated"), (-1102, missing("timestamp")));
}

#[test]
fn what_was_signed_is_what_was_sent() {
    let (sent, meant) = (format!("x=a%20b&timestamp={START}"), format!("x=a b&timestamp={START}"));
    let query = format!("{sent}&signature={}", hmac_hex(DEMO_SECRET, &meant));
    let when = When { now: START, factor: 1, skew: 0 };
    let payload = sign::rest_payload(&query, "");
    let result = sign::check(Some(DEMO_KEY), &params(&query), &payload, when);
    assert_eq!(result.map_err(|e| e.code), Err(-1022), "signing the decoded form is wrong");
}

fn refuses(cases: &[(String, i32, String)]) {
    let local = Fake::usual().local();
    for (query, want, msg) in cases {
        let result = new_order(local.exchange(), &params(query), START, START);
        assert_eq!(result.expect_err("refused"), ApiError::new(*want, msg), "{query}");
    }
}

#[test]
fn what_is_not_simulated_is_refused_in_the_protocols_words() {
    let limit = "symbol=BTCUSDT&side=BUY&type=LIMIT";
    let market = "symbol=BTCUSDT&side=BUY&type=MARKET";
    refuses(&[
        (
            "symbol=BTCUSDT&side=BUY&type=STOP_LOSS&quantity=1".to_owned(),
            -1102,
            ApiError::neither("stopPrice", "trailingDelta").msg,
        ),
        (
            "symbol=BTCUSDT&side=BUY&type=STOP_LOSS&quantity=1&trailingDelta=9".to_owned(),
            -2010,
            "Trailing stop orders are not supported for this symbol.".to_owned(),
        ),
        (
            "symbol=BTCUSDT&side=BUY&type=TAKE_PROFIT&quantity=1&price=9&stopPrice=9".to_owned(),
            -1106,
            "Parameter 'price' sent when not required.".to_owned(),
        ),
        (
            format!("{limit}&timeInForce=GTC&quantity=1&price=9&icebergQty=1"),
            -2010,
            "Iceberg orders are not supported for this symbol.".to_owned(),
        ),
        (
            format!("{market}&quantity=1&strategyType=7"),
            -1134,
            "`strategyType` was less than 1000000.".to_owned(),
        ),
    ]);
}

#[test]
fn parameters_are_refused_in_the_protocols_words() {
    let limit = "symbol=BTCUSDT&side=BUY&type=LIMIT";
    let market = "symbol=BTCUSDT&side=BUY&type=MARKET";
    let range = |name: &str| {
        let legal = "legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'.";
        format!("Illegal characters found in parameter '{name}'; {legal}")
    };
    let cases = [
        ("side=BUY".to_owned(), -1102, ApiError::mandatory("symbol").msg),
        ("symbol=".to_owned(), -1102, ApiError::mandatory("symbol").msg),
        ("symbol=XXXUSDT".to_owned(), -1121, "Invalid symbol.".to_owned()),
        ("symbol=BTCUSDT&side=HOLD".to_owned(), -1117, "Invalid side.".to_owned()),
        ("symbol=BTCUSDT&side=BUY&type=X".to_owned(), -1116, "Invalid orderType.".to_owned()),
        (limit.to_owned(), -1102, ApiError::mandatory("timeInForce").msg),
        (format!("{limit}&timeInForce=GTX"), -1115, "Invalid timeInForce.".to_owned()),
        (format!("{limit}&timeInForce=GTC"), -1102, ApiError::mandatory("quantity").msg),
        (format!("{limit}&timeInForce=GTC&quantity=1"), -1102, ApiError::mandatory("price").msg),
        (
            market.to_owned(),
            -1102,
            "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"
                .to_owned(),
        ),
        (format!("{market}&quantity=-1"), -1100, range("quantity")),
        (format!("{market}&quantity=1e3"), -1100, range("quantity")),
        (
            format!("{market}&quantity=0.123456789"),
            -1111,
            "Parameter 'quantity' has too much precision.".to_owned(),
        ),
        (
            format!("{market}&quantity=1&price=2"),
            -1106,
            "Parameter 'price' sent when not required.".to_owned(),
        ),
        (
            format!("{market}&quantity=1&newClientOrderId=a.b"),
            -1100,
            "Illegal characters found in parameter 'newClientOrderId'; legal range is \
             '^[a-zA-Z0-9-_]{1,36}$'."
                .to_owned(),
        ),
        (
            format!("{market}&quantity=1&newOrderRespType=SOME"),
            -1130,
            "Data sent for parameter 'newOrderRespType' is not valid.".to_owned(),
        ),
        (
            format!("{market}&quantity=1&colour=red"),
            -1104,
            "Not all sent parameters were read; read '4' parameter(s) but was sent '5'.".to_owned(),
        ),
    ];
    refuses(&cases);
    let twice = Params::parse("a=1&a=2", "").expect_err("twice");
    assert_eq!(code(twice).0, -1101);
    let both = Params::parse("a=1", "a=2&b=3%2B").expect("the query wins");
    assert_eq!((both.required("a"), both.required("b")), (Ok("1"), Ok("3+")));
}

#[test]
fn responses_contain_as_much_as_was_requested() {
    let mut local = Fake::usual().local();
    local.place(at_market(Side::Buy, "0.5", "a")).expect("filled");
    let order = local.exchange().order(1).expect("there").clone();
    let show = |answer| placed(local.exchange(), &order, answer);
    let keys = |v: &Value| v.as_object().map_or(0, serde_json::Map::len);
    assert_eq!(keys(&show(ResponseType::Ack)), 5);
    assert!(show(ResponseType::Result).get("fills").is_none());
    let full = show(ResponseType::Full);
    assert_eq!(full["fills"][0]["commissionAsset"], "BTC");
    assert_eq!((&full["status"], &full["price"]), (&json!("FILLED"), &json!("0.00000000")));
    assert_eq!((&full["orderId"], &full["executedQty"]), (&json!(1), &json!("0.50000000")));
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn story(local: &mut Local, input: SimFact) -> Vec<Value> {
    let facts = local.step(input.clone());
    events(local.exchange(), &input, &facts)
}

fn summary(events: &[Value]) -> Vec<String> {
    let line = |event: &Value| {
        let part = |name: &str| event[name].as_str().unwrap_or("").to_owned();
        format!("{} {} {}", part("e"), part("x"), part("X")).trim().to_owned()
    };
    events.iter().map(line).collect()
}

#[test]
fn account_events_have_the_documented_order() {
    let mut local = Fake::usual().local();
    let events = story(&mut local, SimFact::Place(at_market(Side::Sell, "9", "large")));
    let lines = summary(&events);
    assert_eq!(lines[0], "executionReport NEW NEW");
    let trades = &lines[1..lines.len() - 1];
    let (last, parts) = trades.split_last().expect("trades");
    assert_eq!(last, "executionReport TRADE FILLED");
    assert!(
        !parts.is_empty() && parts.iter().all(|l| l == "executionReport TRADE PARTIALLY_FILLED")
    );
    assert_eq!(lines.last().map(String::as_str), Some("outboundAccountPosition"));
    let (new, trade) = (&events[0], &events[1]);
    assert_eq!(
        (&new["t"], &new["n"], &new["N"], &new["z"]),
        (&json!(-1), &json!("0"), &Value::Null, &json!("0.00000000"))
    );
    assert_eq!((&trade["t"], &trade["N"], &trade["z"]), (&json!(1), &json!("USDT"), &trade["l"]));
    let ids: Vec<_> = events.iter().filter_map(|e| e["I"].as_u64()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");

    let place = at_limit(Side::Buy, "1", "90", TimeInForce::Gtc, "mine");
    assert_eq!(summary(&story(&mut local, SimFact::Place(place)))[0], "executionReport NEW NEW");
    let target = crate::exchange::Target {
        symbol: sym("BTCUSDT"),
        order: None,
        client_id: Some("mine".to_owned()),
    };
    let cancel_id = Some("off".to_owned());
    let cancel = crate::exchange::Cancel {
        target,
        cancel_id,
        at: 0,
        deadline: UtcMs::MAX,
        only_begun: None,
    };
    let events = story(&mut local, SimFact::Cancel(cancel));
    assert_eq!((&events[0]["c"], &events[0]["C"]), (&json!("off"), &json!("mine")));
    let fok = at_limit(Side::Buy, "1", "90", TimeInForce::Fok, "fok");
    let lines = summary(&story(&mut local, SimFact::Place(fok)));
    assert_eq!(lines[1], "executionReport EXPIRED EXPIRED");
    let paid = SimFact::Funded { asset: "USDT".to_owned(), amount: dec("5"), at: START };
    assert_eq!(summary(&story(&mut local, paid)), ["balanceUpdate", "outboundAccountPosition"]);
    let refused = SimFact::Place(at_market(Side::Buy, "0.0001", "x"));
    assert!(story(&mut local, refused).is_empty());
}

fn opens(local: &mut Local, query: &str, now: UtcMs) -> Vec<i64> {
    let query = KlineQuery::read(&params(&format!("interval=1m{query}"))).expect("well formed");
    let exchange = local.exchange().clone();
    let bars = query.bars(&exchange, local.market(), sym("BTCUSDT"), now);
    bars.iter().map(|k| (k.bar.open_time - START) / MINUTE).collect()
}

#[test]
fn klines_keep_the_bounds_of_the_venue() {
    let mut local = Fake::usual().local();
    let minute = |m: i64| START + m * MINUTE;
    assert_eq!(opens(&mut local, "", START), (-HISTORY..=0).collect::<Vec<_>>());
    assert_eq!(opens(&mut local, "&limit=2", START), [-1, 0], "the last one is forming");
    local.advance(minute(5), minute(5));
    assert_eq!(opens(&mut local, "&limit=3", minute(5)), [0, 1, 3], "nothing formed: it ended");
    let from = format!("&startTime={}&limit=3", minute(-1));
    assert_eq!(opens(&mut local, &from, minute(5)), [-1, 0, 1]);
    let inside = format!("&startTime={}", minute(-1) + 1);
    assert_eq!(opens(&mut local, &inside, minute(5)), [0, 1, 3]);
    let upto = format!("&endTime={}&limit=2", minute(1));
    assert_eq!(opens(&mut local, &upto, minute(5)), [0, 1]);
    let both = format!("&startTime={}&endTime={}", minute(0), minute(1) - 1);
    assert_eq!(opens(&mut local, &both, minute(5)), [0]);
    let late = format!("&startTime={}", minute(4));
    assert!(opens(&mut local, &late, minute(5)).is_empty());
    for (query, want) in [("interval=1M", -1120), ("interval=2m", -1120), ("interval=", -1102)] {
        assert_eq!(KlineQuery::read(&params(query)).expect_err("refused").code, want);
    }
    let zero = KlineQuery::read(&params("interval=1m&limit=0"));
    assert_eq!(zero.expect_err("refused").code, -1130);
}

#[test]
fn wider_bars_are_made_of_minutes() {
    let mut local = Fake::usual().local();
    let at = START + 5 * MINUTE;
    local.advance(at, at);
    let mut ask = |query: &str| {
        let query = KlineQuery::read(&params(query)).expect("well formed");
        let exchange = local.exchange().clone();
        query.bars(&exchange, local.market(), sym("BTCUSDT"), at)
    };
    let minutes = ask("interval=1m");
    let five = ask("interval=5m");
    let sum = |all: &[Kline]| all.iter().map(|k| (k.bar.volume, k.trades)).collect::<Vec<_>>();
    let total = |all: &[Kline]| sum(all).iter().fold((dec("0"), 0), |a, b| (a.0 + b.0, a.1 + b.1));
    assert_eq!(total(&five), total(&minutes), "nothing is lost");
    // It opens at a multiple of five minutes, one minute after the start.
    let last = five.last().expect("bars");
    let open = Interval::read("5m").expect("known").open_of(at - MINUTE);
    let inside: Vec<_> = minutes.iter().filter(|k| k.bar.open_time >= open).collect();
    assert_eq!((last.bar.open_time, last.close_time()), (open, open + 5 * MINUTE - 1));
    assert_eq!(last.bar.open, inside[0].bar.open);
    assert_eq!(last.bar.close, inside.last().expect("minutes").bar.close);
    assert_eq!(Some(last.bar.high), inside.iter().map(|k| k.bar.high).max());
    assert_eq!(ask("interval=5m&limit=1"), five[five.len() - 1..]);
    let from = format!("interval=5m&startTime={}&limit=1", five[0].bar.open_time + 1);
    assert_eq!(ask(&from), five[1..2], "the first that opens then or later");
    let upto = format!("interval=5m&endTime={}", five[1].bar.open_time);
    assert_eq!(ask(&upto), five[..2]);
    let week = INTERVALS[13];
    assert_eq!((week.name, week.open_of(0)), ("1w", -3 * DAY), "1970 began on a Thursday");
}

/// A market with bars of five minutes besides its minutes.
struct Aged(Fake, Vec<Bar>);

impl Market for Aged {
    fn instruments(&self) -> &[Instrument] {
        self.0.instruments()
    }

    fn start(&self) -> UtcMs {
        self.0.start()
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        self.0.next_close(after)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        self.0.bars_closing(close)
    }

    fn bars(&mut self, symbol: Symbol, from: UtcMs, to: UtcMs, limit: usize) -> Vec<Bar> {
        self.0.bars(symbol, from, to, limit)
    }

    fn older(&self, _: Symbol, width: Timeframe, times: RangeInclusive<UtcMs>) -> Vec<Bar> {
        let all = self.1.iter().filter(|bar| times.contains(&bar.open_time));
        all.filter(|_| width == Timeframe::M5).copied().collect()
    }
}

#[test]
fn an_older_bar_replaces_the_one_that_lacks_minutes_once_it_has_ended() {
    let at = START + 5 * MINUTE;
    let ask = |older: &[Bar], query: &str| {
        let mut local = Local::open(Box::new(Aged(Fake::usual(), older.to_vec())), &setup());
        local.advance(at, at);
        let query = KlineQuery::read(&params(query)).expect("well formed");
        let (exchange, market) = local.parts();
        let all = query.bars(exchange, market, sym("BTCUSDT"), at);
        all.into_iter().map(|kline| kline.bar).collect::<Vec<Bar>>()
    };
    let folded = ask(&[], "interval=5m");
    let (first, last) = (folded[0], folded[folded.len() - 1]);
    assert!(folded.len() > 1 && last.open_time + 5 * MINUTE > at, "it is open: {last:?}");
    let five = |open_time, close| Bar { open_time, close, ..first };
    let before = five(first.open_time - 5 * MINUTE, first.open);
    let whole = five(first.open_time, first.low);
    let older = [before, whole, five(last.open_time, first.low)];
    let shown = ask(&older, "interval=5m");
    assert_eq!(shown[..2], [before, whole]);
    assert_eq!(shown[2..], folded[1..], "no bar is shown before it has ended");
    assert_eq!(ask(&older, "interval=5m&limit=1"), [last]);
    let from = format!("interval=5m&limit=2&startTime={}", before.open_time);
    assert_eq!(ask(&older, &from), [before, whole]);
    assert_eq!(ask(&older, "interval=1m"), ask(&[], "interval=1m"));
}

#[test]
fn a_bar_is_shown_as_far_as_it_is_released() {
    let mut local = Fake::usual().local();
    let close = START + MINUTE;
    let last = |local: &mut Local, now| {
        let query = KlineQuery::read(&params("interval=1m&limit=1")).expect("well formed");
        let exchange = local.exchange().clone();
        let bar = query.bars(&exchange, local.market(), sym("BTCUSDT"), now)[0].bar;
        format!("{} {} {} {} {}", bar.open, bar.high, bar.low, bar.close, bar.volume.normalize())
    };
    assert_eq!(last(&mut local, START + 1), "100 100 100 100 0");
    local.advance(close - 3, close - 3);
    assert_eq!(last(&mut local, close - 3), "100 100 95 95 20");
    local.advance(close, close - 1);
    assert_eq!(last(&mut local, close), "100 100 100 100 10", "nothing shows it before its close");
    local.advance(close, close);
    assert_eq!(opens(&mut local, "&limit=2", close), [0, 1]);
}

#[test]
fn bars_have_the_documented_form() {
    let b = bar("BTCUSDT", 0, ["100", "110", "95", "105"], "40");
    let list: Value = serde_json::from_str(&rows(&[Kline::minute(&b, 4); 2])).expect("JSON");
    let row = &list[1];
    assert_eq!(row.as_array().map(Vec::len), Some(12));
    assert_eq!((&row[0], &row[6], &row[8]), (&json!(START), &json!(START + MINUTE - 1), &json!(4)));
    assert_eq!((&row[1], &row[5]), (&json!("100.00000000"), &json!("40.00000000")));
    let event: Value =
        serde_json::from_str(&event(&Kline::minute(&b, 4), true, START + MINUTE)).expect("JSON");
    assert_eq!((&event["e"], &event["k"]["x"]), (&json!("kline"), &json!(true)));
    let quiet = bar("BTCUSDT", 0, ["1"; 4], "0");
    let event: Value =
        serde_json::from_str(&super::klines::event(&Kline::minute(&quiet, 4), true, 0))
            .expect("JSON");
    assert_eq!((&event["k"]["n"], &event["k"]["f"]), (&json!(0), &json!(-1)));
}

#[test]
fn trades_are_found_as_documented() {
    let mut local = Local::open(Box::new(Fake::usual()), &setup());
    for i in 0..3 {
        local.advance(START + i * 1_000, START);
        local.place(at_market(Side::Buy, "9", &i.to_string())).expect("filled");
    }
    let all = local.exchange().trades(sym("BTCUSDT")).to_vec();
    let ids = |query: &str| {
        let query = TradeQuery::read(&params(query)).expect("well formed");
        let rows = query.rows(local.exchange(), sym("BTCUSDT"));
        rows.as_array().map(|r| r.iter().filter_map(|t| t["id"].as_u64()).collect::<Vec<_>>())
    };
    let of = |keep: &dyn Fn(&crate::exchange::Trade) -> bool| {
        Some(all.iter().filter(|t| keep(t)).map(|t| t.id).collect::<Vec<_>>())
    };
    assert_eq!(ids(""), of(&|_| true));
    assert_eq!(ids("limit=1"), of(&|t| t.id == all.len() as u64), "the newest");
    assert_eq!(ids("orderId=2"), of(&|t| t.order == 2));
    assert_eq!(ids("fromId=2&limit=2"), Some(vec![2, 3]));
    assert_eq!(ids("orderId=2&fromId=4"), of(&|t| t.order == 2 && t.id >= 4));
    let second = START + 1_000;
    assert_eq!(ids(&format!("startTime={second}")), of(&|t| t.time >= second));
    assert_eq!(ids(&format!("endTime={second}&limit=1000")), of(&|t| t.time <= second));
    let refused = |query: &str| TradeQuery::read(&params(query)).expect_err("refused").code;
    assert_eq!(refused(&format!("startTime=0&endTime={}", DAY + 1)), -1127);
    assert_eq!(refused("fromId=1&startTime=0"), -1128);
}
