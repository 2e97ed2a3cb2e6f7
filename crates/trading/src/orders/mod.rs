//! Orders, from the intent to the last fill.
//!
//! [`lifecycle`] says which change may follow which, [`book`] holds what is known, the manager says
//! what follows from it, `reconcile` compares with what the venue shows. The gateway folds a book
//! of its own and reads from it what to send and what to ask.

mod before;
pub mod book;
mod cancels;
pub mod lifecycle;
mod manager;
mod order;
mod past;
mod reconcile;
mod saved;

pub use before::{BookBefore, BookOfNumbers};
pub use book::OrderBook;
pub use manager::Manager;
