//! Every metric there is: its name, how it moves, what it counts, its labels and their values as
//! far as they are known beforehand. A new one is a row here, and a line where its value is taken.
//!
//! Names are written out; base units only. `symbol` is a label of two gauges and of nothing else.

mod actors;
mod process;
mod trading;

use actors::ACTORS;
use process::{API, PROCESS, STORE};
use trading::{ACCOUNT, MARKET, ORDERS};

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is spread over these upper bounds, in parts of `meter::ONE`.
    Histogram(&'static [i64]),
}

impl Kind {
    /// As Prometheus calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        }
    }
}

/// A label.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values, all of them; none: they are known when it runs.
    pub values: &'static [&'static str],
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What it is counted in.
    pub unit: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [Label],
}

/// Every metric there is.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    SECTIONS.iter().flat_map(|(_, rows)| *rows)
}

/// The table, by what it is about.
pub const SECTIONS: &[(&str, &[Row])] = &[
    ("Process", PROCESS),
    ("Actors and supervision", ACTORS),
    ("Market data", MARKET),
    ("Decisions and orders", ORDERS),
    ("Account and risk", ACCOUNT),
    ("Store", STORE),
    ("Configuration and API", API),
];

const C: Kind = Kind::Counter;
const G: Kind = Kind::Gauge;

const fn row(name: &'static str, kind: Kind, unit: &'static str, help: &'static str) -> Row {
    Row { name, kind, unit, help, labels: &[] }
}

const fn by(labels: &'static [Label], row: Row) -> Row {
    Row { labels, ..row }
}

/// A label whose values are known when it runs.
const fn open(name: &'static str) -> Label {
    Label { name, values: &[] }
}

const fn of(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values }
}

/// The steps of a start, as the metric says them: their names with `_`.
pub const STEPS: &[&str] = &[
    "open_the_journal",
    "open_the_history",
    "find_the_exchange",
    "read_the_journal",
    "ask_the_venue",
    "start_the_actors",
    "reconcile",
    "ready",
    "catch_up",
];

/// What is asked of a signal before it becomes an order: the codes of refusals.
pub const RULES: &[&str] = &[
    "all",
    "already-long",
    "barred",
    "cash",
    "exits-only",
    "gone",
    "halted",
    "instrument",
    "leaving",
    "live-cap",
    "max-positions",
    "not-listed",
    "not-reconciled",
    "nothing-to-sell",
    "odd-bar",
    "other",
    "pending",
    "stale",
    "too-small",
    "venue-halted",
];

/// Who wants a reload, as [`Trigger`](crate::operations::Trigger) names them.
pub const TRIGGERS: &[&str] = &["signal", "file", "api"];

/// Levels of the log.
pub const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// Why the API refuses a request, as responses and metrics name it.
pub const REFUSALS: &[&str] = &[
    "wrong-host",
    "no-token",
    "wrong-token",
    "too-large",
    "too-slow",
    "busy",
    "malformed",
    "bad-body",
    "bad-query",
    "no-such-path",
    "wrong-method",
];

/// What reloads come to, as [`ReloadResult`](crate::operations::ReloadResult) names it.
pub const RESULTS: &[&str] =
    &["applied", "unchanged", "invalid", "rejected", "rolled_back", "rollback_failed"];

/// Why nothing new is begun.
pub const HALTS: &[&str] = &["operator", "limit", "conflict", "stage", "branch"];

const PPM: i64 = 1_000;
/// Upper bounds of slippage, a share of the price: -0.02 to 0.02.
pub const SLIPPAGE: &[i64] = &[
    -20_000 * PPM,
    -10_000 * PPM,
    -5_000 * PPM,
    -2_000 * PPM,
    -1_000 * PPM,
    -500 * PPM,
    -200 * PPM,
    -100 * PPM,
    0,
    100 * PPM,
    200 * PPM,
    500 * PPM,
    1_000 * PPM,
    2_000 * PPM,
    5_000 * PPM,
    10_000 * PPM,
    20_000 * PPM,
];

/// Upper bounds of an answer over HTTP and of late timers: 1 ms to 10 s.
pub const HTTP: &[i64] = &[
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];
