//! Chooses and ranks points of a grid by their figures.

use super::view::{Axis, Figures, Fold, Outcome, RankedPoint, SweepPlan, SweepView, WalkForward};
use everwarm_domain::money::{Decimal, float};
use everwarm_words::text::{count, plain, thousands};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Fewer trades in the test parts than this say little about a point.
const TRADES: u64 = 30;
/// Fewer points than this have no rank correlation.
const POINTS: usize = 5;
/// Below this rank correlation the train parts say little about the test parts: 0.2.
const AGREEMENT: Decimal = Decimal::from_parts(2, 0, 0, false, 1);
/// The largest profit factor. A point without a loss has it, too.
const FACTOR_MAX: Decimal = Decimal::ONE_THOUSAND;
/// Decimals of a share or ratio.
const SHARE: u32 = 6;
/// Decimals of a Sharpe ratio and of a correlation.
const RATIO: u32 = 4;

/// The figure by which points are chosen and ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Rank {
    /// Growth of the equity.
    #[default]
    Growth,
    /// Mean profit of a trade.
    Expectancy,
    /// Gains divided by losses, at most 1,000.
    ProfitFactor,
    /// Sharpe ratio, the mean of the parts.
    Sharpe,
}

impl Rank {
    /// Its name, as the flag has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Rank::Growth => "growth",
            Rank::Expectancy => "expectancy",
            Rank::ProfitFactor => "profit-factor",
            Rank::Sharpe => "sharpe",
        }
    }

    /// The figure; none without a trade, and for a Sharpe ratio without two days.
    #[must_use]
    pub fn of(self, figures: &Figures) -> Option<Decimal> {
        let traded = figures.trades > 0;
        match self {
            Rank::Growth => traded.then_some(figures.growth),
            Rank::Expectancy => figures.expectancy(),
            Rank::ProfitFactor => {
                let factor = figures.gained.checked_div(figures.lost).unwrap_or(FACTOR_MAX);
                traded.then(|| factor.min(FACTOR_MAX).round_dp(SHARE).normalize())
            }
            Rank::Sharpe => figures.sharpe,
        }
    }

    /// The value that neither gains nor loses.
    pub(super) const fn neutral(self) -> Decimal {
        match self {
            Rank::Growth | Rank::Expectancy | Rank::Sharpe => Decimal::ZERO,
            Rank::ProfitFactor => Decimal::ONE,
        }
    }
}

impl Figures {
    /// Mean profit of a trade; none without trades. At most 6 decimals.
    #[must_use]
    pub fn expectancy(&self) -> Option<Decimal> {
        let profit = self.gained.saturating_sub(self.lost);
        profit.checked_div(self.trades.into()).map(|mean| mean.round_dp(SHARE).normalize())
    }

    /// The figures of several parts together.
    fn joined(parts: &[Figures]) -> Figures {
        let mut all = Figures::default();
        let (mut factor, mut ratios) = (Decimal::ONE, Vec::new());
        for part in parts {
            factor = factor.saturating_mul(Decimal::ONE.saturating_add(part.growth));
            all.trades += part.trades;
            all.won += part.won;
            all.gained = all.gained.saturating_add(part.gained);
            all.lost = all.lost.saturating_add(part.lost);
            all.drawdown = all.drawdown.max(part.drawdown);
            ratios.extend(part.sharpe);
        }
        all.growth = factor.saturating_sub(Decimal::ONE).round_dp(SHARE).normalize();
        let sum: Decimal = ratios.iter().sum();
        let mean = sum.checked_div(ratios.len().into());
        all.sharpe = mean.map(|mean| mean.round_dp(RATIO).normalize());
        all
    }
}

