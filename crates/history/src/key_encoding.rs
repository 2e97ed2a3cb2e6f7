//! The encoding of keys and values in the history's tables. Keys sort like the values they encode.

use super::blocks;
use super::whole::Minutes;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::{Bar, RolledBar};
use everwarm_domain::money::{Decimal, PRICE_SCALE, PRICE_SCALE_MAX, Price};
use everwarm_domain::time::{Timeframe, UtcMs};

/// Bytes of a bar without its symbol.
pub const BAR: usize = 8 + 4 * 8 + VOLUME;
/// Bytes of a volume, the last of a bar.
const VOLUME: usize = 16;
/// Index of the byte of a volume that holds the scale of the prices. Decimals leave that byte free.
/// 0 means 8, as in every bar of earlier versions.
const SCALE: usize = 0;
/// Indices of the bytes of a volume that hold the minutes of a wide bar: twice their number, and
/// one more if it is complete. 0 means unknown, as in every bar of earlier versions. Decimals leave
/// them free, but for the sign in the highest bit of the second.
const MINUTES: [usize; 2] = [1, 3];
/// Most minutes that fit.
const MINUTES_MAX: u32 = 0x3fff;
/// The bit of the sign.
const SIGN: u8 = 0x80;
/// Bytes of a symbol, padded with zeros.
pub const SYMBOL: usize = 16;

