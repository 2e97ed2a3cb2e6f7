//! Follows orders from the intent to the last fill.
//!
//! [`lifecycle`] defines the legal changes, [`order_states`] holds the known states, and the
//! manager appends the consequences. `open_order_check` compares the orders with those open at the
//! venue. The gateway folds its own states and reads from them what to send and query.

pub mod adopted;
mod cancels;
mod finished_orders;
mod id_filter;
pub mod lifecycle;
mod manager;
mod old_states;
mod open_order_check;
mod order;
pub mod order_states;
mod saved;
pub mod venue_numbers;

pub use manager::Manager;
pub use old_states::{BookBefore, BookOfNumbers};
pub use order_states::OrderStates;
