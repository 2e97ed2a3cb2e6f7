//! The public shapes: `--json` prints the JSON of the API's response. Decimals are strings without
//! trailing zeros, times UTC milliseconds, absent values `null`.
//!
//! Over 500 lines: the shapes of the API, documented member by member.

mod calibration;
mod funnel;
mod lots;
mod owed;
mod proof;
mod ready;
mod reconciled;
mod trades;

pub use super::features::IndicatorsView;
pub use super::health::views::{
    ApartView, DeliveryView, FindingView, HealthView, RepeatedDayView, SampledHistoryView, Severity,
};
pub use super::operations::{
    NamedView, ReasonView, ReloadCountView, ReloadResult, ReloadView, ReloadsView, SafeView,
    SessionView, SwitchRequest, SwitchedView, SwitchesView, Trigger,
};
pub use calibration::{CalibratedView, CalibrationView, ProposedKeyView};
pub use everwarm_history::records::{EquityView, FillView, OrderView, PositionView, TradeView};
pub use funnel::{ClosedTradesView, FunnelView, OwedStepsView, StepsView, StrategyFunnelView};
pub use lots::LotView;
pub use owed::{OwedState, OwedView};
pub use proof::{
    ChaosView, CheckpointState, CheckpointView, DecidedView, InjectedFaultsView, OtherVersionView,
    ProblemView, RemovedView, ReplayView, ReplayedStageView, UnequalView, VerifyView,
};
pub use ready::{CheckView, ReadyView};
pub use reconciled::{ExternalSaleView, OpenView};
pub use trades::{VerifiedTradeView, VerifyTradesView};

use crate::coverage::CoverageView;
use everwarm_domain::fact::{Accept, BreakerLevel, Conflict, Standing};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::quarantine::Quarantine;
use everwarm_domain::time::UtcMs;
use everwarm_trading::universe::Row;
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// State of the daemon, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Starting: the account was not compared in this run yet.
    #[default]
    Starting,
    /// Compared; it trades within the level of the breaker.
    Trading,
    /// Compared; something is unexplained, and an operator must decide.
    Refused,
    /// No process is running.
    Stopped,
}

impl State {
    /// Its name, as in JSON.
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

/// State of the daemon on one screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StatusView {
    /// Version of the program that responds.
    pub version: String,
    /// Its state.
    pub state: State,
    /// Whether it is ready to trade.
    pub ready: bool,
    /// Each missing condition or problem, one sentence each.
    pub problems: Vec<String>,
    /// The data directory.
    pub data_dir: String,
    /// Process id; none if no process runs.
    pub pid: Option<u32>,
    /// Wall time since the start of the process, milliseconds.
    pub uptime_ms: Option<u64>,
    /// Where orders go, and the state of the connection.
    pub venue: String,
    /// Environment of the venue: `live`, `testnet` or `demo`; none if it is simulated.
    pub environment: Option<String>,
    /// Pace of simulated time; none at a real venue.
    pub pace: Option<String>,
    /// Share of the venue's request budget that is used in this minute, percent; none if no process
    /// runs.
    #[serde(default)]
    pub budget_used_percent: Option<u64>,
    /// The confirmation of real money, if there is one.
    pub live: Option<LiveView>,
    /// Number of the run.
    pub life: u64,
    /// Name of the installation.
    pub installation: String,
    /// Part of every client order id.
    pub epoch: u64,
    /// Generation of the configuration in force.
    pub config_generation: u64,
    /// Number of the newest input.
    pub head: u64,
    /// Facts after this answer that are not durable yet: a kill of the process loses them. None if
    /// no process runs: all are durable.
    pub unsynced: Option<u64>,
    /// Number of closes.
    pub closes: u64,
    /// The newest close.
    pub close_time: Option<UtcMs>,
    /// Symbols in the newest close, missing ones included.
    pub symbols: u64,
    /// Level of the breaker.
    #[schema(value_type = shapes::BreakerLevel)]
    pub breaker: BreakerLevel,
    /// Why the level is not normal.
    pub breaker_reasons: Vec<String>,
    /// Symbols without entries, by name.
    #[schema(value_type = Vec<shapes::Symbol>)]
    pub barred: Vec<Symbol>,
    /// The limits of symbols and strategies, why and until when, one sentence each.
    pub entry_limits: Vec<String>,
    /// Differences with the venue that no record explains.
    #[schema(value_type = Vec<shapes::Conflict>)]
    pub conflicts: Vec<Conflict>,
    /// Surplus of the account beyond the books, by asset: never traded.
    pub foreign: Vec<(String, Decimal)>,
    /// Open orders of others at the last comparison: never touched.
    pub foreign_orders: u64,
    /// Number of orders.
    pub orders: u64,
    /// Number of orders that are not final.
    pub open_orders: u64,
    /// Number of orders with unknown status. If no process runs, it includes those that were sent
    /// and have no response, as the next start finds them.
    pub unknown_orders: u64,
    /// Number of fills.
    pub fills: u64,
    /// Number of symbols with a quantity that can be sold.
    pub positions: u64,
    /// Equity after the newest close.
    pub equity: Option<Decimal>,
    /// Cash after the newest close.
    pub cash: Option<Decimal>,
    /// Realised profit since the beginning, quote units.
    pub realized_pnl: Decimal,
    /// Change of the equity by adjustments: neither profit nor loss.
    pub adjusted: Decimal,
    /// Actors that restarted in this run.
    pub restarts: u64,
    /// Strategies and branches that are off, and who turned them off; one sentence each.
    pub off: Vec<String>,
    /// The reason that blocks trading, an operator's first; none: nothing blocks it.
    pub held: Option<String>,
    /// Steps of the start.
    pub steps: Vec<StepView>,
    /// Owed exits: decided, and not sold. Oldest first.
    pub owed: Vec<OwedView>,
    /// Which series have the bars that their features need.
    pub history: CoverageView,
}

