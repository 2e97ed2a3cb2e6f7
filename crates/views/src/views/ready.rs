//! Shapes: whether the daemon is ready.

use crate::coverage::StrategyReadyView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Readiness of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyView {
    /// Whether all conditions hold.
    pub ready: bool,
    /// Conditions that do not hold; with `verbose` all.
    pub checks: Vec<CheckView>,
    /// For how many symbols each strategy has all values.
    pub strategies: Vec<StrategyReadyView>,
}

/// One condition of readiness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// Details.
    pub detail: String,
}
