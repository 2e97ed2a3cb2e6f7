//! The drivers of the dominance of BTC and USDT, from samples of a source.
//!
//! A bar has the samples of its time: the first, highest, lowest and last share. The first sample
//! after its end completes it. A time without a sample has no bar: nothing is invented for it. No
//! sample of a bar is missing if its samples and its ends are never further apart than the polls
//! allow.

use super::{RegimeView, few};
use crate::exit::Failure;
use everwarm_analysis::regime::Drivers;
use everwarm_analysis::{Bar as Plain, SCALE};
use everwarm_domain::dominance::Dominance;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{DAY, Timeframe, UtcMs};
use everwarm_history::dominance;
use everwarm_runtime::store::archive::Archive;
use everwarm_words::shapes;
use everwarm_words::text::{count, plain};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use utoipa::ToSchema;

/// Widths of the bars. The hours of a day are complete before the day is.
const WIDTHS: [Timeframe; 2] = [Timeframe::H1, Timeframe::D1];
/// Newest days whose samples are used.
const DAYS: i64 = 1_000;
/// Newest bars of each width that are shown.
const SHOWN: usize = 24;

/// A bar of samples of the dominance. Shares are in percent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SampleBarView {
    /// Its width: `1h` or `1d`.
    #[schema(value_type = String)]
    pub timeframe: Timeframe,
    /// Its start, UTC milliseconds.
    pub open_time: UtcMs,
    /// The first share.
    pub open: Decimal,
    /// The highest share.
    pub high: Decimal,
    /// The lowest share.
    pub low: Decimal,
    /// The last share.
    pub close: Decimal,
    /// Number of samples.
    pub samples: u64,
    /// Whether no sample is missing.
    pub complete: bool,
}

/// The dominance of one asset on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DominanceDayView {
    /// `BTC.D` or `USDT.D`.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// The bar of the day.
    pub bar: SampleBarView,
    /// The driver of hourly bars at the end of the day.
    pub driver: String,
    /// The driver of daily bars.
    pub driver_1d: String,
}

impl DominanceDayView {
    /// The last share of the day and both drivers. A `*` marks a day with missing samples.
    pub(crate) fn words(&self) -> String {
        let DominanceDayView { bar, driver, driver_1d, .. } = self;
        let mark = if bar.complete { "" } else { "*" };
        format!("{}{mark} {driver}/{driver_1d}", plain(bar.close))
    }
}

/// The dominance of BTC and of USDT; empty without a sample.
#[derive(Default)]
pub(super) struct Market {
    series: Vec<Series>,
    days: BTreeMap<UtcMs, Vec<DominanceDayView>>,
}

/// The dominance of one asset.
struct Series {
    symbol: Symbol,
    share: fn(&Dominance) -> Decimal,
    newest: (UtcMs, Decimal),
    widths: [Followed; WIDTHS.len()],
}

/// One width of a series.
struct Followed {
    width: Timeframe,
    /// The bar that is not complete yet, and the time of its last sample.
    present: Option<(SampleBarView, UtcMs)>,
    drivers: Drivers,
    bars: u64,
    /// Bars with missing samples.
    lacking: u64,
    shown: VecDeque<SampleBarView>,
    /// The close from which on the driver counts, and the newest close.
    since: UtcMs,
    close: UtcMs,
}

impl Market {
    /// Reads the samples.
    ///
    /// # Errors
    /// The history could not be read.
    pub(super) fn read(archive: &Archive) -> Result<Market, Failure> {
        let Some(newest) = dominance::newest(archive)? else { return Ok(Market::default()) };
        let mut market = Market { series: Series::all(), days: BTreeMap::new() };
        let first = Timeframe::D1.open_of(newest.time) - (DAYS - 1) * DAY;
        dominance::each_from(archive, first, &mut |sample| market.take(sample))?;
        Ok(market)
    }

    fn take(&mut self, sample: &Dominance) {
        for series in &mut self.series {
            let share = (series.share)(sample);
            series.newest = (sample.time, share);
            let [hours, days] = &mut series.widths;
            hours.take(sample, share);
            if let Some(bar) = days.take(sample, share) {
                let symbol = series.symbol;
                let [driver, driver_1d] = [&*hours, &*days].map(Followed::driver);
                let row = DominanceDayView { symbol, bar, driver, driver_1d };
                self.days.entry(row.bar.open_time).or_default().push(row);
            }
        }
    }