/// Encodes an instant, so that earlier ones sort first.
pub fn time_key(time: UtcMs) -> [u8; 8] {
    (time.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// Decodes the bytes of [`time_key`].
pub fn time_of(bytes: [u8; 8]) -> UtcMs {
    (u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()
}

/// Encodes a width: its index among all widths, ascending.
pub fn timeframe_key(timeframe: Timeframe) -> u8 {
    match timeframe {
        Timeframe::M1 => 0,
        Timeframe::M5 => 1,
        Timeframe::M15 => 2,
        Timeframe::H1 => 3,
        Timeframe::H4 => 4,
        Timeframe::D1 => 5,
    }
}

/// Encodes a symbol, padded with zeros, so that it sorts by name.
pub fn symbol_key(symbol: Symbol) -> [u8; SYMBOL] {
    let mut bytes = [0; SYMBOL];
    let name = symbol.as_str().as_bytes();
    bytes[..name.len()].copy_from_slice(name);
    bytes
}

fn symbol_of(bytes: [u8; SYMBOL]) -> Result<Symbol, String> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(SYMBOL);
    let name = std::str::from_utf8(&bytes[..end]).map_err(|e| format!("symbol: {e}"))?;
    Symbol::new(name)
}

/// The symbol of a key that begins with a width and a symbol.
pub fn symbol_in(key: &[u8]) -> Result<Symbol, String> {
    let bytes = key.get(1..=SYMBOL).and_then(|bytes| bytes.try_into().ok());
    symbol_of(bytes.ok_or_else(|| "a key is cut short".to_owned())?)
}

/// Encodes a bar without its symbol. Equal values give the same bytes.
pub fn put_bar(bar: &Bar, out: &mut Vec<u8>) {
    out.extend_from_slice(&bar.open_time.to_be_bytes());
    let scale = bar.scale();
    for price in bar.prices() {
        // A bar whose prices do not fit its scale is refused before it is stored.
        let units = i64::try_from(price.at(scale)).unwrap_or(i64::MAX);
        out.extend_from_slice(&units.to_be_bytes());
    }
    let mut volume = bar.volume.normalize().serialize();
    if scale != PRICE_SCALE {
        volume[SCALE] = scale;
    }
    out.extend_from_slice(&volume);
}

/// Encodes a bar with its symbol in front.
pub fn put_named_bar(bar: &Bar, out: &mut Vec<u8>) {
    out.extend_from_slice(&symbol_key(bar.symbol));
    put_bar(bar, out);
}

/// Encodes a wide bar with its symbol in front and its minutes.
pub fn put_named_rolled(rolled: &RolledBar, out: &mut Vec<u8>) {
    put_named_bar(&rolled.bar, out);
    let RolledBar { count, complete, .. } = rolled;
    let minutes = 2 * (*count).min(MINUTES_MAX) + u32::from(*complete);
    let [low, high, ..] = minutes.to_le_bytes();
    let volume = out.len() - VOLUME;
    for (byte, bits) in MINUTES.into_iter().zip([low, high]) {
        out[volume + byte] |= bits;
    }
}

/// The minutes of the bars of one symbol among bars of [`put_named_rolled`], by opening time; none:
/// unknown.
pub fn minutes_named(
    symbol: Symbol,
    bytes: &[u8],
) -> Result<Vec<(UtcMs, Option<Minutes>)>, String> {
    check_length(bytes, SYMBOL + BAR)?;
    let name = symbol_key(symbol);
    let ours = bytes.chunks_exact(SYMBOL + BAR).filter_map(|b| b.strip_prefix(&name));
    let minutes = |bytes: &[u8]| {
        let open_time = i64::from_be_bytes(Reader(bytes).take()?);
        let volume = &bytes[BAR - VOLUME..];
        let [low, high] = MINUTES.map(|byte| volume[byte]);
        let bits = u16::from_le_bytes([low, high & !SIGN]);
        let minutes = Minutes { count: u32::from(bits / 2), complete: bits % 2 == 1 };
        Ok((open_time, (bits > 0).then_some(minutes)))
    };
    ours.map(minutes).collect()
}

/// Decodes the bytes of [`put_bar`], [`BAR`] bytes.
pub fn bar_of(symbol: Symbol, bytes: &[u8]) -> Result<Bar, String> {
    let mut reader = Reader(bytes);
    let open_time = i64::from_be_bytes(reader.take()?);
    let mut units = || reader.take().map(|b| i128::from(i64::from_be_bytes(b)));
    let (open, high, low, close) = (units()?, units()?, units()?, units()?);
    let mut volume: [u8; 16] = reader.take()?;
    let scale = match std::mem::take(&mut volume[SCALE]) {
        0 => PRICE_SCALE,
        scale => scale,
    };
    volume[MINUTES[0]] = 0;
    volume[MINUTES[1]] &= SIGN;
    let price = |units| {
        let price = Price::of(units, scale).filter(|_| scale <= PRICE_SCALE_MAX);
        price.ok_or_else(|| format!("{symbol} bar {open_time}: no price has the scale {scale}"))
    };
    let (open, high, low, close) = (price(open)?, price(high)?, price(low)?, price(close)?);
    let volume = Decimal::deserialize(volume);
    Ok(Bar { symbol, open_time, open, high, low, close, volume })
}

/// Encodes bars of one symbol as a block, or one after another if they do not fit into one.
pub fn bars_bytes(bars: &[Bar]) -> Vec<u8> {
    blocks::make(bars).unwrap_or_else(|| {
        let mut bytes = Vec::with_capacity(bars.len() * BAR);
        for bar in bars {
            put_bar(bar, &mut bytes);
        }
        bytes
    })
}

/// Decodes any number of bars of [`put_bar`] or [`bars_bytes`].
pub fn bars_of(symbol: Symbol, bytes: &[u8]) -> Result<Vec<Bar>, String> {
    if blocks::is(bytes) {
        return blocks::bars_of(symbol, bytes);
    }
    check_length(bytes, BAR)?;
    bytes.chunks_exact(BAR).map(|b| bar_of(symbol, b)).collect()
}

/// Decodes any number of bars of [`put_named_bar`].
pub fn named_bars_of(bytes: &[u8]) -> Result<Vec<Bar>, String> {
    check_length(bytes, SYMBOL + BAR)?;
    let bar = |b: &[u8]| {
        let mut reader = Reader(b);
        let symbol = symbol_of(reader.take()?)?;
        bar_of(symbol, reader.0)
    };
    bytes.chunks_exact(SYMBOL + BAR).map(bar).collect()
}

/// Decodes the bars of one symbol among bars of [`put_named_bar`].
pub fn bars_named(symbol: Symbol, bytes: &[u8]) -> Result<Vec<Bar>, String> {
    check_length(bytes, SYMBOL + BAR)?;
    let name = symbol_key(symbol);
    let ours = bytes.chunks_exact(SYMBOL + BAR).filter_map(|b| b.strip_prefix(&name));
    ours.map(|bytes| bar_of(symbol, bytes)).collect()
}

fn check_length(bytes: &[u8], of: usize) -> Result<(), String> {
    match bytes.len() % of {
        0 => Ok(()),
        rest => Err(format!("{} bytes of bars: {rest} too many", bytes.len())),
    }
}

/// Takes pieces of fixed size from the front.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, rest) =
            self.0.split_first_chunk::<N>().ok_or_else(|| format!("{N} more bytes expected"))?;
        self.0 = rest;
        Ok(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_instants_sort_as_the_instants() {
        let times = [i64::MIN, -60_000, -1, 0, 1, 60_000, i64::MAX];
        assert!(times.windows(2).all(|w| time_key(w[0]) < time_key(w[1])));
        assert!(times.iter().all(|t| time_of(time_key(*t)) == *t));
    }

    #[test]
    fn bars_come_back_and_equal_values_have_equal_bytes() {
        let bar = Bar {
            symbol: Symbol::new("BTC-PERP").unwrap(),
            open_time: -5,
            open: Price::e8(1),
            high: Price::e8(3),
            low: Price::e8(1),
            close: Price::e8(2),
            volume: Decimal::new(1500, 3),
        };
        let same = Bar { volume: Decimal::new(15, 1), ..bar };
        let bytes = |bar: &Bar| {
            let mut out = Vec::new();
            put_named_bar(bar, &mut out);
            out
        };
        assert_eq!(bytes(&bar), bytes(&same));
        assert_eq!(named_bars_of(&bytes(&bar)).unwrap(), [bar]);
        assert_eq!(bars_named(bar.symbol, &bytes(&bar)).unwrap(), [bar]);
        assert_eq!(bars_named(Symbol::new("BTC-PER").unwrap(), &bytes(&bar)).unwrap(), []);
        assert!(named_bars_of(&bytes(&bar)[1..]).is_err());
        assert_eq!(bytes(&bar)[SYMBOL + 8 + 4 * 8], 0, "as in files of earlier versions");
        for scale in PRICE_SCALE..=PRICE_SCALE_MAX {
            let price = |units| Price::of(units, scale).unwrap();
            let (open, high, low, close) =
                (price(31), price(32), price(30), price(i64::MAX.into()));
            let token = Bar { open, high, low, close, ..bar };
            assert_eq!(named_bars_of(&bytes(&token)).unwrap(), [token]);
            for (count, complete) in [(1, false), (60, true), (1_439, false), (1_440, true)] {
                let mut out = Vec::new();
                put_named_rolled(&RolledBar { bar: token, count, complete }, &mut out);
                assert_eq!(named_bars_of(&out).unwrap(), [token], "the bar is the same");
                let minutes = Some(Minutes { count, complete });
                let of = (token.open_time, minutes);
                assert_eq!(minutes_named(token.symbol, &out).unwrap(), [of]);
            }
            let unknown = minutes_named(token.symbol, &bytes(&token)).unwrap();
            assert_eq!(unknown, [(token.open_time, None)], "of earlier versions");
        }
    }
}
