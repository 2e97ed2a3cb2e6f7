//! Bars of one series as a block: one compressed stream for each column, of differences.
//!
//! Prices are integers of one tick, and small: the open is the distance from the close before,
//! high and low are the distances from the body of the bar. A bar of a minute takes about 6 bytes
//! instead of the 56 of [`put_bar`](super::key_encoding::put_bar).
//!
//! 1. A block gives back exactly the bars that it was made of. Bars that do not fit are stored
//!    without a block.
//! 2. The last four bytes are the CRC-32 of all others, so a changed byte is an error. The checksum
//!    of zlib misses changes of short streams.

use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::time::UtcMs;
use everwarm_words::text::count;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::{Read as _, Write as _};

/// First byte of a block. Bars without a block begin with the first byte of a time: 0 or 255 for
/// millions of years.
const BLOCK: u8 = 1;
/// Most bars of a block that is read.
const BARS_MAX: usize = 100_000;
/// Time, open, high, low, close, volume.
const COLUMNS: usize = 6;
/// Most bytes of a number in a stream.
const NUMBER: usize = 10;

/// Whether these bytes are a block.
pub fn is(bytes: &[u8]) -> bool {
    bytes.first() == Some(&BLOCK)
}

/// Makes a block of bars. None: there is no bar, or the numbers do not fit.
pub fn make(bars: &[Bar]) -> Option<Vec<u8>> {
    let scale = bars.iter().map(Bar::scale).max()?;
    let volumes: Vec<Decimal> = bars.iter().map(|bar| bar.volume.normalize()).collect();
    let volume_scale = volumes.iter().map(Decimal::scale).max()?;
    let mut rows = Vec::with_capacity(bars.len());
    for (bar, volume) in bars.iter().zip(&volumes) {
        let mut prices = [0; 4];
        for (units, price) in prices.iter_mut().zip(bar.prices()) {
            *units = i64::try_from(price.at(scale)).ok()?;
        }
        let more = 10_i128.checked_pow(volume_scale - volume.scale())?;
        let volume = i64::try_from(volume.mantissa().checked_mul(more)?).ok()?;
        rows.push(Row { time: bar.open_time, prices, volume });
    }
    let (tick, power) = tick(&rows);
    for price in rows.iter_mut().flat_map(|row| &mut row.prices) {
        *price /= tick;
    }
    let mut block = vec![BLOCK, scale, power, u8::try_from(volume_scale).ok()?];
    put_number(u64::try_from(bars.len()).ok()?, &mut block);
    for column in differences(&rows)? {
        let mut numbers = Vec::with_capacity(2 * column.len());
        for number in column {
            // Small numbers of either sign become small ones without a sign.
            put_number(((number << 1) ^ (number >> 63)).cast_unsigned(), &mut numbers);
        }
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(&numbers).ok()?;
        let packed = deflate.finish().ok()?;
        put_number(u64::try_from(packed.len()).ok()?, &mut block);
        block.extend_from_slice(&packed);
    }
    let sum = sum_of(&block).to_le_bytes();
    block.extend_from_slice(&sum);
    Some(block)
}

/// The bars of a block.
///
/// # Errors
/// It is no block of [`make`].
pub fn bars_of(symbol: Symbol, block: &[u8]) -> Result<Vec<Bar>, String> {
    let (whole, sum) = block.split_last_chunk().ok_or("a block is cut short")?;
    if sum_of(whole) != u32::from_le_bytes(*sum) {
        return Err("a block differs from its checksum".to_owned());
    }
    let [BLOCK, scale, power, volume_scale, rest @ ..] = whole else {
        return Err("a block is cut short".to_owned());
    };
    let mut rest = rest;
    let count = usize::try_from(number(&mut rest)?).unwrap_or(usize::MAX);
    if count > BARS_MAX {
        return Err(format!("a block of {count} bars; at most {BARS_MAX} are read"));
    }
    let mut columns: [Vec<i64>; COLUMNS] = Default::default();
    for column in &mut columns {
        let length = usize::try_from(number(&mut rest)?).unwrap_or(usize::MAX);
        let packed = rest.split_at_checked(length).ok_or("a block is cut short")?;
        rest = packed.1;
        *column = stream(packed.0, count)?;
    }
    if !rest.is_empty() {
        return Err(format!("a block has {} too many", in_bytes(rest)));
    }
    let outside = || "a number of a block is out of range".to_owned();
    let tick = 10_i64.checked_pow((*power).into()).ok_or_else(outside)?;
    let mut bars = Vec::with_capacity(count);
    for row in sums(&columns).ok_or_else(outside)? {
        let price = |ticks: i64| Price::of(i128::from(ticks) * i128::from(tick), *scale);
        let [open, high, low, close] = row.prices.map(price);
        let prices = open.zip(high).zip(low).zip(close);
        let (((open, high), low), close) = prices.ok_or_else(outside)?;
        let volume = Decimal::try_from_i128_with_scale(row.volume.into(), u32::from(*volume_scale));
        let volume = volume.map_err(|_| outside())?.normalize();
        bars.push(Bar { symbol, open_time: row.time, open, high, low, close, volume });
    }
    Ok(bars)
}

