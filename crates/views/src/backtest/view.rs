//! The public shape of a backtest.

use crate::summary::{Gap, Point};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Result of `backtest`. Amounts are in quote units; shares are from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BacktestView {
    /// Start of the account, UTC milliseconds.
    pub from: UtcMs,
    /// The last close, UTC milliseconds.
    pub to: UtcMs,
    /// Number of closes.
    pub closes: u64,
    /// Number of bars in them.
    pub bars: u64,
    /// The account.
    pub account: AccountResult,
    /// All closed trades.
    pub all: TradeResult,
    /// The closed trades of each strategy, by name.
    pub strategies: Vec<NamedResult>,
    /// The closed trades of each symbol, by name.
    pub symbols: Vec<NamedResult>,
    /// The closed trades by the regime of their symbol at the entry, by name.
    pub regimes: Vec<NamedResult>,
    /// The orders.
    pub orders: OrderResult,
    /// How complete the bars are.
    pub data: DataResult,
    /// Equity after closes, by time, thinned for a chart.
    pub equity: Vec<Point>,
    /// Closed trades, by their end.
    pub trades: Vec<BacktestTradeView>,
    /// What a daemon did over the same closes, if they are those of its journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<DaemonResult>,
}

/// What a daemon did, beside what was played over its closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DaemonResult {
    /// Its result.
    Traded(Box<BacktestView>),
    /// It has no result, because its ledger differs from its executions: where.
    Differs(String),
}

/// What the account did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountResult {
    /// Equity after the first close.
    pub equity_before: Decimal,
    /// Equity after the last close. Open lots count at their closing price.
    pub equity_after: Decimal,
    /// Equity after less equity before.
    pub profit: Decimal,
    /// The profit as a share of the equity before. At most 6 decimals.
    pub growth: Decimal,
    /// Growth per year of 365.25 days; none below one day. At most 6 decimals.
    pub growth_per_year: Option<Decimal>,
    /// Mean price change of all symbols, from the first to the last close of each: what equal
    /// amounts of each would have gained without fees. At most 6 decimals.
    pub buy_and_hold: Option<Decimal>,
    /// Maximum drawdown from the highest equity. At most 6 decimals.
    pub drawdown: Decimal,
    /// Mean of the daily returns divided by their deviation, times the root of 365; none below two
    /// whole days, or without any deviation. At most 4 decimals.
    pub sharpe: Option<Decimal>,
    /// The same with the deviation of losses alone; none also without a losing day.
    pub sortino: Option<Decimal>,
    /// Share of the closes at which a strategy held something. At most 6 decimals.
    pub exposure: Decimal,
    /// Fees by asset, in units of it.
    pub fees: BTreeMap<String, Decimal>,
    /// Lots that are still open.
    pub open_lots: u64,
}

/// Figures of closed trades.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeResult {
    /// Number of trades.
    pub trades: u64,
    /// Those with a profit.
    pub won: u64,
    /// Their share; none without trades. At most 6 decimals.
    pub win_rate: Option<Decimal>,
    /// Sum of the profits, with fees.
    pub profit: Decimal,
    /// Mean profit of a trade; none without trades. At most 6 decimals.
    pub expectancy: Option<Decimal>,
    /// Gains divided by losses; none without losses. At most 6 decimals.
    pub profit_factor: Option<Decimal>,
    /// The largest profit.
    pub best: Decimal,
    /// The smallest profit.
    pub worst: Decimal,
    /// Mean minutes from opening to end; none without trades.
    pub mean_minutes: Option<i64>,
}

/// The closed trades of a strategy or symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedResult {
    /// Its name.
    pub name: String,
    /// Its figures.
    pub result: TradeResult,
}

/// From signals to executions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderResult {
    /// Signals of strategies.
    pub signals: u64,
    /// Declined signals, by the code of the reason.
    pub declined: BTreeMap<String, u64>,
    /// Orders, with stop and target orders.
    pub orders: u64,
    /// Orders that the exchange rejected.
    pub rejected: u64,
    /// Executions.
    pub fills: u64,
}

/// How complete the bars are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataResult {
    /// Missing bars, by symbol; symbols without any are left out.
    pub missing: BTreeMap<String, u64>,
    /// Minutes without any bar, as gaps between two closes; the first 100.
    pub gaps: Vec<Gap>,
    /// Number of gaps.
    pub gaps_all: u64,
    /// The first close at which a strategy had all its values of some symbol; none: it never had.
    pub ready: BTreeMap<String, Option<UtcMs>>,
}

/// A closed trade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BacktestTradeView {
    /// The strategy.
    pub strategy: String,
    /// The symbol.
    pub symbol: Symbol,
    /// Event time of its opening, UTC milliseconds.
    pub opened: UtcMs,
    /// Event time of its end, UTC milliseconds.
    pub closed: UtcMs,
    /// Quantity bought, base units.
    pub quantity: Decimal,
    /// Average price of the purchases. At most 12 decimals.
    pub entry: Option<Decimal>,
    /// Average price of the sales. At most 12 decimals.
    pub exit: Option<Decimal>,
    /// Fees in quote units; fees in base units are part of the profit.
    pub fees: Decimal,
    /// Profit, with fees.
    pub profit: Decimal,
    /// Our id of the first order that bought; none: it was adopted.
    pub entry_order: Option<ClientOrderId>,
    /// Why it was bought.
    pub entry_reason: String,
    /// The regime of the symbol at the entry: `no_data`, `tight_smc`, `wide_structure` or
    /// `consolidation`; empty: it was adopted.
    pub entry_regime: String,
    /// Our id of the last order that sold; none: it was written off.
    pub exit_order: Option<ClientOrderId>,
    /// Why the last part was sold.
    pub exit_reason: String,
}
