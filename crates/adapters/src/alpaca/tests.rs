//! Against recorded responses, and against a server that fails.

use super::PUBLIC;
use super::wire::{self, Asset, Page};
use crate::bar_rows::Rows;
use crate::json::decode;
use crate::keyed::played::{KEYS, Played, shows_key};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_venue::port::{Bars, ErrorClass};
use everwarm_venue::source::BarRange;
use serde_json::{Value, json};
use std::time::Duration;

/// 2021-10-15 16:00 UTC, the first recorded bar.
const FIRST: UtcMs = 1_634_313_600_000;
const QUARTER: UtcMs = 900_000;

/// The body that a recorded test got.
fn recorded(file: &str, test: &str) -> String {
    let path = crate::shared::shared("wire/alpaca").join(file);
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let row = rows.iter().find(|row| row["test"] == test).unwrap();
    row["body_text"].as_str().unwrap().to_owned()
}

fn symbol(name: &str) -> Symbol {
    Symbol::named(name).unwrap()
}

fn range(bars: i64) -> BarRange {
    let times = FIRST..=FIRST + (bars - 1) * QUARTER;
    BarRange { symbol: symbol("AMZN"), timeframe: Timeframe::M15, times }
}

/// Opening time, prices and volume of each bar.
fn rows(bars: &Bars) -> Vec<String> {
    let row = |bar: &everwarm_domain::market::Bar| {
        let minutes = (bar.open_time - FIRST) / 60_000;
        let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.to_string());
        format!("{minutes} {} {}", prices.join(" "), bar.volume)
    };
    bars.held.iter().map(row).collect()
}

fn read(range: &BarRange, body: &Value) -> Result<(Bars, Option<String>), String> {
    let page: Page = decode("stock bars", body.to_string().as_bytes())?;
    let mut rows = Rows::of(range);
    let token = wire::add(&mut rows, range, page)?;
    Ok((rows.into_bars(), token))
}

#[tokio::test]
async fn a_request_gives_exactly_the_recorded_bars() {
    let (server, address) = Played::start().await;
    server.play(200, &[], &recorded("go_marketdata_rest_test.json", "TestGetBars"));
    let bars = Played::source(&PUBLIC, &address, FIRST).bars(range(5)).await.unwrap();
    let wanted = [
        "0 3378.14 3380.815 3376.3001 3379.72 211689",
        "15 3379.5241 3383.24 3376.49 3377.82 115850",
        "30 3377.982 3380.86 3377 3380 58531",
        "45 3379.73 3387.17 3378.7701 3386.7615 83180",
        "60 3387.56 3390.74 3382.87 3382.87 134339",
    ];
    assert_eq!(rows(&bars), wanted);
    assert!(bars.unheld.is_empty());
    let (target, headers) = server.asked().remove(0);
    assert_eq!(
        target,
        "/v2/stocks/bars?symbols=AMZN&timeframe=15Min&start=2021-10-15T16:00:00Z&\
         end=2021-10-15T17:00:00Z&adjustment=raw&feed=sip&sort=asc&limit=10000"
    );
    assert_eq!(headers["apca-api-key-id"], KEYS[0]);
    assert_eq!(headers["apca-api-secret-key"], KEYS[1]);
}

/// A page with a bar at each of these quarters.
fn page(quarters: &[i64], token: Option<&str>) -> Value {
    let row = |quarter: &i64| {
        let time = jiff::Timestamp::from_millisecond(FIRST + quarter * QUARTER).unwrap();
        json!({"t": time.to_string(), "o": 10, "h": 12.5, "l": 9, "c": 11, "v": 100, "n": 1})
    };
    let rows: Vec<Value> = quarters.iter().map(row).collect();
    json!({"bars": {"AMZN": rows}, "next_page_token": token})
}

#[tokio::test]
async fn pages_are_requested_until_there_is_no_other() {
    let (server, address) = Played::start().await;
    let source = Played::source(&PUBLIC, &address, FIRST);
    let empty = json!({"bars": {}, "next_page_token": "b"});
    for body in [page(&[0, 1], Some("a+/=")), empty, page(&[3], None)] {
        server.play(200, &[], &body.to_string());
    }
    let bars = source.bars(range(5)).await.unwrap();
    assert_eq!(bars.held.iter().map(|bar| bar.open_time - FIRST).sum::<i64>(), 4 * QUARTER);
    let asked: Vec<String> = server.asked().into_iter().map(|(target, _)| target).collect();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[1], format!("{}&page_token=a%2B%2F%3D", asked[0]));
    assert_eq!(asked[2], format!("{}&page_token=b", asked[0]));

    server.play(200, &[], &json!({"bars": null, "next_page_token": null}).to_string());
    assert!(source.bars(range(5)).await.unwrap().held.is_empty(), "not traded");
}

