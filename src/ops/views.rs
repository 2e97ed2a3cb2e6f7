//! The public shapes: what `--json` prints is what the API answers. Decimals are strings without
//! trailing zeros, times UTC milliseconds, absent values `null`.

mod lots;
mod owed;
mod proof;

pub use super::control_views::{
    NamedView, ReasonView, ReloadCountView, ReloadResult, ReloadView, ReloadsView, SafeView,
    SessionView, SwitchWord, SwitchedView, SwitchesView, Trigger,
};
pub use super::features::IndicatorsView;
pub use super::health::views::{ApartView, DeliveryView, FindingView, HealthView, Severity};
pub use crate::history::records::{EquityView, FillView, OrderView, PositionView, TradeView};
pub use lots::LotView;
pub use owed::{OwedState, OwedView};
pub use proof::{
    ChaosView, CheckpointState, CheckpointView, DecidedView, OtherVersionView, ProblemView,
    ReplayView, ReplayedStageView, StruckView, UnequalView, VerifyView,
};

use super::config::ConfigErrors;
use crate::shapes;
use everwarm_domain::fact::{Accept, BreakerLevel, Conflict, Standing};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderStatus, Side};
use everwarm_domain::quarantine::Quarantine;
use everwarm_domain::time::UtcMs;
use everwarm_trading::universe::Row;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the daemon is doing, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// Which of the venue's worlds: `live`, `testnet` or `demo`; none where it is simulated.
    pub environment: Option<String>,
    /// How fast simulated time passes; none at a real venue.
    pub pace: Option<String>,
    /// What was confirmed for real money, if anything was.
    pub live: Option<LiveView>,
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
    /// Facts behind this that are not on disk yet: a kill of the process takes them along, and what
    /// they told. None where no process is running: then all is.
    #[serde(default)]
    pub unsynced: Option<u64>,
    /// Closes seen.
    pub closes: u64,
    /// The newest close.
    pub close_time: Option<UtcMs>,
    /// Symbols in the newest close, missing ones included.
    pub symbols: u64,
    /// Level of the breaker.
    #[schema(value_type = shapes::BreakerLevel)]
    pub breaker: BreakerLevel,
    /// Why it is not at normal.
    pub breaker_reasons: Vec<String>,
    /// Symbols of which nothing is bought, by name.
    #[schema(value_type = Vec<shapes::Symbol>)]
    pub barred: Vec<Symbol>,
    /// Differences with the venue that nothing explains.
    #[schema(value_type = Vec<shapes::Conflict>)]
    pub conflicts: Vec<Conflict>,
    /// What of the account is not ours: surplus balances by asset, never traded.
    pub foreign: Vec<(String, Decimal)>,
    /// Open orders that are not ours, when the account was looked at: never touched.
    pub foreign_orders: u64,
    /// All orders.
    pub orders: u64,
    /// Orders that are not final.
    pub open_orders: u64,
    /// Orders of unknown fate. Where no process runs: also those that were announced and not
    /// answered, as the next start finds them.
    pub unknown_orders: u64,
    /// All fills.
    pub fills: u64,
    /// Symbols held of which something could be sold.
    pub positions: u64,
    /// Value of the account after the newest close.
    pub equity: Option<Decimal>,
    /// Cash after the newest close.
    pub cash: Option<Decimal>,
    /// Profit locked in since the beginning, quote units.
    pub realized_pnl: Decimal,
    /// What adjustments to the venue's word changed of the equity so far: neither profit nor loss.
    pub adjusted: Decimal,
    /// Actors restarted in this life.
    pub restarts: u64,
    /// What is turned off by itself, strategies and processes, and by whom; one sentence each.
    pub off: Vec<String>,
    /// What holds trading back, the word of an operator first; none: nothing does.
    pub held: Option<String>,
    /// Steps of the start.
    pub steps: Vec<StepView>,
    /// Exits that are owed: decided, and not done. Oldest first.
    pub owed: Vec<OwedView>,
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
    /// Which.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// How it stands.
    #[schema(value_type = shapes::Standing)]
    pub state: Standing,
    /// Whether it is to be traded.
    pub wanted: bool,
    /// Why, in words.
    pub why: String,
    /// Since when it stands so; none where that was before the first close.
    pub since: Option<UtcMs>,
    /// End of its newest bar in a close.
    pub newest_bar: Option<UtcMs>,
    /// What is held of it; none: nothing that could be sold.
    pub held: Option<Decimal>,
}

