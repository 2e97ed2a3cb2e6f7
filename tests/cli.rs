//! The built binary as a person meets it.

mod absent;
mod actors;
mod analyze;
pub mod api;
mod chaos;
mod chaos_stocks;
mod config;
mod demo;
mod limits;
pub mod look;
mod measured;
mod narrow;
mod nouns;
mod plot;
mod refuse;
mod reload;
mod safety;
mod strategies;
mod symbols;
mod tls;
mod warmed;
mod words;
