//! Adapters, one folder for each venue or source. Each folder holds all code for its wire format.

pub mod binance;

#[cfg(test)]
#[path = "../../../tests/shared.rs"]
mod shared;