impl SymbolView {
    /// Of one.
    #[must_use]
    pub fn of(row: &Row, held: Option<Decimal>) -> SymbolView {
        let Row { listed, since, newest, .. } = row;
        SymbolView {
            symbol: listed.symbol,
            state: listed.standing(),
            wanted: listed.wanted,
            why: listed.why.clone(),
            since: Some(*since).filter(|time| *time > 0),
            newest_bar: *newest,
            held: held.map(|held| held.normalize()),
        }
    }
}

/// What became of a change of what is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SymbolsChangeView {
    /// In words.
    pub text: String,
}

/// What became of a wait that the venue asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClearedView {
    /// In words.
    pub text: String,
}

impl ClearedView {
    /// Whether there was one.
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

/// The account of a key, as the venue tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// The venue's number of it.
    pub account: String,
    /// Whether the venue lets it trade.
    pub can_trade: bool,
    /// What it has of the quote asset, free and held by orders.
    pub quote: Decimal,
}

/// Live trading, as a person confirmed it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveView {
    /// The venue's number of the account.
    pub account: String,
    /// Most quote amount of one entry.
    pub per_order: Decimal,
    /// Most quote amount of all entries of a UTC day.
    pub per_day: Decimal,
}

/// An input set aside because a stage failed at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantineView {
    /// Its number, for `retry` and `drop`.
    pub id: u64,
    /// What was set aside.
    #[serde(flatten)]
    #[schema(value_type = shapes::Quarantine)]
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

/// How the account compares with the books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReconcileView {
    /// Venue time of the last picture of the account; none: it was never looked at.
    pub time: Option<UtcMs>,
    /// Number of the process life that looked.
    pub life: u64,
    /// Every asset either side knows of, by name.
    pub balances: Vec<BalanceView>,
    /// Orders that are open at the venue in the picture, or not over in the books, by id.
    pub orders: Vec<OpenView>,
    /// What nothing explains; empty: trading may go on.
    pub conflicts: Vec<ConflictView>,
    /// What operators have said, oldest first.
    pub resolved: Vec<ResolvedView>,
    /// What was adopted behind `time`, oldest first: `balances` have it as ours.
    #[serde(default)]
    pub adopted: Vec<AdoptedView>,
}

/// One asset on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BalanceView {
    /// Its name.
    pub asset: String,
    /// What the books say is ours.
    pub ours: Decimal,
    /// What else was seen of it: surplus, never traded.
    pub foreign: Decimal,
    /// What the venue may lack because an operator said that our word counts.
    pub set_aside: Decimal,
    /// What the venue has in the picture, free and locked.
    pub theirs: Decimal,
    /// What the venue has less ours and foreign, as of now: what has been traded since the picture
    /// shows here too.
    pub difference: Decimal,
}

/// An order on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenView {
    /// Its id; the venue's name for it where it is not ours.
    #[schema(value_type = shapes::ClientOrderId)]
    pub client_order_id: ClientOrderId,
    /// What it trades.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Where it stands in the books; none: they do not know it.
    #[schema(value_type = Option<shapes::OrderStatus>)]
    pub ours: Option<OrderStatus>,
    /// Whether it is open at the venue in the picture.
    pub open: bool,
    /// Whether it is not ours: never touched.
    pub foreign: bool,
}

/// A difference that nothing explains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictView {
    /// For `resolve`; another one as soon as either side says something else.
    pub id: String,
    /// Both sides.
    #[serde(flatten)]
    #[schema(value_type = shapes::Conflict)]
    pub conflict: Conflict,
}

impl ConflictView {
    /// Of one conflict.
    #[must_use]
    pub fn of(conflict: &Conflict) -> ConflictView {
        ConflictView { id: conflict.id(), conflict: conflict.clone() }
    }
}

/// An operator's word on a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedView {
    /// The conflict.
    #[serde(flatten)]
    pub conflict: ConflictView,
    /// Whose word counts.
    #[schema(value_type = shapes::Accept)]
    pub accept: Accept,
    /// Why, in the operator's words.
    pub reason: String,
}

