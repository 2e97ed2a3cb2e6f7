//! Against recorded responses, and against a server that fails.

use super::PUBLIC;
use super::wire::{self, Candle, Coin, Meta};
use crate::PastBars;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{Timeframe, WallMs};
use everwarm_venue::Opening;
use everwarm_venue::clock::{Pace, SharedClock};
use everwarm_venue::port::ErrorClass;
use everwarm_venue::rate_limit::Note;
use everwarm_venue::source::BarRange;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HOUR: i64 = 3_600_000;
/// Opening time of the first recorded bar.
const FIRST: i64 = 1_684_699_200_000;

/// The recorded bodies: the contracts, and bars of kPEPE.
fn recorded() -> (String, String) {
    let path = crate::shared::shared("wire/hyperliquid/rest/test_get_candles_snapshot.json");
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let body = |at: usize| rows[at]["response_text"].as_str().unwrap().to_owned();
    (body(0), body(1))
}

fn pepe() -> Symbol {
    wire::symbol("kPEPE").unwrap()
}

fn hours(from: i64, to: i64) -> BarRange {
    let times = FIRST + from * HOUR..=FIRST + to * HOUR;
    BarRange { symbol: pepe(), timeframe: Timeframe::H1, times }
}

#[test]
fn recorded_bars_are_bars_of_the_range_alone() {
    let rows: Vec<Candle> = serde_json::from_str(&recorded().1).unwrap();
    let bars = wire::bars(&hours(1, 5), "kPEPE", &rows).unwrap();
    assert_eq!(bars.held.len(), 5, "without the bar that holds the start");
    assert_eq!((bars.held[0].symbol, bars.held[0].open_time), (pepe(), FIRST + HOUR));
    assert_eq!(bars.held[0].open.to_string(), "0.001603");
    assert!(bars.unheld.is_empty());
}

#[test]
fn bars_of_another_contract_or_width_and_disorder_are_refused() {
    let rows: Vec<Candle> = serde_json::from_str(&recorded().1).unwrap();
    let refused = |coin: &str, rows: &[Candle]| wire::bars(&hours(0, 99), coin, rows).unwrap_err();
    assert!(refused("BTC", &rows).contains("not of BTC 1h"));
    let mut other = rows.clone();
    other[1].i = "4h".to_owned();
    assert!(refused("kPEPE", &other).contains("kPEPE 4h"));
    let mut seconds = rows.clone();
    seconds[0].t /= 1_000;
    assert!(refused("kPEPE", &seconds).contains("is not a bar of 1h"));
    let mut swapped = rows.clone();
    swapped.swap(2, 3);
    assert!(refused("kPEPE", &swapped).contains("out of order"));
    let mut huge = rows;
    let text = format!("\"1{}\"", "0".repeat(40));
    huge[2].h = serde_json::from_str(&text).unwrap();
    let bars = wire::bars(&hours(0, 99), "kPEPE", &huge).unwrap();
    assert_eq!(bars.unheld.len(), 1, "one bad number costs one bar");
}

#[test]
fn steps_follow_from_the_decimals_of_a_quantity() {
    let meta: Meta = serde_json::from_str(&recorded().0).unwrap();
    let of = |name: &str| {
        let coin = meta.universe.iter().find(|coin| coin.name == name).unwrap();
        let rules = wire::rules(coin).unwrap();
        (rules.tick_size.to_string(), rules.lot_size.to_string())
    };
    assert_eq!(of("BTC"), ("0.1".to_owned(), "0.00001".to_owned()));
    assert_eq!(of("kPEPE"), ("0.000001".to_owned(), "1".to_owned()));
    assert_eq!(wire::rules(&Coin { name: "@107".to_owned(), sz_decimals: 2 }), None);
    assert_eq!(wire::rules(&Coin { name: "BTC".to_owned(), sz_decimals: 7 }), None);
}

type Answers = Arc<Mutex<VecDeque<(u16, String)>>>;
type Asked = Arc<Mutex<Vec<Value>>>;

async fn serve() -> (Arc<dyn PastBars>, Answers, Asked) {
    let (answers, asked) = (Answers::default(), Asked::default());
    let play = |State((answers, asked)): State<(Answers, Asked)>, body: String| async move {
        asked.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        let (status, body) = answers.lock().unwrap().pop_front().unwrap();
        (StatusCode::from_u16(status).unwrap(), body)
    };
    let state = (Arc::clone(&answers), Arc::clone(&asked));
    let app = Router::new().route("/info", post(play)).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let opening = Opening {
        recv_window: 0,
        clock: SharedClock::new(Pace::Real),
        wall: Arc::new(|| WallMs::from_utc(FIRST)),
        note: Note::default(),
    };
    ((PUBLIC.open)(&address, &[], opening).unwrap(), answers, asked)
}

#[tokio::test]
async fn a_symbol_is_asked_for_as_the_source_spells_it() {
    let (source, answers, asked) = serve().await;
    let (meta, bars) = recorded();
    answers.lock().unwrap().extend([(200, meta), (200, bars), (200, "null".to_owned())]);
    let none = Symbol::named("NONE").unwrap();
    let rules = source.rules(vec![pepe(), none]).await.unwrap();
    assert_eq!(rules.iter().map(|rule| rule.symbol).collect::<Vec<_>>(), [pepe()]);
    assert_eq!(source.bars(hours(0, 3)).await.unwrap().held.len(), 4);
    let wanted = asked.lock().unwrap()[1]["req"].clone();
    assert_eq!((&wanted["coin"], &wanted["interval"]), (&"kPEPE".into(), &"1h".into()));
    assert_eq!(wanted["startTime"], FIRST);
    let unknown = source.bars(BarRange { symbol: none, ..hours(0, 3) }).await.unwrap();
    assert!(unknown.held.is_empty(), "it responds with null");
}

#[tokio::test]
async fn failures_say_whether_another_attempt_may_succeed() {
    let (source, answers, asked) = serve().await;
    let limited = ErrorClass::RateLimited { retry_after_ms: 10_000 };
    for (status, body, class) in [
        (500, "null", ErrorClass::NotSent),
        (422, "Failed to deserialize", ErrorClass::Refused { again: false }),
        (200, "<html>", ErrorClass::NotSent),
        (200, "[{\"t\":1}]", ErrorClass::NotSent),
        (200, "{\"s\":", ErrorClass::NotSent),
        (429, "", limited),
    ] {
        answers.lock().unwrap().push_back((status, body.to_owned()));
        let error = source.bars(hours(0, 3)).await.unwrap_err();
        assert_eq!(error.class, class, "{status} {body}: {error}");
    } // The clock of this test stands, so the wait does not end.
    let before = asked.lock().unwrap().len();
    let next = tokio::time::timeout(Duration::from_millis(50), source.bars(hours(0, 3))).await;
    assert!(next.is_err(), "no request is sent before the wait is over");
    assert_eq!(asked.lock().unwrap().len(), before);
}
