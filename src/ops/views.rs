//! The public shapes: what `--json` prints is what the API answers. Decimals are strings without
//! trailing zeros, times UTC milliseconds, absent values `null`.

pub use crate::history::records::{EquityView, FillView, OrderView, PositionView, TradeView};

use super::config::ConfigErrors;
use crate::domain::fact::{BreakerLevel, Conflict};
use crate::domain::id::{ClientOrderId, Symbol};
use crate::domain::market::Bar;
use crate::domain::money::Decimal;
use crate::domain::order::Side;
use crate::domain::quarantine::Quarantine;
use crate::domain::time::UtcMs;
use serde::{Deserialize, Serialize};

/// What the daemon is doing, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// On its way to trading: not yet compared with the venue in this life.
    #[default]
    Starting,
    /// Compared, and trading may go on within the breaker's level.
    Trading,
    /// Compared, and something cannot be explained: an operator must decide.
    Refused,
    /// No process is running.
    Stopped,
}

impl State {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Trading => "trading",
            State::Refused => "refused",
            State::Stopped => "stopped",
        }
    }
}

/// One screen about the daemon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusView {
    /// Version of the program that answers.
    pub version: String,
    /// What it is doing.
    pub state: State,
    /// Whether everything needed for trading is there.
    pub ready: bool,
    /// What is missing or wrong, one sentence each.
    pub problems: Vec<String>,
    /// Folder of everything that is kept.
    pub data_dir: String,
    /// Process id; none where no process is running.
    pub pid: Option<u32>,
    /// Wall time since its start, milliseconds.
    pub uptime_ms: Option<u64>,
    /// Where orders go, and in which state the connection is.
    pub venue: String,
    /// How fast simulated time passes; none at a real venue.
    pub pace: Option<String>,
    /// Number of the process life.
    pub life: u64,
    /// Identity of the installation.
    pub installation: String,
    /// Part of every client order id.
    pub epoch: u64,
    /// Generation of the configuration in force.
    pub config_generation: u64,
    /// Number of the newest input.
    pub head: u64,
    /// Closes seen.
    pub closes: u64,
    /// The newest close.
    pub close_time: Option<UtcMs>,
    /// Symbols in the newest close, missing ones included.
    pub symbols: u64,
    /// Level of the breaker.
    pub breaker: BreakerLevel,
    /// Why it is not at normal.
    pub breaker_reasons: Vec<String>,
    /// Symbols of which nothing is bought, by name.
    pub barred: Vec<Symbol>,
    /// Differences with the venue that nothing explains.
    pub conflicts: Vec<Conflict>,
    /// All orders.
    pub orders: u64,
    /// Orders that are not final.
    pub open_orders: u64,
    /// Orders of unknown fate.
    pub unknown_orders: u64,
    /// All fills.
    pub fills: u64,
    /// Symbols held.
    pub positions: u64,
    /// Value of the account after the newest close.
    pub equity: Option<Decimal>,
    /// Cash after the newest close.
    pub cash: Option<Decimal>,
    /// Profit locked in since the beginning, quote units.
    pub realized_pnl: Decimal,
    /// Actors restarted in this life.
    pub restarts: u64,
    /// Steps of the start.
    pub steps: Vec<StepView>,
}

/// An input set aside because a stage failed at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineView {
    /// Its number, for `retry` and `drop`.
    pub id: u64,
    /// What was set aside.
    #[serde(flatten)]
    pub quarantine: Quarantine,
    /// The same in words.
    pub text: String,
}

impl QuarantineView {
    /// Of one quarantine.
    #[must_use]
    pub fn of(id: u64, quarantine: &Quarantine) -> QuarantineView {
        QuarantineView { id, quarantine: quarantine.clone(), text: quarantine.words() }
    }
}

/// One step of a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    /// What was done.
    pub name: String,
    /// How long it took, microseconds.
    pub took_us: u64,
    /// What was found.
    pub detail: String,
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It led to an order.
    Approved,
    /// It may not be traded.
    Declined,
    /// Nothing was said about it yet.
    Pending,
}

