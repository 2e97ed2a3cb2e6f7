//! Against documented responses, and against a server that fails.

use super::PUBLIC;
use super::wire::{self, Page};
use crate::bar_rows::Rows;
use crate::json::decode;
use crate::keyed::played::{KEYS, Played, shows_key};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_venue::port::{Bars, ErrorClass};
use everwarm_venue::source::BarRange;
use serde_json::{Value, json};
use std::time::Duration;

/// 2005-04-01 05:00 UTC, the first documented bar. It is one of a day, but opens with an hour, too.
const FIRST: UtcMs = 1_112_331_600_000;
const HOUR: UtcMs = 3_600_000;
/// The path of a request without its times.
const SERIES: &str = "/v2/aggs/ticker/AAPL/range/1/hour/";

fn documented() -> String {
    let name = "v2_aggs_ticker_AAPL_range_1_day_2005_04_01_2005_04_04.json";
    std::fs::read_to_string(crate::shared::shared("wire/polygon/rest").join(name)).unwrap()
}

fn symbol(name: &str) -> Symbol {
    Symbol::named(name).unwrap()
}

fn range(bars: i64) -> BarRange {
    let times = FIRST..=FIRST + (bars - 1) * HOUR;
    BarRange { symbol: symbol("AAPL"), timeframe: Timeframe::H1, times }
}

fn read(range: &BarRange, body: &str) -> Result<(Bars, Option<String>), String> {
    let page: Page = decode("aggregates", body.as_bytes())?;
    let mut rows = Rows::of(range);
    let next = wire::add(&mut rows, range, page)?;
    Ok((rows.into_bars(), next))
}

#[tokio::test]
async fn a_request_gives_exactly_the_documented_bars() {
    let (server, address) = Played::start().await;
    // The documented bars are adjusted for splits; ours are not.
    server.play(200, &[], &documented().replace("\"adjusted\": true", "\"adjusted\": false"));
    let bars = Played::source(&PUBLIC, &address, FIRST).bars(range(72)).await.unwrap();
    let row = |bar: &everwarm_domain::market::Bar| {
        let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.to_string());
        format!("{} {} {}", (bar.open_time - FIRST) / HOUR, prices.join(" "), bar.volume)
    };
    let rows: Vec<String> = bars.held.iter().map(row).collect();
    let wanted =
        ["0 1.5032 1.5064 1.4489 1.4604 642646396", "71 1.4639 1.4754 1.4343 1.4675 578172308"];
    assert_eq!(rows, wanted);
    let (target, headers) = server.asked().remove(0);
    let to = FIRST + 71 * HOUR;
    assert_eq!(target, format!("{SERIES}{FIRST}/{to}?adjusted=false&sort=asc&limit=50000"));
    assert_eq!(headers["authorization"], format!("Bearer {}", KEYS[0]));
    let adjusted = read(&range(72), &documented()).unwrap_err();
    assert!(adjusted.contains("adjusted for splits"), "{adjusted}");
}

/// A page with a bar at each of these hours.
fn page(hours: &[i64], next: Option<&str>) -> Value {
    let row = |hour: &i64| {
        let t = FIRST + hour * HOUR;
        json!({"t": t, "o": 10, "h": 12.5, "l": 9, "c": 11, "v": 100.0, "vw": 10.1, "n": 1})
    };
    let rows: Vec<Value> = hours.iter().map(row).collect();
    json!({
        "ticker": "AAPL", "adjusted": false, "queryCount": 60, "resultsCount": rows.len(),
        "results": rows, "status": "OK", "request_id": "1", "count": rows.len(), "next_url": next,
    })
}