/// What an operator says of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveView {
    /// Whose word counts.
    #[schema(value_type = shapes::Accept)]
    pub accept: Accept,
    /// Why, in 1 to 500 characters; kept in the journal.
    #[schema(min_length = 1, max_length = 500, pattern = "\\S")]
    pub reason: String,
}

/// A surplus that an operator takes into the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdoptView {
    /// Of what.
    pub asset: String,
    /// How much, above 0; none: all of it.
    #[serde(default)]
    #[schema(
        value_type = Option<String>,
        pattern = "^[0-9]{0,8}[1-9][0-9]{0,8}(\\.[0-9]{1,8})?$|^[0-9]{1,18}\\.[0-9]{0,7}[1-9]$"
    )]
    pub quantity: Option<Decimal>,
    /// Why, in 1 to 500 characters; kept in the journal.
    #[schema(min_length = 1, max_length = 500, pattern = "\\S")]
    pub reason: String,
}

/// A surplus that was taken into the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdoptedView {
    /// Of what.
    pub asset: String,
    /// How much.
    pub quantity: Decimal,
    /// The symbol of which it is a position now; none: it is cash.
    #[schema(value_type = Option<shapes::Symbol>)]
    pub symbol: Option<Symbol>,
    /// Why, in the operator's words.
    pub reason: String,
}

/// One step of a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// What was done.
    pub name: String,
    /// How long it took, microseconds.
    pub took_us: u64,
    /// What was found.
    pub detail: String,
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignalView {
    /// Key of the fact, for `explain`.
    pub key: String,
    /// End of the bar it was decided on, UTC milliseconds.
    pub time: UtcMs,
    /// Who wished.
    pub strategy: String,
    /// For what.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Buy enters, sell leaves.
    #[schema(value_type = shapes::Side)]
    pub side: Side,
    /// Closing price it was decided on.
    pub price: Decimal,
    /// Why, in words.
    pub reason: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was declined, in words.
    pub declined: Option<String>,
    /// The order it led to.
    #[schema(value_type = Option<shapes::ClientOrderId>)]
    pub client_order_id: Option<ClientOrderId>,
}

/// The story of an order, a fill or a fact, from its causes to its effects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainView {
    /// What was asked for.
    pub id: String,
    /// The story in one sentence.
    pub title: String,
    /// The facts, in their order.
    pub steps: Vec<ExplainStep>,
}

/// One fact of a story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// Whether the daemon is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyView {
    /// Whether all conditions hold.
    pub ready: bool,
    /// Those that do not; with `verbose` all.
    pub checks: Vec<CheckView>,
}

/// One condition of being ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// What is known about it.
    pub detail: String,
}

/// In which state a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// What the indicator stage said of it, where that was lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indicators: Option<IndicatorsView>,
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
            indicators: None,
        }
    }
}

/// One value of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SetView {
    /// The value.
    pub value: serde_json::Value,
    /// Where it was set.
    pub origin: String,
}

/// A key that has one value in the running daemon and another if it started now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLevelView {
    /// A level, or levels by target, like `warn,everwarm=debug`.
    pub filter: String,
    /// Seconds for which it is, or is left, so; then it is what is configured. None: until the end
    /// of the process or the next reload that changes it. A week at most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 604_800)]
    pub for_s: Option<u32>,
}

/// A change that was asked for by the API with the token, done or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// Wall time, UTC milliseconds.
    pub time: UtcMs,
    /// Who: whoever has the token, or a page that was given a cookie for it.
    pub who: String,
    /// Method and path.
    pub what: String,
    /// What was sent.
    pub body: serde_json::Value,
    /// `done`, or why not.
    pub result: String,
}

/// The program that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The revision it was built from; none: a build for development.
    #[serde(default)]
    pub revision: Option<String>,
    /// The day of that revision, or of the build; none: a build for development.
    #[serde(default)]
    pub built: Option<String>,
}

impl VersionView {
    /// Of this program.
    #[must_use]
    pub fn this() -> VersionView {
        VersionView {
            name: "everwarm".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            revision: option_env!("BUILD_REVISION").map(str::to_owned),
            built: option_env!("BUILD_DAY").map(str::to_owned),
        }
    }
}
