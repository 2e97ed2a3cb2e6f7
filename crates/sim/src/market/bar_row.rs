//! Decodes one row of recorded bars. The strict reader and `history check` share these rules.
//!
//! Fields have no quotes. The header names the columns, in any order; other columns are skipped.

use super::recording_config::VOLUME_SCALE;
use super::recording_error::Fault;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price, parse_decimal};
use everwarm_domain::time::{MINUTE, UtcMs};

pub(super) const COLUMNS: [&str; 6] = ["open_time", "open", "high", "low", "close", "volume"];

/// Accepted opening times: 1990-01-01 to 2100-01-01. Times in seconds or microseconds fall outside.
pub const TIME_RANGE: std::ops::Range<UtcMs> = 631_152_000_000..4_102_444_800_000;

/// Largest volume in any unit: 10^18. Divided by the smallest step, it still fits a decimal.
pub(super) const VOLUME_MAX: Decimal = Decimal::from_parts(2_808_348_672, 232_830_643, 0, false, 0);

/// The positions of the needed columns in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    places: [usize; 6],
    count: usize,
}

/// The numbers of a row, which may be no valid bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarRow {
    /// Opening time as it is written.
    pub open_time: i64,
    /// Open, high, low, close.
    pub prices: [Decimal; 4],
    /// The volume; zero for an empty field.
    pub volume: Decimal,
}

impl Columns {
    /// No columns.
    pub(super) const NONE: Columns = Columns { places: [0; 6], count: 0 };

    /// Reads a header.
    ///
    /// # Errors
    /// A column is missing or there twice.
    pub fn find(header: &str) -> Result<Columns, Fault> {
        let header = header.strip_prefix('\u{feff}').unwrap_or(header);
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        let mut places = [0; 6];
        for (place, wanted) in places.iter_mut().zip(COLUMNS) {
            let mut found =
                names.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(wanted));
            *place = found.next().ok_or(Fault::MissingColumn(wanted))?.0;
            if found.next().is_some() {
                return Err(Fault::ColumnTwice(wanted));
            }
        }
        Ok(Columns { places, count: names.len() })
    }

    fn fields<'r>(&self, row: &'r str) -> Result<[&'r str; 6], Fault> {
        let mut fields = [""; 6];
        let mut found = 0;
        for (at, field) in row.split(',').enumerate() {
            found += 1;
            for (wanted, place) in self.places.iter().enumerate() {
                if *place == at {
                    fields[wanted] = field.trim();
                }
            }
        }
        if found == self.count {
            Ok(fields)
        } else {
            Err(Fault::Fields { found, wanted: self.count })
        }
    }

    /// The numbers of a row.
    ///
    /// # Errors
    /// More or fewer fields than the header, or a field that is no number.
    pub fn row(&self, row: &str) -> Result<BarRow, Fault> {
        let fields = self.fields(row)?;
        let open_time = time(fields[0])?;
        let mut prices = [Decimal::ZERO; 4];
        for (i, price) in prices.iter_mut().enumerate() {
            *price = number(COLUMNS[i + 1], fields[i + 1])?.normalize();
        }
        // An empty field is zero.
        let volume = match fields[5] {
            "" => Decimal::ZERO,
            text => number(COLUMNS[5], text)?.normalize(),
        };
        Ok(BarRow { open_time, prices, volume })
    }

    /// The opening time of a row whose other fields may be wrong.
    #[must_use]
    pub fn time_of(&self, row: &str) -> Option<i64> {
        row.split(',').nth(self.places[0]).and_then(|text| time(text.trim()).ok())
    }

    /// A row with this bar. Columns of others are empty.
    #[must_use]
    pub fn line(&self, bar: &Bar) -> String {
        let [open, high, low, close] = bar.prices().map(|price| price.to_string());
        let (time, volume) = (bar.open_time.to_string(), bar.volume.normalize().to_string());
        let mut fields = vec![String::new(); self.count];
        for (place, text) in self.places.iter().zip([time, open, high, low, close, volume]) {
            fields[*place] = text;
        }
        fields.join(",")
    }
}

impl BarRow {
    /// The bar, which has every property that a recording needs of one bar.
    ///
    /// # Errors
    /// The time is out of range or no full minute, a price has too many decimals, or the values
    /// contradict each other.
    pub fn bar(&self, symbol: Symbol) -> Result<Bar, Fault> {
        let open_time = self.open_time;
        if !TIME_RANGE.contains(&open_time) {
            return Err(Fault::TimeRange(open_time));
        }
        match open_time.rem_euclid(MINUTE) {
            0 => {}
            past => return Err(Fault::OffGrid(open_time, past)),
        }
        let mut prices = [Price::default(); 4];
        for (i, price) in prices.iter_mut().enumerate() {
            let (column, value) = (COLUMNS[i + 1], self.prices[i]);
            let wrong = |_| Fault::Price { column, text: value.to_string() };
            *price = Price::exact(value).map_err(wrong)?;
        }
        if self.volume > VOLUME_MAX {
            return Err(Fault::Volume(self.volume.to_string()));
        }
        let ([open, high, low, close], volume) = (prices, self.volume);
        let bar = Bar { symbol, open_time, open, high, low, close, volume };
        bar.validate().map_err(Fault::Bar)?;
        Ok(bar)
    }

    /// Most decimals of its prices.
    pub(super) fn price_scale(&self) -> u32 {
        self.prices.iter().map(Decimal::scale).max().unwrap_or(0)
    }

    /// Decimals of its volume; none of zero.
    pub(super) fn volume_scale(&self) -> Option<u32> {
        (!self.volume.is_zero()).then(|| self.volume.scale().min(VOLUME_SCALE.into()))
    }
}

fn time(text: &str) -> Result<i64, Fault> {
    let wanted = "a whole number of milliseconds";
    let wrong = |_| Fault::NotANumber { column: COLUMNS[0], text: text.to_owned(), wanted };
    text.parse().map_err(wrong)
}

/// Parses a plain decimal: digits, one point, a minus. The decimal parser alone accepts more
/// (`1_000`, `+1`).
fn number(column: &'static str, text: &str) -> Result<Decimal, Fault> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    let value = plain.then(|| parse_decimal(text).ok()).flatten();
    let wanted = "a plain decimal number";
    value.ok_or_else(|| Fault::NotANumber { column, text: text.to_owned(), wanted })
}