#[tokio::test]
async fn the_next_page_is_requested_from_the_same_server_alone() {
    let (server, address) = Played::start().await;
    let (other, elsewhere) = Played::start().await;
    let source = Played::source(&PUBLIC, &address, FIRST);
    let next =
        format!("{SERIES}{}/{}?cursor=bGltaXQ9MiZzb3J0PWFzYw", FIRST + HOUR, FIRST + 4 * HOUR);
    server.play(200, &[], &page(&[0], Some(&format!("{address}{next}"))).to_string());
    server.play(200, &[], &page(&[1, 3], None).to_string());
    assert_eq!(source.bars(range(5)).await.unwrap().held.len(), 3);
    let asked = server.asked();
    assert_eq!(asked[1].0, next);
    assert!(asked.iter().all(|(target, headers)| {
        headers["authorization"] == format!("Bearer {}", KEYS[0]) && !shows_key(target)
    }));
    for wrong in [
        format!("{elsewhere}{next}"),
        format!("{address}@127.0.0.1:1{next}"),
        format!("{address}.evil.example{next}"),
        format!("{address}{}", next.replace("AAPL", "MSFT")),
        format!("{address}{SERIES}../../../../v3/reference"),
        format!("{address}/v3/reference/tickers?apiKey={}", KEYS[0]),
        next.clone(),
    ] {
        server.play(200, &[], &page(&[0], Some(&wrong)).to_string());
        let error = source.bars(range(5)).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused { again: false });
        assert!(error.text.contains("It is not followed"), "{wrong}: {error}");
        assert!(!shows_key(&error.text), "{error}");
    }
    assert!(other.asked().is_empty(), "the key did not leave");
    let official = super::ADDRESSES.map(str::to_owned);
    for address in &official {
        let path = wire::next_path(&format!("{address}{next}"), &official, SERIES);
        assert_eq!(path.as_ref(), Ok(&next), "before and after it was renamed");
    }
}

#[tokio::test]
async fn pages_that_do_not_end_are_refused() {
    let (server, address) = Played::start().await;
    let source = Played::source(&PUBLIC, &address, FIRST);
    let next = |n: i64| format!("{address}{SERIES}{n}/{FIRST}?cursor=a");
    for pages in [
        vec![page(&[0], Some(&next(1))), page(&[1], Some(&next(1)))],
        vec![page(&[], Some(&next(1))), page(&[], Some(&next(2))), page(&[], Some(&next(3)))],
    ] {
        let count = pages.len();
        for page in &pages {
            server.play(200, &[], &page.to_string());
        }
        let error = source.bars(range(5)).await.unwrap_err();
        assert!(error.text.contains("the pages do not end"), "{error}");
        assert_eq!(server.asked().len(), count);
    }
}

#[test]
fn a_page_that_cannot_be_right_is_refused_whole() {
    let good = page(&[0, 1, 2], None);
    assert_eq!(read(&range(5), &good.to_string()).unwrap().0.held.len(), 3);
    let delayed = good.to_string().replace("\"OK\"", "\"DELAYED\"");
    assert_eq!(read(&range(5), &delayed).unwrap().0.held.len(), 3);
    let untraded = json!({"ticker": "AAPL", "adjusted": false, "resultsCount": 0, "status": "OK"});
    assert!(read(&range(5), &untraded.to_string()).unwrap().0.held.is_empty());
    let with = |key: &str, value: Value| {
        let mut page = good.clone();
        page[key] = value;
        read(&range(5), &page.to_string()).unwrap_err()
    };
    let row = |key: &str, value: Value| {
        let mut page = good.clone();
        page["results"][1][key] = value;
        read(&range(5), &page.to_string()).unwrap_err()
    };
    for (key, value, why) in [
        ("ticker", json!("MSFT"), "of \"MSFT\", not of AAPL"),
        ("ticker", json!(null), "not of AAPL"),
        ("adjusted", json!(true), "adjusted for splits"),
        ("adjusted", json!(null), "adjusted for splits"),
        ("status", json!("ERROR"), "the status is ERROR"),
        ("status", json!("PARTIAL"), "the status is PARTIAL"),
        ("status", json!(null), "aggregates at status"),
        ("results", json!(null), "its resultsCount is not 0"),
        ("results", json!({}), "aggregates at results"),
    ] {
        let text = with(key, value.clone());
        assert!(text.contains(why), "{key} {value}: {text}");
    }
    for (key, value, why) in [
        ("t", json!((FIRST + HOUR) / 1_000), "no bar of 1h opens at"),
        ("t", json!((FIRST + HOUR) * 1_000), "is not from"),
        ("t", json!(FIRST + HOUR + 1), "no bar of 1h opens at"),
        ("t", json!(FIRST), "out of order"),
        ("t", json!(FIRST + 9 * HOUR), "is not from"),
        ("t", json!(1.5), "results[1].t"),
        ("t", json!("1112335200000"), "results[1].t"),
        ("o", json!("10.5"), "results[1].o"),
        ("v", json!(null), "results[1].v"),
    ] {
        let text = row(key, value.clone());
        assert!(text.contains(why), "{key} {value}: {text}");
    }
}

