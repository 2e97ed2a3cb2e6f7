//! The public shape of a sweep.

use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};

/// A configuration key with the values that are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// The key, like `strategy.sma_cross.fast`.
    pub key: String,
    /// Its values as text, in their order.
    pub values: Vec<String>,
}

/// A part of the period. Each point is played in each part, with a new account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Start of the account, UTC milliseconds.
    pub from: UtcMs,
    /// The last close, UTC milliseconds.
    pub to: UtcMs,
}

/// What is swept. Results of equal plans can be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepPlan {
    /// Version of the program: another version may decide otherwise.
    pub version: String,
    /// Digest of the bars and of the configuration without the keys of the grid, in hex.
    pub base: String,
    /// The keys of the grid. The last one changes fastest from point to point.
    pub axes: Vec<Axis>,
    /// The parts of the period, by time.
    pub parts: Vec<Part>,
    /// Parts before a test part by which a point is chosen.
    pub train: usize,
}

/// The figures of a point in one or several parts. Shares are from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Growth of the equity; of several parts, their compound growth. At most 6 decimals.
    pub growth: Decimal,
    /// Closed trades.
    pub trades: u64,
    /// Those with a profit.
    pub won: u64,
    /// Sum of the profits of winning trades, quote units.
    pub gained: Decimal,
    /// Sum of the losses of losing trades, quote units, not negative.
    pub lost: Decimal,
    /// Maximum drawdown within a part. At most 6 decimals.
    pub drawdown: Decimal,
    /// Sharpe ratio; of several parts, the mean of those that have one. At most 4 decimals.
    pub sharpe: Option<Decimal>,
}

/// The results of a point of the grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its figures in each part, by time.
    Played(Vec<Figures>),
    /// The configuration with these values is invalid. Why.
    Refused(String),
}

/// A point of the grid that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointResult {
    /// Its number, from 0.
    pub point: u64,
    /// What it reached.
    pub outcome: Outcome,
}

/// Result of `sweep`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepView {
    /// What was swept.
    pub plan: SweepPlan,
    /// The figure by which points are chosen and ranked.
    pub rank: String,
    /// Number of points that were played.
    pub played: u64,
    /// Number of points with an invalid configuration.
    pub refused: u64,
    /// Why the first of them is invalid.
    pub refusal: Option<String>,
    /// What choosing by the train parts would have given in the test parts.
    pub walk_forward: WalkForward,
    /// The played points, the best in the test parts first.
    pub points: Vec<RankedPoint>,
    /// Why the evidence may be thin.
    pub warnings: Vec<String>,
}

/// The result of choosing the best point of the parts before, for each test part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalkForward {
    /// Each choice, by time. A test part lacks one if no point traded in its train parts.
    pub folds: Vec<Fold>,
    /// The figures of all test parts together.
    pub figures: Figures,
    /// Rank correlation (Spearman) of train and test over all points, from -1 to 1: how well the
    /// first predicts the second. None below five points, or if all are equal. At most 4 decimals.
    pub agreement: Option<Decimal>,
}

/// One choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// The part in which the point was tested.
    pub test: Part,
    /// The chosen point.
    pub point: u64,
    /// Its values, in the order of the axes.
    pub values: Vec<String>,
    /// Its figures in the train parts.
    pub train: Figures,
    /// Its figures in the test part.
    pub result: Figures,
}

/// A point with its place in the ranking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RankedPoint {
    /// Its number.
    pub point: u64,
    /// Its values, in the order of the axes.
    pub values: Vec<String>,
    /// Its figures in the parts before the first test part.
    pub train: Figures,
    /// Its figures in all test parts.
    pub test: Figures,
    /// The median of the ranked figure over the neighbours in the test parts. A neighbour differs
    /// in one key, by one step. None without a neighbour that has the figure.
    pub neighbours: Option<Decimal>,
}
