//! Composites: series of values that many symbols make together. [`Composites`] computes their
//! values, [`Fold`] makes bars of them. A bar of a composite is as good as one of a symbol: it has
//! a driver, for example.
//!
//! A value is the one before, times the mean of `close / close before` over the members with both
//! bars, by their weights. It starts at 100. So a member that comes or goes changes no value: only
//! the changes of prices do.
//!
//! Values use only what is known at their close. The state is exact: floats that are saved bit for
//! bit. So a restored state goes on as one that never stopped. A bar costs one search among the
//! symbols.

mod chain;
mod fold;
mod series;
#[cfg(test)]
mod tests;

pub use chain::Step;
pub use fold::Fold;
pub use series::Series;

use crate::structure::is_valid;
use crate::{Bar, VOLUME_SCALE, to_f64};
use chain::{Chain, Sums};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// Days of a week.
const WEEK: i64 = 7;
/// Day 0, 1970-01-01, is a Thursday: so many days after a Monday.
const THURSDAY: i64 = 3;

/// The steps of all series at a close, in the order of [`Series::ALL`]. None: no value.
pub type Steps = [Option<Step>; Series::ALL.len()];

/// The composites of a market. `K` names a symbol.
///
/// The members of [`Series::Alt`] have weights. The other series are *buckets*: all symbols by
/// their quote volume. [`Composites::update`] cuts the buckets again at the first bar after each
/// Monday 00:00 UTC, by the volumes of the newest UTC day with bars before it. The first cut is at
/// the first midnight. Between two cuts a bucket keeps its members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Composites<K: Ord> {
    /// The weights of [`Series::Alt`], above 0.
    weights: BTreeMap<K, f64>,
    symbols: BTreeMap<K, Known>,
    chains: [Chain; Series::ALL.len()],
    /// The newest close.
    time: Option<i64>,
    /// The UTC day of the newest bars.
    day: Option<i64>,
    /// The UTC day from which on the present buckets count.
    cut: Option<i64>,
}

/// What is known of a symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    /// Time of its newest close. None: it has no bar yet.
    time: Option<i64>,
    close: f64,
    /// Quote volume of the present day: the volume of each bar times its close.
    volume: f64,
    bucket: Option<Series>,
}

impl<K: Ord + Clone> Composites<K> {
    /// The composites before the first bar. Weights that are not above 0 are ignored.
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = (K, f64)>) -> Composites<K> {
        let above = |(_, weight): &(K, f64)| *weight > 0.0 && weight.is_finite();
        Composites {
            weights: weights.into_iter().filter(above).collect(),
            symbols: BTreeMap::new(),
            chains: Default::default(),
            time: None,
            day: None,
            cut: None,
        }
    }

    /// Takes the bars that closed at `time`, UTC milliseconds, and returns the values there. The
    /// bars ascend by symbol. All have one width. A later call may have another width.
    ///
    /// Returns `None` if the time is not after the one before, or if the bars do not ascend. Then
    /// it changes nothing. A bar whose prices are not valid is left out.
    pub fn update(&mut self, time: i64, bars: &[(K, Bar)]) -> Option<Steps> {
        let ascend = bars.is_sorted_by(|one, next| one.0 < next.0);
        if !ascend || self.time.is_some_and(|before| time <= before) {
            return None;
        }
        self.begin_day(time.saturating_sub(1).div_euclid(DAY));
        self.time = Some(time);
        let mut sums = [Sums::default(); Series::ALL.len()];
        for (key, bar) in bars.iter().filter(|(_, bar)| is_valid(bar)) {
            let fresh = Known { time: None, close: 0.0, volume: 0.0, bucket: None };
            let symbol = self.symbols.entry(key.clone()).or_insert(fresh);
            let close = to_f64(bar.close, bar.scale);
            let alt = self.weights.get(key).map(|weight| (Series::Alt, *weight));
            let bucket = symbol.bucket.map(|bucket| (bucket, 1.0));
            for (series, weight) in alt.into_iter().chain(bucket) {
                let chain = &self.chains[series.place()];
                let before = symbol.time.filter(|_| symbol.time == chain.time());
                sums[series.place()].add(weight, before.map(|_| close / symbol.close));
            }
            (symbol.time, symbol.close) = (Some(time), close);
            symbol.volume += quantity(bar) * close;
        }
        let step = |series: Series| {
            let at = series.place();
            self.chains[at].take(time, sums[at], series.least())
        };
        Some(Series::ALL.map(step))
    }

    /// Begins a UTC day: cuts the buckets if a week begins, and counts volumes from 0.
    fn begin_day(&mut self, day: i64) {
        let Some(before) = self.day.replace(day).filter(|before| *before != day) else { return };
        let monday = day - (day + THURSDAY).rem_euclid(WEEK);
        if self.cut.is_none() || before < monday {
            self.cut_at(day, before);
        }
        for symbol in self.symbols.values_mut() {
            symbol.volume = 0.0;
        }
    }

    /// Cuts the buckets of `day` by the volumes of the day `before`. Without any volume they stay.
    fn cut_at(&mut self, day: i64, before: i64) {
        // Symbols that are no longer traded are forgotten.
        let first = before.saturating_mul(DAY);
        self.symbols.retain(|_, symbol| symbol.time.is_some_and(|time| time > first));
        let mut ranked: Vec<&mut Known> =
            self.symbols.values_mut().filter(|symbol| symbol.volume > 0.0).collect();
        if ranked.is_empty() {
            return;
        }
        // The sort is stable: of equal volumes the first by name comes first.
        ranked.sort_by(|one, next| next.volume.total_cmp(&one.volume));
        for (rank, symbol) in (1..).zip(ranked) {
            symbol.bucket = Some(Series::of_rank(rank));
        }
        for symbol in self.symbols.values_mut().filter(|symbol| symbol.volume <= 0.0) {
            symbol.bucket = None;
        }
        self.cut = Some(day);
    }

    /// The newest value of a series. None: it has no value yet.
    #[must_use]
    pub fn value(&self, series: Series) -> Option<f64> {
        self.chains[series.place()].value()
    }

    /// The UTC day from which on the present buckets count, in days since 1970-01-01. None: there
    /// was no cut yet.
    #[must_use]
    pub const fn cut(&self) -> Option<i64> {
        self.cut
    }

    /// The members of a series, ascending, and whether each has a bar at the newest close.
    pub fn members(&self, series: Series) -> impl Iterator<Item = (&K, bool)> {
        let has_bar = |symbol: &Known| self.time.is_some() && symbol.time == self.time;
        let alt = self.weights.keys().filter(move |_| series == Series::Alt);
        let alt = alt.map(move |key| (key, self.symbols.get(key).is_some_and(has_bar)));
        let all = self.symbols.iter().filter(move |(_, symbol)| symbol.bucket == Some(series));
        alt.chain(all.map(move |(key, symbol)| (key, has_bar(symbol))))
    }
}

/// The volume of a bar in whole units.
#[expect(clippy::cast_precision_loss, reason = "volumes are compared, not added up to the unit")]
fn quantity(bar: &Bar) -> f64 {
    bar.volume.max(0) as f64 / 10_f64.powi(VOLUME_SCALE.into())
}