/// A strategy's wish and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalView {
    /// Key of the fact, for `explain`.
    pub key: String,
    /// End of the bar it was decided on, UTC milliseconds.
    pub time: UtcMs,
    /// Who wished.
    pub strategy: String,
    /// For what.
    pub symbol: Symbol,
    /// Buy enters, sell leaves.
    pub side: Side,
    /// 0 to 1.
    pub confidence: Decimal,
    /// Closing price it was decided on.
    pub price: Decimal,
    /// Why, in words.
    pub reason: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was declined, in words.
    pub declined: Option<String>,
    /// The order it led to.
    pub client_order_id: Option<ClientOrderId>,
}

/// The story of an order, a fill or a fact, from its causes to its effects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainView {
    /// What was asked for.
    pub id: String,
    /// The story in one sentence.
    pub title: String,
    /// The facts, in their order.
    pub steps: Vec<ExplainStep>,
}

/// One fact of a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainStep {
    /// Key of the fact.
    pub key: String,
    /// Keys of the facts it follows from, besides its input.
    pub because: Vec<String>,
    /// Kind of the fact.
    pub kind: String,
    /// Event time, UTC milliseconds.
    pub time: UtcMs,
    /// 0 for what came from outside, 1 for what follows from it.
    pub depth: u8,
    /// What happened, in words.
    pub text: String,
}

/// One condition of being ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// What is known about it.
    pub detail: String,
}

/// What `verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyView {
    /// Inputs gone through.
    pub inputs: u64,
    /// Derived facts compared.
    pub facts: u64,
    /// Facts that are not what their inputs imply; empty: all are.
    pub problems: Vec<ProblemView>,
}

/// A derived fact that is not what its inputs imply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemView {
    /// Key of the fact.
    pub key: String,
    /// Its kind.
    pub kind: String,
    /// What is in the journal and what should be.
    pub text: String,
}

/// In which state a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// All of it was read.
    Good,
    /// There is none.
    Absent,
    /// A process uses it.
    Held,
    /// It is damaged, newer, or not ours.
    Bad,
}

impl FileState {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FileState::Good => "good",
            FileState::Absent => "absent",
            FileState::Held => "held",
            FileState::Bad => "bad",
        }
    }
}

/// One file of a data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// Its path.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// In which state it is.
    pub state: FileState,
    /// What is in it, or what is wrong.
    pub detail: String,
}

/// One closed bar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarView {
    /// When it opened, UTC milliseconds.
    pub open_time: UtcMs,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Base units.
    pub volume: Decimal,
}

impl BarView {
    /// Of a bar.
    #[must_use]
    pub fn of(bar: &Bar) -> BarView {
        BarView {
            open_time: bar.open_time,
            open: bar.open.decimal().normalize(),
            high: bar.high.decimal().normalize(),
            low: bar.low.decimal().normalize(),
            close: bar.close.decimal().normalize(),
            volume: bar.volume.normalize(),
        }
    }
}

/// One value of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueView {
    /// Levels joined by dots.
    pub key: String,
    /// What is in force.
    pub value: serde_json::Value,
    /// What it is where nobody sets it.
    pub default: serde_json::Value,
    /// Where it was set: file with line and column, variable, or flag; `default`: nowhere.
    pub origin: String,
}

impl ValueView {
    /// Whether somebody set it.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.origin != ValueView::DEFAULT
    }

    /// Origin of a value nobody set.
    pub const DEFAULT: &str = "default";
}

/// A value of the configuration as it was set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetView {
    /// The value.
    pub value: serde_json::Value,
    /// Where it was set.
    pub origin: String,
}

/// A key that has one value in the running daemon and another if it started now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DifferenceView {
    /// Levels joined by dots.
    pub key: String,
    /// What the running daemon has; `null`: no such key.
    pub running: Option<SetView>,
    /// What it would have; `null`: no such key.
    pub now: Option<SetView>,
}

/// What a check of the configuration found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedView {
    /// Whether a start would take it.
    pub valid: bool,
    /// Everything that is wrong.
    pub errors: ConfigErrors,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLevelView {
    /// A level, or levels by target, like `warn,everwarm=debug`.
    pub filter: String,
}

/// The program that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl VersionView {
    /// Of this program.
    #[must_use]
    pub fn this() -> VersionView {
        VersionView { name: "everwarm".into(), version: env!("CARGO_PKG_VERSION").into() }
    }
}