#[tokio::test]
async fn pages_that_do_not_end_are_refused() {
    let (server, address) = Played::start().await;
    let source = Played::source(&PUBLIC, &address, FIRST);
    let empty = |token: &str| json!({"bars": {}, "next_page_token": token});
    let many = "x".repeat(10_000);
    for pages in [
        vec![page(&[0], Some("a")), page(&[1], Some("a"))],
        vec![empty("a"), empty("b"), empty("c")],
        vec![page(&[0], Some(&many))],
    ] {
        let count = pages.len();
        for page in &pages {
            server.play(200, &[], &page.to_string());
        }
        let error = source.bars(range(5)).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused { again: false });
        assert!(error.text.contains("page") && error.text.len() < 200, "{error}");
        assert_eq!(server.asked().len(), count);
    }
}

#[test]
fn a_page_that_cannot_be_right_is_refused_whole() {
    let good = page(&[0, 1, 2], None);
    assert_eq!(read(&range(5), &good).unwrap().0.held.len(), 3);
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut page = good.clone();
        change(&mut page);
        read(&range(5), &page).unwrap_err()
    };
    let row = |key: &'static str, value: Value| {
        refused(&|page: &mut Value| page["bars"]["AMZN"][1][key] = value.clone())
    };
    let swapped = refused(&|page| page["bars"]["AMZN"].as_array_mut().unwrap().swap(0, 1));
    assert!(swapped.contains("out of order"), "{swapped}");
    let twice = refused(&|page| page["bars"]["AMZN"][1] = page["bars"]["AMZN"][0].clone());
    assert!(twice.contains("out of order"), "{twice}");
    let other = refused(&|page| page["bars"]["AMD"] = json!([page["bars"]["AMZN"][1]]));
    assert!(other.contains("of \"AMD\", not of AMZN"), "{other}");
    let yen = refused(&|page| page["currency"] = json!("JPY"));
    assert!(yen.contains("in \"JPY\", not in USD"), "{yen}");
    for (time, why) in [
        ("2021-10-15T16:16:00Z", "no bar of 15m opens at"),
        ("2021-10-15T16:15:00.000001Z", "is no time like"),
        ("1970-01-19T21:45:00Z", "out of order"),
        ("2022-10-15T16:15:00Z", "is not from"),
        ("2021-10-15", "is no time like"),
        ("1634314500", "is no time like"),
        ("", "is no time like"),
    ] {
        let text = row("t", json!(time));
        assert!(text.contains(why), "{time}: {text}");
    }
    let seconds = row("t", json!(1_634_314_500));
    assert!(seconds.contains("stock bars at bars.AMZN[1].t"), "{seconds}");
    let text = row("o", json!("10.5"));
    assert!(text.contains("at bars.AMZN[1].o") && text.contains("a string"), "{text}");
    for absent in ["bars", "next_page_token"] {
        let why = refused(&|page| drop(page.as_object_mut().unwrap().remove(absent)));
        assert!(why.contains("missing field"), "{why}");
    }
    let none = read(&range(5), &json!({"message": "maintenance"})).unwrap_err();
    assert!(none.contains("missing field"), "{none}");
}

#[test]
fn one_bad_number_costs_one_bar_and_new_fields_nothing() {
    let text = page(&[0, 1, 2, 3, 4], None).to_string();
    let with = |from: &str, to: &str| {
        let text = text.replacen(from, to, 1).replacen("\"n\":1", "\"new\":{\"a\":[1]}", 5);
        read(&range(5), &serde_json::from_str(&text).unwrap()).unwrap().0
    };
    for (from, to) in [
        ("\"o\":10", "\"o\":-10"),
        ("\"o\":10", "\"o\":0"),
        ("\"o\":10", "\"o\":1e12"),
        ("\"v\":100", "\"v\":-1"),
    ] {
        let bars = with(from, to);
        assert_eq!((bars.held.len(), bars.unheld.len()), (4, 1), "{to}");
    }
    let bars = with("\"v\":100", "\"v\":1.5e+02");
    assert_eq!((bars.held.len(), bars.held[0].volume.to_string()), (5, "150".to_owned()));
}