    /// The complete days, ascending, with the rows of each.
    pub(super) fn into_days(self) -> impl Iterator<Item = (UtcMs, Vec<DominanceDayView>)> {
        self.days.into_iter()
    }

    /// The row of each series.
    pub(super) fn into_views(self) -> impl Iterator<Item = RegimeView> {
        self.series.into_iter().map(Series::view)
    }
}

impl Series {
    /// The series before the first sample.
    fn all() -> Vec<Series> {
        let of = |name: &str, share: fn(&Dominance) -> Decimal| {
            let (symbol, newest) = (Symbol::named(name).ok()?, (0, Decimal::ZERO));
            Some(Series { symbol, share, newest, widths: WIDTHS.map(Followed::new) })
        };
        [of("BTC.D", |sample| sample.btc), of("USDT.D", |sample| sample.usdt)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn view(self) -> RegimeView {
        let Series { symbol, newest: (time, share), widths, .. } = self;
        let cold = |of: &Followed| few("driver", of.bars, Drivers::BARS, of.width);
        let lacks = |of: &Followed| {
            let (lacking, width) = (count(of.lacking, "bar"), of.width);
            (of.lacking > 0).then(|| format!("samples are missing in {lacking} of {width}"))
        };
        let missing = widths.iter().filter_map(cold).chain(widths.iter().filter_map(lacks));
        let missing = missing.collect::<Vec<_>>().join("; ");
        let [driver, driver_1d] = widths.each_ref().map(Followed::driver);
        let [hours, days] = widths;
        let has_bars = hours.bars > 0;
        RegimeView {
            symbol,
            regime: String::new(),
            since: if has_bars { hours.since } else { time },
            driver,
            bias: String::new(),
            close: if has_bars { hours.close } else { time },
            bars: hours.bars,
            missing,
            driver_1m: String::new(),
            driver_1d,
            value: Some(share),
            members: Vec::new(),
            composite: false,
            dominance: hours.shown.into_iter().chain(days.shown).collect(),
        }
    }
}

impl Followed {
    fn new(width: Timeframe) -> Followed {
        Followed {
            width,
            present: None,
            drivers: Drivers::new(),
            bars: 0,
            lacking: 0,
            shown: VecDeque::new(),
            since: 0,
            close: 0,
        }
    }

    fn driver(&self) -> String {
        self.drivers.driver().name().to_owned()
    }

    /// Takes the next sample. Returns the bar that it completes.
    fn take(&mut self, sample: &Dominance, share: Decimal) -> Option<SampleBarView> {
        let (time, reach, timeframe) = (sample.time, sample.reach(), self.width);
        let open_time = timeframe.open_of(time);
        let done = self.present.take_if(|(bar, _)| bar.open_time != open_time);
        let done = done.map(|(mut bar, last)| {
            bar.complete &= bar.open_time + timeframe.ms() - last <= reach;
            self.complete(&bar);
            bar
        });
        let fresh = || {
            let [open, high, low, close] = [share; 4];
            let (samples, complete) = (0, true);
            let bar =
                SampleBarView { timeframe, open_time, open, high, low, close, samples, complete };
            (bar, open_time)
        };
        let (bar, last) = self.present.get_or_insert_with(fresh);
        bar.complete &= time - *last <= reach;
        (bar.high, bar.low, bar.close) = (bar.high.max(share), bar.low.min(share), share);
        (bar.samples, *last) = (bar.samples + 1, time);
        done
    }

    fn complete(&mut self, bar: &SampleBarView) {
        let before = self.drivers.driver();
        if let Some(bar) = in_units(bar) {
            // Shares are above 0, so the bar is valid.
            let _ = self.drivers.update(&bar);
        }
        self.bars += 1;
        self.lacking += u64::from(!bar.complete);
        self.close = bar.open_time + self.width.ms();
        if self.bars == 1 || self.drivers.driver() != before {
            self.since = self.close;
        }
        if self.shown.len() == SHOWN {
            self.shown.pop_front();
        }
        self.shown.push_back(bar.clone());
    }
}

/// The bar as indicators take it. Shares have no volume.
fn in_units(bar: &SampleBarView) -> Option<Plain> {
    let units = |mut share: Decimal| {
        share.rescale(SCALE.into());
        i64::try_from(share.mantissa()).ok()
    };
    let (open, high) = (units(bar.open)?, units(bar.high)?);
    let (low, close) = (units(bar.low)?, units(bar.close)?);
    Some(Plain { open_time: bar.open_time, open, high, low, close, scale: SCALE, volume: 0 })
}

#[cfg(test)]
mod tests;