impl SweepPlan {
    /// Number of points of the grid; none: more than a 64-bit number holds.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.axes.iter().try_fold(1_u64, |all, axis| all.checked_mul(axis.values.len() as u64))
    }

    /// The place of a point on each axis.
    fn places(&self, point: u64) -> Vec<usize> {
        let mut rest = point;
        let place = |axis: &Axis| {
            let all = axis.values.len().max(1) as u64;
            let place = rest % all;
            rest /= all;
            usize::try_from(place).unwrap_or_default()
        };
        let mut places: Vec<usize> = self.axes.iter().rev().map(place).collect();
        places.reverse();
        places
    }

    /// The keys of a point with their values.
    #[must_use]
    pub fn pairs(&self, point: u64) -> Vec<(&str, &str)> {
        let pairs = self.axes.iter().zip(self.places(point));
        pairs.map(|(axis, place)| (axis.key.as_str(), axis.values[place].as_str())).collect()
    }

    /// The values of a point, in the order of the axes.
    #[must_use]
    pub fn values(&self, point: u64) -> Vec<String> {
        self.pairs(point).into_iter().map(|(_, value)| value.to_owned()).collect()
    }

    /// The points that differ from this one in one key, by one step.
    fn neighbours(&self, point: u64) -> Vec<u64> {
        let (mut found, mut stride) = (Vec::new(), 1);
        let places = self.places(point);
        for (axis, place) in self.axes.iter().zip(places).rev() {
            if place > 0 {
                found.push(point - stride);
            }
            if place + 1 < axis.values.len() {
                found.push(point + stride);
            }
            stride *= axis.values.len() as u64;
        }
        found.sort_unstable();
        found
    }
}

/// The result of a sweep. `results`: what each point reached; all points of the plan.
#[must_use]
pub fn judge(plan: &SweepPlan, rank: Rank, results: &BTreeMap<u64, Outcome>) -> SweepView {
    let played: BTreeMap<u64, &[Figures]> = results
        .iter()
        .filter_map(|(point, outcome)| match outcome {
            Outcome::Played(parts) => Some((*point, parts.as_slice())),
            Outcome::Refused(_) => None,
        })
        .collect();
    let refusal = results.values().find_map(|outcome| match outcome {
        Outcome::Refused(why) => Some(why.clone()),
        Outcome::Played(_) => None,
    });
    let points = ranked(plan, rank, &played);
    let mut view = SweepView {
        plan: plan.clone(),
        rank: rank.name().to_owned(),
        played: played.len() as u64,
        refused: (results.len() - played.len()) as u64,
        refusal,
        walk_forward: WalkForward {
            folds: folds(plan, rank, &played),
            figures: Figures::default(),
            agreement: agreement(rank, &points),
        },
        points,
        warnings: Vec::new(),
    };
    let tested: Vec<Figures> =
        view.walk_forward.folds.iter().map(|fold| fold.result.clone()).collect();
    view.walk_forward.figures = Figures::joined(&tested);
    view.warnings = warnings(&view, rank);
    view
}

/// The played points, the best in the test parts first.
fn ranked(plan: &SweepPlan, rank: Rank, played: &BTreeMap<u64, &[Figures]>) -> Vec<RankedPoint> {
    let split = |parts: &[Figures]| {
        let (train, test) = parts.split_at(plan.train.min(parts.len()));
        (Figures::joined(train), Figures::joined(test))
    };
    let joined: BTreeMap<u64, (Figures, Figures)> =
        played.iter().map(|(point, parts)| (*point, split(parts))).collect();
    let row = |(point, (train, test)): (&u64, &(Figures, Figures))| {
        let beside = plan.neighbours(*point).into_iter();
        let beside = beside.filter_map(|near| rank.of(&joined.get(&near)?.1)).collect();
        RankedPoint {
            point: *point,
            values: plan.values(*point),
            train: train.clone(),
            test: test.clone(),
            neighbours: median(beside),
        }
    };
    let mut points: Vec<RankedPoint> = joined.iter().map(row).collect();
    points.sort_by_key(|it| (Reverse(rank.of(&it.test)), Reverse(rank.of(&it.train)), it.point));
    points
}

/// For each test part, the best point of the parts before it. If no point traded in them, nothing
/// is chosen.
fn folds(plan: &SweepPlan, rank: Rank, played: &BTreeMap<u64, &[Figures]>) -> Vec<Fold> {
    let fold = |(first, test): (usize, usize)| {
        let trained = |parts: &[Figures]| parts.get(first..test).map(Figures::joined);
        let value = |parts: &[Figures]| trained(parts).and_then(|train| rank.of(&train));
        let (point, parts) = played
            .iter()
            .filter(|(_, parts)| value(parts).is_some())
            .max_by_key(|(point, parts)| (value(parts), Reverse(**point)))?;
        Some(Fold {
            test: *plan.parts.get(test)?,
            point: *point,
            values: plan.values(*point),
            train: trained(parts)?,
            result: parts.get(test)?.clone(),
        })
    };
    (plan.train..plan.parts.len()).enumerate().filter_map(fold).collect()
}

