//! Why a row is bad, and which bar it stands for.

use super::grid::Grid;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::PRICE_SCALE_MAX;
use everwarm_domain::time::UtcMs;
use everwarm_sim::market::{BarRow, Fault, TIME_RANGE};
use everwarm_words::text::instant;

/// The kinds of bad rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Not a line of text, or a line without an end.
    Text,
    /// More or fewer fields than the header.
    Fields,
    /// A field that is no number.
    Number,
    /// A time in seconds, microseconds or nanoseconds, or no time at all.
    TimeUnit,
    /// A time off the grid of the width.
    OffGrid,
    /// Not in order.
    Disorder,
    /// The same bar twice.
    Doubled,
    /// Several bars with different values for one time.
    Conflict,
    /// Prices that contradict each other.
    Ohlc,
    /// A price or volume that is zero, negative or absurd.
    Absurd,
    /// Two columns are swapped.
    Swapped,
    /// Prices in another scale than those beside them.
    Scale,
    /// A bar that has not closed yet.
    Future,
    /// More decimals than a bar can have.
    Decimals,
    /// A wide bar that differs from its minutes.
    Minutes,
}

impl Kind {
    /// Its name in counts and in the quarantine.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Fields => "fields",
            Kind::Number => "number",
            Kind::TimeUnit => "time-unit",
            Kind::OffGrid => "off-grid",
            Kind::Disorder => "disorder",
            Kind::Doubled => "doubled",
            Kind::Conflict => "conflict",
            Kind::Ohlc => "ohlc",
            Kind::Absurd => "absurd",
            Kind::Swapped => "swapped",
            Kind::Scale => "scale",
            Kind::Future => "future",
            Kind::Decimals => "decimals",
            Kind::Minutes => "minutes",
        }
    }
}

/// The bar that a bad row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The bar that opens at this time.
    Time(UtcMs),
    /// By its place, the bar after the row before it.
    Next,
    /// None: another row has it, or its time is impossible.
    None,
}

/// Why a row is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    pub kind: Kind,
    pub why: String,
    pub claim: Claim,
}

impl Bad {
    pub fn new(kind: Kind, why: String, claim: Claim) -> Bad {
        Bad { kind, why, claim }
    }
}

/// What the rows of one file must fit.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    pub symbol: Symbol,
    pub grid: Grid,
    /// The time of this machine.
    pub now: UtcMs,
}

impl Series {
    /// The bar of a row, as far as the row alone shows it. `time` is its opening time if that can
    /// be read although the rest cannot.
    ///
    /// # Errors
    /// It is bad.
    pub fn bar(&self, row: &Result<BarRow, Fault>, time: Option<i64>) -> Result<Bar, Bad> {
        let row = match row {
            Ok(row) => row,
            Err(fault) => {
                let claim =
                    time.filter(|time| self.is_time(*time)).map_or(Claim::Next, Claim::Time);
                return Err(Bad::new(unread(fault), fault.to_string(), claim));
            }
        };
        let time = row.open_time;
        if !TIME_RANGE.contains(&time) {
            return Err(self.other_unit(row));
        }
        let bar = row.bar(self.symbol);
        if let Err(Fault::OffGrid(..)) = bar {
            return Err(self.off_grid(time));
        }
        if !self.grid.is_open(time) {
            return Err(self.off_grid(time));
        }
        if time.saturating_add(self.grid.width()) > self.now {
            let why = format!("the bar of {} has not closed yet", instant(time));
            return Err(Bad::new(Kind::Future, why, Claim::None));
        }
        bar.map_err(|fault| self.invalid(row, &fault))
    }

    /// Whether a bar may open at a time.
    fn is_time(&self, time: UtcMs) -> bool {
        TIME_RANGE.contains(&time)
            && self.grid.is_open(time)
            && time.saturating_add(self.grid.width()) <= self.now
    }

