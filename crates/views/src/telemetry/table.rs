//! The table of all metrics: name, kind, help, labels, and the label values that are known in
//! advance. A new metric needs a row here, and a line that sets its value.
//!
//! Names are not abbreviated; units are base units. Only two gauges have the label `symbol`.

mod actors;
mod process;
mod trading;

use actors::ACTORS;
use process::{API, PROCESS, STORE};
use trading::{ACCOUNT, MARKET, ORDERS};

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It rises and falls.
    Gauge,
    /// It counts values in buckets. The upper bounds are multiplied by `meter::ONE`.
    Histogram(&'static [i64]),
}

impl Kind {
    /// Its name in the text format of Prometheus.
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
    /// All its values; empty: they are known only at run time.
    pub values: &'static [&'static str],
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its unit.
    pub unit: &'static str,
    /// Its description.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [Label],
}

/// All rows of the table.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    SECTIONS.iter().flat_map(|(_, rows)| *rows)
}

/// The table, by topic.
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

/// A label whose values are known only at run time.
const fn open(name: &'static str) -> Label {
    Label { name, values: &[] }
}

const fn of(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values }
}

/// Label values for the steps of a start: their names with `_`.
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

/// Label values for the checks of a signal: the codes with which the decision declines it.
pub const RULES: &[&str] = &[
    "account",
    "all",
    "already-long",
    "barred",
    "bias",
    "cap-group",
    "cap-strategy",
    "cap-symbol",
    "cap-total",
    "cap-venue",
    "cash",
    "confidence",
    "driver",
    "exits-only",
    "gone",
    "halted",
    "instrument",
    "leaving",
    "live-cap",
    "market-closed",
    "max-positions",
    "no-equity",
    "no-price",
    "no-stop",
    "not-listed",
    "not-reconciled",
    "nothing-to-sell",
    "odd-bar",
    "other",
    "owed",
    "pending",
    "refused",
    "regime",
    "settling",
    "split",
    "stale",
    "stop-too-near",
    "too-small",
    "unsupported",
    "venue-halted",
];

/// Label values for the trigger of a reload, as [`Trigger`](crate::operations::Trigger) names it.
pub const TRIGGERS: &[&str] = &["signal", "file", "api"];

/// Label values for the level of a log line.
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

/// Label values for the result of a reload, as [`ReloadResult`](crate::operations::ReloadResult)
/// names it.
pub const RESULTS: &[&str] =
    &["applied", "unchanged", "invalid", "rejected", "rolled_back", "rollback_failed"];

/// Label values for the reason that blocks entries.
pub const HALTS: &[&str] = &["operator", "limit", "conflict", "stage", "branch"];

const PPM: i64 = 1_000;
/// Bucket bounds of slippage, a share of the price: -0.02 to 0.02.
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

/// Bucket bounds of HTTP response times and timer delays: 1 ms to 10 s.
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
