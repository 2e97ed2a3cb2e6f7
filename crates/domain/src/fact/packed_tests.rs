use super::*;
use everwarm_kernel::chance::draw;
use everwarm_kernel::fact::Body as _;

fn bars() -> Vec<Bar> {
    let bar = |name: &str, open_time, prices: [i64; 4], volume: Decimal| {
        let [open, high, low, close] = prices.map(Price::e8);
        let symbol = Symbol::new(name).unwrap();
        Bar { symbol, open_time, open, high, low, close, volume }
    };
    let mut minus_nothing = Decimal::ZERO;
    minus_nothing.set_sign_negative(true);
    let scaled = |text: &str| Price::exact(text.parse().unwrap()).unwrap();
    let tiny = ["0.000000000031", "92233720368.54775807", "-0.000000000000000001", "5"];
    let [open, high, low, close] = tiny.map(scaled);
    let symbol = Symbol::new("SIXTEEN-LETTERS_").unwrap();
    let volume = Decimal::new(3, 0);
    vec![
        Bar { symbol, open_time: 7, open, high, low, close, volume },
        Bar { symbol, open_time: 7, open, high: open, low: open, close: open, volume },
        bar("A", 1_700_000_040_000, [5, 9, 1, 7], Decimal::new(120, 2)),
        bar("BTCUSDT", i64::MIN, [i64::MIN, i64::MAX, 0, -1], Decimal::MAX),
        bar("SIXTEEN-LETTERS_", i64::MAX, [0; 4], Decimal::new(-1, 28)),
        bar("Z", -60_000, [i64::MAX, i64::MIN, -7, 1], minus_nothing),
    ]
}

fn bodies() -> Vec<Body> {
    let missing = vec![Symbol::new("M").unwrap(), Symbol::new("N-1").unwrap()];
    let rolled = |bar| RolledBar { bar, count: u32::MAX, complete: true };
    let rolled: Vec<_> = bars().into_iter().map(rolled).collect();
    let head = |bar: Bar| FeatureHead { symbol: bar.symbol, time: bar.open_time, close: bar.close };
    let heads: Vec<_> = bars().into_iter().map(head).collect();
    let odds = [f64::from_bits(0x7ff8_0000_0000_0001), -0.0, f64::MIN_POSITIVE, f64::INFINITY];
    let old = FeatureTable::of(4, heads.clone(), odds.repeat(heads.len()));
    let some = [f64::NAN, -0.0, f64::MIN_POSITIVE];
    let new = FeatureTable::of(3, heads.clone(), some.repeat(heads.len()));
    let odd = vec![
        OddBar { symbol: Symbol::new("A").unwrap(), why: Oddity::Order },
        OddBar { symbol: Symbol::new("Z").unwrap(), why: Oddity::Volume },
    ];
    let close = |time, bars, missing, odd| Market::Close { time, bars, missing, odd };
    let features = |plan, table| Analysis::FeatureValues { plan, timeframe: Timeframe::M1, table };
    vec![
        Body::Market(close(1_700_000_100_000, bars(), missing.clone(), Vec::new())),
        Body::Market(close(1_700_000_100_000, bars(), missing, odd)),
        Body::Market(close(-1, Vec::new(), Vec::new(), Vec::new())),
        Body::Analysis(Analysis::Rolled { timeframe: Timeframe::D1, bars: rolled }),
        Body::Analysis(Analysis::Rolled { timeframe: Timeframe::M5, bars: Vec::new() }),
        Body::Analysis(features(0, old)),
        Body::Analysis(features(0, FeatureTable::new(4))),
        Body::Analysis(features(7, new)),
        Body::Analysis(features(300, FeatureTable::new(0))),
    ]
}

fn encoded(body: &Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    body.encode(&mut bytes);
    bytes
}

#[test]
fn every_value_comes_back_bit_for_bit() {
    for body in bodies() {
        let bytes = encoded(&body);
        assert_eq!(bytes[0], MARK);
        let back = Body::decode(&bytes).unwrap();
        assert_eq!(encoded(&back), bytes, "{body:?}");
        assert_eq!(format!("{back:?}"), format!("{body:?}"));
        assert_eq!(serde_json::to_string(&back).unwrap(), serde_json::to_string(&body).unwrap());
    }
}

