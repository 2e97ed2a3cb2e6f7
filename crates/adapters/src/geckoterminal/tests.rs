//! Against documented and recorded responses, and against a server that fails.

use super::wire::{Ohlcv, Pools, Wanted, bars, prices};
use super::{Client, POOLS_MAX};
use crate::json::decode;
use crate::keyed::played::Played;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, UtcMs, WallMs};
use everwarm_venue::port::{Bars, ErrorClass};
use everwarm_venue::source::BarRange;
use serde_json::{Value, json};
use std::sync::Arc;

const WETH: &str = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
const USDC: &str = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48";
const POOL: &str = "0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640";
/// 2026-09-08 09:00 UTC.
const NOW: UtcMs = 1_788_858_000_000;

fn pool(address: &str, base: &Value, quote: &Value) -> Value {
    let token = |id: &str| json!({ "data": { "id": format!("eth_{id}"), "type": "token" } });
    json!({
        "id": format!("eth_{address}"),
        "type": "pool",
        "attributes": {
            "address": address,
            "name": "USDC / WETH 0.05%",
            "base_token_price_usd": base,
            "quote_token_price_usd": quote,
            "reserve_in_usd": "163988541.3812",
        },
        "relationships": { "base_token": token(USDC), "quote_token": token(WETH) },
    })
}

fn response(pools: &[Value]) -> String {
    json!({ "data": pools }).to_string()
}

fn wanted(contract: &str, pool: &str) -> Wanted {
    Wanted { contract: contract.to_owned(), pool: pool.to_owned() }
}

fn read(body: &str, wanted: &[Wanted]) -> Result<Vec<Result<String, String>>, String> {
    let found = prices("eth", &decode::<Pools>("pools", body.as_bytes())?, wanted)?;
    Ok(found.into_iter().map(|price| price.map(|price| price.to_string())).collect())
}

#[test]
fn a_token_has_the_price_of_its_side_of_the_pool() {
    let upper = POOL.to_ascii_uppercase().replacen("0X", "0x", 1);
    let body = response(&[pool(&upper, &json!("0.99976"), &json!("3345.123456789012345678901"))]);
    let found = read(&body, &[wanted(WETH, POOL), wanted(USDC, POOL)]).unwrap();
    assert_eq!(found, [Ok("3345.123456789012345679".to_owned()), Ok("0.99976".to_owned())]);
    // Numbers are read like text, and digits that no decimal has are dropped.
    let number: Value = serde_json::from_str("1.5").unwrap();
    let tiny = json!("0.0000000000001234567890123456789");
    let body = response(&[pool(POOL, &number, &tiny)]);
    let found = read(&body, &[wanted(WETH, POOL), wanted(USDC, POOL)]).unwrap();
    assert_eq!(found, [Ok("0.000000000000123457".to_owned()), Ok("1.5".to_owned())]);
}

#[test]
fn a_price_that_cannot_be_right_costs_its_token_with_the_reason() {
    let none = || json!("1");
    for (price, why) in [
        (json!("0"), "quote_token_price_usd 0 is not above 0"),
        (json!("-1"), "quote_token_price_usd -1 is not above 0"),
        (json!("1e-19"), "quote_token_price_usd 0 is not above 0"),
        (json!("90000000001"), "is above the limit of 90000000000"),
        (json!("NaN"), "is not a decimal number"),
        (json!("1.0000000000000000000000000000x"), "is not a decimal number"),
        (json!("1e400"), "1e400 is beyond every limit"),
        (json!("1".repeat(100)), "a number of 100 characters"),
        (json!(null), "quote_token_price_usd: it has no price"),
    ] {
        let body = response(&[pool(POOL, &none(), &price)]);
        let found = read(&body, &[wanted(WETH, POOL), wanted(USDC, POOL)]).unwrap();
        let wrong = found[0].clone().unwrap_err();
        assert!(wrong.contains(why), "{why:?} is not in {wrong:?}");
        assert_eq!(found[1], Ok("1".to_owned()), "the other token has its price");
    }
    let body = response(&[pool(POOL, &none(), &none())]);
    let found = read(&body, &[wanted("0xdac1", POOL), wanted(WETH, "0x11b8")]).unwrap();
    let [other, absent] = &found[..] else { panic!("{found:?}") };
    let other = other.clone().unwrap_err();
    assert!(other.contains("trades eth_0xa0b8") && other.ends_with("and not 0xdac1"), "{other}");
    assert_eq!(absent, &Err("there is no pool 0x11b8 on eth".to_owned()));
}

