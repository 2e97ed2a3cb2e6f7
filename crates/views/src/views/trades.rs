//! The public shape of `verify-trades`.

use super::ProblemView;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Result of `verify-trades`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyTradesView {
    /// Number of executions.
    pub fills: u64,
    /// Number of facts of the books that were compared.
    pub facts: u64,
    /// Executions at the end of the journal that the ledger has not booked yet.
    pub unbooked: u64,
    /// Number of closed trades.
    pub closed: u64,
    /// Number of facts that differ from the executions. A difference that stays counts once.
    pub differing: u64,
    /// The first of them by input, 100 at most; empty: every trade agrees.
    pub problems: Vec<ProblemView>,
    /// Closed trades, newest last; 10,000 at most.
    pub trades: Vec<VerifiedTradeView>,
}

/// A trade of one strategy from flat to flat, computed from its executions alone. The profit is the
/// proceeds less the cost and the fees, plus the cost moved out and the external proceeds, less the
/// cost moved in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifiedTradeView {
    /// The owner of the lot: a strategy, or `house`.
    pub strategy: String,
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Event time of its opening, UTC milliseconds; none for lots of versions before lots.
    pub opened: Option<UtcMs>,
    /// Event time of its end, UTC milliseconds.
    pub closed: UtcMs,
    /// Quantity bought, base units.
    pub bought: Decimal,
    /// Quote units paid for it, without fees.
    pub cost: Decimal,
    /// Average price of the purchases; none without a purchase. At most 12 decimals.
    pub entry_average: Option<Decimal>,
    /// Quantity sold, base units.
    pub sold: Decimal,
    /// Quote units received for it, without fees.
    pub proceeds: Decimal,
    /// Average price of the sales; none without a sale. At most 12 decimals.
    pub exit_average: Option<Decimal>,
    /// Fees in quote units.
    pub fees: Decimal,
    /// Fees in base units.
    pub base_fees: Decimal,
    /// Fees in other assets. They are no part of the profit.
    pub other_fees: BTreeMap<String, Decimal>,
    /// Base units that moved in without a purchase: adopted, or the rest of a closed lot.
    pub moved_in: Decimal,
    /// Their cost, quote units.
    pub moved_in_cost: Decimal,
    /// Base units that moved out without a sale: written off, or moved to `house`.
    pub moved_out: Decimal,
    /// Their cost, quote units.
    pub moved_out_cost: Decimal,
    /// Proceeds of sold external holdings, quote units.
    pub external: Decimal,
    /// Realised profit, quote units.
    pub profit: Decimal,
}