impl StatusView {
    /// The state in a few words, the most important first.
    #[must_use]
    pub fn headline(&self) -> String {
        let held = self.held.as_deref();
        let also = held.map_or(String::new(), |held| format!(", {held}"));
        match (self.state, self.ready) {
            (State::Stopped, _) => format!("{}{also}", self.state.name()),
            (State::Starting, _) => format!("{}, not ready{also}", self.state.name()),
            (State::Refused, _) => held.map_or("refused, not ready".to_owned(), str::to_owned),
            (State::Trading, true) => held.map_or("trading, ready".to_owned(), str::to_owned),
            (State::Trading, false) => held
                .map_or("not ready, trading waits".to_owned(), |held| format!("{held}, not ready")),
        }
    }
}

/// A listed symbol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SymbolView {
    /// Its name.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Its state.
    #[schema(value_type = shapes::Standing)]
    pub state: Standing,
    /// Whether it is wanted for trading.
    pub wanted: bool,
    /// Why, in words.
    pub why: String,
    /// Start of this state; none: before the first close.
    pub since: Option<UtcMs>,
    /// End of its newest bar in a close.
    pub newest_bar: Option<UtcMs>,
    /// Quantity that can be sold; none: there is none.
    pub held: Option<Decimal>,
}

impl SymbolView {
    /// View of one symbol.
    #[must_use]
    pub fn of(row: &Row, held: Option<Decimal>) -> SymbolView {
        let Row { listed, since, newest, .. } = row;
        SymbolView {
            symbol: listed.symbol,
            state: listed.standing(),
            wanted: listed.wanted,
            why: super::stored_texts::shown(&listed.why),
            since: Some(*since).filter(|time| *time > 0),
            newest_bar: *newest,
            held: held.map(|held| held.normalize()),
        }
    }
}

/// Result of a change of the listed symbols.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SymbolsChangeView {
    /// The result in words.
    pub text: String,
}

/// Result of clearing a wait that the venue requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClearedView {
    /// The result in words.
    pub text: String,
}

impl ClearedView {
    /// The result; `waited`: whether there was such a wait.
    #[must_use]
    pub fn of(waited: bool) -> ClearedView {
        let text = if waited {
            "the wait is ended; the next request shows whether the venue agrees"
        } else {
            "there is no wait to end"
        };
        ClearedView { text: text.to_owned() }
    }
}

/// The account of a key, as the venue reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// The venue's number of the account.
    pub account: String,
    /// Whether the venue lets the account trade.
    pub can_trade: bool,
    /// Balance of the quote asset, free and held by orders.
    pub quote: Decimal,
}

/// The last confirmation of trading with real money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveView {
    /// The venue's number of the account.
    pub account: String,
    /// Largest quote amount of one entry.
    pub per_order: Decimal,
    /// Largest quote amount of all entries of a UTC day.
    pub per_day: Decimal,
}

/// An input that was quarantined because a stage failed at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantineView {
    /// Its number, for `retry` and `drop`.
    pub id: u64,
    /// The quarantined input and its stage.
    #[serde(flatten)]
    #[schema(value_type = shapes::Quarantine)]
    pub quarantine: Quarantine,
    /// Description in words.
    pub text: String,
}