    fn other_unit(&self, row: &BarRow) -> Bad {
        let time = row.open_time;
        let swapped = [row.volume].into_iter().chain(row.prices).find(|value| {
            let time = i64::try_from(*value).ok().filter(|_| value.fract().is_zero());
            time.is_some_and(|time| self.is_time(time))
        });
        if let Some(value) = swapped {
            let why = format!("open_time {time} and a column with {value} are swapped");
            let claim = i64::try_from(value).map_or(Claim::Next, Claim::Time);
            return Bad::new(Kind::Swapped, why, claim);
        }
        let units = [
            ("seconds", time.checked_mul(1_000)),
            ("microseconds", Some(time / 1_000)),
            ("nanoseconds", Some(time / 1_000_000)),
        ];
        let unit = units.into_iter().find_map(|(unit, time)| {
            let time = time.filter(|time| TIME_RANGE.contains(time))?;
            Some((unit, time))
        });
        let Some((unit, corrected)) = unit else {
            let why = Fault::TimeRange(time).to_string();
            return Bad::new(Kind::TimeUnit, why, Claim::Next);
        };
        let claim = if self.is_time(corrected) { Claim::Time(corrected) } else { Claim::Next };
        let why = format!("open_time {time} is in {unit}, not in milliseconds");
        Bad::new(Kind::TimeUnit, why, claim)
    }

    fn off_grid(&self, time: UtcMs) -> Bad {
        let open = self.grid.open_of(time);
        let claim = if self.is_time(open) { Claim::Time(open) } else { Claim::None };
        let why = format!("no bar of {} opens at {}", self.grid.timeframe(), instant(time));
        Bad::new(Kind::OffGrid, why, claim)
    }

    fn invalid(&self, row: &BarRow, fault: &Fault) -> Bad {
        let claim = Claim::Time(row.open_time);
        let [open, high, low, close] = row.prices;
        if let Fault::Bar(_) = fault
            && high < low
            && (BarRow { prices: [open, low, high, close], ..*row }).bar(self.symbol).is_ok()
        {
            let why = format!("high {high} and low {low} are swapped");
            return Bad::new(Kind::Swapped, why, claim);
        }
        let no_price = row.prices.iter().any(|price| price.is_zero() || price.is_sign_negative());
        let negative = row.volume.is_sign_negative() && !row.volume.is_zero();
        let fine = row.prices.iter().any(|price| price.scale() > u32::from(PRICE_SCALE_MAX));
        let kind = if matches!(fault, Fault::Bar(_)) && !no_price && !negative {
            Kind::Ohlc
        } else if matches!(fault, Fault::Price { .. }) && fine {
            Kind::Decimals
        } else {
            Kind::Absurd
        };
        Bad::new(kind, fault.to_string(), claim)
    }
}

/// The kind of a row that cannot be read.
fn unread(fault: &Fault) -> Kind {
    match fault {
        Fault::Fields { .. } => Kind::Fields,
        Fault::NotANumber { column, text, .. } => {
            let decimals = text.rsplit_once('.').map_or(0, |(_, decimals)| decimals.len());
            let digits = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
            if *column != "open_time" && digits && decimals > usize::from(PRICE_SCALE_MAX) {
                Kind::Decimals
            } else {
                Kind::Number
            }
        }
        Fault::TimeRange(_) => Kind::TimeUnit,
        Fault::OffGrid(..) => Kind::OffGrid,
        Fault::Price { .. } => Kind::Decimals,
        Fault::Volume(_) => Kind::Absurd,
        Fault::Bar(_) => Kind::Ohlc,
        Fault::Duplicate(_) => Kind::Conflict,
        Fault::Disorder(..) => Kind::Disorder,
        Fault::NotText(_)
        | Fault::CutShort(_)
        | Fault::Damaged(_)
        | Fault::Empty(_)
        | Fault::Io(_)
        | Fault::NoFiles
        | Fault::Name(_)
        | Fault::SymbolTwice(_)
        | Fault::MissingColumn(_)
        | Fault::ColumnTwice(_)
        | Fault::OffTick { .. }
        | Fault::Parquet(_)
        | Fault::Config(_) => Kind::Text,
    }
}