#[test]
fn pools_that_nobody_requested_cost_the_response() {
    let one = pool(POOL, &json!("1"), &json!("1"));
    let other = pool("0x11b8", &json!("1"), &json!("1"));
    let both = [wanted(WETH, POOL)];
    for (body, why) in [
        (response(&[one.clone(), other]), "pool 0x11b8: nobody requested it"),
        (response(&[one.clone(), one]), "is there twice"),
        (json!({ "errors": [{ "status": "404" }] }).to_string(), "missing field `data`"),
        (response(&[pool(POOL, &json!([1]), &json!("1"))]), "is neither text nor a number"),
        (response(&[pool(POOL, &json!(true), &json!("1"))]), "is neither text nor a number"),
    ] {
        let found = read(&body, &both).unwrap_err();
        assert!(found.contains(why), "{why:?} is not in {found:?}");
    }
    assert_eq!(
        read(&response(&[]), &both).unwrap(),
        [Err(format!("there is no pool {POOL} on eth"))]
    );
}

fn rows(body: &str, at: (&str, &str)) -> Result<Bars, String> {
    let symbol = Symbol::named("WETH").unwrap();
    let range = BarRange { symbol, timeframe: Timeframe::H1, times: 0..=NOW };
    bars(&range, at, &decode::<Ohlcv>("bars", body.as_bytes())?, NOW)
}

