//! The public shape of an owed exit.

use crate::sentences;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use everwarm_words::shapes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An exit that was decided and is not sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwedView {
    /// The symbol to sell.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Owner of the lot: a strategy, or `house`.
    pub strategy: String,
    /// The close of the decision, UTC milliseconds.
    pub since: UtcMs,
    /// The reason of the exit.
    pub cause: String,
    /// Quantity of the lot, base units.
    pub held: Decimal,
    /// Number of equal rejections in a row.
    pub refusals: u32,
    /// Why it is not requested now; none: it is requested.
    pub reason: Option<String>,
    /// Its state.
    pub state: OwedState,
}

/// State of an owed exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OwedState {
    /// It is requested.
    Requested,
    /// It waits until it can be requested.
    Waiting,
    /// The venue rejected three or more requests for the same reason.
    Refused,
}

impl OwedState {
    /// All states, each with its name.
    pub const ALL: [(OwedState, &'static str); 3] = [
        (OwedState::Requested, "requested"),
        (OwedState::Waiting, "waiting"),
        (OwedState::Refused, "refused"),
    ];
}

impl OwedView {
    /// Its state and reason in one sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let OwedView { symbol, strategy, held, refusals, reason, .. } = self;
        let exit = format!("{held} {symbol} of {strategy}");
        match reason {
            Some(why) => format!("{exit}: {}", sentences::owed_reason(*refusals, why)),
            None => format!("{exit}: requested"),
        }
    }
}