/// Bytes of the odd bars of a close; none if it has no odd bars.
fn odd_part(body: &Body) -> Option<usize> {
    let Body::Market(Market::Close { odd, .. }) = body else { return None };
    let each = odd.iter().map(|odd| odd.symbol.as_str().len() + 2);
    (!odd.is_empty()).then(|| each.sum::<usize>() + 1)
}

#[test]
fn any_bytes_give_a_value_or_an_error() {
    for body in bodies() {
        let bytes = encoded(&body);
        for end in 0..bytes.len() {
            // Without its odd bars a close reads as one of an earlier version.
            let earlier = odd_part(&body).is_some_and(|length| end == bytes.len() - length);
            let read = Body::decode(&bytes[..end]);
            assert_eq!(read.is_ok(), earlier, "{end} bytes of {body:?}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(Body::decode(&longer).unwrap_err().contains("too many"));
        for at in 0..bytes.len() {
            for change in [1, 0x80, 0xff] {
                let mut altered = bytes.clone();
                altered[at] ^= change;
                // Another value or an error, never the same one.
                if let Ok(other) = Body::decode(&altered) {
                    assert_ne!(encoded(&other), bytes, "byte {at}");
                }
            }
        }
    }
}

/// A random price with at most `scale` decimals.
fn price(seed: &mut u64, scale: u8) -> Price {
    let units = draw(seed) >> (draw(seed) % 60);
    Price::of(i128::from(units >> 1), scale).unwrap()
}

#[test]
fn bars_of_every_scale_are_packed_and_read_as_they_were() {
    let mut seed = 7;
    for scale in PRICE_SCALE..=PRICE_SCALE_MAX {
        for _ in 0..200 {
            let mut one = || price(&mut seed, scale);
            let (open, high, low, close) = (one(), one(), one(), one());
            let symbol = Symbol::new("TOKENUSDT").unwrap();
            let volume = Decimal::new(i64::from(scale), 3);
            let bar = Bar { symbol, open_time: 60_000, open, high, low, close, volume };
            let rolled = RolledBar { bar, count: 5, complete: true };
            let head = FeatureHead { symbol, time: 120_000, close };
            let table = FeatureTable::of(1, vec![head], vec![0.5]);
            for body in [
                Body::Market(Market::close(120_000, vec![bar], Vec::new())),
                Body::Analysis(Analysis::Rolled { timeframe: Timeframe::M5, bars: vec![rolled] }),
                Body::Analysis(Analysis::FeatureValues {
                    plan: 1,
                    timeframe: Timeframe::M1,
                    table,
                }),
            ] {
                let bytes = encoded(&body);
                let back = Body::decode(&bytes).unwrap();
                assert_eq!(format!("{back:?}"), format!("{body:?}"));
                assert_eq!(encoded(&back), bytes);
            }
        }
    }
}

#[test]
fn a_bar_takes_few_bytes() {
    let price = |cents: i64| Price::e8(cents * 1_000_000);
    let bar = Bar {
        symbol: Symbol::new("BTCUSDT").unwrap(),
        open_time: 1_700_000_040_000,
        open: price(6_012_345),
        high: price(6_013_000),
        low: price(6_011_000),
        close: price(6_012_999),
        volume: Decimal::new(123_456, 5),
    };
    let close_of = |bars| {
        let (time, missing, odd) = (1_700_000_100_000, Vec::new(), Vec::new());
        encoded(&Body::Market(Market::Close { time, bars, missing, odd })).len()
    };
    let each = close_of(vec![bar; 101]) - close_of(vec![bar]);
    assert!(each <= 100 * 40, "{each}");
    let scaled = |text: &str| Price::exact(text.parse().unwrap()).unwrap();
    let (open, high) = (scaled("0.000000000031"), scaled("0.0000000000314"));
    let (low, close) = (scaled("0.0000000000309"), scaled("0.0000000000312"));
    let token = Bar { open, high, low, close, ..bar };
    let more = close_of(vec![token; 101]) - close_of(vec![token]);
    assert!(more <= 100 * 30, "{more}");
}
