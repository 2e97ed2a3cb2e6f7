//! The public shape of `funnel`.

use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The way from signals to profit. Signals, exits and orders count at the close of their decision,
/// with everything that became of them later. Trades count at the execution that closed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FunnelView {
    /// Begin of the period, UTC milliseconds; none: the whole journal.
    pub from: Option<UtcMs>,
    /// End of the period, not included.
    pub to: Option<UtcMs>,
    /// Number of closes.
    pub closes: u64,
    /// By strategy; `house` sells what belongs to no strategy.
    pub strategies: Vec<StrategyFunnelView>,
    /// Orders decided by all of them.
    pub orders: u64,
    /// Those that failed.
    pub failed: u64,
    /// Their share, 0 to 1; none without orders. At most 6 decimals.
    pub failure_rate: Option<Decimal>,
}

/// The way from the signals of one strategy to its profit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StrategyFunnelView {
    /// The strategy.
    pub strategy: String,
    /// Entries.
    pub entries: StepsView,
    /// Exits.
    pub exits: StepsView,
    /// Orders that protect a lot or may only reduce it: they have no signal of their own.
    pub protective: StepsView,
    /// Exits that were decided.
    pub owed: OwedStepsView,
    /// Trades closed.
    pub trades: ClosedTradesView,
}

/// The steps of entries, exits or protective orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepsView {
    /// Signals.
    pub signals: u64,
    /// Declined signals, by the code of the reason.
    pub declined: BTreeMap<String, u64>,
    /// Approved orders. An exit may need several.
    pub approved: u64,
    /// Orders decided.
    pub orders: u64,
    /// Those withdrawn before they were sent.
    pub withdrawn: u64,
    /// Those sent at least once.
    pub sent: u64,
    /// Those with at least one execution.
    pub filled: u64,
    /// Executions.
    pub fills: u64,
    /// Those that ended, by their last status.
    pub ended: BTreeMap<String, u64>,
    /// Those that have not ended.
    pub open: u64,
    /// Those that failed: rejected, or expired without being sent. Own cancels and rests of orders
    /// that are filled immediately or cancelled are no failures.
    pub failed: u64,
    /// Why they failed, by reason; at most 20 reasons, then `other`.
    pub failures: BTreeMap<String, u64>,
    /// Their share of the orders decided, 0 to 1; none without orders. At most 6 decimals.
    pub failure_rate: Option<Decimal>,
    /// Approved orders as a share of signals; none without signals. At most 6 decimals. Above 1
    /// where exits needed several orders, or exit rules decided them.
    pub approved_rate: Option<Decimal>,
    /// Sent orders as a share of orders decided; none without orders.
    pub sent_rate: Option<Decimal>,
    /// Orders with an execution as a share of sent orders; none without sent orders.
    pub filled_rate: Option<Decimal>,
}

/// Exits that were decided. An exit stays owed until its lot is sold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwedStepsView {
    /// Decided.
    pub opened: u64,
    /// Those that an exit rule of a lot decided, not a signal.
    pub by_rules: u64,
    /// Ended.
    pub ended: u64,
    /// Still owed.
    pub owed: u64,
    /// Why those are not requested, by reason.
    pub waiting: BTreeMap<String, u64>,
}

/// Closed trades of a strategy, from flat to flat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosedTradesView {
    /// Their number.
    pub closed: u64,
    /// Those with a profit.
    pub won: u64,
    /// Those without.
    pub lost: u64,
    /// Their realised profit, quote units, with fees in the quote asset.
    pub realized: Decimal,
}
