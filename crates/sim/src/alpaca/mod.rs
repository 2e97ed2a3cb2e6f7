//! The protocol of Alpaca over the same books: trading and market data on one port.
//!
//! Shares are whole by default. There is no commission, but sales cost [`fees`] of the authorities.
//! Every order id is a UUID that contains the number of the order, so it survives a restart. A
//! client id is used up for good.
//!
//! The request log and the faults name requests by their subject, with the words of the other
//! protocol: `POST order` is the placement of an order in both.

pub mod account;
pub mod activities;
pub mod bars;
pub mod body;
pub mod calendar;
pub mod classes;
pub mod data;
pub mod error;
pub mod events;
pub mod fees;
pub mod ids;
pub mod new_order;
pub mod new_york;
pub mod opening;
pub mod orders;
pub mod packed;
pub mod place;
pub mod query;
pub mod quotes;
pub mod replace;
pub mod rest;
pub mod roles;
pub mod routes;
pub mod splits;
pub mod stream;
pub mod times;

use everwarm_domain::money::Decimal;

/// A number as the protocol writes it: without superfluous zeros, never with an exponent.
#[must_use]
pub fn number(value: Decimal) -> String {
    value.normalize().to_string()
}

#[cfg(test)]
mod tests;
