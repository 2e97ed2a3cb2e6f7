//! The encoding of facts that grow with the number of symbols: closes, rolled bars, features.
//!
//! Nearly all bytes of a journal are such facts, so they are packed by hand. A packed fact is a
//! mark that MessagePack never uses, the kind, then numbers of variable length. Prices of a bar are
//! stored as differences from its open, times as differences from the time of the fact. Decoding
//! returns every value bit for bit.
//!
//! A bar whose prices need more than 8 decimals has a bit in the length of its symbol. A byte with
//! its scale follows the symbol. Bars without that bit have 8 decimals, like all bars of earlier
//! versions.

use super::kinds::kind;
use super::{Analysis, Body, Market};
use crate::features::{FeatureHead, FeatureTable};
use crate::id::Symbol;
use crate::market::{Bar, RolledBar};
use crate::money::{Decimal, PRICE_SCALE, PRICE_SCALE_MAX, Price};
use crate::odd::{OddBar, Oddity};
use crate::time::Timeframe;

/// First byte of a packed fact; reserved in MessagePack.
const MARK: u8 = 0xC1;
/// Bit in the byte of a decimal's scale: the decimal is negative.
const NEGATIVE: u8 = 0x80;
/// Bit in the byte of a symbol's length: a scale of prices follows the symbol.
const SCALED: u8 = 0x80;
/// Number of value columns in facts of earlier versions.
const OLD_COLUMNS: usize = 4;
/// Most columns that are read. No plan has as many.
const COLUMNS_MAX: usize = 100_000;
const PADDED: &str = "a number is longer than it needs to be";

/// Appends the packed form. Returns false if the fact has none.
pub(super) fn encode(body: &Body, out: &mut Vec<u8>) -> bool {
    match body {
        Body::Market(Market::Close { time, bars, missing, odd }) => {
            out.extend([MARK, kind::CLOSE]);
            signed(*time, out);
            count(bars.len(), out);
            for each in bars {
                bar(each, *time, out);
            }
            count(missing.len(), out);
            for name in missing {
                symbol(*name, out);
            }
            // Nearly no close has odd bars. Closes of earlier versions do not have this part.
            if !odd.is_empty() {
                count(odd.len(), out);
                for each in odd {
                    symbol(each.symbol, out);
                    out.push(place(&Oddity::ALL, &each.why));
                }
            }
        }
        Body::Analysis(Analysis::Rolled { timeframe, bars }) => {
            out.extend([MARK, kind::ROLLED, index(*timeframe)]);
            count(bars.len(), out);
            let near = bars.first().map_or(0, |rolled| rolled.bar.open_time);
            signed(near, out);
            for rolled in bars {
                bar(&rolled.bar, near, out);
                unsigned(rolled.count.into(), out);
                out.push(rolled.complete.into());
            }
        }
        Body::Analysis(Analysis::FeatureValues { plan, timeframe, table }) => {
            let kind = if *plan == 0 { kind::FEATURES } else { kind::FEATURE_VALUES };
            out.extend([MARK, kind, index(*timeframe)]);
            if *plan > 0 {
                unsigned((*plan).into(), out);
                count(table.columns(), out);
            }
            count(table.len(), out);
            let near = table.rows().next().map_or(0, |row| row.head.time);
            signed(near, out);
            for row in table.rows() {
                let close = row.head.close;
                named(row.head.symbol, close.scale(), out);
                signed(row.head.time.wrapping_sub(near), out);
                signed(close.units(), out);
                if *plan == 0 {
                    row.values.iter().for_each(|value| float(*value, out));
                }
            }
            if *plan > 0 {
                columns(table, out);
            }
        }
        Body::Market(_)
        | Body::Venue(_)
        | Body::Operator(_)
        | Body::Analysis(_)
        | Body::Decision(_)
        | Body::Order(_)
        | Body::Ledger(_) => return false,
    }
    true
}

/// Reads a packed fact. Returns none if the bytes do not begin with the mark.
pub(super) fn decode(bytes: &[u8]) -> Option<Result<Body, String>> {
    let [MARK, kind, rest @ ..] = bytes else { return None };
    let mut from = Reader(rest);
    Some(from.body(*kind).and_then(|body| match from.0 {
        [] => Ok(body),
        left => Err(format!("{} bytes too many", left.len())),
    }))
}

