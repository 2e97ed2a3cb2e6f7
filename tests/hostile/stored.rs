//! Stored forms: arbitrary bytes and arbitrary values for the facts of a journal and for settings
//! give a value or an error, and stages take what is given.

use everwarm_domain::fact::{Body, Market, Operator, Retained, Venue};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{
    Balance, Liquidity, OrderReport, OrderStatus, ReportSource, SendAttempt, Side, Validity,
    VenueFill,
};
use everwarm_domain::settings::Settings;
use everwarm_domain::time::MINUTE;
use everwarm_kernel::chance::draw;
use everwarm_kernel::fact::{Body as _, Library};
use everwarm_kernel::plain::PlainLoop;
use everwarm_trading::stages;
use everwarm_trading::testing::AccountFact;
use serde_json::Value;
use std::ops::Range;

fn roll(dice: &mut u64, of: Range<usize>) -> usize {
    of.start + usize::try_from(draw(dice) % (of.end - of.start) as u64).unwrap()
}

/// Facts of many forms.
fn facts() -> Vec<Body> {
    let symbol = Symbol::new("BTCUSDT").unwrap();
    let price = Price::e8(100_000_000);
    let (open, high, low, close, volume) = (price, price, price, price, Decimal::TEN);
    let bar = Bar { symbol, open_time: 1_700_000_040_000, open, high, low, close, volume };
    let client_id = ClientOrderId("ew-1".to_owned());
    let balance = Balance { asset: "USDT".into(), free: Decimal::MAX, locked: Decimal::ZERO };
    let fill = VenueFill {
        trade_id: 1.into(),
        price: Decimal::ONE,
        quantity: Decimal::ONE,
        fee: Decimal::NEGATIVE_ONE,
        fee_asset: "BNB".into(),
        time: 5,
        liquidity: Some(Liquidity::Maker),
    };
    let report = OrderReport {
        source: ReportSource::Query,
        client_id: client_id.clone(),
        venue_order_id: 7.into(),
        symbol,
        side: Side::Sell,
        status: OrderStatus::PartlyFilled,
        quantity: Decimal::TEN,
        executed: Decimal::ONE,
        executed_quote: Decimal::ONE,
        fills: vec![fill],
        time: 5,
    };
    let (client, validity) = (client_id.clone(), Validity::within(4, 5));
    let attempt = SendAttempt { client_id: client, attempt: 1, validity };
    vec![
        Body::Market(Market::Close {
            time: 60_000,
            bars: vec![bar; 3],
            missing: vec![symbol],
            odd: vec![],
        }),
        Body::Market(Market::LateBar { bar, odd: None }),
        AccountFact {
            time: 5,
            balances: vec![balance],
            open: vec![(client_id.clone(), symbol)],
            unread: vec!["JUNK".into()],
            ..AccountFact::default()
        }
        .body(),
        Body::Venue(Venue::Reported(report)),
        Body::Venue(Venue::Sent { attempts: vec![attempt] }),
        Body::Venue(Venue::Absent { client_id, asked: 9 }),
        Body::Operator(Operator::configured(1, &Settings::default())),
        Body::Operator(Operator::Clock { time: i64::MAX }),
    ]
}

/// Changes, cuts, repeats or adds some bytes.
fn spoil(bytes: &mut Vec<u8>, dice: &mut u64) {
    for _ in 0..roll(dice, 1..5) {
        let (length, byte) = (bytes.len(), u8::try_from(draw(dice) % 256).unwrap());
        match roll(dice, 0..5) {
            0 => bytes.truncate(roll(dice, 0..length + 1)),
            1 => bytes.insert(roll(dice, 0..length + 1), byte),
            2 if length > 0 => bytes.extend_from_within(roll(dice, 0..length)..),
            _ if length > 0 => {
                let at = roll(dice, 0..length);
                // Lengths and marks of variants above all.
                bytes[at] = [byte, 0, 0x7f, 0x80, 0xff][roll(dice, 0..5)];
            }
            _ => bytes.push(byte),
        }
    }
}