#[test]
fn one_bad_number_costs_one_bar_and_new_fields_nothing() {
    let text = page(&[0, 1, 2, 3, 4], None).to_string();
    for (from, to) in [
        ("\"o\":10", "\"o\":-10"),
        ("\"o\":10", "\"o\":1e400"),
        ("\"h\":12.5", "\"h\":99999999999999999999999999999999999999"),
        ("\"v\":100.0", "\"v\":1e16"),
    ] {
        let text = text.replacen(from, to, 1).replacen("\"n\":1", "\"otc\":true", 5);
        let bars = read(&range(5), &text).unwrap().0;
        assert_eq!((bars.held.len(), bars.unheld.len()), (4, 1), "{to}");
    }
    let exponent = text.replacen("\"v\":100.0", "\"v\":7.0790813e+07", 1);
    let bars = read(&range(5), &exponent).unwrap().0;
    assert_eq!(bars.held[0].volume.to_string(), "70790813");
}

#[tokio::test]
async fn failures_name_what_to_do_and_never_show_the_key() {
    let (server, address) = Played::start().await;
    let halt = ErrorClass::Halt;
    let unknown = format!("{{\"status\":\"ERROR\",\"error\":\"Unknown API Key {}\"}}", KEYS[0]);
    let plan = "{\"status\":\"NOT_AUTHORIZED\",\"message\":\"Your plan doesn't include this data \
                timeframe. Please upgrade\"}";
    for (status, body, class, why) in [
        (401, &unknown[..], halt, "wrong or revoked: POLYGON_API_KEY (https://massive.com"),
        (403, plan, halt, "The plan of the key does not include this"),
        (200, plan, halt, "timeframe. Please upgrade. The plan of the key does not include"),
        (200, &unknown, ErrorClass::Refused { again: false }, "the status is ERROR: Unknown"),
        (404, &unknown, ErrorClass::Absent, "HTTP 404"),
        (502, "<html>", ErrorClass::NotSent, "HTTP 502"),
        (301, "", halt, "a key is never sent elsewhere"),
        (200, "<html>", ErrorClass::NotSent, "expected value"),
        (200, "{\"status\":\"OK\",\"results\":[{\"t\":11123", ErrorClass::NotSent, "EOF"),
    ] {
        server.play(status, &[], body);
        let source = Played::source(&PUBLIC, &address, FIRST);
        let error = source.bars(range(5)).await.unwrap_err();
        assert_eq!(error.class, class, "{status} {body}: {error}");
        assert!(error.text.contains(why), "{status} {body}: {error}");
        assert!(!shows_key(&format!("{error:?} {source:?}")), "{error}");
    }
}

#[tokio::test]
async fn a_rejection_shows_that_the_plan_has_five_requests_of_a_minute() {
    let (server, address) = Played::start().await;
    for (headers, retry_after_ms) in [(vec![("retry-after", "9")], 9_000), (vec![], 60_000)] {
        let source = Played::source(&PUBLIC, &address, FIRST);
        server.play(429, &headers, "{\"status\":\"ERROR\",\"error\":\"maximum requests\"}");
        let error = source.bars(range(5)).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::RateLimited { retry_after_ms });
        let next = tokio::time::timeout(Duration::from_millis(20), source.bars(range(5))).await;
        assert!(next.is_err(), "no request is sent before the wait is over");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn rules_need_no_request() {
    let (server, address) = Played::start().await;
    let source = Played::source(&PUBLIC, &address, FIRST);
    let rules = source.rules(["BRK.B", ".."].map(symbol).to_vec()).await.unwrap();
    assert_eq!(rules, [wire::rules(symbol("BRK.B"))]);
    assert_eq!(rules[0].lot_size.to_string(), "1");
    assert!(server.asked().is_empty());
}