/// Their number in words.
fn in_bytes(of: &[u8]) -> String {
    count(of.len() as u64, "byte")
}

fn sum_of(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The numbers of one bar.
struct Row {
    time: UtcMs,
    /// Open, high, low, close.
    prices: [i64; 4],
    volume: i64,
}

/// The largest power of ten that divides all prices, and its exponent.
fn tick(rows: &[Row]) -> (i64, u8) {
    let (mut tick, mut power) = (1_i64, 0);
    while let Some(next) = tick.checked_mul(10) {
        if rows.iter().flat_map(|row| row.prices).any(|price| price % next != 0) {
            break;
        }
        (tick, power) = (next, power + 1);
    }
    (tick, power)
}

/// The columns as differences. None: one does not fit.
fn differences(rows: &[Row]) -> Option<[Vec<i64>; COLUMNS]> {
    let mut columns: [Vec<i64>; COLUMNS] = Default::default();
    let (mut time, mut step, mut before) = (0_i64, 0_i64, 0_i64);
    for Row { time: next, prices: [open, high, low, close], volume } in rows {
        let advance = next.checked_sub(time)?;
        let numbers = [
            advance.checked_sub(step)?,
            open.checked_sub(before)?,
            high.checked_sub(*open.max(close))?,
            open.min(close).checked_sub(*low)?,
            close.checked_sub(*open)?,
            *volume,
        ];
        (time, step, before) = (*next, advance, *close);
        for (column, number) in columns.iter_mut().zip(numbers) {
            column.push(number);
        }
    }
    Some(columns)
}

/// The rows of these differences. All columns are of one length. None: a sum does not fit.
fn sums(columns: &[Vec<i64>; COLUMNS]) -> Option<Vec<Row>> {
    let [times, opens, highs, lows, closes, volumes] = columns;
    let (mut time, mut step, mut before) = (0_i64, 0_i64, 0_i64);
    let mut rows = Vec::with_capacity(times.len());
    let numbers = times.iter().zip(opens).zip(highs).zip(lows).zip(closes).zip(volumes);
    for (((((change, open), high), low), close), volume) in numbers {
        step = step.checked_add(*change)?;
        time = time.checked_add(step)?;
        let open = before.checked_add(*open)?;
        let close = open.checked_add(*close)?;
        let high = open.max(close).checked_add(*high)?;
        let low = open.min(close).checked_sub(*low)?;
        before = close;
        rows.push(Row { time, prices: [open, high, low, close], volume: *volume });
    }
    Some(rows)
}

/// The numbers of a compressed stream.
fn stream(packed: &[u8], count: usize) -> Result<Vec<i64>, String> {
    let most = count.saturating_mul(NUMBER);
    let mut bytes = Vec::with_capacity(2 * count);
    let mut unpacked = DeflateDecoder::new(packed).take(most as u64 + 1);
    unpacked.read_to_end(&mut bytes).map_err(|e| format!("a stream of a block: {e}"))?;
    let mut rest = &bytes[..];
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        let number = number(&mut rest)?;
        numbers.push((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
    }
    if !rest.is_empty() {
        return Err(format!("a stream of a block has {} too many", in_bytes(rest)));
    }
    Ok(numbers)
}

/// Seven bits in a byte, the lowest first.
fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn number(from: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0_u64;
    for at in 0..NUMBER {
        let (first, rest) = from.split_first().ok_or("a block is cut short")?;
        *from = rest;
        number |= u64::from(first & 0x7f) << (7 * at);
        if first & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number of a block is too long".to_owned())
}

#[cfg(test)]
mod tests;
