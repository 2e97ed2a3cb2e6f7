//! Says what kind of market a series of bars is in. [`Regimes`] finds the condition of a symbol,
//! [`Biases`] the side on which to trade, [`Drivers`] the phase of an uptrend.
//!
//! Each takes one closed bar at a time and uses only what is known at its close. Later bars never
//! change a past value. Bars are counted from 0, the first bar that it took.
//!
//! A regime and a driver change only after two closes running: a candidate at two closes running
//! becomes the state. Another candidate, or none, starts the count again.
//!
//! The state is exact: integers, and floats that are saved bit for bit. So a restored state goes on
//! as one that never stopped. Memory is bounded, and one bar costs O(1) on average.

mod bias;
mod driver;
mod named;
mod settled;
mod symbol;
#[cfg(test)]
mod tests;
mod zones;

pub use bias::{Bias, Biases};
pub use driver::{Driver, Drivers};
pub use named::{DriverNumber, RegimeNumber};
pub use symbol::{Basis, Regime, Regimes};
pub use zones::ZONES_MAX;
