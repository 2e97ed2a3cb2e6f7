//! Finds structures in closed bars: swings, fair value gaps, breaks of structure, order blocks and
//! liquidity. Each structure takes one bar at a time and returns events.
//!
//! An event names the bar of the item (`index`) and the bar at whose close it became known
//! (`known`). Bars are counted from 0, the first bar that the structure took. Later bars never
//! change an event. If a later item removes an earlier one, this is another event.
//!
//! The definitions are those of the Python package smartmoneyconcepts 0.0.27. That package writes
//! a result at an earlier bar with the help of later bars. Here a result waits until these bars
//! have closed.
//!
//! The state is exact: integers, and in [`Liquidity`] the floats of an average true range. So a
//! restored structure returns the same events as one that never stopped. Memory is bounded: a
//! structure follows at most [`OPEN_MAX`] open items. One more removes the oldest, with an event.

mod breaks;
mod event;
mod gaps;
mod liquidity;
mod named;
mod order_blocks;
mod span;
mod swings;
#[cfg(test)]
mod tests;

pub use breaks::{BreakBy, Breaks};
pub(crate) use event::is_valid;
pub use event::{Event, Kind, OPEN_MAX, Place, Side, Structure};
pub use gaps::Gaps;
pub use liquidity::Liquidity;
pub use named::Named;
pub use order_blocks::{MitigateBy, OrderBlocks};
pub use swings::Swings;
