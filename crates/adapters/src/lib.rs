//! Adapters: one folder a venue or source. Each holds everything that knows its wire.

pub mod binance;

#[cfg(test)]
#[path = "../../../tests/shared.rs"]
mod shared;
