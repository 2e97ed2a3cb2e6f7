//! Against the documented response, and against a server that fails.

use super::Client;
use super::wire::{Global, Shares, shares};
use crate::json::decode;
use crate::keyed::played::{KEYS, Played, shows_key};
use everwarm_domain::secret::Secret;
use everwarm_domain::time::{UtcMs, WallMs};
use everwarm_venue::port::{ErrorClass, VenueError};
use serde_json::{Value, json};
use std::sync::Arc;

/// 2026-01-05 07:00 UTC.
const NOW: UtcMs = 1_767_596_400_000;

/// A response with these shares, as JSON numbers, of this time.
fn body(btc: &str, usdt: &str, updated_at: &str) -> String {
    format!(
        "{{\"data\":{{\"active_cryptocurrencies\":17000,\"total_market_cap\":{{\"btc\":1.5e7}},\
         \"market_cap_percentage\":{{\"btc\":{btc},\"eth\":11.9,\"usdt\":{usdt}}},\
         \"market_cap_change_percentage_24h_usd\":-1.2,\"updated_at\":{updated_at}}}}}"
    )
}

fn read(body: &str) -> Result<Shares, String> {
    shares(&decode::<Global>("global", body.as_bytes())?, NOW)
}

#[test]
fn shares_are_read_as_they_are_written() {
    let Shares { time, btc, usdt } =
        read(&body("58.38439024390244", "4.6e0", "1767596100")).unwrap();
    assert_eq!(time, NOW - 300_000);
    assert_eq!((btc.to_string(), usdt.to_string()), ("58.38439024".into(), "4.6".into()));
    // The clock of the source may be ahead by two minutes.
    assert_eq!(read(&body("1", "2", "1767596520")).unwrap().time, NOW + 120_000);
}

#[test]
fn values_that_cannot_be_right_are_refused_with_the_reason() {
    let good = ("58.4", "4.6", "1767596100");
    for ((btc, usdt, time), why) in [
        ((good.0, good.1, "1767596100000"), "milliseconds, and it must be seconds"),
        ((good.0, good.1, "1767596521"), "(2026-01-05): 121 s in the future"),
        ((good.0, good.1, "29459935"), "it must be seconds, from 2014 on"),
        ((good.0, good.1, "-1"), "it must be seconds, from 2014 on"),
        ((good.0, good.1, "1767596100.5"), "expected i64"),
        ((good.0, good.1, "99999999999999999999"), "expected i64"),
        (("0", good.1, good.2), "percentage.btc: 0 is not above 0 and at most 100"),
        (("-58.4", good.1, good.2), "percentage.btc: -58.4 is not above 0"),
        ((good.0, "100.1", good.2), "percentage.usdt: 100.1 is not above 0 and at most 100"),
        ((good.0, "0.000000001", good.2), "percentage.usdt: 0.000000001 is not above 0"),
        (("97", good.1, good.2), "btc 97 and usdt 4.6 are above 100"),
        (("1e400", good.1, good.2), "percentage.btc: 1e400 is beyond every limit"),
        (("\"58.4\"", good.1, good.2), "a string, expected a number"),
        (("null", good.1, good.2), "null, expected a number"),
    ] {
        let found = read(&body(btc, usdt, time)).unwrap_err();
        assert!(found.contains(why), "{why:?} is not in {found:?}");
    }
    let mut without: Value = serde_json::from_str(&body("1", "2", "3")).unwrap();
    without["data"]["market_cap_percentage"].as_object_mut().unwrap().remove("usdt");
    let found = read(&without.to_string()).unwrap_err();
    assert!(found.contains("missing field `usdt`"), "{found}");
    assert!(read(&json!({ "error": "x" }).to_string()).unwrap_err().contains("`data`"));
}

fn client(address: &str, key: Option<&str>) -> Client {
    let key = key.map(Secret::new);
    Client::new(address, key.as_ref(), Arc::new(|| WallMs::from_utc(NOW))).unwrap()
}

#[tokio::test]
async fn the_key_is_sent_in_a_header_and_only_if_there_is_one() {
    let (server, address) = Played::start().await;
    for key in [Some(KEYS[0]), None] {
        server.play(200, &[], &body("58.4", "4.6", "1767596100"));
        client(&format!("{address}/api/v3/"), key).shares().await.unwrap();
        let (target, headers) = server.asked().remove(0);
        assert_eq!(target, "/api/v3/global");
        let sent = headers.get("x-cg-demo-api-key").map(|value| value.to_str().unwrap());
        assert_eq!(sent, key);
    }
}

#[tokio::test]
async fn failures_name_the_reason_and_never_the_key() {
    let (server, address) = Played::start().await;
    let shown = &*format!("you sent {}", KEYS[0]);
    let huge = &*format!("[{}1]", "1,".repeat(1 << 20));
    let good = body("58.4", "4.6", "1767596100");
    let wrong = &*body("101", "1", "1767596100");
    let again = ErrorClass::Refused { again: false };
    for (status, text, class, why) in [
        (500, shown, ErrorClass::NotSent, "HTTP 500: you sent [redacted]"),
        (401, shown, ErrorClass::Halt, "The key is wrong or revoked: source.coingecko.key"),
        (403, shown, ErrorClass::Halt, "The plan of the key does not include this"),
        (302, "", ErrorClass::Halt, "it redirects"),
        (200, shown, ErrorClass::NotSent, "expected value"),
        (200, &good[..90], ErrorClass::NotSent, "EOF while parsing"),
        (200, huge, ErrorClass::NotSent, "the response has 2097155 bytes, above 1048576"),
        (200, wrong, again, "101 is not above 0 and at most 100"),
    ] {
        server.play(status, &[], text);
        let error = client(&address, Some(KEYS[0])).shares().await.unwrap_err();
        assert!(error.class == class && error.text.contains(why), "{why:?}: {error:?}");
        assert!(!shows_key(&error.text), "{error}");
    }
}

#[tokio::test]
async fn a_source_that_wants_fewer_requests_gets_none_until_its_time_is_over() {
    let (server, address) = Played::start().await;
    let wait = |error: &VenueError| {
        let ErrorClass::RateLimited { retry_after_ms } = error.class else { panic!("{error:?}") };
        retry_after_ms
    };
    for (headers, expected) in [(&[("retry-after", "600")][..], 600_000), (&[][..], 60_000)] {
        server.play(429, headers, "slow down");
        let error = client(&address, None).shares().await.unwrap_err();
        assert!(error.text.contains("HTTP 429: slow down"), "{error}");
        assert_eq!(wait(&error), expected);
    }
    // The clock of this test stands, so its time is never over.
    let client = client(&address, None);
    server.play(429, &[("retry-after", "600")], "");
    client.shares().await.unwrap_err();
    server.asked();
    assert!(wait(&client.shares().await.unwrap_err()) > 60_000);
    assert!(server.asked().is_empty(), "no request is sent");
}