#[tokio::test]
async fn failures_name_what_to_do_and_never_show_the_key() {
    let (server, address) = Played::start().await;
    let halt = ErrorClass::Halt;
    let echo = format!("{{\"message\": \"no key {} / {}\"}}", KEYS[0], KEYS[1]);
    let plan = "{\"message\":\"subscription does not permit querying recent SIP data\"}";
    for (status, body, class, why) in [
        (401, &echo[..], halt, "wrong or revoked: APCA_API_KEY_ID and APCA_API_SECRET_KEY"),
        (403, "{\"message\":\"forbidden.\"}", halt, "wrong or revoked. Request other times"),
        (403, plan, halt, "recent SIP data\"}. The plan of the key does not include this"),
        (400, &echo, ErrorClass::Refused { again: false }, "HTTP 400"),
        (500, &echo, ErrorClass::NotSent, "HTTP 500"),
        (302, &echo, halt, "a key is never sent elsewhere"),
        (200, &echo, ErrorClass::NotSent, "missing field"),
        (200, &format!("<html>{}", KEYS[1]), ErrorClass::NotSent, "expected value"),
        (200, "{\"bars\":{\"AMZN\":[{\"t\":\"2021-", ErrorClass::NotSent, "EOF"),
    ] {
        server.play(status, &[("location", "http://127.0.0.1:1/")], body);
        let source = Played::source(&PUBLIC, &address, FIRST);
        let error = source.bars(range(5)).await.unwrap_err();
        assert_eq!(error.class, class, "{status} {body}: {error}");
        assert!(error.text.contains(why), "{status} {body}: {error}");
        assert!(!shows_key(&format!("{error:?} {source:?}")), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_takes_no_key_to_another_server() {
    let (server, address) = Played::start().await;
    let (other, elsewhere) = Played::start().await;
    server.play(307, &[("location", &format!("{elsewhere}/v2/stocks/bars"))], "");
    Played::source(&PUBLIC, &address, FIRST).bars(range(5)).await.unwrap_err();
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_rejection_for_too_many_requests_is_waited_for() {
    let (server, address) = Played::start().await;
    let reset = (FIRST / 1_000 + 7).to_string();
    let absurd = (FIRST / 1_000 + 1_000_000).to_string();
    for (headers, retry_after_ms) in [
        (vec![("retry-after", "3")], 3_000),
        (vec![("x-ratelimit-reset", &reset[..])], 7_000),
        (vec![("x-ratelimit-reset", &absurd)], 20_000),
        (vec![("x-ratelimit-reset", "0")], 20_000),
        (vec![], 20_000),
    ] {
        let source = Played::source(&PUBLIC, &address, FIRST);
        server.play(429, &headers, "too many requests.");
        let error = source.bars(range(5)).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::RateLimited { retry_after_ms }, "{headers:?}");
        // The clock of this test stands, so the wait does not end.
        let next = tokio::time::timeout(Duration::from_millis(20), source.bars(range(5))).await;
        assert!(next.is_err(), "no request is sent before the wait is over");
        assert_eq!(server.asked().len(), 1);
    }
    // Other programs with the key have used the minute, as the source reports.
    let source = Played::source(&PUBLIC, &address, FIRST);
    let used = [("x-ratelimit-limit", "200"), ("x-ratelimit-remaining", "40")];
    server.play(200, &used, &page(&[0], None).to_string());
    source.bars(range(5)).await.unwrap();
    let next = tokio::time::timeout(Duration::from_millis(20), source.bars(range(5))).await;
    assert!(next.is_err(), "a fifth of the minute stays free");
}

#[tokio::test]
async fn rules_are_those_of_the_asset() {
    let (server, address) = Played::start().await;
    let source = Played::source(&PUBLIC, &address, FIRST);
    server.play(200, &[], &recorded("py_asset_routes.json", "test_get_asset"));
    server.play(404, &[], "{\"code\":40410000,\"message\":\"asset not found for NOPE\"}");
    let names = ["AAPL", "NOPE", "..", "9X"].map(symbol).to_vec();
    let rules = source.rules(names).await.unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!((rules[0].symbol, &rules[0].quote[..]), (symbol("AAPL"), "USD"));
    let steps = [rules[0].tick_size, rules[0].lot_size, rules[0].min_notional];
    assert_eq!(steps.map(|step| step.to_string()), ["0", "0.00000001", "1"]);
    let asked: Vec<String> = server.asked().into_iter().map(|(target, _)| target).collect();
    assert_eq!(asked, ["/v2/assets/AAPL", "/v2/assets/NOPE"]);

    let whole = Asset {
        symbol: "A".into(),
        class: "us_equity".into(),
        fractionable: false,
        tradable: true,
        status: "active".into(),
    };
    assert_eq!(wire::rules(symbol("A"), &whole).unwrap(), Some(wire::usual_rules(symbol("A"))));
    let coin = Asset { class: "crypto".into(), ..whole.clone() };
    assert_eq!(wire::rules(symbol("A"), &coin), Ok(None));
    assert!(wire::rules(symbol("B"), &whole).unwrap_err().contains("is \"A\", not B"));
}

#[tokio::test]
async fn a_key_of_market_data_alone_gets_the_usual_rules() {
    let (server, address) = Played::start().await;
    let source = Played::source(&PUBLIC, &address, FIRST);
    server.play(403, &[], "{\"message\":\"forbidden.\"}");
    let rules = source.rules(vec![symbol("A"), symbol("BRK.B")]).await.unwrap();
    assert_eq!(rules, [symbol("A"), symbol("BRK.B")].map(wire::usual_rules));
    assert_eq!(server.asked().len(), 1, "it is not asked again");
}