fn of_list(list: &str) -> String {
    format!("{{\"data\":{{\"attributes\":{{\"ohlcv_list\":{list}}}}}}}")
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn bars_come_newest_first_in_seconds_and_are_ascending_here() {
    let file = |name: &str| {
        let path = crate::shared::shared("wire/geckoterminal").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let found = rows(&file("ohlcv_hour_real_rows.json"), ("eth", POOL)).unwrap();
    let bar = |at: usize| {
        let bar = &found.held[at];
        let [open, high, low, close] = bar.prices().map(|price| price.decimal().to_string());
        (bar.open_time, format!("{open} {high} {low} {close} {}", bar.volume))
    };
    let first = "1.00042842389096 1.00490025333728 0.995799441886115 1.00071817151757 \
                 2746268.0332335294";
    let last = "1.00071817151757 1.00198792505725 0.998172710960178 1.00083094804025 \
                1334331.5237575937";
    assert_eq!(bar(0), (1_788_843_600_000, first.to_owned()));
    assert_eq!(bar(1), (1_788_847_200_000, last.to_owned()));
    assert_eq!((found.held.len(), found.unheld.len()), (2, 0));

    let with_meta = file("shape_with_meta.json");
    let at = "0x4c36388be6f416a29c8d8eee81c771ce6be14b18";
    assert_eq!(rows(&with_meta, ("base", at)).unwrap().held.len(), 1);
    let wrong = rows(&with_meta, ("base", POOL)).unwrap_err();
    assert!(wrong.contains(&format!("{at}, not of {POOL}")), "{wrong}");
    assert!(rows(&file("shape_empty.json"), ("eth", POOL)).unwrap().held.is_empty());
    let missing = rows(&file("shape_not_found.json"), ("eth", POOL)).unwrap_err();
    assert!(missing.contains("missing field `data`"), "{missing}");
}

#[test]
fn rows_that_cannot_be_right_are_refused_with_the_reason() {
    let many = format!("[{}]", ["[1788847200,1,1,1,1,1]"; 1_001].join(","));
    for (list, why) in [
        ("[[1788847200000,1,1,1,1,1]]", "milliseconds, and it must be seconds"),
        ("[[1388847200,1,1,1,1,1]]", "it must be seconds, from 2015 on"),
        ("[[1788861600,1,1,1,1,1]]", "3600 s in the future"),
        ("[[1788847201,1,1,1,1,1]]", "no bar of 1h opens then"),
        ("[[1788843600,1,1,1,1,1],[1788847200,1,1,1,1,1]]", "rows must be newest first"),
        ("[[1788847200,1,1,1,1,1],[1788847200,1,1,1,1,1]]", "rows must be newest first"),
        ("[[1788847200,1,1,1,1]]", "expected"),
        ("[[1788847200,\"1\",1,1,1,1]]", "a string, expected a number"),
        ("[[1788847200,NaN,1,1,1,1]]", "expected"),
        (many.as_str(), "the response has 1001 bars, above 1000"),
    ] {
        let found = rows(&of_list(list), ("eth", POOL)).unwrap_err();
        assert!(found.contains(why), "{why:?} is not in {found:?}");
    }
    for (row, why) in [
        ("[1788847200,-1,1,1,1,1]", "is not above 0"),
        ("[1788847200,1,1e30,1,1,1]", "beyond every limit"),
        ("[1788847200,1,1,1,1,-1]", "is below 0"),
    ] {
        let found = rows(&of_list(&format!("[{row}]")), ("eth", POOL)).unwrap();
        let [unheld] = &found.unheld[..] else { panic!("{row}: {found:?}") };
        assert!(unheld.why.contains(why) && found.held.is_empty(), "{why:?}: {unheld:?}");
    }
}

fn client(address: &str) -> Client {
    Client::new(address, Arc::new(|| WallMs::from_utc(NOW))).unwrap()
}

#[tokio::test]
async fn one_request_has_the_pools_of_a_network_and_selects_the_version() {
    let (server, address) = Played::start().await;
    server.play(200, &[], &response(&[pool(POOL, &json!("1"), &json!("3345.5"))]));
    let wanted = [wanted(WETH, POOL), wanted("So111", "0x2::a::B"), wanted(USDC, POOL)];
    let found = client(&format!("{address}/api/v2/")).prices("eth", &wanted).await.unwrap();
    assert_eq!(found[0].clone().unwrap().to_string(), "3345.5");
    assert!(found[1].is_err() && found[2].is_ok() && wanted.len() <= POOLS_MAX);
    let (target, headers) = server.asked().remove(0);
    assert_eq!(target, format!("/api/v2/networks/eth/pools/multi/0x2%3A%3Aa%3A%3AB,{POOL}"));
    assert_eq!(headers["accept"], "application/json;version=20230302");
}

#[tokio::test]
async fn failures_name_the_reason_and_a_limit_asks_for_a_wait() {
    let (server, address) = Played::start().await;
    let huge = &*format!("[{}1]", "1,".repeat(1 << 20));
    let wrong = &*response(&[pool("0x11b8", &json!("1"), &json!("1"))]);
    for (status, text, class, why) in [
        (500, "down", ErrorClass::NotSent, "HTTP 500: down"),
        (404, "no network", ErrorClass::Absent, "HTTP 404: no network"),
        (200, "{\"data\":[{", ErrorClass::NotSent, "EOF while parsing"),
        (200, huge, ErrorClass::NotSent, "the response has 2097155 bytes, above 1048576"),
        (200, wrong, ErrorClass::Refused { again: false }, "nobody requested it"),
        (429, "slow", ErrorClass::RateLimited { retry_after_ms: 60_000 }, "HTTP 429: slow"),
    ] {
        server.play(status, &[], text);
        let error = client(&address).prices("eth", &[wanted(WETH, POOL)]).await.unwrap_err();
        assert!(error.class == class && error.text.contains(why), "{why:?}: {error:?}");
    }
}
