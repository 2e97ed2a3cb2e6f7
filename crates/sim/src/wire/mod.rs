//! The protocol as pure functions: parameters and signatures in, JSON out. It uses no socket.

pub mod answers;
pub mod book;
pub mod error;
pub mod events;
pub mod info;
pub mod intervals;
pub mod klines;
pub mod lists;
pub mod market;
pub mod orders;
pub mod params;
pub mod queries;
pub mod sapi;
pub mod sign;
pub mod stats;
pub mod streams;
pub mod window;

use everwarm_domain::money::Decimal;

/// A number as the protocol writes it: at least eight decimals, never an exponent.
#[must_use]
pub fn number(value: Decimal) -> String {
    let value = value.normalize();
    if value.scale() > 8 { value.to_string() } else { format!("{value:.8}") }
}

#[cfg(test)]
mod tests;