fn median(mut values: Vec<Decimal>) -> Option<Decimal> {
    values.sort_unstable();
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().saturating_sub(1) / 2)?;
    let mean = lower.saturating_add(upper).checked_div(Decimal::TWO)?;
    Some(mean.round_dp(SHARE).normalize())
}

/// The rank correlation of train and test: that of Pearson over ranks, where equal values share the
/// mean of their ranks (Spearman 1904).
fn agreement(rank: Rank, points: &[RankedPoint]) -> Option<Decimal> {
    let both = points.iter().filter_map(|it| Some((rank.of(&it.train)?, rank.of(&it.test)?)));
    let (train, test): (Vec<Decimal>, Vec<Decimal>) = both.unzip();
    if train.len() < POINTS {
        return None;
    }
    let (train, test) = (ranks(&train), ranks(&test));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let spread = (product(&train, &train) * product(&test, &test)).sqrt();
    let value = (spread > 0.0).then(|| product(&train, &test) / spread)?;
    Decimal::try_from(value).ok().map(|value| value.round_dp(RATIO).normalize())
}

/// The ranks of the values, less their mean.
fn ranks(values: &[Decimal]) -> Vec<f64> {
    let number = |number: usize| float(Decimal::from(number));
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let middle = (number(values.len()) - 1.0) / 2.0;
    let rank = |value: &Decimal| {
        let below = sorted.partition_point(|other| other < value);
        let through = sorted.partition_point(|other| other <= value);
        (number(below) + number(through) - 1.0) / 2.0 - middle
    };
    values.iter().map(rank).collect()
}

/// Why the evidence may be thin.
fn warnings(view: &SweepView, rank: Rank) -> Vec<String> {
    let mut found = Vec::new();
    let value = |figures: &Figures| rank.of(figures);
    let Some(best) = view.points.first().filter(|it| value(&it.test).is_some()) else {
        return vec!["no point traded in the test parts".to_owned()];
    };
    let trades = best.test.trades;
    if trades < TRADES {
        let text = format!(
            "the best point has {} in the test parts: fewer than {TRADES} say little",
            count(trades, "trade")
        );
        found.push(text);
    }
    let own = value(&best.test).unwrap_or_default().saturating_sub(rank.neutral());
    let near = best.neighbours.map(|near| near.saturating_sub(rank.neutral()));
    if let Some(near) = near.filter(|near| own > Decimal::ZERO && *near + *near < own) {
        let near = plain(near.saturating_add(rank.neutral()));
        found.push(format!(
            "the best point stands alone: the median {} of its neighbours is {near}",
            rank.name()
        ));
    }
    for (axis, place) in view.plan.axes.iter().zip(view.plan.places(best.point)) {
        if axis.values.len() > 2 && (place == 0 || place + 1 == axis.values.len()) {
            found.push(format!(
                "the best {} is {}, an end of its range: try values beyond it",
                axis.key, axis.values[place]
            ));
        }
    }
    let all: Vec<Decimal> = view.points.iter().filter_map(|it| value(&it.test)).collect();
    if let Some(agreement) = view.walk_forward.agreement.filter(|it| *it < AGREEMENT) {
        found.push(format!(
            "the train parts say little about the test parts: their ranks correlate by {}",
            plain(agreement)
        ));
    }
    let chosen = value(&view.walk_forward.figures);
    if let (Some(chosen), Some(median)) = (chosen, median(all.clone()))
        && chosen < median
        && all.len() >= POINTS
    {
        found.push(format!(
            "the chosen points reached {} {} in the test parts, less than the median point with {}",
            rank.name(),
            plain(chosen),
            plain(median)
        ));
    }
    if view.refused > 0 {
        let why = view.refusal.clone().unwrap_or_default();
        let points = thousands(view.refused);
        found.push(format!("points with an invalid configuration: {points}, like: {why}"));
    }
    found
}
