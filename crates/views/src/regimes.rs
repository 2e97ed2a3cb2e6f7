//! The regime, bias and drivers of each symbol and the drivers of the composites, derived from the
//! bars of the history. And the drivers of the dominance, derived from its samples.
//!
//! They are the same values as the features `regime@1h` and `driver@1h`, and need no strategy.
//! `docs/explanation/regimes.md` defines them.

mod composites;
mod dominance;
mod weights;

pub use dominance::{DominanceDayView, SampleBarView};
pub use weights::AltWeights;

use crate::exit::Failure;
use composites::Market;
use everwarm_analysis::Bar as Plain;
use everwarm_analysis::regime::{Basis, Bias, Biases, Driver, Drivers, Regime, Regimes};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::regimes as named;
use everwarm_domain::time::{DAY, Timeframe, UtcMs};
use everwarm_history::bars;
use everwarm_history::queries::HistoryError;
use everwarm_runtime::store::archive::Archive;
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Width of the bars of regimes and drivers.
const WIDTH: Timeframe = Timeframe::H1;
/// Width of the bars of the bias.
const BIAS_WIDTH: Timeframe = Timeframe::D1;
/// Newest bars that are used, by width. A zone counts for 100 bars, and of an average of 200 closes
/// the older ones weigh less than a ten-thousandth.
const HOURS: i64 = 1_000;
const DAYS: i64 = 1_000;

/// The present state of a symbol, of a composite of symbols, or of the dominance of an asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegimeView {
    /// The symbol; or the composite: `ALT`, `LARGE`, `MID`, `SMALL` or `MICRO`; or the dominance:
    /// `BTC.D` or `USDT.D`. Only symbols have a regime and a bias.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// `no_data`, `tight_smc`, `wide_structure` or `consolidation`. Empty: it has none.
    pub regime: String,
    /// The hourly close from which on the regime counts, UTC milliseconds; without a regime, the
    /// driver of hourly bars.
    pub since: UtcMs,
    /// The phase of its uptrend from hourly bars: `none`, `failing`, `basing`, `turning`, `up` or
    /// `extended`.
    pub driver: String,
    /// The side on which to trade, from daily bars: `long`, `none` or `unknown`. Empty: it has
    /// none.
    pub bias: String,
    /// The newest hourly close, UTC milliseconds. Of a dominance before its first hourly close: its
    /// newest sample.
    pub close: UtcMs,
    /// Hourly bars that were used.
    pub bars: u64,
    /// What is missing; empty: nothing.
    pub missing: String,
    /// The phase of its uptrend from bars of a minute. Empty for a dominance.
    pub driver_1m: String,
    /// The phase of its uptrend from daily bars.
    pub driver_1d: String,
    /// The newest value of a composite, which is 100 at the first bar that was used; or the newest
    /// sample of a dominance, percent.
    pub value: Option<Decimal>,
    /// The members of a composite that have a bar at the newest close.
    #[schema(value_type = Vec<shapes::Symbol>)]
    pub members: Vec<Symbol>,
    /// Whether this is a composite of symbols.
    pub composite: bool,
    /// The newest bars of a dominance, at most 24 of each width: hours, then days, each ascending.
    #[serde(default)]
    pub dominance: Vec<SampleBarView>,
}

/// The regimes of a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegimeDayView {
    /// Start of the day, UTC milliseconds.
    pub day: UtcMs,
    /// Hourly closes of all symbols with too few bars.
    pub no_data: u64,
    /// Hourly closes of all symbols near an untouched zone.
    pub tight_smc: u64,
    /// Hourly closes of all symbols with a break of structure or a strong trend.
    pub wide_structure: u64,
    /// All other hourly closes.
    pub consolidation: u64,
    /// The dominance on that day, of each asset with samples.
    #[serde(default)]
    pub dominance: Vec<DominanceDayView>,
}

/// The symbols with a bar at the newest hourly close, counted by regime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegimeCounts([u64; named::Regime::ALL.len()]);

impl RegimeCounts {
    /// Each regime with its symbols.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        named::Regime::ALL.map(named::Regime::name).into_iter().zip(self.0)
    }

    fn add(&mut self, regime: Regime) {
        let [no_data, tight, wide, consolidation] = &mut self.0;
        *match regime {
            Regime::NoData(_) => no_data,
            Regime::TightSmc => tight,
            Regime::WideStructure => wide,
            Regime::Consolidation => consolidation,
        } += 1;
    }
}