impl QuarantineView {
    /// View of one quarantine.
    #[must_use]
    pub fn of(id: u64, quarantine: &Quarantine) -> QuarantineView {
        QuarantineView { id, quarantine: quarantine.clone(), text: quarantine.words() }
    }
}

/// The account compared with the books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReconcileView {
    /// Venue time of the last comparison; none: there was none yet.
    pub time: Option<UtcMs>,
    /// Number of the run that compared.
    pub life: u64,
    /// Every asset of the account or the books, by name.
    pub balances: Vec<BalanceView>,
    /// Orders that are open at the venue or not final in the books, by id.
    pub orders: Vec<OpenView>,
    /// Unexplained differences; empty: entries may continue.
    pub conflicts: Vec<ConflictView>,
    /// Conflicts that operators resolved, oldest first.
    pub resolved: Vec<ResolvedView>,
    /// What was adopted after `time`, oldest first: `balances` count it as ours.
    #[serde(default)]
    pub adopted: Vec<AdoptedView>,
    /// Sales of external orders that are part of a conflict, oldest first.
    #[serde(default)]
    pub sales: Vec<ExternalSaleView>,
}

/// One asset on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BalanceView {
    /// Its name.
    pub asset: String,
    /// Quantity in the books.
    pub ours: Decimal,
    /// Surplus beyond the books, never traded.
    pub foreign: Decimal,
    /// Quantity that may be missing because an operator accepted the side of the books.
    pub set_aside: Decimal,
    /// Quantity at the venue at the comparison, free and locked.
    pub theirs: Decimal,
    /// Quantity at the venue less ours and the surplus, as of now. It includes trades after the
    /// comparison.
    pub difference: Decimal,
}

/// An unexplained difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictView {
    /// For `resolve`; it changes when either side changes.
    pub id: String,
    /// Both sides.
    #[serde(flatten)]
    #[schema(value_type = shapes::Conflict)]
    pub conflict: Conflict,
}

impl ConflictView {
    /// View of one conflict.
    #[must_use]
    pub fn of(conflict: &Conflict) -> ConflictView {
        ConflictView { id: conflict.id(), conflict: conflict.clone() }
    }
}

/// An operator's resolution of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedView {
    /// The conflict.
    #[serde(flatten)]
    pub conflict: ConflictView,
    /// The accepted side.
    #[schema(value_type = shapes::Accept)]
    pub accept: Accept,
    /// The operator's reason.
    pub reason: String,
}

/// The body of `resolve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveView {
    /// The accepted side.
    #[schema(value_type = shapes::Accept)]
    pub accept: Accept,
    /// The reason, 1 to 500 characters; kept in the journal.
    #[schema(min_length = 1, max_length = 500, pattern = "\\S")]
    pub reason: String,
}

/// A surplus to take into the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptView {
    /// The asset.
    pub asset: String,
    /// The quantity, above 0; none: all of it.
    #[serde(default)]
    #[schema(
        value_type = Option<String>,
        pattern = "^[0-9]{0,8}[1-9][0-9]{0,8}(\\.[0-9]{1,8})?$|^[0-9]{1,18}\\.[0-9]{0,7}[1-9]$"
    )]
    pub quantity: Option<Decimal>,
    /// The reason, 1 to 500 characters; kept in the journal.
    #[schema(min_length = 1, max_length = 500, pattern = "\\S")]
    pub reason: String,
}

/// A surplus that was taken into the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdoptedView {
    /// The asset.
    pub asset: String,
    /// The quantity.
    pub quantity: Decimal,
    /// The symbol of the position that it is now; none: it is cash.
    #[schema(value_type = Option<shapes::Symbol>)]
    pub symbol: Option<Symbol>,
    /// The operator's reason.
    pub reason: String,
}

/// One step of a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// Name of the step.
    pub name: String,
    /// Duration, microseconds.
    pub took_us: u64,
    /// The result.
    pub detail: String,
}

/// Outcome of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The decision approved it: there is an order.
    Approved,
    /// The decision declined it.
    Declined,
    /// There is no decision yet.
    Pending,
}

