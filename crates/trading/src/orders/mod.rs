//! Orders, from the intent to the last fill.
//!
//! [`lifecycle`] says which change may follow which, [`book`] holds what is known, the manager says
//! what follows from it, `reconcile` compares with what the venue shows. The gateway folds a book
//! of its own and reads from it what to send and what to ask.

pub mod book;
mod cancels;
mod finished_orders;
pub mod lifecycle;
mod manager;
mod old_states;
mod order;
mod reconcile;
mod saved;

pub use book::OrderBook;
pub use manager::Manager;
pub use old_states::{BookBefore, BookOfNumbers};
