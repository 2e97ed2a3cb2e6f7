//! The pure core of the exchange: one account's orders, trades and balances, and the tape of each
//! symbol.
//!
//! Bars become trades on one path: open, then low and high where the bar rises (close >= open),
//! high and low where it falls, then close. All four happen in the last 4 ms of the minute, so
//! venue time may pass inside a minute without moving the market. Resting limit orders fill along
//! the path at their own price, together at most a seeded share of the bar's volume; orders that
//! take execute at once against the last trade plus slippage. Every random choice is a hash of the
//! seed, the symbol, the close of the last released minute and the client's id of the order: a
//! repeat in the same minute draws the same.
//!
//! Invariants: no balance is below zero except by a withdrawal; what is locked is what open orders
//! hold; order ids and, per symbol, trade ids count up without gaps.

pub mod depth;
pub mod draw;
pub mod fact;
pub mod filters;
mod lists;
pub mod local;
pub mod matching;
mod open_state;
pub mod order;
pub mod place;
pub mod request;
pub mod state;
mod turn;

pub use fact::{Advance, SimFact, Standing, TimeInForce};
pub use local::Local;
pub use open_state::{Purse, Tape};
pub use order::{Order, OrderList, Status, Trade};
pub use request::{
    Amount, Cancel, CancelMany, Leg, ListKind, Many, NewList, NewOrder, OrderKind, Replace, Shape,
    Stop, Target, Trigger,
};
pub use state::Exchange;

#[cfg(test)]
mod tests;
