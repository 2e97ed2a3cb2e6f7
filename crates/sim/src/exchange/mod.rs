//! The pure core of the exchange: one account's orders, trades and balances, and the tape of each
//! symbol.
//!
//! A bar becomes four trades: open, low, high, close if it rises (close >= open), and open, high,
//! low, close if it falls. All four happen in the last 4 ms of the minute. Thus venue time can pass
//! inside a minute while prices stay. A market that ticks has more trades, spread over the minute;
//! then an input holds those of its step. Resting limit orders fill along this path at their own
//! price.
//! Together they fill at most a seeded share of the bar's volume. Taking orders execute
//! immediately, at the last trade plus slippage and half of the spread. Every random choice is a
//! hash of the seed, the symbol, the last released minute's close and the client id. A repeat in
//! the same minute draws the same. [`PaperFills`] are assumptions that make fills worse; without
//! them, nothing differs.
//!
//! Invariants: only a withdrawal makes a balance negative. The locked balance is the amount that
//! open orders hold. Order ids, and the trade ids of each symbol, count up without gaps.

pub mod costs;
pub mod depth;
pub mod draw;
pub mod fact;
pub mod filters;
mod lists;
pub mod local;
mod lookups;
pub mod matching;
mod open_state;
pub mod order;
mod paper_fills;
pub mod place;
pub mod request;
mod splits;
pub mod state;
pub mod terms;
mod turn;

pub use fact::{Advance, SimFact, Standing, Tick, Ticks, TimeInForce};
pub use local::Local;
pub use open_state::{Purse, Tape};
pub use order::{Order, OrderList, Status, Trade};
pub use paper_fills::{PaperFills, Range};
pub use request::{
    Amount, Cancel, CancelMany, Leg, ListKind, Many, NewList, NewOrder, OrderKind, Replace, Shape,
    Stop, Target, Trigger,
};
pub use splits::Done;
pub use state::Exchange;
pub use terms::{Distance, Lifetime, Terms, Trail};

#[cfg(test)]
mod tests;
