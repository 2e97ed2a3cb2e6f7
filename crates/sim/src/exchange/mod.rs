//! The pure core of the exchange: orders, trades and balances of one account, and the tape of each
//! symbol.
//!
//! Bars become trades on one path: open, then low and high if the bar rises (close >= open), high
//! and low if it falls, then close. All four happen in the last 4 ms of the minute, so venue time
//! may pass inside a minute without moving the market. Resting limit orders fill along the path at
//! their own price. Together they get at most a seeded share of the bar's volume. Taking orders
//! execute immediately against the last trade plus slippage. Every random choice is a hash of four
//! values: the seed, the symbol, the close of the last released minute and the client's id of the
//! order. A repeat in the same minute draws the same.
//!
//! Invariants: no balance is below zero except by a withdrawal. Locked money equals the requirement
//! of open orders. Order ids and, for each symbol, trade ids count up without gaps.

pub mod depth;
pub mod draw;
pub mod fact;
pub mod filters;
mod lists;
mod live;
pub mod local;
pub mod matching;
pub mod order;
pub mod place;
pub mod request;
pub mod state;
mod turn;

pub use fact::{Advance, SimFact, Standing, TimeInForce};
pub use live::{Purse, Tape};
pub use local::Local;
pub use order::{Order, OrderList, Status, Trade};
pub use request::{
    Amount, Cancel, CancelMany, Leg, ListKind, Many, NewList, NewOrder, OrderKind, Replace, Shape,
    Stop, Target, Trigger,
};
pub use state::Exchange;

#[cfg(test)]
mod tests;