/// A value that follows the bars of one symbol.
pub(crate) trait Follows: Default {
    /// Takes the next closed bar.
    fn take(&mut self, bar: &Plain);
    /// Prepares for bars with more decimals. False if a price does not fit.
    fn grow(&mut self, factor: i64) -> bool;
}

impl Follows for Regimes {
    fn take(&mut self, bar: &Plain) {
        let _ = self.update(bar, Basis::Structures);
    }

    fn grow(&mut self, factor: i64) -> bool {
        self.rescale(factor)
    }
}

impl Follows for Biases {
    fn take(&mut self, bar: &Plain) {
        let _ = self.update(bar);
    }

    fn grow(&mut self, factor: i64) -> bool {
        self.rescale(factor)
    }
}

impl Follows for Drivers {
    fn take(&mut self, bar: &Plain) {
        let _ = self.update(bar);
    }

    fn grow(&mut self, factor: i64) -> bool {
        self.rescale(factor)
    }
}

/// A value, and the decimals of its prices.
#[derive(Debug)]
pub(crate) struct Scaled<T> {
    pub(crate) value: T,
    scale: u8,
}

impl<T: Follows> Scaled<T> {
    /// Before the first bar, which has so many decimals.
    pub(crate) fn new(scale: u8) -> Scaled<T> {
        Scaled { value: T::default(), scale }
    }

    /// Takes the next closed bar.
    pub(crate) fn take(&mut self, bar: &Bar) {
        let plain = plain(bar);
        if plain.scale > self.scale {
            let factor = 10_i64.checked_pow((plain.scale - self.scale).into());
            if !factor.is_some_and(|factor| self.value.grow(factor)) {
                self.value = T::default();
            }
            self.scale = plain.scale;
        }
        // A bar that does not fit the decimals of the ones before is left out.
        if let Some(plain) = plain.at(self.scale) {
            self.value.take(&plain);
        }
    }
}

/// The bar as indicators take it.
fn plain(bar: &Bar) -> Plain {
    let ([open, high, low, close], scale) = bar.units();
    let (open_time, volume) = (bar.open_time, bar.volume_units());
    Plain { open_time, open, high, low, close, scale, volume }
}

/// What is missing if there are fewer bars than these; none: nothing.
fn few(what: &str, bars: u64, of: u32, width: Timeframe) -> Option<String> {
    (bars < of.into()).then(|| format!("{what}: {bars} of {of} bars of {width}"))
}

/// One symbol.
struct Followed {
    regimes: Scaled<Regimes>,
    drivers: Scaled<Drivers>,
    daily: Option<(Scaled<Biases>, Scaled<Drivers>)>,
    bars: u64,
    close: UtcMs,
    since: UtcMs,
}

/// The present state of each symbol with an hourly bar, then that of each composite. Without an
/// hourly bar there is none. Then that of each dominance with samples. `weights` are those of the
/// composite `ALT`.
///
/// # Errors
/// The history could not be read.
pub fn regimes(archive: &Archive, weights: &AltWeights) -> Result<Vec<RegimeView>, Failure> {
    let [hours, days] = [(WIDTH, HOURS), (BIAS_WIDTH, DAYS)]
        .map(|(width, count)| newest(archive, width, count))
        .map(|bars| bars.map(|bars| bars.into_values().collect::<Vec<Bar>>()));
    let (hours, days) = (hours?, days?);
    let (mut symbols, _) = followed(&hours);
    let dominance = dominance::Market::read(archive)?.into_views();
    let Some(last) = hours.last() else { return Ok(dominance.collect()) };
    for bar in &days {
        if let Some(followed) = symbols.get_mut(&bar.symbol) {
            let fresh = || (Scaled::new(bar.scale()), Scaled::new(bar.scale()));
            let (biases, drivers) = followed.daily.get_or_insert_with(fresh);
            biases.take(bar);
            drivers.take(bar);
        }
    }
    let market = Market::read(archive, (&hours, &days), weights)?;
    let symbols = symbols.into_iter();
    let mut rows: Vec<RegimeView> =
        symbols.map(|(symbol, followed)| followed.view(symbol, &market)).collect();
    rows.extend(market.views(last.open_time + WIDTH.ms()));
    rows.extend(dominance);
    Ok(rows)
}

/// The regimes of each day, over all symbols, and the dominance.
///
/// # Errors
/// The history could not be read.
pub fn days(archive: &Archive) -> Result<Vec<RegimeDayView>, Failure> {
    let hours: Vec<Bar> = newest(archive, WIDTH, HOURS)?.into_values().collect();
    let mut days = followed(&hours).1;
    for (day, rows) in dominance::Market::read(archive)?.into_days() {
        let counts = days.entry(day).or_insert_with(|| RegimeDayView { day, ..Default::default() });
        counts.dominance = rows;
    }
    Ok(days.into_values().collect())
}