/// Writes a table column by column: a bit for each row, set if its value is defined, then the
/// defined values.
fn columns(table: &FeatureTable, out: &mut Vec<u8>) {
    for column in 0..table.columns() {
        let bits = out.len();
        out.resize(bits + table.len().div_ceil(8), 0);
        for (at, row) in table.rows().enumerate() {
            let value = row.values[column];
            if value.is_finite() {
                out[bits + at / 8] |= 1 << (at % 8);
                float(value, out);
            }
        }
    }
}

fn float(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn bar(bar: &Bar, near: i64, out: &mut Vec<u8>) {
    let Bar { open_time, open, high, low, close, volume, .. } = bar;
    let scale = bar.scale();
    named(bar.symbol, scale, out);
    signed(open_time.wrapping_sub(near), out);
    if scale == PRICE_SCALE {
        signed(open.units(), out);
        for price in [high, low, close] {
            signed(price.units().wrapping_sub(open.units()), out);
        }
    } else {
        let first = open.at(scale);
        wide(first, out);
        for price in [high, low, close] {
            wide(price.at(scale) - first, out);
        }
    }
    let scale = u8::try_from(volume.scale()).expect("a decimal has at most 28 decimals");
    out.push(scale | if volume.is_sign_negative() { NEGATIVE } else { 0 });
    unsigned(volume.mantissa().unsigned_abs(), out);
}

fn symbol(symbol: Symbol, out: &mut Vec<u8>) {
    let name = symbol.as_str().as_bytes();
    out.push(u8::try_from(name.len()).expect("a symbol is short"));
    out.extend_from_slice(name);
}

/// Writes a symbol, and the scale of its prices if that is not 8.
fn named(of: Symbol, scale: u8, out: &mut Vec<u8>) {
    let length = out.len();
    symbol(of, out);
    if scale != PRICE_SCALE {
        out[length] |= SCALED;
        out.push(scale);
    }
}

fn index(timeframe: Timeframe) -> u8 {
    place(&Timeframe::ALL, &timeframe)
}

fn place<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let at = all.iter().position(|other| other == one);
    at.and_then(|at| u8::try_from(at).ok()).expect("all are listed, and few")
}

fn count(count: usize, out: &mut Vec<u8>) {
    unsigned(count as u128, out);
}

/// Writes a number, seven bits a byte, the lowest first. The last byte is below 128.
fn unsigned(mut value: u128, out: &mut Vec<u8>) {
    // Most numbers fit 64 bits, and 64-bit arithmetic is faster.
    while value > u128::from(u64::MAX) {
        out.push(low_bits(value) | 0x80);
        value >>= 7;
    }
    let mut value = u64::try_from(value).expect("it was just reduced to that");
    while value > 0x7f {
        out.push(low_bits(value.into()) | 0x80);
        value >>= 7;
    }
    out.push(low_bits(value.into()));
}

fn low_bits(value: u128) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

/// Writes a signed number so that small numbers of either sign are short.
fn signed(value: i64, out: &mut Vec<u8>) {
    unsigned(((value << 1) ^ (value >> 63)).cast_unsigned().into(), out);
}