#[test]
fn any_bytes_of_a_fact_are_a_value_that_can_be_written_again_or_an_error() {
    let (mut dice, mut values, mut errors) = (1, 0, 0);
    for body in facts() {
        let mut whole = Vec::new();
        body.encode(&mut whole);
        assert!(Body::decode(&whole).is_ok(), "{body:?}");
        for _ in 0..4_000 {
            let mut bytes = whole.clone();
            spoil(&mut bytes, &mut dice);
            match Body::decode(&bytes) {
                Ok(decoded) => {
                    values += 1;
                    let mut once = Vec::new();
                    decoded.encode(&mut once);
                    let again = Body::decode(&once);
                    assert!(again.is_ok(), "{decoded:?} is written and not read: {again:?}");
                    drop((decoded.weight(), decoded.parts(), decoded.kind()));
                }
                Err(why) => {
                    errors += 1;
                    assert!(!why.is_empty());
                }
            }
        }
    }
    for length in 0..64 {
        for _ in 0..50 {
            let byte = |dice: &mut u64| u8::try_from(draw(dice) % 256).unwrap();
            let bytes: Vec<u8> = (0..length).map(|_| byte(&mut dice)).collect();
            drop(Body::decode(&bytes));
        }
    }
    assert!(values > 500 && errors > 500, "{values} values, {errors} errors");
}

/// Values that a setting may be given.
const VALUES: [&str; 18] = [
    "0",
    "1",
    "4294967295",
    "1000000000000",
    "9223372036854775807",
    "-1",
    "1e400",
    "18446744073709551616",
    "79228162514264337593543950336",
    "NaN",
    "\"\"",
    "\"79228162514264337593543950335\"",
    "\"-0.0000000000000000000000000001\"",
    "[]",
    "{}",
    "[[\"BTCUSDT\"]]",
    "true",
    "\"\u{0}\u{1b}[2J\"",
];

/// Every value in it, as a pointer.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(all) => {
            all.iter().for_each(|(name, inner)| leaves(inner, &format!("{at}/{name}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            found.push(at.to_owned());
        }
    }
}

struct Nothing;

impl Library<Body> for Nothing {
    fn resolve(&self, _: &Body) -> Result<Option<Body>, String> {
        Ok(None)
    }
}

/// All stages under these settings, for some closes.
fn run(text: &str) {
    let mut plain = PlainLoop::new(stages(), Box::new(Nothing));
    let mut time = 1_700_000_040_000;
    let mut give = |time: i64, body: Body| plain.input(time, body, &mut |_| ()).unwrap();
    let installation = "inst".to_owned();
    give(time, Body::Operator(Operator::Started { life: 1, installation, epoch: 1 }));
    give(time, Body::Operator(Operator::configured(1, &Settings::default())));
    let applied = Operator::ConfigApplied {
        generation: 2,
        text: text.to_owned(),
        origins: Vec::new(),
        values: Vec::new(),
        source: String::new(),
        retained: vec![Retained {
            id: "sma_cross".into(),
            settings: text.to_owned(),
            kind: "sma_cross".into(),
        }],
    };
    give(time, Body::Operator(applied));
    let [close, late, account, ..] = &facts()[..] else { panic!("too few") };
    for price in [5, 4, 3, 9, 2] {
        time += MINUTE;
        let price = Price::exact(Decimal::from(price)).unwrap();
        let Body::Market(Market::LateBar { bar, .. }) = late else { panic!("{close:?}") };
        let (open, high, low, close) = (price, price, price, price);
        let bar = Bar { open_time: time - MINUTE, open, high, low, close, ..*bar };
        let (bars, missing) = (vec![bar], Vec::new());
        give(time, account.clone());
        give(time, Body::Market(Market::Close { time, bars, missing, odd: vec![] }));
    }
}

#[test]
fn any_text_of_settings_is_read_or_refused_and_no_stage_fails_at_it() {
    let (mut dice, mut read, mut refused) = (1, 0, 0);
    let whole = Settings::default().to_text();
    assert!(Settings::from_text(&whole).is_ok());
    let value: Value = serde_json::from_str(&whole).unwrap();
    let mut all = Vec::new();
    leaves(&value, "", &mut all);
    for at in 0..1_500 {
        let text = if at % 2 == 0 {
            let mut other = value.clone();
            let leaf = &all[roll(&mut dice, 0..all.len())];
            *other.pointer_mut(leaf).unwrap() = Value::String("@@".to_owned());
            other.to_string().replace("\"@@\"", VALUES[roll(&mut dice, 0..VALUES.len())])
        } else {
            let mut bytes = whole.clone().into_bytes();
            spoil(&mut bytes, &mut dice);
            String::from_utf8_lossy(&bytes).into_owned()
        };
        match Settings::from_text(&text) {
            Ok(settings) => {
                read += 1;
                assert_eq!(Settings::from_text(&settings.to_text()), Ok(settings), "{text}");
            }
            Err(why) => {
                refused += 1;
                assert!(!why.is_empty(), "{text}");
            }
        }
        let ended = std::panic::catch_unwind(|| run(&text));
        assert!(ended.is_ok(), "a stage fails at {text}");
    }
    assert!(read > 50 && refused > 300, "{read} read, {refused} refused");
}
