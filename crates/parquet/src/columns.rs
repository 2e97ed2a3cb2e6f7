//! The columns of a file, and the numbers in them.

use everwarm_domain::money::{Decimal, parse_decimal};
use parquet::errors::ParquetError;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::TypePtr;
use std::sync::Arc;

/// The columns with prices, then the one with volumes.
pub const NUMBERS: [&str; 5] = ["open", "high", "low", "close", "volume"];

/// Key of the checksum in the footer.
pub const CHECKSUM: &str = "everwarm.crc32";
/// Key of the width of the bars in the footer.
pub const WIDTH: &str = "everwarm.timeframe";
/// What the name of the writer begins with. Other programs may copy the keys of a footer.
pub const WRITER: &str = "everwarm ";

/// The schema of a file.
///
/// # Errors
/// Never: the text is constant.
pub fn schema() -> Result<TypePtr, ParquetError> {
    let text = "message bars {
        REQUIRED BYTE_ARRAY symbol (STRING);
        REQUIRED INT64 open_time (TIMESTAMP(MILLIS,true));
        REQUIRED DOUBLE open;
        REQUIRED DOUBLE high;
        REQUIRED DOUBLE low;
        REQUIRED DOUBLE close;
        REQUIRED DOUBLE volume;
        OPTIONAL BYTE_ARRAY exact (STRING);
    }";
    parse_message_type(text).map(Arc::new)
}

/// Every decimal of at most 15 digits is the shortest one of its DOUBLE.
const SAFE: i128 = 1_000_000_000_000_000;

/// The nearest DOUBLE, and whether [`decimal`] gives the value back.
pub fn double(value: Decimal) -> (f64, bool) {
    let value = value.normalize();
    let (units, scale) = (value.mantissa(), value.scale());
    if let Some(power) = power(scale)
        && units.abs() < SAFE
    {
        #[expect(clippy::cast_precision_loss, reason = "an integer of 15 digits is exact")]
        let units = units as f64;
        // Both are exact, so the quotient is the nearest DOUBLE.
        return (units / power, true);
    }
    // The text of a decimal is always a number.
    let double = value.to_string().parse().unwrap_or(f64::NAN);
    (double, decimal(double) == Some(value))
}

/// The powers of ten that are exact as DOUBLE.
fn power(scale: u32) -> Option<f64> {
    const ALL: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ];
    ALL.get(usize::try_from(scale).ok()?).copied()
}

/// The shortest decimal of a DOUBLE; none if it is no number, or has too many digits.
pub fn decimal(double: f64) -> Option<Decimal> {
    // A DOUBLE is printed with the fewest digits that identify it, and without an exponent.
    parse_decimal(&double.to_string()).ok().map(|value| value.normalize())
}

/// The decimal with these units and this scale; none if it has too many digits.
pub fn scaled(mut units: i128, mut scale: u32) -> Option<Decimal> {
    while scale > 0 && units % 10 == 0 {
        (units, scale) = (units / 10, scale - 1);
    }
    Decimal::try_from_i128_with_scale(units, scale).ok()
}

/// The text of `exact`.
pub fn exact(numbers: &[Decimal; 5]) -> String {
    numbers.map(|number| number.normalize().to_string()).join(" ")
}

/// The numbers of `exact`, if it has five that are those of the DOUBLEs.
pub fn read_exact(text: &str, doubles: [f64; 5]) -> Option<[Decimal; 5]> {
    let mut numbers = [Decimal::ZERO; 5];
    let mut texts = text.split(' ');
    for (number, wanted) in numbers.iter_mut().zip(doubles) {
        *number = parse_decimal(texts.next()?).ok()?.normalize();
        if double(*number).0.to_bits() != wanted.to_bits() {
            return None;
        }
    }
    texts.next().is_none().then_some(numbers)
}

/// The checksum of the rows of a file, as they are stored.
#[derive(Clone, Debug, Default)]
pub struct Sum(crc32fast::Hasher);

impl Sum {
    pub fn add(&mut self, symbol: &[u8], time: i64, numbers: [f64; 5], exact: Option<&[u8]>) {
        self.0.update(symbol);
        self.0.update(&time.to_le_bytes());
        for number in numbers {
            self.0.update(&number.to_bits().to_le_bytes());
        }
        self.0.update(exact.unwrap_or_default());
    }

    /// The text in the footer.
    pub fn text(&self) -> String {
        format!("{:08x}", self.0.clone().finalize())
    }
}