/// The same with 128 bits. Differences between prices with 18 decimals have fewer than 126.
fn wide(value: i128, out: &mut Vec<u8>) {
    unsigned(((value << 1) ^ (value >> 127)).cast_unsigned(), out);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn body(&mut self, kind: u8) -> Result<Body, String> {
        match kind {
            kind::CLOSE => {
                let time = self.signed()?;
                let bars = self.list(|from| from.bar(time))?;
                let missing = self.list(Self::symbol)?;
                let ends = self.0.is_empty();
                let odd = if ends { Vec::new() } else { self.list(Self::odd)? };
                // Each value has only one encoding.
                if !ends && odd.is_empty() {
                    return Err("1 bytes too many".to_owned());
                }
                Ok(Body::Market(Market::Close { time, bars, missing, odd }))
            }
            kind::ROLLED => {
                let timeframe = self.timeframe()?;
                let (bars, near) = self.head()?;
                let bars = self.times(bars, |from| {
                    let bar = from.bar(near)?;
                    let count = u32::try_from(from.unsigned()?).map_err(|_| "too large a count")?;
                    let complete = match from.byte()? {
                        0 => false,
                        1 => true,
                        other => return Err(format!("{other} is neither yes nor no")),
                    };
                    Ok(RolledBar { bar, count, complete })
                })?;
                Ok(Body::Analysis(Analysis::Rolled { timeframe, bars }))
            }
            kind::FEATURES => {
                let timeframe = self.timeframe()?;
                let (rows, near) = self.head()?;
                let mut table = FeatureTable::new(OLD_COLUMNS);
                self.times(rows, |from| {
                    let head = from.feature_head(near)?;
                    let mut values = [f64::NAN; OLD_COLUMNS];
                    for value in &mut values {
                        *value = from.float()?;
                    }
                    table.push(head, values);
                    Ok(())
                })?;
                Ok(Body::Analysis(Analysis::FeatureValues { plan: 0, timeframe, table }))
            }
            kind::FEATURE_VALUES => {
                let timeframe = self.timeframe()?;
                let plan = u64::try_from(self.unsigned()?).map_err(|_| "too large a plan")?;
                if plan == 0 {
                    return Err("values of no plan".to_owned());
                }
                let columns = self.unsigned()?;
                let (rows, near) = self.head()?;
                let heads = self.times(rows, |from| from.feature_head(near))?;
                let table = self.feature_table(columns, heads)?;
                Ok(Body::Analysis(Analysis::FeatureValues { plan, timeframe, table }))
            }
            other => Err(format!("facts of kind {other} are not packed")),
        }
    }

    /// Reads a count, and the time that others are relative to. Each value has only one encoding.
    fn head(&mut self) -> Result<(u128, i64), String> {
        match (self.unsigned()?, self.signed()?) {
            (0, near) if near != 0 => Err("a time without rows".to_owned()),
            head => Ok(head),
        }
    }

    fn bar(&mut self, near: i64) -> Result<Bar, String> {
        let (symbol, price_scale) = self.named()?;
        let open_time = self.signed()?.wrapping_add(near);
        let [open, high, low, close] = self.prices(price_scale)?;
        let scale = self.byte()?;
        let units = i128::try_from(self.unsigned()?).map_err(|_| "too large a volume")?;
        let volume = Decimal::try_from_i128_with_scale(units, (scale & !NEGATIVE).into());
        let mut volume = volume.map_err(|e| format!("volume: {e}"))?;
        volume.set_sign_negative(scale & NEGATIVE != 0);
        Ok(Bar { symbol, open_time, open, high, low, close, volume })
    }

    fn prices(&mut self, scale: u8) -> Result<[Price; 4], String> {
        let mut prices = [Price::default(); 4];
        if scale == PRICE_SCALE {
            let first = self.signed()?;
            prices[0] = Price::e8(first);
            for price in &mut prices[1..] {
                *price = Price::e8(self.signed()?.wrapping_add(first));
            }
            return Ok(prices);
        }
        let mut first = 0;
        for (at, price) in prices.iter_mut().enumerate() {
            let units = self.wide()?.checked_add(first);
            let read = units.and_then(|units| Price::of(units, scale));
            *price = read.ok_or("a price is out of range")?;
            if at == 0 {
                first = price.at(scale);
            }
        }
        check_scale(prices.into_iter().map(Price::scale).max(), scale)?;
        Ok(prices)
    }

    fn wide(&mut self) -> Result<i128, String> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn odd(&mut self) -> Result<OddBar, String> {
        let symbol = self.symbol()?;
        let number = self.byte()?;
        let why = Oddity::ALL.get(usize::from(number)).copied();
        let why = why.ok_or_else(|| format!("no bar is odd for reason {number}"))?;
        Ok(OddBar { symbol, why })
    }

    fn feature_head(&mut self, near: i64) -> Result<FeatureHead, String> {
        let (symbol, scale) = self.named()?;
        let time = self.signed()?.wrapping_add(near);
        let close = Price::of(self.signed()?.into(), scale).ok_or("a price is out of range")?;
        check_scale(Some(close.scale()), scale)?;
        Ok(FeatureHead { symbol, time, close })
    }

    fn feature_table(
        &mut self,
        columns: u128,
        heads: Vec<FeatureHead>,
    ) -> Result<FeatureTable, String> {
        let rows = heads.len();
        let bytes = rows.div_ceil(8);
        let fits = |columns: &usize| columns.saturating_mul(bytes) <= self.0.len();
        let columns = usize::try_from(columns).ok().filter(fits);
        let columns = columns.filter(|columns| *columns <= COLUMNS_MAX);
        let columns = columns.ok_or("more columns are announced than there are bytes")?;
        let mut values = vec![f64::NAN; columns * rows];
        for column in 0..columns {
            let bits = self.take(bytes)?.to_vec();
            let beyond = (rows..bytes * 8).any(|at| bits[at / 8] >> (at % 8) & 1 == 1);
            if beyond {
                return Err("a value beyond the last row".to_owned());
            }
            for at in (0..rows).filter(|at| bits[at / 8] >> (at % 8) & 1 == 1) {
                let value = Some(self.float()?).filter(|value| value.is_finite());
                values[at * columns + column] = value.ok_or("a value that is no number")?;
            }
        }
        Ok(FeatureTable::of(columns, heads, values))
    }

    fn list<T>(
        &mut self,
        one: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let count = self.unsigned()?;
        self.times(count, one)
    }

    fn times<T>(
        &mut self,
        count: u128,
        mut one: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        // Each element takes at least one byte. So a wrong count cannot reserve memory for more
        // elements than there are bytes.
        let count = usize::try_from(count).ok().filter(|count| *count <= self.0.len());
        let count = count.ok_or("more are announced than there are bytes")?;
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// Reads a symbol and the scale of its prices.
    fn named(&mut self) -> Result<(Symbol, u8), String> {
        let length = self.byte()?;
        let symbol = self.symbol_of(length & !SCALED)?;
        if length & SCALED == 0 {
            return Ok((symbol, PRICE_SCALE));
        }
        match self.byte()? {
            scale if (PRICE_SCALE + 1..=PRICE_SCALE_MAX).contains(&scale) => Ok((symbol, scale)),
            scale => Err(format!("no bar has the scale {scale}")),
        }
    }

    fn symbol(&mut self) -> Result<Symbol, String> {
        let length = self.byte()?;
        self.symbol_of(length)
    }

    fn symbol_of(&mut self, length: u8) -> Result<Symbol, String> {
        let name = self.take(length.into())?;
        Symbol::new(std::str::from_utf8(name).map_err(|e| e.to_string())?)
    }

    fn timeframe(&mut self) -> Result<Timeframe, String> {
        let index = self.byte()?;
        let found = Timeframe::ALL.get(usize::from(index)).copied();
        found.ok_or_else(|| format!("there is no width {index}"))
    }

    fn float(&mut self) -> Result<f64, String> {
        let bytes = self.take(8)?.try_into().expect("the length was asked for");
        Ok(f64::from_bits(u64::from_le_bytes(bytes)))
    }

    fn signed(&mut self) -> Result<i64, String> {
        let value = u64::try_from(self.unsigned()?).map_err(|_| "too large a number")?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn unsigned(&mut self) -> Result<u128, String> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if byte == 0 && shift > 0 { Err(PADDED.into()) } else { Ok(value.into()) };
            }
        }
        let mut value = u128::from(value);
        for shift in (63..126).step_by(7) {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if byte == 0 { Err(PADDED.into()) } else { Ok(value) };
            }
        }
        Err("a number has no end".to_owned())
    }

    fn byte(&mut self) -> Result<u8, String> {
        let (first, rest) = self.0.split_first().ok_or("cut short")?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let (head, rest) = self.0.split_at_checked(count).ok_or("cut short")?;
        self.0 = rest;
        Ok(head)
    }
}

/// Checks that the scale is the one needed: each value has only one encoding.
fn check_scale(needed: Option<u8>, scale: u8) -> Result<(), String> {
    if needed == Some(scale) { Ok(()) } else { Err(format!("the scale {scale} is not needed")) }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