/// A signal of a strategy and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignalView {
    /// Key of the fact, for `explain`.
    pub key: String,
    /// End of the bar it was decided on, UTC milliseconds.
    pub time: UtcMs,
    /// The strategy.
    pub strategy: String,
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// A buy opens, a sell closes.
    #[schema(value_type = shapes::Side)]
    pub side: Side,
    /// Closing price of the bar it was decided on.
    pub price: Decimal,
    /// Its confidence, from 0 to 1. Missing in signals that an earlier version stored.
    #[serde(default)]
    pub confidence: Option<Decimal>,
    /// The reason in words.
    pub reason: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// The reason of a declined signal, in words.
    pub declined: Option<String>,
    /// The order it caused.
    #[schema(value_type = Option<shapes::ClientOrderId>)]
    pub client_order_id: Option<ClientOrderId>,
}

/// Explanation of an order, a fill or a fact, from causes to effects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainView {
    /// The requested id.
    pub id: String,
    /// Summary in one sentence.
    pub title: String,
    /// The facts, in their order.
    pub steps: Vec<ExplainStep>,
}

/// One fact of an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainStep {
    /// Key of the fact.
    pub key: String,
    /// Keys of its causes, besides its input.
    pub because: Vec<String>,
    /// Kind of the fact.
    pub kind: String,
    /// Event time, UTC milliseconds.
    pub time: UtcMs,
    /// 0 for an input, 1 for a derived fact.
    pub depth: u8,
    /// Description in words.
    pub text: String,
}

/// State of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// All of it was read, without an error.
    Good,
    /// The file does not exist.
    Absent,
    /// A process uses it.
    Held,
    /// It is damaged, newer, or not from everwarm.
    Bad,
}

impl FileState {
    /// Its name, as in JSON.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileView {
    /// Its path.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its state.
    pub state: FileState,
    /// Its content, or the error.
    pub detail: String,
}

/// One closed bar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BarView {
    /// Opening time, UTC milliseconds.
    pub open_time: UtcMs,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Volume, base units.
    pub volume: Decimal,
    /// Minutes that a wide bar was made of, if known; none: it was fetched in its own width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// Whether a wide bar lacks no minute, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// Recent values of the indicators for this bar, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indicators: Option<IndicatorsView>,
}

impl BarView {
    /// View of a bar.
    #[must_use]
    pub fn of(bar: &Bar) -> BarView {
        BarView {
            open_time: bar.open_time,
            open: bar.open.decimal().normalize(),
            high: bar.high.decimal().normalize(),
            low: bar.low.decimal().normalize(),
            close: bar.close.decimal().normalize(),
            volume: bar.volume.normalize(),
            minutes: None,
            complete: None,
            indicators: None,
        }
    }
}

/// One value of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ValueView {
    /// Levels joined by dots.
    pub key: String,
    /// The value in force.
    pub value: serde_json::Value,
    /// The default value.
    pub default: serde_json::Value,
    /// Origin: file with line and column, variable, or flag; `default`: none.
    pub origin: String,
}

impl ValueView {
    /// Whether it was set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.origin != ValueView::DEFAULT
    }

    /// Origin of a default value.
    pub const DEFAULT: &str = "default";
}

/// A configured value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SetView {
    /// The value.
    pub value: serde_json::Value,
    /// Its origin.
    pub origin: String,
}

/// A key whose value would change at a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DifferenceView {
    /// Levels joined by dots.
    pub key: String,
    /// Value in the running daemon; `null`: no such key.
    pub running: Option<SetView>,
    /// Value after a restart; `null`: no such key.
    pub now: Option<SetView>,
}

/// The log filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLevelView {
    /// A level, or levels by target, like `warn,everwarm=debug`.
    pub filter: String,
    /// Seconds until the configured filter applies again, 604,800 (a week) at most. None: until the
    /// process ends or a reload changes it.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 604_800)]
    pub for_s: Option<u32>,
}

/// A change that was requested through the API with the token, done or refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// Wall time, UTC milliseconds.
    pub time: UtcMs,
    /// Who requested it: `token`, or `page` with a cookie for the token.
    pub who: String,
    /// Method and path.
    pub what: String,
    /// The body of the request.
    pub body: serde_json::Value,
    /// `done`, or the reason of the refusal.
    pub result: String,
}

/// Version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The program that responds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The source revision; none: a development build.
    #[serde(default)]
    pub revision: Option<String>,
    /// The day of that revision, or of the build; none: a development build.
    #[serde(default)]
    pub built: Option<String>,
}

impl VersionView {
    /// This program, and what it was built from where that is known.
    #[must_use]
    pub fn built(revision: Option<&str>, built: Option<&str>) -> VersionView {
        VersionView {
            name: "everwarm".into(),
            version: VERSION.into(),
            revision: revision.map(str::to_owned),
            built: built.map(str::to_owned),
        }
    }
}
