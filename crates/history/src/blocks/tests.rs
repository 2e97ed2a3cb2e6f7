use super::*;
use crate::key_encoding::{self, BAR};
use everwarm_domain::time::MINUTE;

fn symbol() -> Symbol {
    Symbol::named("BTCUSDT").unwrap()
}

/// A repeatable number below `end`.
fn draw(seed: &mut u64, end: u64) -> i64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*seed >> 33) % end).cast_signed()
}

/// Bars of a walk, with prices of `scale` decimals of which the last are zero. Some are missing.
fn walk(seed: u64, count: i64, scale: u8, zeros: u32) -> Vec<Bar> {
    let (mut seed, mut close) = (seed, 6_400_000_i64);
    let price = |ticks: i64| Price::of(i128::from(ticks) * 10_i128.pow(zeros), scale).unwrap();
    let mut bars = Vec::new();
    for at in 0..count {
        let open = close + draw(&mut seed, 3) - 1;
        close = open + draw(&mut seed, 2_001) - 1_000;
        let high = open.max(close) + draw(&mut seed, 300);
        let low = open.min(close) - draw(&mut seed, 300);
        let volume = Decimal::new(draw(&mut seed, 90_000), 3);
        let missing = draw(&mut seed, 50) == 0 && at > 0;
        let (open, high, low) = (price(open), price(high), price(low));
        let open_time = 1_700_000_040_000 + at * MINUTE;
        let bar = Bar { symbol: symbol(), open_time, open, high, low, close: price(close), volume };
        bars.extend(Some(bar).filter(|_| !missing));
    }
    bars
}

/// What bars without a block give back.
fn plain(bars: &[Bar]) -> Vec<Bar> {
    let mut bytes = Vec::new();
    for bar in bars {
        key_encoding::put_bar(bar, &mut bytes);
    }
    key_encoding::bars_of(symbol(), &bytes).unwrap()
}

#[test]
fn a_block_gives_back_the_bars_that_it_was_made_of() {
    for (seed, count, scale, zeros) in
        [(1, 1_000, 8, 6), (2, 1, 8, 6), (3, 2, 18, 0), (4, 700, 12, 3), (5, 999, 8, 0)]
    {
        let bars = walk(seed, count, scale, zeros);
        let block = make(&bars).unwrap();
        assert!(is(&block));
        assert_eq!(bars_of(symbol(), &block).unwrap(), bars, "{seed}");
        assert_eq!(plain(&bars), bars);
        assert!(count < 1_000 || block.len() < BAR / 4 * bars.len(), "{}", block.len());
    }
    // Prices of different decimals, flat bars, no volume, and times before 1970.
    let mut mixed = walk(6, 40, 8, 6);
    mixed.extend(walk(7, 40, 11, 0).into_iter().map(|bar| Bar { volume: Decimal::ZERO, ..bar }));
    for (at, bar) in (-40..).zip(&mut mixed) {
        bar.open_time = at * MINUTE;
    }
    let first = mixed[0];
    mixed.push(Bar { open_time: 50 * MINUTE, open: first.close, ..first });
    assert_eq!(bars_of(symbol(), &make(&mixed).unwrap()).unwrap(), mixed);
    assert_eq!(make(&[]), None);
}

#[test]
fn bars_that_do_not_fit_get_no_block() {
    let bars = walk(1, 10, 8, 6);
    let with = |change: &dyn Fn(&mut Bar)| {
        let mut bars = bars.clone();
        change(&mut bars[5]);
        assert_eq!(plain(&bars), bars);
        make(&bars)
    };
    assert_eq!(with(&|bar| bar.volume = Decimal::MAX), None);
    assert_eq!(with(&|bar| bar.open_time = UtcMs::MIN), None);
    // Its prices need more decimals than the others have room for.
    let tiny = Price::of(31, 18).unwrap();
    let tokens =
        |bar: &mut Bar| (bar.open, bar.high, bar.low, bar.close) = (tiny, tiny, tiny, tiny);
    assert_eq!(with(&tokens), None);
}

#[test]
fn a_changed_or_cut_block_is_an_error_and_never_other_bars() {
    let bars = walk(9, 60, 8, 6);
    let block = make(&bars).unwrap();
    for length in 0..block.len() {
        assert!(bars_of(symbol(), &block[..length]).is_err(), "{length}");
    }
    assert!(bars_of(symbol(), &[&block[..], &[0]].concat()).is_err());
    for at in 0..block.len() {
        for bit in 0..8 {
            let mut changed = block.clone();
            changed[at] ^= 1 << bit;
            assert!(bars_of(symbol(), &changed).is_err(), "{at} {bit}");
        }
    }
}

#[test]
fn a_block_that_lies_about_itself_is_an_error_and_reading_it_is_bounded() {
    let summed = |mut bytes: Vec<u8>| {
        let sum = sum_of(&bytes).to_le_bytes();
        bytes.extend_from_slice(&sum);
        bars_of(symbol(), &bytes)
    };
    let block = make(&walk(9, 60, 8, 6)).unwrap();
    let whole = &block[..block.len() - 4];
    for at in 0..whole.len() {
        for value in [0, 1, 19, 0x7f, 0x80, 0xff] {
            let mut changed = whole.to_vec();
            changed[at] = value;
            // Whatever it gives, it neither panics nor takes long.
            drop(summed(changed));
        }
        assert!(summed(whole[..at].to_vec()).is_err(), "{at}");
    }
    let more = [whole, &[0]].concat();
    assert_eq!(summed(more).unwrap_err(), "a block has 1 byte too many");
    let mut endless = vec![BLOCK, 8, 6, 3];
    put_number(u64::MAX, &mut endless);
    assert!(summed(endless).unwrap_err().contains("at most"), "it is bounded");
    // A stream that grows a thousandfold is cut off.
    let mut zeros = DeflateEncoder::new(Vec::new(), Compression::best());
    zeros.write_all(&vec![0; 1_000_000]).unwrap();
    let zeros = zeros.finish().unwrap();
    let mut bomb = vec![BLOCK, 8, 6, 3, 1];
    put_number(zeros.len() as u64, &mut bomb);
    bomb.extend_from_slice(&zeros);
    assert!(summed(bomb).unwrap_err().contains("too many"));
}
