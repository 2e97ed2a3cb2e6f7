//! Follows orders from the intent to the last fill.
//!
//! [`lifecycle`] defines the legal changes, [`book`] holds the known state, and the manager appends
//! the consequences. `open_order_check` compares the orders with those open at the venue. The
//! gateway folds its own book and reads from it what to send and query.

pub mod book;
mod cancels;
mod finished_orders;
pub mod lifecycle;
mod manager;
mod old_states;
mod open_order_check;
mod order;
mod saved;

pub use book::OrderBook;
pub use manager::Manager;
pub use old_states::{BookBefore, BookOfNumbers};