/// The state of each symbol after its hourly bars, and the regimes of each day.
fn followed(hours: &[Bar]) -> (BTreeMap<Symbol, Followed>, BTreeMap<UtcMs, RegimeDayView>) {
    let (mut symbols, mut days): (BTreeMap<Symbol, Followed>, BTreeMap<UtcMs, RegimeDayView>) =
        Default::default();
    for bar in hours {
        let followed = symbols.entry(bar.symbol).or_insert_with(|| Followed {
            regimes: Scaled::new(bar.scale()),
            drivers: Scaled::new(bar.scale()),
            daily: None,
            bars: 0,
            close: 0,
            since: bar.open_time + WIDTH.ms(),
        });
        let before = followed.regimes.value.regime().name();
        followed.regimes.take(bar);
        followed.drivers.take(bar);
        followed.bars += 1;
        followed.close = bar.open_time + WIDTH.ms();
        let regime = followed.regimes.value.regime();
        if regime.name() != before {
            followed.since = followed.close;
        }
        let day = bar.open_time.div_euclid(DAY) * DAY;
        let counts = days.entry(day).or_insert_with(|| RegimeDayView { day, ..Default::default() });
        *match regime {
            Regime::NoData(_) => &mut counts.no_data,
            Regime::TightSmc => &mut counts.tight_smc,
            Regime::WideStructure => &mut counts.wide_structure,
            Regime::Consolidation => &mut counts.consolidation,
        } += 1;
    }
    (symbols, days)
}

/// The symbols at the newest hourly close, counted by regime. A symbol without a bar there does not
/// count. The regimes are those of [`regimes`].
///
/// # Errors
/// The history could not be read.
pub fn counts(archive: &Archive) -> Result<RegimeCounts, Failure> {
    let mut symbols: BTreeMap<Symbol, (Scaled<Regimes>, UtcMs)> = BTreeMap::new();
    let mut last = UtcMs::MIN;
    for (_, bar) in newest(archive, WIDTH, HOURS)? {
        let fresh = || (Scaled::new(bar.scale()), bar.open_time);
        let (regimes, time) = symbols.entry(bar.symbol).or_insert_with(fresh);
        regimes.take(&bar);
        (*time, last) = (bar.open_time, bar.open_time);
    }
    let mut counts = RegimeCounts::default();
    for (regimes, _) in symbols.values().filter(|(_, time)| *time == last) {
        counts.add(regimes.value.regime());
    }
    Ok(counts)
}

/// The newest bars of all symbols.
fn newest(
    archive: &Archive,
    width: Timeframe,
    count: i64,
) -> Result<BTreeMap<(UtcMs, Symbol), Bar>, HistoryError> {
    let last = bars::newest(archive, width)?.unwrap_or(UtcMs::MAX);
    let first = last.saturating_sub(width.ms().saturating_mul(count - 1));
    // Without a bar from facts, the fetched ones are all there is.
    let first = if last == UtcMs::MAX { UtcMs::MIN } else { first };
    bars::read_all(archive, width, &(first..=last))
}

