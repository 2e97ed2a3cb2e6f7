//! PURE: defines the stages, in rank order. A stage reads facts and appends facts. It uses no
//! clock, socket, file or random number.
//!
//! ```text
//!  rank  stage          module      reads                               appends
//!  ───── ────────────── ─────────── ─────────────────────────────────── ─────────────────────────
//!  100   roll-up        rollup      Close, past bars                    Rolled
//!  200   indicator      indicators  Close, Rolled, past bars            FeaturePlan,
//!                                                                       FeatureValues
//!  400…  strategies     strategy    FeatureValues; lots, orders and     Signals
//!                                   owed exits (n-1)
//!  500   breaker        risk        Close, FeatureValues, Sent,         Breaker, on change
//!                                   quarantines; orders, ledger (n-1)
//!  600   decision       decide      Close, Signals, Breaker, Account;   Approved, Declined,
//!                                   orders, ledger (n-1)                Owed, Withdrawn,
//!                                                                       CancelIntent
//!  700   order manager  orders      Approved, Withdrawn, CancelIntent,  Intent, Granted, Changed,
//!                                   Sent, reports, Account              Filled, Compared
//!  800   ledger         ledger      Close, Owed, Filled, Account,       Position, Lot, Equity,
//!                                   Compared                            Reconciled, Adjusted
//! ```
//!
//! `ConfigApplied` carries the settings, `Instruments` the rules of the venue, `Universe` the
//! listed symbols. `Started` carries the installation and epoch that order ids contain. [`specs`]
//! is the table of all stages.

pub mod calendar;
mod client_id;
pub mod closes;
pub mod decide;
mod drivers;
pub mod indicators;
mod instruments;
pub mod ledger;
pub mod lots;
pub mod orders;
pub mod reload;
pub mod risk;
pub mod rollup;
mod settings;
mod stages;
pub mod strategy;
pub mod trade_bars;
pub mod universe;

#[doc(hidden)]
pub mod testing;

#[cfg(test)]
mod loop_tests;
#[cfg(test)]
#[path = "../../../tests/shared.rs"]
mod shared;

pub use stages::{
    AnyStage, Make, STRATEGIES_MAX, StageSpec, instance, joins, specs, specs_joined, specs_of,
    stages,
};
