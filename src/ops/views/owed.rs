//! Exits that are owed, as they are shown.

use crate::ops::describe;
use crate::shapes;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An exit that was decided and is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwedView {
    /// What is to be sold.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Whose lot is to be sold: a strategy's, or the `house`'s.
    pub strategy: String,
    /// The close it was decided on, UTC milliseconds.
    pub since: UtcMs,
    /// Why it was decided.
    pub cause: String,
    /// Base units of the lot.
    pub held: Decimal,
    /// Equal refusals in a row.
    pub refusals: u32,
    /// Why it is not requested now; none: its request is on its way.
    pub reason: Option<String>,
    /// Where it stands.
    pub state: OwedState,
}

/// Where an exit that is owed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OwedState {
    /// Its request is on its way.
    Requested,
    /// It waits until it can be requested.
    Waiting,
    /// Three requests or more were refused for the same reason.
    Refused,
}

impl OwedState {
    /// All of them, with their words.
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
            Some(why) => format!("{exit}: {}", describe::owed_reason(*refusals, why)),
            None => format!("{exit}: requested"),
        }
    }
}