impl Followed {
    fn view(self, symbol: Symbol, market: &Market) -> RegimeView {
        let Followed { regimes, drivers, daily, bars, close, since } = self;
        let regime = regimes.value.regime();
        let unknown = (Bias::Unknown(0), Driver::None);
        let of_days = |(bias, driver): (Scaled<Biases>, Scaled<Drivers>)| {
            (bias.value.bias(), driver.value.driver())
        };
        let (bias, daily_driver) = daily.map_or(unknown, of_days);
        let (minute_driver, minutes) = market.minute_driver(symbol);
        // The daily driver needs as many bars as the bias.
        let missing = [
            few("regime", bars, Regimes::BARS, WIDTH),
            few("driver", minutes, Drivers::BARS, Timeframe::M1),
            few("driver", bars, Drivers::BARS, WIDTH),
            bias.missing(BIAS_WIDTH.name()),
        ];
        RegimeView {
            symbol,
            regime: regime.name().to_owned(),
            since,
            driver: drivers.value.driver().name().to_owned(),
            bias: bias.name().to_owned(),
            close,
            bars,
            missing: missing.into_iter().flatten().collect::<Vec<_>>().join("; "),
            driver_1m: minute_driver.to_owned(),
            driver_1d: daily_driver.name().to_owned(),
            value: None,
            members: Vec::new(),
            composite: false,
            dominance: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::fact::{Analysis, Body};
    use everwarm_domain::market::RolledBar;
    use everwarm_domain::money::Price;
    use everwarm_history::Projector;
    use everwarm_kernel::fact::{Fact, Key};
    use everwarm_runtime::store::archive::Archive;
    use std::sync::Arc;

    fn bar(name: &str, width: Timeframe, n: i64, middle: i64) -> Bar {
        let price = |units: i64| Price::e8(units * 100_000_000);
        Bar {
            symbol: Symbol::named(name).unwrap(),
            open_time: n * width.ms(),
            open: price(middle),
            high: price(middle + 1),
            low: price(middle - 1),
            close: price(middle),
            volume: 1.into(),
        }
    }

    fn rolled(n: u64, timeframe: Timeframe, bars: Vec<Bar>) -> Fact<Body> {
        let bars = bars.into_iter().map(|bar| RolledBar { bar, count: 60, complete: true });
        let body = Body::Analysis(Analysis::Rolled { timeframe, bars: bars.collect() });
        Fact { key: Key { n, rank: 100, i: 0 }, time: 0, version: 1, because: Vec::new(), body }
    }

    #[test]
    fn each_symbol_has_its_state_and_each_day_its_counts() {
        let archive = Arc::new(Archive::in_memory(std::path::Path::new("history")).unwrap());
        let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
        // A steady symbol, and one that rises and was fetched for the first ten hours.
        let rising = |n| bar("BBB", Timeframe::H1, n, 100 + 3 * n);
        let fetched = [(Symbol::named("BBB").unwrap(), (0..10).map(rising).collect::<Vec<_>>())];
        bars::keep(&archive, Timeframe::H1, &fetched).unwrap();
        let mut facts = Vec::new();
        for n in 0..40 {
            let mut both = vec![bar("AAA", Timeframe::H1, n, 100 + n % 2)];
            both.extend((n >= 10).then(|| rising(n)));
            facts.push(rolled(facts.len() as u64 + 1, Timeframe::H1, both));
        }
        for n in 0..2 {
            let of = vec![bar("AAA", Timeframe::D1, n, 100)];
            facts.push(rolled(facts.len() as u64 + 1, Timeframe::D1, of));
        }
        projector.apply((1..).zip(&facts), facts.len() as u64, true).unwrap();
        let (all, days) =
            (regimes(&archive, &AltWeights::default()).unwrap(), days(&archive).unwrap());
        let (rows, composites) = all.split_at(2);
        let words = |row: &RegimeView| (row.symbol.to_string(), row.regime.clone(), row.bars);
        assert_eq!(
            rows.iter().map(words).collect::<Vec<_>>(),
            [
                ("AAA".to_owned(), "consolidation".to_owned(), 40),
                ("BBB".to_owned(), "wide_structure".to_owned(), 40)
            ]
        );
        let hour = Timeframe::H1.ms();
        assert_eq!((rows[0].since, rows[0].close), (28 * hour, 40 * hour));
        assert_eq!(
            rows[0].missing,
            "driver: 0 of 200 bars of 1m; driver: 40 of 200 bars of 1h; EMA200 1d: 2 of 200 bars"
        );
        assert!(composites.iter().all(|row| row.composite), "{composites:?}");
        assert_eq!((rows[1].bias.as_str(), rows[1].driver.as_str()), ("unknown", "none"));
        let first = RegimeDayView { no_data: 48, ..RegimeDayView::default() };
        assert_eq!(days[0], first);
        assert_eq!((days[1].day, days[1].no_data), (DAY, 6));
        assert_eq!(days[1].tight_smc + days[1].wide_structure + days[1].consolidation, 26);
        let counted = |archive: &Archive| counts(archive).unwrap().by_name().collect::<Vec<_>>();
        let all = [("no_data", 0), ("tight_smc", 0), ("wide_structure", 1), ("consolidation", 1)];
        assert_eq!(counted(&archive), all);
        // One without a bar at the newest close does not count.
        let n = facts.len() as u64 + 1;
        let more = [rolled(n, Timeframe::H1, vec![rising(40)])];
        projector.apply((n..).zip(&more), n, true).unwrap();
        let later = counted(&archive);
        assert_eq!(later.iter().map(|(_, symbols)| symbols).sum::<u64>(), 1, "{later:?}");
    }
}
